"""Interleaved rounds: everybody in turn in each, with the multiply-add limit and what others took of the processor."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bptt.compiler.cpu.products.limit import limit

OTHERS = 0.03
"""A round in which others took a greater share of the processors' time is not clean."""
SAMPLE = 0.1
"""Seconds that one participant runs in one round, at least: ticks of the system's clock are 10 ms."""
LONG = 1.0
"""Seconds of a call that needs no other before it."""
PAUSE = 0.005
"""Seconds before each sample: threads of the one before stop waiting actively."""


@dataclass(frozen=True)
class Round:
    """Seconds a step by name; GFLOP/s of the limit; the share of the processors' time that others took, if known."""

    seconds: Mapping[str, float]
    limit: float
    others: float | None

    @property
    def clean(self) -> bool:
        return self.others is None or self.others <= OTHERS


@dataclass(frozen=True)
class Range:
    """A median with the 10th and the 90th percentile."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Range:
        low, median, high = np.percentile(values, [10, 50, 90])
        return Range(float(median), float(low), float(high))

    def times(self, factor: float) -> Range:
        """In another unit."""
        return Range(self.median * factor, self.low * factor, self.high * factor)

    def text(self, form: str = "") -> str:
        """Digits by size, where no form is given."""
        form = form or (".3f" if self.high < 10 else ".2f" if self.high < 100 else ".1f")
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def busy(stat: str) -> float:
    """Seconds that all processors were not idle, from the text of /proc/stat: also those stolen by other machines."""
    ticks = [int(n) for n in stat.splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _wait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Load:
    """What others take of the processors' time between two moments."""

    def __init__(self) -> None:
        self.stat = Path("/proc/stat")
        self.begin = self._now()

    def _now(self) -> tuple[float, float, float]:
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return (busy(self.stat.read_text()) if self.stat.exists() else 0.0), own, time.perf_counter()

    def others(self) -> float | None:
        """Their share since this was made; None where the system does not say."""
        if not self.stat.exists():
            return None
        (busy0, own0, wall0), (busy1, own1, wall1) = self.begin, self._now()
        return max(0.0, (busy1 - busy0) - (own1 - own0)) / ((wall1 - wall0) * (os.cpu_count() or 1))


def sample(run: Callable[[], Any], seconds: float = SAMPLE) -> float:
    """Seconds a call: the median of as many as fit, at least one, after a pause and a call that does not count.

    One so long that what was in the caches before makes no difference counts from the first.
    """
    time.sleep(PAUSE)
    begin = time.perf_counter()
    run()
    first = time.perf_counter() - begin
    if first > LONG:
        return first
    times: list[float] = []
    while sum(times) < seconds:
        begin = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - begin)
        del result
    return float(np.median(times))


def one_round(runs: Mapping[str, Callable[[], Any]], threads: int, turn: int) -> Round:
    """Everybody once, beginning with another one in each turn."""
    names = list(runs)
    first = turn % len(names)
    load = Load()
    most = limit("float32", threads)
    seconds = {name: sample(runs[name]) for name in names[first:] + names[:first]}
    return Round({name: seconds[name] for name in names}, most, load.others())


@dataclass
class Rounds:
    """All rounds of one measurement."""

    rounds: list[Round]

    @property
    def used(self) -> list[Round]:
        """The clean ones; all where none is clean."""
        return [r for r in self.rounds if r.clean] or self.rounds

    @property
    def clean(self) -> int:
        return sum(r.clean for r in self.rounds)

    def seconds(self, name: str) -> Range:
        return Range.of([r.seconds[name] for r in self.used])

    def ratio(self, name: str, to: str) -> Range:
        """How many times as long ``name`` takes as ``to``, within each round."""
        return Range.of([r.seconds[name] / r.seconds[to] for r in self.used])

    def fraction(self, name: str, flops: float) -> Range:
        """Of the multiply-add limit of the same round."""
        return Range.of([flops / r.seconds[name] / 1e9 / r.limit for r in self.used])

    def limit(self) -> Range:
        return Range.of([r.limit for r in self.used])

    def words(self) -> str:
        """How many rounds count."""
        if self.rounds and self.rounds[0].others is None:
            return f"{len(self.rounds)} rounds (what others took is not known here)"
        if not self.clean:
            least = min(r.others or 0 for r in self.rounds)
            return f"NO clean round of {len(self.rounds)}: others took {least:.0%} or more; figures are disturbed"
        return f"{self.clean} clean rounds of {len(self.rounds)}"

    def json(self) -> dict[str, Any]:
        return {"clean": self.clean, "rounds": [asdict(r) | {"clean": r.clean} for r in self.rounds]}


def measure(runs: Mapping[str, Callable[[], Any]], threads: int, rounds: int, seconds: float) -> Rounds:
    """Rounds until so many are clean, or the time is over; at least one."""
    for run in runs.values():
        run()  # what is compiled or loaded at first is not measured, nor does it take from the time
    begin = time.perf_counter()
    done = Rounds([])
    while not done.rounds or (done.clean < rounds and time.perf_counter() - begin < seconds):
        done.rounds.append(one_round(runs, threads, len(done.rounds)))
    return done

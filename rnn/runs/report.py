"""What a training run shows while it runs, and the metrics that it writes: progress, logs, Ctrl-C."""

from __future__ import annotations

import json
import math
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from . import folder, logs

if TYPE_CHECKING:
    from ..optim import Arrays
    from ..trainer import Step

BITS = 1.0 / math.log(2.0)
"""Bits in a nat."""

WORDS = {
    "nats": "{:.4f} nats",
    "bits": "{:.4f} bits a {item}",
    "perplexity": "perplexity {:.4g}",
    "accuracy": "accuracy {:.2%}",
}
"""How measures are written; others as their name and four digits."""
SHOWN = ("accuracy", "rmse", "normalised_rmse")
"""The measure beside a loss that has no bits: the first that there is."""
BESIDE = "normalised_rmse"
"""The measure of persistence that stands beside a forecaster's."""
SHORT = {"character": "char", "sentence": "sent."}
"""Items in the bar, which has 80 columns or fewer."""


def written(measures: Mapping[str, float], item: str) -> str:
    """Measures in words: "1.8300 nats, 2.6401 bits a character, perplexity 6.234"."""
    words = {name: WORDS.get(name, name.replace("_", " ") + " {:.4g}") for name in measures}
    return ", ".join(words[name].format(value, item=item) for name, value in measures.items())


def duration(seconds: float) -> str:
    """A time as it is said: "42 s", "3 min", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Report:
    """Progress (a bar on a terminal, plain lines elsewhere, JSON lines if asked for) and the logs of the run.

    place    the run folder
    updates  of the whole run; every: from one line of metrics to the next
    item     what the loss counts, in the singular
    nats     whether the loss is in nats an item, so that it has bits
    quiet    print nothing; as_json: one JSON object a line on standard output, and nothing else

    ``say`` prints a line, ``step`` counts an update, ``validation`` notes a result, ``compiling`` that kernels are
    compiled. metrics.jsonl holds what repeats exactly; speed.jsonl the times. What the next line of metrics adds up is
    saved with the run (``state``).

    The speed is that of updates alone: validations, saves, callbacks and updates that waited for the compiler are left
    out. The time left has all of them but the compiler.
    """

    def __init__(
        self,
        place: Path,
        updates: int,
        every: int,
        item: str,
        nats: bool = False,
        quiet: bool = False,
        as_json: bool = False,
    ) -> None:
        self.place, self.updates, self.every, self.item, self.nats = place, updates, every, item, nats
        self.quiet, self.as_json = quiet or as_json, as_json
        self._bar: Any = None
        self._losses: list[float] = []
        self._latest: dict[str, float] = {}
        self._stepped: Step | None = None
        self._building: float | None = None
        self._silent = False
        self.restart(0)

    def restart(self, update: int) -> None:
        """Begin to count the time: ``update`` updates were made before."""
        self._begin = self._warm = time.perf_counter()
        self._first = self._update = update
        self._compiled = 0.0
        self._whole, self._recent = Pace(), Pace()

    # ---- what is said ------------------------------------------------------------------------------
    def say(self, line: str) -> None:
        """A line for people, on standard error."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def event(self, kind: str, record: Mapping[str, Any]) -> None:
        """A line for programs, on standard output."""
        if self.as_json:
            print(json.dumps(logs.plain({"event": kind, **record}), ensure_ascii=False), flush=True)

    # ---- what is noted -----------------------------------------------------------------------------
    @property
    def busy(self) -> bool:
        """Whether kernels are being compiled."""
        return self._building is not None or self._silent

    def compiling(self, count: int | None) -> None:
        """Say that kernels begin to be compiled (None), or that so many have been, and how long it took."""
        if count is None:
            self._building = time.perf_counter()
            if not self._silent:
                self.say("compiling…")
        elif self._building is not None:
            taken, self._building = time.perf_counter() - self._building, None
            self._compiled += taken
            if not self._silent:
                self.say(f"compiled in {duration(taken)} ({kernels(count)})")

    @contextmanager
    def first(self, compilations: Callable[[], int]) -> Iterator[None]:
        """Within it the first update of a process is made, all of which is waiting for the compiler."""
        self.say("compiling…")
        since, self._silent = time.perf_counter(), True
        try:
            yield
        finally:
            self._silent = False
        self.say(f"compiled in {duration(time.perf_counter() - since)} ({kernels(compilations())})")

    def step(self, step: Step, seconds: float | None = None) -> None:
        """Count an update; after the first and every ``every``, a line of metrics: the mean loss since.

        seconds  that the update took; None where it waited for the compiler, which leaves it out of the speed
        """
        self._losses.append(step.loss)
        self._update, self._stepped = step.update, step
        if step.update == self._first + 1:
            self._warm, self._compiled = time.perf_counter(), 0.0
        if seconds is not None:
            self._whole.add(step.items, seconds)
            self._recent.add(step.items, seconds)
        if self._terminal():
            self._advance(1)
        if step.update != 1 and step.update % self.every and step.update != self.updates:
            return
        loss = math.fsum(self._losses) / len(self._losses)
        record: dict[str, Any] = {"update": step.update, "loss": loss}
        if self.nats:
            record["bits"] = loss * BITS
        record |= {"norm": step.norm, "rate": step.rate}
        logs.append(self.place / folder.METRICS, record)
        speed, self._recent = self._recent.speed, Pace()
        self._note_speed(step.update, speed)
        pace, shown = {}, ""
        if speed is not None:
            left = self._left()
            pace = {f"{self.item}s_per_second": round(speed), "seconds_left": round(left)}
            shown = f", {speed:,.0f} {self.item}s/s, {duration(left)} left"
        self.event("step", {**record, **pace})
        if not self._terminal():
            self.say(
                f"update {step.update:>5} of {self.updates}: {self._loss(loss)}, gradient norm {digits(step.norm)}"
                f"{self._validated('validation')}{shown}"
            )
        self._losses = []

    def validation(
        self, update: int, measures: Mapping[str, float], baseline: Mapping[str, float] | None = None
    ) -> None:
        """Note the measures on the part of the data that is not trained on.

        baseline  those of persistence, of a forecaster
        """
        baseline = baseline or {}
        record = {"update": update, **{f"validation_{name}": value for name, value in measures.items()}}
        logs.append(self.place / folder.METRICS, record)
        self.event("validation", {**record, **{f"persistence_{name}": value for name, value in baseline.items()}})
        shown = next((name for name in SHOWN if name in measures), list(measures)[-1])
        self._latest = {shown: measures[shown]}
        if self._bar is not None:
            self._advance(0)
        same = {name: value for name, value in baseline.items() if name == BESIDE}
        beside = f" (persistence: {written(same, self.item)})" if same else ""
        self.say(f"validation after {update}: {written(measures, self.item)}{beside}")

    def _loss(self, loss: float) -> str:
        return f"{loss:.3f} nats, {loss * BITS:.3f} bits a {self.item}" if self.nats else f"loss {loss:.4g}"

    def _validated(self, name: str) -> str:
        """The accuracy (or other measure) of the last validation, where the loss does not say it."""
        return "" if self.nats or not self._latest else f", {name} {written(self._latest, self.item)}"

    def _left(self) -> float:
        """Seconds to the last update, if it goes on as it did since the first of this process, without compiling."""
        done = self._update - self._first - 1
        passed = time.perf_counter() - self._warm - self._compiled
        return passed / max(done, 1) * (self.updates - self._update)

    def _note_speed(self, update: int, speed: float | None) -> None:
        record: dict[str, Any] = {"update": update, "seconds": round(time.perf_counter() - self._begin, 3)}
        if speed is not None:
            record["items_per_second"] = round(speed)
        logs.append(self.place / folder.SPEED, record)

    # ---- what is saved -----------------------------------------------------------------------------
    def state(self) -> Arrays:
        """The losses since the last line of metrics."""
        return {"losses": np.array(self._losses, dtype=np.float64)}

    def load(self, state: Mapping[str, Any], update: int) -> None:
        """Go on after ``update`` updates with what ``state`` gave."""
        self._losses = [float(loss) for loss in state.get("losses", ())]
        self.restart(update)

    # ---- the bar -----------------------------------------------------------------------------------
    def _terminal(self) -> bool:
        return not self.quiet and sys.stderr.isatty()

    def _advance(self, updates: int) -> None:
        """Move the bar on; what does not fit beside it takes its place."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=self.updates,
                initial=self._update - 1,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{n_fmt}/{total_fmt} |{bar}|",
            )
        shown = self._shown()
        count = f"{self._update}/{self.updates}"
        room = shutil.get_terminal_size().columns - len(count) - len(shown)
        self._bar.bar_format = "{n_fmt}/{total_fmt} " + ("|{bar}| {desc}" if room >= 10 else "{desc}")
        self._bar.set_description_str(shown, refresh=False)
        self._bar.update(updates)

    def _shown(self) -> str:
        """What stands beside the bar: loss, accuracy, gradient norm, items a second, time left."""
        step = self._stepped
        if step is None:
            return ""
        loss = f"{step.loss:.3f} nats, {step.loss * BITS:.3f} bits" if self.nats else f"loss {step.loss:.4g}"
        shown = f"{loss}{self._validated('val.')}, norm {digits(step.norm)}"
        speed = self._whole.speed
        if speed is None:
            return shown
        item = SHORT.get(self.item, f"{self.item}s")
        return f"{shown}, {speed:,.0f} {item}/s, {duration(self._left())} left"

    def close(self) -> None:
        """End the progress bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@dataclass
class Pace:
    """Items, and the seconds that their updates took."""

    items: int = 0
    seconds: float = 0.0

    def add(self, items: int, seconds: float) -> None:
        """Count an update."""
        self.items += items
        self.seconds += seconds

    @property
    def speed(self) -> float | None:
        """Items a second; None where no update was counted."""
        return self.items / max(self.seconds, 1e-9) if self.items else None


def kernels(count: int) -> str:
    """How many kernels were compiled, in words."""
    return f"{count} kernel{'' if count == 1 else 's'}" if count else "all kernels were kept from before"


def digits(norm: float) -> str:
    """A norm with two decimals, and a small one with two digits: 12.50, 0.50, 0.00012."""
    return f"{norm:.2f}" if norm >= 1 else f"{norm:#.2g}"


class Interrupt:
    """Within it the first Ctrl-C only sets ``asked``, so that an update is finished; the second interrupts.

    Outside the main thread, where Python allows no signal handlers, it does nothing.
    """

    def __init__(self, report: Report) -> None:
        self.asked = False
        self._report = report
        self._former: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with suppress(RuntimeError):  # it came in the middle of a line that was being written
            first = "the compilation and this update" if self._report.busy else "this update"
            self._report.say(f"Ctrl-C: finishing {first}, then saving; once more to stop at once")

    def __exit__(self, *error: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

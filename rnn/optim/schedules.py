"""Learning rates over a run: functions of the update's number, from 0, and of nothing else.

So a run that goes on needs only its position. The one exception is ``Plateau``, which watches a measure of
validation; its state is saved with the run.

    rate = Warmup(Cosine(0.01, updates=900), updates=100)
    optimiser.step(weights, out.grad, rate(n))          # n = 0, 1, …
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...graph.errors import unknown

Arrays = dict[str, NDArray[Any]]


class ScheduleError(ValueError):
    """A schedule that there is not, a number that makes no sense, or a state of another schedule."""


class Schedule(ABC):
    """The learning rate of each update. Those that depend on its number alone keep nothing.

    A schedule is a dataclass; its numbers are checked when it is made.
    """

    def __post_init__(self) -> None:
        _check(self)

    @abstractmethod
    def __call__(self, update: int) -> float:
        """The rate of update 0, 1, …; after the last update that a schedule knows of, its last rate."""

    def observe(self, measure: float) -> None:  # noqa: B027 - few schedules look at it
        """A measure of validation has come in; ``Plateau`` alone looks at it."""

    def state(self) -> Arrays:
        """What has to be saved, by name."""
        return {}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``state()`` gave. Raises ScheduleError where that was another schedule."""
        if state:
            raise ScheduleError(f"{type(self).__name__} keeps nothing, but the state holds {', '.join(state)}")


@dataclass(frozen=True)
class Constant(Schedule):
    """Always the same rate."""

    rate: float

    def __call__(self, update: int) -> float:
        return self.rate


@dataclass(frozen=True)
class Linear(Schedule):
    """From ``rate`` at update 0 in a straight line to ``end`` at update ``updates``, the first that is not made."""

    rate: float
    updates: int
    end: float = 0.0

    def __call__(self, update: int) -> float:
        share = min(update / self.updates, 1.0)
        return self.end + (self.rate - self.end) * (1.0 - share)


@dataclass(frozen=True)
class Cosine(Schedule):
    """From ``rate`` to ``end`` along half a cosine (Loshchilov and Hutter 2017, equation 5, without restarts)."""

    rate: float
    updates: int
    end: float = 0.0

    def __call__(self, update: int) -> float:
        share = min(update / self.updates, 1.0)
        return self.end + (self.rate - self.end) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Step(Schedule):
    """``factor`` times the rate after ``every`` updates, and again after as many."""

    rate: float
    every: int
    factor: float = 0.1

    def __call__(self, update: int) -> float:
        return self.rate * self.factor ** (update // self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """``factor`` times the rate after each ``every`` updates, a little at every one: rate · factor^(update / every)."""

    rate: float
    factor: float
    every: int = 1

    def __call__(self, update: int) -> float:
        return float(self.rate * self.factor ** (update / self.every))


@dataclass(frozen=True)
class Warmup(Schedule):
    """A straight line from near 0 up to the first rate of another schedule, which begins after ``updates`` of them.

    Update n < updates has the rate (n + 1) / updates times that first rate, so that none is 0.
    """

    schedule: Schedule
    updates: int

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise ScheduleError(f"Warmup: expected a schedule, such as Cosine(0.01, 900), got {self.schedule!r}")
        super().__post_init__()

    def __call__(self, update: int) -> float:
        if update < self.updates:
            return self.schedule(0) * (update + 1) / self.updates
        return self.schedule(update - self.updates)

    def observe(self, measure: float) -> None:
        self.schedule.observe(measure)

    def state(self) -> Arrays:
        return self.schedule.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.schedule.load(state)


@dataclass
class Plateau(Schedule):
    """``factor`` times the rate when a measure has not become better ``patience`` + 1 times in a row.

    ``observe`` it at every validation; less is better, unless ``more``. Better means by ``threshold`` times the best
    so far. After a reduction the next ``cooldown`` measures are not counted; the rate does not fall below ``end``.
    A measure that is not a number is never better. (torch's ReduceLROnPlateau in its relative mode; of
    a best below 0 the threshold is a share of its size.)
    """

    rate: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    end: float = 0.0
    more: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._now, self._best, self._waited, self._cooling = self.rate, math.inf, 0, 0
        if self.more:
            self._best = -math.inf

    def __call__(self, update: int) -> float:
        return self._now

    def observe(self, measure: float) -> None:
        if self._better(measure):
            self._best, self._waited = measure, 0
        else:
            self._waited += 1
        if self._cooling:
            self._cooling -= 1
            self._waited = 0
        if self._waited > self.patience:
            self._now = max(self._now * self.factor, min(self.end, self._now))
            self._cooling, self._waited = self.cooldown, 0

    def _better(self, measure: float) -> bool:
        if math.isinf(self._best):
            return measure > self._best if self.more else measure < self._best
        least = self.threshold * abs(self._best)
        return measure > self._best + least if self.more else measure < self._best - least

    def state(self) -> Arrays:
        return {
            "rate": np.array(self._now, np.float64),
            "best": np.array(self._best, np.float64),
            "waited": np.array(self._waited, np.int64),
            "cooling": np.array(self._cooling, np.int64),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        expected = self.state()
        if set(state) != set(expected) or any(a.shape != () for a in state.values()):
            got = ", ".join(state) or "nothing"
            raise ScheduleError(f"the state of Plateau holds {', '.join(expected)}, one number each; got {got}")
        self._now, self._best = float(state["rate"]), float(state["best"])
        self._waited, self._cooling = int(state["waited"]), int(state["cooling"])


# ---- by name -------------------------------------------------------------------------------------
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "linear": Linear,
    "cosine": Cosine,
    "step": Step,
    "exponential": Exponential,
    "plateau": Plateau,
}
"""What ``make`` knows by name."""


def numbers_of(name: str) -> tuple[str, ...]:
    """The numbers that a schedule takes by name. Raises ScheduleError as ``make`` does."""
    kind: Any = _known(name)
    return tuple(f.name for f in fields(kind))


def make(name: str, *, rate: float, updates: int, warmup: int = 0, **numbers: Any) -> Schedule:
    """A schedule by its name, for settings and the command line, for a run of ``updates`` with ``warmup`` before.

    The warm-up is a part of the run: a cosine falls over the updates that are left. numbers: those of the schedule,
    such as ``every=100``; where "step" is not told ``every``, it falls at each third of the run, and "exponential"
    by its ``factor``, 0.1 unless told, over the whole run.

    Raises ScheduleError for a name that there is not, for a number that this schedule does not take, both with what
    there is, and for numbers that make no sense.
    """
    kind, known = _known(name), numbers_of(name)
    for number in numbers:
        if number not in known:
            raise ScheduleError(unknown(f"the schedule {name} has no {number}", number, known))
    _expect("updates", updates, int, lambda v: v >= 1, "a whole number of at least 1")
    _expect("warmup", warmup, int, lambda v: v >= 0, "a whole number of at least 0")
    left = max(updates - warmup, 1)
    if name in ("linear", "cosine"):
        numbers.setdefault("updates", left)
    elif name == "step":
        numbers.setdefault("every", max(math.ceil(left / 3), 1))
    elif name == "exponential":
        numbers = {"factor": 0.1, "every": left} | numbers
    found = kind(rate=rate, **numbers)
    return Warmup(found, warmup) if warmup else found


def _known(name: str) -> Callable[..., Schedule]:
    found = SCHEDULES.get(name)
    if found is None:
        raise ScheduleError(unknown(f"there is no schedule {name!r}", str(name), SCHEDULES, "there are"))
    return found


# ---- numbers -------------------------------------------------------------------------------------
_RULES: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "rate": (Real, lambda v: 0 < v < math.inf, "a finite number above 0"),
    "end": (Real, lambda v: 0 <= v < math.inf, "a finite number of at least 0"),
    "factor": (Real, lambda v: 0 < v <= 1, "a number above 0 and at most 1"),
    "threshold": (Real, lambda v: 0 <= v < math.inf, "a finite number of at least 0"),
    "updates": (int, lambda v: v >= 1, "a whole number of at least 1"),
    "every": (int, lambda v: v >= 1, "a whole number of at least 1"),
    "patience": (int, lambda v: v >= 0, "a whole number of at least 0"),
    "cooldown": (int, lambda v: v >= 0, "a whole number of at least 0"),
}


def _check(schedule: Any) -> None:
    for f in fields(schedule):
        if f.name in _RULES:
            _expect(f"{type(schedule).__name__}: {f.name}", getattr(schedule, f.name), *_RULES[f.name])


def _expect(what: str, value: Any, kind: Any, holds: Callable[[Any], bool], expected: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not holds(value):
        raise ScheduleError(f"{what}: expected {expected}, got {value!r}")

"""The settings of a training run: one table, from which the command line, run.toml and the checks are made."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.errors import did_you_mean, unknown
from ..data import REFUSE, UNKNOWN, DataError
from ..data.vocabulary import UNITS
from ..optim import OPTIMISERS, Optimiser, OptimiserError, numbers_of
from ..optim import make as make_optimiser
from ..optim.schedules import SCHEDULES, Schedule, ScheduleError
from ..optim.schedules import make as make_schedule
from ..tasks import TASKS, TaskSettings
from ..tasks.settings import WINDOW

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..optim import Array


@dataclass(frozen=True)
class Rule:
    """What a setting may be: its type, a condition, and how an error and the help name what is expected."""

    kind: type
    holds: Callable[[Any], bool]
    expected: str
    choices: tuple[str, ...] = ()


    def of(self, name: str, value: Any) -> Any:
        """The value as what it is kept as. Raises DataError, with the name of the setting, where it may not be so."""
        if self.kind is str and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if self.kind is not str and isinstance(value, np.generic) and value.dtype.kind in "iuf":
            value = value.item()
        kinds: Any = (int, float) if self.kind is float else self.kind
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.holds(value):
            near = did_you_mean(value, self.choices) if isinstance(value, str) else None
            raise DataError(f"setting {name}: expected {self.expected}, got {value!r}" + (f"; {near}" if near else ""))
        return float(value) if self.kind is float else value


def _whole(least: int) -> Rule:
    return Rule(int, lambda v: v >= least, f"a whole number of at least {least}")


def _choice(*names: str) -> Rule:
    known = tuple(name for name in names if name)
    return Rule(str, lambda v: v in names, f"one of {', '.join(known)}", known)


POSITIVE = Rule(float, lambda v: 0 < v < math.inf, "a finite number above 0")
NOT_NEGATIVE = Rule(float, lambda v: 0 <= v < math.inf, "a finite number of at least 0")
SHARE = Rule(float, lambda v: 0 < v < 1, "a number between 0 and 1")
BELOW_ONE = Rule(float, lambda v: 0 <= v < 1, "a number in [0, 1)")
TEXT = Rule(str, lambda v: "\0" not in v, "a text")


TEXTS, SERIES = ("language_model",), ("forecaster",)
LONG, SYMBOLIC = (*TEXTS, *SERIES), ("language_model", "tagger", "classifier", "translator")
READ = {
    "language_model": "reads one text",
    "tagger": "reads each sentence whole, by its words",
    "classifier": "reads each text whole",
    "forecaster": "reads a series of numbers",
    "translator": "reads each pair of texts whole",
}
"""What a task reads, where a setting is refused that is not for it."""


def _setting(group: str, default: Any, rule: Rule, about: str, tasks: tuple[str, ...] = TASKS) -> Any:
    """One entry of the table. A default of None: what the optimiser, the schedule or the task itself says.

    tasks  for which it means something, where it is not the same for all
    """
    return field(default=default, metadata={"group": group, "rule": rule, "help": about, "tasks": tasks})


def _said(kind: type[Settings]) -> type[Settings]:
    """Let a setting that there is not be said as other errors are, with the nearest one."""
    make = kind.__init__

    @wraps(make)
    def checked(self: Settings, *given: Any, **named: Any) -> None:
        for name in named:
            if name not in kind.__dataclass_fields__:
                raise DataError(unknown(f"there is no setting {name!r}", name, kind.__dataclass_fields__, "there are"))
        make(self, *given, **named)

    kind.__init__ = checked  # type: ignore[method-assign]
    return kind


@_said
@dataclass(frozen=True)
class Settings:
    """What a run depends on besides its data and its network.

    The same settings, data and network give the same weights, bit for bit, on the same machine and versions.
    ``bptt train --help`` lists each with its meaning; those that are None are left to the optimiser, the schedule or
    the task. Raises DataError for a setting that there is not, with the nearest one, and for one that makes no sense.
    """

    task: str = _setting("data", "", _choice("", *TASKS), "what is learnt (default: what the data look like)")
    share: float = _setting("data", 0.9, SHARE, "share of the data that is trained on, the rest is for validation")
    validation: str = _setting("data", "", TEXT, "a file of data for validation instead of that rest")
    validation_steps: int = _setting(
        "data", 1 << 18, _whole(0), "text, series: the most steps that a validation reads, spread evenly; 0: all", LONG
    )
    unit: str = _setting(
        "data", "", _choice("", *UNITS),
        "what a text is cut into (default: characters; labelled texts and pairs with spaces in them: words)",
        (*TEXTS, "classifier", "translator"),
    )  # fmt: skip
    most: int = _setting("data", 0, _whole(0), "the most symbols of a vocabulary, 0: no limit", SYMBOLIC)
    unknown: str = _setting(
        "data", REFUSE, _choice(*UNKNOWN),
        "symbols that the vocabulary lacks, in new texts: refuse them by name, or map them to the unknown symbol, which"
        " is then learnt from all that occurs once", SYMBOLIC,
    )  # fmt: skip
    separator: str = _setting("data", "", TEXT, "what ends a document of a text: the state starts anew after it", TEXTS)
    text: str = _setting("data", "", TEXT, "the column of the texts, its name or its number from 1", ("classifier",))
    label: str = _setting("data", "", TEXT, "the column of the labels", ("classifier",))
    columns: str = _setting("data", "", TEXT, "the columns of a series, separated by commas (default: all)", SERIES)
    forecast: str = _setting("data", "", TEXT, "the columns that are forecast (default: those of --columns)", SERIES)
    memory: int = _setting("data", 64 << 20, _whole(1), "bytes; a larger text is mapped into memory, not read")

    vector: int = _setting("network", 48, _whole(1), "size of the vector of a symbol")
    hidden: int = _setting("network", 128, _whole(1), "size of the state")
    dtype: str = _setting("network", "float32", _choice("float32", "float64"), "the type of the numbers")
    target: str = _setting(
        "network", "cpu", _choice("cpu", "interpret"), "what runs it; interpret is NumPy, without compiling"
    )

    batch: int = _setting("updates", 16, _whole(1), "rows of text, or sequences, side by side")
    window: int | None = _setting(
        "updates", None, _whole(1), f"text, series: steps from one update to the next (k1; default: {WINDOW})", LONG
    )
    reach: int = _setting(
        "updates", 0, _whole(0), "text, series: steps the gradient goes back (k2), 0: as many as --window", LONG
    )
    updates: int = _setting("updates", 800, _whole(1), "number of updates")
    patience: int = _setting(
        "updates", 0, _whole(0), "validations without a better one after which training stops; 0: it does not"
    )
    seed: int = _setting("updates", 0, _whole(0), "seed of initial weights, order of the data and dropout")

    optimiser: str = _setting("optimiser", "adam", _choice(*OPTIMISERS), "how the weights follow the gradient")
    rate: float = _setting("optimiser", 0.015, POSITIVE, "learning rate at the start")
    momentum: float | None = _setting("optimiser", None, BELOW_ONE, "momentum of sgd and rmsprop")
    alpha: float | None = _setting("optimiser", None, BELOW_ONE, "share that rmsprop's mean square keeps")
    beta1: float | None = _setting("optimiser", None, BELOW_ONE, "share that adam's mean gradient keeps")
    beta2: float | None = _setting("optimiser", None, BELOW_ONE, "share that adam's mean square keeps")
    eps: float | None = _setting("optimiser", None, POSITIVE, "what rmsprop and adam add to the root")
    decay: float | None = _setting("optimiser", None, NOT_NEGATIVE, "weight decay")
    undecayed: str = _setting(
        "optimiser", "vectors,tables", TEXT, "what does not decay: vectors, tables, names of parameters, or nothing"
    )
    clip: float = _setting("optimiser", 1.0, NOT_NEGATIVE, "largest global norm of a gradient, 0: any")
    clip_values: float = _setting("optimiser", 0.0, NOT_NEGATIVE, "largest entry of a gradient, 0: any")

    schedule: str = _setting("schedule", "cosine", _choice(*SCHEDULES), "how the learning rate changes")
    warmup: int = _setting("schedule", 0, _whole(0), "updates in which it rises to --rate first")
    every: int | None = _setting("schedule", None, _whole(1), "step, exponential: updates from one fall to the next")
    factor: float | None = _setting("schedule", None, POSITIVE, "step, exponential, plateau: what a fall leaves")
    end: float | None = _setting("schedule", None, NOT_NEGATIVE, "linear, cosine, plateau: the last rate")
    wait: int | None = _setting("schedule", None, _whole(0), "plateau: validations without a better one before a fall")

    report: int = _setting("output", 10, _whole(1), "updates from one line of metrics to the next")
    validate: int = _setting("output", 200, _whole(1), "updates from one validation and save to the next")
    sample: int = _setting("output", 500, _whole(0), "symbols of the sample that ends the run of a language model")

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                object.__setattr__(self, setting.name, setting.metadata["rule"].of(setting.name, value))
        window = self.window or WINDOW
        if 0 < self.reach < window:
            raise DataError(
                f"setting reach: expected at least the window, {window} steps, got {self.reach};"
                " give a larger reach, a smaller window, or 0 for a reach of one window"
            )
        # what does not go together is said before anything is read
        self.make_schedule()
        self._make_optimiser((), ())

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Settings:
        """Settings from a table. Raises DataError for one that is unknown or makes no sense."""
        return cls(**table)

    def fitted(self, task: str) -> Settings:
        """The settings of a run of this task: with the window that it has, if it has one.

        Raises DataError for one that is given and means nothing there.
        """
        for setting in fields(self):
            if task not in setting.metadata["tasks"] and getattr(self, setting.name) != setting.default:
                known = " or ".join(name.replace("_", " ") for name in setting.metadata["tasks"])
                raise DataError(
                    f"setting {setting.name}: it is for a {known}; this run is a {task.replace('_', ' ')}, which"
                    f" {READ[task]}: leave it out (or say with the setting task what the data are for)"
                )
        return replace(self, window=self.window or WINDOW) if task in LONG else self

    def table(self) -> dict[str, Any]:
        """The settings by name, without those that are left to the optimiser or the schedule."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    # ---- what follows ------------------------------------------------------------------------------
    def for_task(self) -> TaskSettings:
        """The settings that the task needs to read the data."""
        known = {f.name for f in fields(TaskSettings)} - {"target"}
        given = {name: value for name, value in asdict(self).items() if name in known and value is not None}
        return TaskSettings(**given, target=self.forecast)

    def make_schedule(self, more: bool = False) -> Schedule:
        """The learning rate over the run; ``more``: the measure that a plateau watches is better when it is more."""
        given = {"every": self.every, "factor": self.factor, "end": self.end, "patience": self.wait}
        numbers: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.schedule == "plateau":
            numbers["more"] = more
        try:
            return make_schedule(
                self.schedule, rate=self.rate, updates=self.updates, warmup=self.warmup, **numbers
            )
        except ScheduleError as error:
            raise DataError(f"setting schedule: {error}") from error

    def make_optimiser(self, net: Circuit) -> Optimiser:
        """The optimiser for this network's parameters; constants are never changed.

        Raises DataError where ``undecayed`` names no parameter.
        """
        from ..optim import tables

        names = [name.strip() for name in self.undecayed.split(",") if name.strip()]
        for name in names:
            if name not in ("vectors", "tables", *net.params):
                raise DataError(
                    f"setting undecayed: expected vectors, tables or parameters of {net.name}"
                    f" ({', '.join(net.params)}), got {name!r}"
                )
        spared = (*names, *(tables(net) if "tables" in names else ()))
        return self._make_optimiser(spared, net.constants)

    def _make_optimiser(self, spared: Collection[str], fixed: Collection[str]) -> Optimiser:
        given = {"momentum": self.momentum, "alpha": self.alpha, "eps": self.eps, "decay": self.decay}
        numbers: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.beta1 is not None or self.beta2 is not None:
            first, second = self.beta1, self.beta2
            numbers["betas"] = (0.9 if first is None else first, 0.999 if second is None else second)

        def undecayed(name: str, weight: Array) -> bool:
            return name in spared or ("vectors" in spared and weight.ndim < 2)

        try:
            known = numbers_of(self.optimiser)
            for name, option in {**{n: n for n in given}, "beta1": "betas", "beta2": "betas"}.items():
                if getattr(self, name) is not None and option not in known:
                    raise DataError(f"setting {name}: {self.optimiser} has none; it has {', '.join(known)}")
            return make_optimiser(self.optimiser, rate=self.rate, undecayed=undecayed, fixed=fixed, **numbers)
        except OptimiserError as error:
            raise DataError(f"setting optimiser: {error}") from error

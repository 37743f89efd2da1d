"""What a statement may read and define at its place in a loop program; the other half of the checker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..graph.expr import Node
from ..graph.ops.table import load_entries
from .listing import expression
from .loop import Chunks, Load, Program, Rows, Value


class LoopError(ValueError):
    """A loop program that breaks its grammar: a pass is wrong."""


@dataclass(frozen=True)
class Stand:
    """What type rules look at of a node."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str

    @property
    def type(self) -> tuple[tuple[str, ...], tuple[int, ...], str]:
        return self.axes, self.shape, self.dtype


@dataclass(frozen=True)
class Place:
    """Where a statement stands: its stage, the one around that, its rows' axes."""

    stage: Rows
    number: int
    chunks: Chunks | None
    axes: tuple[str, ...]


class Reading:
    """What is defined so far, and the checks that only need to know that."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values = program.values
        self.defined: dict[str, Place | None] = {
            n: None for n, v in self.values.items() if v.role in ("param", "input")
        }
        self.complete: set[str] = set(self.defined)  # every step of them is there
        self.again: set[str] = set()  # the same, while it is computed again
        self.filled: set[tuple[str, bool, int]] = set()
        self.writers: dict[str, Place] = {}  # all that a top-level stage will define, for lags around a loop
        self.number = 0
        self.where = ""

    def fail(self, text: str, *names: str) -> None:
        notes = [f"{n} is {self.values[n].note!r}" for n in names if n in self.values and self.values[n].note]
        lines = [text, *([f"in: {self.where}"] if self.where else []), *notes]
        raise LoopError(f"loop program {self.program.name}: " + "; ".join(lines))

    def type_of(self, op: str, args: Sequence[Stand], attr: Any) -> Stand:
        try:
            axes, shape, dtype = load_entries(op).type(cast("Sequence[Node]", args), attr)
        except (TypeError, ValueError, IndexError) as error:
            self.fail(f"{op}: {error}")
            raise
        return Stand(axes, shape, dtype)

    # ---- reading and defining ------------------------------------------------------------------
    def known(self, name: str) -> None:
        if name not in self.values:
            self.fail(f"there is no value {name}")

    def load(self, e: Load, place: Place) -> Stand:
        self.known(e.value)
        v = self.values[e.value]
        if not set(v.axes) <= set(place.axes):
            self.fail(f"{v.name} varies over {v.axes}, the rows only over {place.axes}", v.name)
        lag = 0
        for axis, k in e.lags:
            if axis != v.time or v.role not in ("input", "signal"):
                self.fail(f"{v.name} has no steps before or after along {axis}", v.name)
            lag += k
        if lag > v.lead or -lag > v.trail:
            self.fail(
                f"{expression(e)} needs slots that are not there: {v.lead} before, {v.trail} after", v.name
            )
        missing = [(lag > 0, p) for p in self.boundary(v, lag) if (v.name, lag < 0, p) not in self.filled]
        if missing and v.role == "signal":
            self.fail(f"{expression(e)} reads a boundary value that nothing fills: {missing[0][1]}", v.name)
        self.available(v, lag, place)
        return Stand(v.axes, v.shape, v.dtype)

    @staticmethod
    def boundary(v: Value, lag: int) -> range:
        return range(1 - lag, 1) if lag > 0 else range(1, -lag + 1)

    def available(self, v: Value, lag: int, place: Place) -> None:
        """Whether the slot that a lag reads has been computed, and is still held."""
        if v.name in self.again:
            return
        made = self.defined.get(v.name, self.writers.get(v.name) if lag else None)
        if v.name in self.complete:
            if v.keep.kind != "all":
                self.fail(f"{v.name}, of which {v.keep} is held, is read in a later stage", v.name)
            return
        if made is None:
            self.fail(f"{v.name} is read before it is defined", v.name)
            return
        if made.number == -1:
            self.fail(f"the block {v.name} is read outside the body that defines it", v.name)
        if made.number == -2:
            self.fail(f"the sum {v.name} is complete only after its stage, and read in it", v.name)
        if v.time is not None and v.role == "signal" and v.time != place.stage.axis and v.time in place.axes:
            # a signal over (s, b) written inside Over s of this stage has only the outer row's values
            if lag:
                self.fail(f"{v.name} is read at another step of an axis that no loop follows", v.name)
            return
        self.in_order(v, lag, place, made)

    def in_order(self, v: Value, lag: int, place: Place, made: Place) -> None:
        order = place.chunks.order if place.chunks and made.number != place.number else place.stage.order
        restored = place.chunks is not None and v.name in dict(place.chunks.restore) and 0 <= lag <= v.lead
        if lag and not restored and (order == "free" or (lag > 0) != (order == "up")):
            self.fail(
                f"{v.name} is read {lag:+d} steps before the row's own in a stage that runs {order}", v.name
            )
        if lag and made.number > place.number:
            self.fail(f"{v.name} is defined in a later stage of the same chunks", v.name)
        same = made.number == place.number
        within = place.chunks is not None and v.keep.n >= place.chunks.size + abs(lag)
        if v.keep.kind == "ring" and (abs(lag) >= v.keep.n or not (same or within)):
            self.fail(f"{v.name} keeps {v.keep}, too little for a lag of {lag}", v.name)
        if v.keep.kind == "chunk" and (place.chunks is None or v.keep.n < place.chunks.size + abs(lag)):
            self.fail(f"{v.name} keeps {v.keep}, too little for a lag of {lag} in these chunks", v.name)

    def define(self, name: str, place: Place, shape: tuple[int, ...], dtype: str) -> None:
        v = self.values[name]
        if v.role not in ("static", "signal", "block"):
            self.fail(f"{name} is a {v.role}, a statement cannot define it", name)
        own = set(v.axes) <= set(place.axes) if v.role == "block" else v.axes == place.axes
        if not own:
            self.fail(f"{name} varies over {v.axes}, the rows that define it over {place.axes}", name)
        self.store(name, place, shape, dtype)

    def store(self, name: str, place: Place, shape: tuple[int, ...], dtype: str) -> None:
        v = self.values[name]
        if name in self.defined:
            self.fail(f"{name} is defined twice", name)
        if (v.shape, v.dtype) != (shape, dtype):
            self.fail(f"{name} is {v.shape} {v.dtype}, what is stored in it {shape} {dtype}", name)
        self.defined[name] = place

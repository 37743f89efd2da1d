"""Where a statement is printed: which variables hold the row and its steps, and how values are read there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..loop import Load, Value
from ..memory import slot_offset
from .layout import Layout
from .writer import Writer

UNITS = ("unit", "unit2", "unit3", "unit4", "unit5", "unit6", "unit7", "unit8")


@dataclass(frozen=True)
class Scope:
    """The rows of a body.

    axes    the time axes of the rows, each with a variable of its name for the step
    axis    along which the rows of the batch are chosen; None: all rows
    batch   whether the rows are sequences
    single  whether row and step are fixed by loops around: one row at a time
    """

    axes: tuple[str, ...]
    axis: str | None
    batch: bool
    single: bool = False


class Reader:
    """Prints references to values of a program in a scope; what they need becomes an argument."""

    def __init__(self, layout: Layout, writer: Writer) -> None:
        self.layout, self.writer = layout, writer
        self.program, self.names, self.inner = layout.program, layout.names, layout.inner
        self.shared = False  # whether all threads compute each statement together, for all rows
        self.shares: set[int] = set()  # numbers of panels or units that are cut for threads
        self.places: dict[str, str] = {}  # indices that are worked out once a step: variable -> its text

    # ---- rows ----------------------------------------------------------------------------------
    @contextmanager
    def loop(self, scope: Scope, first: str = "0", whole: bool = False) -> Iterator[None]:
        """The loop over the rows of a block, where the statement is not printed for a single row.

        Threads that compute a statement together have some of the rows each, or, ``whole``, all: then they have some
        of the units.
        """
        w = self.writer
        if scope.single or not scope.batch:
            yield
            return
        end = self.rows(scope)
        if self.shared and not whole:
            count = end if first == "0" else f"({end} - {first})"
            parts = (f"{count} * {k} // {w.use('threads')}" for k in ("thread", "(thread + 1)"))
            first, end = (p if first == "0" else f"{first} + {p}" for p in parts)
        with w.block(f"for n in range({end if first == '0' else f'{first}, {end}'}):"):
            w.line(f"row = {self.order(scope)}[n]")
            yield

    def share(self, count: int) -> tuple[str, str]:
        """Which of so many panels or units a thread computes: the first, and the one after the last."""
        self.shares.add(count)
        return f"from_{count}", f"to_{count}"

    def rows(self, scope: Scope) -> str:
        """How many rows run: of the thread's, or of all."""
        return "rows" if scope.axes else f"{self.running(scope.axis or 't')}[0]"

    def order(self, scope: Scope) -> str:
        """The rows in order, those that run first."""
        return self.writer.use(f"order_{scope.axis or 't'}")

    def running(self, axis: str) -> str:
        return self.writer.use(f"running_{axis}")

    def length(self, axis: str, scope: Scope) -> str:
        return f"{self.writer.use('lengths_' + axis)}[row]" if scope.batch else self.writer.use(axis.upper())

    # ---- values --------------------------------------------------------------------------------
    def value(self, load: Load | str) -> Value:
        return self.program.values[load.value if isinstance(load, Load) else load]

    def array(self, v: Value) -> str:
        """The name of its array, or of the variable that holds the one number a row of an Over."""
        stack = self.layout.stack(v)
        name = self.names[stack.names[0] if stack else v.name]
        return name if self.is_local(v) else self.writer.use(name)

    def is_local(self, v: Value) -> bool:
        return v.name in self.inner and not v.shape

    def index(
        self, v: Value, scope: Scope, lags: Sequence[tuple[str, int]] = (), row: str = "row", step: str = ""
    ) -> list[str]:
        """The indices before those of features. ``step``: the variable that holds the step, if not that of its axis."""
        if v.role == "block":
            if v.name in self.inner:
                return []
            return [row] if scope.batch else ["0"]
        shift = dict(lags)
        return [row if a == "b" else self.slot(v, a, step or a, -shift.get(a, 0)) for a in v.axes]

    def inside(self, v: Value, units: Sequence[str]) -> list[str]:
        """The indices of features, in the array that a value shares with others if it does."""
        first = self.layout.first(v)
        return [f"{first} + {units[0]}"] if first and units else list(units)

    def slot(self, v: Value, axis: str, step: str, plus: int) -> str:
        """The index of the slot ``step + plus``."""
        if axis != v.time:
            return offset(step, plus - 1)
        plus += slot_offset(v)
        text = offset(step, plus)
        if v.keep.kind == "all":
            return text
        modulus = self.layout.modulus(v)
        if "room" in modulus:
            self.writer.use("room")
        text = f"{f'({text})' if plus else text} % {modulus}"
        if step != axis:
            return text
        word = "_".join(re.findall(r"\w+", modulus))
        variable = f"{step}{'' if not plus else f'{plus}' if plus > 0 else f'_{-plus}'}_mod_{word}"
        self.places[variable] = text
        return variable

    def element(self, load: Load | str, scope: Scope, units: Sequence[str], row: str = "row") -> str:
        """One number: of the row, at the given features."""
        v = self.value(load)
        if self.is_local(v):
            return self.array(v)
        lags = load.lags if isinstance(load, Load) else ()
        index = [*self.index(v, scope, lags, row), *self.inside(v, units)]
        return f"{self.array(v)}[{', '.join(index) or '0'}]"

    def view(self, load: Load | str, scope: Scope, units: Sequence[str] = ()) -> str:
        """The features of the row that are left when the first are fixed."""
        v = self.value(load)
        index = [*self.index(v, scope, load.lags if isinstance(load, Load) else ()), *self.inside(v, units)]
        if len(units) < len(v.shape) and self.layout.step(v) != v.shape[-1]:
            first = self.layout.first(v)
            index += [":"] * (len(v.shape) - len(units) - 1) + [f"{first or ''}:{first + v.shape[-1]}"]
        return f"{self.array(v)}[{', '.join(index)}]" if index else self.array(v)

    def place(self, load: Load | str, scope: Scope, units: Sequence[str] = ()) -> str:
        """The array, and the index of the first of the features that are left when ``units`` are fixed."""
        v = self.value(load)
        units = [*units, *["0"] * (len(v.shape) - len(units))]
        index = [*self.index(v, scope, load.lags if isinstance(load, Load) else ()), *self.inside(v, units)]
        return f"{self.array(v)}, ({', '.join(index)},)"


def offset(variable: str, plus: int) -> str:
    """``t + 1``, ``t``, ``t - 1``."""
    return variable if not plus else f"{variable} {'+' if plus > 0 else '-'} {abs(plus)}"


def features(shape: Sequence[int], units: Sequence[str] = UNITS) -> list[str]:
    """The heads of loops over features."""
    return [f"for {u} in range({n}):" for u, n in zip(units, shape, strict=False)]

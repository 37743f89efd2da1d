"""Expressions of a Map as Python: one number, from the scalar code of the op table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isinf, isnan
from zlib import crc32

from ...graph.ops.table import load_entries
from ...graph.random import mask_name
from ..loop import Apply, Count, Expr, Here, Length, Let, Load, Map, Number, Random, Row, Step
from .scope import Reader, Scope, features, offset

#: an expression longer than this is given a name of its own
LONGEST = 160


class Expressions:
    """Prints the expressions of one Map: at ``units``, in a scope, with names for its lets."""

    def __init__(
        self,
        reader: Reader,
        scope: Scope,
        shape: Sequence[int],
        units: Sequence[str],
        lets: Mapping[str, str],
    ) -> None:
        self.reader, self.scope, self.shape, self.units, self.lets = reader, scope, shape, units, lets
        self.parts = 0
        self.rows: dict[tuple[tuple[Load, ...], tuple[int, ...]], list[str]] = {}

    def begin(self, statement: Map) -> None:
        """What is worked out once a row: the symbols of rows of tables, 0 where they are none, and whether they are."""
        w = self.reader.writer
        for e in (part for _, let in statement.lets for part in parts(let) if isinstance(part, Row)):
            key = (e.symbols, self.reader.value(e.table).shape[: len(e.symbols)])
            if key in self.rows:
                continue
            first = sum(map(len, self.rows.values())) + 1
            names = self.rows[key] = [f"symbol{k}" for k in range(first, first + len(e.symbols))]
            for name, x in zip(names, e.symbols, strict=True):
                w.line(f"{name} = {self.load(x)}")
            inside = " and ".join(f"0 <= {x} < {n}" for x, n in zip(names, key[1], strict=True))
            w.line(f"{names[0]}_there = 1 if {inside} else 0")
            for name in names:
                w.line(f"{name} *= {names[0]}_there")

    def symbols(self, e: Row) -> list[str]:
        """The variables that hold the symbols of a row."""
        return self.rows[e.symbols, self.reader.value(e.table).shape[: len(e.symbols)]]

    def loops(self) -> list[str]:
        """The heads of the loops over units; of the first, threads that share them have some each."""
        heads = features(self.shape, self.units)
        return [self._shared(self.shape[0]), *heads[1:]] if self.is_shared else heads

    @property
    def is_shared(self) -> bool:
        """Whether threads compute some of the units each."""
        return self.reader.shared and self.scope.batch and not self.scope.single and bool(self.shape)

    def _shared(self, count: int, step: int = 1) -> str:
        first, end = (n if step == 1 else f"{n} * {step}" for n in self.reader.share(count))
        return f"for {self.units[0]} in range({first}, {end}{'' if step == 1 else f', {step}'}):"

    def store(self, name: str) -> str:
        """The line that stores a let."""
        return f"{self.reader.element(name, self.scope, self.units)} = {self.lets[name]}"

    def text(self, e: Expr) -> str:
        """Python for ``e``, without brackets around the whole."""
        text = self._text(e)
        return text[1:-1] if is_bracketed(text) else text

    def _text(self, e: Expr) -> str:
        if isinstance(e, Load):
            return self.load(e)
        if isinstance(e, Row):
            return self.row(e)
        if isinstance(e, Let):
            return self.lets[e.name]
        if isinstance(e, Number):
            return number(e)
        if isinstance(e, Apply):
            return self._apply(e)
        if isinstance(e, Here):
            return "(" + self.here(e.axis, e.end, e.position) + ")"
        if isinstance(e, Random):
            return self._random(e)
        return f"number({self._whole(e)})"

    def load(self, e: Load) -> str:
        """One element of a value."""
        return self.reader.element(e, self.scope, [self.units[c] for c in e.columns])

    def row(self, e: Row) -> str:
        """One element of a row of a table."""
        symbols = self.symbols(e)
        element = self.reader.element(e.table, self.scope, [*symbols, *(self.units[c] for c in e.columns)])
        return f"({element} if {symbols[0]}_there else number(0.0))"

    def _apply(self, e: Apply) -> str:
        args = []
        for a in e.args:
            text = self._text(a)
            if len(text) > LONGEST:
                self.parts += 1
                name = f"part{self.parts}"
                self.reader.writer.line(f"{name} = {text[1:-1] if is_bracketed(text) else text}")
                text = name
            args.append(text)
        scalar = load_entries(e.op).scalar
        if scalar is None:
            raise TypeError(f"{e.op} has no scalar code")
        if not isinstance(scalar, str):
            return scalar(e.attr, args)
        if not scalar.startswith("("):  # a call: its arguments need no brackets
            args = [a[1:-1] if is_bracketed(a) and scalar != "{0}" else a for a in args]
        return scalar.format(*args)

    def _whole(self, e: Step | Length | Count) -> str:
        if isinstance(e, Step):
            return self._step(e.axis)
        if isinstance(e, Length):
            return self.reader.length(e.axis, self.scope)
        return self.reader.writer.use("count_" + "".join(e.axes))

    def _step(self, axis: str) -> str:
        """The absolute number of the row's step."""
        return f"{self.reader.writer.use('start')} + t - 1" if axis == "t" else axis

    def here(self, axis: str, end: bool | None, position: int) -> str:
        """Whether the row is at a step."""
        if end:
            return f"{axis} == {offset(self.reader.length(axis, self.scope), position)}"
        return f"{axis if end is None else self._step(axis)} == {position}"

    def _random(self, e: Random) -> str:
        index = {"t": "0", "s": "0", "b": "0"}
        for a in e.axes:
            index[a] = self.reader.writer.use("original") + "[row]" if a == "b" else self._step(a)
        unit = "0"
        for u, n in zip(self.units, self.shape, strict=False):
            unit = u if unit == "0" else f"({unit}) * {n} + {u}"
        use = self.reader.writer.use
        key = f"{use('seed_low')}, {use('seed_high')} ^ {crc32(mask_name(e.key).encode())}"
        return self.drawn(f"{key}, {e.p!r}, {index['t']}, {index['s']}, {index['b']}, {unit}")

    def drawn(self, counter: str) -> str:
        """0 or 1 from what ``random`` takes."""
        return f"number(random({counter}))"


def parts(e: Expr) -> Iterator[Expr]:
    """An expression and all that it is made of."""
    yield e
    if isinstance(e, Apply):
        for a in e.args:
            yield from parts(a)


def number(e: Number) -> str:
    """A constant in the program's type."""
    if e.dtype == "i":
        return str(int(e.value))
    if e.dtype == "b":
        return str(bool(e.value))
    text = "nan" if isnan(e.value) else "inf" if isinf(e.value) else repr(abs(float(e.value)))
    return f"number({'-' if e.value < 0 else ''}{text})"


def is_bracketed(text: str) -> bool:
    """Whether one pair of brackets holds the whole text."""
    if not text.startswith("("):
        return False
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return i == len(text) - 1
    return False

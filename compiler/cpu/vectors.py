"""Expressions of a Map on whole vectors of units: the same text as for one unit, with loads and stores of lanes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..loop import Apply, Expr, Let, Load, Map, Program, Random, Row
from .expressions import Expressions, parts

#: what there is no vector code for
SCALAR = frozenset(("cast",))


def is_vectorisable(statement: Map, program: Program) -> bool:
    """Whether a map runs along units of float vectors: operands lie along its last axis, or are one number for it."""
    if not statement.shape:
        return False
    last = len(statement.shape) - 1
    vectors: set[str] = set()
    for name, e in statement.lets:
        for part in parts(e):
            if isinstance(part, Apply) and part.op in SCALAR:
                return False
            if isinstance(part, Load | Row):
                v = program.values[part.table if isinstance(part, Row) else part.value]
                if last in part.columns and (part.columns[-1] != last or v.dtype != "f"):
                    return False
        if _varies(e, last, vectors):
            vectors.add(name)
        kept = program.values.get(name)
        if kept is not None and (kept.dtype != "f" or name not in vectors):
            return False
    return bool(vectors)


def _varies(e: Expr, last: int, vectors: set[str]) -> bool:
    """Whether an expression differs from lane to lane."""
    for part in parts(e):
        if isinstance(part, Random) or (isinstance(part, Load | Row) and last in part.columns):
            return True
        if isinstance(part, Let) and part.name in vectors:
            return True
    return False


class VectorExpressions(Expressions):
    """Prints the expressions of one Map for the lanes from the last of ``units`` on."""

    #: values that lie in a tile -> how they are read there
    tiles: Mapping[str, str] = MappingProxyType({})

    @property
    def lanes(self) -> int:
        return self.reader.layout.lanes

    def loops(self) -> list[str]:
        *heads, _ = super().loops()
        if self.is_shared and not heads:
            return [self._shared(-(-self.shape[0] // self.lanes), self.lanes)]
        return [*heads, f"for {self.units[-1]} in range(0, {self.shape[-1]}, {self.lanes}):"]

    def store(self, name: str) -> str:
        return f"store({self.reader.place(name, self.scope, self.units)}, {self.lets[name]})"

    def load(self, e: Load) -> str:
        if e.value in self.tiles:
            return self.tiles[e.value]
        if len(self.shape) - 1 not in e.columns:
            return super().load(e)
        v = self.reader.value(e)
        place = self.reader.place(e, self.scope, [self.units[c] for c in e.columns])
        if self.reader.layout.width(v) % self.lanes:
            return f"load_first({place}, {v.shape[-1]} - {self.units[-1]})"
        return f"load({place})"

    def row(self, e: Row) -> str:
        if len(self.shape) - 1 not in e.columns:
            return super().row(e)
        v, symbols = self.reader.value(e.table), self.symbols(e)
        place = self.reader.place(e.table, self.scope, [*symbols, *(self.units[c] for c in e.columns)])
        whole = self.reader.layout.width(v) % self.lanes == 0
        lanes = str(self.lanes) if whole else f"({v.shape[-1]} - {self.units[-1]})"
        return f"load_first({place}, {lanes} * {symbols[0]}_there)"

    def drawn(self, counter: str) -> str:
        return f"where(random_lanes({counter}, number), number(1.0), number(0.0))"

"""Products and the map that reads them, tile by tile: what is computed for a few units of all rows is used at once.

The vectors of a tile are those of several products at the same units (the gates of a cell), or several vectors of
one product. They lie in a small buffer, one line a row, that stays in the nearest cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..loop import Load, Map, Product, Program, Statement, loads, walk
from .products.tiles import VECTORS
from .vectors import is_vectorisable


@dataclass(frozen=True)
class Fused:
    """Products whose results only the map reads, at its own unit. ``stacked``: one vector of each destination."""

    products: tuple[Product, ...]
    map: Map
    stacked: bool

    @property
    def dsts(self) -> tuple[str, ...]:
        return tuple(name for p in self.products for name in p.dsts)


def reader_counts(program: Program) -> Counter[str]:
    """How many statements read each value."""
    found: Counter[str] = Counter()
    for rows in program.rows():
        for item in walk(rows.body, rows.sums):
            found.update({load.value for load in loads(item)})
    found.update(program.results.values())
    return found


def fused(body: Sequence[Statement], program: Program, counts: Counter[str]) -> Iterator[Statement | Fused]:
    """The statements of a body, products gathered with the map that follows them."""
    waiting: list[Product] = []
    for statement in body:
        if isinstance(statement, Product):
            waiting.append(statement)
            continue
        if isinstance(statement, Map) and waiting:
            taken = _taken(waiting, statement, program, counts)
            yield from (p for p in waiting if p not in taken)
            if taken:
                yield Fused(tuple(taken), statement, any(len(p.dsts) > 1 for p in taken))
            else:
                yield statement
        else:
            yield from waiting
            yield statement
        waiting = []
    yield from waiting


def _taken(products: Sequence[Product], into: Map, program: Program, counts: Counter[str]) -> list[Product]:
    """The products that a map is fused with: those of several destinations, or else those of one."""
    if len(into.shape) != 1 or not is_vectorisable(into, program):
        return []
    made = {name for p in products for name in p.dsts}
    fit = [p for p in products if _fits(p, into, program, counts, made)]
    several = [p for p in fit if len(p.dsts) > 1]
    if several:
        return several
    return fit if sum(len(p.dsts) for p in fit) <= VECTORS else []


def _fits(p: Product, into: Map, program: Program, counts: Counter[str], made: set[str]) -> bool:
    if any(part.operand.value in made for part in p.parts):
        return False
    for name in p.dsts:
        v = program.values[name]
        read = [load for load in loads(into) if load.value == name]
        if v.role != "block" or v.shape != into.shape or counts[name] != 1 or not read:
            return False
        if any(load != Load(name, (), (0,)) for load in read):
            return False
    return True


def widest_tile(program: Program, counts: Counter[str], lanes: int) -> int:
    """Numbers that a row of the widest tile has: all tiles have this step from row to row.

    So the rows of one thread never lie where another thread, in another stage, has a tile of other rows.
    """
    widest = lanes
    for rows in program.rows():
        for group in fused(rows.body, program, counts) if rows.batch else ():
            if isinstance(group, Fused):
                widest = max(widest, len(group.dsts) * lanes * (1 if group.stacked else most_vectors(group, lanes)))
    return widest


def most_vectors(group: Fused, lanes: int) -> int:
    """Vectors of the widest panel of one destination: panels differ by one at most."""
    vectors = -(-group.map.shape[0] // lanes)
    return -(-vectors // -(-vectors // VECTORS))

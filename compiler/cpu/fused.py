"""Products and the map that reads them, together: what products leave for a map lies in a buffer, one line a row.

In a step, a line has all units of all products: the map then goes along each row, and all that it reads and writes is
in order. For all rows of a chunk of steps such lines would not stay in a cache: there a few units are computed for all
rows, and used at once. The vectors at a place of the line are those of several products at the same units (the gates of
a cell), or several vectors of one product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..loop import Load, Map, Product, Program, Statement, loads, walk
from .products.tiles import VECTORS
from .vectors import is_vectorisable


@dataclass(frozen=True)
class Fused:
    """Products whose results only the map reads, at its own unit."""

    products: tuple[Product, ...]
    map: Map

    @property
    def dsts(self) -> tuple[str, ...]:
        return tuple(name for p in self.products for name in p.dsts)

    @property
    def stacked(self) -> bool:
        """Whether all products have several destinations."""
        return all(len(p.dsts) > 1 for p in self.products)

    @property
    def is_flat(self) -> bool:
        """Whether a few units of all rows of a chunk can be computed together: one kind of products."""
        return self.stacked or (all(len(p.dsts) == 1 for p in self.products) and len(self.products) <= VECTORS)


@dataclass(frozen=True)
class Tiles:
    """What all kernels of a program know of its groups.

    program, together   the program, and whether its groups are computed together: see ``Plan.lines``
    counts  how many statements read each value
    line    numbers from the line of one row to the next: as many in all kernels, so that the rows of one thread never
            lie where another thread, in another stage, has other rows
    flat    the same where lines have a few units
    """

    program: Program
    together: bool
    counts: Counter[str]
    line: int = 0
    flat: int = 0

    def groups(self, body: Sequence[Statement]) -> Iterable[Statement | Fused]:
        """The statements of a body, products with the map that reads them."""
        return fused(body, self.program, self.counts) if self.together else body


def tiles_of(program: Program, lanes: int, together: bool) -> Tiles:
    """The groups of a program measured."""
    found = Tiles(program, together, reader_counts(program))
    groups = [g for rows in program.rows() if rows.batch for g in found.groups(rows.body) if isinstance(g, Fused)]
    # an odd number of vectors: lines that are a power of two apart share a few sets of the first cache
    line = max((len(g.dsts) * width(g, lanes) for g in groups), default=0) // lanes | 1
    flat = max((len(g.dsts) * (1 if g.stacked else most_vectors(g, lanes)) for g in groups if g.is_flat), default=1)
    return replace(found, line=line * lanes, flat=flat * lanes)


def width(group: Fused, lanes: int) -> int:
    """The units of a group in whole vectors."""
    return -(-group.map.shape[0] // lanes) * lanes


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
            yield Fused(tuple(taken), statement) if taken else statement
        else:
            yield from waiting
            yield statement
        waiting = []
    yield from waiting


def _taken(products: Sequence[Product], into: Map, program: Program, counts: Counter[str]) -> list[Product]:
    """The products that a map is fused with."""
    if len(into.shape) != 1 or not is_vectorisable(into, program):
        return []
    made = {name for p in products for name in p.dsts}
    return [p for p in products if _fits(p, into, program, counts, made)]


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


def most_vectors(group: Fused, lanes: int) -> int:
    """Vectors of the widest panel of one destination: panels differ by one at most."""
    vectors = -(-group.map.shape[0] // lanes)
    return -(-vectors // -(-vectors // VECTORS))

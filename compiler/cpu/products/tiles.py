"""Tiles of a matrix product: a few rows by a few vectors of sums, held in registers over the whole sum.

A sum of one number has one order: one accumulator takes every term in turn. Where a tile is too small to keep the
multiply-add units busy, several sets of accumulators take terms in turn: k = 0, S, 2S, … goes to the first, and so
on, what K leaves over to the first, and the sets are added at last, neighbours first. Neither the tile nor its rows
change that.

Measured on one core with AVX-512 that others shared (fractions of the multiply-add limit of 222 GFLOP/s, 16 to 64 rows,
N = 4K): .78 to .84 at K = 32 to 256, up to .92 when the core was free; .57 to .78 at K = 512, whose 4 MiB of weights do
not stay in the second cache. Fetching the panel 16 terms ahead gave .04 more there and .05 less at K = 32, so it is
not done. One row reads a vector for each multiply-add: .34, 43 bytes a cycle of the second cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..vector.host import Host
from .emit import Emitter, Llvm, subroutine, word

#: rows that a tile has at most, and vectors, and sets of accumulators times vectors
ROWS, VECTORS, INDEPENDENT = 6, 4, 8
#: vectors of several panels that a tile of one row has at most
ACROSS = 8
#: tiles of so many vectors of sums take two terms a turn: whatever is no multiply-add takes a place from one
LARGE = 15
#: the arguments of tiles: steps in numbers
ROW_TILE = ["order", "x", "x_row", "terms", "panel", "panel_step", "out", "out_row", "out_vector", "add"]
COLUMN_TILE = ["rows", "a", "a_row", "panel", "c", "c_row", "add"]


def sets_of(vectors: int) -> tuple[int, ...]:
    """The numbers of accumulator sets that there are for a panel of so many vectors."""
    return tuple(s for s in (1, 2, 4, 8) if s * vectors <= INDEPENDENT)


def most_rows(host: Host, vectors: int, sets: int) -> int:
    """The rows of the largest tile whose sums stay in registers, beside a vector of the panel and the rows' numbers."""
    spare = 6 if host.registers >= 32 else 3
    return max(1, min(ROWS, (host.registers - spare) // (vectors * sets)))


def row_tile(module: Llvm, host: Host, dtype: str, vectors: int, sets: int, rows: int, across: int = 1) -> Llvm:
    """out[r, v] = (0 | out[r, v]) + sum_k x[r, k] · panel[k, v], for the first ``rows`` rows of a list.

    across  so many panels at once: v goes through the vectors of the first, then through those of the next
    """

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        order, x, x_row, terms, panel, panel_step, out, out_row, out_vector, add = arguments
        e = Emitter(builder, host, dtype)
        x, panel, out, order = (e.pointer(p) for p in (x, panel, out, order))
        numbers = [e.number(order, r) for r in range(rows)]
        starts = [e.at(x, builder.mul(n, x_row)) for n in numbers]
        offsets = [builder.mul(out_vector, word(v)) for v in range(vectors * across)]
        panels = [e.at(panel, builder.mul(panel_step, word(p))) for p in range(across)]
        places = [e.at(e.at(out, builder.mul(n, out_row)), o) for n in numbers for o in offsets]

        def term(k: Llvm, sums: list[Llvm], which: int) -> None:
            at = builder.mul(k, word(vectors * e.lanes))
            weights = [e.load(e.at(e.at(p, at), v * e.lanes)) for p in panels for v in range(vectors)]
            for r in range(rows):
                one = e.broadcast(e.at(starts[r], k))
                for v in range(vectors * across):
                    i = (which * rows + r) * vectors * across + v
                    sums[i] = e.multiply_add(one, weights[v], sums[i])

        unrolled = 2 * sets if rows * vectors >= LARGE else sets

        def turn(k: Llvm, sums: list[Llvm]) -> list[Llvm]:
            for s in range(unrolled):
                term(builder.add(k, word(s)), sums, s % sets)
            return sums

        def left(k: Llvm, sums: list[Llvm]) -> list[Llvm]:
            term(k, sums, 0)
            return sums

        each = rows * vectors * across
        whole = builder.and_(terms, word(-unrolled))
        sums = starting(e, add, places) + [e.zero] * (each * (sets - 1))
        sums = e.loop(word(0), whole, unrolled, sums, turn)
        if unrolled > 1:
            sums[:each] = e.loop(whole, terms, 1, sums[:each], left)
        while len(sums) > each:
            pairs = [(i, i + each) for n in range(0, len(sums) // each, 2) for i in range(n * each, (n + 1) * each)]
            sums = [builder.fadd(sums[i], sums[j]) for i, j in pairs]
        for value, place in zip(sums, places, strict=True):
            e.store(value, place)

    name = f"rows_{dtype}_{host.name}_{vectors}_{sets}_{rows}{f'_{across}' if across > 1 else ''}"
    return subroutine(module, name, len(ROW_TILE), build)


def column_tile(module: Llvm, host: Host, dtype: str, vectors: int, columns: int) -> Llvm:
    """C[i, v] = (0 | C[i, v]) + (sum_n a[n, i] · panel[n, v]) for packed a and panel, ``columns`` of a."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        rows, a, a_row, panel, c, c_row, add = arguments
        e = Emitter(builder, host, dtype)
        a, panel, c = (e.pointer(p) for p in (a, panel, c))
        lines = [e.at(c, builder.mul(c_row, word(i))) for i in range(columns)]
        places = [e.at(line, v * e.lanes) for line in lines for v in range(vectors)]
        for place in places:
            e.prefetch(place, write=True)

        def term(n: Llvm, sums: list[Llvm]) -> list[Llvm]:
            row = e.at(a, builder.mul(n, a_row))
            line = e.at(panel, builder.mul(n, word(vectors * e.lanes)))
            values = [e.load(e.at(line, v * e.lanes)) for v in range(vectors)]
            for i in range(columns):
                one = e.broadcast(e.at(row, i))
                for v in range(vectors):
                    sums[i * vectors + v] = e.multiply_add(one, values[v], sums[i * vectors + v])
            return sums

        def turn(n: Llvm, sums: list[Llvm]) -> list[Llvm]:
            return term(builder.add(n, word(1)), term(n, sums))

        sums = [e.zero for _ in places]
        first = word(0)
        if columns * vectors >= LARGE:
            whole = builder.and_(rows, word(-2))
            sums, first = e.loop(first, whole, 2, sums, turn), whole
        sums = e.loop(first, rows, 1, sums, term)
        with builder.if_else(builder.icmp_signed("!=", add, word(0))) as (further, begun):
            with further:
                for value, place in zip(sums, places, strict=True):
                    e.store(builder.fadd(e.load(place), value), place)
            with begun:
                for value, place in zip(sums, places, strict=True):
                    e.store(value, place)

    return subroutine(module, f"columns_{dtype}_{host.name}_{vectors}_{columns}", len(COLUMN_TILE), build)


def starting(e: Emitter, add: Llvm, places: Sequence[Llvm]) -> list[Llvm]:
    """What is at places where ``add`` is not 0, else 0; the places are read only then."""

    def read(_: Llvm, sums: list[Llvm]) -> list[Llvm]:
        return [e.load(place) for place in places]

    return e.loop(word(0), add, 1, [e.zero for _ in places], read)

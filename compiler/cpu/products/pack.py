"""Rectangles of matrices copied to vectors of a panel, as they lie or transposed in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from ..vector.host import Host
from .emit import INDEX, SIZES, WORD, Emitter, Llvm, emitted, entry_of, subroutine, word

#: whole numbers that describe one copy: matrix, its first number, its row, transposed, terms, valid, to, step
FIELDS = 8
#: terms ahead of which lines are brought to the cache
AHEAD = 16


def pack_of(host: Host, dtype: str) -> Callable[..., Any]:
    """The function that the library's ``pack`` calls; what its arguments mean: library.py."""
    size, lanes = SIZES[dtype], host.lanes(dtype)
    straight, turned, edge = _straight(host, dtype), _turned(host, dtype), _edge(host, dtype)

    def pack(first: int, last: int, table: int, matrices: int, panels: int) -> None:
        for i in range(first, last):
            line = table + 64 * i
            source = entry_of(matrices, entry_of(line, 0)) + entry_of(line, 1) * size
            row, terms, valid, step = entry_of(line, 2), entry_of(line, 4), entry_of(line, 5), entry_of(line, 7)
            to = panels + entry_of(line, 6) * size
            if entry_of(line, 3) == 0:
                straight(source, row, terms, valid, to, step)
            else:
                whole = terms - terms % lanes if valid >= lanes else 0
                for k in range(0, whole, lanes):
                    turned(source + k * size, row, to + k * step * size, step)
                for k in range(whole, terms, lanes):
                    edge(source + k * size, row, min(terms - k, lanes), min(valid, lanes), to + k * step * size, step)

    return pack


def _straight(host: Host, dtype: str) -> Any:
    """to[k, lane] = source[k, lane], 0 from lane ``valid`` on: source*, its row, terms, valid, to*, step."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        source, row, terms, valid, to, step = arguments
        e = Emitter(builder, host, dtype)
        source, to = e.pointer(source), e.pointer(to)
        mask = e.first(valid)

        def line(k: Llvm, _: list[Llvm]) -> list[Llvm]:
            e.prefetch(e.at(to, builder.mul(builder.add(k, word(AHEAD)), step)), write=True)
            e.prefetch(e.at(source, builder.mul(builder.add(k, word(AHEAD)), row)))
            e.store(e.load_first(e.at(source, builder.mul(k, row)), mask), e.at(to, builder.mul(k, step)))
            return []

        e.loop(word(0), terms, 1, [], line)

    def call(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        builder.call(subroutine(builder.module, f"straight_{dtype}_{host.name}", 6, build), arguments)

    return emitted("straight", ["source", "row", "terms", "valid", "to", "step"], call)


def _turned(host: Host, dtype: str) -> Any:
    """to[k, lane] = source[lane, k] for a whole square: source*, its row, to*, step."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        source, row, to, step = arguments
        e = Emitter(builder, host, dtype)
        source, to = e.pointer(source), e.pointer(to)
        lines = [e.load(e.at(source, builder.mul(row, word(i)))) for i in range(e.lanes)]
        for k, value in enumerate(transposed(e, lines)):
            e.prefetch(e.at(to, builder.mul(step, word(e.lanes + k))), write=True)  # the next square's
            e.store(value, e.at(to, builder.mul(step, word(k))))

    def call(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        builder.call(subroutine(builder.module, f"turned_{dtype}_{host.name}", 4, build), arguments)

    return emitted("turned", ["source", "row", "to", "step"], call)


def _edge(host: Host, dtype: str) -> Any:
    """The same for ``terms`` k and ``valid`` lanes, 0 in the others: source*, its row, terms, valid, to*, step."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        source, row, terms, valid, to, step = arguments
        e = Emitter(builder, host, dtype)
        source, to = e.pointer(source), e.pointer(to)
        square = builder.alloca(ir.ArrayType(e.vector, e.lanes))
        square.align = 64
        square = e.pointer(builder.ptrtoint(square, WORD))
        all_terms, none, lines = e.first(terms), ir.Constant(ir.VectorType(ir.IntType(1), e.lanes), None), []
        for i in range(e.lanes):
            here = builder.icmp_signed("<", word(i), valid)
            mask = builder.select(here, all_terms, none)
            lines.append(e.load_first(e.at(source, builder.mul(row, word(i))), mask))
        for k, value in enumerate(transposed(e, lines)):
            e.store(value, e.at(square, k * e.lanes))

        def line(k: Llvm, _: list[Llvm]) -> list[Llvm]:
            value = e.load(e.at(square, builder.mul(k, word(e.lanes))))
            e.store(value, e.at(to, builder.mul(k, step)))
            return []

        e.loop(word(0), terms, 1, [], line)

    def call(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        builder.call(subroutine(builder.module, f"edge_{dtype}_{host.name}", 6, build), arguments)

    return emitted("edge", ["source", "row", "terms", "valid", "to", "step"], call)


def transposed(e: Emitter, lines: Sequence[Llvm]) -> list[Llvm]:
    """The columns of a square of vectors, one a vector: halves are exchanged, then quarters, …, single lanes."""
    values, half = list(lines), e.lanes // 2
    mask = ir.VectorType(INDEX, e.lanes)
    while half:
        # of line i and line i + half: the blocks of `half` lanes that belong to the upper and to the lower line
        upper = [i if not i & half else e.lanes + (i ^ half) for i in range(e.lanes)]
        lower = [i ^ half if not i & half else e.lanes + i for i in range(e.lanes)]
        for i in range(e.lanes):
            if not i & half:
                a, b = values[i], values[i + half]
                values[i] = e.builder.shuffle_vector(a, b, ir.Constant(mask, upper))
                values[i + half] = e.builder.shuffle_vector(a, b, ir.Constant(mask, lower))
        half //= 2
    return values

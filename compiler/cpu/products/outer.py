"""Sums of outer products over listed rows, as weight gradients are, and sums of listed rows, as bias gradients are.

Rows are taken in groups of GROUP, whose rows of b are first copied to a packed panel: each sum takes the rows of a
group in turn and goes on from what the groups before have left in C. So its order depends on the rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..jit import function
from ..vector.host import Host
from .emit import SIZES, Emitter, Llvm, emitted, entry_of, subroutine, word
from .product import choose, column_tiles
from .tiles import VECTORS, most_rows, starting

#: rows of a group
GROUP = 256
#: whole numbers that describe one a: a*, its row, its list*, its columns, C*, C's row, sums* or 0
FIELDS = 7


def scratch_bytes(host: Host) -> int:
    """The scratch memory that one thread gives ``outer``: one packed panel of b; 64-byte aligned."""
    return GROUP * VECTORS * host.bytes


def outer_of(host: Host, dtype: str) -> Callable[..., Any]:
    """The function that the library's ``outer`` calls; what its arguments mean: library.py."""
    size, lanes = SIZES[dtype], host.lanes(dtype)
    copy, tile = _copy(host, dtype), column_tiles(host, dtype)
    most = tuple(most_rows(host, max(v, 1), 1) for v in range(VECTORS + 1))
    add_up = sums_of(host, dtype)

    @function
    def outer(
        first: int,
        last: int,
        rows: int,
        b: int,
        b_row: int,
        b_list: int,
        width: int,
        count: int,
        table: int,
        scratch: int,
        add: int,
    ) -> None:
        vectors = (width + lanes - 1) // lanes
        panels = (vectors + 3) // 4
        if panels < 1:
            return
        short, wider = vectors // panels, vectors % panels
        tiles = 0  # of one panel; the widest panel says how many columns a tile has
        columns = most[short + 1 if wider else short]
        for m in range(count):
            tiles += (entry_of(table, 7 * m + 3) + columns - 1) // columns
        if tiles < 1:
            return
        for group in range(max((rows + 255) // 256, 1)):
            start = 256 * group
            n = min(rows - start, 256)
            go_on = 1 if group > 0 else add
            for p in range(first // tiles, (last + tiles - 1) // tiles):
                wide = short + 1 if p < wider else short
                at = p * short + min(p, wider)
                copy(wide, n, b_list + 8 * start, b + at * lanes * size, b_row, width - at * lanes, scratch)
                begin, end = max(first - p * tiles, 0), min(last - p * tiles, tiles)
                for m in range(count):
                    a_columns = entry_of(table, 7 * m + 3)
                    own = (a_columns + columns - 1) // columns
                    if end > 0 and begin < own:
                        each, longer = a_columns // own, a_columns % own
                        a, a_row = entry_of(table, 7 * m), entry_of(table, 7 * m + 1)
                        a_list = entry_of(table, 7 * m + 2) + 8 * start
                        c, c_row = entry_of(table, 7 * m + 4), entry_of(table, 7 * m + 5)
                        sums = entry_of(table, 7 * m + 6)
                        if sums != 0 and p == 0 and begin <= 0:
                            add_up(n, a, a_row, a_list, a_columns, sums, go_on)
                        for i in range(max(begin, 0), min(end, own)):
                            column = i * each + min(i, longer)
                            some = each + 1 if i < longer else each
                            tile(
                                64 * wide + some,
                                a_list,
                                a + column * size,
                                a_row,
                                n,
                                scratch,
                                c + (column * c_row + at * lanes) * size,
                                c_row,
                                go_on,
                            )
                    begin -= own
                    end -= own

    return outer


def column_sums_of(host: Host, dtype: str) -> Callable[..., Any]:
    """The function that the library's ``column_sums`` calls; what its arguments mean: library.py."""
    add_up = sums_of(host, dtype)

    @function
    def column_sums(rows: int, a: int, a_row: int, a_list: int, columns: int, sums: int, add: int) -> None:
        for group in range(max((rows + 255) // 256, 1)):
            start = 256 * group
            go_on = 1 if group > 0 else add
            add_up(min(rows - start, 256), a, a_row, a_list + 8 * start, columns, sums, go_on)

    return column_sums


def sums_of(host: Host, dtype: str) -> Any:
    """The sums of one group's rows, four vectors of columns at a time; the last vector whole, pads and all."""
    size, lanes = SIZES[dtype], host.lanes(dtype)
    tile = _sum_tiles(host, dtype)

    @function
    def add_up(n: int, a: int, a_row: int, a_list: int, columns: int, sums: int, add: int) -> None:
        vectors = (columns + lanes - 1) // lanes
        for v in range(0, vectors, 4):
            at = v * lanes * size
            tile(min(vectors - v, 4), a_list, a + at, a_row, n, sums + at, add)

    return add_up


def _sum_tiles(host: Host, dtype: str) -> Any:
    """sums[v] = (0 | sums[v]) + sum_n a[list[n], v]: vectors; list*, a*, a's row, rows, sums*, add."""

    def tile(module: Llvm, vectors: int) -> Llvm:
        def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
            listed, a, a_row, rows, sums, add = arguments
            e = Emitter(builder, host, dtype)
            listed, a, sums = (e.pointer(p) for p in (listed, a, sums))
            places = [e.at(sums, v * e.lanes) for v in range(vectors)]

            def term(n: Llvm, values: list[Llvm], which: int = 0) -> list[Llvm]:
                row = e.at(a, builder.mul(e.number(listed, n), a_row))
                for v in range(vectors):
                    i = which * vectors + v
                    values[i] = builder.fadd(values[i], e.load(e.at(row, v * e.lanes)))
                return values

            def turn(n: Llvm, values: list[Llvm]) -> list[Llvm]:
                return term(builder.add(n, word(1)), term(n, values), 1)

            whole = builder.and_(rows, word(-2))
            both = e.loop(word(0), whole, 2, starting(e, add, places) + [e.zero] * vectors, turn)
            both[:vectors] = e.loop(whole, rows, 1, both[:vectors], term)
            for v, place in enumerate(places):
                e.store(builder.fadd(both[v], both[v + vectors]), place)

        return subroutine(module, f"sums_{dtype}_{host.name}_{vectors}", 6, build)

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        choose(builder, arguments, {v: tile(builder.module, v) for v in range(1, VECTORS + 1)})

    return emitted("sum_tiles", "vectors listed a a_row rows sums add".split(), build)


def _copy(host: Host, dtype: str) -> Any:
    """panel[n, v] = b[list[n], v], 0 from column ``width`` on: vectors; rows, list*, b*, b's row, width, panel*."""

    def tile(module: Llvm, vectors: int) -> Llvm:
        def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
            rows, listed, b, b_row, width, panel = arguments
            e = Emitter(builder, host, dtype)
            listed, b, panel = (e.pointer(p) for p in (listed, b, panel))
            last = e.first(builder.sub(width, word((vectors - 1) * e.lanes)))

            def row(n: Llvm, _: list[Llvm]) -> list[Llvm]:
                source = e.at(b, builder.mul(e.number(listed, n), b_row))
                line = e.at(panel, builder.mul(n, word(vectors * e.lanes)))
                for v in range(vectors):
                    value = e.load(e.at(source, v * e.lanes))
                    if v == vectors - 1:
                        value = builder.select(last, value, e.zero)
                    e.store(value, e.at(line, v * e.lanes))
                return []

            e.loop(word(0), rows, 1, [], row)

        return subroutine(module, f"copy_{dtype}_{host.name}_{vectors}", 6, build)

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        choose(builder, arguments, {v: tile(builder.module, v) for v in range(1, VECTORS + 1)})

    return emitted("copy", "vectors rows listed b b_row width panel".split(), build)

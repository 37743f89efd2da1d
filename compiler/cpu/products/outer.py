"""Sums of outer products over listed rows, as weight gradients are, and sums of listed rows, as bias gradients are.

Rows are taken in groups of GROUP, whose rows of b are first copied to packed panels, and those of a to one packed
strip of a few tiles after another: each sum takes the rows of a group in turn, from 0, and is added to what the groups
before have left in C. So its order depends on the rows alone.

Measured on one core with AVX-512 (fractions of the multiply-add limit, a of 4H columns, b of H, 1024 rows; H = 32, 128,
256, 512): a read where it lies, groups of 256 rows .58 .64 .53 .48; packed tile by tile .42 .64 .69 .68; packed strip
by strip .48 .65 .67 .68; the same in groups of 128, whose panel and strip share the first cache, .56 .73 .76 .74.
Lines of the next strip fetched from within the tiles: .52 .68 .70 .66; eight strips at once, row by row: no gain.
Without the copy of a it would be .63 .78 .81 .77: so the panels of several b, such as the input and the hidden state,
share the strips of a.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..jit import inlined
from ..vector.host import Host
from .emit import SIZES, Emitter, Llvm, emitted, entry_of, put_entry, subroutine, word
from .product import choose, column_tiles
from .tiles import VECTORS, most_rows, starting

#: rows of a group
GROUP = 128
#: panels of all b that are packed at once, and vectors of a
PANELS, STRIP = 16, 3
#: rows ahead that copies have brought to the cache
AHEAD = 8
#: whole numbers of a line of the table: of a and b its address, its row, its list*, its columns; of C its address, its
#: row, and that of the sums of a's columns, or 0
FIELDS = 4


def scratch_bytes(host: Host) -> int:
    """The scratch memory that one thread gives ``outer``, 64-byte aligned: packed panels of b, a strip of a, and for
    each panel a line with its vectors, the bytes of C before its columns, and the number of its b."""
    return GROUP * (PANELS * VECTORS + STRIP) * host.bytes + PANELS * 64


def strip_tiles(host: Host, dtype: str, vectors: int) -> tuple[int, int]:
    """The columns of a tile at most, beside a panel of so many vectors, and the tiles of a whole strip."""
    most = most_rows(host, vectors, 1)
    return most, -(-STRIP * host.lanes(dtype) // most)


def _strips_of(host: Host, dtype: str, copy: Any) -> Any:
    """What ``outer`` does with one a and the panels that are packed: its strips, packed and multiplied in turn."""
    size, lanes, tile = SIZES[dtype], host.lanes(dtype), column_tiles(host, dtype)
    most = tuple(strip_tiles(host, dtype, max(v, 1))[0] for v in range(VECTORS + 1))
    whole = tuple(strip_tiles(host, dtype, max(v, 1))[1] for v in range(VECTORS + 1))
    panel_bytes, strip = GROUP * VECTORS * host.bytes, STRIP * lanes
    after, line_bytes = PANELS * panel_bytes, 8 * FIELDS

    @inlined
    def strips(
        begin: int,
        end: int,
        n: int,
        lo: int,
        hi: int,
        panels: int,
        widest: int,
        line: int,
        start: int,
        scratch: int,
        add: int,
    ) -> None:
        """For one a and the packed panels from lo to hi: the pairs (tile, panel) from begin to end."""
        a, a_row, a_list = entry_of(line, 0), entry_of(line, 1), entry_of(line, 2) + 8 * start
        columns, packed = entry_of(line, 3), scratch + after
        places = packed + GROUP * strip * size
        for s in range(begin // panels // whole[widest], (columns + strip - 1) // strip):
            own = min(columns - s * strip, strip)
            tiles = (own + most[widest] - 1) // most[widest]
            each, longer = own // tiles, own % tiles
            at = s * whole[widest] * panels  # the first of the strip's pairs
            if at >= end:
                break
            wide_a = (own + lanes - 1) // lanes
            copy(wide_a, n, a_list, a + s * strip * size, a_row, own, packed)
            for p in range(lo, hi):
                place = places + 64 * (p - lo)
                into = line + line_bytes * (1 + entry_of(place, 2))
                c_row = entry_of(into, 1)
                to = entry_of(into, 0) + s * strip * c_row * size + entry_of(place, 1)
                panel = scratch + (p - lo) * panel_bytes
                for i in range(tiles):
                    if begin <= at + i * panels + p < end:
                        some = each + 1 if i < longer else each
                        column = i * each + min(i, longer)
                        source = packed + column * size
                        tile(
                            64 * entry_of(place, 0) + some, n, source, wide_a * lanes, panel,
                            to + column * c_row * size, c_row, add,
                        )  # fmt: skip

    return strips


def _panels_of(host: Host, dtype: str, copy: Any) -> Any:
    """What ``outer`` does with a group of rows of all b: some of their panels packed, and where each belongs."""
    size, lanes = SIZES[dtype], host.lanes(dtype)
    panel_bytes = GROUP * VECTORS * host.bytes
    after = PANELS * panel_bytes + GROUP * STRIP * lanes * size

    @inlined
    def pack_panels(n: int, lo: int, hi: int, bs: int, table: int, start: int, scratch: int) -> None:
        """For ``n`` rows from ``start`` on, of all panels those from lo to hi."""
        before = 0
        for m in range(bs):
            line = table + 8 * FIELDS * m
            b, b_row, b_list, width = entry_of(line, 0), entry_of(line, 1), entry_of(line, 2), entry_of(line, 3)
            vectors = (width + lanes - 1) // lanes
            panels = (vectors + VECTORS - 1) // VECTORS
            if panels > 0:
                short, wider = vectors // panels, vectors % panels
                for q in range(max(lo - before, 0), min(hi - before, panels)):
                    wide = short + 1 if q < wider else short
                    at = (q * short + min(q, wider)) * lanes
                    p = before + q - lo
                    copy(wide, n, b_list + 8 * start, b + at * size, b_row, width - at, scratch + p * panel_bytes)
                    place = scratch + after + 64 * p
                    put_entry(place, 0, wide)
                    put_entry(place, 1, at * size)
                    put_entry(place, 2, m)
            before += panels

    return pack_panels


def outer_of(host: Host, dtype: str) -> Callable[..., Any]:
    """The function that the library's ``outer`` calls; what its arguments mean: library.py."""
    lanes = host.lanes(dtype)
    copy, add_up = _copy(host, dtype), sums_of(host, dtype)
    strips, pack_panels = _strips_of(host, dtype, copy), _panels_of(host, dtype, copy)
    most = tuple(strip_tiles(host, dtype, max(v, 1))[0] for v in range(VECTORS + 1))
    whole = tuple(strip_tiles(host, dtype, max(v, 1))[1] for v in range(VECTORS + 1))
    strip = STRIP * lanes

    def outer(
        first: int, last: int, rows: int, bs: int, count: int, table: int, scratch: int, add: int
    ) -> None:
        panels, widest = 0, 0
        for m in range(bs):
            vectors = (entry_of(table, FIELDS * m + 3) + lanes - 1) // lanes
            own = (vectors + VECTORS - 1) // VECTORS
            if own > 0:
                panels, widest = panels + own, max(widest, (vectors + own - 1) // own)
        if panels < 1 or first >= last:
            return
        for group in range(max((rows + GROUP - 1) // GROUP, 1)):
            start = GROUP * group
            n = min(rows - start, GROUP)
            go_on = 1 if group > 0 else add
            for lo in range(0, panels, PANELS):
                hi = min(lo + PANELS, panels)
                pack_panels(n, lo, hi, bs, table, start, scratch)
                begin, end = first, last
                for m in range(count):
                    line = table + 8 * FIELDS * (bs + m * (1 + bs))
                    columns, sums = entry_of(line, 3), entry_of(line, FIELDS + 2)
                    rest = columns % strip
                    own = panels * (columns // strip * whole[widest] + (rest + most[widest] - 1) // most[widest])
                    if end > 0 and begin < own:
                        if sums != 0 and lo == 0 and begin <= 0:
                            a, a_row, a_list = entry_of(line, 0), entry_of(line, 1), entry_of(line, 2) + 8 * start
                            add_up(n, a, a_row, a_list, columns, sums, go_on)
                        from_, to = max(begin, 0), min(end, own)
                        strips(from_, to, n, lo, hi, panels, widest, line, start, scratch, go_on)
                    begin -= own
                    end -= own

    return outer


def sums_of(host: Host, dtype: str) -> Any:
    """The sums of one group's rows, four vectors of columns at a time; the last vector whole, pads and all."""
    size, lanes = SIZES[dtype], host.lanes(dtype)
    tile = _sum_tiles(host, dtype)

    @inlined
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

    return emitted("sum_tiles", ["vectors", "listed", "a", "a_row", "rows", "sums", "add"], build)


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
                later = builder.add(n, word(AHEAD))
                later = builder.select(builder.icmp_signed("<", later, rows), later, n)
                following = e.at(b, builder.mul(e.number(listed, later), b_row))
                for v in range(vectors):
                    e.prefetch(e.at(following, v * e.lanes))
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

    return emitted("copy", ["vectors", "rows", "listed", "b", "b_row", "width", "panel"], build)

"""Products of listed rows by packed panels: tiles of up to six rows, one panel after another.

Of a long sum, a piece of the panel that fits the first cache is used by all rows before the next piece: at 32 rows .83
instead of .81 of the multiply-add limit at K = 256, .70 instead of .66 at 512. A sum goes on from where it was, so its
bits stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..vector.host import Host
from .emit import SIZES, Llvm, emitted, word
from .tiles import COLUMN_TILE, ROW_TILE, VECTORS, column_tile, most_rows, row_tile, sets_of

#: vectors of the piece of a panel that is used at a time: two thirds of a first cache of 48 KiB
PIECE = 512


def product_of(host: Host, dtype: str) -> Callable[..., Any]:
    """The function that the library's ``product`` calls; what its arguments mean: library.py."""
    size, lanes = SIZES[dtype], host.lanes(dtype)
    tile = _row_tiles(host, dtype)
    # by 16 · vectors + sets asked for: those taken, and the rows of the largest tile
    taken = [max(s for s in sets_of(max(v, 1)) if s <= max(n, 1)) for v in range(VECTORS + 1) for n in range(16)]
    most = tuple(most_rows(host, max(i // 16, 1), s) for i, s in enumerate(taken))
    chosen = tuple(taken)

    def product(
        rows: int,
        order: int,
        x: int,
        x_row: int,
        terms: int,
        vectors: int,
        panels: int,
        panel: int,
        panel_step: int,
        out: int,
        out_row: int,
        out_vector: int,
        out_panel: int,
        add: int,
        sets: int,
    ) -> None:
        which = 16 * vectors + min(max(sets, 1), 15)
        tiles = min(rows, 1)
        short, longer = rows, 0
        if rows > most[which]:  # division takes as long as a tile of a few numbers
            tiles = (rows + most[which] - 1) // most[which]
            short = rows // tiles
            longer = rows - short * tiles
        if tiles > 0:
            # a piece of the panel that all rows use before the next; sums go on from what is in out
            block = PIECE // vectors if chosen[which] == 1 and tiles > 1 else max(terms, 1)
            for p in range(panels):
                for k in range(0, max(terms, 1), block):
                    done = order
                    n = min(block, terms - k)
                    for i in range(tiles):
                        count = short + 1 if i < longer else short
                        tile(
                            64 * vectors + 8 * chosen[which] + count - 1,
                            done,
                            x + k * size,
                            x_row,
                            n,
                            panel + (p * panel_step + k * vectors * lanes) * size,
                            0,
                            out + p * out_panel * size,
                            out_row,
                            out_vector,
                            add if k == 0 else 1,
                        )
                        done += 8 * count

    return product


def _row_tiles(host: Host, dtype: str) -> Any:
    """Chooses by the first argument, 64 · vectors + 8 · sets + rows - 1, and passes the others on."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        cases = {}
        for vectors in range(1, VECTORS + 1):
            for sets in sets_of(vectors):
                for rows in range(1, most_rows(host, vectors, sets) + 1):
                    made = row_tile(builder.module, host, dtype, vectors, sets, rows)
                    cases[64 * vectors + 8 * sets + rows - 1] = made
        choose(builder, arguments, cases)

    return emitted("row_tiles", ["which", *ROW_TILE], build)


def column_tiles(host: Host, dtype: str) -> Any:
    """Chooses by the first argument, 64 · vectors + columns, and passes the others on."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        cases = {}
        for vectors in range(1, VECTORS + 1):
            for columns in range(1, most_rows(host, vectors, 1) + 1):
                made = column_tile(builder.module, host, dtype, vectors, columns)
                cases[64 * vectors + columns] = made
        choose(builder, arguments, cases)

    return emitted("column_tiles", ["which", *COLUMN_TILE], build)


def choose(builder: Llvm, arguments: Sequence[Llvm], cases: dict[int, Llvm]) -> None:
    """Call the function of the case that the first argument names with the others; there is no other case."""
    after, none = builder.append_basic_block("after"), builder.append_basic_block("none")
    switch = builder.switch(arguments[0], none)
    for number, called in cases.items():
        block = builder.append_basic_block(f"case_{number}")
        switch.add_case(word(number), block)
        builder.position_at_end(block)
        builder.call(called, arguments[1:])
        builder.branch(after)
    builder.position_at_end(none)
    builder.unreachable()
    builder.position_at_end(after)



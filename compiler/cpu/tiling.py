"""Prints products and the map that reads them: line by line for the rows of a step, in tiles for those of a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..loop import Rows
from .calls import CallPrinter
from .cost import TILE_ROWS
from .fused import Fused, width
from .products.layout import Run
from .scope import UNITS, Scope
from .vectors import VectorExpressions

if TYPE_CHECKING:
    from .printer import PassPrinter


def flat_group(p: PassPrinter, stage: Rows) -> Fused | None:
    """The one group of a free stage whose products can be computed for all rows of a chunk at once."""
    if stage.order != "free" or not stage.batch or stage.sums:
        return None
    group = next(iter(p.known.groups(stage.body)))
    if not isinstance(group, Fused) or not group.is_flat or len(stage.body) != len(group.products) + 1:
        return None
    operands = [p.program.values[part.operand.value] for product in group.products for part in product.parts]
    whole = all(v.role != "block" and v.axes == (stage.axis, "b") and p.layout.in_one_piece(v) for v in operands)
    return group if whole else None


class TilePrinter:
    """Prints groups into the kernel of a pass."""

    def __init__(self, printer: PassPrinter) -> None:
        self.p, self.w, self.layout, self.reader = printer, printer.w, printer.layout, printer.reader
        self.lanes = self.layout.lanes

    def flat(self, stage: Rows, group: Fused, scope: Scope) -> None:
        """A free stage for a chunk of steps: products of all rows, then what reads them, step by step."""
        t, running = stage.axis, self.reader.running(stage.axis or "t")
        steps, order = self.w.use(self.p.size), self.reader.order(scope)
        self.layout.needs_flat(self.p.size)
        size = f"{steps} * {self.w.use('B')}"
        self.w.line(f"flat_list = view({self.w.use('flat')} + thread * {self.w.use('flat_bytes')}, ({size},), int64)")
        self.w.line("flat_rows = 0")
        with self.w.blocks(f"for {t} in range(lo, hi + 1):", f"for n in range({running}[{t}]):"):
            self.w.line(f"flat_list[flat_rows] = ({t} - lo) * B + {order}[n]")
            self.w.line("flat_rows += 1")
        calls = CallPrinter(self.reader, self.p.panels, scope, flat=True)
        print_group = self._stacked if group.stacked else self._columns
        print_group(group, calls, self._expressions(group, scope), f"({t} - lo) * B + row", scope, stage)

    def lines(self, group: Fused, scope: Scope) -> None:
        """All products for the rows of a step, each row's in one line, then the map along each row."""
        calls, lanes, whole = CallPrinter(self.reader, self.p.panels, scope), self.lanes, self.p.known.line
        self.layout.needs_lines(whole)
        e = self._expressions(group, scope)
        self.w.line(f"line = view({self.w.use('tiles')}, ({self.w.use('B')}, {whole}), number)")
        first, e.tiles = 0, {}
        for product in group.products:
            calls.line(product, first, whole)
            for name in product.dsts:
                e.tiles[name] = f"load(line, (row, {f'{first} + ' if first else ''}{UNITS[0]}))"
                first += width(group, lanes)
        loops = e.loops()
        if self.reader.shared:
            begin, end = calls.units(group.products[0])
            loops = [f"for {UNITS[0]} in range({begin}, {end}, {lanes}):"]
        with self.reader.loop(scope, whole=True):
            e.begin(group.map)
            with self.w.blocks(*loops):
                self.p.lets(group.map, e)

    def _expressions(self, group: Fused, scope: Scope) -> VectorExpressions:
        for product in group.products:
            self.w.comment("; ".join(self.p.listed(product)))
        names = {name: self.p.local(name, scope) for name, _ in group.map.lets}
        return VectorExpressions(self.reader, scope, group.map.shape, UNITS[:1], names)

    def _stacked(
        self, group: Fused, calls: CallPrinter, e: VectorExpressions, row: str, scope: Scope, stage: Rows
    ) -> None:
        """One vector of each destination: as many vectors of units at once as few rows need."""
        (size,), lanes = group.map.shape, self.lanes
        self._buffer()
        at = f"({UNITS[0]} - base) // {lanes} * tile_rows + {row}"
        e.tiles = {n: f"load(tile, ({at}, {k * lanes}))" for k, n in enumerate(group.dsts)}
        self.w.line(f"tile_blocks = max(1, {TILE_ROWS} // tile_rows)")
        with self.w.block(f"for base in range(0, {size}, tile_blocks * {lanes}):"):
            self.w.line(f"end = min(base + tile_blocks * {lanes}, {size})")
            first = 0
            for product in group.products:
                calls.stack(product, "tile", first, self.p.known.flat, f"(end - base + {lanes - 1}) // {lanes}")
                first += len(product.dsts)
            with self._rows(group, e, scope, stage), self.w.block(f"for {UNITS[0]} in range(base, end, {lanes}):"):
                self.p.lets(group.map, e)

    def _columns(
        self, group: Fused, calls: CallPrinter, e: VectorExpressions, row: str, scope: Scope, stage: Rows
    ) -> None:
        """Several vectors of one destination each: a panel at a time."""
        (size,), lanes, first = group.map.shape, self.lanes, group.products[0]
        runs = self.p.panels.place(calls.parts(first)[0][0], 0)[0].runs
        most = runs[0].vectors * lanes
        self._buffer()
        at = f"{UNITS[0]} - base"
        e.tiles = {n: f"load(tile, ({row}, {f'{k * most} + ' if k else ''}{at}))" for k, n in enumerate(group.dsts)}
        with self.w.block(f"for panel in range({sum(run.panels for run in runs)}):"):
            self._panel(runs)
            for k, product in enumerate(group.products):
                calls.column(product, "tile", k * runs[0].vectors, self.p.known.flat)
            units = f"for {UNITS[0]} in range(base, min(base + vectors * {lanes}, {size}), {lanes}):"
            with self._rows(group, e, scope, stage), self.w.block(units):
                self.p.lets(group.map, e)

    def _panel(self, runs: Sequence[Run]) -> None:
        """How many vectors the panel has, and its first unit: the last panels may be one vector narrower."""
        wide, count = runs[0].vectors, runs[0].panels
        if len(runs) == 1:
            self.w.line(f"vectors = {wide}")
            self.w.line(f"base = panel * {wide * self.lanes}")
        else:
            self.w.line(f"vectors = {wide} if panel < {count} else {wide - 1}")
            self.w.line(f"base = (panel * vectors + (panel >= {count}) * {count}) * {self.lanes}")

    @contextmanager
    def _rows(self, group: Fused, e: VectorExpressions, scope: Scope, stage: Rows) -> Iterator[None]:
        """The loops over the steps of a chunk and their rows."""
        with self.p.each_step(stage, "lo", "hi + 1"), self.reader.loop(scope):
            e.begin(group.map)
            yield

    def _buffer(self) -> None:
        """The buffer of tiles, of more vectors of units where rows are few."""
        self.layout.needs_tile(self.p.known.flat, self.p.size)
        self.w.line(f"tile_rows = {self.w.use(self.p.size)} * {self.w.use('B')}")
        rows = f"(max(tile_rows, {TILE_ROWS}), {self.p.known.flat})"
        self.w.line(f"tile = view({self.w.use('flat_tiles')}, {rows}, number)")

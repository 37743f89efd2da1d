"""Sums into rows of tables that symbols name, by all threads: each has some columns, and adds all rows in their order.

So every number is summed in one order, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..loop import Load, Program, Sum
from .rows import RowPrinter
from .scope import UNITS, Reader, Scope, features


def scatters(sums: Sequence[Sum], program: Program) -> tuple[list[Sum], list[Sum]]:
    """Sums into tables of vectors that are the same for all rows; and the others."""
    values = program.values
    found = [s for s in sums if s.op == "scatter" and not values[s.dst].axes and values[s.args[0].value].shape]
    return found, [s for s in sums if s not in found]


class ScatterPrinter:
    """Prints what is done in the loops over rows."""

    def __init__(self, reader: Reader, scope: Scope, sums: Sequence[Sum]) -> None:
        self.reader, self.scope, self.w = reader, scope, reader.writer
        self.lanes = reader.layout.lanes
        self.groups: dict[tuple[tuple[Load, ...], tuple[int, ...]], list[Sum]] = {}
        for item in sums:
            self.groups.setdefault((item.args[1:], item.attr[0]), []).append(item)

    def row(self) -> None:
        """What one row adds to the columns of the thread, whole vectors."""
        printer = RowPrinter(self.reader, self.scope)
        for (loads, sizes), group in self.groups.items():
            symbols = printer.symbols(loads)
            with self.w.block(f"if {printer.inside(symbols, sizes)}:"):
                for item in group:
                    self._add(item, symbols)

    def _add(self, item: Sum, symbols: Sequence[str]) -> None:
        v = self.reader.value(item.args[0])
        begin, end = (f"{n} * {self.lanes}" for n in self.reader.share(-(-v.shape[-1] // self.lanes)))
        *outer, unit = UNITS[: len(v.shape)]
        heads = [*features(v.shape[:-1]), f"for {unit} in range({begin}, {end}, {self.lanes}):"]
        with self.w.blocks(*heads):
            into = self.reader.place(item.dst, self.scope, [*symbols, *outer, unit])
            source = self.reader.place(item.args[0], self.scope, [*outer, unit])
            whole = self.reader.layout.width(v) % self.lanes == 0
            more = f"load({source})" if whole else f"load_first({source}, {v.shape[-1]} - {unit})"
            self.w.line(f"store({into}, load({into}) + {more})")

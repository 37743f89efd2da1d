"""Prints passes that all threads share, each a part of what is computed from all rows: products of matrices, and sums.

What no thread can compute a part of, the first computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from ..listing import sum_line
from ..loop import Rows, Sum
from .calls import GradientPrinter, Gradients, gradients
from .matrices import MatrixPrinter
from .scatters import ScatterPrinter, scatters
from .scope import Scope

if TYPE_CHECKING:
    from .printer import PassPrinter


class SplitPrinter:
    """Prints such a pass into its kernel."""

    def __init__(self, printer: PassPrinter) -> None:
        self.p, self.w, self.reader = printer, printer.w, printer.reader

    def stage(self, stage: Rows, lo: str, end: str, size: str, order: str) -> None:
        """A stage of products, or of sums for the steps from ``lo`` to before ``end``.

        size, order  of the chunks that it goes through one of: see ``PassPrinter.kernel``
        """
        matrices = MatrixPrinter(self.reader, self.p.panels, Scope((), None, False))
        for statement in stage.body:
            self.w.comment("; ".join(self.p.listed(statement)))
            matrices.product(statement, shared=True)
        groups, rest = gradients(stage.sums, self.p.program, self.p.layout.inner)
        tables, rest = scatters(rest, self.p.program)
        if tables:
            self._tables(tables, stage, lo, end)
        if rest:
            with self.w.block("if thread == 0:"):
                self.p.rows(replace(stage, sums=tuple(rest)), lo, end)
        if groups:
            self._gradients(groups, stage, lo, end, size, order)

    def _scope(self, stage: Rows) -> Scope:
        return Scope((stage.axis,) if stage.axis else (), stage.axis, True)

    def _tables(self, sums: Sequence[Sum], stage: Rows, lo: str, end: str) -> None:
        """Each thread has some columns, and adds all rows."""
        scope = self._scope(stage)
        printer = ScatterPrinter(self.reader, scope, sums)
        for item in sums:
            self.w.comment(sum_line(item))
        with self.p.each_step(stage, lo, end) if stage.axis else nullcontext(), self.reader.loop(scope):
            printer.row()

    def _gradients(
        self, groups: Sequence[Gradients], stage: Rows, lo: str, end: str, size: str, order: str
    ) -> None:
        """Each thread has some tiles."""
        printer = GradientPrinter(self.reader, self._scope(stage))
        slots = printer.lists(groups, lo, end, size)
        last = self.w.use((stage.axis or "t").upper()) if order == "down" else ""
        further = {"up": "1 if lo > 1 else 0", "down": f"1 if hi < {last} else 0"}.get(order, "0")
        for group in groups:
            self.w.comment("; ".join(sum_line(g.item) for g in group))
            printer.outer(group, slots, further)

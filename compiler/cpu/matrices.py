"""Products of two matrices that are the same for all rows, as calls of the library."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from ..loop import Block, Load, Statement
from .calls import Panels, call_outer_for
from .factors import MatrixProduct, matrix_product
from .products.library import outer_tiles, sets_for
from .scope import Reader, Scope
from .vector.host import HOST


class MatrixPrinter:
    """Prints products of matrices in a scope without rows.

    unfinished  what is computed in the same pass: panels are filled before it
    """

    def __init__(self, reader: Reader, panels: Panels, scope: Scope, unfinished: Container[str] = ()) -> None:
        self.reader, self.panels, self.scope, self.unfinished = reader, panels, scope, unfinished
        self.w, self.layout = reader.writer, reader.layout

    def product(self, statement: Statement, shared: bool = False) -> bool:
        """Print a product, if it is one that the library can compute here; whether it was.

        shared  whether all threads come here: each computes a part of the rows, or tiles, of the result
        """
        plain = not (self.scope.batch or self.scope.axes)
        found = matrix_product(statement, self.reader.program) if plain else None
        if found is None or (found.by_rows and found.b.value in self.unfinished):
            return False
        print_product = self._rows if found.by_rows else self._outer
        print_product(found, shared)
        return True

    def _part(self, count: int, shared: bool) -> tuple[str, str]:
        """The thread's part of so many rows or tiles: the first, and the one after the last."""
        return self.reader.share(count) if shared else ("0", str(count))

    def _rows(self, p: MatrixProduct, shared: bool) -> None:
        """C[p] = Σ_k A[p, k] · B[k] for all rows p, B as panels."""
        rows, terms = self.reader.value(p.a).shape
        lanes, item = self.layout.lanes, np.dtype(self.layout.program.dtype).itemsize
        whole = [(0, n) for n in self.reader.value(p.b).shape]
        panels, offset = self.panels.matrix(Block(p.b.value, whole[0], whole[1], p.transposed))
        begin, end = self._part(rows, shared)
        for run in panels.runs:
            first = f"{self.w.use('panels')} + {item * (offset + run.offset)}"
            to = self._start(p.dst) + (f" + {item * run.first * lanes}" if run.first else "")
            self.w.line(
                f"call_product({self.w.use('product')}, {end} - {begin}, {self._numbers(rows)} + 8 * {begin}, "
                f"{self._start(p.a)}, {self._width(p.a)}, {terms}, {run.vectors}, {run.panels}, {first}, {run.step}, "
                f"{to}, {self._width(p.dst)}, {lanes}, {run.vectors * lanes}, 0, {sets_for(rows, run.vectors)})"
            )

    def _outer(self, p: MatrixProduct, shared: bool) -> None:
        """C = Σ_k A[k] B[k]ᵀ."""
        (terms, columns), width = self.reader.value(p.a).shape, self.reader.value(p.b).shape[1]
        numbers = self._numbers(terms)
        part = self._part(outer_tiles(HOST, self.layout.program.dtype, [width], [columns]), shared)
        lines = [
            f"{self._start(p.b)}, {self._width(p.b)}, {numbers}, {width}",
            f"{self._start(p.a)}, {self._width(p.a)}, {numbers}, {columns}",
            f"{self._start(p.dst)}, {self._width(p.dst)}, 0, 0",
        ]
        call_outer_for(self.reader, lines, part, terms, (1, 1), "0")

    def _numbers(self, count: int) -> str:
        """The address of a list of the numbers of so many rows, in order."""
        self.layout.needs_numbers(count)
        return self.w.use("numbers")

    def _start(self, load: Load | str) -> str:
        return f"address({self.reader.place(load, self.scope)})"

    def _width(self, load: Load | str) -> int:
        return self.layout.width(self.reader.value(load))

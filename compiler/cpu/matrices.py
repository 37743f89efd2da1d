"""Products of two matrices that are the same for all rows, as calls of the library."""

from __future__ import annotations

from collections.abc import Container
from math import prod

import numpy as np

from ...graph.build import split_spec
from ..loop import Block, Load, RowOp
from .calls import Panels
from .layout import MOST, SCRATCH
from .products.library import outer_tiles, sets_for
from .products.outer import FIELDS
from .scope import Reader, Scope
from .vector.host import HOST

#: multiply-adds from which a call, and panels that are filled for it, cost less than plain loops
WORTH = 4096


class MatrixPrinter:
    """Prints products of matrices in a scope without rows.

    unfinished  what is computed in the same pass: panels are filled before it
    """

    def __init__(self, reader: Reader, panels: Panels, scope: Scope, unfinished: Container[str]) -> None:
        self.reader, self.panels, self.scope, self.unfinished = reader, panels, scope, unfinished
        self.w, self.layout = reader.writer, reader.layout

    def product(self, op: RowOp) -> bool:
        """Print C[p, q] = Σ_k A · B, where the library can and it is worth it; whether it was."""
        if op.op != "contract" or self.scope.batch or self.scope.axes or not self._is_worth_it(op):
            return False
        left, right, out = split_spec(op.attr[0])
        (a, a_letters), (b, b_letters) = zip(op.args, (left, right), strict=True)
        if out[0] not in a_letters:
            (a, a_letters), (b, b_letters) = (b, b_letters), (a, a_letters)
        by_rows, transposed = a_letters[0] == out[0], b_letters[1] == out[1]
        if by_rows and b.value not in self.unfinished:
            self._rows(op.dst, a, b, transposed)
            return True
        if not by_rows and transposed:
            self._outer(op.dst, a, b)
            return True
        return False

    def _is_worth_it(self, op: RowOp) -> bool:
        """Whether it is a product of two matrices, and not of small ones."""
        left, right, out = split_spec(op.attr[0])
        values = [self.reader.value(x) for x in op.args]
        if any(v.axes or v.dtype != "f" for v in values) or [len(left), len(right), len(out)] != [2, 2, 2]:
            return False
        summed = (set(left) & set(right)) - set(out)
        if len(summed) != 1 or sorted(left + right) != sorted([*out, *summed, *summed]):
            return False
        terms = values[0].shape[left.index(next(iter(summed)))]
        return terms * prod(self.reader.value(op.dst).shape) >= WORTH

    def _rows(self, dst: str, a: Load, b: Load, transposed: bool) -> None:
        """C[p] = Σ_k A[p, k] · B[k] for all rows p, B as panels; ``transposed``: B is that already."""
        rows, terms = self.reader.value(a).shape
        lanes, item = self.layout.lanes, np.dtype(self.layout.program.dtype).itemsize
        whole = [(0, n) for n in self.reader.value(b).shape]
        panels, offset = self.panels.matrix(Block(b.value, whole[0], whole[1], transposed))
        for run in panels.runs:
            first = f"{self.w.use('panels')} + {item * (offset + run.offset)}"
            to = f"{self._start(dst)} + {item * run.first * lanes}"
            self.w.line(
                f"call_product({self.w.use('product')}, {rows}, {self._numbers(rows)}, {self._start(a)}, "
                f"{self._width(a)}, {terms}, {run.vectors}, {run.panels}, {first}, {run.step}, {to}, "
                f"{self._width(dst)}, {lanes}, {run.vectors * lanes}, 0, {sets_for(rows, run.vectors)})"
            )

    def _outer(self, dst: str, a: Load, b: Load) -> None:
        """C = Σ_k A[k] B[k]ᵀ."""
        (terms, columns), width = self.reader.value(a).shape, self.reader.value(b).shape[1]
        numbers = self._numbers(terms)
        self.w.line(f"sums = {self.w.use('terms')} + thread * {MOST * FIELDS * 8}")
        self.w.line(
            f"describe(sums, {self._start(a)}, {self._width(a)}, {numbers}, {columns}, {self._start(dst)}, "
            f"{self._width(dst)}, 0)"
        )
        self.w.line(
            f"call_outer({self.w.use('outer')}, 0, {outer_tiles(HOST, self.layout.program.dtype, width, [columns])}, "
            f"{terms}, {self._start(b)}, {self._width(b)}, {numbers}, {width}, 1, sums, "
            f"{self.w.use('scratch')} + thread * {SCRATCH}, 0)"
        )

    def _numbers(self, count: int) -> str:
        """The address of a list of the numbers of so many rows, in order."""
        self.layout.needs_numbers(count)
        return self.w.use("numbers")

    def _start(self, load: Load | str) -> str:
        return f"address({self.reader.place(load, self.scope)})"

    def _width(self, load: Load | str) -> int:
        return self.layout.width(self.reader.value(load))

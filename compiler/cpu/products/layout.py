"""Packed layouts of matrices: where panels and their vectors are, and the copies that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .pack import FIELDS as FIELDS
from .tiles import VECTORS

Table = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Part:
    """A rectangle of a matrix that is packed: ``terms`` of the sum by ``columns`` of the result.

    matrix      its place in the list of addresses that ``pack`` is given
    first       where the rectangle begins, in numbers after the address
    row         numbers from one row of the matrix to the next
    terms       how many terms of the sum it has
    columns     how many columns of the result it has
    transposed  whether the matrix has a row for each column of the result, not for each term
    """

    matrix: int
    first: int
    row: int
    terms: int
    columns: int
    transposed: bool


@dataclass(frozen=True)
class Run:
    """Panels that one call of ``product`` takes: so many of so many vectors, from ``offset`` on, ``step`` apart.

    ``first`` is the vector of all results that the first panel begins with (side by side), or the first of the stacked
    matrices (interleaved); offset and step count numbers.
    """

    vectors: int
    panels: int
    offset: int
    step: int
    first: int


@dataclass(frozen=True)
class Layout:
    """A packed matrix, or several of them stacked.

    parts   for each of the stacked matrices the rectangles that follow each other along the sum
    runs    the panels, all of them;  numbers  the size of the memory;  terms  of the sum
    """

    parts: tuple[tuple[Part, ...], ...]
    lanes: int
    terms: int
    runs: tuple[Run, ...]
    interleaved: bool

    @property
    def numbers(self) -> int:
        return sum(run.panels * run.step for run in self.runs)

    @property
    def panels(self) -> int:
        return sum(run.panels for run in self.runs)

    def first_vector(self, panel: str) -> str:
        """The first vector of a panel, both as text; where matrices are side by side."""
        wide, count = self.runs[0].vectors, self.runs[0].panels
        if len(self.runs) == 1:
            return f"{panel} * {wide}"
        return f"({panel} * {wide - 1} + min({panel}, {count}))"

    @property
    def blocks(self) -> int:
        """Vectors that the columns of one matrix take."""
        return -(-_columns(self.parts) // self.lanes)

    def table(self) -> Table:
        """The copies, one a row, for ``pack``: any split of them over threads will do."""
        lines: list[tuple[int, ...]] = []
        for run in self.runs:
            for p in range(run.panels):
                for v in range(run.vectors):
                    turn = run.first + p * run.vectors + v  # the number of the vector where matrices are in turn
                    matrix, block = (run.first + v, p) if self.interleaved else divmod(turn, self.blocks)
                    to, step = run.offset + p * run.step + v * self.lanes, run.vectors * self.lanes
                    for part in self.parts[matrix]:
                        column = block * self.lanes
                        first = part.first + column * (part.row if part.transposed else 1)
                        valid = min(max(part.columns - column, 0), self.lanes)
                        line = (part.matrix, first, part.row, part.transposed, part.terms, valid, to, step)
                        lines.append(tuple(int(n) for n in line))
                        to += part.terms * step
        return np.array(lines, np.int64).reshape(-1, FIELDS)


def plain(parts: Sequence[Part], lanes: int, vectors: int = VECTORS) -> Layout:
    """One matrix: see ``side_by_side``.

    parts  the rectangles that follow each other along the sum; their columns are the same
    """
    return side_by_side([parts], lanes, vectors)


def side_by_side(parts: Sequence[Sequence[Part]], lanes: int, vectors: int = VECTORS) -> Layout:
    """[panel][term][vectors · lanes]: the columns of one matrix after those of the other, each in whole vectors, in
    panels of at most ``vectors`` vectors, which differ by one at most: seven vectors are four and three.

    parts  for each matrix the rectangles that follow each other along the sum; all have the same terms and columns
    """
    stacked = tuple(tuple(p) for p in parts)
    terms, blocks = _terms(stacked), len(stacked) * -(-_columns(stacked) // lanes)
    panels = -(-blocks // vectors)
    runs: list[Run] = []
    offset = first = 0
    if panels:
        short, wider = divmod(blocks, panels)
        for count, wide in ((wider, short + 1), (panels - wider, short)):
            if count:
                step = terms * wide * lanes
                runs.append(Run(wide, count, offset, step, first))
                offset, first = offset + count * step, first + count * wide
    return Layout(stacked, lanes, terms, tuple(runs), False)


def interleaved(parts: Sequence[Sequence[Part]], lanes: int, vectors: int = VECTORS) -> Layout:
    """[panel][term][matrix][lanes]: a panel has one vector of each stacked matrix, at the same columns; of more than
    ``vectors`` matrices the first so many make panels, then the next, as equal in number as can be.

    parts  for each matrix the rectangles that follow each other along the sum; all have the same terms and columns
    """
    stacked = tuple(tuple(p) for p in parts)
    terms, blocks = _terms(stacked), -(-_columns(stacked) // lanes)
    groups = -(-len(stacked) // vectors)
    runs: list[Run] = []
    offset = first = 0
    for g in range(groups if blocks else 0):
        wide = len(stacked) // groups + (g < len(stacked) % groups)
        step = terms * wide * lanes
        runs.append(Run(wide, blocks, offset, step, first))
        offset, first = offset + blocks * step, first + wide
    return Layout(stacked, lanes, terms, tuple(runs), True)


def _terms(parts: Sequence[Sequence[Part]]) -> int:
    found = {sum(p.terms for p in stack) for stack in parts}
    if len(found) != 1:
        raise ValueError(f"stacked matrices have one number of terms; these have {sorted(found)}: pack them apart")
    return found.pop()


def _columns(parts: Sequence[Sequence[Part]]) -> int:
    found = {p.columns for stack in parts for p in stack}
    if len(found) != 1:
        raise ValueError(f"packed parts have one number of columns; these have {sorted(found)}: pack them apart")
    return found.pop()

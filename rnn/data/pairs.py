"""Pairs of texts, a source and its target: tables of two columns, and batches with two lengths a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .batches import Batch, DataError, Symbols
from .buckets import PADDED_TARGET, padded
from .sentences import LABELS, TEXTS, Row, table, unquoted
from .text import read_text

SOURCES = ("source", "src", "input", "from")
TARGETS = ("target", "tgt", "output", "to")


@dataclass(frozen=True)
class Pair:
    """A text and what it becomes; place: the file and the line, where it stands in one."""

    source: str
    target: str
    place: str = field(default="", compare=False)


def read_pairs(path: str | Path) -> list[Pair]:
    """The pairs of a table of two columns (TSV, CSV), the source first.

    A first row of names, such as source and target, is left out; it may turn the columns around. Raises DataError, with
    the line, for a row of another number of columns and for an empty text.
    """
    path = Path(path)
    rows = table(path, "a table of two columns of texts")
    if len(rows[0][1]) != 2:
        raise DataError(
            f"{path}, line {rows[0][0]}: expected two columns, a source and a target, got {len(rows[0][1])}:"
            f" {rows[0][1]!r:.80}; TSV is separated by tabs, CSV by commas"
        )
    header = _header(rows[0][1])
    if header and len(rows) == 1:
        raise DataError(f"{path}: expected rows of sources and targets, got the names of columns alone")
    found = []
    for number, cells in rows[1:] if header else rows:
        source, target = (cell.strip() for cell in (reversed(cells) if header == "turned" else cells))
        if not source or not target:
            problem = f"{path}, line {number}: expected a source and a target, one of them is empty"
            raise DataError(f"{problem}: {cells!r:.80}")
        found.append(Pair(source, target, f"{path}, line {number}"))
    return found


def read_sources(path: str | Path, name: str = "") -> tuple[list[tuple[str, str]], bool]:
    """What is to be translated: where each text stands, and the text, of the lines of a file; and whether the file had
    targets too, which are left out.

    Where every line that is not blank has two cells, separated by a tab (in a file of that suffix, as CSV), and a text
    in the first, the sources are taken, as ``read_pairs`` finds them. Blank lines are empty texts, but for CSV.
    name: what errors and places call the file. Raises DataError for an empty file.
    """
    path = Path(path)
    rows: list[Row]
    if path.suffix.lower() == ".csv":
        rows = table(path, "a text")
    else:
        lines = read_text(path).removesuffix("\n").split("\n")
        quoted = path.suffix.lower() in (".tsv", ".tab")
        rows = [(number, _cells(line, quoted)) for number, line in enumerate(lines, 1)]
    some = [cells for _, cells in rows if any(cell.strip() for cell in cells)]
    place = f"{name or path}, line"
    if any(len(cells) != 2 or not cells[0].strip() for cells in some):
        return [(f"{place} {number}", "\t".join(cells)) for number, cells in rows], False
    header = _header(some[0])
    at, first = int(header == "turned"), some[0] if header else None
    found = [(f"{place} {n}", cells[at] if len(cells) > 1 else "") for n, cells in rows if cells is not first]
    return found, True


def _cells(line: str, quoted: bool) -> list[str]:
    cells = line.split("\t") if line.strip() else [""]
    return [unquoted(cell) for cell in cells] if quoted else cells


def _header(cells: Sequence[str]) -> str:
    """Whether a row names the columns, and whether it turns them around; "" where it does not."""
    first, second = (cell.strip().lower() for cell in cells)
    if first in TARGETS and second in SOURCES:
        return "turned"
    return "as it is" if first in SOURCES and second in TARGETS else ""


def are_pairs(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows of cells look like pairs of texts, not like labels and texts: their first row says so, or there are
    at least ten, and most cells of both columns differ."""
    if not rows or any(len(cells) != 2 for cells in rows):
        return False
    if _header(rows[0]):
        return True
    if len(rows) < 10 or any(cell.strip().lower() in (*LABELS, *TEXTS) for cell in rows[0]):
        return False
    return all(2 * len({cells[i] for cells in rows}) > len(rows) for i in (0, 1))


@dataclass(frozen=True, eq=False)
class PairedSequences:
    """n pairs of sequences of symbols, one after the other in flat arrays; none is empty.

    x  [N] the sources, y [M] the targets;  x_bounds, y_bounds  [n + 1]: pair i is from bounds[i] to bounds[i + 1]
    """

    x: Symbols
    y: Symbols
    x_bounds: Symbols
    y_bounds: Symbols

    @classmethod
    def of(cls, x: Sequence[Symbols], y: Sequence[Symbols]) -> PairedSequences:
        """From a list of sources and a list of their targets."""
        flat = [np.concatenate(some) if len(some) else np.zeros(0, np.int64) for some in (x, y)]
        ends = [np.concatenate([[0], np.cumsum([len(one) for one in some], dtype=np.int64)]) for some in (x, y)]
        return cls(flat[0], flat[1], ends[0].astype(np.int64), ends[1].astype(np.int64))

    def __len__(self) -> int:
        return len(self.x_bounds) - 1

    @property
    def lengths(self) -> Symbols:
        """The steps of source and target together: what is of like length goes into one batch."""
        return np.diff(self.x_bounds) + np.diff(self.y_bounds)

    def batch(self, chosen: Iterable[int]) -> Batch:
        """These pairs as one batch, each from its beginning, padded to the longest."""
        rows = np.fromiter(chosen, np.int64)
        sources, targets = np.diff(self.x_bounds)[rows], np.diff(self.y_bounds)[rows]
        x = padded(self.x, self.x_bounds[rows], sources, 0)
        y = padded(self.y, self.y_bounds[rows], targets, PADDED_TARGET)
        ragged = targets if targets.min() < targets.max() else None
        return Batch({"x": x, "y": y}, ragged, items=int(targets.sum()), source=sources)

"""Labelled sentences: tables of labels and texts (TSV, CSV), lines "label text", folders of one file a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .batches import DataError
from .text import read_text

LABELS = ("label", "class", "category", "sentiment", "tag", "target")
TEXTS = ("text", "sentence", "phrase", "review", "line", "name", "document")
Row = tuple[int, list[str]]
"""The number of its first line in the file, and its cells."""


@dataclass(frozen=True)
class Labelled:
    """A text and its label; place: the file and the line, where it stands in one."""

    text: str
    label: str
    place: str = field(default="", compare=False)


# ---- tables --------------------------------------------------------------------------------------
def table(path: Path, what: str) -> list[Row]:
    """The rows of a CSV or TSV file, at least one, blank ones left out; ``what`` it is read for, as an error says it.

    CSV is as RFC 4180 has it: cells may be quoted, and then hold commas, doubled quotes and line ends; where the
    first line has no comma but semicolons, these separate. In TSV (by suffix) a cell that begins and ends
    with a quote is unquoted, and a quote elsewhere is a character like any other.

    Raises DataError where the file is empty and, with the line, where the quoting is broken or a row has not as many
    cells as the first.
    """
    text = read_text(path, what)
    rows = list(_tsv(text) if path.suffix.lower() in (".tsv", ".tab") else _csv(path, text))
    if not rows:
        raise DataError(f"{path}: expected {what}, got empty cells alone")
    for number, cells in rows:
        if len(cells) != len(rows[0][1]):
            raise DataError(
                f"{path}, line {number}: expected {len(rows[0][1])} columns as in line {rows[0][0]},"
                f" got {len(cells)}: {cells!r:.80}; mend the row (a label or a text may be missing), or remove it"
            )
    return rows


def _tsv(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, [unquoted(cell) for cell in line.split("\t")]


def unquoted(cell: str) -> str:
    """A cell of TSV without the quotes around it."""
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if quoted else cell


def _csv(path: Path, text: str) -> Iterator[Row]:
    first = text.lstrip("\n").split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter="," if "," in first or ";" not in first else ";", strict=True)
    number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            longest = f"a cell of more than {csv.field_size_limit():,} characters"
            got = longest if "field limit" in str(error) else error
            raise DataError(
                f"{path}, line {number}: expected a row of CSV, got: {got}; double the quotes inside a quoted cell,"
                " close the last one, or give the table as TSV"
            ) from error
        if any(cell.strip() for cell in cells):
            yield number, cells
        number = reader.line_num + 1


def column(path: Path, header: Sequence[str] | None, width: int, named: str, what: str) -> int:
    """The place of a column that is named by its header or its number from 1. Raises DataError."""
    if header is not None and named in header:
        return list(header).index(named)
    if named.isascii() and named.isdigit() and 1 <= int(named) <= width:
        return int(named) - 1
    known = f"one of {', '.join(header)}, or " if header is not None else "(the file has no header) "
    raise DataError(f"{path}: expected {what}: {known}a number from 1 to {width}; got {named!r}")


def read_table(path: str | Path, label: str = "", text: str = "") -> list[Labelled]:
    """Labels and texts of a CSV or TSV file.

    ``label`` and ``text`` name columns by their header or their number from 1. The first row is a header if one
    of its cells is so named, or (in either case) is one of LABELS or TEXTS. Without names, the columns of a
    header are found by these lists; of two columns the other one is the other; two columns without a header
    are label and text.

    Raises DataError, with the line, for a row of another number of cells, without a label or without a text.
    """
    path = Path(path)
    rows = table(path, "a table of labels and texts")
    width = len(rows[0][1])
    if width < 2:
        raise DataError(
            f"{path}, line {rows[0][0]}: expected at least two columns, a label and a text, got"
            f" {rows[0][1]!r:.80}; TSV is separated by tabs, CSV by commas"
        )
    header = _header(rows[0][1], (label, text))
    at_label, at_text = _places(path, header, width, label, text)
    if header and len(rows) == 1:
        raise DataError(f"{path}: expected rows of labels and texts, got the names of columns alone")
    found = []
    for number, cells in rows[1 if header else 0 :]:
        some, its = _cell(path, number, cells[at_text], "text"), _cell(path, number, cells[at_label], "label")
        found.append(Labelled(some, its, f"{path}, line {number}"))
    return found


def _header(first: Sequence[str], named: Sequence[str]) -> list[str] | None:
    cells = [cell.strip() for cell in first]
    known = {name for name in named if name and not name.isdigit()}
    return cells if known & set(cells) or any(c.lower() in (*LABELS, *TEXTS) for c in cells) else None


def says_labels_and_texts(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of these rows of cells names a column of labels and one of texts, in which no digit stands."""
    names = [cell.strip().lower() for cell in rows[0]] if rows else []
    texts = [i for i, name in enumerate(names) if name in TEXTS]
    held = [cells[i] for cells in rows[1:] for i in texts if i < len(cells)]
    return bool(texts) and bool(set(names) & set(LABELS)) and not any(any(map(str.isdigit, cell)) for cell in held)


def _places(path: Path, header: list[str] | None, width: int, label: str, text: str) -> tuple[int, int]:
    """Where label and text stand."""
    lower = [cell.lower() for cell in header or ()]
    places: list[int | None] = []
    for named, known, what in ((label, LABELS, "the column of the labels"), (text, TEXTS, "the column of the texts")):
        if named:
            places.append(column(path, header, width, named, what))
        else:
            places.append(next((lower.index(name) for name in known if name in lower), None))
    at_label, at_text = places
    if width == 2:
        if at_label is None:
            at_label = 0 if at_text is None else 1 - at_text
        at_text = 1 - at_label if at_text is None else at_text
    if at_label is None or at_text is None or at_label == at_text:
        columns = ", ".join(header) if header else f"{width} columns without names"
        raise DataError(
            f"{path}: expected to be told which column holds the labels and which the texts of {columns};"
            " name both, e.g. --label 1 --text 2"
        )
    return at_label, at_text


def _cell(path: Path, number: int, cell: str, what: str) -> str:
    if not cell.strip():
        raise DataError(f"{path}, line {number}: expected a {what}, got an empty one; fill it in, or remove the row")
    return cell.strip()


# ---- lines and folders ---------------------------------------------------------------------------
def read_lines(path: str | Path) -> list[Labelled]:
    """Lines of a label, white space and a text, as in ``1 a stirring , funny film``; blank lines are left out.

    Raises DataError, with the line, where one has no text behind its label.
    """
    path = Path(path)
    found = []
    for number, line in enumerate(read_text(path, 'lines "label text"').split("\n"), 1):
        if line.strip():
            label, _, text = line.strip().partition("\t" if "\t" in line.strip() else " ")
            if not text.strip():
                raise DataError(
                    f"{path}, line {number}: expected a label, a space and a text, got {line[:60]!r};"
                    " mend the line, or remove it"
                )
            found.append(Labelled(text.strip(), label, f"{path}, line {number}"))
    return found


def read_folder(path: str | Path) -> list[Labelled]:
    """A folder of files LABEL.txt, each line of one a text with that label; other files are left alone.

    Raises DataError where there are fewer than two such files, or one is empty.
    """
    path = Path(path)
    files = sorted(path.glob("*.txt"))
    if len(files) < 2:
        raise DataError(
            f"{path}: expected a file LABEL.txt for each of at least two labels, got {len(files)}, or one file with"
            " train in its name and one with dev or valid; to learn one text, name its file"
        )
    return [
        Labelled(line.strip(), file.stem, f"{file}, line {number}")
        for file in files
        for number, line in enumerate(read_text(file, "texts, one a line").split("\n"), 1)
        if line.strip()
    ]

"""Tagged sentences: CoNLL-U, of which the word forms and the universal parts of speech are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from .batches import DataError
from .text import read_text

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_WORD_ID = re.compile(r"[1-9]\d*")
_SKIPPED_ID = re.compile(r"[1-9]\d*-[1-9]\d*|\d+\.[1-9]\d*")


@dataclass(frozen=True)
class Tagged:
    """A sentence: its words and the tag of each; lines: where each word stands in its file."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    lines: tuple[int, ...] = field(default=(), compare=False)


def read_conllu(path: str | Path) -> list[Tagged]:
    """The sentences of a CoNLL-U file (universaldependencies.org/format): FORM and UPOS of every word.

    Lines of multiword tokens (1-2) and of empty nodes (1.1) are skipped: their words have lines of their own.
    Comments are skipped; blank lines end sentences.

    Raises DataError, with the line, for a line that has not ten columns separated by tabs, an ID that is none,
    a word without form, or without a tag (``_``), and for a file without sentences.
    """
    path = Path(path)
    found: list[Tagged] = []
    words: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    for number, line in enumerate([*read_text(path, "sentences in CoNLL-U").split("\n"), ""], 1):
        if not line.strip():
            if words:
                found.append(Tagged(tuple(words), tuple(tags), tuple(lines)))
            words, tags, lines = [], [], []
        elif not line.startswith("#"):
            word = _word(path, number, line)
            if word is not None:
                words.append(word[0])
                tags.append(word[1])
                lines.append(number)
    if not found:
        raise DataError(f"{path}: expected sentences in CoNLL-U, got none")
    return found


def _word(path: Path, number: int, line: str) -> tuple[str, str] | None:
    """Form and tag of a line; None for one that is no word."""
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        spaces = " (columns are separated by tabs, not spaces)" if len(cells) == 1 else ""
        raise DataError(
            f"{path}, line {number}: expected the {len(COLUMNS)} columns of CoNLL-U, got {len(cells)}{spaces}:"
            f" {line[:60]!r}; mend the line, or remove its sentence"
        )
    if _SKIPPED_ID.fullmatch(cells[0]):
        return None
    if not _WORD_ID.fullmatch(cells[0]):
        raise DataError(
            f"{path}, line {number}: expected an ID such as 1, 1-2 or 1.1, got {cells[0]!r}; mend the line"
        )
    for name in ("FORM", "UPOS"):
        cell = cells[COLUMNS.index(name)]
        if not cell or (name == "UPOS" and cell == "_"):
            raise DataError(
                f"{path}, line {number}: expected the word's {name}, got {cell!r}; fill it in, or remove the sentence"
            )
    return cells[1], cells[3]

"""What becomes of symbols that a vocabulary lacks: refused by name, or read as its unknown symbol.

One ``Reading`` is for one call, which may read one text or all the sentences of a file::

    reading = Reading("refuse")                                          # or "map"
    symbols = reading.text(vocabulary, "a text", "prompt")
    symbols = reading.tokens(vocabulary, ["a", "sentence"], lambda i: f"a.conllu, line {3 + i}")
    reading.check()                                                      # UnknownError: which, where, and the mend
    reading.unseen                                                       # how many were read as the unknown symbol

The character U+FFFD is the unknown symbol itself, and never refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...graph.errors import did_you_mean
from .batches import Array, DataError, Symbols
from .vocabulary import UNSEEN, Vocabulary, word_starts, words

REFUSE, MAP = "refuse", "map"
UNKNOWN = (REFUSE, MAP)
MAPPED = 'unknown="map" (--unknown map)'
"""How an error says what helps; the command line leaves out what is said to Python."""
SHOWN = 3
"""So many different symbols are named with their places."""


class UnknownError(DataError):
    """Symbols that the vocabulary lacks, where nobody asked to read them as the unknown symbol.

    symbols  the different ones, in the order in which they come
    """

    def __init__(self, message: str, symbols: tuple[str, ...]) -> None:
        super().__init__(message)
        self.symbols = symbols


@dataclass
class Reading:
    """How one call reads what a vocabulary lacks: ``unknown`` is "refuse" or "map"; see above.

    unseen  how many symbols were read so far that are, or would be, the unknown symbol

    Raises DataError for another ``unknown``.
    """

    unknown: str = REFUSE
    unseen: int = 0
    _lacking: dict[str, str] = field(default_factory=dict, init=False)
    _unit: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.unknown not in UNKNOWN:
            near = did_you_mean(str(self.unknown), UNKNOWN)
            problem = f"unknown: expected {' or '.join(UNKNOWN)}, got {self.unknown!r}"
            raise DataError(problem + (f"; {near}" if near else ""))

    def text(self, vocabulary: Vocabulary, text: str | bytes, place: str) -> Symbols:
        """The symbols of a text (or of bytes, of which none is unknown); ``place`` says which, where one is refused."""
        symbols = vocabulary.symbols(text)
        found = self._count(vocabulary, symbols)
        if len(found) and isinstance(text, str):
            starts = word_starts(text) if vocabulary.unit == "word" else None
            tokens: Sequence[str] = text if starts is None else words(text)
            self._note(vocabulary, tokens, found, lambda i: f"{place}, {_within(text, i, starts)}")
        return symbols

    def tokens(self, vocabulary: Vocabulary, tokens: Iterable[str], place: Callable[[int], str]) -> Symbols:
        """The symbols of tokens that have been cut already; ``place(i)`` says where token i stands."""
        some = list(tokens)
        symbols = vocabulary.of_tokens(some)
        self._note(vocabulary, some, self._count(vocabulary, symbols), place)
        return symbols

    def check(self) -> None:
        """Raise UnknownError where symbols are refused that were read."""
        if not self._lacking:
            return
        (first, where), *others = self._lacking.items()
        unit, one = self._unit, len(self._lacking) == 1
        begin = where.partition(", ")[0] + ", "  # the file, or which text it is: said once
        named = [f"{token!r} ({place.removeprefix(begin)})" for token, place in others[: SHOWN - 1]]
        left = len(others) - len(named)
        more = f"; nor has it {', '.join(named)}{f' and {left} more' if left else ''}" if named else ""
        what = f"that {unit}" if one else f"such {unit}s"
        raise UnknownError(
            f'{where}: expected {unit}s of the vocabulary, got {first!r}{more}; {MAPPED} reads'
            f" {what} as the unknown {unit}, in this call or, given to training, always",
            tuple(self._lacking),
        )

    def _count(self, vocabulary: Vocabulary, symbols: Array) -> Array:
        """The places of the unknown symbol, which are counted; those to be refused are given."""
        found = np.flatnonzero(symbols == 0) if vocabulary.unseen_symbol is not None else np.zeros(0, np.int64)
        self.unseen += len(found)
        return found if self.unknown == REFUSE else found[:0]

    def _note(
        self, vocabulary: Vocabulary, tokens: Sequence[str], found: Array, place: Callable[[int], str]
    ) -> None:
        for i in map(int, found):
            token = tokens[i]
            if token != UNSEEN and token not in self._lacking:
                self._unit = self._unit or vocabulary.unit
                self._lacking[token] = place(i) if len(self._lacking) < SHOWN else ""


def _within(text: str, i: int, starts: Sequence[int] | None) -> str:
    """Where token i of a text stands: "line 3, word 2", without the line in a text of one."""
    at = i if starts is None else starts[i]
    begin = text.rfind("\n", 0, at) + 1
    number = at - begin if starts is None else sum(begin <= start < at for start in starts[:i])
    line = f"line {text.count(chr(10), 0, at) + 1}, " if "\n" in text.rstrip("\n") else ""
    return f"{line}{'character' if starts is None else 'word'} {number + 1}"

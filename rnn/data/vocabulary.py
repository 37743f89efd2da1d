"""Vocabularies: characters, words or bytes and their symbols.

Characters are those of the text. **Words** are found by one rule: a run of letters, digits and underscores,
in which single apostrophes and hyphens may stand (``don't``, ``re-read``), is a word; every other character
that is no white space is a word of its own, and so is a line feed; other white space only separates. A text
is written back with one space between two words and none beside a line feed. **Bytes** are those of a file,
as they are: they need no vocabulary, none is unseen, and byte order marks or CRLF stay in.

Symbol 0 of characters and words is UNSEEN: it stands for all that the vocabulary lacks. It is read like every
symbol, its probability is whatever the network gives it, and it is never generated. Whether a text may have what the
vocabulary lacks is decided by ``unknown.Reading``; here it is symbol 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .batches import Array, DataError, Symbols

UNSEEN = "\N{REPLACEMENT CHARACTER}"
UNITS = ("character", "word", "byte")
Readable = str | bytes
"""What is turned into symbols: a text, or bytes, where these are the unit."""
BYTES = tuple(map(chr, range(256)))
PIECE = 1 << 20
"""Symbols that are counted at a time."""
_WORD = re.compile(r"\n|\w+(?:['’-]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """The words of a text, by the rule above."""
    return _WORD.findall(text)


def word_starts(text: str) -> list[int]:
    """Where each word of a text begins."""
    return [found.start() for found in _WORD.finditer(text)]


def tokens_of(text: str, unit: str) -> Iterable[str]:
    """What a text is cut into: its characters or its words."""
    return words(text) if unit == "word" else text


@dataclass(frozen=True)
class Vocabulary:
    """Characters or words and their symbols 0 … n-1, or the 256 bytes; see above.

    Raises DataError where symbol 0 is not UNSEEN, or a token stands twice, is empty or is not of the unit.
    """

    tokens: tuple[str, ...]
    unit: str = "character"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise DataError(f"a vocabulary is of characters, words or bytes, got {self.unit!r}")
        if self.unit == "byte":
            if self.tokens != BYTES:
                raise DataError("a vocabulary of bytes holds all 256 in their order: Vocabulary.bytes()")
            return
        if not self.tokens or self.tokens[0] != UNSEEN:
            raise DataError(
                f"a vocabulary starts with {UNSEEN!r}, the unseen {self.unit}; got {self.tokens[:1]!r}"
            )
        single = self.unit == "character"
        wrong = [c for c in self.tokens if not isinstance(c, str) or not c or (single and len(c) != 1)]
        wrong += [c for c, count in Counter(self.tokens).items() if count > 1] if not wrong else []
        if wrong:
            raise DataError(f"a vocabulary holds single {self.unit}s, each once; got {wrong[0]!r}")

    @classmethod
    def of(cls, text: str | Iterable[str], unit: str = "character", most: int = 0, least: int = 1) -> Vocabulary:
        """The characters or words of a text (or of tokens) in the order of their code points, after UNSEEN.

        most    the largest number of symbols, UNSEEN among them; the most frequent stay (0: all)
        least   how often a token occurs at least; with 2, UNSEEN occurs in the text itself and is learnt
        """
        if unit == "byte":
            return cls.bytes()
        return cls.of_counts(Counter(tokens_of(text, unit) if isinstance(text, str) else text), unit, most, least)

    @classmethod
    def of_counts(cls, counts: Mapping[str, int], unit: str = "character", most: int = 0, least: int = 1) -> Vocabulary:
        """The vocabulary of tokens that were counted; see ``of``."""
        found = [token for token, count in counts.items() if count >= least and token != UNSEEN]
        if most and len(found) > most - 1:
            found = sorted(found, key=lambda token: (-counts[token], token))[: most - 1]
        return cls((UNSEEN, *sorted(found)), unit)

    @classmethod
    def bytes(cls) -> Vocabulary:
        """The 256 bytes."""
        return cls(BYTES, "byte")

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Token -> symbol."""
        return {token: i for i, token in enumerate(self.tokens)}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type of whole numbers that holds a symbol: uint8, uint16 or int32."""
        largest = len(self) - 1
        return np.dtype(np.uint8 if largest < 1 << 8 else np.uint16 if largest < 1 << 16 else np.int32)

    @property
    def unseen_symbol(self) -> int | None:
        """The symbol for what the vocabulary lacks, which is never generated; None for bytes, which lack nothing."""
        return None if self.unit == "byte" else 0

    @property
    def start(self) -> int:
        """The symbol that stands before the first of a text: the line feed, if it is known."""
        return 10 if self.unit == "byte" else self.numbers.get("\n", 0)

    # ---- there and back ---------------------------------------------------------------------------
    def symbols(self, text: Readable) -> Symbols:
        """The symbols [N] of a text of N characters, words, or bytes of UTF-8; of bytes where these are the unit.

        Raises TypeError for bytes where the unit is another.
        """
        if isinstance(text, bytes):
            if self.unit != "byte":
                raise TypeError(f"expected a text of {self.unit}s, got bytes; decode them: text.decode()")
            return np.frombuffer(text, np.uint8).astype(np.int64)
        if self.unit == "byte":
            return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int64)
        if self.unit == "word":
            return self.of_tokens(words(text))
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        known, places = np.unique(points, return_inverse=True)
        numbers = np.array([self.numbers.get(chr(int(point)), 0) for point in known], dtype=np.int64)
        return numbers[places.reshape(-1)]

    def of_tokens(self, tokens: Iterable[str]) -> Symbols:
        """The symbols of tokens that have been cut already."""
        numbers = self.numbers
        return np.array([numbers.get(token, 0) for token in tokens], dtype=np.int64)

    def text(self, symbols: Array) -> str:
        """The text of symbols [N]; UNSEEN for symbol 0, and for bytes that are no UTF-8."""
        if self.unit == "byte":
            return np.asarray(symbols).astype(np.uint8).tobytes().decode("utf-8", "replace")
        tokens = [self.tokens[int(i)] for i in symbols]
        return "".join(_spaced(tokens)) if self.unit == "word" else "".join(tokens)

    def token(self, symbol: int) -> str:
        r"""One symbol as it is shown: of the bytes beyond ASCII, which are no characters, such as ``\xe9``."""
        found = self.tokens[symbol]
        return f"\\x{symbol:02x}" if self.unit == "byte" and not found.isascii() else found

    def unseen(self, symbols: Array) -> int:
        """How many symbols [N] are the one for what the vocabulary lacks; they may be mapped from a file."""
        if self.unseen_symbol is None:
            return 0
        pieces = (symbols[low : low + PIECE] for low in range(0, len(symbols), PIECE))
        return sum(int(np.count_nonzero(np.asarray(piece) == 0)) for piece in pieces)

    # ---- what a run keeps -------------------------------------------------------------------------
    def save(self) -> dict[str, Any]:
        """The vocabulary as plain JSON."""
        return {"unit": self.unit} if self.unit == "byte" else {"unit": self.unit, "tokens": list(self.tokens)}

    @classmethod
    def restore(cls, kept: Any) -> Vocabulary:
        """The vocabulary that ``save`` described. Raises DataError where it is none."""
        if not isinstance(kept, dict) or not isinstance(kept.get("tokens", []), list):
            raise DataError(f"expected a vocabulary: its unit and a list of tokens; got {kept!r:.80}")
        if kept.get("unit") == "byte":
            return cls.bytes()
        return cls(tuple(kept.get("tokens", ())), kept.get("unit", "none"))


def _spaced(tokens: list[str]) -> Iterator[str]:
    before = "\n"
    for token in tokens:
        if "\n" not in (before, token):
            yield " "
        yield token
        before = token

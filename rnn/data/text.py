"""Text as symbols: reading it, the vocabulary, its two parts, and windows with carried state.

A text is cut into characters. The vocabulary holds the characters of the training part, and before them
one symbol, UNSEEN, for any other character: it is read like every symbol, its probability is whatever the
network gives it, and it is never generated. A text becomes an array of symbols [N]; training reads it in
``batch`` contiguous rows side by side, window after window, so that the state at the end of a window is the
state at which the next one starts. Validation reads one row, all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .batches import DataError, Symbols

UNSEEN = "\N{REPLACEMENT CHARACTER}"


def read_text(path: str | Path) -> str:
    """The characters of a UTF-8 file. A byte order mark is dropped, CRLF and CR become a line feed.

    Raises DataError where there is no such file, or it is empty or is no UTF-8 (with the byte and its line).
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a text file in UTF-8, got: {error.strerror or error}") from error
    if not raw.strip():
        got = f"{len(raw)} bytes of white space" if raw else "an empty file"
        raise DataError(f"{path}: expected a text, got {got}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: expected UTF-8, got byte 0x{raw[error.start]:02x} at offset {error.start}"
            f" ({error.reason}); convert it first, e.g. iconv -f LATIN1 -t UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def python_prose() -> str:
    """The language reference that every CPython carries for ``help()``, topic after topic: 0.5 MB of English.

    Its text differs a little from one version of Python to the next. Raises DataError where it is missing.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError(
            "this Python comes without pydoc_data.topics, the text that is trained on by default"
            " (some distributions put it in another package); name a text file instead: bptt train TEXT"
        ) from error
    return "\n\n".join(topics[name] for name in sorted(topics))


@dataclass(frozen=True)
class Vocabulary:
    """Characters and their symbols 0 … n-1; symbol 0 stands for every character that is not in it."""

    characters: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.characters or self.characters[0] != UNSEEN:
            raise DataError(
                f"a vocabulary starts with {UNSEEN!r}, the unseen character; got {self.characters[:1]!r}"
            )
        wrong = [c for c in self.characters if not isinstance(c, str) or len(c) != 1]
        wrong += [c for c, count in Counter(self.characters).items() if count > 1]
        if wrong:
            raise DataError(f"a vocabulary holds single characters, each once; got {wrong[0]!r}")

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """The characters of ``text`` in the order of their code points, after UNSEEN."""
        return cls((UNSEEN, *sorted(set(text) - {UNSEEN})))

    def __len__(self) -> int:
        return len(self.characters)

    def symbols(self, text: str) -> Symbols:
        """The symbols [N] of a text of N characters."""
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        known, places = np.unique(points, return_inverse=True)
        table = {ord(c): i for i, c in enumerate(self.characters)}
        numbers = np.array([table.get(int(point), 0) for point in known], dtype=np.int64)
        return numbers[places.reshape(-1)]

    def text(self, symbols: Symbols) -> str:
        """The characters of the symbols, UNSEEN for symbol 0."""
        return "".join(self.characters[int(i)] for i in symbols)

    def unseen(self, text: str) -> int:
        """How many characters of the text are not in the vocabulary."""
        return int(np.count_nonzero(self.symbols(text) == 0))

    @property
    def start(self) -> int:
        """The symbol that stands before the first character of a text: the line feed, if it is known."""
        return self.characters.index("\n") if "\n" in self.characters else 0


def split(text: str, share: float = 0.9) -> tuple[str, str]:
    """The first ``share`` of the characters for training, the rest for validation.

    Raises DataError unless both parts hold at least two characters (one to read, one to predict).
    """
    if not 0.0 < share < 1.0:
        raise DataError(f"the share of the text for training lies between 0 and 1, got {share}")
    cut = int(len(text) * share)
    if min(cut, len(text) - cut) < 2:
        raise DataError(
            f"a text of {len(text)} characters cannot be split {share:.0%} to {1 - share:.0%}:"
            " each part needs at least 2; give a longer text"
        )
    return text[:cut], text[cut:]


@dataclass(frozen=True)
class Window:
    """Symbols to read and to predict, both [T, B], the next character of each row; T steps from ``start``.

    ``fresh``: the rows begin here, so the state starts anew; else it is carried from the window before.
    """

    x: Symbols
    y: Symbols
    start: int
    fresh: bool


class Stream:
    """Symbols [N] as ``batch`` contiguous rows of (N-1)//batch steps, read in windows of ``steps``.

    What is left over at the end of the rows (fewer than ``steps``) is not read, so that all windows are of
    one size. Window k of a run is ``stream[k]``: after the last one the rows begin again. It depends on
    nothing but k, so a run that goes on needs only its number of updates.

    Raises DataError where a row is shorter than one window.
    """

    def __init__(self, symbols: Symbols, batch: int, steps: int):
        for name, number in (("batch", batch), ("window", steps)):
            if number < 1:
                raise DataError(f"the {name} is a whole number of at least 1, got {number}")
        rows = (len(symbols) - 1) // batch
        if rows < steps:
            raise DataError(
                f"{len(symbols)} characters are too few for a batch of {batch} and windows of {steps}:"
                f" these need at least {batch * steps + 1}; give a longer text, or a smaller batch or window"
            )
        self.batch, self.steps = batch, steps
        self._x = np.ascontiguousarray(symbols[: rows * batch].reshape(batch, rows).T)
        self._y = np.ascontiguousarray(symbols[1 : rows * batch + 1].reshape(batch, rows).T)

    def __len__(self) -> int:
        """Windows in one pass over the rows."""
        return len(self._x) // self.steps

    def __getitem__(self, update: int) -> Window:
        k = update % len(self)
        rows = slice(k * self.steps, (k + 1) * self.steps)
        return Window(self._x[rows], self._y[rows], k * self.steps + 1, k == 0)


def one_row(symbols: Symbols, steps: int = 1024) -> Iterator[Window]:
    """All of ``symbols`` [N], N-1 steps, as one row (B = 1) in windows of ``steps``, the last one shorter."""
    for low in range(0, len(symbols) - 1, steps):
        high = min(low + steps, len(symbols) - 1)
        yield Window(symbols[low:high, None], symbols[low + 1 : high + 1, None], low + 1, low == 0)

"""Text as symbols: reading it, its two parts, and texts larger than memory.

A text file is read whole, or, where it is larger than a given number of bytes, in one pass that writes its
symbols into a file of the smallest whole numbers that hold them; training then maps that file into memory
and reads of it what a window needs. Both give the same symbols. Bytes need no pass: the text itself is mapped.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .batches import Array, DataError
from .vocabulary import Vocabulary, tokens_of

CHUNK = 1 << 20
"""Bytes of a file that are read at a time."""
Cache = Path | Callable[[], Path]
"""Where the symbols of a large text are kept: a file, or a function that is asked for it when there is such a text."""


@dataclass(frozen=True, eq=False)
class Text:
    """A text as symbols [N], of which the first ``cut`` are trained on; the vocabulary is of these alone.

    sha256  of the characters in UTF-8 (of bytes: of the file), as it stands in a run's configuration
    """

    symbols: Array
    cut: int
    vocabulary: Vocabulary
    sha256: str

    @property
    def parts(self) -> tuple[Array, Array]:
        """The part to train on, and the rest, for validation."""
        return self.symbols[: self.cut], self.symbols[self.cut :]


# ---- reading -------------------------------------------------------------------------------------
def chunks(path: str | Path, size: int = CHUNK, what: str = "a text") -> Iterator[str]:
    """The characters of a UTF-8 file, piece by piece: without a byte order mark, with one kind of line end.

    what: what the file is read for, as an error says it. Raises DataError where there is no such file, or it is empty
    or is no UTF-8 (with the byte and its line).
    """
    path = Path(path)
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    offset, lines, blank, head = 0, 0, True, b""
    try:
        with open(path, "rb") as file:
            while True:
                raw = file.read(size)
                head = head or raw[:512]
                try:
                    text = decoder.decode(raw, final=not raw)
                except UnicodeDecodeError as error:
                    raise _no_utf8(path, error, offset + len(raw) - len(error.object), lines, head) from error
                blank = blank and not text.strip()
                yield newlines.decode(text, final=not raw)
                if not raw:
                    break
                offset, lines = offset + len(raw), lines + raw.count(b"\n")
    except OSError as error:
        raise DataError(f"{path}: expected a text file in UTF-8, got: {error.strerror or error}") from error
    if blank:
        raise empty(path, offset, what)


def empty(path: Path, size: int, what: str = "a text") -> DataError:
    """The error of a file that holds nothing of what was expected."""
    return DataError(f"{path}: expected {what}, {f'got {size} bytes of white space' if size else 'the file is empty'}")


BINARY = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (as documents of word processors are)",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "an NPY array",
    b"\x7fELF": "a program",
}
"""How files begin that are no text."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _no_utf8(path: Path, error: UnicodeDecodeError, offset: int, lines: int, head: bytes) -> DataError:
    kind = next((kind for magic, kind in BINARY.items() if head.startswith(magic)), None)
    if kind or (b"\0" in head and not head.startswith(UTF_16)):
        return DataError(
            f"{path}: expected a text in UTF-8, got {kind or 'bytes that are no text'}; give its text, or learn its"
            " bytes as they are: --unit byte"
        )
    if head.startswith(UTF_16):
        return DataError(f"{path}: expected UTF-8, got UTF-16; convert it first, e.g. iconv -f UTF-16 -t UTF-8")
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    return DataError(
        f"{path}, line {line}: expected UTF-8, got byte 0x{error.object[error.start]:02x} at offset"
        f" {offset + error.start} ({error.reason}); convert it first, e.g. iconv -f LATIN1 -t UTF-8"
    )


def read_text(path: str | Path, what: str = "a text") -> str:
    """The characters of a UTF-8 file. A byte order mark is dropped, CRLF and CR become a line feed.

    what: what the file is read for, as an error says it. Raises DataError where there is no such file, or it is empty
    or is no UTF-8 (with the byte and its line).
    """
    return "".join(chunks(path, what=what))


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, as they are. Raises DataError where there is no such file, or it is empty."""
    try:
        found = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a file of bytes, got: {error.strerror or error}") from error
    if not found:
        raise empty(Path(path), 0, "bytes")
    return found


def read_for(unit: str, path: str | Path) -> str | bytes:
    """A file as a vocabulary of this unit reads it: its bytes, or its characters; see ``read_bytes``, ``read_text``."""
    return read_bytes(path) if unit == "byte" else read_text(path)


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


# ---- its two parts -------------------------------------------------------------------------------
class TooShortError(DataError):
    """A text that is too short to be learnt; ``read_symbols`` names its file."""


def cut_at(length: int, share: float | None, unit: str = "character") -> int:
    """How many of ``length`` characters, words or values are trained on: the first ``share`` of them, or all.

    Raises DataError unless both parts hold at least two (one to read, one to predict).
    """
    if share is None:
        if length < 2:
            length_is = _counted(length, unit)
            raise TooShortError(f"a text of {length_is} is too short: it needs at least 2; give a longer one")
        return length
    if not 0.0 < share < 1.0:
        raise DataError(f"the share of the text for training lies between 0 and 1, got {share}")
    cut = int(length * share)
    if min(cut, length - cut) < 2:
        raise TooShortError(
            f"a text of {_counted(length, unit)} cannot be split {share:.0%} to {1 - share:.0%}:"
            " each part needs at least 2; give a longer text"
        )
    return cut


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'s' * (number != 1)}"


def split(text: str, share: float = 0.9) -> tuple[str, str]:
    """The first ``share`` of the characters for training, the rest for validation; see ``cut_at``."""
    cut = cut_at(len(text), share)
    return text[:cut], text[cut:]


# ---- symbols -------------------------------------------------------------------------------------
def text_of(
    characters: str, unit: str = "character", share: float | None = 0.9, most: int = 0, least: int = 1
) -> Text:
    """A text in memory as symbols; with a share of None all of it is trained on. most, least: see ``Vocabulary.of``.

    Raises DataError where a part is too short, see ``cut_at``.
    """
    raw = characters.encode("utf-8", "surrogatepass")
    if unit == "byte":
        return bytes_of(np.frombuffer(raw, np.uint8), share)
    tokens = tokens_of(characters, unit)
    tokens = tokens if isinstance(tokens, (str, list)) else list(tokens)
    cut = cut_at(len(tokens), share, unit)
    vocabulary = Vocabulary.of(tokens[:cut], unit, most, least)
    symbols = vocabulary.symbols(characters) if isinstance(tokens, str) else vocabulary.of_tokens(tokens)
    return Text(symbols.astype(vocabulary.dtype), cut, vocabulary, hashlib.sha256(raw).hexdigest())


def bytes_of(values: Array, share: float | None = 0.9) -> Text:
    """Bytes [N] as symbols; ``values`` stays where it is."""
    cut = cut_at(len(values), share, "byte")
    digest = hashlib.sha256()
    for low in range(0, len(values), CHUNK):
        digest.update(values[low : low + CHUNK].tobytes())
    return Text(values, cut, Vocabulary.bytes(), digest.hexdigest())


def read_symbols(
    path: str | Path,
    unit: str = "character",
    share: float | None = 0.9,
    most: int = 0,
    memory: int = 64 << 20,
    cache: Cache | None = None,
    least: int = 1,
) -> Text:
    """A text file as symbols: read whole up to ``memory`` bytes, mapped into memory above.

    most, least  see ``Vocabulary.of``
    cache   the file that keeps the symbols of a large text, and beside it FILE.json, by which a later call
            knows whether it fits and is whole; None: a temporary file. Bytes are mapped as they are, without one

    Memory use above the limit: a few pieces of CHUNK bytes, and for words each different one.
    Raises DataError as ``read_text`` and ``cut_at`` do, and where the cache cannot be written.
    """
    path = Path(path)
    try:
        return _symbols(path, unit, share, most, memory, cache, least)
    except TooShortError as error:
        raise TooShortError(f"{path}: {error}") from error


def _symbols(
    path: Path, unit: str, share: float | None, most: int, memory: int, cache: Cache | None, least: int
) -> Text:
    try:
        size = path.stat().st_size
        if unit == "byte":
            if not size:
                raise empty(path, 0)
            return bytes_of(np.memmap(path, np.uint8, "r"), share)
    except OSError as error:
        raise DataError(f"{path}: expected a text file, got: {error.strerror or error}") from error
    if size <= memory:
        return text_of(read_text(path), unit, share, most, least)
    from .mapped import mapped_text

    return mapped_text(path, unit, share, most, cache, least)

"""Texts larger than memory: one pass over the text, and a file of symbols that is mapped into memory.

The pass writes a provisional number for every character (its code point) or word (in the order they come)
and counts nothing else, because the vocabulary is that of the training part, whose end is known only at the
end of the text. A second pass, over these numbers, counts those of the training part and writes the symbols.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .batches import Array, DataError
from .text import CHUNK, Cache, Text, chunks, cut_at
from .vocabulary import UNSEEN, Vocabulary, words

FORMAT = 2
PIECE = 1 << 18
"""Numbers that are turned into symbols at a time."""


class _Numbering(Protocol):
    """Provisional numbers 0 … size-1 of the tokens of a text."""

    @property
    def size(self) -> int: ...

    def of(self, text: str) -> Array: ...

    def tokens(self, numbers: Array) -> list[str]: ...

    def number(self, token: str) -> int: ...


class _Characters:
    """Characters are numbered by their code points."""

    size = 0

    def of(self, text: str) -> Array:
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<i4")
        self.size = max(self.size, int(points.max(initial=-1)) + 1)
        return points

    def tokens(self, numbers: Array) -> list[str]:
        return [chr(int(i)) for i in numbers]

    def number(self, token: str) -> int:
        return ord(token)


class _Words:
    """Words are numbered as they come."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    @property
    def size(self) -> int:
        return len(self._known)

    def of(self, text: str) -> Array:
        known = self._known
        return np.array([known.setdefault(word, len(known)) for word in words(text)], dtype="<i4")

    def tokens(self, numbers: Array) -> list[str]:
        wanted = set(map(int, numbers))
        return [word for i, word in enumerate(self._known) if i in wanted]

    def number(self, token: str) -> int:
        return self._known[token]


def mapped_text(path: Path, unit: str, share: float | None, most: int, cache: Cache | None) -> Text:
    """The text file as symbols in ``cache``, which is used again where it was made of the same file in the same
    way (its size, its time of change, unit, share and most are compared) and has its checksum; else it is made
    anew. See ``text.read_symbols``."""
    state = path.stat()
    cache = cache() if callable(cache) else cache
    made_of = {
        "format": FORMAT, "size": state.st_size, "changed": state.st_mtime_ns,
        "unit": unit, "share": share, "most": most,
    }  # fmt: skip
    try:
        if cache is None:
            with tempfile.TemporaryDirectory(prefix="bptt-") as folder:
                return _build(path, Path(folder) / "symbols.npy", made_of)  # mapped: it outlives its name
        return _kept(cache, made_of) or _build(path, cache, made_of)
    except OSError as error:
        raise DataError(
            f"{error.filename or cache}: the symbols of {path} cannot be kept here: {error.strerror or error};"
            f" make room, or name another place (it takes up to {4 * state.st_size >> 20:,} MiB while it is made)"
        ) from error


def _beside(cache: Path) -> Path:
    return cache.with_name(cache.name + ".json")


def _kept(cache: Path, made_of: dict[str, Any]) -> Text | None:
    """The text of a cache that fits; None where there is none, or it is damaged or of something else."""
    try:
        about = json.loads(_beside(cache).read_text("utf-8"))
        if {name: about.get(name) for name in made_of} != made_of:
            return None
        symbols = np.load(cache, mmap_mode="r", allow_pickle=False)
        vocabulary = Vocabulary.restore(about["vocabulary"])
        if symbols.shape != (about["symbols"],) or symbols.dtype != vocabulary.dtype:
            return None
        if _checksum(symbols) != about["symbols_sha256"]:
            return None
        return Text(symbols, int(about["cut"]), vocabulary, str(about["sha256"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _build(path: Path, cache: Path, made_of: dict[str, Any]) -> Text:
    """Make the cache, and map it; the description comes last, so that a cache with one is whole."""
    unit, share, most = made_of["unit"], made_of["share"], made_of["most"]
    cache.parent.mkdir(parents=True, exist_ok=True)
    _beside(cache).unlink(missing_ok=True)
    numbers, written = (cache.with_name(f".{cache.name}.{os.getpid()}{end}.tmp") for end in (".numbers", ""))
    numbering: _Numbering = _Words() if unit == "word" else _Characters()
    try:
        digest, length = _number(path, unit, numbering, numbers)
        cut = cut_at(length, share, unit)
        provisional = np.memmap(numbers, "<i4", "r", shape=(length,))
        vocabulary, symbol_of = _vocabulary(provisional[:cut], numbering, unit, most)
        checksum = _write(written, symbol_of, provisional)
        os.replace(written, cache)
    finally:
        numbers.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    about = {**made_of, "symbols": length, "symbols_sha256": checksum, "cut": cut, "sha256": digest}
    _describe(cache, {**about, "vocabulary": vocabulary.save()})
    return Text(np.load(cache, mmap_mode="r", allow_pickle=False), cut, vocabulary, digest)


def _describe(cache: Path, about: dict[str, Any]) -> None:
    written = cache.with_name(f".{cache.name}.{os.getpid()}.json.tmp")
    written.write_text(json.dumps(about) + "\n", "utf-8")
    os.replace(written, _beside(cache))


def _number(path: Path, unit: str, numbering: _Numbering, out: Path) -> tuple[str, int]:
    """Write the provisional numbers of the text; the checksum of its characters, and how many tokens it has."""
    digest, length = hashlib.sha256(), 0
    with open(out, "wb") as file:
        for piece in _whole_words(path, digest) if unit == "word" else _hashed(path, digest):
            found = numbering.of(piece)
            length += len(found)
            file.write(found.tobytes())
    return digest.hexdigest(), length


def _hashed(path: Path, digest: Any) -> Iterator[str]:
    for piece in chunks(path, CHUNK):
        digest.update(piece.encode())
        yield piece


def _whole_words(path: Path, digest: Any) -> Iterator[str]:
    """The text in pieces that end with white space, so that no word is cut."""
    waiting: list[str] = []
    for piece in _hashed(path, digest):
        end = len(piece)
        while end and not piece[end - 1].isspace():
            end -= 1
        if not end:
            waiting.append(piece)
            continue
        yield "".join([*waiting, piece[:end]])
        waiting = [piece[end:]]
    yield "".join(waiting)


def _vocabulary(training: Array, numbering: _Numbering, unit: str, most: int) -> tuple[Vocabulary, Array]:
    """The vocabulary of the training part, and provisional number -> symbol."""
    counts = np.zeros(numbering.size, dtype=np.int64)
    for low in range(0, len(training), PIECE):
        found, times = np.unique(training[low : low + PIECE], return_counts=True)
        counts[found] += times
    seen = np.flatnonzero(counts)
    counted = dict(zip(numbering.tokens(seen), map(int, counts[seen]), strict=True))
    vocabulary = Vocabulary.of_counts(counted, unit, most)
    symbol_of = np.zeros(numbering.size, dtype=vocabulary.dtype)
    for symbol, token in enumerate(vocabulary.tokens):
        if token != UNSEEN:
            symbol_of[numbering.number(token)] = symbol
    return vocabulary, symbol_of


def _write(path: Path, symbol_of: Array, provisional: Array) -> str:
    """The symbols as an NPY file, and their checksum: written, not mapped, so that a full disk is an error and not a
    signal."""
    digest = hashlib.sha256()
    header = {"descr": symbol_of.dtype.str, "fortran_order": False, "shape": provisional.shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for low in range(0, len(provisional), PIECE):
            piece = symbol_of[provisional[low : low + PIECE]].tobytes()
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _checksum(symbols: Array) -> str:
    digest = hashlib.sha256()
    for low in range(0, len(symbols), PIECE):
        digest.update(symbols[low : low + PIECE].tobytes())
    return digest.hexdigest()


# ---- by a vocabulary that there is ---------------------------------------------------------------
def encoded_text(path: Path, vocabulary: Vocabulary) -> tuple[Array, str]:
    """A text file as symbols of this vocabulary, of its smallest type, read piece by piece; and the checksum of its
    characters. Raises DataError as ``text.read_text`` does."""
    digest = hashlib.sha256()
    pieces = _whole_words(path, digest) if vocabulary.unit == "word" else _hashed(path, digest)
    found = [vocabulary.symbols(piece).astype(vocabulary.dtype) for piece in pieces]
    return np.concatenate(found), digest.hexdigest()

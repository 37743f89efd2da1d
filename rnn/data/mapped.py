"""Texts larger than memory: passes over the text, and a file of symbols that is mapped into memory.

The vocabulary is that of the training part, whose end is known only at the end of the text. So there are three
passes: the first counts characters or words, the second those of the training part by kind, the third writes symbols.
Characters are read from the text each time. Words are cut in the first pass, which writes the number of each (in the
order in which they come) into a file that has no name and is gone with the process; the others read that.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from .batches import Array, DataError
from .text import CHUNK, Cache, Text, chunks, cut_at
from .vocabulary import UNSEEN, Vocabulary, words

FORMAT = 1
PIECE = 1 << 18
"""Numbers that are turned into symbols at a time."""


class _Numbered(ABC):
    """The tokens of a text file by provisional numbers 0 … size-1.

    length, sha256  how many tokens there are; the checksum of the characters
    """

    size = 0
    length = 0
    sha256 = ""

    @abstractmethod
    def pieces(self) -> Iterator[Array]:
        """The numbers of the text, piece by piece."""

    @abstractmethod
    def tokens(self, numbers: Array) -> list[str]:
        """The tokens that have these numbers."""

    @abstractmethod
    def number(self, token: str) -> int:
        """The number of a token."""

    def close(self) -> None:  # noqa: B027 (not each has something)
        """Let go of what the passes needed."""


class _Characters(_Numbered):
    """Characters are numbered by their code points."""

    def __init__(self, path: Path) -> None:
        self._path = path
        digest = hashlib.sha256()
        for piece in _hashed(path, digest):
            points = _points(piece)
            self.length += len(points)
            self.size = max(self.size, int(points.max(initial=-1)) + 1)
        self.sha256 = digest.hexdigest()

    def pieces(self) -> Iterator[Array]:
        return map(_points, chunks(self._path, CHUNK))

    def tokens(self, numbers: Array) -> list[str]:
        return [chr(int(i)) for i in numbers]

    def number(self, token: str) -> int:
        return ord(token)


def _points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<i4")


class _Words(_Numbered):
    """Words are numbered as they come."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._known: dict[str, int] = {}
        known, digest = self._known, hashlib.sha256()
        self._file = tempfile.TemporaryFile(prefix=".words-", dir=folder)  # noqa: SIM115 (closed by ``close``)
        try:
            for piece in _whole_words(path, digest):
                found = np.array([known.setdefault(word, len(known)) for word in words(piece)], dtype="<i4")
                self.length += len(found)
                self._file.write(found.tobytes())
        except BaseException:
            self.close()
            raise
        self.size, self.sha256 = len(known), digest.hexdigest()

    def pieces(self) -> Iterator[Array]:
        self._file.seek(0)
        while raw := self._file.read(4 * PIECE):
            yield np.frombuffer(raw, "<i4")

    def tokens(self, numbers: Array) -> list[str]:
        wanted = set(map(int, numbers))
        return [word for i, word in enumerate(self._known) if i in wanted]

    def number(self, token: str) -> int:
        return self._known[token]

    def close(self) -> None:
        self._file.close()


def mapped_text(
    path: Path, unit: str, share: float | None, most: int, cache: Cache | None, least: int = 1
) -> Text:
    """The text file as symbols in ``cache``, which is used again where it was made of the same file in the same
    way (its size, its time of change, unit, share, most and least are compared) and has its checksum; else it is made
    anew. See ``text.read_symbols``."""
    state = path.stat()
    cache = cache() if callable(cache) else cache
    made_of = {
        "format": FORMAT, "size": state.st_size, "changed": state.st_mtime_ns,
        "unit": unit, "share": share, "most": most, "least": least,
    }  # fmt: skip
    try:
        if cache is None:
            with tempfile.TemporaryDirectory(prefix="bptt-") as folder:
                return _build(path, Path(folder) / "symbols.npy", made_of)  # mapped: it outlives its name
        return _kept(cache, made_of) or _build(path, cache, made_of)
    except OSError as error:
        room = (4 if unit == "word" else 2) * state.st_size >> 20
        raise DataError(
            f"{error.filename or cache}: the symbols of {path} cannot be kept here: {error.strerror or error};"
            f" make room, or name another place (it takes up to {room:,} MiB)"
        ) from error


def _beside(cache: Path) -> Path:
    return cache.with_name(cache.name + ".json")


def _kept(cache: Path, made_of: dict[str, Any]) -> Text | None:
    """The text of a cache that fits; None where there is none, or it is damaged or of something else."""
    try:
        about = json.loads(_beside(cache).read_text("utf-8"))
        if {name: about.get(name) for name in made_of} != made_of:
            return None
        symbols = np.lib.format.open_memmap(cache, mode="r")  # which takes no archives and no Python objects
        vocabulary = Vocabulary.restore(about["vocabulary"])
        if symbols.shape != (about["symbols"],) or symbols.dtype != vocabulary.dtype:
            return None
        if _checksum(symbols) != about["symbols_sha256"]:
            return None
        return Text(symbols, int(about["cut"]), vocabulary, str(about["sha256"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TokenError, RecursionError):
        return None  # none, or damaged


def _build(path: Path, cache: Path, made_of: dict[str, Any]) -> Text:
    """Make the cache, and map it; the description comes last, so that a cache with one is whole."""
    unit, share = made_of["unit"], made_of["share"]
    cache.parent.mkdir(parents=True, exist_ok=True)
    _beside(cache).unlink(missing_ok=True)
    written = cache.with_name(f".{cache.name}.{os.getpid()}.tmp")
    numbered: _Numbered = _Words(path, cache.parent) if unit == "word" else _Characters(path)
    try:
        cut = cut_at(numbered.length, share, unit)
        vocabulary, symbol_of = _vocabulary(numbered, cut, unit, made_of["most"], made_of["least"])
        checksum = _write(written, symbol_of, numbered)
        os.replace(written, cache)
    except IndexError as error:  # a number that was not there in the first pass
        raise _changed(path) from error
    finally:
        numbered.close()
        written.unlink(missing_ok=True)
    about = {**made_of, "symbols": numbered.length, "symbols_sha256": checksum, "cut": cut, "sha256": numbered.sha256}
    _describe(cache, {**about, "vocabulary": vocabulary.save()})
    state = path.stat()
    if (state.st_size, state.st_mtime_ns) != (made_of["size"], made_of["changed"]):
        raise _changed(path)
    return Text(np.load(cache, mmap_mode="r", allow_pickle=False), cut, vocabulary, numbered.sha256)


def _changed(path: Path) -> DataError:
    return DataError(f"{path}: expected a text that stays as it is, it changed while it was read; begin again")


def _describe(cache: Path, about: dict[str, Any]) -> None:
    written = cache.with_name(f".{cache.name}.{os.getpid()}.json.tmp")
    written.write_text(json.dumps(about) + "\n", "utf-8")
    os.replace(written, _beside(cache))


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


def _vocabulary(numbered: _Numbered, cut: int, unit: str, most: int, least: int) -> tuple[Vocabulary, Array]:
    """The vocabulary of the training part, the first ``cut`` tokens, and provisional number -> symbol."""
    counts, left = np.zeros(numbered.size, dtype=np.int64), cut
    for piece in numbered.pieces():
        found, times = np.unique(piece[:left], return_counts=True)
        counts[found] += times
        left -= min(len(piece), left)
        if not left:
            break
    seen = np.flatnonzero(counts)
    counted = dict(zip(numbered.tokens(seen), map(int, counts[seen]), strict=True))
    vocabulary = Vocabulary.of_counts(counted, unit, most, least)
    symbol_of = np.zeros(numbered.size, dtype=vocabulary.dtype)
    for symbol, token in enumerate(vocabulary.tokens):
        if token != UNSEEN:
            symbol_of[numbered.number(token)] = symbol
    return vocabulary, symbol_of


def _write(path: Path, symbol_of: Array, numbered: _Numbered) -> str:
    """The symbols as an NPY file, and their checksum: written, not mapped, so that a full disk is an error and not a
    signal."""
    digest = hashlib.sha256()
    header = {"descr": symbol_of.dtype.str, "fortran_order": False, "shape": (numbered.length,)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in numbered.pieces():
            symbols = symbol_of[piece].tobytes()
            digest.update(symbols)
            file.write(symbols)
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

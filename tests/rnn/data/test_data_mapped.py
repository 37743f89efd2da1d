"""Texts larger than memory: the same symbols as in memory, bounded memory, caches that fit or are made anew."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt.rnn.data import DataError, Documents, Stream, document_bounds, mapped, read_symbols
from bptt.rnn.data.mapped import mapped_text

TEXT = "\ufeffIt was\r\nthe best of times,\rthe 𝛿 worst\n of times;\n\n" * 40 + "unseen ž words"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    return path


@pytest.mark.parametrize("unit", ["character", "word"])
@pytest.mark.parametrize("most", [0, 5])
@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 20])
def test_a_mapped_text_is_the_same_as_one_in_memory(
    source: Path, unit: str, most: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever pieces it is read in: line ends, letters of several bytes and words are cut by them."""
    monkeypatch.setattr("bptt.rnn.data.mapped.CHUNK", piece)
    monkeypatch.setattr("bptt.rnn.data.mapped.PIECE", 13)
    whole = read_symbols(source, unit, most=most)
    mapped = read_symbols(source, unit, most=most, memory=1)
    assert isinstance(mapped.symbols, np.memmap)
    assert not isinstance(whole.symbols, np.memmap)
    assert mapped.vocabulary == whole.vocabulary
    assert (mapped.cut, mapped.sha256, mapped.symbols.dtype) == (whole.cut, whole.sha256, whole.symbols.dtype)
    np.testing.assert_array_equal(mapped.symbols, whole.symbols)
    if most == 0:  # the vocabulary is of the training part alone
        assert not (whole.symbols[: whole.cut] == 0).any()
        assert (whole.symbols[whole.cut :] == 0).any()


def test_batches_of_a_mapped_text_are_those_of_one_in_memory(source: Path) -> None:
    whole, mapped = read_symbols(source), read_symbols(source, memory=1)
    for ones, others in (
        (Stream(whole.symbols, 3, 20, 30), Stream(mapped.symbols, 3, 20, 30)),
        tuple(
            Documents(t.symbols, document_bounds(t.symbols, t.vocabulary.symbols("\n\n")), 3, 10, 15)
            for t in (whole, mapped)
        ),
    ):
        for update in range(0, 2 * len(ones), 3):
            a, b = ones[update], others[update]
            for name in ("x", "y"):
                assert a.inputs[name].dtype == b.inputs[name].dtype == np.int64
                np.testing.assert_array_equal(a.inputs[name], b.inputs[name])


@pytest.mark.parametrize(("unit", "size"), [("character", 6_000_000), ("word", 1_500_000), ("byte", 24_000_000)])
def test_a_text_far_larger_than_the_memory_it_takes(
    unit: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it and training on it takes a quarter of its size at most, and does not grow with it."""
    line = b"It was the best of times, it was the worst of times, it was the age of wisdom.\n"
    path = tmp_path / "large.txt"
    path.write_bytes(line * (size // len(line)))
    monkeypatch.setattr("bptt.rnn.data.mapped.CHUNK", 1 << 13)  # as small to it as a megabyte to large ones
    monkeypatch.setattr("bptt.rnn.data.mapped.PIECE", 1 << 13)
    tracemalloc.start()
    try:
        text = read_symbols(path, unit, memory=1000)
        before, _ = text.parts
        stream = Stream(before, 32, 64)
        for update in range(0, len(stream), max(1, len(stream) // 50)):
            assert stream[update].inputs["x"].shape == (64, 32)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size // 4


def test_a_cache_is_used_again_where_it_fits_and_made_anew_where_not(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "run" / "symbols.npy"
    first = read_symbols(source, memory=1, cache=cache)
    made = cache.stat().st_mtime_ns, cache.stat().st_ino
    again = read_symbols(source, memory=1, cache=cache)
    assert (cache.stat().st_mtime_ns, cache.stat().st_ino) == made
    assert (again.cut, again.vocabulary, again.sha256) == (first.cut, first.vocabulary, first.sha256)
    np.testing.assert_array_equal(again.symbols, first.symbols)
    assert sorted(p.name for p in cache.parent.iterdir()) == ["symbols.npy", "symbols.npy.json"]

    def made_anew(unit: str = "character") -> bool:
        before = cache.stat().st_ino
        found = read_symbols(source, unit, memory=1, cache=cache)
        np.testing.assert_array_equal(found.symbols, read_symbols(source, unit).symbols)
        return cache.stat().st_ino != before

    assert made_anew("word")
    assert not made_anew("word")
    assert made_anew()
    source.write_bytes(source.read_bytes().replace(b"best", b"rest"))
    os.utime(source, ns=(1, 1))
    assert made_anew()
    cache.write_bytes(cache.read_bytes()[:-100])  # cut short
    assert made_anew()
    beside = tmp_path / "run" / "symbols.npy.json"
    beside.write_text(beside.read_text()[:-20])
    assert made_anew()
    for about in ("[1]", "[" * 5000, json.dumps({**json.loads(beside.read_text()), "vocabulary": {"tokens": [[]]}})):
        beside.write_text(about)
        assert made_anew(), about[:80]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(200), b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_symbols_that_are_no_npy_file_are_made_anew(source: Path, tmp_path: Path, content: bytes) -> None:
    """Nothing; an archive, which numpy.load would open; a header that was cut."""
    cache = tmp_path / "symbols.npy"
    whole = read_symbols(source, memory=1, cache=cache)
    expected = cache.read_bytes()
    del whole
    cache.unlink()
    cache.write_bytes(content)
    read_symbols(source, memory=1, cache=cache)
    assert cache.read_bytes() == expected


def test_what_is_wrong_with_a_large_text_is_said_as_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bptt.rnn.data.mapped.CHUNK", 8)
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfone\ntwo\nthree\nf\xfcnf\n" + b"x" * 50)
    with pytest.raises(DataError, match=r"text\.txt, line 4: expected UTF-8, got byte 0xfc at offset 18"):
        mapped_text(path, "character", 0.9, 0, None)
    for content in (b" \n" * 50, b"\xef\xbb\xbf"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="bytes of white space"):
            mapped_text(path, "word", 0.9, 0, None)
    path.write_bytes(b"word")
    with pytest.raises(DataError, match="a text of 1 word cannot be split"):
        mapped_text(path, "word", 0.9, 0, None)
    path.write_bytes("fün".encode()[:-2])  # ends within a letter
    with pytest.raises(DataError, match="line 1: expected UTF-8, got byte 0xc3 at offset 1"):
        mapped_text(path, "character", 0.9, 0, None)


def test_symbols_that_cannot_be_kept_leave_nothing_behind(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"the symbols of .*text\.txt cannot be kept here: .*or name another place"):
        read_symbols(source, memory=1, cache=tmp_path / "file" / "symbols.npy")
    cache = tmp_path / "full" / "symbols.npy"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bptt.rnn.data.mapped._write", full)
        with pytest.raises(DataError, match="No space left on device; make room"):
            read_symbols(source, memory=1, cache=cache)
    assert list(cache.parent.iterdir()) == []


def test_bytes_are_mapped_without_a_pass(source: Path) -> None:
    text = read_symbols(source, "byte", memory=1)
    assert isinstance(text.symbols, np.memmap)
    assert text.symbols.tobytes() == source.read_bytes()
    assert text.vocabulary.text(text.symbols[:60]).startswith("\ufeffIt was\r\n")
    source.write_bytes(b"")
    with pytest.raises(DataError, match="expected a text, the file is empty"):
        read_symbols(source, "byte")
    with pytest.raises(DataError, match="nowhere: expected a text file, got: No such file"):
        read_symbols(source.parent / "nowhere", "byte")


def test_a_large_text_that_changes_while_it_is_read_is_refused(source: Path, tmp_path: Path) -> None:
    write = mapped._write

    def changed(path: Path, *given: Any) -> str:
        source.write_text("a" * 100)
        return write(path, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "_write", changed)
        for unit in ("character", "word"):
            source.write_bytes(TEXT.encode())
            with pytest.raises(DataError, match="expected a text that stays as it is, it changed while it was read"):
                read_symbols(source, unit, memory=1, cache=tmp_path / unit)


@pytest.mark.parametrize("unit", ["character", "word"])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_a_text_is_encoded_piece_by_piece_as_in_one(
    source: Path, unit: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_symbols(source, unit, None, most=7)
    monkeypatch.setattr(mapped, "CHUNK", piece)
    symbols, digest = mapped.encoded_text(source, whole.vocabulary)
    np.testing.assert_array_equal(symbols, whole.symbols)
    assert (symbols.dtype, digest) == (whole.symbols.dtype, whole.sha256)

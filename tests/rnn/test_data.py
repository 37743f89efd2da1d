"""Text as symbols: reading, the vocabulary, the split, windows with carried state."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from bptt.rnn.data import UNSEEN, DataError, Stream, Vocabulary, one_row, python_prose, read_text, split


def written(folder: Path, content: bytes) -> Path:
    path = folder / "text.txt"
    path.write_bytes(content)
    return path


def test_text_is_read_with_one_kind_of_line_end_and_without_byte_order_mark(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, b"\xef\xbb\xbfone\r\ntwo\rthree\n")) == "one\ntwo\nthree\n"
    assert read_text(written(tmp_path, "äöü — 𝛿\x00".encode())) == "äöü — 𝛿\x00"


@pytest.mark.parametrize(("content", "got"), [(b"", "an empty file"), (b" \n\n", "3 bytes of white space")])
def test_an_empty_text_is_refused(tmp_path: Path, content: bytes, got: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=got) as error:
        read_text(path)
    assert str(path) in str(error.value)


def test_a_text_in_another_encoding_is_refused_with_its_byte_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "eins\nzwei\nfünf\n".encode("latin-1"))
    with pytest.raises(
        DataError, match=r"text\.txt, line 3: expected UTF-8, got byte 0xfc at offset 11.*iconv"
    ):
        read_text(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: expected a text file in UTF-8, got: No such file"):
        read_text(tmp_path / "nowhere")
    with pytest.raises(DataError, match="Is a directory"):
        read_text(tmp_path)


def test_python_carries_half_a_megabyte_of_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    text = python_prose()
    assert len(text) > 300_000
    assert text == python_prose()
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match=r"without pydoc_data.topics.*bptt train TEXT"):
        python_prose()


def test_vocabulary_turns_text_into_symbols_and_back() -> None:
    vocabulary = Vocabulary.of("to be, or not to be 𝛿")
    text = "robe 𝛿 tent"
    assert vocabulary.text(vocabulary.symbols(text)) == text
    assert vocabulary.symbols(text).dtype == np.int64
    assert len(vocabulary) == len(set("to be, or not to be 𝛿")) + 1
    assert vocabulary.symbols("").shape == (0,)


def test_an_unseen_character_is_symbol_zero() -> None:
    vocabulary = Vocabulary.of("abc")
    assert vocabulary.symbols("axb" + UNSEEN).tolist() == [1, 0, 2, 0]
    assert vocabulary.text(vocabulary.symbols("axb")) == f"a{UNSEEN}b"
    assert vocabulary.unseen("axbyz") == 3
    assert Vocabulary.of("a" + UNSEEN).characters == (UNSEEN, "a")


def test_a_text_starts_after_a_line_feed_where_there_is_one() -> None:
    assert Vocabulary.of("a\nb").start == 1
    assert Vocabulary.of("ab").start == 0


@pytest.mark.parametrize("characters", [(), ("a",), (UNSEEN, "a", "a"), (UNSEEN, "ab"), (UNSEEN, "")])
def test_a_vocabulary_that_is_none_is_refused(characters: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="a vocabulary"):
        Vocabulary(characters)


def test_the_first_part_is_for_training() -> None:
    before, after = split("abcdefghij" * 10)
    assert (len(before), len(after)) == (90, 10)
    assert before + after == "abcdefghij" * 10
    with pytest.raises(DataError, match="3 characters cannot be split 90% to 10%"):
        split("abc")
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(DataError, match="between 0 and 1"):
            split("abc" * 100, share)


def test_windows_go_on_where_the_one_before_ended() -> None:
    symbols = np.arange(100)
    stream = Stream(symbols, batch=3, steps=5)
    assert len(stream) == 6  # 33 steps a row; three are left over
    first, second = stream[0], stream[1]
    assert first.x.shape == first.y.shape == (5, 3)
    assert first.x[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert first.x[0].tolist() == [0, 33, 66]
    assert (second.x[0] == first.y[-1]).all()
    for window in (first, second):
        assert (window.y == window.x + 1).all()
    assert (first.fresh, first.start, second.fresh, second.start) == (True, 1, False, 6)


def test_after_the_last_window_the_rows_begin_again() -> None:
    stream = Stream(np.arange(100), batch=3, steps=5)
    assert stream[6].fresh
    assert (stream[6].x == stream[0].x).all()
    assert (stream[6].y.max(), stream[5].y.max()) == (stream[0].y.max(), 66 + 30)


def test_the_last_character_is_predicted_where_the_rows_fit() -> None:
    assert Stream(np.arange(31), batch=3, steps=10)[0].y[-1].tolist() == [10, 20, 30]


def test_a_text_too_short_for_a_window_says_how_long_it_must_be() -> None:
    Stream(np.arange(2049), batch=32, steps=64)
    with pytest.raises(DataError, match=r"2048 characters are too few .* need at least 2049"):
        Stream(np.arange(2048), batch=32, steps=64)
    with pytest.raises(DataError, match="batch is a whole number of at least 1, got 0"):
        Stream(np.arange(2048), batch=0, steps=64)


@pytest.mark.parametrize("length", [2, 9, 10, 11, 20, 21, 22])
def test_one_row_reads_and_predicts_every_character_once(length: int) -> None:
    symbols = np.arange(length)
    windows = list(one_row(symbols, steps=10))
    assert np.concatenate([w.x for w in windows])[:, 0].tolist() == list(range(length - 1))
    assert np.concatenate([w.y for w in windows])[:, 0].tolist() == list(range(1, length))
    assert [w.fresh for w in windows] == [True] + [False] * (len(windows) - 1)
    assert [w.start for w in windows] == [1 + 10 * k for k in range(len(windows))]

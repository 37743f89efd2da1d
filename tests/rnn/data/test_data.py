"""Text as symbols: reading, vocabularies of characters, words and bytes, the split."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from bptt.rnn.data import UNSEEN, DataError, Vocabulary, python_prose, read_text, split, text_of
from bptt.rnn.data.vocabulary import words


def written(folder: Path, content: bytes) -> Path:
    path = folder / "text.txt"
    path.write_bytes(content)
    return path


def test_text_is_read_with_one_kind_of_line_end_and_without_byte_order_mark(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, b"\xef\xbb\xbfone\r\ntwo\rthree\n")) == "one\ntwo\nthree\n"
    assert read_text(written(tmp_path, "äöü — 𝛿\x00".encode())) == "äöü — 𝛿\x00"


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "3 bytes of white space"),
        (b"\xef\xbb\xbf\r\n", "5 bytes of white space"),
    ],
)
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
    assert vocabulary.unseen(vocabulary.symbols("axbyz")) == 3
    assert Vocabulary.of("a" + UNSEEN).tokens == (UNSEEN, "a")


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


# ---- words and bytes ---------------------------------------------------------------------------------
def test_the_rule_of_words() -> None:
    text = "Don't re-read\tit, 'she' said:  wo n't \x00\n\n3.5% of x_1 -- fünf’s"
    assert words(text) == [
        "Don't", "re-read", "it", ",", "'", "she", "'", "said", ":", "wo", "n't", "\x00", "\n", "\n",
        "3", ".", "5", "%", "of", "x_1", "-", "-", "fünf’s",
    ]  # fmt: skip


def test_words_are_written_back_so_that_they_are_the_same_words() -> None:
    text = "to be , or\nnot to be\n\n( that ) is it"
    vocabulary = Vocabulary.of(text, "word")
    assert vocabulary.text(vocabulary.symbols(text)) == text
    untidy = "(to  be),or\n not"
    assert words(vocabulary.text(vocabulary.symbols(untidy))) == words(untidy)
    assert vocabulary.text(vocabulary.symbols("be seen")) == f"be {UNSEEN}"
    assert vocabulary.unseen(vocabulary.symbols("be seen , or else")) == 2
    assert vocabulary.start == vocabulary.symbols("\n")[0]


def test_a_vocabulary_keeps_the_most_frequent() -> None:
    assert Vocabulary.of("c c c b b a a d", "word", most=3).tokens == (UNSEEN, "a", "c")  # a before b: code points
    assert Vocabulary.of("abcabca", most=2).tokens == (UNSEEN, "a")
    assert Vocabulary.of("c c c b b a a d", "word", least=2).tokens == (UNSEEN, "a", "b", "c")
    assert len(Vocabulary.of("c c c b b a a d", "word", most=99)) == 5


def test_bytes_are_symbols_as_they_are() -> None:
    vocabulary = Vocabulary.of("anything", "byte")
    assert len(vocabulary) == 256
    assert vocabulary.unseen_symbol is None
    text = "fünf\x00\r\n"
    assert bytes(vocabulary.symbols(text).tolist()) == text.encode()
    assert vocabulary.text(vocabulary.symbols(text)) == text
    assert vocabulary.text(np.array([0x66, 0xFC])) == "f" + UNSEEN
    assert vocabulary.unseen(vocabulary.symbols(text)) == 0
    assert vocabulary.start == ord("\n")


@pytest.mark.parametrize("unit", ["character", "word", "byte"])
def test_a_vocabulary_is_kept_as_json(unit: str) -> None:
    vocabulary = Vocabulary.of("fünf, \x00 sechs", unit)
    assert Vocabulary.restore(json.loads(json.dumps(vocabulary.save()))) == vocabulary


@pytest.mark.parametrize(
    "kept", [None, [], {}, {"unit": "word"}, {"unit": "word", "tokens": "ab"}, {"unit": "bit", "tokens": [UNSEEN]}]
)
def test_what_is_no_vocabulary_is_not_restored(kept: object) -> None:
    with pytest.raises(DataError, match="a vocabulary"):
        Vocabulary.restore(kept)


@pytest.mark.parametrize(("size", "dtype"), [(255, "uint8"), (256, "uint16"), (65535, "uint16"), (65536, "int32")])
def test_symbols_are_stored_in_the_smallest_type_that_holds_them(size: int, dtype: str) -> None:
    text = "".join(map(chr, range(0x10000, 0x10000 + size)))
    assert Vocabulary.of(text).dtype == np.dtype(dtype)


@pytest.mark.parametrize("unit", ["character", "word", "byte"])
def test_the_vocabulary_is_of_the_part_to_train_on(unit: str) -> None:
    text = text_of("a b c d e f g h i j" * 3 + " ! ? ;", unit, 0.9)
    before, after = text.parts
    assert len(before) + len(after) == len(text.symbols)
    assert len(before) == int(0.9 * len(text.symbols))
    if unit != "byte":
        assert 0 in after
        assert 0 not in before

"""Symbols that a vocabulary lacks: refused by name and place, or read as the unknown symbol and counted."""

from __future__ import annotations

import re

import pytest
from bptt.rnn.data import UNSEEN, DataError, Reading, UnknownError, Vocabulary

LETTERS = Vocabulary.of("to be\n")
WORDS = Vocabulary.of("to be or not\n", "word")


def refused(vocabulary: Vocabulary, text: str) -> UnknownError:
    reading = Reading("refuse")
    reading.text(vocabulary, text, "the text")
    with pytest.raises(UnknownError) as caught:
        reading.check()
    return caught.value


@pytest.mark.parametrize(
    ("vocabulary", "text", "message", "symbols"),
    [
        (LETTERS, "to bx", "the text, character 5: expected characters of the vocabulary, got 'x'; unknown=", "x"),
        (LETTERS, "to be\nbot x\n", "the text, line 2, character 5: expected characters", "x"),
        (LETTERS, "q to\n\nz", "line 1, character 1: .* got 'q'; nor has it 'z' .line 3, char", "qz"),
        (LETTERS, "uvwxyzu", "got 'u'; nor has it 'v' .*, 'w' .* and 3 more; .* reads such characters as", "uvwxyz"),
    ],
)
def test_characters_are_refused_by_name_and_place(
    vocabulary: Vocabulary, text: str, message: str, symbols: str
) -> None:
    error = refused(vocabulary, text)
    assert error.symbols == tuple(symbols)
    assert re.search(message, str(error))


def test_words_are_refused_by_name_and_place() -> None:
    error = refused(WORDS, "to be,  or\nnot to  see")
    assert error.symbols == (",", "see")
    assert str(error) == (
        "the text, line 1, word 3: expected words of the vocabulary, got ','; nor has it 'see' (line 2, word 3);"
        ' unknown="map" (--unknown map) reads such words as the unknown word, in this call or, given to training,'
        " always"
    )
    reading = Reading("refuse")
    reading.tokens(WORDS, ["to", "see"], lambda i: f"a.conllu, line {7 + i}")
    with pytest.raises(UnknownError, match=r"a\.conllu, line 8: expected words .* got 'see'; .* reads that word as"):
        reading.check()


def test_where_it_is_asked_for_they_are_mapped_and_counted() -> None:
    reading = Reading("map")
    assert (reading.text(LETTERS, "xto", "") == [0, *LETTERS.symbols("to")]).all()
    assert reading.tokens(WORDS, ["see", "to"], str)[0] == 0
    reading.check()
    assert reading.unseen == 2


def test_the_unknown_symbol_itself_and_bytes_are_not_refused() -> None:
    reading = Reading("refuse")
    reading.text(LETTERS, f"to{UNSEEN}", "")
    reading.text(Vocabulary.bytes(), "\x00\xff", "")
    reading.check()
    assert reading.unseen == 1


def test_what_may_be_asked_for() -> None:
    with pytest.raises(DataError, match="unknown: expected refuse or map, got 'mpa'; did you mean map"):
        Reading("mpa")

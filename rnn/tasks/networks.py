"""The default networks of the tasks: ``rnn_lm``, ``tagger``, ``classifier``, ``forecaster`` and ``attention`` of
``rnn/cells``.

Forget gates start open (b_f = 1; Jozefowicz, Zaremba and Sutskever 2015), so that the state is kept until the
network has learnt what to forget. The vectors of characters start with entries of unit size: of a row that is
looked up, not multiplied, nothing is summed. Those of words start at a tenth of it: many words are rare, and what
is left of their start is noise to the network.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import numpy as np

from ..cells import CELLS


def _text(cell: str) -> str:
    return dedent(CELLS[cell].text).rstrip() + "\n"


LANGUAGE_MODEL = _text("rnn_lm")
DOCUMENTS = LANGUAGE_MODEL.replace("over=t)", "over=(t, batch))")
"""Rows end at steps of their own: the mean is over all symbols, not of one row's mean beside another's."""
TAGGER = _text("tagger")
_WORDS = _text("classifier")
_CHARACTERS = _WORDS.replace("0.5)", "0.1)")
CLASSIFIER = {"word": _WORDS, "character": _CHARACTERS, "byte": _CHARACTERS}
"""By unit: words are many and rare, and a network that sees all of each would learn the sentences by heart."""
FORECASTER = _text("forecaster")
TRANSLATOR = _text("attention")


def unit_normal(shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Entries from the standard normal distribution."""
    return random.normal(size=shape)


def small_normal(shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Entries from a normal distribution with standard deviation 0.1."""
    return random.normal(0.0, 0.1, size=shape)


def vectors(unit: str) -> Any:
    """How the vectors of symbols start."""
    return small_normal if unit == "word" else unit_normal

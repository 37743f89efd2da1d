"""What a task depends on besides its data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..data import MAP, REFUSE, UNKNOWN, DataError

UNITS = ("character", "word", "byte")
TASKS = ("language_model", "tagger", "classifier", "forecaster", "translator")

WINDOW = 64
"""Steps of a window, unless they are said."""


@dataclass(frozen=True)
class TaskSettings:
    """How data are read, cut into batches, and which sizes the default network has.

    task        language_model, tagger, classifier, forecaster or translator; "" decides by the data
    vector      size of the vector of a symbol
    hidden      size of the state
    batch       rows, or sequences, side by side in a batch
    window      steps a row in each update (k1), where rows are longer than a batch
    reach       steps that the gradient goes back (k2), at least ``window``; 0: as many as ``window``
    separator   what ends a document, e.g. "\\n\\n": states start anew after it; "" reads one endless text
    unit        what a text is cut into: character, word or byte; "": characters, or words of labelled
                texts with spaces in them
    most        the most symbols a vocabulary holds, the most frequent ones; 0: no limit
    unknown     "refuse" what the vocabulary lacks, where new texts are read, or "map" it to the unknown symbol, which
                then stands in training for all that occurs once (of words of sentences and pairs it does in any case)
    share       share of the data that is trained on, where ``validation`` names no other
    validation  a file of data for validation, "" where it is the rest of the one trained on
    text        the column of the texts: its name or its number from 1; "" the one beside the label
    label       the column of the labels; "" the first, or the one called label
    columns     the columns of a series, separated by commas; "" all
    target      the columns that are forecast; "" those of ``columns``
    validation_steps  the most steps of a text or a series that a validation reads, see ``spread``; of documents every
                n-th, so that it is about as many; 0: all
    memory      the most bytes of a text that are read into memory; larger ones are memory-mapped
    seed        of the order in which sequences are read
    """

    task: str = ""
    vector: int = 48
    hidden: int = 128
    batch: int = 16
    window: int = WINDOW
    reach: int = 0
    separator: str = ""
    unit: str = ""
    most: int = 0
    unknown: str = REFUSE
    share: float = 0.9
    validation: str = ""
    text: str = ""
    label: str = ""
    columns: str = ""
    target: str = ""
    validation_steps: int = 1 << 18
    memory: int = 64 << 20
    seed: int = 0

    def check(self) -> None:
        """Raise DataError for a setting that makes no sense, with its name, what was expected and what came."""
        for name in ("vector", "hidden", "batch", "window", "memory"):
            self._whole(name, 1)
        for name in ("reach", "most", "seed", "validation_steps"):
            self._whole(name, 0)
        if 0 < self.reach < self.window:
            raise DataError(
                f"setting reach: expected at least the window, {self.window} steps, got {self.reach};"
                " give a larger reach, a smaller window, or 0 for a reach of one window"
            )
        share: Any = self.share
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < math.inf or share >= 1:
            raise DataError(f"setting share: expected a number between 0 and 1, got {share!r}")
        for name in ("separator", "validation", "text", "label", "columns", "target"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise DataError(f"setting {name}: expected a text, got {value!r}")
        for name, choices in (("unit", ("", *UNITS)), ("task", ("", *TASKS)), ("unknown", UNKNOWN)):
            if getattr(self, name) not in choices:
                known = ", ".join(filter(None, choices))
                raise DataError(f"setting {name}: expected one of {known}; got {getattr(self, name)!r}")

    def least(self, learnt: bool = False) -> int:
        """How often what is in a vocabulary occurs at least: twice where the unknown symbol is learnt from the rest."""
        return 2 if learnt or self.unknown == MAP else 1

    def _whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise DataError(f"setting {name}: expected a whole number of at least {least}, got {value!r}")

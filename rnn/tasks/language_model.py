"""Language models: the next character, word or byte of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import (
    Again,
    Array,
    Batch,
    Cache,
    DataError,
    Documents,
    Reading,
    Stream,
    Symbols,
    Text,
    Vocabulary,
    document_bounds,
    pieces_of,
    python_prose,
    read_symbols,
    spread,
    text_given,
    text_of,
)
from ..data.mapped import encoded_text
from .base import Main, Task, named
from .bound import Bound
from .measures import Totals, log_probabilities, symbol_measures, symbol_totals, unseen_in_validation
from .networks import DOCUMENTS, LANGUAGE_MODEL, vectors
from .settings import TaskSettings


@dataclass(frozen=True)
class Next:
    r"""A symbol that may come next (a byte beyond ASCII such as ``\xe9``), its probability, and its number."""

    token: str
    probability: float
    symbol: int


class LanguageModel(Task):
    """Predicts each symbol of a text from all before it; the loss counts characters, words or bytes.

    Without a separator a text is one stream: its first ``share`` is read in ``batch`` rows side by side, window after
    window with carried state (``Stream``); the rest validates, as one row, or, of a long one, as many steps as the
    setting ``validation_steps`` says (``spread``). With a separator it is documents, each
    read from the initial state (``Documents``); then the training part ends with the document in which the share
    ends.
    """

    name = "language_model"
    main = Main("nats")
    carried = True
    predicted = "symbol"

    def __init__(self, vocabulary: Vocabulary, settings: TaskSettings):
        super().__init__(settings)
        self.vocabulary = vocabulary
        self.unit = self.item = vocabulary.unit
        self.reads = self.predicts = len(vocabulary)

    @classmethod
    def read(cls, path: Path | None, settings: TaskSettings, cache: Cache | None = None) -> LanguageModel:
        """The task of a text file, or of the prose that CPython carries."""
        unit, share = settings.unit or "character", None if settings.validation else settings.share
        if path is None:
            text = text_of(python_prose(), unit, share, settings.most, settings.least())
        else:
            text = read_symbols(path, unit, share, settings.most, settings.memory, cache, settings.least())
        source = "pydoc_data.topics" if path is None else str(path)
        task = cls(text.vocabulary, settings)
        own = task._validation_text()
        with named(source):
            task._read(text, *own)
        unseen = task.vocabulary.unseen(text.symbols[text.cut :] if own[0] is None else own[0])
        task.about = {"source": source, f"{unit}s": len(text.symbols), "sha256": text.sha256, **task.about}
        task.about |= unseen_in_validation(unseen, unit)
        return task

    def _read(self, text: Text, own: Array | None, digest: str) -> None:
        if self.separator:
            self._read_documents(text, own)
        else:
            self._read_stream(text, own)
        if own is not None:
            self.about |= {f"validation_{self.item}s": len(own), "validation_sha256": digest}

    def _read_stream(self, text: Text, own: Array | None) -> None:
        before, after = (text.symbols, own) if own is not None else text.parts
        s = self.settings
        self._training = Stream(before, s.batch, s.window, s.reach, unit=self.item)
        self._validation = Again(lambda: spread(after, s.validation_steps))
        rows, steps = pieces_of(len(after) - 1, s.validation_steps)
        if rows > 1:
            self.about[f"{self.item}s_read_in_validation"] = rows * steps

    def _read_documents(self, text: Text, own: Array | None) -> None:
        s, name = self.settings, self.settings.separator
        bounds = document_bounds(text.symbols, self._separator(), name)
        if own is None:
            last = int(np.searchsorted(bounds, text.cut))  # the document in which the share ends is trained on
            if last > len(bounds) - 2:
                raise DataError(
                    f"{len(bounds) - 1} documents cannot be split {s.share:.0%} to {1 - s.share:.0%}: none is left for"
                    " validation; give more of them, a smaller share, or a file for validation"
                )
            bounds, later, rest = bounds[: last + 1], bounds[last:], text.symbols
        else:
            later, rest = document_bounds(own, self._separator(), name), own
        start = self.vocabulary.start
        self._training = Documents(text.symbols, bounds, s.batch, s.window, s.reach, start, s.seed)
        validation = Documents(rest, later, s.batch, 1024, start=start)
        self._validation = Again(lambda: validation.in_order(s.validation_steps))
        self.about = {"documents": len(bounds) - 1, "validation_documents": len(later) - 1}

    def _validation_text(self) -> tuple[Array | None, str]:
        """The symbols of the validation file, if there is one, and its checksum."""
        if not self.settings.validation:
            return None, ""
        path = Path(self.settings.validation)
        if self.item == "byte":
            text = read_symbols(path, "byte", None)
            return text.symbols, text.sha256
        symbols, digest = encoded_text(path, self.vocabulary)
        if len(symbols) < 2:
            raise DataError(f"{path}: expected at least two {self.item}s to validate with, got {len(symbols)}")
        return symbols, digest

    # ---- documents --------------------------------------------------------------------------------
    @property
    def separator(self) -> str:
        r"""What ends a document; ``\n`` and ``\t`` written as two characters are a line feed and a tab."""
        return self.settings.separator.replace("\\n", "\n").replace("\\t", "\t")

    def _separator(self) -> Symbols:
        symbols = self.vocabulary.symbols(self.separator)
        if not len(symbols) or (self.vocabulary.unseen_symbol is not None and (symbols == 0).any()):
            raise DataError(
                f"the separator of documents, {self.settings.separator!r}, does not occur in the text to train on;"
                " give one that does, or none to read the text as a whole"
            )
        return symbols

    # ---- the network ------------------------------------------------------------------------------
    @property
    def equations(self) -> str:
        return DOCUMENTS if self.settings.separator else LANGUAGE_MODEL

    @property
    def init(self) -> dict[str, Any]:
        return {"b_f": 1.0, "E": vectors(self.item)}

    # ---- how well it does -------------------------------------------------------------------------
    def totals(self, batch: Batch, scores: Array, loss: str) -> Totals:
        return symbol_totals(batch, scores, loss)

    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        return symbol_measures(totals, accuracy=False)

    def predict(
        self, bound: Bound, reader: Any, weights: Mapping[str, Array], given: Any, most: int = 5, unknown: str = ""
    ) -> list[Next]:
        """What comes next after a text (or bytes, where it learnt bytes): the ``most`` probable symbols, the first the
        most probable. UNSEEN is none.

        unknown  "map" reads what the vocabulary lacks as the unknown symbol, "refuse" refuses it; "": as trained

        Raises DataError for a number that makes no sense, UnknownError for a text with symbols that are refused,
        TypeError for what is no text.
        """
        if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 1:
            raise DataError(f"the number of symbols to show is a whole number of at least 1, got {most!r}")
        read = self.begun(self.given(given), "the text", self.reading(unknown))
        out = reader(weights, x=bound.fit_x(read[:, None]))
        logs = log_probabilities(out.value[bound.scores.name][-1, 0], bound.scores.loss)
        order = [i for i in np.argsort(-logs, kind="stable") if i != self.vocabulary.unseen_symbol]
        return [Next(self.vocabulary.token(i), float(np.exp(logs[i])), i) for i in map(int, order[:most])]

    def given(self, given: Any, what: str = "a text") -> str | bytes:
        """A text that was given, or bytes, where the unit is the byte. Raises TypeError for anything else."""
        return given if self.unit == "byte" and isinstance(given, bytes) else text_given(given, what)

    def begun(self, text: str | bytes, place: str, reading: Reading) -> Symbols:
        """The symbols [N + 1] by which a network reads a text: the one before every text, then those of the text.

        Raises UnknownError, with ``place``, for symbols that are refused.
        """
        symbols = reading.text(self.vocabulary, text, place)
        reading.check()
        return np.concatenate([[self.vocabulary.start], symbols]).astype(np.int64)

    def unseen(self, given: str | bytes) -> int:
        return self.vocabulary.unseen(self.vocabulary.symbols(given))

    # ---- what a run keeps -------------------------------------------------------------------------
    def save(self) -> dict[str, Any]:
        return {"task": self.name, "vocabulary": self.vocabulary.save()}

    @classmethod
    def restored(cls, kept: Mapping[str, Any], settings: TaskSettings) -> LanguageModel:
        """The task that ``save`` described."""
        return cls(Vocabulary.restore(kept.get("vocabulary")), settings)

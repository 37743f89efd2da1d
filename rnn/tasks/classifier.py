"""Classifiers: one label for a whole text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import MAP, Array, Batch, DataError, Reading, Sequences, Vocabulary, text_given
from ..data.buckets import PADDED_TARGET
from ..data.sentences import Labelled, read_folder, read_lines, read_table
from ..data.vocabulary import tokens_of
from .base import Main, Task, digest_of, names_of, parts
from .bound import Bound
from .measures import Totals, log_probabilities, symbol_measures, symbol_totals, unseen_in_validation
from .networks import CLASSIFIER, vectors
from .settings import TaskSettings

TABLES = (".csv", ".tsv", ".tab")


@dataclass(frozen=True)
class Label:
    """The most probable label of a text, and the probability of every one."""

    label: str
    probabilities: dict[str, float]


class Classifier(Task):
    """Predicts the label of a text after its last step; the loss counts sentences, or, where they are read as
    characters or bytes, lines.

    Texts are read as words where at least half of those to train on have white space in them, else as characters,
    unless the unit is said. Of words the vocabulary holds those that the training part has at least twice; the others
    are read as UNSEEN, in training and validation. Whether new texts may have them, the setting ``unknown`` says, or
    the call.
    """

    name = "classifier"
    main = Main("accuracy", less=False)
    static = True
    predicted = "label"

    def __init__(self, vocabulary: Vocabulary, labels: tuple[str, ...], settings: TaskSettings):
        super().__init__(settings)
        self.vocabulary, self.labels = vocabulary, labels
        self.unit = vocabulary.unit
        self.item = "sentence" if vocabulary.unit == "word" else "line"
        self.reads, self.predicts = len(vocabulary), len(labels)

    @classmethod
    def read(cls, path: Path, settings: TaskSettings) -> Classifier:
        """The task of a table, of lines "label text", or of a folder of one file a label."""
        found = read_labelled(path, settings)
        if settings.validation:
            before, after = found, read_labelled(Path(settings.validation), settings)
        else:
            before, after = parts(found, settings.share, "text", path)
        labels = tuple(sorted({one.label for one in (*before, *after)}))
        if len(labels) < 2:
            raise DataError(f"{path}: expected at least two different labels, got {', '.join(labels)}")
        unit = settings.unit or _unit(before)
        tokens = (token for one in before for token in tokens_of(one.text, unit))
        vocabulary = Vocabulary.of(tokens, unit, settings.most, settings.least(learnt=unit == "word"))
        task = cls(vocabulary, labels, settings)
        mapped = Reading(MAP)
        task._read_in_buckets(task.sequences(before, Reading(MAP)), task.sequences(after, mapped))
        task.about = {
            "source": str(path),
            f"{task.item}s": len(before),
            f"validation_{task.item}s": len(after),
            **unseen_in_validation(mapped.unseen, unit),
            "sha256": digest_of(f"{one.label}\t{one.text}" for one in (*before, *after)),
        }
        return task

    def sequences(self, found: Sequence[Labelled], reading: Reading) -> Sequences:
        """Labelled texts as symbols; a label that is none of the task's is no target."""
        numbers = {label: i for i, label in enumerate(self.labels)}
        targets = np.array([numbers.get(one.label, PADDED_TARGET) for one in found], dtype=np.int64)
        return Sequences.of([self._symbols(one.text, reading, one.place) for one in found], targets, static=True)

    def _symbols(self, text: str, reading: Reading, place: str) -> Array:
        symbols = reading.text(self.vocabulary, text, place)
        return symbols if len(symbols) else np.zeros(1, np.int64)  # nothing but white space between words: UNSEEN

    @property
    def equations(self) -> str:
        return CLASSIFIER[self.vocabulary.unit]

    @property
    def init(self) -> dict[str, Any]:
        return {"b_f": 1.0, "E": vectors(self.vocabulary.unit)}

    def totals(self, batch: Batch, scores: Array, loss: str) -> Totals:
        return symbol_totals(batch, scores, loss)

    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        return symbol_measures(totals, accuracy=True)

    def predict(
        self, bound: Bound, reader: Any, weights: Mapping[str, Array], given: str, unknown: str = ""
    ) -> Label:
        """The label of a text.

        unknown  "map" reads what the vocabulary lacks as the unknown symbol, "refuse" refuses it; "": as trained

        Raises DataError for an empty text, UnknownError for one with symbols that are refused, TypeError for what is
        none.
        """
        if not text_given(given).strip():
            raise DataError("expected a text to classify, got an empty one")
        reading = self.reading(unknown)
        x = self._symbols(given.strip(), reading, "the text")
        reading.check()
        out = reader(weights, x=bound.fit_x(x[:, None]))
        scores = out.value[bound.scores.name]
        odds = np.exp(log_probabilities(scores[0] if scores.ndim == 2 else scores[-1, 0], bound.scores.loss))
        return Label(self.labels[int(odds.argmax())], dict(zip(self.labels, map(float, odds), strict=True)))

    def unseen(self, given: str) -> int:
        return self.vocabulary.unseen(self.vocabulary.symbols(given))

    def save(self) -> dict[str, Any]:
        return {"task": self.name, "vocabulary": self.vocabulary.save(), "labels": list(self.labels)}

    @classmethod
    def restored(cls, kept: Mapping[str, Any], settings: TaskSettings) -> Classifier:
        """The task that ``save`` described."""
        return cls(Vocabulary.restore(kept.get("vocabulary")), names_of(kept, "labels"), settings)


def read_labelled(path: Path, settings: TaskSettings) -> list[Labelled]:
    """Labelled texts from a folder, a table or lines. Raises DataError for columns of what is no table."""
    if path.suffix.lower() in TABLES and not path.is_dir():
        return read_table(path, settings.label, settings.text)
    for name in ("label", "text"):
        if getattr(settings, name):
            kind = "a folder of one file a label" if path.is_dir() else 'lines "label text"'
            raise DataError(
                f"setting {name}: it names a column of a table ({', '.join(TABLES)}), {path} is read as {kind}:"
                " leave it out, or mend the suffix"
            )
    return read_folder(path) if path.is_dir() else read_lines(path)


def _unit(found: Sequence[Labelled]) -> str:
    spaced = sum(any(c.isspace() for c in one.text) for one in found)
    return "word" if 2 * spaced >= len(found) else "character"

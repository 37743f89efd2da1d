"""Taggers: a label for each word of a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data import MAP, Array, Batch, DataError, Reading, Sequences, Vocabulary, read_conllu, text_given
from ..data.buckets import PADDED_TARGET
from ..data.conllu import Tagged
from ..data.vocabulary import words
from .base import Main, Task, digest_of, names_of, parts
from .bound import Bound
from .measures import Totals, symbol_measures, symbol_totals, unseen_in_validation
from .networks import TAGGER, vectors
from .settings import TaskSettings


class Tagger(Task):
    """Predicts the part of speech of every word of a sentence; the loss counts words.

    The vocabulary holds the words that the training part has at least twice: those that it has once are read as
    UNSEEN, so that the network learns what an unseen word may be. Validation reads all others so; whether new sentences
    may have them, the setting ``unknown`` says, or the call.
    """

    name = "tagger"
    main = Main("accuracy", less=False)
    predicted = "tag"
    item = "word"

    def __init__(self, vocabulary: Vocabulary, tags: tuple[str, ...], settings: TaskSettings):
        super().__init__(settings)
        self.vocabulary, self.tags = vocabulary, tags
        self.unit = vocabulary.unit
        self.reads, self.predicts = len(vocabulary), len(tags)

    @classmethod
    def read(cls, path: Path, settings: TaskSettings) -> Tagger:
        """The task of a CoNLL-U file."""
        sentences = read_conllu(path)
        if settings.validation:
            before, after = sentences, read_conllu(settings.validation)
        else:
            before, after = parts(sentences, settings.share, "sentence", path)
        tokens = (word for sentence in before for word in sentence.words)
        vocabulary = Vocabulary.of(tokens, "word", settings.most, settings.least(learnt=True))
        task = cls(vocabulary, tuple(sorted({tag for s in (*before, *after) for tag in s.tags})), settings)
        mapped = Reading(MAP)
        task._read_in_buckets(task.sequences(before, Reading(MAP)), task.sequences(after, mapped))
        task.about = {
            "source": str(path),
            "sentences": len(before),
            "validation_sentences": len(after),
            "words": sum(len(s.words) for s in before),
            **unseen_in_validation(mapped.unseen, "word"),
            "sha256": digest_of("\t".join((*s.words, *s.tags)) for s in (*before, *after)),
        }
        return task

    def sequences(self, sentences: Sequence[Tagged], reading: Reading, path: str = "") -> Sequences:
        """Sentences, of a file, as symbols; a tag that is none of the task's is no target."""
        numbers = {tag: i for i, tag in enumerate(self.tags)}
        tags = [np.array([numbers.get(tag, PADDED_TARGET) for tag in s.tags], dtype=np.int64) for s in sentences]
        return Sequences.of([reading.tokens(self.vocabulary, s.words, _lines(path, s)) for s in sentences], tags)

    @property
    def equations(self) -> str:
        return TAGGER

    @property
    def init(self) -> dict[str, Any]:
        return {"b_f": 1.0, "b_F": 1.0, "E": vectors("word")}

    def totals(self, batch: Batch, scores: Array, loss: str) -> Totals:
        return symbol_totals(batch, scores, loss)

    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        return symbol_measures(totals, accuracy=True)

    def predict(
        self,
        bound: Bound,
        reader: Any,
        weights: Mapping[str, Array],
        given: str | Iterable[str],
        unknown: str = "",
    ) -> list[tuple[str, str]]:
        """The words of a sentence, each with its tag. ``given`` is a text, cut by the rule of vocabularies, or words.

        unknown  "map" reads words that the vocabulary lacks as the unknown word, "refuse" refuses them; "": as trained

        Raises DataError for a sentence without words, UnknownError for one with words that are refused, TypeError for
        what is none.
        """
        found, reading = _words(given), self.reading(unknown)
        if not found:
            raise DataError("expected a sentence to tag, got one without words")
        x = reading.tokens(self.vocabulary, found, lambda i: f"the sentence, word {i + 1}")
        reading.check()
        out = reader(weights, x=bound.fit_x(x[:, None]))
        best = out.value[bound.scores.name][:, 0].argmax(axis=-1)
        return [(word, self.tags[int(i)]) for word, i in zip(found, best, strict=True)]

    def unseen(self, given: str | Iterable[str]) -> int:
        return self.vocabulary.unseen(self.vocabulary.of_tokens(_words(given)))

    def save(self) -> dict[str, Any]:
        return {"task": self.name, "vocabulary": self.vocabulary.save(), "tags": list(self.tags)}

    @classmethod
    def restored(cls, kept: Mapping[str, Any], settings: TaskSettings) -> Tagger:
        """The task that ``save`` described."""
        return cls(Vocabulary.restore(kept.get("vocabulary")), names_of(kept, "tags"), settings)


def _lines(path: str, sentence: Tagged) -> Callable[[int], str]:
    """Where each word of a sentence stands."""
    return lambda i: f"{path}, line {sentence.lines[i]}"


def _words(given: str | Iterable[str]) -> list[str]:
    """The words of a sentence. Raises TypeError for what is none."""
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else words(_sentence(given))
    return [_sentence(word) for word in found]


def _sentence(given: Any) -> str:
    return text_given(given, "a sentence, as a text or a list of words")

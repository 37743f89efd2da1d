"""Translators: a text becomes another one, of another length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import MAP, Again, Array, Batch, Buckets, DataError, Reading, Vocabulary, text_given
from ..data.pairs import Pair, PairedSequences, read_pairs
from ..data.vocabulary import tokens_of
from .base import Main, Task, digest_of, parts
from .bound import Bound
from .measures import Totals, symbol_measures, symbol_totals, unseen_in_validation
from .networks import TRANSLATOR
from .settings import TaskSettings

if TYPE_CHECKING:
    from ..define import Cell

END = "\n"
"""What ends every source and every target; no text of a table has it."""


@dataclass(frozen=True)
class Translation:
    """What a text may become, and how probable the network finds it."""

    text: str
    log_probability: float


class Translator(Task):
    """Writes the target of a source: pairs of texts, read and written as words where at least half of the sources to
    train on have white space in them, else as characters, unless the unit is said. The loss counts what is written.

    Source and target have a vocabulary each, of what the training part has (of words, at least twice; the others are
    read as UNSEEN, in training and validation; whether new texts may have them, the setting ``unknown`` says, or the
    call), and end with a mark. A network reads x[s] and y[t], and no y[t] before it is written.
    """

    name = "translator"
    main = Main("nats")
    predicted = "symbol"
    over = "s"

    def __init__(self, source: Vocabulary, target: Vocabulary, settings: TaskSettings):
        super().__init__(settings)
        self.source, self.target = source, target
        self.unit = self.item = target.unit
        self.reads, self.predicts = len(source), len(target)

    @classmethod
    def read(cls, path: Path, settings: TaskSettings) -> Translator:
        """The task of a table of two columns."""
        found = read_pairs(path)
        if settings.validation:
            before, after = found, read_pairs(settings.validation)
        else:
            before, after = parts(found, settings.share, "pair", path)
        unit = settings.unit or _unit(before)
        least = settings.least(learnt=unit == "word")
        sides: list[Vocabulary] = []
        for texts in ([one.source for one in before], [one.target for one in before]):
            tokens = [token for text in texts for token in tokens_of(text, unit)]
            sides.append(Vocabulary.of([*tokens, *[END] * least], unit, settings.most, least))
        task = cls(sides[0], sides[1], settings)
        mapped = Reading(MAP)
        task._training = Buckets(task.sequences(before, Reading(MAP)), settings.batch, settings.seed)
        task._validation = Again(Buckets(task.sequences(after, mapped), max(settings.batch, 64)).in_order)
        task.about = {
            "source": str(path),
            "pairs": len(before),
            "validation_pairs": len(after),
            **unseen_in_validation(mapped.unseen, unit),
            "sha256": digest_of(f"{one.source}\t{one.target}" for one in (*before, *after)),
        }
        return task

    def sequences(self, found: Sequence[Pair], reading: Reading) -> PairedSequences:
        """Pairs as symbols, each with its end."""
        sides = (
            [reading.text(vocabulary, text + END, f"{one.place}, {side}") for one, text in some]
            for side, vocabulary, some in (
                ("source", self.source, [(one, one.source) for one in found]),
                ("target", self.target, [(one, one.target) for one in found]),
            )
        )
        return PairedSequences.of(*sides)

    @property
    def equations(self) -> str:
        return TRANSLATOR

    def _wanted(self, cell: Cell) -> dict[str, int]:
        return dict.fromkeys(("e", "d", "h"), self.settings.hidden)

    def totals(self, batch: Batch, scores: Array, loss: str) -> Totals:
        return symbol_totals(batch, scores, loss)

    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        nats = symbol_measures(totals, accuracy=False)
        return {**nats, "accuracy": totals["correct"] / totals["items"]}

    def predict(
        self,
        bound: Bound,
        reader: Any,
        weights: Mapping[str, Array],
        given: str,
        beam: int = 4,
        most: int = 1,
        length: int = 0,
        unknown: str = "",
    ) -> list[Translation]:
        """What a text becomes, the most probable first, by beam search.

        beam    how many beginnings go on side by side;  most  how many translations are given, at most ``beam``
        length  the most symbols that are written; 0: twice those of the text, and twenty
        unknown  "map" reads what the vocabulary lacks as the unknown symbol, "refuse" refuses it; "": as trained

        Raises DataError for an empty text and numbers that make no sense, UnknownError for a text with symbols that are
        refused, TypeError for what is no text.
        """
        if not text_given(given).strip():
            raise DataError("expected a text to translate, got an empty one")
        for name, value, least in (("most", most, 1), ("length", length, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"{name}: expected a whole number of at least {least}, got {value!r}")
        reading = self.reading(unknown)
        x = reading.text(self.source, given.strip() + END, "the text")
        reading.check()
        stop = int(self.target.symbols(END)[0])
        unseen = self.target.unseen_symbol
        found = bound.decoder(reader.target)(
            weights,
            x=bound.fit_x(x[:, None]),
            length=length or 2 * len(x) + 20,
            beam=max(beam, most),
            stop=stop,
            never=[] if unseen is None else [unseen],
        )
        written = [(h, [i for i in h.symbols if i != stop]) for h in found[0][:most]]
        return [Translation(self.target.text(np.array(symbols, np.int64)), h.log_probability) for h, symbols in written]

    def unseen(self, given: str) -> int:
        return self.source.unseen(self.source.symbols(given))

    def save(self) -> dict[str, Any]:
        return {"task": self.name, "source": self.source.save(), "target": self.target.save()}

    @classmethod
    def restored(cls, kept: Mapping[str, Any], settings: TaskSettings) -> Translator:
        """The task that ``save`` described."""
        return cls(Vocabulary.restore(kept.get("source")), Vocabulary.restore(kept.get("target")), settings)


def _unit(found: Sequence[Pair]) -> str:
    spaced = sum(any(c.isspace() for c in one.source) for one in found)
    return "word" if 2 * spaced >= len(found) else "character"

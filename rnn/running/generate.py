"""Reading a text with a trained language model, and writing on: inference one window or one step at a time.

Both start from the network's initial state, as if a line had just ended: the first symbol, too, has its
probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import DataError, Vocabulary, one_row
from ..tasks import LanguageModel
from ..tasks.measures import log_probabilities
from .ahead import run_ahead
from .search import Draws

if TYPE_CHECKING:
    from ..runs.run import Run


@dataclass(frozen=True)
class Score:
    """How probable a network finds a text.

    nats    −log p of the whole text
    items   how many characters (words, bytes) it has; item: what they are, in the singular
    unseen  how many of them were read as the unknown symbol
    """

    nats: float
    items: int
    unseen: int
    item: str = "character"

    @property
    def log_probability(self) -> float:
        """log p of the whole text, in nats."""
        return -self.nats

    @property
    def nats_per_item(self) -> float:
        return self.nats / self.items

    @property
    def bits_per_item(self) -> float:
        return self.nats_per_item / math.log(2.0)

    @property
    def perplexity(self) -> float:
        """The number of equally likely symbols that would be as hard to guess."""
        return math.exp(min(self.nats_per_item, 700.0))

    def __str__(self) -> str:
        return (
            f"{self.nats:.3f} nats over {self.items} {self.item}s: {self.bits_per_item:.4f} bits a {self.item},"
            f" perplexity {self.perplexity:.4g}"
        )


def score(run: Run, text: str | bytes, unknown: str = "", place: str = "the text") -> Score:
    """−log p(text) in nats under the run's network, in one carried stream from its initial state; a run that learnt
    bytes takes bytes as well.

    unknown  "map" reads what the run's vocabulary lacks as the unknown symbol, which has its own probability; "refuse"
             refuses it, with where it stands in the ``place``; "": as the run was trained

    Raises DataError for an empty text, and for a run that is no language model, UnknownError for symbols that are
    refused.
    """
    task = language_model(run, "score")
    reading = task.reading(unknown)
    read = task.begun(task.given(text), place, reading)
    if len(read) < 2:
        raise DataError(f"expected a text to score, got {'an empty one' if not text else 'one without words'}")
    bound = run.bound
    batches = (bound.fit(batch) for batch in one_row(read))
    nats = math.fsum(bound.totals(*found)["nats"] for found in bound.read(run.program, run.weights, batches))
    return Score(nats, len(read) - 1, reading.unseen, task.item)


def generate(
    run: Run,
    length: int = 500,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    prompt: str | bytes = "",
    unknown: str = "",
) -> str | bytes:
    """A text: ``prompt`` and ``length`` symbols more, drawn one by one from softmax(scores / temperature).

    A run that learnt bytes takes a prompt of bytes, be it ``b""``, and then gives bytes; after a prompt that is a text
    it gives a text, in which U+FFFD stands for bytes that are no UTF-8.

    temperature  0 takes the most probable symbol each time; without a prompt, the first one is then the most probable
                 that is no white space
    top_k        draws from the k most probable symbols only; 0: from all
    seed         the same seed gives the same text
    unknown      "map" reads what the vocabulary lacks in the prompt as the unknown symbol, "refuse" refuses it; "": as
                 the run was trained

    The symbol for what the vocabulary lacks is never drawn. Raises DataError where a number makes no sense, for a run
    that is no language model, and for a network that reads y; UnknownError for symbols that are refused.
    """
    task = language_model(run, "generate")
    _check(length, temperature, top_k, seed)
    vocabulary, bound = task.vocabulary, run.bound
    if "y" in run.running.given:
        raise DataError(f"{run.net.name} reads y, the symbol that it is to predict: it cannot write by itself")
    random = np.random.default_rng(seed)
    read = task.begun(task.given(prompt, "a prompt"), "the prompt", task.reading(unknown))
    never = [] if vocabulary.unseen_symbol is None else [vocabulary.unseen_symbol]
    blank = [i for i, token in enumerate(vocabulary.tokens) if token.isspace()]
    rows = run.running.start(run.weights, {}, rows=1)
    search = Draws(np.array([length]), [random], temperature, top_k)
    scores = rows.begin(bound.fit_x(read[:, None])) if length else None
    while scores is not None:
        first = not search.written[0] and not prompt and temperature == 0.0 and len(blank + never) < len(scores[0])
        if not first:
            scores, _ = run_ahead(rows, search, scores, never)
        if search.done:
            break
        logs = log_probabilities(scores, bound.scores.loss)
        logs[:, never + blank if first else never] = -math.inf
        _, symbols = search.choose(logs)
        scores = None if search.done else rows.step(symbols)
    return _joined(vocabulary, prompt, search.written[0])


def _joined(vocabulary: Vocabulary, prompt: str | bytes, drawn: list[int]) -> str | bytes:
    if isinstance(prompt, bytes):
        return prompt + bytes(drawn)
    written = vocabulary.text(np.array(drawn, dtype=np.int64))
    if vocabulary.unit == "word" and prompt and not prompt[-1].isspace() and written[:1] not in ("", "\n"):
        return f"{prompt} {written}"
    return prompt + written


def language_model(run: Run, what: str) -> LanguageModel:
    """The task of a language model, which alone can do ``what``.

    Raises TypeError for what is no run, DataError for a run of another task.
    """
    task = getattr(run, "task", None)
    if task is None:
        raise TypeError(
            f"{what}: expected a run, got {type(run).__name__}; load it first: rnn.load({str(run)!r}).{what}(…)"
        )
    if not isinstance(task, LanguageModel):
        raise DataError(
            f"{run.folder} is a {task.name}: only a language model can {what}; a {task.name} can predict: bptt predict"
            f" {run.folder}, or run.predict(…)"
        )
    return task


def _check(length: Any, temperature: Any, top_k: Any, seed: Any) -> None:
    for name, value in (("length of a text", length), ("seed", seed), ("top_k", top_k)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            article = "" if name == "top_k" else "the "
            raise DataError(f"{article}{name} is a whole number of at least 0, got {value!r}")
    number = isinstance(temperature, (int, float, np.number)) and not isinstance(temperature, bool)
    if not number or not (math.isfinite(temperature) and temperature >= 0.0):
        raise DataError(f"the temperature is a finite number of at least 0, got {temperature!r}")

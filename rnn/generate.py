"""Reading a text with a trained network, and writing on: inference one window or one step at a time.

Both start from the network's initial state, as if a line had just ended: the first character, too, has its
probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .data import DataError, Symbols, one_row

if TYPE_CHECKING:
    from ..graph.circuit import Circuit
    from .checkpoint import Run
    from .optim import Arrays


@dataclass(frozen=True)
class Score:
    """How probable a network finds a text: −log p in nats over all its characters, and what follows."""

    nats: float
    characters: int
    unseen: int

    @property
    def nats_per_character(self) -> float:
        return self.nats / self.characters

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2.0)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would be as hard to guess."""
        return math.exp(self.nats_per_character)


def inference(net: Circuit, target: str = "cpu") -> Any:
    """The program that reads and writes text: from the symbols x [T, B] to the logits o and the loss L."""
    from .. import compiler

    return compiler.compile(net, loss=None, returns=("L", "o"), target=target, training=False)


def stream_nats(program: Any, weights: Arrays, symbols: Symbols) -> float:
    """−log p in nats of symbols 1 … N-1, each given all before it: one carried stream, B = 1.

    Each window's mean comes in the program's dtype; the windows are summed in float64.
    """
    total, state = 0.0, None
    for window in one_row(symbols):
        out = program(weights, x=window.x, y=window.y, initial=state, start=window.start)
        total += float(np.asarray(out.value["L"]).reshape(-1)[0]) * len(window.x)
        state = out.final
    return total


def score(run: Run, text: str) -> Score:
    """−log p(text) in nats under the run's network, in one carried stream from its initial state.

    Characters that the run's vocabulary lacks count as its symbol for the unseen. Raises DataError for an
    empty text.
    """
    if not text:
        raise DataError("expected a text to score, got an empty one")
    symbols = np.concatenate([[run.vocabulary.start], run.vocabulary.symbols(text)]).astype(np.int64)
    nats = stream_nats(run.program, run.weights, symbols)
    return Score(nats, len(text), run.vocabulary.unseen(text))


def generate(
    run: Run, length: int = 500, *, temperature: float = 1.0, seed: int = 0, prompt: str = ""
) -> str:
    """A text: ``prompt`` and ``length`` characters more, drawn one by one from softmax(o / temperature).

    Temperature 0 takes the most probable character each time. The same seed gives the same text. The
    symbol for unseen characters is never drawn. Raises DataError where a number makes no sense.
    """
    if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 0:
        raise DataError(f"the length of a text is a whole number of at least 0, got {length!r}")
    if not (math.isfinite(temperature) and temperature >= 0.0):
        raise DataError(f"the temperature is a finite number of at least 0, got {temperature}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise DataError(f"the seed is a whole number of at least 0, got {seed!r}")
    random = np.random.default_rng(seed)
    read = np.concatenate([[run.vocabulary.start], run.vocabulary.symbols(prompt)]).astype(np.int64)
    drawn: list[int] = []
    state, position = None, 1
    while len(drawn) < length:
        unknown = np.zeros((len(read), 1), dtype=np.int64)  # what comes next: only the loss would read it
        out = run.program(run.weights, x=read[:, None], y=unknown, initial=state, start=position)
        state, position = out.final, position + len(read)
        drawn.append(draw(out.value["o"][-1, 0], temperature, random))
        read = np.array(drawn[-1:], dtype=np.int64)
    return prompt + run.vocabulary.text(np.array(drawn, dtype=np.int64))


def draw(logits: NDArray[Any], temperature: float, random: np.random.Generator) -> int:
    """One symbol from softmax(logits / temperature), never symbol 0, the unseen; logits is [n].

    Raises DataError where the logits are not finite (weights of a run that diverged).
    """
    known = np.asarray(logits, dtype=np.float64)[1:]
    if not np.isfinite(known).all():
        raise DataError("the network's output is not finite: its weights have diverged; train it anew")
    if temperature == 0.0:
        return 1 + int(np.argmax(known))
    odds = np.cumsum(np.exp((known - known.max()) / temperature))
    place = int(np.searchsorted(odds, random.random() * odds[-1], side="right"))
    return 1 + min(place, len(known) - 1)

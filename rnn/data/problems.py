"""Problems whose answer lies far back: what simple recurrent networks fail at, and what gates were made for.

Each is a function of the number of rows and a random generator, and gives a ``Batch``; ``Generated`` gives batches of
one without end. Symbols come as vectors with a single 1, float32, and as targets of steps, −1 where nothing is asked::

    batches = Generated(problems.temporal_order, rows=32, seed=0)
    trainer = rnn.Trainer(rnn.lstm(x=8, h=16, o=4), batches)

Sources: Hochreiter and Schmidhuber 1997 (Neural Computation 9:1735, experiments 1, 4 and 6); Le, Jaitly and Hinton
2015 (arXiv:1504.00941) and Arjovsky, Shah and Bengio 2016 (arXiv:1511.06464) for adding and copying as they are now.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batches import Array, Batch, DataError
from .buckets import PADDED_TARGET
from .order import shuffled

Problem = Callable[..., Batch]


class Generated:
    """Batches of a problem, each made anew: a function of the seed and the number of the update.

    problem  a function of (rows, random generator), such as those of this module
    rows     sequences in a batch
    options  what else the problem takes, such as ``steps``
    """

    def __init__(self, problem: Problem, rows: int, seed: int = 0, **options: Any) -> None:
        if rows < 1:
            raise DataError(f"rows: expected at least one sequence in a batch, got {rows}")
        self._make = partial(problem, rows, **options)
        self._seed = seed

    def __len__(self) -> int:
        """There is no end to them."""
        return sys.maxsize

    def __getitem__(self, update: int) -> Batch:
        return self._make(shuffled(self._seed, update))


# ---- the embedded Reber grammar ------------------------------------------------------------------
REBER = "BTSXPVE"
_GRAMMAR: tuple[dict[str, int], ...] = (
    {"B": 1}, {"T": 2, "P": 3}, {"S": 2, "X": 4}, {"T": 3, "V": 5}, {"X": 3, "S": 6}, {"P": 4, "V": 6}, {"E": 7},
)  # fmt: skip
"""Reber's grammar (Reber 1967): of each state the symbols that may come, and the state that each leads to."""


def _embedded() -> list[dict[str, int]]:
    """The grammar in itself: B, T or P, a string of Reber's, the same T or P again, E."""
    upper, lower, closing = 2, 2 + len(_GRAMMAR) + 1, 2 + 2 * (len(_GRAMMAR) + 1)
    states: list[dict[str, int]] = [{"B": 1}, {"T": upper, "P": lower}]
    for first, symbol in ((upper, "T"), (lower, "P")):
        states += [{s: first + to for s, to in arcs.items()} for arcs in _GRAMMAR]
        states.append({symbol: closing})
    return [*states, {"E": closing + 1}, {}]


_EMBEDDED = _embedded()


def reber_string(rng: np.random.Generator) -> str:
    """A string of the embedded Reber grammar, both ways equally probable wherever there are two."""
    found, state = "", 0
    while arcs := _EMBEDDED[state]:
        symbol = list(arcs)[int(rng.integers(len(arcs)))]
        found, state = found + symbol, arcs[symbol]
    return found


def reber_legal(text: str) -> NDArray[np.bool_]:
    """After each symbol of a string of the embedded grammar, which of ``REBER`` may come: [len(text), 7].

    Raises DataError for what is no beginning of such a string, with the place.
    """
    legal, state = np.zeros((len(text), len(REBER)), dtype=bool), 0
    for place, symbol in enumerate(text):
        if symbol not in _EMBEDDED[state]:
            expected = " or ".join(_EMBEDDED[state]) or "the end"
            raise DataError(f"{text!r}, symbol {place + 1}: expected {expected}, got {symbol!r}")
        state = _EMBEDDED[state][symbol]
        legal[place, [REBER.index(s) for s in _EMBEDDED[state]]] = True
    return legal


def embedded_reber(rows: int, rng: np.random.Generator) -> Batch:
    """The next symbol of strings of the embedded Reber grammar: x [T, B, 7], y [T, B], ragged.

    The last symbol but one is the second again, 7 or more steps later; all else is decided by the last few symbols
    (Hochreiter and Schmidhuber 1997, experiment 1).
    """
    return reber_batch([reber_string(rng) for _ in range(rows)])


def reber_batch(strings: list[str]) -> Batch:
    """Strings as one batch: each is read up to its last symbol but one, and each next symbol is the target."""
    numbers = [np.array([REBER.index(s) for s in text]) for text in strings]
    lengths = np.array([len(text) - 1 for text in strings])
    symbols = np.zeros((lengths.max(), len(strings)), np.int64)
    y = np.full_like(symbols, PADDED_TARGET)
    for row, one in enumerate(numbers):
        symbols[: lengths[row], row], y[: lengths[row], row] = one[:-1], one[1:]
    return Batch({"x": _onehot(symbols, len(REBER)), "y": y}, lengths, items=int(lengths.sum()))


# ---- adding --------------------------------------------------------------------------------------
def adding(rows: int, rng: np.random.Generator, steps: int = 100) -> Batch:
    """The sum of two marked numbers among ``steps``: x [T, B, 2], y [B, 1].

    x[t] is a number, uniform in [0, 1), and a mark: 1 at one step of the first half and one of the second, else 0
    (Hochreiter and Schmidhuber 1997, experiment 4, in the form of Le et al. 2015). Always to answer 1 has the mean
    squared error 1/6.
    """
    _check(steps, 2)
    numbers, marks = rng.random((steps, rows)), np.zeros((steps, rows))
    half, row = steps // 2, np.arange(rows)
    for low, high in ((0, half), (half, steps)):
        marks[rng.integers(low, high, rows), row] = 1.0
    x = np.stack([numbers, marks], axis=-1).astype(np.float32)
    return Batch({"x": x, "y": (numbers * marks).sum(0)[:, None].astype(np.float32)}, items=rows)


ADDING_CHANCE = 1 / 6
"""The mean squared error of always answering 1."""


# ---- temporal order ------------------------------------------------------------------------------
TEMPORAL = "abcdXYBE"
"""Four symbols that mean nothing, the two that do, the first and the last of each sequence."""


def temporal_order(rows: int, rng: np.random.Generator, steps: int = 100) -> Batch:
    """Which two symbols came, and in which order: x [T, B, 8], y [T, B], ragged.

    A sequence begins with B, ends with E and has ``steps`` to 1.1 · ``steps`` symbols, all of a, b, c and d but two: an
    X or Y after about a tenth to a fifth, another one after a half to six tenths. At the last step its class is asked:
    0 to 3 for XX, XY, YX, YY (Hochreiter and Schmidhuber 1997, experiment 6a). Chance is a quarter, ln 4 nats.
    """
    _check(steps, 10)
    row, tenth = np.arange(rows), steps // 10
    lengths = rng.integers(steps, steps + tenth + 1, rows)
    symbols = rng.integers(0, 4, (int(lengths.max()), rows))
    first, second = rng.integers(0, 2, rows), rng.integers(0, 2, rows)
    symbols[0], symbols[lengths - 1, row] = TEMPORAL.index("B"), TEMPORAL.index("E")
    for which, low in ((first, tenth), (second, 5 * tenth)):
        symbols[rng.integers(low, low + tenth + 1, rows), row] = TEMPORAL.index("X") + which
    y = np.full(symbols.shape, PADDED_TARGET)
    y[lengths - 1, row] = 2 * first + second
    return Batch({"x": _onehot(symbols, len(TEMPORAL)), "y": y}, lengths, items=rows)


# ---- copying -------------------------------------------------------------------------------------
BLANK, NOW, KEPT = 8, 9, 10
"""The symbol that means nothing, the one that says when to repeat, and how many symbols are repeated."""


def copy_memory(rows: int, rng: np.random.Generator, steps: int = 100) -> Batch:
    """Ten symbols, repeated ``steps`` later: x [T + 20, B, 10], y [T + 20, B] of 9 symbols.

    Ten of the symbols 0 to 7, T − 1 blanks, the sign to repeat them, ten blanks; the target is blank for T + 10 steps
    and then the ten (Hochreiter and Schmidhuber 1997; Arjovsky et al. 2016, section 5.1).
    """
    _check(steps, 1)
    kept = rng.integers(0, BLANK, (KEPT, rows))
    symbols = np.full((steps + 2 * KEPT, rows), BLANK)
    y = symbols.copy()
    symbols[:KEPT], symbols[-KEPT - 1], y[-KEPT:] = kept, NOW, kept
    return Batch({"x": _onehot(symbols, NOW + 1), "y": y}, items=y.size)


def copy_chance(steps: int) -> float:
    """The loss of a network that knows when to answer and remembers nothing, in nats a step."""
    return KEPT * math.log(BLANK) / (steps + 2 * KEPT)


def _onehot(symbols: Array, n: int) -> Array:
    return np.eye(n, dtype=np.float32)[symbols]


def _check(steps: int, least: int) -> None:
    if steps < least:
        raise DataError(f"steps: expected at least {least}, got {steps}")

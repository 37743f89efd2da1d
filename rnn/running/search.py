"""What is chosen by a step's log probabilities: the most probable symbol, the best of several sequences, or one drawn.

A search takes log p [rows, n] of each step and says which row each row goes on from, and with which symbol. Sequence b
has the rows b·k … b·k + k − 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data import DataError

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that was found.

    symbols          what was chosen, the symbol that stops among them
    log_probability  log p of them, in nats, by the network
    score            what it was ranked by: log p divided by a power of the length (``normalise``)
    ended            whether it ends with the symbol that stops, not with the last step
    """

    symbols: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool


class Search(Protocol):
    """What ``decode`` steps through."""

    done: bool
    temperature: float
    top_k: int
    stop: int | None

    def choose(self, logs: Numbers, free: Flags | None = None) -> tuple[Whole, Whole]:
        """The row that each row goes on from, and its next symbol; of sequences that are not ``free`` [B], which are
        still given what they read, nothing is chosen."""
        ...

    def left(self) -> Whole | None:
        """How many symbols each row still chooses at most, [B], in native blocks of steps; None: none can choose so."""
        ...

    def before(self) -> Numbers | None:
        """log p of each row so far, [B], where the most probable symbol is ranked by all of it; else None."""
        ...

    def uniform(self, steps: int) -> Numbers:
        """Numbers in [0, 1) that symbols are drawn with, [steps, B]."""
        ...

    def take(self, symbols: Whole, logs: Numbers) -> None:
        """What a block has chosen, [n, B], with log p."""
        ...

    def found(self) -> list[list[Hypothesis]]:
        """For each sequence what was found, the best first."""
        ...


class Beams:
    """Beam search: of each sequence the ``k`` most probable beginnings go on (Graves 2012; Sutskever et al. 2014).

    Of all that follow from the beginnings the k best are taken. Those of them that stop are found; of the others, and
    of the next best, up to k go on. It ends where k are found that nothing that goes on can surpass. With k = 1 that is
    the greedy choice: at each step the most probable symbol, of equals the first, up to the first that stops.

    lengths    the most symbols of each sequence, [B]
    stop       the symbol that ends a sequence; None: none does
    normalise  α: ranked is log p / n**α, n the number of symbols (0: log p itself; 1: its mean)
    """

    temperature, top_k = 0.0, 0

    def __init__(self, lengths: Whole, k: int = 1, stop: int | None = None, normalise: float = 0.0) -> None:
        self.lengths, self.k, self.stop, self.normalise = lengths, k, stop, normalise
        B, most = len(lengths), int(lengths.max())
        self.logs = np.full((B, k), -math.inf)
        self.logs[:, 0] = 0.0
        self.written = np.zeros((B, k, most), np.int64)
        self.n = np.zeros(B, np.int64)
        self._found: list[list[Hypothesis]] = [[] for _ in range(B)]
        self.done = False

    def choose(self, logs: Numbers, free: Flags | None = None) -> tuple[Whole, Whole]:
        B, k = self.logs.shape
        after = self.logs[:, :, None] + logs.reshape(B, k, -1)
        parents, symbols = np.tile(np.arange(k), (B, 1)), np.zeros((B, k), np.int64)
        running = (self.logs > -math.inf).any(1)
        for b in np.flatnonzero(running if free is None else running & free).tolist():
            self.logs[b] = -math.inf
            parents[b] = 0
            for i, (parent, symbol, log) in enumerate(self._going_on(b, after[b])):
                parents[b, i], symbols[b, i], self.logs[b, i] = parent, symbol, log
            self.written[b] = self.written[b, parents[b]]
            self.written[b, :, self.n[b]] = symbols[b]
            self.n[b] += 1
            self._ended(b)
        self.done = bool((self.logs == -math.inf).all())
        return (np.arange(B)[:, None] * k + parents).ravel(), symbols.ravel()

    def _going_on(self, b: int, after: Numbers) -> list[tuple[int, int, float]]:
        """The best that go on, as (parent, symbol, log p); those that stop are found."""
        found: list[tuple[int, int, float]] = []
        n = after.shape[1]
        for rank, place in enumerate(largest(after.ravel(), 2 * self.k)):
            parent, symbol = divmod(int(place), n)
            log = float(after[parent, symbol])
            if log == -math.inf:
                break
            if symbol == self.stop:
                if rank < self.k:
                    self._add(b, (*self.written[b, parent, : self.n[b]].tolist(), symbol), log, True)
                if self.k == 1:
                    break  # the greedy choice stops here; its score is not compared with what is longer
            elif len(found) < self.k:
                found.append((parent, symbol, log))
        return found

    def _ended(self, b: int) -> None:
        """Sequences at their last step are found; nothing goes on where it cannot be among the best any more."""
        if self.n[b] >= self.lengths[b]:
            for i in np.flatnonzero(self.logs[b] > -math.inf):
                self._add(b, tuple(self.written[b, i, : self.n[b]].tolist()), float(self.logs[b, i]), False)
            self.logs[b] = -math.inf
        best = sorted((h.score for h in self._found[b]), reverse=True)
        if len(best) >= self.k:
            # log p only falls, and its share of a longer sequence is at most this
            possible = self.logs[b].max() / float(self.lengths[b]) ** self.normalise
            if possible <= best[self.k - 1]:
                self.logs[b] = -math.inf

    def left(self) -> Whole | None:
        return np.where(self.logs[:, 0] > -math.inf, self.lengths - self.n, 0) if self.k == 1 else None

    def before(self) -> Numbers | None:
        return self.logs[:, 0]

    def uniform(self, steps: int) -> Numbers:
        return np.zeros((steps, len(self.lengths)))

    def take(self, symbols: Whole, logs: Numbers) -> None:
        for b in np.flatnonzero(self.logs[:, 0] > -math.inf).tolist():
            own = up_to_stop(symbols[: self.lengths[b] - self.n[b], b], self.stop)
            ended = bool(len(own)) and own[-1] == self.stop
            # as one after the other: the symbol that stops ends a sequence, and is not among what goes on
            self.logs[b, 0] = added(self.logs[b, 0], logs[: len(own), b])
            self.written[b, 0, self.n[b] : self.n[b] + len(own)] = own
            self.n[b] += len(own)
            if ended:
                self._add(b, tuple(self.written[b, 0, : self.n[b]].tolist()), float(self.logs[b, 0]), True)
                self.logs[b] = -math.inf
            self._ended(b)
        self.done = bool((self.logs == -math.inf).all())

    def _add(self, b: int, symbols: tuple[int, ...], log: float, ended: bool) -> None:
        self._found[b].append(Hypothesis(symbols, log, log / len(symbols) ** self.normalise, ended))

    def found(self) -> list[list[Hypothesis]]:
        """The k best of each sequence, the best first."""
        return [sorted(some, key=lambda h: -h.score)[: self.k] for some in self._found]


class Draws:
    """Symbols drawn from softmax(log p / temperature), each sequence by itself, with random numbers of its own.

    top_k: only from the k most probable; 0: from all. ``log_probability`` is that of the network itself.
    """

    def __init__(
        self,
        lengths: Whole,
        random: Sequence[np.random.Generator],
        temperature: float,
        top_k: int = 0,
        stop: int | None = None,
    ) -> None:
        self.lengths, self.random, self.temperature, self.top_k, self.stop = lengths, random, temperature, top_k, stop
        self.logs = np.zeros(len(lengths))
        self.written: list[list[int]] = [[] for _ in lengths]
        self.running = np.ones(len(lengths), bool)
        self.done = False
        self._states: list[Any] = []  # of the random numbers before the last block

    def choose(self, logs: Numbers, free: Flags | None = None) -> tuple[Whole, Whole]:
        symbols = np.zeros(len(self.lengths), np.int64)
        for b in np.flatnonzero(self.running if free is None else self.running & free).tolist():
            symbols[b] = draw(logs[b], self.temperature, self.random[b], self.top_k)
            self.logs[b] += logs[b, symbols[b]]
            self.written[b].append(int(symbols[b]))
            self.running[b] = symbols[b] != self.stop and len(self.written[b]) < self.lengths[b]
        self.done = not self.running.any()
        return np.arange(len(symbols)), symbols

    def left(self) -> Whole | None:
        return np.where(self.running, self.lengths - np.array([len(w) for w in self.written]), 0)

    def before(self) -> Numbers | None:
        return None

    def uniform(self, steps: int) -> Numbers:
        self._states = [r.bit_generator.state for r in self.random]
        return np.stack([r.random(steps) for r in self.random], 1)

    def take(self, symbols: Whole, logs: Numbers) -> None:
        for b in np.flatnonzero(self.running).tolist():
            own = up_to_stop(symbols[: self.lengths[b] - len(self.written[b]), b], self.stop)
            self.logs[b] = added(self.logs[b], logs[: len(own), b])
            self.written[b] += own.tolist()
            if len(own):
                self.running[b] = own[-1] != self.stop and len(self.written[b]) < self.lengths[b]
            # of the random numbers those that were used are gone, and no others
            self.random[b].bit_generator.state = self._states[b]
            self.random[b].random(len(own))
        self.done = not self.running.any()

    def found(self) -> list[list[Hypothesis]]:
        """What was drawn, one a sequence."""
        each = zip(self.written, self.logs.tolist(), strict=True)
        return [[Hypothesis(tuple(w), log, log, w[-1] == self.stop)] for w, log in each]


def generators(seed: Any, rows: int) -> list[np.random.Generator]:
    """Random numbers for each row: of a seed of its own, or of one seed and its place."""
    given = np.asarray(seed)
    if given.dtype.kind not in "iu" or given.shape not in ((), (rows,)) or (given < 0).any():
        raise DataError(f"seed: expected a whole number of at least 0, or one for each of {rows} rows, got {seed!r}")
    keys = [(int(given), b) for b in range(rows)] if given.ndim == 0 else [(int(s), 0) for s in given]
    return [np.random.default_rng(np.random.SeedSequence(s, spawn_key=(b,))) for s, b in keys]


def draw(logs: NDArray[np.floating], temperature: float, random: np.random.Generator, top_k: int = 0) -> int:
    """One symbol from softmax(logs / temperature); logs is [n], −inf for what is never drawn.

    top_k: only the k most probable (and those as probable as the k-th); 0: all.
    """
    logs = np.asarray(logs, dtype=np.float64)
    if temperature == 0.0:
        return int(np.argmax(logs))
    if 0 < top_k < len(logs):
        logs = np.where(logs >= np.partition(logs, -top_k)[-top_k], logs, -math.inf)
    with np.errstate(over="ignore"):  # what is further below than numbers reach is never drawn
        odds = np.cumsum(np.exp((logs - logs.max()) / temperature))
    place = int(np.searchsorted(odds, random.random() * odds[-1], side="right"))
    return min(place, int(np.flatnonzero(logs > -math.inf)[-1]))


def up_to_stop(symbols: Whole, stop: int | None) -> Whole:
    """Symbols up to the first that stops, that included."""
    ends = np.flatnonzero(symbols == (-1 if stop is None else stop))
    return symbols[: ends[0] + 1] if len(ends) else symbols


def added(log: float, logs: Numbers) -> float:
    """A sum as of one number after the other."""
    return float(np.add.accumulate(np.concatenate([[log], logs]))[-1])


def largest(values: Numbers, m: int) -> Whole:
    """The places of the m largest values, the largest first, of equals the first."""
    places = np.arange(len(values))
    if len(values) > 4 * m:
        places = np.flatnonzero(values >= np.partition(values, -m)[-m])
    return np.asarray(places[np.argsort(-values[places], kind="stable")][:m])

"""Counted n-grams: language models without parameters, which store what they have seen.

The dense form is the network ``ngram_counts``, whose gradient is the table of counts; it has one entry for each n-gram
that could be. Here only those are stored that occur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data import Array, DataError

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class _Level:
    """The n-grams of one length that occur.

    codes      [N] rising: the number, one level down, of all but the last symbol, times the size of the vocabulary,
               plus the last symbol; so an n-gram's number is its place here, and none is larger than text × vocabulary
    counts     [N] how often each occurs
    total      [contexts] how often something follows each context, kinds: how many different symbols do
    """

    codes: Ids
    counts: Ids
    total: Ids
    kinds: Ids

    def find(self, codes: Ids) -> Ids:
        """Their places; -1 for what is not there (and for a negative code)."""
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[place] == codes, place, -1)


class NGrams:
    """How often each run of 1, 2, …, ``order`` symbols occurs, and what that makes of the next symbol.

    ::

        counted = NGrams.count(text, order=3, symbols=65)      # text [N], or [T, B] with lengths
        counted.entries                                        # different runs of one, two, three symbols
        counted.unseen(other)                                  # the share of other's runs of three that never occurred
        counted.perplexity(other)

    Probabilities are those of Witten and Bell (1991; Chen and Goodman 1999, section 2.4): with n(c) the number of
    symbols that followed the context c, and d(c) of different ones,

        P(w | c) = (n(c, w) + d(c) P(w | c without its first symbol)) / (n(c) + d(c))

    from P(w) = 1 / ``symbols`` on, so that what never occurred has a probability too. A context that never occurred
    leaves the probability as it is without its first symbol. The first symbols of a sequence have shorter contexts.

    Symbols are whole numbers from 0 to ``symbols`` - 1; -1 is no symbol, and no n-gram reaches over it. Sequences
    [T, B] are counted each by itself, up to ``lengths`` [B].
    """

    def __init__(self, levels: Sequence[_Level], symbols: int) -> None:
        self._levels, self.symbols = tuple(levels), symbols

    @classmethod
    def count(cls, x: Any, order: int, symbols: int, lengths: Any = None) -> NGrams:
        """Count the n-grams of 1 to ``order`` symbols in x. Raises DataError for what are no symbols."""
        if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 1:
            raise DataError(f"the order of n-grams is a whole number of at least 1, got {order!r}")
        flat = _in_a_row(x, symbols, lengths)
        if not (flat >= 0).any():
            raise DataError("expected at least one symbol to count, got none")
        levels: list[_Level] = []
        before, contexts = _no_context(flat), 1
        for _ in range(order):
            codes = _codes(before, flat, symbols)
            kept = codes >= 0
            found, place, counts = np.unique(codes[kept], return_inverse=True, return_counts=True)
            context = found // symbols
            total = np.bincount(context, counts, contexts).astype(np.int64)
            levels.append(_Level(found, counts.astype(np.int64), total, np.bincount(context, minlength=contexts)))
            ids = np.full(len(flat), -1, dtype=np.int64)
            ids[kept] = place
            before, contexts = _shifted(ids), len(found)
        return cls(levels, symbols)

    @property
    def order(self) -> int:
        """The largest number of symbols that are counted together."""
        return len(self._levels)

    @property
    def entries(self) -> tuple[int, ...]:
        """How many different runs of one, two, …, ``order`` symbols are stored."""
        return tuple(len(level.codes) for level in self._levels)

    def number(self, run: Sequence[int]) -> int:
        """How often a run of 1 to ``order`` symbols occurs."""
        if not 1 <= len(run) <= self.order:
            raise DataError(f"expected a run of 1 to {self.order} symbols, got {len(run)}")
        ids = self._ids(_in_a_row(run, self.symbols, None))[len(run) - 1]
        return int(self._levels[len(run) - 1].counts[ids[-1]]) if ids[-1] >= 0 else 0

    def unseen(self, x: Any, lengths: Any = None) -> float:
        """The share of x's runs of ``order`` symbols that were not there when counting: probability zero by counts."""
        flat = _in_a_row(x, self.symbols, lengths)
        whole = flat >= 0
        for _ in range(self.order - 1):
            whole = (flat >= 0) & np.concatenate([[False], whole[:-1]])
        if not whole.any():
            raise DataError(f"expected a sequence of at least {self.order} symbols, got shorter ones")
        return float(np.mean(self._ids(flat)[-1][whole] < 0))

    def log_probabilities(self, x: Any, lengths: Any = None) -> NDArray[np.float64]:
        """log P of each symbol of x given those before it, in the shape of x; 0 at -1 and beyond the lengths."""
        flat = _in_a_row(x, self.symbols, lengths)
        p = np.full(len(flat), 1.0 / self.symbols)
        before = _no_context(flat)
        for level, ids in zip(self._levels, self._ids(flat), strict=True):
            counts = np.where(ids >= 0, level.counts[ids], 0)
            total, kinds = (np.where(before >= 0, a[before], 0) for a in (level.total, level.kinds))
            followed = total > 0
            p[followed] = ((counts + kinds * p) / np.maximum(total + kinds, 1))[followed]
            before = _shifted(ids)
        logs = np.where(flat >= 0, np.log(p), 0.0)
        shape = np.shape(x)
        return logs if len(shape) == 1 else logs.reshape(shape[1], shape[0] + 1)[:, :-1].T

    def perplexity(self, x: Any, lengths: Any = None) -> float:
        """exp of the mean of -log P over the symbols of x."""
        there = int(np.count_nonzero(_in_a_row(x, self.symbols, lengths) >= 0))
        return math.exp(-math.fsum(self.log_probabilities(x, lengths).ravel()) / (there or 1))

    def _ids(self, flat: Ids) -> list[Ids]:
        """The number of the run of 1, 2, … symbols that ends at each place; -1 where it never occurred."""
        found, before = [], _no_context(flat)
        for level in self._levels:
            found.append(level.find(_codes(before, flat, self.symbols)))
            before = _shifted(found[-1])
        return found

    def __repr__(self) -> str:
        return f"<{sum(self.entries)} n-grams of up to {self.order} of {self.symbols} symbols>"


def _no_context(flat: Ids) -> Ids:
    return np.zeros(len(flat), dtype=np.int64)


def _shifted(ids: Ids) -> Ids:
    """What ended one place before: the context of each place."""
    return np.concatenate([[-1], ids[:-1]])


def _codes(before: Ids, flat: Ids, symbols: int) -> Ids:
    return np.where((before >= 0) & (flat >= 0), before * symbols + flat, -1)


def _in_a_row(x: Any, symbols: int, lengths: Any) -> Ids:
    """Sequences one after the other, -1 behind each of several and in its padding. Raises DataError for no symbols."""
    array: Array = np.asarray(x)
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2):
        raise DataError(f"expected symbols as whole numbers, [N] or [T, B], got {array.dtype} {list(array.shape)}")
    array = array.astype(np.int64)
    if lengths is not None:
        ends = np.asarray(lengths)
        if array.ndim != 2 or ends.shape != array.shape[1:] or (ends < 1).any() or (ends > len(array)).any():
            raise DataError(f"expected lengths of 1 to T for symbols [T, B], got {lengths!r} for {list(array.shape)}")
        array = np.where(np.arange(len(array))[:, None] < ends, array, -1)
    wrong = (array < -1) | (array >= symbols)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = place[0] if len(place) == 1 else place
        raise DataError(f"expected symbols from 0 to {symbols - 1} (-1 is none), got {array[place]} at {where}")
    if array.ndim == 1:
        return array
    return np.concatenate([array, np.full((1, array.shape[1]), -1, dtype=np.int64)]).T.reshape(-1)

"""Documents: texts that have nothing to do with each other, each read from its own initial state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .batches import Array, Batch, DataError, Symbols
from .buckets import PADDED_TARGET, padded, ranges
from .order import shuffled
from .streams import check_numbers

CHUNK = 1 << 20


def document_bounds(symbols: Array, separator: Symbols, name: str = "") -> Symbols:
    """Where documents begin and end, [n + 1]: each ends with the separator, the last one with the text.

    Separators directly behind each other end one document. Raises DataError where the separator does not
    occur (``name`` is how it was written).
    """
    ends = _ends(symbols, separator)
    if not len(ends):
        raise DataError(
            f"the separator of documents, {name or separator.tolist()!r}, does not occur in the text; give one"
            " that does, or none to read the text as a whole"
        )
    alone = np.diff(ends, prepend=0) == len(separator)  # nothing but a separator: part of the document before
    alone[0] = False
    last_of_run = np.append(~alone[1:], True)
    bounds = np.concatenate([[0], ends[last_of_run]])
    return bounds if bounds[-1] == len(symbols) else np.append(bounds, len(symbols))


def _ends(symbols: Array, separator: Symbols) -> Symbols:
    """The places just behind each occurrence of the separator, none of which overlap."""
    wide, found = len(separator), []
    for low in range(0, len(symbols), CHUNK):
        piece = np.asarray(symbols[low : low + CHUNK + wide - 1])
        if len(piece) < wide:
            break
        here = np.ones(len(piece) - wide + 1, dtype=bool)
        for i, symbol in enumerate(separator):
            here &= piece[i : i + len(here)] == symbol
        found.append(np.flatnonzero(here) + low + wide)
    ends = np.concatenate(found) if found else np.zeros(0, np.int64)
    if wide == 1 or not len(ends) or np.diff(ends).min(initial=wide) >= wide:
        return ends
    kept, last = [], -wide
    for end in map(int, ends):
        if end - last >= wide:
            kept.append(end)
            last = end
    return np.array(kept, dtype=np.int64)


@dataclass(frozen=True)
class _Pass:
    """The groups of documents of one pass in their order, and how many windows come before each, [g + 1]."""

    number: int
    groups: list[Symbols]
    before: Symbols


class Documents:
    """Documents side by side in windows of ``steps`` (k1), each from its own beginning to its own end.

    Document d is symbols[bounds[d] : bounds[d + 1]]. Its first step reads ``start``, the symbol before every
    text, and predicts the first symbol; its last step predicts the last symbol: every symbol is predicted
    exactly once in a pass. The documents of a group begin together; a row whose document has ended is no
    longer in the next window, and ``Batch.kept`` says which rows go on. Documents of like length stand
    together. In pass p, Philox(seed, p) shuffles documents of like length, and the groups.

    With a ``reach`` (k2) of more than ``steps``, windows overlap as those of a ``Stream`` do.

    Raises DataError where there is no document, or an empty one.
    """

    def __init__(
        self,
        symbols: Array,
        bounds: Symbols,
        batch: int,
        steps: int,
        reach: int = 0,
        start: int = 0,
        seed: int = 0,
    ):
        self.reach = check_numbers(batch, steps, reach)
        lengths = np.diff(bounds)
        if not len(lengths) or lengths.min() < 1:
            raise DataError(f"expected documents of at least one symbol, got lengths {lengths[:9].tolist()}")
        self.batch, self.steps, self.start, self.seed = batch, steps, start, seed
        self._symbols, self._bounds, self._lengths = symbols, bounds, lengths
        self._windows = -(-lengths // steps)
        highs = [high for _, high in ranges(map(int, np.unique(lengths)), 0.2)]
        # like length: as many windows, and a range of lengths. Which documents stand in a group may then change
        # from pass to pass, and the number of windows of the n-th group does not
        self._like = np.searchsorted(np.array(highs), lengths)
        self._length = int(sum(self._windows[group].max() for group in self._grouped(np.arange(len(lengths)))))
        self._plan = _Pass(-1, [], np.zeros(1, np.int64))

    def __len__(self) -> int:
        """Windows in one pass."""
        return self._length

    def _grouped(self, order: Symbols) -> list[Symbols]:
        by_length = order[np.lexsort((self._like[order], self._windows[order]))]
        groups = [by_length[i : i + self.batch] for i in range(0, len(by_length), self.batch)]
        return [group[np.argsort(-self._lengths[group], kind="stable")] for group in groups]

    def _shuffled(self, number: int) -> _Pass:
        random = shuffled(self.seed, number)
        groups = self._grouped(random.permutation(len(self._lengths)))
        groups = [groups[i] for i in random.permutation(len(groups))]
        counts = [int(self._windows[group].max()) for group in groups]
        return _Pass(number, groups, np.concatenate([[0], np.cumsum(counts)]))

    def __getitem__(self, update: int) -> Batch:
        number, place = divmod(update, len(self))
        if self._plan.number != number:
            self._plan = self._shuffled(number)
        which = int(np.searchsorted(self._plan.before, place, side="right")) - 1
        return self._window(self._plan.groups[which], place - int(self._plan.before[which]))

    def _window(self, group: Symbols, window: int) -> Batch:
        """Window ``window`` (from 0) of the rows of a group that reach it; the longest rows come first."""
        done = window * self.steps
        rows = group[self._lengths[group] > done]
        low = max(0, done + self.steps - self.reach)
        high = np.minimum(self._lengths[rows], done + self.steps)
        begins, lengths = self._bounds[rows] + low, high - low
        y = padded(self._symbols, begins, lengths, PADDED_TARGET)
        x = np.zeros_like(y)
        x[1:] = np.where(y[1:] >= 0, y[:-1], 0)
        x[0] = self._symbols[begins - 1] if low else self.start
        ragged = lengths if lengths.min() < lengths.max() else None
        kept = np.arange(len(rows)) if low else None
        return Batch({"x": x, "y": y}, ragged, low + 1, kept, int((high - done).sum()), done - low)

    def in_order(self, most: int = 0) -> Iterator[Batch]:
        """Each document once, nothing shuffled: for validation.

        Where they have more than ``most`` symbols in all (0: any), every n-th document, so that it is about as many.
        """
        every = max(1, -(-int(self._lengths.sum()) // most)) if most else 1
        for group in self._grouped(np.arange(0, len(self._lengths), every)):
            for window in range(int(self._windows[group].max())):
                yield self._window(group, window)

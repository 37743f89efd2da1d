"""Sequences of their own lengths: batches of like length, so that little of them is padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .batches import Array, Batch, DataError, Symbols
from .order import shuffled
from .streams import for_networks

if TYPE_CHECKING:
    from .pairs import PairedSequences

PADDED_TARGET = -1
"""A target that the loss does not count."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """n sequences, one after the other in flat arrays.

    x        [N] symbols or [N, m] numbers
    targets  [N], one a step, or where they are ``static`` [n], one a sequence
    bounds   [n + 1]: sequence i is x[bounds[i] : bounds[i + 1]]; none is empty
    """

    x: Array
    targets: Array
    bounds: Symbols
    static: bool = False

    def __post_init__(self) -> None:
        if len(self) and self.lengths.min() < 1:
            raise DataError(f"sequence {int(self.lengths.argmin()) + 1}: expected at least one step, got none")
        wanted, of = (len(self), "sequences") if self.static else (len(self.x), "steps")
        if len(self.targets) != wanted:
            raise DataError(f"expected a target for each of {wanted} {of}, got {len(self.targets)}")

    @classmethod
    def of(cls, x: Sequence[Array], targets: Sequence[Array] | Array, static: bool = False) -> Sequences:
        """From a list of sequences and a list of their targets, or with ``static`` one array of targets."""
        bounds = np.concatenate([[0], np.cumsum([len(one) for one in x], dtype=np.int64)]).astype(np.int64)
        return cls(_joined(x), np.asarray(targets) if static else _joined(targets), bounds, static)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def lengths(self) -> Symbols:
        return np.diff(self.bounds)

    def batch(self, chosen: Iterable[int]) -> Batch:
        """These sequences as one batch, each from its beginning, padded to the longest."""
        rows = np.fromiter(chosen, np.int64)
        begins, lengths = self.bounds[rows], self.lengths[rows]
        x = padded(self.x, begins, lengths, 0)
        if self.static:
            y, items = for_networks(self.targets[rows]), len(rows)
        else:
            y, items = padded(self.targets, begins, lengths, PADDED_TARGET), int(lengths.sum())
        ragged = lengths if lengths.min() < lengths.max() else None
        return Batch({"x": x, "y": y}, ragged, 1, None, items)


def _joined(parts: Sequence[Array] | Array) -> Array:
    return np.concatenate(parts) if len(parts) else np.zeros(0, np.int64)


def padded(flat: Array, begins: Symbols, lengths: Symbols, padding: int) -> Array:
    """Pieces of a flat array side by side, [T, B, …], and beyond their lengths ``padding``."""
    dtype = np.dtype(np.int64) if flat.dtype.kind in "iu" else flat.dtype
    out = np.full((int(lengths.max()), len(begins), *flat.shape[1:]), padding, dtype)
    for row, (begin, length) in enumerate(zip(begins, lengths, strict=True)):
        out[:length, row] = flat[begin : begin + length]
    return out


def ranges(lengths: Iterable[int], padding: float) -> list[tuple[int, int]]:
    """Ranges of lengths, both ends included, that hold all ``lengths``: in none is more than the share
    ``padding`` of the longest missing from the shortest."""
    found: list[tuple[int, int]] = []
    for length in sorted(set(lengths)):
        if found and length - found[-1][0] <= padding * length:
            found[-1] = found[-1][0], length
        else:
            found.append((length, length))
    return found


@dataclass(frozen=True)
class Bucket:
    """Sequences of ``low`` to ``high`` steps, their number, how many batches they make, and how much of these
    batches is padding if sequences are as they are on average; never more than 1 − low / high."""

    low: int
    high: int
    sequences: int
    batches: int
    padding: float


class Buckets:
    """Ragged sequences in batches of like length, in an order of its own in each pass.

    Sequences are sorted into buckets, in each of which the shortest lacks at most the share ``padding`` of the
    longest; so no batch has more padding than that. In pass p, Philox(seed, p) shuffles each bucket, cuts it
    into as few batches of at most ``batch`` as there can be, of sizes that differ by one at most, and shuffles
    the batches of all buckets. Each sequence is read once in a pass. ``str`` is a table of the buckets.

    Raises DataError where there is no sequence.
    """

    def __init__(self, sequences: Sequences | PairedSequences, batch: int, seed: int = 0, padding: float = 0.2):
        if batch < 1:
            raise DataError(f"the batch is a whole number of at least 1, got {batch}")
        if not 0.0 <= padding < 1.0:
            raise DataError(f"the share of padding lies between 0 and 1, got {padding}")
        if not len(sequences):
            raise DataError("expected at least one sequence, got none")
        self.sequences, self.batch, self.seed, self.padding = sequences, batch, seed, padding
        lengths = sequences.lengths
        self._ranges = ranges(map(int, np.unique(lengths)), padding)
        highs = np.array([high for _, high in self._ranges])
        place = np.searchsorted(highs, lengths)
        self._members = [np.flatnonzero(place == i) for i in range(len(highs))]
        self._length = sum(-(-len(members) // batch) for members in self._members)
        self._plan: tuple[int, list[Symbols]] = (-1, [])

    def __len__(self) -> int:
        """Batches in one pass."""
        return self._length

    def __getitem__(self, update: int) -> Batch:
        number, place = divmod(update, len(self))
        if self._plan[0] != number:
            self._plan = number, self._shuffled(number)
        return self.sequences.batch(self._plan[1][place])

    def _shuffled(self, number: int) -> list[Symbols]:
        random = shuffled(self.seed, number)
        cut = [part for members in self._members for part in self._cut(random.permutation(members))]
        return [cut[i] for i in random.permutation(len(cut))]

    def _cut(self, members: Symbols) -> list[Symbols]:
        return np.array_split(members, -(-len(members) // self.batch))

    def in_order(self) -> Iterator[Batch]:
        """Each sequence once, the shortest first, nothing shuffled: for validation."""
        for members in self._members:
            by_length = members[np.argsort(self.sequences.lengths[members], kind="stable")]
            yield from (self.sequences.batch(part) for part in self._cut(by_length))

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets, the shortest sequences first."""
        found = []
        for (low, high), members in zip(self._ranges, self._members, strict=True):
            lengths = self.sequences.lengths[members]
            share = 1.0 - float(lengths.mean()) / high
            found.append(Bucket(low, high, len(members), len(self._cut(members)), share))
        return found

    def __str__(self) -> str:
        lines = [f"{'steps':>11} {'sequences':>10} {'batches':>8} {'padding':>8}"]
        for b in self.buckets:
            steps = str(b.low) if b.low == b.high else f"{b.low} to {b.high}"
            lines.append(f"{steps:>11} {b.sequences:>10} {b.batches:>8} {b.padding:>8.1%}")
        return "\n".join(lines)

"""One long sequence in contiguous rows: windows, with the state carried from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .batches import Array, Batch, DataError


def check_numbers(batch: int, steps: int, reach: int) -> int:
    """The reach in steps, at least one window. Raises DataError for numbers that make no sense."""
    for name, number in (("batch", batch), ("window", steps)):
        if number < 1:
            raise DataError(f"the {name} is a whole number of at least 1, got {number}")
    if 0 < reach < steps or reach < 0:
        raise DataError(
            f"the reach of the gradient is at least the window of {steps} steps, got {reach};"
            " give 0 for a reach of one window"
        )
    return reach or steps


def for_networks(values: Array) -> Array:
    """Symbols as int64, whatever they are stored as; numbers as they are; in C order, the caller's own."""
    return np.array(values, dtype=np.int64 if values.dtype.kind in "iu" else values.dtype, order="C")


class Stream:
    """A sequence as ``batch`` contiguous rows of equal length, read in windows of ``steps`` (k1).

    Of symbols [N], step i reads symbol i and predicts symbol i+1. With ``targets`` [N, …] step i of
    ``symbols`` [N] or [N, n] predicts target i. Each row has (N-1) // batch steps (N // batch with targets).
    What is left over is not read: fewer than ``batch`` steps at the end of the sequence, and fewer than
    ``steps`` at the end of each row, so that all windows are of one size. After the last window the rows begin
    again. Every step else is read once in a pass.

    With a ``reach`` (k2) of more than ``steps``, window j (from 1) covers the steps (j·k1 − k2, j·k1] of its
    row, clipped at its start; the steps that windows before it have counted come first (``Batch.before``).

    The sequence is only read where a window needs it: a memory-mapped array stays on disk.

    Raises DataError where a row is shorter than one window.
    """

    def __init__(
        self,
        symbols: Array,
        batch: int,
        steps: int,
        reach: int = 0,
        targets: Array | None = None,
        unit: str = "character",
    ):
        self.reach = check_numbers(batch, steps, reach)
        more = 1 if targets is None else 0
        length = max(len(symbols) - more, 0) // batch
        if length < steps:
            raise DataError(
                f"{len(symbols)} {unit}s to train on are too few for a batch of {batch} and windows of {steps}:"
                f" these need at least {batch * steps + more}; give more data, or a smaller batch or window"
            )
        self.batch, self.steps = batch, steps
        self._x = _in_rows(symbols, batch, length)
        self._y = _in_rows(symbols[1:] if targets is None else targets, batch, length)

    def __len__(self) -> int:
        """Windows in one pass over the rows."""
        return int(self._x.shape[1]) // self.steps

    def __getitem__(self, update: int) -> Batch:
        done = update % len(self) * self.steps  # steps that windows before this one have counted
        end = done + self.steps
        low = max(0, end - self.reach)
        x, y = (for_networks(rows[:, low:end].swapaxes(0, 1)) for rows in (self._x, self._y))
        kept = np.arange(self.batch) if low else None
        return Batch({"x": x, "y": y}, None, low + 1, kept, self.steps * self.batch, done - low)


def _in_rows(sequence: Array, batch: int, length: int) -> Array:
    """[N, …] as [B, length, …], a view."""
    return sequence[: batch * length].reshape(batch, length, *sequence.shape[1:])


def one_row(symbols: Array, steps: int = 1024, *, targets: Array | None = None) -> Iterator[Batch]:
    """All of a sequence as one row (B = 1) in windows of ``steps``, the last one shorter; see ``Stream``."""
    return spread(symbols, 0, steps, targets=targets)


ROWS = 64
"""Pieces of a long sequence that are read side by side."""


def pieces_of(steps: int, most: int) -> tuple[int, int]:
    """How many pieces of how many steps ``spread`` reads of a sequence: (1, ``steps``) where it reads all of it."""
    rows = min(ROWS, most)
    return (rows, most // rows) if 0 < most < steps else (1, steps)


def spread(symbols: Array, most: int, steps: int = 1024, *, targets: Array | None = None) -> Iterator[Batch]:
    """At most ``most`` steps of a sequence (0: all), the same ones each time; see ``Stream``.

    Where it has no more, all of it as one row. Else ROWS pieces of equal length side by side, spread evenly from its
    beginning to its end, each read from the initial state.
    """
    x, y = (symbols[:-1], symbols[1:]) if targets is None else (symbols, targets)
    rows, length = pieces_of(len(x), most)
    begins = np.arange(rows) * (len(x) - length) // max(rows - 1, 1)
    for low in range(0, length, steps):
        high = min(low + steps, length)
        pieces = {name: [part[b + low : b + high] for b in begins] for name, part in (("x", x), ("y", y))}
        inputs = {name: for_networks(np.stack(some, axis=1)) for name, some in pieces.items()}
        yield Batch(inputs, None, low + 1, np.arange(rows) if low else None, (high - low) * rows)


class Again:
    """Batches that can be iterated as often as one likes, made anew each time."""

    def __init__(self, make: Callable[[], Iterator[Batch]]):
        self._make = make

    def __iter__(self) -> Iterator[Batch]:
        return self._make()

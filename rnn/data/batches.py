"""What training reads: batches, each a pure function of the number of its update.

Everything that gives batches keeps to one rule: ``batches[update]`` depends on the data, the settings and the
update alone, never on what was read before. A run that goes on therefore needs its number of updates and
nothing else of the data.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Symbols = NDArray[np.int64]


class DataError(ValueError):
    """Data that cannot be read, or are too few or too short for what was asked."""


def text_given(given: Any, what: str = "a text") -> str:
    """A text that was given. Raises TypeError for anything else."""
    if not isinstance(given, str):
        mend = "; read it first: path.read_text()" if isinstance(given, os.PathLike) else ""
        mend = "; decode it: text.decode()" if isinstance(given, bytes) else mend
        raise TypeError(f"expected {what}, got {type(given).__name__}{mend}")
    return given


@dataclass(frozen=True, eq=False)
class Batch:
    """What one update, or one step of validation, reads: B rows of T steps.

    inputs   name -> array, time first: x [T, B] or [T, B, n], static targets [B]; symbols int64, numbers in
             the run's dtype; beyond a row's length zeros, targets −1
    lengths  [B], at least 1 each: the steps of each row; None: all have T
    start    the absolute t of the first step, from 1
    kept     None exactly where ``start`` is 1: the rows begin here, their state starts anew. Else [B]: row b is
             the continuation of row ``kept[b]`` of the batch before (of update − 1). The state that row b starts
             from is that row's after step ``start`` − 1
    items    how many items the loss counts here (characters, words, sentences, values)
    before   how many of the first steps are there for the reach of truncated backpropagation only: the loss
             counts the steps after them. They were counted by batches before this one
    source   [B], at least 1 each: the steps of each row along a second index, s; None: all have S

    Without reach, ``before`` is 0 and a batch starts where the one before ended. With a reach k2 of more than
    the window k1, the batch overlaps the one before: it covers the steps (j·k1 − k2, j·k1], clipped at 1.
    """

    inputs: dict[str, Array]
    lengths: NDArray[np.int64] | None = None
    start: int = 1
    kept: NDArray[np.int64] | None = None
    items: int = 0
    before: int = 0
    source: NDArray[np.int64] | None = None

    @property
    def ends(self) -> Any:
        """The lengths as programs take them: of t alone, or of t and s."""
        return self.lengths if self.source is None else {"t": self.lengths, "s": self.source}

    @property
    def fresh(self) -> bool:
        """Whether the rows begin here, so that their state starts anew."""
        return self.kept is None

    @property
    def steps(self) -> int:
        """T, the steps of the longest row."""
        return len(self.inputs["x" if self.source is None else "y"])

    @property
    def rows(self) -> int:
        """B."""
        return int(self.inputs["x"].shape[1])

    @property
    def padding(self) -> float:
        """The share of all steps [T, B] that lie beyond their row's length."""
        return 0.0 if self.lengths is None else 1.0 - float(self.lengths.sum()) / (self.steps * self.rows)


class Batches(Protocol):
    """Batches by the number of their update; after ``len`` of them the data begin again, in another order."""

    def __len__(self) -> int:
        """Batches in one pass over the data."""

    def __getitem__(self, update: int) -> Batch:
        """The batch of any update from 0; its pass is ``update // len``, its place there ``update % len``."""

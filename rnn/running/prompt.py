"""What a network that runs free begins with, before it reads what it chose: of each row as much as that has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Array, DataError
from .given import array_of

if TYPE_CHECKING:
    from .steps import Running


@dataclass(frozen=True)
class Prompt:
    """What rows begin with.

    steps    [P, rows] or [P, rows, n], with no steps where nothing is given
    lengths  how many of them each sequence has, [B], or a single 0
    rows     how many sequences there are; None: it does not tell
    beam     rows of each sequence
    """

    steps: Array
    lengths: Array
    rows: int | None
    beam: int

    @classmethod
    def of(cls, run: Running, given: Any, lengths: Any, beam: int) -> Prompt:
        """Raises DataError for what is no beginning of the input that is fed."""
        if given is None:
            if lengths is not None:
                raise DataError(f"prompt_lengths: no beginning is given; give {run.feed or 'what the network reads'}=…")
            return cls(np.zeros((0, 0)), np.zeros((), np.int64), None, beam)
        node = run.net.input_nodes[run.feed]
        array = array_of(run.feed, given)
        if array.ndim != 2 + len(node.shape) or (node.dtype == "i" and array.dtype.kind not in "iu"):
            form = "[P, B, n] of numbers" if node.shape else "[P, B]"
            form += " of whole numbers" if node.dtype == "i" else ""
            raise DataError(f"{run.feed}: expected what it begins with, {form}, got {array!r:.80}")
        P, B = array.shape[:2]
        own = np.full(B, P) if lengths is None else array_of("prompt_lengths", lengths)
        least = 0 if run.after else 1
        if own.dtype.kind not in "iu" or own.shape != (B,) or (own < min(least, P)).any() or (own > P).any():
            raise DataError(
                f"prompt_lengths: expected whole numbers from {least} to {P}, one for each of {B} rows, got {lengths!r}"
            )
        steps = array if node.dtype == "i" else array.astype(run.dtype, copy=False)
        return cls(np.repeat(steps, beam, 1), own.astype(np.int64), B, beam)

    @property
    def shared(self) -> Array:
        """The steps that all rows have."""
        return self.steps[: int(self.lengths.min(initial=len(self.steps)))]

    def followed(self, chosen: Array, step: int) -> Array:
        """What is read after ``step`` steps: what is given, where a row has more of it, else what was chosen."""
        more = np.repeat(np.atleast_1d(self.lengths) > step, self.beam)
        if not more.any():
            return chosen
        found = np.array(chosen)
        found[more] = self.steps[step, more].reshape(found[more].shape)
        return found

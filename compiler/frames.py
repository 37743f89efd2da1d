"""Blocks of rows, and what their sums start from and end with: shared by the interpreter and the printers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .loop import Rows, Sum, Value
from .memory import Array


@dataclass
class Frame:
    """A block of rows: the index of each along every axis it has, and the blocks that live on it.

    steps   axis -> [M] slots (1 is the first step);  rows  [M] sorted rows of the batch, None without a batch
    outer   the frame around an Over, and for each row of this frame the row of that one
    """

    size: int
    steps: dict[str, Array]
    rows: Array | None
    blocks: dict[str, Array] = field(default_factory=dict)
    outer: Frame | None = None
    parent: Array | None = None

    def block(self, name: str) -> Array:
        frame: Frame = self
        index: Array | None = None
        while name not in frame.blocks:
            if frame.outer is None or frame.parent is None:
                raise KeyError(f"the block {name} is read before it is computed")
            index = frame.parent if index is None else frame.parent[index]
            frame = frame.outer
        return frame.blocks[name] if index is None else frame.blocks[name][index]


def pieces(n: int, size: int, order: str) -> list[tuple[int, int]]:
    """1 … n cut into runs of ``size``, first and last step of each; the last run may be shorter."""
    runs = [(lo, min(lo + size - 1, n)) for lo in range(1, n + 1, size)]
    return runs[::-1] if order == "down" else runs


def complete_with_over(v: Value, stage: Rows) -> bool:
    """Whether a sum inside Over ends with it, one a row of the enclosing body, rather than with the stage."""
    return v.role == "block" or (stage.axis in v.axes and ("b" in v.axes or not stage.batch))


def neutral(item: Sum) -> float:
    """What a sum starts from."""
    return -np.inf if item.op == "amax" else 0.0


def aligned(array: Array, columns: Sequence[int], rank: int) -> Array:
    """Features moved to their positions in the map's shape, rows first."""
    order = sorted(range(len(columns)), key=lambda j: columns[j])
    array = np.transpose(array, (0, *(1 + j for j in order)))
    sizes = [1] * rank
    for place, j in enumerate(order):
        sizes[columns[j]] = array.shape[1 + place]
    return np.reshape(array, (len(array), *sizes))

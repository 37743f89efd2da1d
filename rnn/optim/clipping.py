"""Clipping of gradients, by their global norm or by value; ``optim`` has these names too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .base import Array, above_zero

if TYPE_CHECKING:
    from .compiled import Squares


def global_norm(gradients: Mapping[str, Array]) -> float:
    """The Euclidean norm of all gradients together, summed in float64; not finite where one is not."""
    return math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients.values()))


class Norm:
    """``global_norm``, of one update after another: compiled, with another order of sums, for the target "cpu"."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._squares: Squares | None = None

    def __call__(self, gradients: Mapping[str, Array]) -> float:
        if self.target != "cpu":
            return global_norm(gradients)
        from .compiled import Squares, same, takes

        arrays = gradients.values()
        if self._squares is None or not same(arrays, self._squares.arrays):
            if len({a.dtype for a in arrays}) != 1 or not all(map(takes, arrays)):
                return global_norm(gradients)
            self._squares = Squares(arrays)
        return math.sqrt(self._squares.total())


def clip(gradients: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients, in place, so that their global norm is at most ``limit``; the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) Gradients that are not finite are left as they are:
    the norm that comes back is not finite either, and the caller decides.
    """
    above_zero("the limit of the gradient norm", limit)
    norm = global_norm(gradients)
    if math.isfinite(norm) and norm > limit:
        for gradient in gradients.values():
            gradient *= limit / norm
    return norm


def clip_values(gradients: Mapping[str, Array], limit: float) -> int:
    """Cut every entry of the gradients, in place, to −limit … limit (Mikolov 2012); how many were cut.

    What is not a number stays so.
    """
    above_zero("the limit of a gradient's entries", limit)
    cut = 0
    for gradient in gradients.values():
        cut += int(np.count_nonzero(np.abs(gradient) > limit))
        np.clip(gradient, -limit, limit, out=gradient)
    return cut

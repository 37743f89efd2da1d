"""Clipping of gradients, by their global norm or by value; ``optim`` has these names too."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .base import Array, above_zero


def global_norm(gradients: Mapping[str, Array], target: str = "interpret") -> float:
    """The Euclidean norm of all gradients together, summed in float64; not finite where one is not.

    target  "interpret": NumPy; "cpu": compiled, another order of sums
    """
    if target == "cpu" and gradients:
        from . import compiled

        arrays = gradients.values()
        if len({a.dtype for a in arrays}) == 1 and all(map(compiled.takes, arrays)):
            return compiled.global_norm(arrays)
    return math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients.values()))


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

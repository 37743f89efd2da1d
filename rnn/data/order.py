"""The order in which a pass reads what it reads: a function of the seed and the number of the pass."""

from __future__ import annotations

import numpy as np


def shuffled(seed: int, number: int) -> np.random.Generator:
    """The random numbers of pass ``number`` of a run with this seed: Philox, keyed by both."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], dtype=np.uint64)))

"""Arguments for loop programs, and their results within the lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt.compiler.loop import Program
from bptt.compiler.memory import Batch, storage_shape


def given(loops: Program, batch: Batch, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Random arrays for all params and inputs; beyond the lengths and in boundary slots NaN, or -10**6."""
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for x in loops.values.values():
        if x.role not in ("param", "input"):
            continue
        if x.dtype == "i":
            array = random.integers(-1, 3, storage_shape(x, batch.sizes)).astype(np.int64)
        else:
            array = random.uniform(0.1, 1.5, storage_shape(x, batch.sizes)) * random.choice([1, -1])
            array = np.asarray(array, loops.dtype)
            if x.name == "p":
                array = np.abs(array) / np.abs(array).sum(-1, keepdims=True)
        if x.time is not None:
            axis = x.axes.index(x.time)
            steps = np.arange(array.shape[0]) - x.lead + 1
            outside = (steps[:, None] < 1) | (steps[:, None] > batch.lengths[x.time])
            array[outside] = np.nan if x.dtype == "f" else -(10**6)
            assert axis == 0
        arrays[x.name] = np.asarray(array)
    return arrays


def public(
    loops: Program, batch: Batch, arrays: dict[str, np.ndarray[Any, Any]]
) -> dict[str, np.ndarray[Any, Any]]:
    """The results inside their lengths, NaN elsewhere."""
    out = {}
    for name in loops.results.values():
        x = loops.values[name]
        array = np.array(arrays[name], copy=True)
        if x.role == "signal":
            array = array[x.lead : x.lead + batch.sizes[x.time or "t"]]
            for axis in (a for a in x.axes if a != "b" and "b" in x.axes):
                steps = np.arange(1, batch.sizes[axis] + 1)
                outside = steps[:, None] > batch.lengths[axis]
                if len(x.axes) == 3:
                    outside = outside[:, None, :] if axis == "t" else outside[None]
                    outside = np.broadcast_to(outside, array.shape[:3])
                array[outside] = {"f": np.nan, "i": -1, "b": False}[x.dtype]
        out[name] = array
    return out

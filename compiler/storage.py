"""What a call gives, as kernels take it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..graph.inputs import Given
from .loop import Value
from .memory import ALIGNMENT, Array, Batch, at


def batch_of(call: Given, start: int, seed: int) -> tuple[Array | None, Batch]:
    """The rows sorted by falling length along t (None: as they are), and what a run needs to know of them."""
    sizes = call.sizes
    if not call.lengths:
        return None, full_rows(sizes.get("t", 1), sizes.get("s", 1), sizes["b"]).again(start, seed)
    sizes = {"t": 1, "s": 1} | sizes
    lengths = {a: call.lengths.get(a, np.full(sizes["b"], sizes[a], np.int64)) for a in ("t", "s")}
    order = None
    if "t" in call.lengths:
        order = np.argsort(-lengths["t"], kind="stable")
        lengths = {a: n[order] for a, n in lengths.items()}
    original = np.arange(sizes["b"]) if order is None else order
    return order, Batch(
        {**sizes, **{a: int(n.max()) for a, n in lengths.items()}}, lengths, original, start, seed
    )


@lru_cache(8)
def full_rows(t: int, s: int, rows: int) -> Batch:
    """A batch of full rows: the same for all calls of its sizes."""
    lengths = {"t": np.full(rows, t, np.int64), "s": np.full(rows, s, np.int64)}
    return Batch({"t": t, "s": s, "b": rows}, lengths, np.arange(rows))


def stored_input(v: Value, array: Array, order: Array | None, batch: Batch, full: bool) -> Array:
    """An input in storage layout: rows sorted, cut to the longest (``full``: there is nothing to cut), with room for
    boundary values."""
    if not full:
        array = array[tuple([slice(batch.sizes[a]) for a in v.axes])]
    if order is not None and "b" in v.axes:
        array = np.take(array, order, v.axes.index("b"))
    if v.lead or v.trail:
        steps = len(array)
        room = np.empty((v.lead + steps + v.trail, *array.shape[1:]), array.dtype)
        room[v.lead : v.lead + steps] = array
        return room
    return behaved(array)


def is_whole(array: Array) -> bool:
    """Whether kernels may write it: in one piece, at the beginning of a line of the cache."""
    return array.flags.carray and at(array) % ALIGNMENT == 0


def behaved(array: Array) -> Array:
    """The array as kernels take it: C-contiguous, aligned, writeable; a copy where it is not."""
    return array if array.flags.carray else np.require(array, requirements=["C", "A", "W"])

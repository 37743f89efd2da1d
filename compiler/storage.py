"""What a call gives as kernels take it, and what they leave as the caller gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.circuit import Circuit
from ..graph.inputs import Given
from .loop import Value
from .memory import ALIGNMENT, Array, Batch, at
from .output import KINDS, Asked, Output, Results

if TYPE_CHECKING:
    from .road import Compiled


def batch_of(call: Given, start: int, seed: int) -> tuple[Array | None, Batch]:
    """The rows sorted by falling length along t (None: as they are), and what a run needs to know of them."""
    sizes = {"t": 1, "s": 1} | call.sizes
    if not call.lengths:
        return None, full_rows(sizes["t"], sizes["s"], sizes["b"]).again(start, seed)
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


def stored_input(v: Value, array: Array, order: Array | None, batch: Batch) -> Array:
    """An input in storage layout: rows sorted, cut to the longest, with room for boundary values."""
    index: list[Any] = [slice(batch.sizes[a]) for a in v.axes]
    array = array[tuple(index)]
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


def result(
    v: Value, stored: Array, call: Given, order: Array | None, batch: Batch, into: Array | None = None
) -> Array:
    """A value as the caller gets it: rows in the caller's order, zero beyond lengths; one without axes in ``into``."""
    if not v.axes:
        if into is None:
            return np.array(stored, copy=True)
        np.copyto(into, stored)
        return into
    steps = v.axes.index(v.time) if v.time else None
    if steps is not None:
        stored = stored[v.lead : v.lead + batch.sizes[v.axes[steps]]]
    out = np.zeros([*(call.sizes[a] for a in v.axes), *v.shape], stored.dtype)
    inside = tuple(slice(n) for n in stored.shape)
    rows = order if order is not None and "b" in v.axes else None
    if rows is None:
        out[inside] = stored
    else:
        np.moveaxis(out[inside], v.axes.index("b"), 0)[rows] = np.moveaxis(stored, v.axes.index("b"), 0)
    for i, a in enumerate(v.axes):
        if a in call.lengths and "b" in v.axes:
            _clear_padding(out, i, v.axes, call.lengths[a])
    return out


def _clear_padding(out: Array, axis: int, axes: Sequence[str], lengths: Array) -> None:
    beyond = np.arange(out.shape[axis])[:, None] >= lengths
    if len(axes) == 3:
        beyond = beyond[:, None, :] if axis == 0 else np.broadcast_to(beyond, out.shape[:3])
        beyond = np.broadcast_to(beyond, out.shape[:3])
    out[beyond] = 0


def output(
    found: Mapping[str, Array], compiled: Compiled, net: Circuit, asked: Asked, grad: Mapping[str, Array] | None
) -> Output:
    """Results sorted by kind: parts of a gradient in their whole, the lags of a state stacked."""
    out = Output(None, *(Results(kind, asked) for kind in KINDS))
    lags: dict[str, dict[int, Array]] = {}
    for key, array in found.items():
        kind, _, name = key.partition(":")
        if kind == "loss":
            out.loss = float(array)
        elif kind in ("value", "stats"):
            getattr(out, kind)[name] = array
        elif kind == "final":
            state, _, lag = name.rpartition(":")
            lags.setdefault(state, {})[int(lag)] = array
        elif name in compiled.parts:
            whole, ranges = compiled.parts[name]
            if grad is not None:  # the part is in its place already
                out.grad[whole] = grad[whole]
                continue
            if whole not in out.grad:
                out.grad[whole] = np.zeros(net.param_nodes[whole].shape, array.dtype)
            out.grad[whole][tuple(slice(lo, hi) for lo, hi in ranges)] = array
        else:
            out.grad[name] = array
    for state, by_lag in lags.items():
        newest_last = [by_lag[k] for k in sorted(by_lag, reverse=True)]
        out.final[state] = newest_last[0] if len(newest_last) == 1 else np.stack(newest_last)
    return out

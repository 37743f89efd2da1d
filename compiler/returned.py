"""What kernels leave as the caller gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graph.circuit import Circuit
from ..graph.inputs import Given
from .loop import Value
from .memory import Array, Batch
from .output import KINDS, Asked, Output, Results

if TYPE_CHECKING:
    from .road import Compiled

_NOWHERE: Mapping[str, Array] = {}


class Returned:
    """Where the results of a program go: found once.

    fresh  the values that kernels write as the caller gets them
    """

    def __init__(self, compiled: Compiled, fresh: frozenset[str], net: Circuit, asked: Asked) -> None:
        self._asked, self._parts, self._params, self._fresh = asked, compiled.parts, net.param_nodes, fresh
        self._loss: str | None = None
        self._gradients: list[tuple[str, str, str]] = []  # fresh and whole: name, value, key
        self._others: list[tuple[str, str, Value, str]] = []  # kind, name, value, key
        for key, value in compiled.loops.results.items():
            kind, _, name = key.partition(":")
            if kind == "loss":
                self._loss = value
            elif kind == "grad" and value in fresh and name not in compiled.parts:
                self._gradients.append((name, value, key))
            else:
                self._others.append((kind, name, compiled.loops.values[value], key))

    def output(
        self, stored: Mapping[str, Array], call: Given, order: Array | None, batch: Batch,
        into: Mapping[str, Array] = _NOWHERE, itself: Mapping[str, Array] = _NOWHERE,
        grad: Mapping[str, Array] | None = None,
    ) -> Output:  # fmt: skip
        """Results sorted by kind: parts of a gradient in their whole, the lags of a state stacked.

        stored  value -> array
        into    result -> where it goes in the arrays ``grad`` that were given;  itself: value -> the same, where
                kernels wrote it there
        """
        out = Output(None, *[Results(kind, self._asked) for kind in KINDS])
        if self._loss is not None:
            out.loss = float(stored[self._loss])
        gradients = out.grad
        for name, value, key in self._gradients:
            array = stored[value]
            if key in into and value not in itself:
                np.copyto(into[key], array)
                array = into[key]
            gradients[name] = array
        lags: dict[str, dict[int, Array]] = {}
        for kind, name, v, key in self._others:
            array = stored[v.name]
            if v.name not in itself and (key in into or v.name not in self._fresh):
                array = result(v, array, call, order, batch, into.get(key))
            if kind == "grad":
                self._add_gradient(gradients, name, array, grad)
            elif kind == "final":
                state, _, lag = name.rpartition(":")
                lags.setdefault(state, {})[int(lag)] = array
            elif kind == "value":
                out.value[name] = array
            else:
                out.stats[name] = array
        for state, by_lag in lags.items():
            newest_last = [by_lag[k] for k in sorted(by_lag, reverse=True)]
            out.final[state] = newest_last[0] if len(newest_last) == 1 else np.stack(newest_last)
        return out

    def _add_gradient(
        self, gradients: dict[str, Array], name: str, array: Array, given: Mapping[str, Array] | None
    ) -> None:
        """A gradient, or the part of one in its place."""
        if name not in self._parts:
            gradients[name] = array
            return
        whole, ranges = self._parts[name]
        if given is not None:  # the part is in its place already
            gradients[whole] = given[whole]
            return
        if whole not in gradients:
            gradients[whole] = np.zeros(self._params[whole].shape, array.dtype)
        gradients[whole][tuple(slice(lo, hi) for lo, hi in ranges)] = array


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
    if not call.lengths:
        return stored.copy()
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

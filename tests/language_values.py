"""Inputs and parameters for equations, and the value of ``h`` in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt.graph import evaluate
from bptt.rnn import define

Array = np.ndarray[Any, Any]
STEPS, BATCH = 5, 3
rng = np.random.default_rng(0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def soft(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def lse(x: Array, axis: int = -1) -> Array:
    return np.log(np.exp(x).sum(axis))


X = rng.normal(size=(STEPS, BATCH, 4))
Y = rng.normal(size=(STEPS, BATCH, 3))
K = rng.integers(0, 4, (STEPS, BATCH))
P = {
    "W": rng.normal(size=(3, 4)),
    "M": rng.normal(size=(4, 4)),
    "A": rng.normal(size=(4, 4)),
    "v": rng.normal(size=4),
    "u": rng.normal(size=3),
    "a": rng.normal(size=()),
    "E": rng.normal(size=(4, 3)),
    "F": rng.normal(size=(4, 4, 3)),
    "Q": rng.normal(size=(2, 3, 4)),
}
W, M, A, v, u, a, E, F, Q = (P[n] for n in "WMAvuaEFQ")
NUMBERS = np.arange(1, STEPS + 1)[:, None]


def value(text: str, lengths: Any = None, **options: Any) -> Array:
    """The value of h, for the inputs x [4], y [3] and the symbol k (of 4), parameters as in P."""
    net = cell_of(text, **options)
    given = {n: P[n] for n in net.params}
    arrays = {"x": X, "y": Y, "k": K}
    inputs = {n: arrays[n] for n in net.inputs}
    return evaluate(net, given, lengths=lengths, returns="h", **inputs)["h"]


def cell_of(text: str, **options: Any) -> Any:
    cell = define(text, **options)
    sizes = {n: P[n].shape for n in cell.parameters}
    sizes |= {n: {"x": 4, "y": 3, "k": 4}[n] for n in cell.inputs}
    return cell(**sizes).check()

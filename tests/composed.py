"""Composed cells in tests: weights and inputs to try them with."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt import graph

Array = np.ndarray[Any, Any]
T, B = 5, 3
RAGGED = [5, 2, 1]


def tried(net: graph.Circuit, seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights, and inputs, of which some targets are missing."""
    rng = np.random.default_rng(seed)
    weights = {n: rng.normal(0, 0.5, shape) for n, shape in net.params.items()}
    inputs: dict[str, Array] = {}
    for n, x in net.input_nodes.items():
        shape = tuple({"t": T, "s": T + 1, "b": B}[a] for a in x.axes)
        inputs[n] = rng.integers(0, net.symbols[n], shape) if x.dtype == "i" else rng.normal(size=shape + x.shape)
    return weights, inputs


def values(net: graph.Circuit, weights: Any, names: list[str], lengths: Any, **inputs: Array) -> list[Array]:
    found = graph.evaluate(net, weights, returns=names, lengths=lengths, **inputs)
    return [found[n] for n in names]

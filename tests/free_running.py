"""Networks that tests let run free, and what they choose by whole evaluations of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt import graph, rnn
from bptt.graph.circuit import Circuit

Array = np.ndarray[Any, Any]
LANGUAGE_MODEL = "h[t] = tanh(W @ h[t-1] + E[x[t]])\no[t] = V @ h[t] + d\nL = mean(cross_entropy(o[t], y[t]), over=t)"
NETS: dict[str, tuple[Circuit, dict[str, Any]]] = {
    "attention": (rnn.attention(x=4, e=3, d=3, o=5), {"x": (6, 3)}),
    "seq2seq": (rnn.seq2seq(x=4, e=3, o=5), {"x": (6, 3)}),
    "vector_to_sequence": (rnn.vector_to_sequence(v=3, h=4, o=5), {"v": 3}),
    "teacher_forcing": (rnn.teacher_forcing(x=2, h=4, o=5), {"xt": 2}),
}


def weights(net: Circuit, seed: int = 0) -> dict[str, Array]:
    """Weights under which what was chosen matters."""
    rng = np.random.default_rng(seed)
    return {n: rng.normal(0.0, 1.5, shape) for n, shape in net.params.items()}


def log_p(net: Circuit, params: dict[str, Array], y: Array, **given: Any) -> Array:
    """log p [T, B, n] of each step, by the reference."""
    found = graph.evaluate(net, params, y=y, returns=["o"], training=False, **given)["o"]
    return np.asarray(found - np.log(np.exp(found).sum(-1, keepdims=True)))


def greedy(net: Circuit, params: dict[str, Array], T: int, B: int, **given: Any) -> Array:
    """The most probable symbol at each step: the whole network computed anew for each."""
    y = np.zeros((T, B), int)
    for t in range(T):
        y[t] = log_p(net, params, y, **given)[t].argmax(-1)
    return y

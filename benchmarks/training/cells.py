"""What is measured: cells as equations, shapes, weights and data, and the products that a step cannot avoid."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bptt import rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.cells import CELLS

from .names import CELL_NAMES

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

LOSS = "L = mean(mean((h[t] - y[t])**2), over=(t, batch))"


@dataclass(frozen=True)
class Shape:
    """Rows of a batch, steps, inputs, units."""

    B: int
    T: int
    inputs: int
    units: int

    def __str__(self) -> str:
        return f"B {self.B}, T {self.T}, I {self.inputs}, H {self.units}"


SHAPES = {
    "S": Shape(32, 50, 64, 128),
    "M": Shape(64, 100, 128, 256),
    "L": Shape(64, 100, 512, 512),
    "Z": Shape(1, 1000, 32, 32),
    "W": Shape(16, 1000, 64, 64),
}
RENAMED = """
    zz[t] = aa[t] * kk[t] + zz[t-1] * bb[t]
    kk[t] = tanh(P4 @ x[t] + r4 + Q4 @ h[t-1])
    h[t] = tanh(zz[t]) * dd[t]
    aa[t] = sigmoid(r2 + P2 @ x[t] + Q2 @ h[t-1])
    dd[t] = sigmoid(Q3 @ h[t-1] + r3 + P3 @ x[t])
    bb[t] = sigmoid(P1 @ x[t] + Q1 @ h[t-1] + r1)
"""
"""An LSTM whose names, equations and terms are in another order."""

#: name here -> name in rnn.cells; an Elman network with no output is listed there under that name
LISTED = {
    "elman": "no_output",
    "lstm": "lstm",
    "peephole": "lstm_peephole",
    "gru": "gru",
    "gru_cudnn": "gru_cudnn",
    "mut3": "mut3",
}

#: the module of torch that computes the cell, and for each of its blocks the names here of the input matrix, the
#: recurrent matrix, and the biases on either side
FUSED: dict[str, tuple[str, list[tuple[str, str, str, str]]]] = {
    "elman": ("RNN", [("U", "W", "b", "")]),
    "lstm": ("LSTM", [(f"U_{k}", f"W_{k}", f"b_{k}", "") for k in "ifgq"]),
    "renamed": ("LSTM", [(f"P{k}", f"Q{k}", f"r{k}", "") for k in "2143"]),
    "gru_cudnn": ("GRU", [("U_r", "W_r", "b_r", ""), ("U_z", "W_z", "b_z", ""), ("U_h", "W_h", "b_h", "d_h")]),
}


def equations(name: str, seed: int = 0) -> str:
    """The equations of a cell without an output: its state ``h`` is what the loss sees. Seed: of the random cell."""
    if name == "renamed":
        return RENAMED
    if name == "random":
        return random_cell(seed)
    if name not in LISTED:
        raise ValueError(f"cell {name!r}: expected one of {', '.join(CELL_NAMES)}")
    lines = CELLS[LISTED[name]].text.splitlines()
    return "\n".join(line for line in lines if not re.match(r"\s*(o\[t\]|p\[t\]|L)\s*=", line))


def network(text: str, shape: Shape, name: str = "cell") -> Circuit:
    """The cell with its loss, mean (h[t] - y[t])² over everything, and its sizes."""
    return rnn.define(f"{text}\n{LOSS}\n", name=name)(x=shape.inputs, h=shape.units)


def mirrored(text: str) -> str:
    """The equations with time reversed: each step reads the one after it."""
    return text.replace("[t-1]", "[t+1]").replace("[0]", "[T+1]")


def stacked(text: str, shape: Shape) -> Circuit:
    """Two layers of the cell, both directions, a residual connection around each, with the loss of ``network``.

    The first connection passes through a matrix, x being of another size than both directions together.
    """
    both = rnn.bidirectional(rnn.define(text), output="h")
    whole = rnn.stack(rnn.residual(both, project=True), rnn.residual(both))
    loss = LOSS.replace("h[t]", f"{whole.output}[t]")
    return rnn.define(f"{whole}\n{loss}\n", name="stacked")(x=shape.inputs, **dict.fromkeys(whole.units, shape.units))


def weights(net: Circuit, units: int, seed: int = 0) -> Arrays:
    """Uniform in ±1/√H, H the units of a layer, as torch's; the same for every participant."""
    rng = np.random.default_rng(seed)
    k = 1 / np.sqrt(units)
    return {n: rng.uniform(-k, k, shape).astype("float32") for n, shape in net.params.items()}


def data(shape: Shape, seed: int = 1) -> tuple[Array, Array]:
    """x [T, B, I] and y [T, B, H] of a normal distribution."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(shape.T, shape.B, shape.inputs)).astype("float32")
    return x, rng.normal(0, 0.5, size=(shape.T, shape.B, shape.units)).astype("float32")


def flops(sizes: Mapping[str, tuple[int, ...]], recurrent: set[str], rows: int) -> int:
    """Of a training step: matrix products only, no gradient by x. The activations are not counted.

    sizes      of all parameters
    recurrent  the matrices that meet what follows from the state: forward, transposed, and their gradients; the others
               meet the input: forward, and their gradients
    rows       T·B, or the number of active rows of a ragged batch
    """
    matrices = {n: s[0] * s[1] for n, s in sizes.items() if len(s) == 2}
    return sum(2 * rows * size * (3 if n in recurrent else 2) for n, size in matrices.items())


# ---- a cell that nobody has written a kernel for -----------------------------------------------------
def random_cell(seed: int) -> str:
    """Equations of a gated cell drawn from a seed: two to four gates, a candidate, one or two states.

    A gate keeps the old state; others write the candidate, reset what it sees, or read the state. Each has a recurrent
    matrix that meets the state or its tanh, and may see a state through a vector (a peephole).
    """
    rng = random.Random(seed)
    roles = ["keep", *rng.sample(["write", "reset", "read"], rng.randint(1, 3))]
    rng.shuffle(roles)
    gate = {role: f"g{k}[t]" for k, role in enumerate(roles, 1)}
    two = rng.random() < 0.5  # a state beside h, which h is read from
    state = "s[t-1]" if two else "h[t-1]"
    lines = []
    for k in range(1, len(roles) + 1):
        met = rng.choice(["h[t-1]", "h[t-1]", "h[t-1]", "tanh(h[t-1])"])
        peephole = f" + p{k} * {state}" if rng.random() < 0.4 else ""
        lines.append(f"g{k}[t] = sigmoid(W{k} @ {met} + U{k} @ x[t]{peephole} + b{k})")
    met = f"({gate['reset']} * h[t-1])" if "reset" in gate else "h[t-1]"
    function = rng.choice(["tanh", "tanh", "sigmoid", "sin"])
    lines.append(f"n[t] = {function}(W0 @ {met} + U0 @ x[t] + b0)")
    write = gate.get("write", f"(1 - {gate['keep']})")
    mixed = f"{gate['keep']} * {state} + {write} * n[t]"
    if two:
        lines.append(f"s[t] = {mixed}")
        mixed = "tanh(s[t])"
    lines.append(f"h[t] = {gate['read']} * {mixed if two else f'({mixed})'}" if "read" in gate else f"h[t] = {mixed}")
    return "\n".join(f"    {line}" for line in lines)

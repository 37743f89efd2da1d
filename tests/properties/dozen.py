"""Twelve programs that together have every kind of stage, statement, row operation and expression.

They are compiled by Numba once in the quick run, half of them by a process of its own; see test_kernels.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from bptt import compiler, graph, rnn
from bptt.compiler.program import Program
from bptt.graph import build
from bptt.graph.circuit import Circuit
from bptt.graph.expr import param, ref
from bptt.rnn.cells import CELLS
from properties.compiled import agrees, reference
from properties.random_circuits import Example
from properties.test_ragged import poisoned

FUNCTIONS = """
    a[t] = sin(x[t]) + cos(U @ x[t]) * sqrt(x[t]**2 + 1) + abs(x[t]) * sign(x[t-1]) + 0.1 * t
    b[t] = maximum(a[t], 0.3 * x[t+1]) - minimum(a[t], x[t]) + logaddexp(a[t], x[t]) + softplus(x[t])
    c[t] = where(t % 3 == 1, relu(b[t]), floor(b[t]) + (b[t] % 0.7)) + step(x[t]) * exp(-a[t]**2)
    e[t] = tanh(c[t]) / (1 + sigmoid(b[t])) + log(2 + c[t]**2)**1.5 + stop_gradient(c[t]) * c[t]
    g[t] = tanh(W @ g[t-1] + layer_norm(e[t]) + r[t])
    r[t] = tanh(R @ r[t-1] - batch_norm(x[t]) + 0.1 * batch_norm(R @ r[t-1], over=batch))
    L = mean(sum(g[t]**2) * max(e[t]) + (x[t] > 0) @ g[t], over=t) / 3 + sum(g[T])
"""
ROWS = """
    u[0] = 0
    A[t] = 0.5 * A[t-1] + outer(h[t-1], h[t-1])           # fast weights: a matrix is the state
    h[t] = tanh(A[t] @ x[t] + Q[u[t-1], u[t]] + M @ concat(x[t], q[t-1]))
    q[t], k[t] = split(h[t] * cumsum(h[t-1]), 2)
    w[t] = softmax(concat(k[t], q[t]))
    m[t] = w[t, y[t]] + max(h[t]) + logsumexp(A[t, y[t]]) + sum(max(A[t].T @ h[t-2]))
    z[t] = F[argmax(h[t])] @ h[t] + onehot(y[t]) @ h[t] + 0.1 * argmax(w[t])
    L = mean(nll(w[t], y[t]) + m[t] + z[t] + 0.2 * nll(w[t]**2, y[t]), over=(t, batch))
"""
SPARING = """
    h[t] = tanh(W @ h[t-1] + U @ dropout(x[t], 0.3, over=t) + b)
    c[t] = zoneout(tanh(V @ h[t] + C @ c[t-1]), c[t-1], 0.4)
    k[t] = dropout(c[t], 0.2) - mean(c[t], over=batch)
    L = mean(mse(k[t], x[t]), over=(t, batch))
"""


#: float64 differs from the reference by the order of its sums. float32 has 24 bits, that is 6e-8: after some
#: hundred operations one upon the other 1e-5 of the largest number in an array may be left.
CLOSE = {"float64": (1e-9, 1e-11), "float32": (0.0, 2e-5)}


@dataclass(frozen=True)
class Entry:
    """One of the dozen: a cell of the literature, or a text with its sizes; how it is compiled."""

    text: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    options: Mapping[str, Any] = field(default_factory=dict)
    second: bool = False

    @cached_property
    def example(self) -> Example:
        """The network with its data; for a second derivative the loss is ⟨gradient, v⟩, called G."""
        if self.text not in CELLS:
            example = Example(self.text, sizes=dict(self.sizes))
            example.net = rnn.define(self.text, name="entry")(**self.sizes).check()
            return example
        recipe = CELLS[self.text]
        example = Example(recipe.text, sizes=dict(recipe.sizes))
        net = recipe.cell(self.text)(**recipe.sizes)
        example.net = along_gradient(net) if self.second else net
        return example

    @property
    def loss(self) -> str:
        return "G" if self.second else "L"

    @property
    def wrt(self) -> list[str] | None:
        """None: all parameters that the network itself has."""
        if not self.second:
            return self.options.get("wrt")
        return [n for n in self.example.net.params if not n.startswith("v_")]

    def program(self, target: str = "cpu", dtype: str | None = None) -> Program:
        options = {**self.options, "wrt": self.wrt}
        dtype = dtype or self.dtype
        return compiler.compile(self.example.net, self.loss, target=target, dtype=dtype, **options)

    def data(self, T: int, B: int, S: int = 3, dtype: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        params, inputs = self.example.data(T, B, S)
        kind = np.dtype(dtype or self.dtype)
        return (
            {n: a.astype(kind) for n, a in params.items()},
            {n: a.astype(kind) if a.dtype.kind == "f" else a for n, a in inputs.items()},
        )

    def run(
        self, program: Program, T: int, B: int, ragged: bool = False, dtype: str | None = None, start: int = 1
    ) -> None:
        """One run with these sizes is the reference's, in float64 on the same numbers."""
        dtype = dtype or self.dtype
        net = self.example.net
        params, arguments = self.data(T, B, dtype=dtype)
        if ragged:
            rng = np.random.default_rng(T)
            two = any("s" in x.axes for x in net.input_nodes.values())
            lengths = {a: rng.integers(1, n + 1, B) for a, n in (("t", T), ("s", 3)) if a == "t" or two}
            arguments = poisoned(net, arguments, lengths) | {"lengths": lengths}
        found = program(params, **arguments, seed=5, start=start)
        arguments |= {"seed": 5, "start": start, "training": self.options.get("training", True)}
        expected = reference(net, params, arguments, self.wrt, self.options.get("returns", ()), self.loss)
        agrees(found, expected, *CLOSE[dtype], relative_to_largest=True)


def along_gradient(net: Circuit) -> Circuit:
    """Circuit and adjoint with G = ⟨gradient, v⟩: the gradient of G is the Hessian times v."""
    adjoint = graph.grad(net, "L")
    terms = [build.dot(ref(g, adjoint.eqs[g]), param(f"v_{n}", adjoint.eqs[g].shape)) for n, g in adjoint.grads.items()]
    return adjoint.with_eqs({**adjoint.eqs, "G": build.add(*terms)}, grads={}, order="")


DOZEN: dict[str, Entry] = {
    "lstm": Entry("lstm", dtype="float32", options={"returns": ("h", "c"), "wrt": ("W_f", "U_i", "b_q", "x", "c[0]")}),
    "elman, second derivative": Entry("elman", second=True),
    "attention": Entry("attention", options={"returns": ("w", "d")}),
    "hidden Markov": Entry("hmm", dtype="float64", options={"returns": ("a",)}),
    "best path": Entry("best_path"),
    "bidirectional": Entry("bidirectional", dtype="float32", options={"returns": ("o",), "wrt": ("V", "g", "h")}),
    "acceptor": Entry("acceptor", dtype="float32", options={"returns": ("o",)}),
    "interleaved": Entry("interleaved", dtype="float32"),
    "clockwork, no training": Entry("clockwork", dtype="float32", options={"training": False}),
    "functions": Entry(FUNCTIONS, {"x": 3, "g": 3, "r": 3}),
    "row operations": Entry(ROWS, {"x": 4, "u": 3, "y": 4, "h": 4}, dtype="float32"),
    "dropout, sparing": Entry(SPARING, {"x": 3, "h": 4, "c": 3}, options={"checkpoint": 2, "returns": ("k",)}),
}


def trouble(entry: Entry) -> str:
    """What is wrong with a program in float32 or float64, if anything; for a process of its own."""
    for dtype in CLOSE:
        try:
            program = entry.program(dtype=dtype)
            entry.run(program, 5, 3, ragged=True, dtype=dtype)
            entry.run(program, 3, 2, dtype=dtype)
        except Exception:
            return f"{entry.text}\n{dict(entry.sizes)} {dtype}\n{traceback.format_exc()}"
    return ""

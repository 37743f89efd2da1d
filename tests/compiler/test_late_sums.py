"""Gradients of what is the same for all rows at two indices: sums over the batch are taken with those over t and s."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.check import check
from bptt.compiler.late_sums import late_sums

SIZES: dict[str, Any] = {"a": (), "c": (), "g": (), "v": 3, "u": 3, "k": 3, "W": (3, 3)}
WEIGHTS = {
    "a distance": "w[t, s] = sigmoid(a * (t - s)) * e[s]",
    "each index alone": "w[t, s] = sigmoid(a * t) * e[s] * sigmoid(c * s) * (t - s)",
    "vectors": "w[t, s] = tanh(v * (t - s) + u) * e[s]",
    "a product": "w[t, s] = dot(u, tanh(v * (t - s) + k)) * e[s]",
    "within a softmax": "w[t, s] = softmax(dot(u, tanh(v * (t - s) + k)) + dot(q, e[s]), over=s) * e[s]",
    "a matrix": "w[t, s] = (W @ softmax(v * sin(t - s))) * e[s]",
    "a sum of its own": "w[t, s] = sum(sigmoid(a * (t - s)), over=s) * e[s]",
    "a softmax of its own": "w[t, s] = softmax(a * (t - s)**2, over=s) * e[s]",
    "a window": "w[t, s] = exp(-(s - c*t)**2 / g**2) * e[s]",
    "two terms": "w[t, s] = (tanh(v * (t - s)) + u) * e[s] + tanh(v * t + a * s) * sum(e[s])",
    "a choice": "w[t, s] = where(t > s, tanh(v * (t - s)), u) * e[s]",
    "the larger": "w[t, s] = maximum(v * (t - s), 0.1 * v) * e[s]",
}
REST = "\nz[t] = sum(w[t, s], over=s)\nL = mean(mse(z[t], x[t]), over=t)"


def net_of(name: str) -> graph.Circuit:
    cell = rnn.define(WEIGHTS[name] + REST)
    return cell(x=3, e=3, **{n: size for n, size in SIZES.items() if n in cell.parameters})


def agree(name: str, target: str) -> None:
    net = net_of(name)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    inputs = {"x": rng.normal(size=(4, 3, 3)), "e": rng.normal(size=(5, 3, 3))}
    adjoint = graph.grad(net, "L")
    program = compiler.compile(net, target=target, dtype="float64")
    check(program.loops)
    for lengths in (None, {"t": [4, 2, 3], "s": [3, 5, 1]}):
        expected = graph.evaluate(adjoint, params, lengths=lengths, **inputs)
        found = program(params, lengths=lengths, **inputs)
        for n, g in adjoint.grads.items():
            np.testing.assert_allclose(found.grad[n], expected[g], atol=1e-11, err_msg=n)


@pytest.mark.parametrize("name", WEIGHTS)
def test_gradients_are_those_of_the_reference(name: str) -> None:
    agree(name, "interpret")


def test_kernels_take_the_sums_too() -> None:
    agree("two terms", "cpu")


def test_one_sum_over_all_is_left() -> None:
    adjoint = graph.grad(net_of("a distance"), "L")
    rewritten = graph.text(adjoint.with_eqs(late_sums(adjoint.eqs)))
    assert "over=batch))" in graph.text(adjoint)
    line = next(line for line in rewritten.splitlines() if line.startswith("δa"))
    assert line.count("over=") == 1
    assert "over=(t, s, batch)" in line


def test_other_equations_are_left_as_they_are() -> None:
    adjoint = graph.grad(rnn.attention(x=4, e=3, d=3, o=5), "L")
    assert late_sums(adjoint.eqs) == adjoint.eqs

"""Signals of two indices: coverage over positions, sums that stay within s, boundary values for every s."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.check import check

ENCODER = "e[s] = tanh(A @ e[s-1] + X @ x[s])\n"
NETS = {
    "states for every s": "w[t, s] = tanh(0.5 * w[t-1, s] + q[t] @ e[s])\nL = sum(w[T, s] * w[T, s], over=s)",
    "what varies over s alone": """
        w[t, s] = softmax(q[t] @ e[s], over=s)
        L = mean(sum(w[t, s] * sum(e[s]), over=s), over=t)""",
    "coverage": """
        k[t, s] = k[t-1, s] + w[t-1, s]
        w[t, s] = softmax(q[t] @ e[s] - k[t, s], over=s)
        L = mean(sum(w[t, s] * sum(e[s]), over=s), over=t)""",
    "neighbours along s": """
        w[t, s] = softmax(dot(q[t], X @ e[s-1]) + dot(q[t], e[s+2]), over=s)
        L = mean(sum(w[t, s] * sum(e[s]), over=s), over=t)""",
}


def agree(name: str, target: str) -> None:
    net = rnn.define(ENCODER + NETS[name])(x=3, e=3, q=3, **({"k": ()} if "k[" in NETS[name] else {}))
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    inputs = {"x": rng.normal(size=(3, 2, 3)), "q": rng.normal(size=(4, 2, 3))}
    adjoint = graph.grad(net, "L")
    program = compiler.compile(net, target=target, dtype="float64")
    check(program.loops)
    for lengths in (None, {"t": [2, 4], "s": [3, 1]}):
        expected = graph.evaluate(adjoint, params, lengths=lengths, **inputs)
        found = program(params, lengths=lengths, **inputs)
        for n, g in adjoint.grads.items():
            np.testing.assert_allclose(found.grad[n], expected[g], atol=1e-13, err_msg=n)


@pytest.mark.parametrize("name", NETS)
def test_loop_programs_agree_with_the_reference(name: str) -> None:
    agree(name, "interpret")


def test_kernels_agree_with_the_reference() -> None:
    agree("coverage", "cpu")


def test_a_shift_along_s_of_two_indices_is_refused_with_its_line() -> None:
    source = ENCODER + "w[t, s] = tanh(0.5 * w[t, s-1] + q[t] @ e[s])\nL = sum(sum(w[t, s], over=s), over=t)"
    net = rnn.define(source)(x=3, e=3, q=3)
    with pytest.raises(graph.CircuitError, match=r"net, line 2: w reads w\[t, s-1\]"):
        compiler.compile(net, target="interpret")
    compiler.compile(net, returns=("e",), target="interpret")  # what is asked for does not need it


def test_a_sum_over_the_batch_of_two_indices_is_refused_with_its_line() -> None:
    source = ENCODER + "w[t, s] = mean(q[t] @ e[s], over=batch)\nL = sum(sum(w[t, s], over=s), over=t)"
    net = rnn.define(source)(x=3, e=3, q=3)
    with pytest.raises(graph.CircuitError, match=r"net, line 2: w sums over the batch what has two indices"):
        compiler.compile(net, target="interpret")


def test_a_sum_over_the_batch_that_an_adjoint_cannot_take_is_refused_when_it_is_compiled() -> None:
    source = "w[t, s] = max(tanh(u * (t - s))) * e[s]\nL = mean(sum(sum(w[t, s]), over=s), over=t)"
    net = rnn.define(source)(e=3, u=3)
    with pytest.raises(graph.CircuitError, match="δu sums over the batch what has two indices"):
        compiler.compile(net, target="interpret")
    compiler.compile(net, target="interpret", wrt=())  # without gradients there is no such sum


def test_first_steps_read_each_other() -> None:
    source = """
        h[1] = U @ x[1]
        c[1] = 2 * h[1]
        h[t] = tanh(W @ h[t-1] + U @ x[t] + c[t-1])
        c[t] = h[t] * c[t-1]
        L = sum(sum(c[t]), over=t)
    """
    net = rnn.define(source)(x=3, h=3).check()
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    x = rng.normal(size=(4, 2, 3))
    adjoint = graph.grad(net, "L")
    expected = graph.evaluate(adjoint, params, x=x)
    np.testing.assert_allclose(expected["c"][0], 2 * x[0] @ params["U"].T)
    found = compiler.compile(net, target="interpret", dtype="float64")(params, x=x)
    for n, g in adjoint.grads.items():
        np.testing.assert_allclose(found.grad[n], expected[g], atol=1e-13)

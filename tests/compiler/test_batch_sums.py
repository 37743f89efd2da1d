"""Sums over the batch at each step couple the rows: the same in the interpreter and in a kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.check import LoopError, check
from bptt.compiler.listing import sum_line
from bptt.compiler.loop import Sum

SOURCE = """
    m[t] = mean(x[t], over=batch)
    h[t] = tanh(W @ h[t-1] + x[t] - m[t])
    n[t] = h[t] - mean(h[t], over=batch)
    g[t] = tanh(Q @ g[t-1] + n[t] - mean(g[t-1], over=batch))
    L = mean(mse(g[t], x[t]), over=t)
"""


@pytest.mark.parametrize("target", ["interpret", "cpu"])
def test_means_over_the_batch(target: str) -> None:
    net = rnn.define(SOURCE)(x=3, h=3, g=3)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    x = rng.normal(size=(5, 4, 3))
    adjoint = graph.grad(net, "L")
    program = compiler.compile(net, target=target, dtype="float64")
    for lengths in (None, [5, 2, 4, 1]):
        expected = graph.evaluate(adjoint, params, x=x, lengths=lengths)
        found = program(params, x=x, lengths=lengths)
        for n, name in adjoint.grads.items():
            np.testing.assert_allclose(found.grad[n], expected[name], atol=1e-13)


def test_a_sum_over_the_batch_of_two_indices_is_refused() -> None:
    source = """
        w[t, s] = tanh(dot(x[t], e[s]) - mean(dot(x[t], e[s]), over=batch))
        z[t] = sum(w[t, s] * e[s], over=s)
        L = mean(mse(z[t], x[t]), over=t)
    """
    with pytest.raises(graph.CircuitError, match="two indices"):
        str(compiler.compile(rnn.define(source)(x=3, e=3), target="interpret").loops)


def test_sums_of_a_step_are_listed_and_checked() -> None:
    loops = compiler.compile(rnn.define(SOURCE)(x=3, h=3, g=3), target="interpret").loops
    assert check(loops) is loops
    sums = [(s.dst, sum_line(s)) for rows in loops.rows() for s in rows.body if isinstance(s, Sum)]
    assert len(sums) >= 3
    assert all(line in str(loops) for _, line in sums)
    wrong = dict(loops.values)
    name = sums[0][0]
    wrong[name] = replace(wrong[name], axes=("t", "b"))
    with pytest.raises(LoopError, match="no sum over the sequences of each step"):
        check(replace(loops, values=wrong))

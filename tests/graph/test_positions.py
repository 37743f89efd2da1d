"""``w[t, y[t]]``: the value at the step of s that a symbol names, counted from 1 as s is."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler, graph, rnn

NET = rnn.define("""
    e[s] = tanh(X @ x[s])
    w[t, s] = softmax(q[t] @ e[s], over=s)
    L = mean(log(w[t, y[t]]), over=t)
""")(x=3, e=4, q=4)
RNG = np.random.default_rng(0)
PARAMS = NET.init(dtype="float64")
X, Q = RNG.normal(size=(4, 2, 3)), RNG.normal(size=(3, 2, 4))


def test_it_is_the_value_at_that_step() -> None:
    y = np.array([[1, 4], [2, 3], [4, 1]])
    found = graph.evaluate(NET, PARAMS, x=X, q=Q, y=y)
    chosen = [[found["w"][t, y[t, b] - 1, b] for b in range(2)] for t in range(3)]
    np.testing.assert_allclose(found["L"], np.log(chosen).mean(0))


@pytest.mark.parametrize(("y", "lengths"), [(7, None), (0, None), (3, {"t": [3, 3], "s": [4, 2]})])
def test_a_step_that_a_sequence_does_not_have_is_an_error(y: int, lengths: dict[str, list[int]] | None) -> None:
    program = compiler.compile(NET, target="interpret", dtype="float64")
    steps = np.full((3, 2), y)
    with pytest.raises(ValueError, match="the input y: expected steps of s from 1 to"):
        program(PARAMS, x=X, q=Q, y=steps, lengths=lengths)
    with pytest.raises(ValueError, match="the input y: expected steps of s from 1 to"):
        graph.evaluate(NET, PARAMS, x=X, q=Q, y=steps, lengths=lengths)


def test_beyond_the_lengths_nothing_is_checked_or_read() -> None:
    y = np.array([[1, 2], [2, 1], [1, 99]])
    found = graph.evaluate(NET, PARAMS, x=X, q=Q, y=y, lengths={"t": [3, 2], "s": [4, 2]})
    assert np.isfinite(found["L"]).all()


def test_it_prints_as_it_is_written() -> None:
    printed = str(NET)
    assert "log(w[t, y[t]])" in printed
    again = rnn.define(printed)(x=3, e=4, q=4)
    assert again.eqs == NET.eqs

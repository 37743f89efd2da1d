"""The project in miniature: define, draw, differentiate, compile, train; in seconds."""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn.optim import Adam

TEXT = """
    h[t] = tanh(W @ h[t-1] + E[x[t]] + b)      # the state
    o[t] = V @ h[t]                            # scores
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
WORDS = "the cat sat on the mat and the cat ate the rat "


def test_the_whole_road() -> None:
    letters = sorted(set(WORDS))
    net = rnn.define(TEXT, name="small")(x=len(letters), h=16, o=len(letters))

    drawn = graph.draw_circuit(net).svg
    assert all(name in drawn for name in ("h", "o", "x"))
    assert "<svg" in graph.draw_unrolled(net, steps=3).svg

    adjoint = graph.grad(net, "L")
    assert "δh[t] = V.T @ δo[t] + W.T @ δa[t+1]" in str(adjoint).replace("δhʹ", "δa")
    assert adjoint.grads["W"] == "δW"

    program = compiler.compile(net)
    params = net.init(seed=0)
    symbols = np.array([letters.index(c) for c in WORDS * 9]).reshape(3, -1).T
    x, y = symbols[:-1], symbols[1:]
    exact = graph.evaluate(adjoint, params, x=x[:9], y=y[:9], returns=["L", "δW"])
    out = program(params, x=x[:9], y=y[:9])
    np.testing.assert_allclose(out.loss, exact["L"].mean(), rtol=1e-5)
    np.testing.assert_allclose(out.grad["W"], exact["δW"], rtol=1e-4, atol=1e-6)

    adam, state, losses = Adam(0.01), None, []
    for step in range(120):
        lo = step % 5 * 25
        if lo == 0:
            state = None
        out = program(params, x=x[lo : lo + 25], y=y[lo : lo + 25], initial=state, start=lo + 1)
        adam.step(params, out.grad)
        losses.append(out.loss or np.nan)
        state = out.final
    assert losses[0] > 2.3
    assert np.mean(losses[-5:]) < 0.5

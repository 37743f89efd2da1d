"""Circuits cut into what is fixed and what is stepped: what is cut where, and stepping equals the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.stepped import stepped, waiting
from properties.stepping import step_by_step


def test_an_encoder_is_computed_once() -> None:
    net = rnn.attention(x=6, e=4, d=3, o=5)
    cut = stepped(net, ["o", "w"], ["y"])
    assert set(cut.stepped.inputs) >= {"y", "e", "k", "d[0]"}
    assert "E[x" not in str(cut.stepped)
    assert set(cut.stepped.eqs) == {"w", "z", "d", "o"}
    assert set(cut.memory) == {"e", "k", "d[0]"}
    assert cut.starts == {"y[0]": 0}
    assert cut.lags == {"d": 1, "y": 1}
    rng = np.random.default_rng(0)
    inputs = {"x": rng.integers(0, 6, (4, 2)), "y": rng.integers(0, 5, (3, 2))}
    params = net.init(dtype="float64")
    whole = graph.evaluate(net, params, returns=["o", "w"], **inputs)
    found = step_by_step(cut, ["o", "w"], params, inputs, 3)
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, atol=1e-13)


TEXTS = {
    "tables of parameters": "A = softmax(A_0)\nh[t] = A @ h[t-1] + E[y[t]]\nh[0] = k",
    "a context from both sides": """
        a[t] = tanh(P @ a[t-1] + x[t])
        c[t] = tanh(Q @ c[t+1] + x[t])
        h[t] = tanh(W @ h[t-2] + a[t] * c[t-1] + E[y[t-1]])
        y[0] = 1
        h[-1] = tanh(mean(x[t], over=t))""",
    "what T is": "h[t] = tanh(W @ h[t-1] * t / T + E[y[t]] + x[t+1])",
    "a first step": "h[1] = V @ x[1]\nh[t] = tanh(W @ h[t-1] + E[y[t]]) * mean(h[0])\nh[0] = x[T]",
    "nothing is fed back": "h[t] = tanh(W @ h[t-1] + x[t])",
}


@pytest.mark.parametrize("name", TEXTS)
def test_stepping_equals_the_whole(name: str) -> None:
    net = rnn.define(TEXTS[name])(**{"h": 3, **({"y": 4} if "y[t" in TEXTS[name] else {})})
    rng = np.random.default_rng(1)
    arrays = {"x": rng.normal(size=(5, 2, 3)), "y": rng.integers(0, 4, (5, 2))}
    inputs = {n: arrays[n] for n in net.inputs}
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    cut = stepped(net, ["h"], [n for n in ("y",) if n in inputs])
    found = step_by_step(cut, ["h"], params, inputs, 5)
    np.testing.assert_allclose(found["h"], graph.evaluate(net, params, returns=["h"], **inputs)["h"], atol=1e-13)


def test_only_what_depends_on_what_is_fed_is_stepped() -> None:
    net = rnn.define(TEXTS["a context from both sides"])(h=3, y=4)
    cut = stepped(net, ["h"], ["y"])
    assert set(cut.stepped.eqs) == {"h"}
    assert {"a", "c"} <= set(cut.fixed.eqs)
    assert cut.lags == {"h": 2, "y": 1}


def refused(text: str, fed: str = "y", **sizes: Any) -> str:
    net: Circuit = rnn.define(text)(h=3, **sizes)
    with pytest.raises(graph.CircuitError) as error:
        stepped(net, ["h"], [fed])
    return str(error.value)


def test_what_no_step_can_compute_is_refused() -> None:
    assert "h (line 2): it reads the future, k[t+1]" in refused("k[t] = E[y[t]]\nh[t] = k[t+1]", y=4)
    assert "it reads m, for which all steps are needed" in refused("m = mean(y[t], over=t)\nh[t] = m + V @ h[t-1]", y=3)
    assert "h[0] depends on the steps that follow it" in refused("h[0] = E[y[T]]\nh[t] = W @ h[t-1]", y=4)
    assert "no input z" in refused("h[t] = y[t]", "z")


def test_what_waits_for_an_input_at_the_same_step() -> None:
    text = "k[t] = E[y[t]]\nh[t] = tanh(W @ h[t-1] + k[t-1])\no[t] = V @ h[t]\nu[t] = 2 * k[t]"
    net = rnn.define(text)(h=3, y=4, o=2)
    assert waiting(net, ["y"]) == {"k", "u"}

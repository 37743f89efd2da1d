"""The first value that is not finite: its equation, step and row; what was given so is named as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.finite import Found, first_in_call, first_not_finite
from bptt.rnn.truncation import Truncated, windows

LOGARITHM = """
    a[t] = W @ h[t-1] + U @ x[t]
    h[t] = tanh(a[t])
    s[t] = V @ x[t]
    z[t] = log(s[t])
    L = mean(sum(z[t]) + sum(h[t]), over=t)
"""


def net_of(text: str, **sizes: Any) -> Circuit:
    return rnn.define(text)(**sizes)


@pytest.fixture(scope="module")
def logarithm() -> Circuit:
    return net_of(LOGARITHM, x=2, h=3, s=2)


def weights_of(net: Circuit, dtype: str = "float64") -> dict[str, Any]:
    return net.init(0, dtype) | ({"V": np.eye(2, dtype=dtype)} if "V" in net.params else {})


def where(found: Found | None) -> tuple[Any, ...]:
    assert found is not None
    return found.equation, found.of, found.step, found.sequence


def test_a_logarithm_of_a_negative_number(logarithm: Circuit) -> None:
    """It is in the second sequence at step 3, and again later; what reads it is nan too."""
    x = np.ones((5, 3, 2))
    x[2, 1, 1], x[4, 0, 0] = -0.5, -1.0
    found = first_in_call(logarithm, weights_of(logarithm), {"x": x})
    assert where(found) == ("z", "loss", 3, 2)
    assert found is not None
    assert np.isnan(found.value)
    assert str(found) == (
        "z is nan at step 3 of sequence 2 of 3 (line 5: z[t] = log(s[t]))\n  computed from s[3] = -0.5 … 1"
    )


def test_padding_is_not_looked_at(logarithm: Circuit) -> None:
    x = np.ones((5, 3, 2))
    x[2:, 1], x[4, 2] = np.nan, -1.0
    found = first_in_call(logarithm, weights_of(logarithm), {"x": x}, lengths=[5, 2, 5])
    assert where(found) == ("z", "loss", 5, 3)
    assert first_in_call(logarithm, weights_of(logarithm), {"x": x}, lengths=[5, 2, 4]) is None


def test_steps_are_absolute_in_a_window(logarithm: Circuit) -> None:
    x, state = np.ones((5, 2, 2)), {"h": np.zeros((2, 3))}
    x[1, 0, 0] = -1.0
    found = first_in_call(logarithm, weights_of(logarithm), {"x": x}, initial=state, start=41)
    assert where(found) == ("z", "loss", 42, 1)


def test_what_goes_into_a_start_is_found_at_the_steps_of_the_window() -> None:
    """δh[0] reads the first step of the call, whatever its number: z's root of h[0] + 1 = 0 there, of no step after."""
    net = net_of("h[0] = k\nh[t] = x[t]\nz[t] = (h[t-1] + 1)**0.5\nL = sum(sum(z[t]), over=t)", x=2, h=2)
    for start in (1, 6):
        found = first_in_call(net, {"k": -np.ones(2)}, {"x": np.ones((3, 2, 2))}, start=start)
        assert where(found) == ("z", "gradient", start, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_was_given_is_named_as_such(logarithm: Circuit, bad: float) -> None:
    weights, x = weights_of(logarithm), np.ones((5, 3, 2))
    x[3, 0, 1] = bad
    assert where(first_in_call(logarithm, weights, {"x": x})) == ("x", "input", 4, 1)
    x[3, 0, 1] = 1.0
    state = {"h": np.zeros((3, 3))}
    state["h"][2, 0] = np.nan
    assert where(first_in_call(logarithm, weights, {"x": x}, initial=state)) == ("h", "state", None, 3)
    weights["V"] = np.array([[1.0, 0.0], [bad, 1.0]])
    found = first_in_call(logarithm, weights, {"x": x})
    assert where(found) == ("V", "weight", None, None)
    assert str(found) == f"the weight V is {bad}"


def test_exp_overflows_in_float32_and_not_in_float64() -> None:
    net = net_of("h[t] = exp(a[t])\na[t] = U @ x[t] + 0.5 * tanh(h[t-1])\nL = mean(sum(h[t]), over=t)", x=2, h=2)
    x = np.ones((4, 2, 2))
    x[1, 1] = 50.0
    weights = {"U": np.ones((2, 2))}
    assert first_in_call(net, weights, {"x": x}) is None
    single = {"U": np.ones((2, 2), "float32")}
    found = first_in_call(net, single, {"x": x.astype("float32")})
    assert where(found) == ("h", "loss", 2, 2)
    assert found is not None
    assert found.value == np.inf
    assert found.reads == (("a[2]", 100.5, 100.5),)


def test_a_backward_pass_overflows_where_the_loss_is_finite() -> None:
    """log(a) is -99 at a = 1e-43, its derivative 1e43: too much for float32. The last such step comes first."""
    net = net_of("a[t] = w * x[t] + b\nh[t] = log(a[t]) + 0.1 * h[t-1]\nL = mean(h[t], over=t)", w=(), b=(), h=())
    x = np.ones((5, 3), "float32")
    x[1, 0] = x[3, 2] = 1e-43
    weights = {"w": np.array(1.0, "float32"), "b": np.array(0.0, "float32")}
    found = first_in_call(net, weights, {"x": x})
    assert where(found) == ("a", "gradient", 4, 3)
    assert found is not None
    assert found.line == 1
    assert found.value == np.inf
    assert str(found).startswith("the gradient by a is inf at step 4 of sequence 3 of 3 (line 1: δa[t] = ")


def test_a_sum_over_steps_that_overflows_is_the_weights() -> None:
    net = net_of("h[t] = w * x[t]\nL = sum(h[t], over=t)", w=(), h=())
    x = np.full((4, 1), 2e38, "float32")
    found = first_in_call(net, {"w": np.array(1e-30, "float32")}, {"x": x})
    assert where(found) == ("w", "gradient", None, None)


def test_the_terms_of_a_loss_are_looked_at_one_by_one() -> None:
    """(1e20)² is too much for float32; the loss itself has neither step nor sequence."""
    text = "h[t] = w * x[t]\nL = mean(mse(h[t], y[t]), over={})"
    x = np.ones((5, 3), "float32")
    x[2, 1] = x[4, 0] = 1e20
    given, weights = {"x": x, "y": np.zeros_like(x)}, {"w": np.array(1.0, "float32")}
    for over in ("t", "(t, batch)"):
        net = net_of(text.format(over), x=(), h=())
        found = first_in_call(net, weights, given)
        assert where(found) == ("L", "loss", 3, 2)
        assert found is not None
        line = str(found).splitlines()
        assert line[0].startswith("L is inf at step 3 of sequence 2 of 3 (line 2: L = mean((h[t] - y[t])**2, over=")
        assert line[1] == "  computed from y[3] = 0; h[3] = 1e+20"
    assert where(first_in_call(net, weights, given, lengths=[5, 2, 5])) == ("L", "loss", 5, 1)


def test_a_sum_of_finite_terms_overflows_from_some_step_of_some_sequence_on() -> None:
    x = np.zeros((5, 3), "float32")
    x[1, 0] = x[2, 2] = x[3, 2] = x[4, 2] = 1.5e38
    for over, expected in (("t", (5, 3)), ("(t, batch)", (4, 3))):
        net = net_of(f"h[t] = w * x[t]\nL = sum(h[t], over={over})", w=(), h=())
        found = first_in_call(net, {"w": np.array(1.0, "float32")}, {"x": x})
        assert where(found) == ("L", "loss", *expected)
        assert found is not None
        assert found.reads


def test_an_infinity_that_does_no_harm_is_passed_over() -> None:
    """A score of -inf is a probability of 0; the nan comes from elsewhere, and later."""
    net = net_of(
        "s[t] = log(x[t])\np[t] = softmax(s[t])\nz[t] = sqrt(g[t])\nL = mean(sum(p[t]) + z[t], over=t)",
        x=3, g=(),
    )  # fmt: skip
    x, g = np.ones((5, 2, 3)), np.ones((5, 2))
    x[0, :, 1] = 0.0
    g[3, 1] = -2.0
    assert where(first_in_call(net, {}, {"x": x, "g": g})) == ("z", "loss", 4, 2)


def test_a_value_without_a_time_and_one_of_the_last_step() -> None:
    net = net_of("A = log(k)\nh[t] = tanh(W @ h[t-1] + x[t])\nL = sum(A * h[T])", x=2, h=2, A=2)
    weights = {"W": np.eye(2), "k": np.array([1.0, -1.0])}
    found = first_in_call(net, weights, {"x": np.ones((3, 2, 2))})
    assert where(found) == ("A", "loss", None, None)
    assert str(found) == "A is nan (line 1: A = log(k))\n  computed from k = -1 … 1"


def test_a_network_that_runs_backwards() -> None:
    """The last step is computed first; only its row is at fault."""
    net = net_of("k[t] = log(x[t]) + 0.5 * k[t+1]\nL = mean(k[t], over=t)", x=(), k=())
    x = np.ones((5, 3))
    x[2, 1] = -1.0
    assert where(first_in_call(net, {}, {"x": x}, lengths=[5, 4, 2])) == ("k", "loss", 3, 2)


def test_a_window_of_truncated_backpropagation(logarithm: Circuit) -> None:
    """The reach and the selected steps are those of the update; steps before the window are not."""
    x = np.ones((9, 2, 2))
    truncated = Truncated(logarithm, 2, 4, target="interpret", dtype="float64")
    weights = weights_of(logarithm)
    x[6, 1, 0] = -1.0
    state = None
    seen = []
    for batch in windows(logarithm, {"x": x}, 2, 4):
        found = first_not_finite(truncated, weights, batch, state)
        seen.append(None if found is None else (found.equation, found.of, found.step, found.sequence))
        state = truncated.step(weights, batch, state).state
    # the window of steps 7 and 8 counts it; that of step 9 reaches back over it, and does not
    assert seen == [None, None, None, ("z", "loss", 7, 2), None]

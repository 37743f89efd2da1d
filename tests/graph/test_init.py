"""Initial values of parameters: weights and biases, rules, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.graph.errors import CircuitError
from bptt.graph.init import described, initial_rules
from bptt.rnn.cells import CELLS, cell
from hypothesis import given, settings

from ..properties.random_circuits import Example, examples

ELMAN = """
    h[0] = v
    h[t] = tanh(W @ h[t-1] + U @ x[t-2] + b)
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


# ---- weights and biases ------------------------------------------------------------------------------
def weights(text: str, **options: Any) -> set[str]:
    """The vectors and scalars of a network of four units that start as weights."""
    net = rnn.define(text, **options)(x=4, h=4, **({"a": ()} if "a" in options.get("constants", ()) else {}))
    return {n for n, rule in initial_rules(net).items() if rule == "uniform" and len(net.params[n]) < 2} - net.constants


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h[t] = w * h[t-1] + b + x[t]", {"w"}),
        ("h[0] = h_0\nh[t] = h[t-1] * (-0.5 * w) + 0.1 * b + c / T + x[t]", {"w"}),
        ("h[t] = (x[t] + b) * sigmoid(h[t-1] + c)", set()),
        ("h[t] = (1 + w) * h[t-1] + x[t]", set()),
        ("h[t] = tanh(w) * h[t-1] + sigmoid(b) * x[t]", {"w"}),
        ("h[t] = tanh(dot(v, h[t-1]) + x[t] + b)", {"v"}),
        ("h[t] = where(t > 2, w, v) * h[t-1] + where(t > 2, b, c) + x[t]", {"w", "v"}),
        ("h[t] = dropout(b, 0.5) + w**2 * h[t-1] + x[t]", {"w"}),
        ("k = 0.5 * w\ng = b + 1\nh[t] = k * h[t-1] + g * x[t]", {"w"}),
        ("h[t] = w * v * w + h[t-1] + x[t] / u", {"w", "v", "u"}),
        ("h[t] = tanh(x[t] + h[t-1] + b)\nL = sum(mse(h[t], x[t]), over=t) + 0.1 * sum(b * b) + sum(b**2)", set()),
        ("p[t], q[t] = split(W @ h[t-1] + b, 2)\nh[t] = concat(c * p[t], q[t]) + x[t]", {"c"}),
    ],
)
def test_what_multiplies_is_a_weight_and_what_is_added_a_bias(text: str, expected: set[str]) -> None:
    assert weights(text) == expected


def test_parts_of_a_vector_that_multiplies() -> None:
    net = rnn.define("h[t] = concat(w, v) * h[t-1] + x[t]")(h=4, w=2)
    assert initial_rules(net) == {"w": "uniform", "v": "uniform"}


def test_a_rule_of_its_own_wins_and_a_constant_number_makes_no_weight() -> None:
    text = "h[t] = layer_norm(x[t]) * g + a * b + h[t-1]"
    assert weights(text, constants=("a",)) == {"g"}
    assert weights(text, constants=("a",), init={"g": 1.0}) == set()
    np.testing.assert_array_equal(rnn.define(text, init={"g": 1.0})(x=4).init()["g"], 1)


def test_the_cells_that_come_with_it() -> None:
    found = {}
    for name, recipe in CELLS.items():
        net = cell(name)(**recipe.sizes)
        vectors = {n: r for n, r in initial_rules(net).items() if len(net.params[n]) < 2 and n not in net.constants}
        found |= {(name, n): r for n, r in vectors.items() if r != 0.0}
    gates = ("lstm", "lstm_peephole", "bidirectional_lstm", "rnn_lm", "tagger", "classifier")
    forget = {(name, b): 1.0 for name in gates for b in ("b_f", "b_F") if (name, b) in found}
    peepholes = {("lstm_peephole", p): "uniform" for p in ("p_f", "p_i", "p_q")}
    weights = {("diagonal", "w"): "uniform", ("sru", "v_f"): "uniform", ("sru", "v_r"): "uniform"}
    assert found == {**forget, **peepholes, **weights, ("normalised", "g"): 1.0, ("batch_normalised", "g"): 1.0}


def test_the_diagonal_cell_is_recurrent_from_its_start() -> None:
    w = cell("diagonal")(x=3, h=16, o=2).init(dtype="float64")["w"]
    assert (np.abs(w) <= 0.25).all()
    assert len(np.unique(w)) == 16


@settings(max_examples=40)
@given(examples())
def test_parameters_of_random_networks(example: Example) -> None:
    """Their names say what they are: w multiplies; b, c, d are added; i, j are boundary values."""
    rules = initial_rules(example.net)
    for name, shape in example.net.params.items():
        bias = name[0] in "bcdij" and len(shape) < 2
        assert rules[name] == (0.0 if bias else "uniform"), name


def test_rules_in_words() -> None:
    assert described("uniform", (3, 4)) == "uniform within ±1/√4"
    assert described("uniform", ()) == "uniform within ±1/√1"
    assert [described(r, (4, 4)) for r in (1.0, 0, "identity", lambda shape, rng: 0)] == [
        "1", "0", "identity", "by a function"]  # fmt: skip


# ---- values ------------------------------------------------------------------------------------------
def test_initial_values() -> None:
    rules = {"b": 1.0, "W": "orthogonal", "U": lambda shape, rng: rng.normal(size=shape)}
    net = rnn.define(ELMAN, init=rules)(x=3, h=4, o=5)
    found = net.init(seed=1)
    assert {n: v.shape for n, v in found.items()} == net.params
    assert all(v.dtype == np.float32 for v in found.values())
    np.testing.assert_array_equal(found["b"], 1)
    np.testing.assert_array_equal(found["v"], 0)
    np.testing.assert_allclose(found["W"] @ found["W"].T, np.eye(4), atol=1e-6)
    assert (np.abs(found["V"]) <= 0.5).all()
    assert len(np.unique(found["V"])) == found["V"].size


def test_initial_values_depend_on_seed_and_name_only() -> None:
    small = rnn.define("o[t] = V @ x[t]")(x=4, o=5).init(seed=3)
    large = rnn.define("o[t] = V @ x[t] + tanh(A @ x[t])")(x=4, o=5).init(seed=3)
    np.testing.assert_array_equal(small["V"], large["V"])
    assert not (small["V"] == rnn.define("o[t] = V @ x[t]")(x=4, o=5).init(seed=4)["V"]).any()


@pytest.mark.parametrize("rule", ["normal", "uniform", "glorot", "identity", "zeros", "ones"])
def test_rules(rule: str) -> None:
    w = rnn.define("o[t] = V @ x[t]", init={"V": rule})(x=400, o=300).init(dtype="float64")["V"]
    deviation = {"normal": 0.05, "uniform": 0.05 / 3**0.5, "glorot": (2 / 700) ** 0.5, "identity": 0.05}.get(rule, 0)
    np.testing.assert_allclose(w.std(), deviation, rtol=0.03, atol=1e-12)


def test_rules_that_do_not_fit() -> None:
    with pytest.raises(CircuitError, match=r"no rule 'orthogonl' for V.*did you mean orthogonal"):
        rnn.define("o[t] = V @ x[t]", init={"V": "orthogonl"})(x=4, o=5).init()
    with pytest.raises(CircuitError, match=r"is for matrices, b has the shape \(4,\)"):
        rnn.define("o[t] = b + x[t]", init={"b": "identity"})(x=4).init()
    with pytest.raises(CircuitError, match=r"the rule of b gives the shape \(3,\), expected \(4,\)"):
        rnn.define("o[t] = b + x[t]", init={"b": lambda shape, rng: [1, 2, 3]})(x=4).init()

"""The reference: what it returns, random masks, and what it says of arrays that do not fit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.inputs import Signature
from bptt.graph.unfold import unfold
from derivatives import numbers

TEXT = """
    h[t] = tanh(W @ h[t-1] + U @ x[t] + E[u[t]] + R @ v)
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
    k = sum(W * W)
"""
T, B = 5, 3


def net() -> Circuit:
    return rnn.define(TEXT, name="net", inputs=("v",))(x=3, h=4, o=5, u=6, v=2)


def data() -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    params = {n: numbers(shape, i) for i, (n, shape) in enumerate(net().params.items())}
    inputs = {
        "x": numbers((T, B, 3), 20), "v": numbers((B, 2), 21), "u": rng.integers(0, 6, (T, B)),
        "y": rng.integers(0, 5, (T, B)),
    }  # fmt: skip
    return params, inputs


# ---- what comes back -------------------------------------------------------------------------------
def test_the_recurrence_by_hand() -> None:
    params, inputs = data()
    found = graph.evaluate(net(), params, **inputs)
    h = np.zeros((B, 4))
    for t in range(T):
        h = np.tanh(
            h @ params["W"].T
            + inputs["x"][t] @ params["U"].T
            + params["E"][inputs["u"][t]]
            + inputs["v"] @ params["R"].T
        )
        np.testing.assert_allclose(found["h"][t], h, rtol=1e-13)
    assert found["o"].shape == (T, B, 5)
    assert found["L"].shape == (B,)
    assert found["k"].shape == ()
    assert all(v.dtype == np.float64 for v in found.values())


def test_what_is_asked_for() -> None:
    params, inputs = data()
    assert set(graph.evaluate(net(), params, returns="o", **inputs)) == {"o"}
    assert set(graph.evaluate(net(), params, returns=("o", "k"), **inputs)) == {"o", "k"}
    # only what is needed has to be given
    assert graph.evaluate(net(), {"W": params["W"]}, returns="k")["k"] == (params["W"] ** 2).sum()


def test_an_unfolded_graph() -> None:
    params, inputs = data()
    found = graph.evaluate(unfold(net(), T), params, **inputs)
    whole = graph.evaluate(net(), params, **inputs)
    np.testing.assert_array_equal(found["h[3]"], whole["h"][2])
    np.testing.assert_array_equal(found["L"], whole["L"])


def test_results_are_arrays_of_their_own() -> None:
    _, inputs = data()
    found = graph.evaluate(rnn.define("c[t] = x[t]")(x=3), {}, x=inputs["x"])
    found["c"][:] = 0
    assert inputs["x"].all()


def test_ragged_results_are_zero_beyond_the_lengths() -> None:
    params, inputs = data()
    lengths = np.array([5, 1, 3])
    for row, n in enumerate(lengths):
        inputs["x"][n:, row] = np.nan
        inputs["u"][n:, row] = 1000
        inputs["y"][n:, row] = -1000
    found = graph.evaluate(net(), params, lengths=lengths, **inputs)
    for row, n in enumerate(lengths):
        assert not found["h"][n:, row].any()
        assert found["h"][:n, row].all()
    assert np.isfinite(found["L"]).all()


def test_without_inputs_the_lengths_say_how_many_steps() -> None:
    dynamics = rnn.define("s[t] = 0.5 * s[t-1]\ns[0] = a")(a=2)
    found = graph.evaluate(dynamics, {"a": [8.0, 4.0]}, lengths=3)
    np.testing.assert_array_equal(found["s"][:, 0], [[4, 2], [2, 1], [1, 0.5]])
    found = graph.evaluate(dynamics, {"a": [8.0, 4.0]}, lengths=np.array([1, 3]))
    np.testing.assert_array_equal(found["s"][:, 0, 0], [4, 0, 0])
    with pytest.raises(ValueError, match="no input tells the number of steps T"):
        graph.evaluate(dynamics, {"a": [8.0, 4.0]})


def test_initial_values_that_nobody_gave_are_zero() -> None:
    summed = graph.grad(rnn.define("h[t] = h[t-1] + x[t]\nL = sum(h[T])")(x=2), "L", "h[0]")
    x = numbers((3, 2, 2), 1)
    zero = graph.evaluate(summed, {}, returns="h", x=x)["h"]
    one = graph.evaluate(summed, {}, returns="h", x=x, **{"h[0]": np.ones((2, 2))})["h"]
    np.testing.assert_allclose(one, zero + 1, rtol=1e-14)


# ---- random masks ------------------------------------------------------------------------------------
MASKED = "a[t] = dropout(x[t], 0.3)\nc[t] = dropout(x[t], 0.3) + dropout(x[t], 0.3, over=t)\nk = dropout(w, 0.25)"


def test_masks_depend_on_the_seed_and_on_nothing_else() -> None:
    masked = rnn.define(MASKED)(x=50, w=40)
    x, w = np.ones((20, 4, 50)), np.ones(40)
    one = graph.evaluate(masked, {"w": w}, seed=1, x=x)
    again = graph.evaluate(masked, {"w": w}, seed=1, x=x, lengths=np.array([20, 20, 3, 20]))
    np.testing.assert_array_equal(one["a"][:, :2], again["a"][:, :2])
    np.testing.assert_array_equal(one["a"][:3], again["a"][:3])
    assert (graph.evaluate(masked, {"w": w}, seed=2, x=x)["a"] != one["a"]).any()
    assert set(np.unique(one["a"])) == {0.0, 1 / 0.7}
    assert abs((one["a"] > 0).mean() - 0.7) < 0.03
    assert (one["a"] != one["c"]).any()
    assert one["k"].shape == (40,)


def test_one_mask_for_all_steps() -> None:
    masked = rnn.define("a[t] = dropout(x[t], 0.5, over=t)")(x=50)
    found = graph.evaluate(masked, {}, x=np.ones((5, 3, 50)))["a"]
    np.testing.assert_array_equal(found, np.broadcast_to(found[0], found.shape))
    assert (found[0, 0] != found[0, 1]).any()


def test_dropout_is_off_after_training() -> None:
    masked = rnn.define(MASKED)(x=5, w=4)
    x = numbers((3, 2, 5), 1)
    found = graph.evaluate(masked, {"w": np.ones(4)}, training=False, x=x)
    np.testing.assert_array_equal(found["a"], x)
    np.testing.assert_array_equal(found["k"], 1)


# ---- what does not fit -------------------------------------------------------------------------------
def fails(kind: type[Exception], lengths: Any = None, start: Any = 1, drop: str = "", **changes: Any) -> str:
    params, inputs = data()
    for n, value in changes.items():
        (params if n in params else inputs)[n] = value
    params.pop(drop, None)
    inputs.pop(drop, None)
    with pytest.raises(kind) as caught:
        graph.evaluate(net(), params, lengths=lengths, start=start, **inputs)
    return str(caught.value)


def test_names() -> None:
    assert "the input x of net is missing: expected an array [T, B, 3], got only v, u, y" in fails(ValueError, drop="x")
    assert "the parameter U of net is missing: expected an array of shape (4, 3)" in fails(ValueError, drop="U")
    assert "net has no input xs" in fails(ValueError, xs=np.zeros(3))
    params, inputs = data()
    with pytest.raises(ValueError, match="net has no parameter Wh"):
        graph.evaluate(net(), params | {"Wh": 1.0}, **inputs)


def test_shapes() -> None:
    assert "the parameter W: expected the shape (4, 4), got (4, 3)" in fails(ValueError, W=np.zeros((4, 3)))
    assert "the input x: expected an array [T, B, 3], got the shape (5, 3)" in fails(ValueError, x=np.zeros((5, 3)))
    says = fails(ValueError, x=np.zeros((5, 3, 7)))
    assert (
        "the input x of net: expected [T, B, 3] with T = 5, B = 3, that is the shape (5, 3, 3), got (5, 3, 7)" in says
    )
    says = fails(ValueError, v=np.zeros((2, 2)))
    assert "the input v of net: expected [B, 2] with B = 3, that is the shape (3, 2), got (2, 2)" in says
    empty = {"x": np.zeros((0, 3, 3)), "u": np.zeros((0, 3), int), "y": np.zeros((0, 3), int)}
    assert "at least one step and one sequence" in fails(ValueError, **empty)


def test_kinds_of_numbers() -> None:
    says = fails(TypeError, u=np.zeros((T, B)))
    assert "the input u: expected symbols, an array [T, B] of whole numbers, got an array of float64" in says
    assert "the input x: expected numbers, got an array of <U1" in fails(TypeError, x=np.full((T, B, 3), "a"))
    params, inputs = data()
    with pytest.raises(TypeError, match="the parameter W: expected an array of float32, got float64; convert it"):
        Signature(net()).given(params, inputs, dtype=np.float32)


def test_symbols_out_of_range() -> None:
    _, inputs = data()
    bad = inputs["u"].copy()
    bad[3, 1] = 6
    assert fails(ValueError, u=bad) == "the input u: expected symbols from 0 to 5, got 6 at [3, 1]"
    bad[3, 1] = -1
    assert "expected symbols from 0 to 5, got -1 at [3, 1]" in fails(ValueError, u=bad)
    targets = inputs["y"].copy()
    targets[0, 0] = -1  # no target
    params, _ = data()
    graph.evaluate(net(), params, **inputs | {"y": targets})
    targets[0, 0] = -2
    assert "expected symbols from 0 to 4 (or -1, no target), got -2 at [0, 0]" in fails(ValueError, y=targets)


@pytest.mark.parametrize(
    ("lengths", "says"),
    [
        ([5, 0, 2], "lengths of t: expected 1 to T = 5, got 0 in row 1"),
        ([5, 6, 2], "lengths of t: expected 1 to T = 5, got 6 in row 1"),
        ([5, 2], "expected one for each of the 3 sequences, got 2"),
        ([5.0, 2.0, 1.0], "expected whole numbers, one a sequence"),
        ([[5, 2, 1]], "expected whole numbers, one a sequence"),
        ({"s": [1, 1, 1]}, "net has no index s"),
    ],
)
def test_lengths(lengths: Any, says: str) -> None:
    value = {a: np.array(v) for a, v in lengths.items()} if isinstance(lengths, dict) else np.array(lengths)
    assert says in fails(ValueError, lengths=value)


@pytest.mark.parametrize("start", [0, 1.5, True])
def test_start(start: Any) -> None:
    assert "start: expected the number of the first step, from 1" in fails(ValueError, start=start)


def test_an_unfolded_graph_has_its_number_of_steps() -> None:
    params, inputs = data()
    with pytest.raises(ValueError, match=re.escape("net was unfolded for T = 4, the inputs have 5")):
        graph.evaluate(unfold(net(), 4), params, **inputs)
    with pytest.raises(ValueError, match="unfolded for sequences that are full"):
        graph.evaluate(unfold(net(), T), params, lengths=np.array([1, 2, 5]), **inputs)
    full = graph.evaluate(unfold(net(), T, ragged=True), params, lengths=np.array([5, 5, 5]), **inputs)
    np.testing.assert_allclose(full["L"], graph.evaluate(net(), params, **inputs)["L"])

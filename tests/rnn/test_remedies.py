"""Remedies against forgetting and against learning by heart: what each computes, in training and afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.rnn import optim

Array = np.ndarray[Any, Any]


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


# ---- dropout -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("over", "same"), [("", False), (", over=t", True)])
def test_dropout_in_the_recurrence_has_one_mask_for_all_steps_or_a_new_one_each(over: str, same: bool) -> None:
    net = rnn.define(f"m[t] = dropout(h[t-1], 0.5{over});  h[0] = 1;  h[t] = 1 + 0 * x[t] + 0 * m[t]")(x=50, h=50, m=50)
    masks = compiler.compile(net, returns="m", target="interpret")({}, x=np.ones((20, 6, 50), "float32")).value["m"]
    assert set(np.unique(masks)) == {0.0, 2.0}
    assert masks.mean() == pytest.approx(1.0, abs=0.1)
    assert np.all(masks == masks[:1]) == same
    assert not np.all(masks == masks[:, :1])  # each sequence has its own
    after = compiler.compile(net, returns="m", target="interpret", training=False)
    assert np.all(after({}, x=np.ones((3, 2, 50), "float32")).value["m"] == 1.0)


def test_dropout_of_weights_has_one_mask_a_call() -> None:
    net = rnn.define("h[t] = tanh(dropout(W, 0.5) @ h[t-1] + x[t])")(x=3, h=3)
    program = compiler.compile(net, returns="h", target="interpret", dtype="float64")
    W, x = np.random.default_rng(0).normal(size=(3, 3)), np.random.default_rng(1).normal(size=(4, 2, 3))
    found = program({"W": W}, x=x, seed=3).value["h"]

    def last(mask: Array) -> Array:
        state = np.zeros((2, 3))
        for row in x:
            state = np.tanh(state @ (2.0 * mask * W).T + row)
        return state

    masks = [np.array([bits >> k & 1 for k in range(9)]).reshape(3, 3) for bits in range(2**9)]
    assert sum(np.allclose(last(mask), found[-1]) for mask in masks) == 1


# ---- zoneout -------------------------------------------------------------------------------------
def zoneout_lstm() -> tuple[graph.Circuit, dict[str, Array], dict[str, Any]]:
    net = rnn.zoneout_lstm(x=3, h=40, o=5)
    rng = np.random.default_rng(0)
    params = {n: 0.5 * rng.normal(size=shape) for n, shape in net.params.items()}
    return net, params, {"x": rng.normal(size=(8, 5, 3))}


def steps_of(params: dict[str, Array], x: Array, c: Array, h: Array) -> tuple[Array, Array]:
    """The new cell, and the new output of a cell, of an LSTM before zoneout; Krueger et al. 2017, section 3.2."""
    pre = {g: h @ params[f"W_{g}"].T + x @ params[f"U_{g}"].T + params[f"b_{g}"] for g in "fiqg"}
    return sigmoid(pre["f"]) * c + sigmoid(pre["i"]) * np.tanh(pre["g"]), sigmoid(pre["q"])


def test_zoneout_takes_its_expectation_after_training() -> None:
    net, params, given = zoneout_lstm()
    program = compiler.compile(net, returns=("c", "h"), target="interpret", dtype="float64", training=False)
    found = program(params, **given).value
    c = h = np.zeros((5, 40))
    for t, x in enumerate(given["x"]):
        new, q = steps_of(params, x, c, h)
        c = 0.5 * c + 0.5 * new
        h = 0.05 * h + 0.95 * q * np.tanh(new)
        np.testing.assert_allclose(found["c"][t], c, atol=1e-12)
        np.testing.assert_allclose(found["h"][t], h, atol=1e-12)


def test_zoneout_keeps_units_at_random_in_training() -> None:
    net, params, given = zoneout_lstm()
    program = compiler.compile(net, returns=("c", "h"), target="interpret", dtype="float64")
    found = program(params, **given, seed=1).value
    c, h = np.zeros((5, 40)), np.zeros((5, 40))
    kept: dict[str, list[Array]] = {"c": [], "h": []}
    for t, x in enumerate(given["x"]):
        new, q = steps_of(params, x, c, h)
        for name, old, fresh in (("c", c, new), ("h", h, q * np.tanh(new))):
            is_old, is_new = np.isclose(found[name][t], old), np.isclose(found[name][t], fresh)
            assert np.all(is_old | is_new)
            kept[name].append(is_old[~(is_old & is_new)])
        c, h = found["c"][t], found["h"][t]
    assert np.mean(np.concatenate(kept["c"])) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.concatenate(kept["h"])) == pytest.approx(0.05, abs=0.02)


# ---- what else keeps it in bounds ----------------------------------------------------------------
def test_weight_decay_shrinks_matrices_and_leaves_biases() -> None:
    net = rnn.elman(x=3, h=4, o=5)
    given = {"x": np.zeros((3, 2, 3)), "y": np.full((3, 2), -1)}  # no targets: the gradient is zero
    trainer = rnn.Trainer(net, [given], optimiser=optim.SGD(0.1, decay=0.5), target="interpret", dtype="float64")
    before = {n: w.copy() + 0.1 for n, w in trainer.weights.items()}
    for name, weight in trainer.weights.items():
        weight[...] = before[name]
    trainer.step()
    for name, weight in trainer.weights.items():
        share = 1.0 if weight.ndim < 2 else 1.0 - 0.1 * 0.5
        np.testing.assert_allclose(weight, share * before[name], atol=1e-12)


def test_a_slower_clock_stands_still_between_its_ticks() -> None:
    net = rnn.clockwork(x=3, h1=4, h2=3, o=5)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    program = compiler.compile(net, returns="h2", target="interpret", dtype="float64")
    h = program(params, x=rng.normal(size=(12, 2, 3))).value["h2"]
    moves = [t + 1 for t in range(12) if (t == 0 and np.any(h[0])) or (t > 0 and np.any(h[t] != h[t - 1]))]
    assert moves == [4, 8, 12]


def test_rectified_units_begin_by_adding_up() -> None:
    """Le et al. 2015: with W = 1 and b = 0 the state keeps what came, and the derivative through time is 1."""
    net = rnn.irnn(x=2, h=3, o=5)
    params = net.init(seed=0, dtype="float64") | {"U": np.abs(np.random.default_rng(0).normal(size=(3, 2)))}
    x = np.abs(np.random.default_rng(1).normal(size=(6, 2, 2)))
    h = compiler.compile(net, returns="h", target="interpret", dtype="float64")(params, x=x).value["h"]
    np.testing.assert_allclose(h, np.cumsum(x @ params["U"].T, 0), atol=1e-12)
    found = rnn.diagnose(net, params, loss=None, target="interpret", x=x)
    assert found.overall.word == "is kept"
    assert found.overall.rate == pytest.approx(0.0, abs=1e-9)

"""The conditions on recurrent matrices: found from the equations, true of the derivatives that they bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.analysis.jacobians import norms, one_step, recurrent_states
from bptt.rnn.analysis.recurrence import Recurrence, recurrence
from bptt.rnn.cells import CELLS, cell


def found(net: Circuit, params: dict[str, Any]) -> Recurrence:
    states = recurrent_states(net)
    return recurrence(net, list(states.values()), params)


def vanilla(function: str, W: np.ndarray) -> Recurrence:
    net = rnn.define(f"h[t] = {function}(W @ h[t-1] + x[t])")(h=len(W))
    return found(net, {"W": W})


TRIANGULAR = np.array([[0.5, 2.0], [0.0, 0.5]])


def test_radius_and_singular_value_of_the_recurrent_matrix() -> None:
    (matrix,) = vanilla("tanh", TRIANGULAR).matrices
    assert (matrix.name, matrix.shape) == ("W", (2, 2))
    assert matrix.radius == pytest.approx(0.5)
    assert matrix.singular == pytest.approx(np.linalg.svd(TRIANGULAR)[1][0])


@pytest.mark.parametrize(("function", "gamma"), [("tanh", 1.0), ("sigmoid", 0.25), ("relu", 1.0)])
def test_the_condition_of_pascanu_mikolov_and_bengio(function: str, gamma: float) -> None:
    for size in (0.9, 1.1):
        condition = vanilla(function, size / gamma * np.eye(3)).condition
        assert condition.bound == pytest.approx(size)
        assert condition.gammas == {function: gamma}
        assert condition.vanishes == (size < 1)
        assert ("sufficient for gradients to vanish" in str(condition)) == (size < 1)
        assert ("may explode" in str(condition)) == (size > 1)


def test_a_linear_recurrence_is_decided_by_the_spectral_radius() -> None:
    net = rnn.define("h[t] = W @ h[t-1] + x[t]")(h=2)
    condition = found(net, {"W": TRIANGULAR}).condition
    assert condition.bound is not None
    assert condition.bound > 1
    assert condition.radius == pytest.approx(0.5)
    assert "the spectral radius of W decides: 0.5, gradients vanish" in str(condition)


def test_matrices_are_found_on_the_way_through_other_equations() -> None:
    net = rnn.define("a[t] = tanh(W @ o[t-1] + U @ x[t])\no[t] = V @ a[t]\nk[t] = Q @ a[t]")(x=2, a=3, o=4, k=2)
    params = {n: np.full(shape, 0.1) for n, shape in net.params.items()}
    result = found(net, params)
    assert [m.name for m in result.matrices] == ["W", "V"]
    assert [m.radius for m in result.matrices] == [None, None]
    expected = np.linalg.norm(params["W"], 2) * np.linalg.norm(params["V"], 2)
    assert result.condition.bound == pytest.approx(expected)


def test_matrices_made_of_parameters() -> None:
    net = rnn.define("A = 0.5 * B\nh[t] = tanh(A @ h[t-1] + x[t])")(h=2, B=(2, 2))
    (matrix,) = found(net, {"B": np.eye(2)}).matrices
    assert (matrix.name, matrix.singular) == ("A", pytest.approx(0.5))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lstm", "c[t-1] is multiplied by the signal f[t]"),
        ("gru", "h[t-1] is multiplied by the signal 1 - u[t]"),
        ("normalised", "it passes through layer_norm("),
        ("hmm_log", "it passes through logmatmul("),
    ],
)
def test_where_the_condition_does_not_apply_it_says_why(name: str, reason: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    result = found(net, net.init(dtype="float64"))
    assert result.condition.bound is None
    assert not result.condition.vanishes
    assert reason in str(result.condition)


def test_the_matrices_of_gates_are_listed_all_the_same() -> None:
    net = cell("lstm")(**CELLS["lstm"].sizes)
    assert [m.name for m in found(net, net.init(dtype="float64")).matrices] == ["W_f", "W_i", "W_q", "W_g"]


@pytest.mark.parametrize("name", ["elman", "irnn", "autonomous", "acceptor", "markov_driven", "diagonal"])
def test_no_derivative_exceeds_the_bound(name: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    rng = np.random.default_rng(3)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    states = list(recurrent_states(net).values())
    bound = recurrence(net, states, params).condition.bound
    assert bound is not None
    inputs: dict[str, Any] = {}
    for n, x in net.input_nodes.items():
        shape = (*(7 if a == "t" else 1 for a in x.axes), *x.shape)
        inputs[n] = rng.integers(0, net.symbols[n], shape) if x.dtype == "i" else 0.1 * rng.normal(size=shape)
    steps = one_step(net, states, params, "interpret", {"t": np.array([7])}, **inputs)
    (result,) = norms(steps, states, np.array([7])).values()
    distance = result.targets[:, None] - np.arange(1, 8)
    there = np.isfinite(result.logs)
    assert (result.logs[there] <= distance[there] * np.log(bound) + 1e-9).all()
    assert (result.logs[there] > -20).any()

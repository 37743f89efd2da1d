"""Derivatives through time against the gradient of the reference, and products that neither vanish nor overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph import build as b
from bptt.graph import expr
from bptt.graph.circuit import Circuit, reachable
from bptt.graph.expr import topological
from bptt.graph.simplify import expected_masks
from bptt.rnn.analysis.jacobians import Norms, State, Steps, norms, one_step, products, recurrent_states
from bptt.rnn.cells import CELLS, cell

LENGTHS = {"t": np.array([6, 4]), "s": np.array([5, 6])}


def given(net: Circuit) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random weights and inputs for two sequences of six steps."""
    rng = np.random.default_rng(0)
    sizes = {"t": 6, "s": 6, "b": 2}
    inputs = {}
    for name, x in net.input_nodes.items():
        shape = tuple(sizes[a] for a in x.axes)
        inputs[name] = rng.integers(0, net.symbols[name], shape) if x.dtype == "i" else rng.normal(size=shape + x.shape)
    return {n: rng.normal(size=shape) for n, shape in net.params.items()}, inputs


def axes(net: Circuit) -> set[str]:
    return {a for n in topological(net.eqs.values()) for a in n.axes}


def row_of_the_reference(net: Circuit, state: State, t: int, row: int, unit: int) -> np.ndarray:
    """∂(one unit of h[t])/∂h[s] for all s, [T, n]: the unfolded circuit's gradient, computed with NumPy."""
    params, inputs = given(net)
    e = net.eqs[state.name]
    pick = b.sum_all(b.mul(expr.input_("pick", e.axes, e.shape), expr.ref(state.name, e)))
    probe = net.with_eqs({**net.eqs, "Lp": b.reduce(pick, pick.axes)})
    boundaries = [n for n in net.eqs if "[" in n]
    adjoint = graph.grad(reachable(probe, ["Lp", *boundaries]), "Lp", wrt=[state.name])
    chosen = np.zeros((6, 2, *state.shape))
    chosen[t - 1, row].reshape(-1)[unit] = 1.0
    lengths = {a: n for a, n in LENGTHS.items() if a in axes(adjoint)}
    read = {n.attr for n in topological(adjoint.eqs.values()) if n.op == "input"}
    inputs = {n: x for n, x in {**inputs, "pick": chosen}.items() if n in read}
    mark = adjoint.grads[state.name]
    return graph.evaluate(adjoint, params, lengths=lengths, returns=mark, **inputs)[mark][:, row].reshape(6, -1)


@pytest.mark.parametrize(
    "name", ["lstm_packed", "zoneout_lstm", "lstm_bakker", "gru", "jordan", "teacher_forcing", "attention",
             "bidirectional_lstm", "two_lags", "clockwork", "interleaved", "normalised", "hmm"]
)  # fmt: skip
def test_the_derivative_by_the_past_is_that_of_the_reference(name: str) -> None:
    net = expected_masks(cell(name)(**CELLS[name].sizes))
    states = recurrent_states(net)
    params, inputs = given(net)
    for cycle in dict.fromkeys(s.cycle for s in states.values()):
        members = [states[n] for n in cycle]
        part = axes(reachable(net, cycle))
        steps = one_step(net, members, params, "interpret", {a: n for a, n in LENGTHS.items() if a in part}, **inputs)
        for state in members:
            end = int(LENGTHS[state.axis][1])
            own = steps.place[state.name]
            t = end - 1 if state.forward else 2
            expected = row_of_the_reference(net, state, t, 1, state.size - 1)
            found = {s: (logs, blocks) for s, logs, blocks in products(steps, 1, end, np.array([t]), state.forward)}
            assert sorted(found) == list(range(1, end + 1))
            for s, ((log,), (block,)) in found.items():
                row = np.exp(log) * block[own, own][-1]
                np.testing.assert_allclose(row, expected[s - 1], rtol=1e-9, atol=1e-12, err_msg=state.name)


def test_states_are_what_depends_on_itself_at_another_step() -> None:
    net = cell("bidirectional_lstm")(**CELLS["bidirectional_lstm"].sizes)
    found = recurrent_states(net)
    assert {n: (s.axis, s.forward, s.cycle) for n, s in found.items()} == {
        "c": ("t", True, ("c", "h")),
        "h": ("t", True, ("c", "h")),
        "C": ("t", False, ("C", "k")),
        "k": ("t", False, ("C", "k")),
    }
    # read at other steps, but by nothing that they depend on themselves
    delayed = rnn.define("e[t] = U @ x[t]\nh[t] = tanh(e[t-1] + W @ h[t-1])\no[t] = h[t-1]")(x=2, h=3)
    assert list(recurrent_states(delayed)) == ["h"]
    assert recurrent_states(cell("window_lm")(**CELLS["window_lm"].sizes)) == {}


def test_a_state_of_two_indices_is_refused() -> None:
    net = rnn.define("w[t, s] = tanh(w[t-1, s] + e[s])\nL = sum(sum(sum(w[t, s]), over=s), over=t)")(e=2)
    with pytest.raises(graph.CircuitError, match=r"w goes on along t and has the index t, s"):
        recurrent_states(net)


def steady(rate: float, T: int, N: int = 2) -> Steps:
    """Derivatives of one step that multiply by the same number everywhere."""
    eye = np.broadcast_to(np.eye(N), (T, 1, N, N))
    return Steps(np.array(eye), {1: rate * eye}, {"h": slice(0, N)})


@pytest.mark.parametrize("rate", [1e-9, 1e9])
def test_products_neither_vanish_nor_overflow(rate: float) -> None:
    T = 200  # rate**199 is no float
    state = State("h", "t", True, (2,), ("h",))
    found = norms(steady(rate, T), [state], np.array([T]))["h"]
    np.testing.assert_allclose(found.logs[-1], (T - np.arange(1, T + 1)) * np.log(rate), rtol=1e-12)
    distances, logs = found.by_distance()
    np.testing.assert_allclose(logs, distances * np.log(rate), rtol=1e-12)


def test_norms_are_one_for_the_identity_and_stop_at_each_sequences_end() -> None:
    state = State("h", "t", True, (2,), ("h",))
    eye = np.broadcast_to(np.eye(2), (5, 2, 2, 2))
    steps = Steps(np.array(eye), {1: np.array(eye) * [[[[0.5]], [[2.0]]]]}, {"h": slice(0, 2)})
    for norm in ("operator", "frobenius"):
        found = norms(steps, [state], np.array([5, 3]), norm=norm)["h"]
        assert found.targets.tolist() == [1, 2, 3, 4, 5]
        # both sequences up to the third step: the geometric mean of 1/2 and 2 is 1
        np.testing.assert_allclose(np.exp(found.logs[2, :3]), 1.0)
        np.testing.assert_allclose(np.exp(found.logs[4]), 0.5 ** np.arange(4, -1, -1.0))
        assert np.isnan(found.logs[2, 3:]).all()
    with pytest.raises(ValueError, match="targets: expected steps from 1 to 5"):
        norms(steps, [state], np.array([5, 3]), targets=[6])


def test_what_no_lag_reaches_is_zero() -> None:
    state = State("h", "t", True, (1,), ("h",))
    ones = np.ones((5, 1, 1, 1))
    found = norms(Steps(ones, {2: 0.5 * ones}, {"h": slice(0, 1)}), [state], np.array([5]))["h"]
    assert np.exp(found.logs[4]).tolist() == [0.25, 0.0, 0.5, 0.0, 1.0]
    assert np.isnan(found.logs[1, 2:]).all()


def test_a_zero_is_a_zero() -> None:
    found = Norms(State("h", "t", True, (1,), ("h",)), np.array([3]), np.array([[-np.inf, -1.0, 0.0]]))
    distances, logs = found.by_distance()
    assert distances.tolist() == [1, 2]
    assert logs.tolist() == [-1.0, -np.inf]

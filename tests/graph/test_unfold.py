"""Unfolding: the graph that it gives, names, windows, two sequences, unfolded graphs that are differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.graph.expr import ref, topological
from bptt.graph.grad import grad
from bptt.graph.unfold import unfold
from bptt.rnn.cells import CELLS
from derivatives import numbers
from systems import COMPUTED


def elman() -> Circuit:
    return rnn.define("h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = sum(sum(h[t], over=t))")(x=3, h=4)


def test_the_unfolded_graph_as_text() -> None:
    assert str(unfold(elman(), 3)).splitlines() == [
        "h[1] = tanh(U @ x[1])",
        "h[2] = tanh(W @ h[1] + U @ x[2])",
        "h[3] = tanh(W @ h[2] + U @ x[3])",
        "L = sum(h[1] + h[2] + h[3])",
    ]


def test_no_time_is_left() -> None:
    net = grad(CELLS["attention"].cell("attention")(**CELLS["attention"].sizes), "L")
    dag = unfold(net, 3, 2, ragged=True)
    gone = {"delay", "at", "place", "first", "time"}
    for n in topological(dag.eqs.values()):
        assert n.axes in ((), ("b",))
        assert n.op not in gone
    assert {"w[1, 1]", "w[3, 2]", "e[2]", "δe[1]"} <= set(dag.eqs)
    assert "e[3]" not in dag.eqs


def test_where_it_comes_from() -> None:
    net = elman()
    dag = unfold(net, 2)
    assert dag.unfolding is not None
    assert dag.unfolding.circuit is net
    assert dag.unfolding.sizes == {"t": 2}
    assert dag.unfolding.leaves == {"x[1]": ("x", (0,)), "x[2]": ("x", (1,))}
    assert dag.params == net.params
    assert dag.inputs == net.inputs
    assert unfold(grad(net, "L"), 2).grads == {"W": "δW", "U": "δU"}


def test_unfolding_is_the_same_for_the_same_circuit() -> None:
    one, two = unfold(elman(), 4, ragged=True), unfold(elman(), 4, ragged=True)
    assert list(one.eqs) == list(two.eqs)
    assert all(one.eqs[n] is two.eqs[n] for n in one.eqs)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: unfold(elman(), 0), "T is a whole number of steps, at least 1, not 0"),
        (lambda: unfold(unfold(elman(), 2), 2), "unfolded already"),
        (lambda: unfold(elman(), 2, start=0), "steps are counted from 1"),
        (lambda: unfold(rnn.define("k = sum(e[s], over=s)")(e=2), 2), "has a second index, s"),
    ],
)
def test_errors(call: Any, says: str) -> None:
    with pytest.raises(CircuitError, match=says):
        call()


def test_a_window_counts_on() -> None:
    net = rnn.define("h[t] = where(t % 2 == 0, x[t], -x[t])\nh[1] = 7 * x[1]\nm[t] = dropout(x[t], 0.5)", name="w")(x=2)
    x = numbers((6, 2, 2), 1)
    whole = graph.evaluate(net, {}, seed=3, x=x)
    late = graph.evaluate(net, {}, seed=3, start=4, x=x[3:])
    np.testing.assert_array_equal(late["h"], whole["h"][3:])
    np.testing.assert_array_equal(late["m"], whole["m"][3:])
    assert (whole["h"][0] == 7 * x[0]).all()


def values(net: Circuit, T: int = 4, B: int = 2, S: int = 3) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    sizes = {"t": T, "s": S, "b": B}
    params = {n: 0.7 * numbers(shape, i) for i, (n, shape) in enumerate(net.params.items())}
    inputs: dict[str, Any] = {}
    for i, (n, node) in enumerate(net.input_nodes.items()):
        shape = tuple(sizes[a] for a in node.axes)
        symbols = node.dtype == "i"
        inputs[n] = rng.integers(0, net.symbols[n], shape) if symbols else numbers((*shape, *node.shape), 50 + i)
    return params, inputs


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", COMPUTED)
def test_unfolding_and_differentiating_commute(name: str, ragged: bool) -> None:
    """For every cell, gradients and adjoints of the same name."""
    net = CELLS[name].cell(name)(**CELLS[name].sizes)
    if "L" not in net.eqs:
        signal = next(n for n, e in net.eqs.items() if "t" in e.axes and e.shape)
        whole = b.reduce(b.sum_all(b.power(ref(signal, net.eqs[signal]), 2)), ["t"])
        net = net.with_eqs({**net.eqs, "L": whole})
    params, inputs = values(net)
    S = 3 if any("s" in n.axes for n in net.input_nodes.values()) else None
    more: dict[str, Any] = {}
    if ragged:
        more["lengths"] = {"t": np.array([4, 2])} | ({"s": np.array([1, 3])} if S else {})
    one = unfold(grad(net, "L").check(), 4, S, ragged=ragged)
    other = grad(unfold(net, 4, S, ragged=ragged), "L")
    shared = [n for n in other.eqs if n.startswith("δ") and n in one.eqs and "ʹ" not in n]
    assert set(other.grads.values()) <= set(shared)
    if ragged:  # of the padding nothing is said
        shared = [n for n in shared if "[" not in n]
    found = graph.evaluate(one, params, returns=shared, **inputs, **more)
    expected = graph.evaluate(other, params, returns=shared, **inputs, **more)
    for n in shared:
        np.testing.assert_allclose(found[n], expected[n], rtol=1e-9, atol=1e-11, err_msg=n)


@pytest.mark.parametrize("T", [0, 2.5, "a", True])
def test_steps_are_a_whole_number(T: Any) -> None:
    with pytest.raises(CircuitError, match="T is a whole number of steps"):
        unfold(elman(), T)


def test_what_is_no_circuit_has_no_value_and_whole_numbers_are_no_parameters() -> None:
    with pytest.raises(TypeError, match="evaluate takes a circuit"):
        graph.evaluate("x", {})  # type: ignore[arg-type]
    with pytest.raises(CircuitError, match="float32 or float64, not int32"):
        elman().init(dtype="int32")

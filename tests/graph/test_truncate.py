"""The truncated loss is the loss of the counted steps alone, in every form that the language has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph import build
from bptt.graph.carry import states
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.graph.truncate import state_reader, truncate

LOSSES = {
    "mean": "L = mean(cross_entropy(o[t], y[t]), over=t)",
    "sum": "L = sum(cross_entropy(o[t], y[t]), over=t)",
    "mean over the batch": "L = mean(cross_entropy(o[t], y[t]), over=(t, batch))",
    "sum over the batch": "L = sum(nll(softmax(o[t]), y[t]), over=(t, batch))",
    "mse": "L = mean(mse(o[t], z[t]), over=t)",
    "mse over the batch": "L = mean(mse(o[t], z[t]), over=(t, batch))",
    "likelihood": "L = -sum(log(softmax(o[t])[y[t]]), over=t)",
    "two losses": "L = mean(cross_entropy(o[t], y[t]), over=t) + 0.5 * mean(mse(o[t], z[t]), over=t)",
    "two in one": "L = mean(cross_entropy(o[t], y[t]) + mse(o[t], z[t]), over=t)",
    "a signal": "l[t] = cross_entropy(o[t], y[t])\nL = mean(l[t], over=t)",
    "two equations": "l[t] = 0.5 * cross_entropy(o[t], y[t])\nk = mean(l[t], over=t)\nL = k / 2",
    "two means": "L = mean(mean(mse(o[t], z[t]), over=t), over=batch)",
    "the number of steps": "L = sum(mse(o[t], z[t]), over=t) / T",
    "not linear": "k = mean(o[t] * z[t], over=t)\nL = sum(k * k)",
    "a static value": "L = sum(o[t] * v, over=t)[0]",
    "a constant summed": "L = sum(0.5, over=t) * sum(o[T])",
    "the last step": "L = mean(mse(o[t], z[t]), over=t) + dot(o[T], z[T])",
    "only the last step": "L = cross_entropy(o[T], w)",
    "a penalty": "L = mean(mse(o[t], z[t]), over=t) + 0.1 * sum(G * G)",
    "a product over steps": "M = sum(outer(o[t], z[t]), over=t)\nL = sum(M * M)",
}  # fmt: skip
SIZES: dict[str, Any] = {"o": 3, "z": 3, "G": (2, 2), "v": 3, "w": 3}


def net_of(text: str) -> Circuit:
    """Here o and z are inputs: nothing is computed but the loss."""
    names = [n for n in SIZES if any(f"{n}{after}" in text for after in ("[t]", "[T]", " *", ")", ","))]
    static = tuple(n for n in ("v", "w") if f"{n})" in text or f"* {n}" in text)
    return rnn.define(text, inputs=static)(**{n: SIZES[n] for n in names if n in ("o", "z", "G") or n in static})


def data(net: Circuit, T: int, B: int) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(5)
    inputs: dict[str, Any] = {}
    for name, node in net.input_nodes.items():
        shape = tuple({"t": T, "b": B}[a] for a in node.axes)
        low = -1 if name == "y" and "log" not in str(net) else 0  # a missing target's log is -inf
        inputs[name] = rng.integers(low, 3, shape) if node.dtype == "i" else rng.normal(size=shape + node.shape)
    return {n: rng.normal(size=shape) for n, shape in net.params.items()}, inputs


def value_and_gradient(net: Circuit, params: Any, inputs: Any, lengths: Any) -> tuple[Any, Any, dict[str, Any]]:
    adjoint = graph.grad(net, "L", ["o", *net.params])
    names = ["L", *adjoint.grads.values()]
    found = graph.evaluate(adjoint, params, lengths=lengths, returns=names, **inputs)
    grads = {n: found[name] for n, name in adjoint.grads.items()}
    return found["L"], grads.pop("o"), grads


@pytest.mark.parametrize("lengths", [None, [6, 4, 5]])
@pytest.mark.parametrize("form", LOSSES)
def test_the_loss_is_that_of_the_counted_steps_alone(form: str, lengths: list[int] | None) -> None:
    """What went before is cut off: there is no simpler meaning of a window's own loss."""
    T, B, before = 6, 3, 3
    net = net_of(LOSSES[form])
    params, inputs = data(net, T, B)
    timed = {n for n, x in net.input_nodes.items() if "t" in x.axes}
    window = {n: a[before:] if n in timed else a for n, a in inputs.items()}
    shorter = None if lengths is None else [n - before for n in lengths]
    expected = value_and_gradient(net, params, window, shorter)
    selected, counted = truncate(net)
    mark = np.zeros((T, B))
    mark[before:] = 1.0
    found = value_and_gradient(selected, params, inputs | {counted: mark}, lengths)
    np.testing.assert_allclose(found[0], expected[0], 1e-12)
    np.testing.assert_allclose(found[1][before:], expected[1], 1e-12, 1e-14)
    assert (found[1][:before] == 0).all()
    for name, g in expected[2].items():
        np.testing.assert_allclose(found[2][name], g, 1e-12, err_msg=name)


def test_a_product_that_sums_over_steps() -> None:
    """What the language writes as a sum of products, as one node."""
    net = net_of("L = sum(sum(o[t] * z[t]), over=t)")
    o, z = net.input_nodes["o"], net.input_nodes["z"]
    fused = net.with_eqs({"L": build.contract(o, z, "i,i->", ("t",))})
    _, inputs = data(net, 5, 2)
    mark = np.zeros((5, 2))
    mark[2:] = 1.0
    losses = []
    for circuit in (net, fused):
        selected, counted = truncate(circuit)
        losses.append(graph.evaluate(selected, {}, returns="L", **inputs, **{counted: mark})["L"])
    np.testing.assert_allclose(losses[0], (inputs["o"] * inputs["z"])[2:].sum(axis=(0, 2)), 1e-12)
    np.testing.assert_allclose(losses[1], losses[0], 1e-12)


@pytest.mark.parametrize("form", LOSSES)
def test_all_steps_counted_is_the_loss_as_it_was(form: str) -> None:
    net = net_of(LOSSES[form])
    params, inputs = data(net, 4, 2)
    selected, counted = truncate(net)
    whole = graph.evaluate(net, params, returns="L", **inputs)["L"]
    again = graph.evaluate(selected, params, returns="L", **inputs, **{counted: np.ones((4, 2))})["L"]
    np.testing.assert_allclose(again, whole, 1e-12)


def test_it_prints_as_the_selection_that_it_is() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\nL = mean(mse(h[t], y[t]), over=t)")(x=2, h=2)
    selected, counted = truncate(net)
    assert counted == "counted"
    assert str(selected).splitlines()[0] == str(net).splitlines()[0]
    assert "where(counted[t] > 0" in str(selected).splitlines()[1]
    assert rnn.define(str(selected))(x=2, h=2).inputs == selected.inputs


def test_the_input_collides_with_no_name_of_the_network() -> None:
    net = rnn.define("counted[t] = tanh(w * x[t])\nL = mean(counted[t], over=t)")(x=(), w=(), counted=())
    selected, counted = truncate(net)
    assert counted == "countedʹ"
    assert set(selected.inputs) == {"x", "countedʹ"}
    assert state_reader(rnn.define("state[t] = x[t] + state[t-1]\nL = state[T]")(x=()))[1] == "stateʹ"


def test_equations_that_the_loss_does_not_need_stay() -> None:
    text = "h[t] = tanh(W @ h[t-1] + x[t])\nm = mean(h[t], over=t)\nL = mean(mse(h[t], y[t]), over=t)"
    net = rnn.define(text)(x=2, h=2)
    selected, _ = truncate(net)
    assert selected.eqs["m"] is net.eqs["m"]
    assert selected.eqs["h"] is net.eqs["h"]
    assert selected.eqs["L"] is not net.eqs["L"]


def test_a_row_without_a_counted_step_has_a_loss_of_zero() -> None:
    net = net_of(LOSSES["mse"])
    _, inputs = data(net, 4, 2)
    selected, counted = truncate(net)
    mark = np.zeros((4, 2))
    mark[2:, 0] = 1.0
    loss = graph.evaluate(selected, {}, returns="L", **inputs, **{counted: mark})["L"]
    assert loss[0] > 0
    assert loss[1] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k[t] = tanh(W @ k[t+1] + x[t])\nL = mean(mse(k[t], y[t]), over=t)", r"k \(line 1\): it reads the future"),
        ("L = max(sum(x[t]), over=t)", r"L \(line 1\): at each step it reads a sum over t"),
        ("m = mean(x[t], over=t)\nh[t] = x[t] - m\nL = mean(mse(h[t], y[t]), over=t)", r"h \(line 2\): at each step"),
    ],
)
def test_what_cannot_be_cut_names_its_equation(text: str, message: str) -> None:
    net = rnn.define(text)(x=2)
    with pytest.raises(CircuitError, match=message):
        truncate(net)
    with pytest.raises(CircuitError, match=message):
        state_reader(net)


def test_the_reader_of_the_state_carries_what_the_loss_carries() -> None:
    text = """
        x[0] = 1
        h[t] = tanh(W @ h[t-1] + E[x[t-1]] + U @ h[t-3])
        g[t] = tanh(V @ h[t])
        o[t] = Q @ g[t-2] + P @ z[t-1]
        L = mean(cross_entropy(o[t], y[t]), over=t)
    """
    net = rnn.define(text)(x=4, h=3, g=2, z=2, o=3)
    reader, name = state_reader(net)
    alone = graph.circuit.reachable(reader, [name])
    assert states(alone) == states(net) == {"x": 1, "h": 3, "g": 2, "z": 1}
    assert set(alone.eqs) == {"h", "g", name} | {n for n in alone.eqs if "[" in n}

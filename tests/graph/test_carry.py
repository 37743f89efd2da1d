"""State from window to window: what is carried, windows that make up the whole, circuits that cannot be cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.carry import boundary_inputs, carried, final_values, states
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.rnn.cells import CELLS
from derivatives import numbers
from systems import BY_STEPS


def cell(name: str) -> Circuit:
    return CELLS[name].cell(name)(**CELLS[name].sizes)


def test_what_is_carried() -> None:
    assert states(cell("lstm")) == {"h": 1, "c": 1}
    assert states(cell("window_lm")) == {"x": 3}
    assert states(cell("teacher_forcing")) == {"h": 1, "y": 1}
    net = rnn.define("h[t] = tanh(h[t-1] + h[t-3] + x[t-2])\nk[t] = h[t-2]")(x=3)
    assert states(net) == {"h": 3, "x": 2}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("g[t] = tanh(g[t+1] + x[t])", "net cannot be cut into windows: g (line 1): it reads the future, g[t+1]"),
        ("o[t] = x[t]\nh[t] = o[t+2]", "h (line 2): it reads the future, o[t+2]"),
        ("o[t] = tanh(x[t])\nk = sum(o[1])", "k (line 2): it reads the step 1, which only one window has"),
        ("h[t] = h[t-1] + x[t]\nh[1] = x[2]", None),
        ("m = mean(x[t], over=t)\nL = sum(m)\nh[t] = h[t-1] + x[t]", None),
        ("h[t] = h[t-1] + x[t] - mean(x[t], over=t)", "h (line 1): at each step it reads a sum over t"),
        ("h[t] = g[t] * k\ng[t] = x[t]\nk = 2 * m\nm = x[T]", "h (line 1): at each step it reads k, for which all"),
        ("h[t] = x[t] * (t / T)", "h (line 1): at each step it reads T"),
        ("h[0] = x[T]\nh[t] = h[t-1] + x[t]", "h (line 2): at each step it reads h[0]"),
    ],
)
def test_what_cannot_be_cut(text: str, says: str | None) -> None:
    net = rnn.define(text)(x=3)
    if says is None:
        assert states(net) == {"h": 1}, text
        return
    with pytest.raises(CircuitError) as caught:
        states(net)
    assert says in str(caught.value)


def test_a_derivative_by_a_start_cannot_be_cut() -> None:
    net = rnn.define("h[0] = a\nh[t] = x[t]\nk[t] = h[t-1]\nL = sum(k[T])")(x=3)
    with pytest.raises(CircuitError, match=r"δh\[0\]: it reads step 1 of a window"):
        states(graph.grad(net, "L", "a"))


def test_initial_and_final_values_have_names() -> None:
    net = rnn.define("h[0] = a\nh[-1] = 2 * a\nh[t] = tanh(h[t-1] + h[t-2] + x[t])", name="net")(x=3)
    both = carried(net).check()
    assert list(both.eqs) == ["h", "h[T]", "h[T-1]"]
    assert both.inputs == {"x": (3,), "h[0]": (3,), "h[-1]": (3,)}
    assert list(final_values(net).eqs) == ["h[0]", "h[-1]", "h", "h[T]", "h[T-1]"]
    assert list(boundary_inputs(net, ["h[0]"]).eqs) == ["h[-1]", "h"]


def data(net: Circuit, T: int, B: int) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    sizes = {"t": T, "b": B}
    params = {n: 0.7 * numbers(shape, i) for i, (n, shape) in enumerate(net.params.items())}
    inputs: dict[str, Any] = {}
    for i, (n, node) in enumerate(net.input_nodes.items()):
        shape = tuple(sizes[a] for a in node.axes)
        symbols = node.dtype == "i"
        inputs[n] = rng.integers(0, net.symbols[n], shape) if symbols else numbers((*shape, *node.shape), 50 + i)
    return params, inputs


def can_be_cut(name: str) -> bool:
    net = cell(name)
    try:
        return bool(states(net)) and not any("s" in e.axes for e in net.eqs.values())
    except CircuitError:
        return False


@pytest.mark.parametrize("cut", [1, 3, 4])
@pytest.mark.parametrize("name", [n for n in BY_STEPS if can_be_cut(n)])
def test_two_windows_are_one_long_run(name: str, cut: int) -> None:
    """Also of ragged sequences: each hands on the state of its own last step."""
    net, T, B = cell(name), 5, 2
    params, inputs = data(net, T, B)
    signals = [n for n, e in net.eqs.items() if "t" in e.axes]
    whole = graph.evaluate(net, params, returns=signals, **inputs)
    own, given = final_values(net), carried(net)
    initial = [n for n in given.inputs if "[" in n]
    final = {n: f"{n.partition('[')[0]}[T{n.partition('[')[2].rstrip(']')}]".replace("T0", "T") for n in initial}

    def part(lo: int, hi: int) -> dict[str, Any]:
        return {n: v[lo:hi] if "t" in net.input_nodes[n].axes else v for n, v in inputs.items()}

    wanted = [*signals, *final.values()]
    first = graph.evaluate(own, params, returns=wanted, **part(0, cut))
    state = {n: first[f].astype(int) if given.input_nodes[n].dtype == "i" else first[f] for n, f in final.items()}
    second = graph.evaluate(given, params, returns=wanted, start=cut + 1, **part(cut, T), **state)
    for n in signals:
        np.testing.assert_allclose(np.concatenate([first[n], second[n]]), whole[n], rtol=1e-10, atol=1e-13, err_msg=n)
    last = graph.evaluate(own, params, returns=wanted, **inputs)
    for f in final.values():
        np.testing.assert_allclose(second[f], last[f], rtol=1e-10, atol=1e-13, err_msg=f)


def test_final_values_of_sequences_shorter_than_the_lag_reach_the_initial_ones() -> None:
    x, start = np.ones((3, 2, 1)), {f"h[{-j}]": np.full((2, 1), 10.0 * j) for j in range(3)}
    net = carried(rnn.define("h[t] = h[t-1] + x[t] + sum(w * h[t-3])")(x=1))
    found = graph.evaluate(net, {"w": [0.0]}, lengths=np.array([3, 1]), x=x, **start)
    np.testing.assert_array_equal(found["h[T-1]"][:, 0], [2, 0])
    np.testing.assert_array_equal(found["h[T-2]"][:, 0], [1, 10])

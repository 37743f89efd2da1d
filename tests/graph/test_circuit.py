"""Circuits: what they declare, what is no circuit, names, and the equations that a result needs."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph import build as b
from bptt.graph.check import components, find_cycle
from bptt.graph.circuit import Circuit, boundary_name, is_boundary_name, reachable, step_name
from bptt.graph.errors import CircuitError
from bptt.graph.expr import input_, param, ref

ELMAN = """
    h[0] = v                                      # where it starts
    h[t] = tanh(W @ h[t-1] + U @ x[t-2] + b)
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


ATTENTION = """
    e[s] = tanh(e[s-1] + u[s])
    d[0] = e[S]
    w[t, s] = softmax(dot(d[t-1], e[s]), over=s)
    d[t] = sum(w[t, s] * e[s], over=s) + x[t]
"""


def elman() -> Circuit:
    return rnn.define(ELMAN, name="elman", constants=("v",))(x=3, h=4, o=5)


def refuses(text: str, **sizes: int) -> str:
    """What is said where the sizes are bound: what is no circuit is not made."""
    with pytest.raises(CircuitError) as caught:
        rnn.define(text, name="net")(**sizes)
    return str(caught.value)


# ---- what it declares ------------------------------------------------------------------------------
def test_names_and_shapes_per_step() -> None:
    net = elman()
    assert net.params == {"v": (4,), "W": (4, 4), "U": (4, 3), "b": (4,), "V": (5, 4)}
    assert net.inputs == {"x": (3,), "y": ()}
    assert net.symbols == {"y": 5}
    assert net.states == {"h": (4,), "x": (3,)}
    assert net.outputs == {"h": (4,), "o": (5,), "L": ()}
    assert net.constants == {"v"}
    assert list(net.eqs) == ["h[0]", "h", "o", "L"]
    assert net.notes["h[0]"] == "where it starts"
    assert net.check() is net


def test_parameters_are_found_in_equations() -> None:
    net = Circuit({"L": b.dot(param("w", (2,)), param("u", (2,)))}, param_nodes={"z": param("z", ())})
    assert net.params == {"z": (), "w": (2,), "u": (2,)}


# ---- what is no circuit ------------------------------------------------------------------------------
def test_a_loop_without_a_delay_is_printed_equation_by_equation() -> None:
    says = refuses("a[t] = tanh(c[t] + x[t])\nc[t] = W @ a[t]\nd[t] = c[t-1]", x=3)
    assert "net: a loop without a delay: a -> c -> a" in says
    assert "line 1: a[t] = tanh(c[t] + x[t])" in says
    assert "line 2: c[t] = W @ a[t]" in says
    assert "d[t]" not in says
    assert "mend: read one of them at the step before, such as a[t-1]" in says


def test_the_mend_of_a_loop_fits_its_index() -> None:
    assert "such as g[s-1]" in refuses("g[s] = g[s] + x[s]", x=3)
    assert "such as w[t-1, s]" in refuses("w[t, s] = tanh(w[t, s]) + x[s]\nh[t] = sum(w[t, s], over=s)", x=3)


def test_a_value_that_needs_itself() -> None:
    says = refuses("k = 2 * k\nh[t] = k * x[t]", x=3, k=3)
    assert "a loop without a delay: k" in says
    assert "values without an index cannot need each other" in says


def test_a_start_that_needs_the_end() -> None:
    """The initial value is read at the same step as it is needed: no delay is on this way."""
    says = refuses("h[0] = h[T]\nh[t] = tanh(h[t-1] + x[t])", x=3)
    assert "a loop without a delay" in says
    assert "give h[0] by parameters and inputs" in says


def test_a_circuit_of_ones_own_is_looked_at_before_it_is_unfolded() -> None:
    x = input_("x", ("t", "b"), (3,))
    net = Circuit({"h": b.add(b.unary("tanh", ref("h", x)), x)})
    for use in (lambda: graph.unfold(net, 3), lambda: graph.evaluate(net, {}, x=np.zeros((2, 1, 3)))):
        with pytest.raises(CircuitError, match="a loop without a delay: h -> h"):
            use()


@pytest.mark.parametrize(
    ("text", "one", "other"),
    [
        ("h[t] = tanh(h[t-1] + h[t+2] + x[t])", "h[t-1]", "h[t+2]"),
        ("a[t] = c[t-2] + x[t]\nc[t] = tanh(a[t+1])", "c[t-2]", "a[t+1]"),
    ],
)
def test_a_loop_both_ways(text: str, one: str, other: str) -> None:
    says = refuses(text, x=3)
    assert "both the past and the future of each other" in says
    assert f"reads {one}" in says
    assert f"reads {other}" in says


@pytest.mark.parametrize(
    "value", ["m = mean(h[t], over=t)", "m = h[T]", "m = h[1]", "m = max(h[t], over=t)", "m = h[T-1]"]
)
def test_a_value_of_all_steps_in_its_own_loop(value: str) -> None:
    says = refuses(f"h[t] = tanh(h[t-1] + g[t-1])\n{value}\ng[t] = m * x[t]", x=3)
    assert "m needs a value of all steps of t to compute one of them" in says
    assert "line 2" in says


def test_what_is_legal() -> None:
    for text in (
        "h[t] = tanh(h[t-1] + x[t])\ng[t] = tanh(g[t+1] + h[t] + h[t+1] + h[t-2])\nm = mean(g[t], over=t) + h[T]",
        "m = mean(x[t], over=t)\nh[t] = tanh(m + h[t-1])",
        ATTENTION,
    ):
        sizes = {"x": 3} | ({"u": 3} if "u[s]" in text else {})
        rnn.define(text)(**sizes).check()


def test_names_without_an_equation_and_of_another_type() -> None:
    x = input_("x", ("t", "b"), (3,))
    with pytest.raises(CircuitError, match="o reads hidden, which has no equation; there are hiden, o; did you"):
        Circuit({"hiden": x, "o": ref("hidden", x)}).check()
    with pytest.raises(CircuitError, match=r"o reads h as .*but it is"):
        Circuit({"h": b.sum_feature(x), "o": ref("h", x)}).check()
    with pytest.raises(CircuitError, match="x has an equation and is an input"):
        Circuit({"x": x}).check()


def test_check_is_iterative() -> None:
    """Five thousand equations in a chain do not exhaust the stack."""
    x = input_("x", ("t", "b"))
    eqs = {"a0": x} | {f"a{i}": b.add(ref(f"a{i - 1}", x), 1.0) for i in range(1, 5000)}
    Circuit(eqs).check()
    assert len(components({"a": ["b"], "b": ["c"], "c": ["b"], "d": []})) == 3
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c"]


# ---- names -------------------------------------------------------------------------------------------
def test_names_of_steps_and_of_boundary_values() -> None:
    x, w = input_("x", ("t", "b")), input_("w", ("t", "s", "b"))
    assert step_name("h", {"t": 3}) == "h[3]"
    assert step_name("w", {"t": 3, "s": 2}) == "w[3, 2]"
    assert step_name("w[0, s]", {"s": 2}) == "w[0, 2]"
    assert step_name("L", {}) == "L"
    assert boundary_name(x, "t", 2, 1) == "x[-1]"
    assert boundary_name(x, "t", -2, 1) == "x[T+2]"
    assert boundary_name(w, "t", 1, 0) == "w[0, s]"
    assert [n for n in ("h[0]", "h[-1]", "h[T+1]", "h[1]", "h", "h[T]", "h[T-1]", "w[0, s]", "w[t, S+1]")
            if is_boundary_name(n)] == ["h[0]", "h[-1]", "h[T+1]", "w[0, s]", "w[t, S+1]"]  # fmt: skip


def test_reachable_keeps_a_symbol_before_the_start() -> None:
    """It is a number where it is read: the part is printed with it, and computed by it."""
    net = rnn.define("y[0] = 2\nz[0] = 1\nh[t] = E[y[t-1]]\no[t] = E[z[t-1]]")(E=(3, 4))
    part = reachable(net, ["h"])
    assert list(part.eqs) == ["y[0]", "h"]
    assert str(part).startswith("y[0] = 2\n")
    E = np.arange(12.0).reshape(3, 4)
    out = compiler.compile(part, returns=("h",), target="interpret", dtype="float64")({"E": E}, y=np.zeros((2, 1), int))
    np.testing.assert_array_equal(out.value["h"][:, 0], E[[2, 0]])


def test_reachable() -> None:
    net = elman()
    assert list(reachable(net, ["h"]).eqs) == ["h[0]", "h"]
    assert reachable(net, ["h"]).params == net.params
    with pytest.raises(CircuitError, match="no equation q"):
        reachable(net, ["q"])


def test_a_circuit_prints_as_its_text() -> None:
    assert "h[t] = tanh(W @ h[t-1] + U @ x[t-2] + b)" in str(elman())
    assert repr(elman()) == "<circuit elman: 4 equations, 5 parameters>"
    assert graph.text(elman()) == str(elman())

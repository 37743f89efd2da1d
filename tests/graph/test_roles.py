"""Roles: which names are signals, inputs, parameters and symbols, and over what their values vary."""

from __future__ import annotations

import numpy as np
from bptt.graph import evaluate
from bptt.rnn import define

rng = np.random.default_rng(0)


def test_roles_are_inferred_in_the_order_of_the_text() -> None:
    text = """
        h[0] = tanh(M @ v)              # from an image
        h[t] = tanh(W @ h[t-1] + E[z[t]] + A @ v + b)
        z[0] = 0
        o[t] = V @ h[t] + C @ h[t]
        L = mean(cross_entropy(o[t], y[t]), over=t)
    """
    cell = define(text, inputs=("v",), constants=("C",), init={"b": 1.0}, name="caption")
    assert cell.inputs == ("z", "y", "v")
    assert cell.parameters == ("M", "W", "E", "A", "b", "V", "C")
    assert cell.signals == ("h", "o", "L")
    net = cell(v=3, h=4, z=6, o=5)
    assert net.name == "caption"
    assert net.params["E"] == (6, 4)
    assert net.inputs == {"z": (), "y": (), "v": (3,)}
    assert net.symbols == {"z": 6, "y": 5}
    assert net.constants == {"C"}
    assert net.init_rules == {"b": 1.0}
    assert list(net.eqs) == ["z[0]", "h[0]", "h", "o", "L"]
    assert net.notes == {"h[0]": "from an image"}
    assert net.lines == {"h[0]": 2, "h": 3, "z[0]": 4, "o": 5, "L": 6}
    assert net.eqs["L"].axes == ("b",)
    assert net.eqs["h"].axes == ("t", "b")


def test_values_vary_over_the_batch_only_where_something_in_them_does() -> None:
    net = define("c = 2 * a\nb = c + v\nd = b * a\nh[t] = d * x[t]", inputs="v")(x=3, a=(), v=())
    assert [net.eqs[n].axes for n in "cbd"] == [(), ("b",), ("b",)]


def test_symbols_flow_through_names() -> None:
    text = """
        k[0] = 1
        k[t] = where(t == 1, z[t], argmax(o[t-1]))      # what was said before
        o[t] = V @ E[k[t]] + R[k[t-1]]
    """
    net = define(text)(o=4, E=(4, 2)).check()
    assert net.symbols == {"z": 4}
    assert net.eqs["k"].dtype == "i"
    z = np.full((3, 1), 2)
    given = {"E": rng.normal(size=(4, 2)), "V": rng.normal(size=(4, 2)), "R": rng.normal(size=(4, 4))}
    found = evaluate(net, given, z=z)
    k, before = 2, 1
    for i in range(3):
        o = given["V"] @ given["E"][k] + given["R"][before]
        np.testing.assert_allclose(found["o"][i, 0], o)
        assert found["k"][i, 0] == k
        k, before = int(o.argmax()), k


def test_a_symbol_may_start_from_one_that_is_given() -> None:
    net = define("k[0] = first\no[t] = E[k[t-1]] + E[k[t]]")(E=(4, 2)).check()
    assert net.symbols == {"k": 4, "first": 4}
    assert net.input_nodes["first"].axes == ("b",)


def test_opaque_functions_are_written_and_have_no_value() -> None:
    net = define("s[t] = f(s[t-1], x[t])\ny[t] = O(s[t])", opaque=("f", "O"))()
    assert str(net) == "s[t] = f(s[t-1], x[t])\ny[t] = O(s[t])"
    assert net.eqs["s"].op == "opaque"

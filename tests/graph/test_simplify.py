"""Rewrites, each by the graph that it gives, and all of them by values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.graph.expr import input_, param, ref, topological
from bptt.graph.grad import grad
from bptt.graph.simplify import canonical, expected_masks, simplify
from derivatives import numbers

PACKED = """
    z[t] = W @ concat(h[t-1], x[t]) + b
    i[t], f[t], g[t], q[t] = split(z[t], 4)
    c[t] = sigmoid(f[t]) * c[t-1] + sigmoid(i[t]) * tanh(g[t])
    h[t] = sigmoid(q[t]) * tanh(c[t])
    L = sum(h[T])
"""
X = input_("x", ("t", "b"), (4,))
Y = input_("y", ("t", "b"), (), "i")


def lines(net: Circuit) -> list[str]:
    return str(net).splitlines()


def defined(text: str, *names: str, **sizes: Any) -> Circuit:
    return simplify(rnn.define(text)(**sizes), names or None)


def one(e: graph.Node) -> graph.Node:
    """An expression simplified alone."""
    return simplify(Circuit({"e": e}), ["e"]).eqs["e"]


# ---- rule by rule --------------------------------------------------------------------------------
def test_the_loss_of_a_softmax_is_the_cross_entropy() -> None:
    found = defined("o[t] = V @ x[t]\np[t] = softmax(o[t])\nL = sum(nll(p[t], y[t]), over=t)", "L", x=3, o=5)
    assert lines(found) == ["o[t] = V @ x[t]", "L = sum(cross_entropy(o[t], y[t]), over=t)"]


def test_slices_of_a_concat_are_its_parts() -> None:
    y = input_("z", ("t", "b"), (3,))
    whole = b.concat(X, y)
    assert one(b.slice_(whole, 0, 0, 4)) is X
    assert one(b.slice_(whole, 0, 5, 7)) is b.slice_(y, 0, 1, 3)
    assert one(b.slice_(whole, 0, 3, 5)) is b.concat(b.slice_(X, 0, 3, 4), b.slice_(y, 0, 0, 1))


def test_slices_of_what_was_placed() -> None:
    placed = b.unslice(X, 0, 2, 8)
    assert one(b.slice_(placed, 0, 2, 6)) is X
    assert b.is_constant(one(b.slice_(placed, 0, 6, 8)), 0.0)
    assert one(b.slice_(placed, 0, 1, 4)) is b.unslice(b.slice_(X, 0, 0, 2), 0, 1, 3)


def test_slices_of_repetitions() -> None:
    assert one(b.slice_(b.repeat(X, 0, 3), 1, 1, 3)) is b.repeat(b.slice_(X, 0, 1, 3), 0, 3)
    assert one(b.slice_(b.repeat(X, 0, 3), 0, 1, 3)) is b.repeat(X, 0, 2)


def test_slices_of_products_are_products_with_rows() -> None:
    W = param("W", (6, 4))
    found = one(b.slice_(b.unary("tanh", b.add(b.matmul(W, X), param("b", (6,)))), 0, 2, 4))
    rows = b.matmul(b.slice_(W, 0, 2, 4), X)
    assert found is b.unary("tanh", b.add(rows, b.slice_(param("b", (6,)), 0, 2, 4)))


def test_slices_stay_where_the_whole_is_read_too() -> None:
    """A normalised vector needs all its elements: slices of it do not compute it again."""
    net = rnn.define("a[t], c[t] = split(layer_norm(W @ x[t]), 2)\nL = sum(a[T]) * sum(c[T])")(x=3, W=(4, 3))
    products = [n for n in topological(simplify(net, ["L"]).eqs.values()) if n.op == "contract"]
    assert len(products) == 1
    wanted = rnn.define("z[t] = W @ x[t]\na[t], c[t] = split(z[t], 2)")(x=3, a=2)
    assert lines(simplify(wanted, ["a", "c", "z"]))[0] == "z[t] = W @ x[t]"


def test_products_with_a_concat_are_a_sum() -> None:
    W, y = param("W", (2, 7)), input_("z", ("t", "b"), (3,))
    found = one(b.matmul(W, b.concat(X, y)))
    assert found is b.add(b.matmul(b.slice_(W, 1, 0, 4), X), b.matmul(b.slice_(W, 1, 4, 7), y))
    V = param("V", (7, 2))
    found = one(b.matmul(b.concat(X, y), V))
    assert found is b.add(b.matmul(X, b.slice_(V, 0, 0, 4)), b.matmul(y, b.slice_(V, 0, 4, 7)))


def test_products_with_what_was_placed() -> None:
    W = param("W", (2, 7))
    assert one(b.matmul(W, b.unslice(X, 0, 1, 7))) is b.matmul(b.slice_(W, 1, 1, 5), X)


def test_numbers_at_a_place() -> None:
    g = input_("g", ("t", "b"))
    assert one(b.mul(b.onehot(Y, 5), b.repeat(g, 0, 5))) is b.put(g, Y, 5)


def test_zero_equations_disappear() -> None:
    found = defined("k[t] = 0 * x[t]\nm[t] = k[t-1] * x[t]\nh[t] = tanh(x[t]) + m[t-1] + k[t+1]", "h", x=3)
    assert lines(found) == ["h[t] = tanh(x[t])"]
    found = defined("k[t] = 0 * x[t]\nk[0] = v\nh[t] = x[t] + k[t-1]", "h", x=3)
    assert "k[0]" in found.eqs, "its value before the start is not zero"


# ---- a cell with one matrix ----------------------------------------------------------------------
def test_a_packed_cell_has_the_products_of_one_with_eight_matrices() -> None:
    net = rnn.define(PACKED)(x=3, h=4)
    found = simplify(net, ["L"]).check()
    assert "z" not in found.eqs
    products = [n for n in topological(found.eqs.values()) if n.op == "contract"]
    assert len(products) == 8
    assert all(n.args[0].op == "slice" and n.args[1].op in ("delay", "input") for n in products)
    x = numbers((3, 2, 3), 1)
    params = {n: numbers(s, i) for i, (n, s) in enumerate(net.params.items())}
    before, after = (graph.evaluate(n, params, x=x, returns="L")["L"] for n in (net, found))
    np.testing.assert_allclose(after, before, rtol=1e-12)


def test_the_adjoint_of_slices_is_whole() -> None:
    """Without any rewriting: parts that make up a vector are a concat."""
    adjoint = lines(grad(rnn.define(PACKED)(x=3, h=4), "L"))
    assert "δz[t] = concat(δi[t], δf[t], δg[t], δq[t])" in adjoint


# ---- passes ----------------------------------------------------------------------------------------
def test_what_is_not_needed_is_dropped_but_stays_declared() -> None:
    net = rnn.define("h[t] = tanh(U @ x[t])\nk[t] = W @ h[t]\nL = sum(h[T])")(x=3, h=4, k=2)
    found = simplify(net, ["L"])
    assert list(found.eqs) == ["h", "L"]
    assert found.params == net.params
    with pytest.raises(CircuitError, match="no equation M"):
        simplify(net, ["M"])


def test_simplifying_twice_changes_nothing() -> None:
    for net in (rnn.define(PACKED)(x=3, h=4), grad(rnn.define(PACKED)(x=3, h=4), "L")):
        first = simplify(net)
        second = simplify(first)
        assert all(first.eqs[n] is second.eqs[n] for n in first.eqs)


def test_opaque_equations_stay() -> None:
    """To differentiate by p, what reads p has to go on reading it."""
    net = rnn.define("p[t] = softmax(V @ x[t])\nL = sum(nll(p[t], y[t]), over=t)")(x=3, p=5)
    assert "p" not in simplify(net, ["L"]).eqs
    kept = simplify(net, ["L"], opaque=["p"])
    assert "nll(p[t], y[t])" in str(kept)


def test_canonical_order_does_not_depend_on_that_of_the_text() -> None:
    text = [
        "a[t] = W @ h[t-1] + U @ x[t]",
        "h[t] = tanh(a[t])",
        "o[t] = V @ h[t]",
        "L = mean(cross_entropy(o[t], y[t]), over=t)",
    ]
    sizes = {"x": 3, "h": 4, "o": 5}
    orders = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        net = rnn.define("\n".join(text[i] for i in order))(**sizes)
        orders.append(list(canonical(net, ["L"]).eqs.items()))
    assert orders[0] == orders[1] == orders[2]
    renamed = rnn.define("\n".join(text).replace("h[", "state[").replace("a[", "zeta["))(x=3, state=4, o=5)
    assert [n for n, _ in orders[0]] == ["a", "h", "o", "L"]
    assert list(canonical(renamed, ["L"]).eqs) == ["zeta", "state", "o", "L"]


def test_canonical_keeps_what_is_not_asked_for() -> None:
    net = rnn.define("k[t] = 2 * x[t]\nh[t] = x[t]\nL = sum(h[T])")(x=3)
    assert list(canonical(net, ["L"]).eqs) == ["h", "L", "k"]


def test_masks_become_their_mean() -> None:
    net = rnn.define("h[t] = dropout(tanh(x[t]), 0.3)\ng[t] = zoneout(tanh(x[t] + g[t-1]), g[t-1], 0.1)")(x=3)
    found = expected_masks(net)
    assert not [n for n in topological(found.eqs.values()) if n.op == "mask"]
    assert lines(found)[0] == "h[t] = tanh(x[t])"
    assert expected_masks(found) is found


def test_a_reference_to_itself_is_not_followed_for_ever() -> None:
    s = ref("s", X)
    net = Circuit({"s": b.add(b.delay(s, "t", 1, [0.0]), X), "e": b.slice_(s, 0, 0, 2)})
    assert simplify(net, ["e"]).eqs["e"] is b.slice_(s, 0, 0, 2)

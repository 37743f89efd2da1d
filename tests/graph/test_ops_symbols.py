"""Symbols: rows, elements and losses; a symbol below zero is none; derivatives to second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, const, input_, param
from bptt.graph.grad import grad
from derivatives import check_derivatives, numbers

I = input_("i", ("t", "b"), (), "i")  # noqa: E741
J = input_("j", ("t", "b"), (), "i")
X = input_("x", ("t", "b"), (4,))
E, A, P = param("pE", (4, 3)), param("pA", (4, 3, 2)), param("pv", (4,))
SYMBOLS: dict[str, Any] = {"i": np.array([[0, 3], [2, -1], [2, 2]]), "j": np.array([[1, 0], [2, 0], [-1, 1]])}


def logits() -> Node:
    return b.mul(P, X)


CASES: dict[str, Node] = {
    "take": b.power(b.take(E, I), 2),
    "take of two": b.power(b.take(A, I, J), 2),
    "take of a table that varies": b.power(b.take(b.mul(P, X), I), 2),
    "take of a column": b.power(b.take(b.transpose(b.mul(E, E)), J), 2),
    "scatter": b.power(b.scatter(logits(), (4,), (J,), ("t", "b")), 2),
    "scatter by row": b.power(b.scatter(b.power(logits(), 2), (4,), (J,), ()), 2),
    "pick": b.power(b.pick(logits(), I), 2),
    "put": b.power(b.put(b.power(b.sum_feature(logits()), 2), I, 4), 2),
    "cross_entropy": b.cross_entropy(logits(), I),
    "nll": b.nll(b.div(b.unary("exp", logits()), 9.0), I),
    "minus_onehot": b.power(b.minus_onehot(logits(), I), 3),
}


def case(name: str) -> tuple[Circuit, dict[str, Any]]:
    e = CASES[name]
    total = b.reduce(b.sum_all(e), [a for a in e.axes if a != "b"])
    net = Circuit({"L": total}, symbols={"i": 4, "j": 4 if "scatter" in name else 3})
    values = {"x": numbers((3, 2, 4), 1), **SYMBOLS}
    return net, values | {n: numbers(p.shape, k) for k, (n, p) in enumerate(net.param_nodes.items())}


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    net, values = case(name)
    net.symbols.clear()  # -1 everywhere is meant here
    check_derivatives(net, values)


def evaluated(e: Node, **values: Any) -> Any:
    net = Circuit({"e": e})
    params = {n: values.pop(n) for n in net.params}
    return graph.evaluate(net, params, **{n: values[n] for n in net.inputs})["e"]


def test_rows_of_tables() -> None:
    table, two = numbers((4, 3), 1), numbers((4, 3, 2), 2)
    found = evaluated(b.take(E, I), pE=table, **SYMBOLS)
    np.testing.assert_array_equal(found[0], table[[0, 3]])
    np.testing.assert_array_equal(found[1], [table[2], np.zeros(3)])
    found = evaluated(b.take(A, I, J), pA=two, **SYMBOLS)
    np.testing.assert_array_equal(found[0], [two[0, 1], two[3, 0]])
    np.testing.assert_array_equal(found[2], [np.zeros(2), two[2, 1]])
    assert evaluated(b.take(E, const(2, "i")), pE=table).tolist() == table[2].tolist()


def test_scatter_adds_what_goes_to_the_same_row() -> None:
    x = numbers((3, 2, 4), 3)
    found = evaluated(b.scatter(X, (4,), (I,), ("t", "b")), x=x, **SYMBOLS)
    expected = np.zeros((4, 4))
    for t, r in np.ndindex(3, 2):
        if SYMBOLS["i"][t, r] >= 0:
            expected[SYMBOLS["i"][t, r]] += x[t, r]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_elements() -> None:
    x = numbers((3, 2, 4), 3)
    found = evaluated(b.pick(X, I), x=x, **SYMBOLS)
    np.testing.assert_array_equal(found, [[x[0, 0, 0], x[0, 1, 3]], [x[1, 0, 2], 0], [x[2, 0, 2], x[2, 1, 2]]])
    onehot = evaluated(b.onehot(I, 4), **SYMBOLS)
    np.testing.assert_array_equal(onehot[1], [[0, 0, 1, 0], [0, 0, 0, 0]])


def test_losses() -> None:
    x = numbers((3, 2, 4), 3)
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    expected = -np.log(np.take_along_axis(p, np.maximum(SYMBOLS["i"], 0)[..., None], -1)[..., 0])
    expected[SYMBOLS["i"] < 0] = 0
    np.testing.assert_allclose(evaluated(b.cross_entropy(X, I), x=x, **SYMBOLS), expected, rtol=1e-13)
    np.testing.assert_allclose(evaluated(b.nll(X, I), x=p, **SYMBOLS), expected, rtol=1e-13)
    difference = evaluated(b.minus_onehot(X, I), x=p, **SYMBOLS)
    np.testing.assert_allclose(difference[0, 1], p[0, 1] - [0, 0, 0, 1], rtol=1e-15)
    assert not difference[1, 1].any()


def test_a_far_wrong_logit_has_a_finite_loss() -> None:
    assert evaluated(b.cross_entropy(param("o", (2,)), const(1, "i")), o=[1e4, -1e4]) == 2e4


def test_the_loss_of_a_softmax_is_the_cross_entropy() -> None:
    assert b.nll(b.softmax(X), I) is b.cross_entropy(X, I)


def test_a_table_that_is_not_read_has_no_gradient() -> None:
    e = b.reduce(b.sum_feature(b.take(E, I)), ["t"])
    adjoint = grad(Circuit({"L": e}), "L")
    found = graph.evaluate(adjoint, {"pE": np.zeros((4, 3))}, i=SYMBOLS["i"])["δpE"]
    np.testing.assert_array_equal(found[:, 0], [0.5, 0, 1.5, 0.5])


def test_types_are_checked() -> None:
    with pytest.raises(TypeError, match="a symbol is needed as an index"):
        b.take(E, X)
    with pytest.raises(TypeError, match="3 indices for a table"):
        b.take(E, I, J, I)
    with pytest.raises(TypeError, match="picks from a vector"):
        b.pick(b.sum_feature(X), I)
    with pytest.raises(TypeError, match="a target is one symbol"):
        b.cross_entropy(E, const(1, "i"))

"""Pointwise operations: values against arbitrary precision, derivatives to second order, kinks as stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, const, input_, make, param
from bptt.graph.grad import grad
from bptt.graph.ops.table import TABLE, load_entries
from derivatives import check_derivatives, loss_of

load_entries("add")


def value(op: str, *xs: Any, attr: Any = None) -> Any:
    arrays = [np.asarray(x, dtype=float) for x in xs]
    meaning = TABLE[op].meaning
    assert meaning is not None
    return meaning(attr, [False] * len(arrays), *arrays)


EXACT: dict[str, Callable[[Any], Any]] = {
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "exp": mpmath.exp,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "abs": abs,
    "floor": mpmath.floor,
    "sign": mpmath.sign,
}


@pytest.mark.parametrize("op", EXACT)
def test_values_are_those_of_arbitrary_precision(op: str) -> None:
    """Also far out in the tails, where a careless formula overflows or loses all digits."""
    xs = [1e-9, 0.3, 1.0, 2.5, 30.0, 600.0]
    xs += [] if op in ("log", "sqrt") else [-x for x in xs]
    with mpmath.workdps(400):
        expected = [float(EXACT[op](mpmath.mpf(x))) for x in xs]
    np.testing.assert_allclose(value(op, xs), expected, rtol=4e-15, atol=0)


def test_values_of_two_operands() -> None:
    x, y = [3.0, -2.0, 1.0, -700.0], [2.0, -3.0, 1.0, 700.0]
    np.testing.assert_array_equal(value("maximum", x, y), [3, -2, 1, 700])
    np.testing.assert_array_equal(value("minimum", x, y), [2, -3, 1, -700])
    np.testing.assert_array_equal(value("mod", [5.5, -5.5, 5.5], [2, 2, -2]), [1.5, 0.5, -0.5])
    with mpmath.workdps(400):
        expected = [float(mpmath.log(mpmath.exp(p) + mpmath.exp(q))) for p, q in zip(x, y, strict=True)]
    np.testing.assert_allclose(value("logaddexp", x, y), expected, rtol=1e-15)
    np.testing.assert_allclose(value("power", [2.0, 3.0], attr=-1.5), [2**-1.5, 3**-1.5], rtol=1e-15)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [("==", [0, 1, 0]), ("!=", [1, 0, 1]), ("<", [1, 0, 0]), ("<=", [1, 1, 0]), (">", [0, 0, 1]), (">=", [0, 1, 1])],
)
def test_comparisons(relation: str, expected: list[int]) -> None:
    np.testing.assert_array_equal(value("compare", [1, 2, 3], [2, 2, 2], attr=relation), np.array(expected, bool))


def test_where_selects_so_that_a_nan_is_harmless() -> None:
    np.testing.assert_array_equal(np.where([True, False], value("where", [1, 0], [1, 2], [np.nan, 3]), 0), [1, 0])


@pytest.mark.parametrize("op", ["maximum", "minimum", "relu", "step"])
def test_nan_is_passed_on(op: str) -> None:
    args = ([np.nan, 1.0], [1.0, np.nan]) if op in ("maximum", "minimum") else ([np.nan, np.nan],)
    assert np.isnan(value(op, *args)).all()


UNARY = ["tanh", "sigmoid", "relu", "exp", "log", "sin", "cos", "sqrt", "abs", "softplus", "copy"]


@pytest.mark.parametrize("op", UNARY)
def test_derivatives_of_functions(op: str) -> None:
    check_derivatives(*loss_of(lambda x: make(op, (x,)), [(3,)], positive=op in ("log", "sqrt")))


TWO: dict[str, Callable[[Node, Node], Node]] = {
    "add": lambda x, y: b.add(x, y, x),
    "mul": b.mul,
    "div": b.div,
    "sub": b.sub,
    "maximum": b.maximum,
    "minimum": b.minimum,
    "logaddexp": b.logaddexp,
    "mod": b.mod,
    "where": lambda x, y: b.where(b.compare("<", x, y), b.mul(x, x), b.mul(x, y)),
}


@pytest.mark.parametrize("op", TWO)
def test_derivatives_of_two_operands(op: str) -> None:
    check_derivatives(*loss_of(TWO[op], [(3,), (3,)]))


@pytest.mark.parametrize("p", [2.0, 3.0, -1.0, 0.5, -1.5])
def test_derivatives_of_powers(p: float) -> None:
    check_derivatives(*loss_of(lambda x: b.power(x, p), [(2, 2)], positive=True))


def derivative(make: Callable[[Node], Node], x: float) -> float:
    """The derivative at a point, by reverse mode."""
    net = grad(Circuit({"L": make(param("p", ()))}), "L", "p")
    return float(graph.evaluate(net, {"p": x})[net.grads["p"]])


KINKS: dict[str, tuple[Callable[[Node], Node], float, float]] = {
    "relu": (lambda x: b.unary("relu", x), 0.0, 0.0),
    "abs": (lambda x: b.unary("abs", x), 0.0, 0.0),
    "sqrt": (lambda x: b.unary("sqrt", x), 0.0, 0.0),
    "step": (lambda x: b.unary("step", x), 0.0, 0.0),
    "sign": (lambda x: b.unary("sign", x), 0.0, 0.0),
    "floor": (lambda x: b.unary("floor", x), 1.0, 0.0),
    "stop_gradient": (b.stop_gradient, 2.0, 0.0),
    "a tie of maximum, first": (lambda x: b.maximum(x, 2.0), 2.0, 1.0),
    "a tie of maximum, second": (lambda x: b.maximum(2.0, x), 2.0, 0.0),
    "a tie of minimum, first": (lambda x: b.minimum(x, 2.0), 2.0, 1.0),
    "a tie of minimum, second": (lambda x: b.minimum(2.0, x), 2.0, 0.0),
    "a % b by a": (lambda x: b.mod(x, 2.0), 5.5, 1.0),
    "a % b by b": (lambda x: b.mod(-5.5, x), 2.0, 3.0),
    "a square at zero": (lambda x: b.power(x, 2.0), 0.0, 0.0),
}


@pytest.mark.parametrize("case", KINKS)
def test_kinks(case: str) -> None:
    make_it, x, expected = KINKS[case]
    assert derivative(make_it, x) == expected


def test_step_of_zero_is_zero() -> None:
    assert value("step", 0.0) == 0.0
    assert value("relu", 0.0) == 0.0


def test_types_are_checked() -> None:
    x, y = input_("x", ("t", "b"), (3,)), input_("y", ("t", "b"), (4,))
    with pytest.raises(TypeError, match=r"\(4,\)|operands of one type|only scalars broadcast"):
        b.add(x, y)
    with pytest.raises(TypeError, match="where needs a comparison"):
        make("where", (x, x, x))


# ---- constructors fold and align -------------------------------------------------------------------
def test_zeros_and_ones_fold() -> None:
    x = input_("x", ("t", "b"), (3,))
    assert b.add(x, 0.0) is x
    assert b.mul(x, 1.0) is x
    assert b.is_constant(b.mul(x, 0.0), 0.0)
    assert b.neg(b.neg(x)) is x
    assert b.mul(x, -1.0) is b.neg(x)
    assert b.div(x, 1.0) is x
    assert b.power(x, 1) is x
    assert b.is_constant(b.power(x, 0), 1.0)
    assert b.is_constant(b.div(0.0, x), 0.0)
    assert b.add(b.add(x, 1.0), 2.0) is b.add(x, 3.0)


def test_one_node_for_equal_expressions() -> None:
    x, y = param("x", (3,)), param("y", (3,))
    assert b.add(x, y) is b.add(x, y)
    assert b.add(x, y) is not b.add(y, x)
    assert const(0.0) is not const(-0.0)
    assert const(1.0) is not const(1, "i")


def test_what_does_not_vary_is_computed_once() -> None:
    """Pointwise operations on repeated operands are repeated results."""
    w, x = param("w", (3,)), input_("x", ("t", "b"), (3,))
    e = b.mul(b.expand(w, ("t", "b")), b.unary("tanh", b.expand(w, ("t", "b"))))
    assert e.op == "expand"
    assert e.args[0].axes == ()
    assert b.add(w, x).axes == ("t", "b")


def test_a_scalar_is_repeated_over_features_and_nothing_else_broadcasts() -> None:
    x = input_("x", ("t", "b"), (2, 3))
    assert b.mul(param("a", ()), x).shape == (2, 3)
    with pytest.raises(TypeError, match="only scalars broadcast"):
        b.mul(param("a", (3,)), x)

"""Operations along feature axes: values against NumPy's, derivatives to second order, what the constructors fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.graph.expr import Node, input_, make, param
from bptt.graph.grad import grad
from derivatives import check_derivatives, given, loss_of, numbers

Case = tuple[Callable[..., Node], Sequence[Sequence[int]]]

CASES: dict[str, Case] = {
    "repeat in front": (lambda x: b.repeat(x, 0, 4), [(3,)]),
    "repeat behind": (lambda x: b.repeat(x, -1, 4), [(3,)]),
    "repeat in the middle": (lambda x: b.repeat(x, 1, 4), [(3, 2)]),
    "sum of the last": (lambda x: b.sum_feature(b.mul(x, x)), [(2, 3)]),
    "sum of the first": (lambda x: b.sum_feature(b.mul(x, x), 0), [(2, 3)]),
    "transpose": (lambda x: b.mul(b.transpose(x), b.transpose(x)), [(2, 3)]),
    "transpose of three": (b.transpose, [(2, 3, 4)]),
    "concat": (lambda x, y: b.power(b.concat(x, y, x), 2), [(2,), (3,)]),
    "concat of columns": (lambda x, y: b.concat(x, y, axis=1), [(2, 1), (2, 3)]),
    "slice": (lambda x: b.power(b.slice_(x, 0, 1, 3), 2), [(4,)]),
    "slice of columns": (lambda x: b.slice_(x, 1, 0, 2), [(2, 3)]),
    "unslice": (lambda x: b.unslice(b.mul(x, x), 0, 1, 5), [(2,)]),
    "cumsum": (lambda x: b.cumsum(b.mul(x, x)), [(4,)]),
    "cumsum from the end": (lambda x: b.cumsum(b.mul(x, x), True), [(2, 4)]),
    "softmax": (b.softmax, [(4,)]),
    "softmax of rows": (b.softmax, [(2, 3)]),
    "logsumexp": (b.logsumexp, [(4,)]),
    "logsumexp of rows": (b.logsumexp, [(2, 3)]),
    "max": (lambda x: b.power(b.max_last(x), 2), [(4,)]),
    "max of rows": (b.max_last, [(2, 3)]),
    "matrix and vector": (lambda x, y: b.matmul(x, y), [(2, 3), (3,)]),
    "vector and matrix": (lambda x, y: b.matmul(x, y), [(2,), (2, 3)]),
    "two matrices": (lambda x, y: b.matmul(x, y), [(2, 3), (3, 4)]),
    "a transposed matrix": (lambda x, y: b.matmul(b.transpose(x), y), [(3, 2), (3,)]),
    "dot": (b.dot, [(3,), (3,)]),
    "dot of matrices": (b.dot, [(2, 3), (2, 3)]),
    "outer": (b.outer, [(2,), (3,)]),
    "any product": (lambda x, y: b.contract(x, y, "ijk,kl->lij"), [(2, 3, 2), (2, 3)]),
    "a product that only multiplies": (lambda x, y: b.contract(x, y, "ij,j->ij"), [(2, 3), (3,)]),
}


@pytest.mark.parametrize("case", CASES)
def test_derivatives(case: str) -> None:
    make_it, shapes = CASES[case]
    check_derivatives(*loss_of(make_it, shapes))


VALUES: dict[str, Callable[..., Any]] = {
    "repeat in front": lambda x: np.stack([x] * 4, 0),
    "repeat behind": lambda x: np.stack([x] * 4, -1),
    "repeat in the middle": lambda x: np.stack([x] * 4, 1),
    "sum of the last": lambda x: (x * x).sum(-1),
    "sum of the first": lambda x: (x * x).sum(0),
    "transpose of three": lambda x: x.transpose(2, 1, 0),
    "concat": lambda x, y: np.concatenate([x, y, x]) ** 2,
    "concat of columns": lambda x, y: np.hstack([x, y]),
    "slice": lambda x: x[1:3] ** 2,
    "slice of columns": lambda x: x[:, :2],
    "unslice": lambda x: np.pad(x * x, (1, 2)),
    "cumsum": lambda x: np.cumsum(x * x),
    "cumsum from the end": lambda x: np.cumsum((x * x)[:, ::-1], 1)[:, ::-1],
    "softmax of rows": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
    "logsumexp of rows": lambda x: np.log(np.exp(x).sum(1)),
    "max of rows": lambda x: x.max(1),
    "matrix and vector": lambda x, y: x @ y,
    "vector and matrix": lambda x, y: x @ y,
    "two matrices": lambda x, y: x @ y,
    "a transposed matrix": lambda x, y: x.T @ y,
    "dot": lambda x, y: x @ y,
    "dot of matrices": lambda x, y: (x * y).sum(),
    "outer": np.outer,
    "any product": lambda x, y: np.einsum("ijk,kl->lij", x, y),
    "a product that only multiplies": lambda x, y: x * y,
}


@pytest.mark.parametrize("case", VALUES)
def test_values(case: str) -> None:
    """Once without a batch and once row by row."""
    make_it, shapes = CASES[case]
    fixed = [param(f"p{i}", s) for i, s in enumerate(shapes)]
    rows = [input_(f"x{i}", ("b",), s) for i, s in enumerate(shapes)]
    net = Circuit({"fixed": make_it(*fixed), "rows": make_it(*rows), "mixed": make_it(fixed[0], *rows[1:])})
    p = [numbers(s, i) for i, s in enumerate(shapes)]
    x = [numbers((2, *s), 9 + i) for i, s in enumerate(shapes)]
    params, inputs = given(net, {f"p{i}": v for i, v in enumerate(p)} | {f"x{i}": v for i, v in enumerate(x)})
    found = graph.evaluate(net, params, **inputs)
    exact = VALUES[case]
    np.testing.assert_allclose(found["fixed"], exact(*p), rtol=1e-14)
    np.testing.assert_allclose(found["rows"], np.stack([exact(*[v[k] for v in x]) for k in range(2)]), rtol=1e-13)
    expected = exact(*p) if len(p) == 1 else np.stack([exact(p[0], *[v[k] for v in x[1:]]) for k in range(2)])
    np.testing.assert_allclose(found["mixed"], expected, rtol=1e-13)


def test_far_logits_do_not_overflow() -> None:
    x = param("x", (3,))
    net = Circuit({"p": b.softmax(x), "l": b.logsumexp(x)})
    found = graph.evaluate(net, {"x": [1e4, -1e4, 0.0]})
    np.testing.assert_array_equal(found["p"], [1, 0, 0])
    assert found["l"] == 1e4
    assert graph.evaluate(net, {"x": [-np.inf] * 3})["l"] == -np.inf


def test_a_tie_of_the_largest_goes_to_the_first() -> None:
    x = param("p", (3,))
    adjoint = grad(Circuit({"L": b.max_last(x), "k": b.argmax(x)}), "L", "p")
    found = graph.evaluate(adjoint, {"p": [1.0, 2.0, 2.0]})
    np.testing.assert_array_equal(found["δp"], [0, 1, 0])
    assert found["k"] == 1
    assert found["k"].dtype.kind == "i"


def test_an_opaque_function_has_neither_value_nor_derivative() -> None:
    f = make("opaque", (param("x", (2,)),), ("R", (2,)))
    net = Circuit({"L": b.sum_all(f)})
    with pytest.raises(CircuitError, match="R is opaque, it has no value"):
        graph.evaluate(net, {"x": [1.0, 2.0]})
    with pytest.raises(CircuitError, match="R is opaque, it has no derivative"):
        grad(net, "L")


# ---- what the constructors fold ----------------------------------------------------------------------
def test_closed_pairs_fold() -> None:
    x = input_("x", ("b",), (4,))
    assert b.transpose(b.transpose(param("W", (2, 3)))) is param("W", (2, 3))
    assert b.slice_(x, 0, 0, 4) is x
    assert b.slice_(b.slice_(x, 0, 1, 4), 0, 1, 2) is b.slice_(x, 0, 2, 3)
    assert b.sum_feature(b.repeat(x, 0, 3), 0) is b.mul(x, 3.0)
    assert b.unslice(x, 0, 0, 4) is x


def test_parts_that_make_up_a_vector_are_a_concat() -> None:
    x, y = input_("x", ("b",), (2,)), input_("y", ("b",), (3,))
    assert b.add(b.unslice(y, 0, 2, 5), b.unslice(x, 0, 0, 5)) is b.concat(x, y)
    assert b.add(b.unslice(y, 0, 2, 6), b.unslice(x, 0, 0, 6)).op == "add"


def test_products_of_zeros_are_zeros() -> None:
    W, x = param("W", (2, 3)), input_("x", ("t", "b"), (3,))
    assert b.is_constant(b.matmul(W, b.zeros(x)), 0.0)
    assert b.contract(W, x, "ij,j->i", ("t", "b")).axes == ()


@pytest.mark.parametrize(
    ("make_it", "says"),
    [
        (lambda: b.matmul(param("W", (2, 3)), param("x", (4,))), "sizes do not fit in a product"),
        (lambda: b.matmul(param("W", ()), param("x", (4,))), "@ takes vectors and matrices"),
        (lambda: b.contract(param("W", (2,)), param("x", (4,)), "ij,j->i"), "a product of the form ij,j->i"),
        (lambda: b.slice_(param("x", (3,)), 0, 1, 5), "no features 1 to 5 in a size of 3"),
        (lambda: b.concat(param("x", (3, 2)), param("y", (3, 1))), "concat needs parts"),
        (lambda: b.softmax(param("x", ())), "a vector is needed"),
    ],
)
def test_types_are_checked(make_it: Callable[[], Node], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        make_it()

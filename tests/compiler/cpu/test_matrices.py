"""Products of two matrices that are the same for all rows, by the library where it is worth it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.cpu import cost
from bptt.compiler.cpu.factors import matrix_product
from bptt.compiler.loop import Load, Program, RowOp, Value

TEXT = """
P = A @ B.T
Q = A.T @ P
R = B.T @ Q.T
L = mean(sum(tanh(R @ x[t])), over=t)
"""


def test_they_are_those_of_the_reference_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "WORTH", 1)
    net = rnn.define(TEXT)(A=(21, 18), B=(18, 18), x=18)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) / 5 for n, shape in net.params.items()}
    x = rng.normal(size=(3, 4, 18))
    adjoint = graph.grad(net, "L")
    expected = graph.evaluate(adjoint, params, x=x)
    found = [compiler.compile(net, dtype="float64", threads=k)(params, x=x) for k in (1, 3)]
    for n, g in adjoint.grads.items():
        np.testing.assert_allclose(found[0].grad[n], expected[g], atol=1e-10, err_msg=n)
        np.testing.assert_array_equal(found[1].grad[n], found[0].grad[n], err_msg=n)


def program(**shapes: tuple[int, ...]) -> Program:
    values = {n: Value(n, "static", "f", (), shape) for n, shape in shapes.items()}
    return Program("p", "float32", values, {}, (), {})


def product(spec: str, a: str = "A", b: str = "B", dst: str = "C") -> RowOp:
    return RowOp(dst, "contract", (spec, ()), (Load(a, (), (0, 1)), Load(b, (), (0, 1))))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("ik,jk->ij", ("A", "B", True, False)),
        ("ik,kj->ij", ("A", "B", True, True)),
        ("ki,kj->ij", ("A", "B", False, True)),
        ("jk,ik->ij", ("B", "A", True, False)),
        ("kj,ik->ij", ("B", "A", True, True)),
        ("kj,ki->ij", ("B", "A", False, True)),
        ("ki,jk->ij", None),  # neither has rows of the result, nor terms of the sum, one after the other
        ("ij,ij->ij", None),
        ("ij,ik->jk", ("A", "B", False, True)),
    ],
)
def test_which_are_products_and_how_they_lie(spec: str, expected: Any) -> None:
    found = matrix_product(product(spec), program(A=(20, 20), B=(20, 20), C=(20, 20)))
    assert (None if found is None else (found.a.value, found.b.value, found.by_rows, found.transposed)) == expected


def test_small_ones_are_plain_loops() -> None:
    assert matrix_product(product("ik,jk->ij"), program(A=(4, 4), B=(4, 4), C=(4, 4))) is None

"""Forward mode: the equations that it writes, products with gradients and Hessians, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.graph.grad import grad
from bptt.graph.jvp import jvp
from bptt.rnn.cells import CELLS
from derivatives import numbers

TEXT = """
    h[t] = tanh(W @ h[t-1] + U @ x[t])
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


def net() -> Circuit:
    return rnn.define(TEXT)(x=3, h=4, o=5)


def test_the_tangent_as_text() -> None:
    tangent = jvp(net(), ("W", "x"))
    lines = [line for line in str(tangent).splitlines() if line.startswith("τ")]
    assert lines[:2] == [
        "τh[t] = (τW @ h[t-1] + W @ τh[t-1] + U @ τx[t]) * (1 - h[t]**2)",
        "τo[t] = V @ τh[t]",
    ]
    assert tangent.params == net().params | {"τW": (4, 4)}
    assert tangent.inputs == net().inputs | {"τx": (3,)}
    assert tangent.constants == {"τW"}
    assert tangent.order == "τ"


def test_only_what_depends_on_it_has_a_tangent() -> None:
    assert [n for n in jvp(net(), "V").eqs if n.startswith("τ")] == ["τo", "τL"]
    assert set(jvp(net()).params) == {*net().params, "τW", "τU", "τV"}


def test_a_second_tangent_has_a_mark_of_its_own() -> None:
    second = jvp(jvp(net(), "W"), "W")
    assert second.order == "τ2"
    assert {"τ2h", "τ2τh", "τ2τL"} <= set(second.eqs)


def data(circuit: Circuit, T: int = 4, B: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    sizes = {"t": T, "s": 3, "b": B}
    params = {n: 0.7 * numbers(shape, i) for i, (n, shape) in enumerate(circuit.params.items())}
    inputs: dict[str, Any] = {}
    for i, (n, node) in enumerate(circuit.input_nodes.items()):
        shape = tuple(sizes[a] for a in node.axes)
        symbols = node.dtype == "i"
        inputs[n] = rng.integers(0, circuit.symbols[n], shape) if symbols else numbers((*shape, *node.shape), 50 + i)
    return params, inputs


@pytest.mark.parametrize("name", [n for n in CELLS if "L" in CELLS[n].cell(n).signals])
def test_products_with_the_gradient_and_the_hessian(name: str) -> None:
    """For every cell: the tangent of L is ⟨∇L, v⟩, that of ∇L the derivative of ∇L along v."""
    circuit = CELLS[name].cell(name)(**CELLS[name].sizes)
    params, inputs = data(circuit)
    v = {n: numbers(p.shape, 70 + i) for i, (n, p) in enumerate(params.items())}
    adjoint = grad(circuit, "L")
    trained = list(adjoint.grads)
    both = jvp(adjoint, trained).check()
    found = graph.evaluate(both, params | {both.order + n: v[n] for n in trained}, **inputs)
    along = sum(np.sum(v[n] * found[adjoint.grads[n]]) for n in trained)
    np.testing.assert_allclose(np.mean(found["τL"]), along, rtol=1e-9, atol=1e-12)

    def gradient(step: float) -> dict[str, Any]:
        moved = params | {n: params[n] + step * v[n] for n in trained}
        return graph.evaluate(adjoint, moved, returns=adjoint.grads.values(), **inputs)

    above, below = gradient(1e-5), gradient(-1e-5)
    for g in adjoint.grads.values():
        tangent = found.get("τ" + g, np.zeros(above[g].shape))
        np.testing.assert_allclose(tangent, (above[g] - below[g]) / 2e-5, rtol=1e-4, atol=1e-6, err_msg=g)


def test_only_the_values_before_the_start_have_a_direction() -> None:
    """The signal itself has none, then: its tangent is a name for zero."""
    circuit = rnn.define("c[t] = 2 * x[t-1]\nx[0] = v\nL = sum(sum(c[t], over=t))")(x=2)
    tangent = jvp(circuit, "v").check()
    found = graph.evaluate(tangent, {"v": np.ones(2), "τv": np.array([3.0, 4.0])}, x=np.ones((3, 1, 2)))
    np.testing.assert_array_equal(found["τc"][:, 0], [[6, 8], [0, 0], [0, 0]])
    np.testing.assert_array_equal(found["τL"], [14])


def test_an_initial_value_without_an_equation() -> None:
    tangent = jvp(net(), "h[0]")
    assert tangent.inputs == net().inputs | {"h[0]": (4,), "τh[0]": (4,)}
    params, inputs = data(net())
    direction = numbers((2, 4), 9)
    found = graph.evaluate(tangent, params, **inputs, **{"τh[0]": direction})
    g = graph.evaluate(grad(net(), "L", "h[0]"), params, **inputs)["δh[0]"]
    np.testing.assert_allclose(found["τL"].mean(), (g * direction).sum(), rtol=1e-9)


@pytest.mark.parametrize(
    ("wrt", "says"),
    [("w", "no parameter or input w"), ("h", "no parameter or input h"), ("y", "y is a symbol"), ("A", "no parameter")],
)
def test_errors(wrt: str, says: str) -> None:
    circuit = rnn.define(TEXT + "k = sum(A * A)", constants=("A",))(x=3, h=4, o=5, A=(2, 2))
    with pytest.raises(CircuitError, match=says):
        jvp(circuit, wrt)

"""Random circuits: unfolding and differentiating commute, and both agree with central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bptt import graph
from bptt.graph import build
from bptt.graph.circuit import Circuit
from bptt.graph.expr import param, ref
from bptt.graph.grad import grad
from bptt.graph.jvp import jvp
from bptt.graph.unfold import unfold
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import Example, examples, lengths_for

QUICK = settings(max_examples=200, deadline=None)
SOME = settings(max_examples=50, deadline=None)
LONG = settings(max_examples=1000, deadline=None)
STEP = 1e-5


def close(found: Any, expected: Any, tolerance: float = 1e-9, what: str = "") -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=what)


def case(data: st.DataObject) -> tuple[Example, dict[str, Any], dict[str, Any]]:
    """A network, its parameters, and the arguments of evaluate."""
    example = data.draw(examples())
    note(example.text)
    T, S, B = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)), 2
    params, inputs = example.data(T, B, S, seed=data.draw(st.integers(0, 3)))
    inputs["start"] = data.draw(st.sampled_from([1, 1, 2, 6]))
    if data.draw(st.booleans()):
        inputs["lengths"] = lengths_for(data.draw, T, S, B, "attention" in example.features)
    return example, params, inputs


def unfolded(net: Circuit, inputs: dict[str, Any]) -> Circuit:
    T = next(v.shape[0] for n, v in inputs.items() if n in net.input_nodes and "t" in net.input_nodes[n].axes)
    S = next((len(v) for n, v in inputs.items() if n in net.input_nodes and "s" in net.input_nodes[n].axes), None)
    return unfold(net, T, S, ragged="lengths" in inputs, start=inputs["start"])


def mean_loss(net: Circuit, params: dict[str, Any], inputs: dict[str, Any]) -> float:
    return float(np.mean(graph.evaluate(net, params, returns="L", **inputs)["L"]))


def directions(params: dict[str, Any], seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=v.shape) for n, v in params.items()}


def moved(params: dict[str, Any], v: dict[str, Any], step: float) -> dict[str, Any]:
    return {n: params[n] + step * v[n] for n in params}


def slope(f: Callable[[float], Any]) -> Any:
    """The derivative of ``f`` at 0 by central differences of two widths, extrapolated (Richardson 1911).

    Where they differ by more than smooth functions do there is a kink in between (of a maximum, say), and no derivative
    to compare with.
    """
    wide, narrow = ((f(h) - f(-h)) / (2 * h) for h in (STEP, STEP / 2))
    assume(np.allclose(wide, narrow, rtol=1e-4, atol=1e-4))
    return (4 * narrow - wide) / 3


def check_gradient(data: st.DataObject) -> None:
    example, params, inputs = case(data)
    net = example.net
    adjoint = grad(net, "L").check()
    found = graph.evaluate(adjoint, params, returns=adjoint.grads.values(), **inputs)
    dag = grad(unfolded(net, inputs), "L")
    other = graph.evaluate(dag, params, returns=dag.grads.values(), **inputs)
    v = directions(params)
    along = 0.0
    for n in params:
        close(found[adjoint.grads[n]], other[dag.grads[n]], what=n)
        along += float(np.sum(v[n] * found[adjoint.grads[n]]))
    if "stop_gradient" in example.features:
        return
    close(along, slope(lambda step: mean_loss(net, moved(params, v, step), inputs)), 1e-6)


@QUICK
@given(st.data())
def test_gradients(data: st.DataObject) -> None:
    """Unfolded gradient of the circuit = gradient of the unfolded graph = central difference."""
    check_gradient(data)


@pytest.mark.slow
@LONG
@given(st.data())
def test_gradients_of_many(data: st.DataObject) -> None:
    check_gradient(data)


@SOME
@given(st.data())
def test_adjoints_agree_by_name(data: st.DataObject) -> None:
    """δh[3] of the unfolded adjoint is δh[3] of the adjoint of the unfolded graph."""
    example, params, inputs = case(data)
    inputs.pop("lengths", None)
    a = unfolded(grad(example.net, "L"), inputs)
    b = grad(unfolded(example.net, inputs), "L")
    common = [n for n in a.eqs if n in b.eqs and n.startswith("δ") and "ʹ" not in n]
    assert "δL" in common
    found = graph.evaluate(a, params, returns=common, **inputs)
    expected = graph.evaluate(b, params, returns=common, **inputs)
    for n in common:
        close(found[n], expected[n], what=n)


@SOME
@given(st.data())
def test_forward_mode(data: st.DataObject) -> None:
    """The tangent of the loss along v is ⟨gradient, v⟩."""
    example, params, inputs = case(data)
    net = example.net
    v = directions(params)
    tangent = jvp(net).check()
    along = {tangent.order + n: v[n] for n in params}
    adjoint = grad(net, "L")
    g = graph.evaluate(adjoint, params, returns=adjoint.grads.values(), **inputs)
    t = graph.evaluate(tangent, params | along, returns=[tangent.order + "L"], **inputs)[tangent.order + "L"]
    close(np.mean(t), sum(np.sum(v[n] * g[adjoint.grads[n]]) for n in params))


def check_second_order(data: st.DataObject) -> None:
    example, params, inputs = case(data)
    net = example.net
    v = directions(params)
    adjoint = grad(net, "L")
    products = [
        build.dot(ref(adjoint.grads[n], adjoint.eqs[adjoint.grads[n]]), param(f"v_{n}", params[n].shape))
        for n in params
    ]
    both = adjoint.with_eqs({**adjoint.eqs, "product": build.add(0.0, *products)})
    if both.eqs["product"].axes:
        return
    hessian = grad(both, "product", wrt=list(params)).check()
    found = graph.evaluate(hessian, params | {f"v_{n}": v[n] for n in params}, returns=hessian.grads.values(), **inputs)
    forward = jvp(adjoint, list(params)).check()
    along = graph.evaluate(forward, params | {forward.order + n: v[n] for n in params}, **inputs)

    def gradient(step: float) -> Any:
        g = graph.evaluate(adjoint, moved(params, v, step), returns=adjoint.grads.values(), **inputs)
        return np.concatenate([np.ravel(g[name]) for name in adjoint.grads.values()])

    for n, name in adjoint.grads.items():
        tangent = along.get(forward.order + name, np.zeros(()))
        close(found[hessian.grads[n]], np.broadcast_to(tangent, params[n].shape), what=n)
    if "stop_gradient" not in example.features:
        close(np.concatenate([np.ravel(found[hessian.grads[n]]) for n in adjoint.grads]), slope(gradient), 1e-5)


@SOME
@given(st.data())
def test_second_order(data: st.DataObject) -> None:
    """Reverse over reverse = forward over reverse = central difference of the gradient."""
    check_second_order(data)


@pytest.mark.slow
@LONG
@given(st.data())
def test_second_order_of_many(data: st.DataObject) -> None:
    check_second_order(data)

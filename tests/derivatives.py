"""Derivatives of expressions checked to second order, in reverse and in forward mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, input_, param
from bptt.graph.grad import grad
from bptt.graph.jvp import jvp

STEP = 1e-5
Arrays = dict[str, Any]
T, B = 3, 2


def numbers(shape: Sequence[int], seed: int, positive: bool = False) -> Any:
    """Numbers away from zero, so that no difference crosses a kink there."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.3, 1.4, tuple(shape))
    return size if positive else size * rng.choice([-1.0, 1.0], tuple(shape))


def loss_of(
    make: Callable[..., Node], shapes: Sequence[Sequence[int]], positive: bool = False
) -> tuple[Circuit, Arrays]:
    """L = Σ over steps of weights · f(p₁ x₁[t], p₂ x₂[t], …), with values for all that it reads."""
    values: Arrays = {}
    args = []
    for i, shape in enumerate(shapes):
        p, x = param(f"p{i}", shape), input_(f"x{i}", ("t", "b"), shape)
        values[p.attr] = numbers(shape, 2 * i, positive)
        values[x.attr] = numbers((T, B, *shape), 2 * i + 1, positive)
        args.append(b.mul(p, x))
    e = make(*args)
    weights = param("weights", e.shape)
    values["weights"] = numbers(e.shape, 99)
    axes = [a for a in e.axes if a != "b"]
    return Circuit({"L": b.reduce(b.dot(weights, e), axes)}, "f"), values


def given(net: Circuit, values: Arrays) -> tuple[Arrays, Arrays]:
    """Values as parameters and inputs."""
    return {n: values[n] for n in net.params}, {n: values[n] for n in net.inputs}


def check_derivatives(
    net: Circuit, values: Arrays, wrt: Sequence[str] | None = None, tolerance: float = 1e-6, start: int = 1
) -> None:
    """Gradient, tangent, and the product of the Hessian with a vector against central differences."""
    params, inputs = given(net, values)
    call: dict[str, Any] = {**inputs, "start": start}
    names = [n for n in net.params if n.startswith("p")] if wrt is None else list(wrt)
    v = {n: numbers(params[n].shape, 7 + i) for i, n in enumerate(names)}
    adjoint = grad(net, "L", names)
    tangent = jvp(net, names)
    both = jvp(adjoint, names)

    def at(circuit: Circuit, step: float, **more: Any) -> Arrays:
        moved = params | {n: params[n] + step * v[n] for n in names}
        wanted = [*adjoint.grads.values()] if circuit is adjoint else None
        return graph.evaluate(circuit, moved | more, returns=wanted, **call)

    slope = float(np.mean(at(net, STEP)["L"] - at(net, -STEP)["L"])) / (2 * STEP)
    g = at(adjoint, 0.0)
    along = sum(float(np.sum(v[n] * g[adjoint.grads[n]])) for n in names)
    np.testing.assert_allclose(along, slope, rtol=tolerance, atol=tolerance)
    forward = graph.evaluate(tangent, params | {tangent.order + n: v[n] for n in names}, **call)
    found = forward.get(tangent.order + "L", np.zeros(()))
    np.testing.assert_allclose(np.mean(found), along, rtol=1e-10, atol=1e-12)
    second = graph.evaluate(both, params | {both.order + n: v[n] for n in names}, **call)
    above, below = at(adjoint, STEP), at(adjoint, -STEP)
    for n, name in adjoint.grads.items():
        difference = (above[name] - below[name]) / (2 * STEP)
        product = second.get(both.order + name, np.zeros(params[n].shape))
        np.testing.assert_allclose(product, difference, rtol=1e-4, atol=1e-5, err_msg=name)

"""The Hessian times a vector, of every system: the tangent of the adjoint here, torch differentiated twice there."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler
from bptt.graph import grad, jvp
from oracles.torch_cells import CASES, circuit, torch
from oracles.torch_cells.compare import alone, lengths_of, random_call, same

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("name", CASES)
def test_hessian_times_a_vector(name: str) -> None:
    net = circuit(name)
    call = random_call(net)
    names = [n for n in net.params if n not in net.constants]
    rng = np.random.default_rng(2)
    along = {n: rng.normal(size=net.params[n]) for n in names}

    theirs = alone(net, CASES[name], call)
    weights = [theirs.weights[n] for n in names]
    gradients = torch.autograd.grad(theirs.loss, weights, create_graph=True, allow_unused=True)
    slope = sum((g * torch.tensor(along[n])).sum() for n, g in zip(names, gradients, strict=True) if g is not None)
    expected = dict.fromkeys(names)
    if slope.requires_grad:
        expected = dict(zip(names, torch.autograd.grad(slope, weights, allow_unused=True), strict=True))

    adjoint = grad(net, "L", names)
    both = jvp(adjoint, names)
    products = {n: both.order + gradient for n, gradient in adjoint.grads.items() if both.order + gradient in both.eqs}
    if products:
        program = compiler.compile(
            both, None, returns=tuple(products.values()), target="interpret", dtype="float64",
            training=CASES[name].masks is None,
        )  # fmt: skip
        out = program(
            call.weights | {both.order + n: v for n, v in along.items()}, **call.inputs, lengths=lengths_of(net)
        )
    for n in names:
        found = out.value[products[n]] if n in products else np.zeros(net.params[n])
        same(found, np.zeros(net.params[n]) if expected[n] is None else expected[n], f"the row of {n}")

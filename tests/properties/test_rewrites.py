"""Random circuits: rewriting changes no value and no gradient."""

from __future__ import annotations

import numpy as np
from bptt import graph
from bptt.graph.grad import grad
from bptt.graph.simplify import canonical, simplify
from hypothesis import given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import examples


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_simplified_has_the_same_values(data: st.DataObject) -> None:
    example = data.draw(examples())
    note(example.text)
    params, inputs = example.data(3, 2)
    net = example.net
    wanted = ["L", *[n for n in net.eqs if data.draw(st.integers(0, 4)) == 0]]
    simple = simplify(net, wanted).check()
    expected = graph.evaluate(net, params, returns=wanted, **inputs)
    found = graph.evaluate(simple, params, returns=wanted, **inputs)
    for n in wanted:
        np.testing.assert_allclose(found[n], expected[n], rtol=1e-10, atol=1e-12, err_msg=n)
    adjoint = grad(net, "L")
    other = simplify(grad(canonical(simple, wanted), "L"), [f"δ{n}" for n in params]).check()
    expected = graph.evaluate(adjoint, params, returns=adjoint.grads.values(), **inputs)
    found = graph.evaluate(other, params, returns=adjoint.grads.values(), **inputs)
    for n in adjoint.grads.values():
        np.testing.assert_allclose(found[n], expected[n], rtol=1e-9, atol=1e-11, err_msg=n)

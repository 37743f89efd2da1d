"""Random circuits: a ragged batch is each sequence alone, whatever its padding holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt import graph
from bptt.graph.circuit import Circuit
from bptt.graph.grad import grad
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import Example, examples, lengths_for

POISON = 10**6


def poisoned(net: Circuit, inputs: dict[str, Any], lengths: dict[str, Any]) -> dict[str, Any]:
    """The inputs with NaN, or symbols out of range, beyond the lengths."""
    found = {}
    for name, array in inputs.items():
        array = array.copy()
        axis = next((a for a in net.input_nodes[name].axes if a in lengths), None)
        for row, n in enumerate(lengths[axis]) if axis else ():
            array[n:, row] = POISON if array.dtype.kind == "i" else np.nan
        found[name] = array
    return found


def alone(net: Circuit, inputs: dict[str, Any], lengths: dict[str, Any], row: int) -> dict[str, Any]:
    """The inputs of one sequence, cut to its lengths."""
    found = {}
    for name, array in inputs.items():
        axis = next((a for a in net.input_nodes[name].axes if a in lengths), None)
        found[name] = array[: lengths[axis][row], row : row + 1] if axis else array[row : row + 1]
    return found


def ragged_case(data: st.DataObject) -> tuple[Example, dict[str, Any], dict[str, Any], dict[str, Any]]:
    example = data.draw(examples())
    # masks depend on the row of a sequence, a loss for the batch on all of them
    assume(not example.features & {"dropout", "batch loss"})
    note(example.text)
    T, S, B = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 3)), 3
    params, inputs = example.data(T, B, S)
    return example, params, inputs, lengths_for(data.draw, T, S, B, "attention" in example.features)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_ragged_is_each_alone(data: st.DataObject) -> None:
    example, params, inputs, lengths = ragged_case(data)
    net = example.net
    adjoint = grad(net, "L")
    signals = [n for n, e in net.eqs.items() if e.axes == ("t", "b")]
    adjoints = [n for n, e in adjoint.eqs.items() if e.axes == ("t", "b") and n not in net.eqs]
    given_inputs = poisoned(net, inputs, lengths)
    whole = graph.evaluate(adjoint, params, lengths=lengths, **given_inputs)
    total = {n: np.zeros(params[n].shape) for n in params}
    for row in range(3):
        one = graph.evaluate(adjoint, params, **alone(net, inputs, lengths, row))
        n_steps = lengths["t"][row]
        for n in signals:
            np.testing.assert_allclose(
                whole[n][:n_steps, row], one[n][:, 0], rtol=1e-9, atol=1e-10, err_msg=n
            )
            assert not whole[n][n_steps:, row].any(), n
        for n in adjoints:
            np.testing.assert_allclose(
                whole[n][:n_steps, row] * 3, one[n][:, 0], rtol=1e-8, atol=1e-9, err_msg=n
            )
        for n in params:
            total[n] += one[adjoint.grads[n]] / 3
    for n in params:
        np.testing.assert_allclose(whole[adjoint.grads[n]], total[n], rtol=1e-9, atol=1e-9, err_msg=n)

"""What a compiled program must give, by the reference: unfolded, in float64, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bptt import graph
from bptt.compiler import Plan
from bptt.compiler.program import Output
from bptt.graph.carry import states
from bptt.graph.circuit import Circuit, reachable
from bptt.graph.errors import CircuitError
from bptt.graph.expr import Node, topological
from bptt.rnn.cells import CELLS
from hypothesis import strategies as st
from properties.random_circuits import Example

Array = np.ndarray[Any, Any]

#: float64: sums in another order, of a few hundred terms of size one
ROUNDING = 1e-10
PLANS = st.builds(Plan, chunk=st.sampled_from([1, 2, 3, 8]), fuse=st.booleans(), rings=st.booleans(),
                  merge=st.booleans(), hoist=st.booleans(), tables=st.sampled_from([0, 256]))  # fmt: skip


@dataclass
class Expected:
    """The reference's loss (averaged over the batch), signals, gradients and final values."""

    loss: float
    value: dict[str, Array]
    grad: dict[str, Array]
    final: dict[str, Array] = field(default_factory=dict)


def reference(
    net: Circuit,
    params: Mapping[str, Array],
    arguments: Mapping[str, Any],
    wrt: Sequence[str] | None = None,
    returns: Sequence[str] = (),
    loss: str = "L",
) -> Expected:
    """``arguments``: those of evaluate, inputs among them."""
    adjoint = graph.grad(net, loss, wrt)
    names = [loss, *returns, *adjoint.grads.values()]
    found = graph.evaluate(adjoint, params, returns=names, **arguments)
    value = {n: found[n] for n in [loss, *returns]}
    grad = {n: found[name] for n, name in adjoint.grads.items()}
    final = finals(net, [loss, *returns, *(wrt or ())], params, arguments)
    return Expected(float(np.mean(found[loss])), value, grad, final)


def finals(
    net: Circuit, asked: Sequence[str], params: Mapping[str, Array], arguments: Mapping[str, Any]
) -> dict[str, Array]:
    """What each sequence hands on of what is asked: its last steps, or its initial values where it is short."""
    needed = [n for n in asked if n in net.eqs]
    for boundary in (n for n in asked if "[" in n and n not in net.eqs):  # fs[0]: those that read it
        signal = boundary.partition("[")[0]
        needed += [n for n, e in net.eqs.items() if any(_delays(m, signal) for m in topological([e]))]
    try:
        lags = states(reachable(net, needed))
    except CircuitError:
        return {}
    if not lags:
        return {}
    before = {n: [f"{n}[{-j}]" for j in range(k)] for n, k in lags.items()}
    stated = [n for names in before.values() for n in names if n in net.eqs]
    values = graph.evaluate(net, params, returns=[*stated, *(n for n in lags if n in net.eqs)], **arguments)
    found = {}
    for name, k in lags.items():
        steps = values.get(name, arguments.get(name))
        T, B = steps.shape[:2]
        none = -1 if steps.dtype.kind == "i" else 0
        initial = [np.broadcast_to(values.get(n, np.asarray(none)), steps.shape[1:]) for n in before[name]]
        whole = [*reversed(initial), *steps]
        lengths = arguments.get("lengths")
        lengths = lengths.get("t") if isinstance(lengths, dict) else lengths
        ends = np.full(B, T) if lengths is None else np.asarray(lengths)
        last = np.stack([np.stack([whole[ends[r] + j][r] for j in range(k)]) for r in range(B)], axis=1)
        found[name] = last[0] if k == 1 else last
    return found


def _delays(node: Node, signal: str) -> bool:
    return node.op == "delay" and node.args[0].attr == signal


def alike(found: Any, expected: Any, what: str, rtol: float = ROUNDING, atol: float = ROUNDING) -> None:
    np.testing.assert_allclose(found, expected, rtol, atol, err_msg=what)


def agrees(
    found: Output,
    expected: Expected,
    rtol: float = ROUNDING,
    atol: float = ROUNDING,
    relative_to_largest: bool = False,
) -> None:
    """Loss, signals, gradients and final values are the reference's.

    relative_to_largest: ``atol`` is counted in the largest number of an array, where that is over 1.
    """

    def compare(here: Any, there: Any, what: str) -> None:
        scale = max(1.0, float(np.max(np.abs(there), initial=0))) if relative_to_largest else 1.0
        alike(here, there, what, rtol, atol * scale)

    compare(found.loss, expected.loss, "loss")
    for kind in ("value", "grad", "final"):
        here: dict[str, Array] = getattr(found, kind)
        there: dict[str, Array] = getattr(expected, kind)
        assert set(here) == set(there), kind
        for name, array in there.items():
            assert here[name].shape == array.shape, f"{kind} {name}: {here[name].shape}, not {array.shape}"
            compare(here[name], array, f"{kind} {name}")


def shown(net: Circuit) -> list[str]:
    """Signals over t and values, as many as may be returned."""
    return [n for n, e in net.eqs.items() if "[" not in n and e.axes in (("t", "b"), ("b",)) and n != "L"]


def of_cell(name: str) -> Example:
    """A cell of the literature, in its small size."""
    recipe = CELLS[name]
    example = Example(recipe.text, sizes=dict(recipe.sizes))
    example.net = recipe.cell(name)(**recipe.sizes)
    return example

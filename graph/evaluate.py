"""The reference: unfolded graphs computed node by node with NumPy, in float64."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from .circuit import Circuit, reachable, step_name
from .doors import require_circuit
from .expr import Node, time_axes
from .inputs import Given, Signature
from .ops.table import TABLE
from .random import mask_bits, mask_value
from .statistics import after_training, in_training
from .unfold import unfold

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


def evaluate(
    circuit: Circuit,
    params: Mapping[str, Any],
    /,
    *unnamed: Never,
    lengths: Any = None,
    start: int = 1,
    seed: int = 0,
    training: bool = True,
    returns: str | Iterable[str] | None = None,
    **inputs: Any,
) -> dict[str, Array]:
    """The values of the equations, in float64: name -> array.

    ::

        evaluate(net, net.init(seed=0), x=x, y=y)["h"]                # [T, B, n]
        evaluate(net, params, x=x, lengths=[5, 3], returns=["o"])

    params    the parameters by name
    lengths   of the sequences, at least 1 each: whole numbers [B], or {"t": …, "s": …}; None: all are full
    start     the number of the first step, in a window of a longer sequence
    seed      of the random masks; training=False takes their mean instead, and running statistics in
              batch_norm
    returns   the names of the equations; None: all
    inputs    arrays [T, B, n] ([S, B, n] with a second index, [B, n] without), symbols [T, B] whole numbers

    Of a circuit, signals come back as [T, B, n] and are zero beyond the lengths; of an unfolded graph, whose
    names are ``h[3]``, as [B, n]. What varies over no sequence comes without B.

    Raises ValueError, naming the array and what was expected, for arrays that do not fit, and CircuitError
    for equations that have no value (an opaque function, a loop without a delay).
    """
    require_circuit(circuit, "evaluate")
    if unnamed:
        raise Signature(circuit).unnamed("evaluate(net, ", len(unnamed))
    names = list(circuit.eqs) if returns is None else [returns] if isinstance(returns, str) else list(returns)
    wanted = reachable(circuit, names)
    wanted = in_training(wanted) if training else after_training(wanted)
    call = Signature(wanted, circuit).given(params, inputs, lengths, start)
    if wanted.unfolding is not None:
        return _values(wanted, names, call, seed)
    dag = unfold(wanted, call.sizes["t"], call.sizes.get("s"), ragged=bool(call.lengths), start=start)
    values = _values(dag, list(dag.eqs), call, seed)
    return {name: _together(name, wanted.eqs[name], values, call) for name in names}


def _together(name: str, root: Node, values: Mapping[str, Array], call: Given) -> Array:
    """The steps of a signal as one array, zero beyond the lengths."""
    axes = time_axes(root)
    if not axes:
        return values[name]
    shape = tuple(call.sizes[a] for a in axes)
    steps = [
        values[step_name(name, dict(zip(axes, i, strict=True)))] for i in np.ndindex(shape) for i in [_from_one(i)]
    ]
    whole = np.stack(steps).reshape(*shape, *steps[0].shape)
    for k, a in enumerate(axes):
        if a in call.lengths and "b" in root.axes:
            within = np.arange(1, call.sizes[a] + 1)[:, None] <= call.lengths[a]
            kept = within.reshape([*(within.shape[0] if j == k else 1 for j in range(len(axes))), -1])
            whole = np.where(kept.reshape(kept.shape + (1,) * len(root.shape)), whole, np.zeros((), whole.dtype))
    return whole


def _from_one(index: Sequence[int]) -> tuple[int, ...]:
    return tuple(i + 1 for i in index)


def _values(dag: Circuit, names: Sequence[str], call: Given, seed: int) -> dict[str, Array]:
    """The values of an unfolded graph's equations."""
    run = _Run(dag, call, seed)
    value: dict[Node, Array] = {}
    for n in resolved(dag, names):
        value[n] = run.value(n, value)
    return {name: np.array(value[_root(dag, dag.eqs[name])]) for name in names}


def _root(dag: Circuit, n: Node) -> Node:
    while n.op == "ref":
        n = dag.eqs[n.attr]
    return n


def resolved(dag: Circuit, names: Iterable[str]) -> list[Node]:
    """The nodes that equations need, arguments first, references followed. Refs themselves are left out."""
    seen: set[Node] = set()
    order: list[Node] = []
    stack = [(dag.eqs[n], False) for n in reversed(list(names))]
    while stack:
        n, done = stack.pop()
        n = _root(dag, n)
        if done:
            order.append(n)
        elif n not in seen:
            seen.add(n)
            stack.append((n, True))
            stack.extend((a, False) for a in reversed(n.args))
    return order


class _Run:
    """One evaluation: what leaves stand for, and the meaning of every operation from the op table."""

    def __init__(self, dag: Circuit, call: Given, seed: int) -> None:
        self.dag = dag
        self.call = call
        self.seed = seed
        self.batch = call.sizes["b"]

    def value(self, n: Node, value: Mapping[Node, Array]) -> Array:
        """The array of a node; it has a leading batch axis where the node varies over the batch."""
        args = [_root(self.dag, a) for a in n.args]
        arrays = [value[a] for a in args]
        if not args:
            return self._leaf(n)
        if n.op == "expand":
            return np.broadcast_to(arrays[0], (self.batch, *n.shape))
        meaning = TABLE[n.op].meaning
        if meaning is None:
            raise TypeError(f"{n.op} crosses steps: unfolding should have replaced it")
        with np.errstate(all="ignore"):
            return meaning(n.attr, [bool(a.axes) for a in args], *arrays)

    def _leaf(self, n: Node) -> Array:
        call = self.call
        if n.op == "const":
            return np.asarray(n.attr, dtype={"f": np.float64, "i": np.int64, "b": np.bool_}[n.dtype])
        if n.op == "param":
            return call.params[n.attr]
        if n.op == "input":
            leaves = self.dag.unfolding.leaves if self.dag.unfolding else {}
            name, index = leaves.get(n.attr, (n.attr, ()))
            return call.arrays[name][index]
        if n.op == "length":
            return call.length(n.attr).astype(np.float64)
        if n.op == "count":
            return np.asarray(call.count(n.attr), dtype=np.float64)
        if n.op == "mask":
            return self._mask(n)
        raise TypeError(f"{n.op} is no leaf of an unfolded graph")

    def _mask(self, n: Node) -> Array:
        key, p, index = n.attr
        step = dict(index)
        units = np.arange(int(np.prod(n.shape, dtype=np.int64)))
        rows = np.arange(self.batch)[:, None] if n.axes else np.zeros((), np.int64)
        bits = mask_bits(self.seed, key, step.get("t", 0), step.get("s", 0), rows, units)
        return mask_value(bits, p).reshape((self.batch, *n.shape) if n.axes else n.shape)

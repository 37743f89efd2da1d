"""Ours and torch's: one batch of several lengths here, each of its sequences alone there; all that both compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bptt import compiler
from bptt.graph.circuit import Circuit

from .case import Case, One, torch

STEPS, SOURCE = 9, 7
LENGTHS, SOURCE_LENGTHS = (6, 9, 1, 4), (7, 2, 5, 1)
BATCH = len(LENGTHS)
TOLERANCE = 1e-10

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Call:
    """What ours and the twins are given; initial: state -> [B, *shape], or [k, B, *shape] of k lags."""

    weights: Arrays
    inputs: Arrays
    initial: Arrays = field(default_factory=dict)
    start: int = 1


def axes_of(net: Circuit, name: str) -> tuple[str, ...]:
    return tuple(a for a in "tsb" if a in net.input_nodes[name].axes)


def length(axes: tuple[str, ...], b: int) -> int:
    """Of sequence b, along the first of its indices."""
    return (LENGTHS if axes[0] == "t" else SOURCE_LENGTHS)[b]


def lengths_of(net: Circuit) -> Any:
    """As a program takes them: of t, or of t and s."""
    return {"t": LENGTHS, "s": SOURCE_LENGTHS} if any("s" in axes_of(net, n) for n in net.inputs) else LENGTHS


def random_call(net: Circuit) -> Call:
    """Weights and inputs; what lies beyond the length of a sequence is no number, or any symbol."""
    rng = np.random.default_rng(sum(map(ord, net.name)))
    weights = {n: rng.normal(0, 0.7, shape) for n, shape in net.params.items()}
    inputs: Arrays = {}
    for name in net.inputs:
        axes = axes_of(net, name)
        lead = tuple({"t": STEPS, "s": SOURCE, "b": BATCH}[a] for a in axes)
        if name in net.symbols:
            inputs[name] = rng.integers(0, net.symbols[name], lead)
            continue
        inputs[name] = rng.normal(size=lead + net.input_nodes[name].shape)
        for b in range(BATCH) if axes[0] != "b" else ():
            inputs[name][length(axes, b) :, b] = np.nan
    return Call(weights, inputs)


def started(net: Circuit, t: int, training: bool = True) -> Call:
    """The same from step t on, with a start for all that a window hands to the next."""
    call = random_call(net)
    final = computed(net, call, (), training=training).final
    rng = np.random.default_rng(1)
    initial: Arrays = {}
    for state, array in final.items():
        if array.dtype.kind in "iu":
            initial[state] = rng.integers(0, net.symbols[state], array.shape)
        else:
            initial[state] = rng.normal(0, 0.7, array.shape)
    return Call(call.weights, call.inputs, initial, t)


def lags(net: Circuit, name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A start as [k, B, *shape]."""
    shape = () if name in net.symbols else net.states[name]
    return array if array.ndim == 2 + len(shape) else array[None]


def computed(
    net: Circuit, call: Call, returns: Sequence[str], target: str = "interpret", training: bool = True
) -> Any:
    """Loss, signals and gradients of ours: by weights, by inputs, and by the start of a sequence."""
    wrt = [n for n in net.params if n not in net.constants]
    wrt += [n for n, a in call.inputs.items() if a.dtype.kind == "f"]
    for state, array in call.initial.items():
        if array.dtype.kind == "f":
            wrt += [f"{state}[{-j}]" for j in range(len(lags(net, state, array)))]
    program = compiler.compile(net, wrt=wrt, returns=tuple(returns), target=target, dtype="float64", training=training)
    return program(
        call.weights, **call.inputs, lengths=lengths_of(net), initial=call.initial or None, start=call.start, seed=3
    )


def leaf(array: Any) -> Any:
    made = torch.tensor(np.asarray(array))
    return made.requires_grad_() if made.is_floating_point() else made


@dataclass(frozen=True)
class Twins:
    """The leaves that torch differentiates by, the loss of the batch, and the signals of each sequence."""

    weights: Mapping[str, Any]
    inputs: Mapping[str, Any]
    initial: Mapping[str, Any]
    loss: Any
    found: list[dict[str, Any]]

    @property
    def signals(self) -> list[str]:
        return [n for n in self.found[0] if n != "L"]


def alone(net: Circuit, case: Case, call: Call, masks: Mapping[str, Any] | None = None) -> Twins:
    """Every sequence in torch, alone."""
    weights, inputs = ({n: leaf(a) for n, a in arrays.items()} for arrays in (call.weights, call.inputs))
    initial = {n: leaf(lags(net, n, a)) for n, a in call.initial.items()}

    def of(b: int, name: str) -> Any:
        axes = axes_of(net, name)
        return inputs[name][b] if axes[0] == "b" else inputs[name][: length(axes, b), b]

    sequences = [
        One(
            {n: of(b, n) for n in inputs},
            {n: a[:, b] for n, a in initial.items()},
            call.start,
            {n: torch.tensor(m[: LENGTHS[b], b]) for n, m in (masks or {}).items()},
        )
        for b in range(BATCH)
    ]
    found = case.each(weights, sequences)
    return Twins(weights, inputs, initial, case.loss([one["L"] for one in found]), found)


def twins(net: Circuit, case: Case, call: Call, masks: Mapping[str, Any] | None = None) -> Twins:
    """Every sequence in torch, alone, and the gradient of the loss of the batch."""
    made = alone(net, case, call, masks)
    made.loss.backward()
    return made


def same(found: Any, expected: Any, what: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=what)


def compare(net: Circuit, out: Any, theirs: Twins) -> None:
    """Loss, signals of every sequence within its length, and all gradients: zero by what torch does not reach."""
    same(out.loss, theirs.loss.item(), "L")
    for b, one in enumerate(theirs.found):
        cut = {"t": slice(LENGTHS[b]), "s": slice(SOURCE_LENGTHS[b]), "b": b}
        for n in theirs.signals:
            ours = out.value[n][tuple(cut[a] for a in "tsb" if a in net.eqs[n].axes)]
            same(ours, one[n].detach(), f"{n} of sequence {b}")
    for n, gradient in out.grad.items():
        state, _, place = n.removesuffix("]").partition("[")
        if place:  # h[0] is the newest, h[-1] the one before
            expected = theirs.initial[state].grad
            expected = None if expected is None else expected[int(place) - 1]
        else:
            expected = (theirs.weights if n in theirs.weights else theirs.inputs)[n].grad
        same(gradient, np.zeros_like(gradient) if expected is None else expected, f"gradient by {n}")


def agree(net: Circuit, case: Case, call: Call, target: str = "interpret", training: bool = True) -> None:
    """Ours and torch's are the same, of one call."""
    theirs = twins(net, case, call)
    compare(net, computed(net, call, theirs.signals, target, training), theirs)

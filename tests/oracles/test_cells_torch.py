"""Every system of ``bptt cells`` beside its twin in torch, in float64: loss, signals, and the gradients by everything.

Batches have sequences of several lengths, whose padding is poisoned; torch is given each sequence alone. Each system
begins as its equations say, and, where it can be cut into windows, also in the middle of a sequence, with a start that
is given. What is random is compared in its mean, and in training with the masks that were drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.cells import CELLS, cell
from oracles.torch_cells import CASES, One, torch

pytestmark = pytest.mark.oracle

STEPS, SOURCE = 9, 7
LENGTHS, SOURCE_LENGTHS = (6, 9, 1, 4), (7, 2, 5, 1)
BATCH = len(LENGTHS)
LATER = 6
"""The number of the first step of a window in the middle of a sequence."""
TOLERANCE = 1e-10
COMPILED = ("sru", "clockwork", "interleaved", "attention")
RANDOM = tuple(n for n, case in CASES.items() if case.masks is not None)
STARTED = tuple(n for n, case in CASES.items() if case.can_start)

Arrays = dict[str, np.ndarray[Any, Any]]


@cache
def circuit(name: str) -> Circuit:
    """The system of the table, with what the table leaves open."""
    case, recipe = CASES[name], CELLS[name]
    sizes = dict(case.sizes or recipe.sizes)
    if not case.more:
        return cell(name)(**sizes)
    if recipe.options.get("opaque"):
        return cell(name).given(case.more)(**sizes)
    return rnn.define(f"{recipe.text}\n{case.more}", name=name)(**sizes)


@dataclass(frozen=True)
class Call:
    """What a program and the twins are given; initial: state -> [B, *shape], or [k, B, *shape] of k lags."""

    weights: Arrays
    inputs: Arrays
    initial: Arrays
    start: int = 1


def axes_of(net: Circuit, name: str) -> tuple[str, ...]:
    return tuple(a for a in "tsb" if a in net.input_nodes[name].axes)


def random_call(net: Circuit) -> Call:
    """Weights and inputs; what lies beyond the length of a sequence is no number, or any symbol."""
    rng = np.random.default_rng(sum(map(ord, net.name)))
    weights = {n: rng.normal(0, 0.7, shape) for n, shape in net.params.items()}
    inputs: Arrays = {}
    for name in net.inputs:
        node = net.input_nodes[name]
        axes = axes_of(net, name)
        lead = tuple({"t": STEPS, "s": SOURCE, "b": BATCH}[a] for a in axes)
        if name in net.symbols:
            inputs[name] = rng.integers(0, net.symbols[name], lead)
            continue
        inputs[name] = rng.normal(size=lead + node.shape)
        if axes[0] in "ts":
            for b, n in enumerate(LENGTHS if axes[0] == "t" else SOURCE_LENGTHS):
                inputs[name][n:, b] = np.nan
    return Call(weights, inputs, {})


def started(name: str, t: int) -> Call:
    """The same from step t on, with a start for all that a window hands to the next."""
    net = circuit(name)
    call = random_call(net)
    final = computed(name, call, "interpret", name not in RANDOM, ()).final
    rng = np.random.default_rng(1)
    initial = {}
    for state, array in final.items():
        symbols = array.dtype.kind in "iu"
        initial[state] = (
            rng.integers(0, net.symbols[state], array.shape) if symbols else rng.normal(0, 0.7, array.shape)
        )
    if name == "hmm":  # a distribution
        initial["a"] = np.exp(initial["a"]) / np.exp(initial["a"]).sum(-1, keepdims=True)
    return Call(call.weights, call.inputs, initial, t)


def lags(net: Circuit, name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A start as [k, B, *shape]."""
    shape = () if name in net.symbols else net.states[name]
    return array if array.ndim == 2 + len(shape) else array[None]


def computed(name: str, call: Call, target: str, training: bool, returns: Sequence[str]) -> Any:
    """Loss, signals and gradients of ours."""
    net = circuit(name)
    wrt = [n for n in net.params if n not in net.constants]
    wrt += [n for n, a in call.inputs.items() if a.dtype.kind == "f"]
    for state, array in call.initial.items() if call.start == 1 else ():
        if array.dtype.kind == "f":
            wrt += [f"{state}[{-j}]" for j in range(len(lags(net, state, array)))]
    program = compiler.compile(net, wrt=wrt, returns=tuple(returns), target=target, dtype="float64", training=training)
    two = any("s" in axes_of(net, n) for n in call.inputs)
    lengths: Any = {"t": LENGTHS, "s": SOURCE_LENGTHS} if two else LENGTHS
    return program(call.weights, **call.inputs, lengths=lengths, initial=call.initial or None, start=call.start, seed=3)


def leaf(array: Any) -> Any:
    made = torch.tensor(np.asarray(array))
    return made.requires_grad_() if made.is_floating_point() else made


@dataclass(frozen=True)
class Twins:
    """The leaves that torch differentiates by, and what it found for each sequence."""

    weights: Mapping[str, Any]
    inputs: Mapping[str, Any]
    initial: Mapping[str, Any]
    loss: Any
    found: list[dict[str, Any]]


def twins(name: str, call: Call, masks: Mapping[str, Any]) -> Twins:
    """Every sequence in torch, alone, and the gradient of the loss of the batch."""
    net, case = circuit(name), CASES[name]
    weights, inputs = ({n: leaf(a) for n, a in arrays.items()} for arrays in (call.weights, call.inputs))
    initial = {n: leaf(lags(net, n, a)) for n, a in call.initial.items()}

    def of(b: int, n: str) -> Any:
        axes = axes_of(net, n)
        return inputs[n][b] if axes[0] == "b" else inputs[n][: (LENGTHS if axes[0] == "t" else SOURCE_LENGTHS)[b], b]

    sequences = [
        One(
            {n: of(b, n) for n in inputs},
            {n: a[:, b] for n, a in initial.items()},
            call.start,
            {n: torch.tensor(m[: LENGTHS[b], b]) for n, m in masks.items()},
        )
        for b in range(BATCH)
    ]
    found = case.each(weights, sequences)
    loss = case.loss([one["L"] for one in found])
    loss.backward()
    return Twins(weights, inputs, initial, loss, found)


def same(found: Any, expected: Any, what: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=what)


def compare(name: str, out: Any, theirs: Twins) -> None:
    """Loss, signals of every sequence within its length, gradients by weights, inputs and the start."""
    net = circuit(name)
    same(out.loss, theirs.loss.item(), "L")
    for b, signals in enumerate(theirs.found):
        for n, expected in signals.items():
            if n == "L":
                continue
            ours = out.value[n]
            axes = [a for a in "tsb" if a in net.eqs[n].axes]
            cut = {"t": slice(LENGTHS[b]), "s": slice(SOURCE_LENGTHS[b]), "b": b}
            same(ours[tuple(cut[a] for a in axes)], expected.detach(), f"{n} of sequence {b}")
    leaves = {**theirs.weights, **theirs.inputs}
    for n, gradient in out.grad.items():
        if "[" in n:
            state, place = n[:-1].split("[")
            expected = theirs.initial[state].grad
            expected = None if expected is None else expected[int(place) - 1]
        else:
            expected = leaves[n].grad
        same(gradient, np.zeros_like(gradient) if expected is None else expected, f"gradient by {n}")


def signals(theirs: Twins) -> list[str]:
    return [n for n in theirs.found[0] if n != "L"]


def test_every_system_has_a_twin() -> None:
    assert set(CASES) == set(CELLS)


@pytest.mark.parametrize("name", CASES)
def test_from_its_own_start(name: str) -> None:
    call = random_call(circuit(name))
    theirs = twins(name, call, {})
    training = name not in RANDOM
    compare(name, computed(name, call, "interpret", training, signals(theirs)), theirs)


@pytest.mark.parametrize("t", [1, LATER])
@pytest.mark.parametrize("name", STARTED)
def test_from_a_start_that_is_given(name: str, t: int) -> None:
    call = started(name, t)
    theirs = twins(name, call, {})
    compare(name, computed(name, call, "interpret", name not in RANDOM, signals(theirs)), theirs)


@pytest.mark.parametrize("name", RANDOM)
def test_in_training_with_the_masks_that_were_drawn(name: str) -> None:
    call, case = random_call(circuit(name)), CASES[name]
    out = computed(name, call, "interpret", True, case.reads)
    assert case.masks is not None
    masks = case.masks(call.weights, call.inputs, out.value, LENGTHS)
    theirs = twins(name, call, masks)
    compare(name, computed(name, call, "interpret", True, signals(theirs)), theirs)


@pytest.mark.parametrize("name", COMPILED)
def test_in_compiled_kernels(name: str) -> None:
    call = random_call(circuit(name))
    theirs = twins(name, call, {})
    compare(name, computed(name, call, "cpu", True, signals(theirs)), theirs)

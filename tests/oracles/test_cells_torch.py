"""Every system of ``bptt cells`` beside its twin in torch, in float64: loss, signals, and the gradients by everything.

Batches have sequences of several lengths, whose padding is poisoned; torch is given each sequence alone. Each system
begins as its equations say, and, where it can be cut into windows, also with a start that is given, at the beginning
or in the middle of a sequence. What is random is compared in its mean, and in training with the masks that were drawn.
"""

from __future__ import annotations

import numpy as np
import pytest
from bptt.rnn.cells import CELLS
from oracles.torch_cells import CASES, circuit
from oracles.torch_cells.compare import LENGTHS, agree, compare, computed, random_call, started, twins

pytestmark = pytest.mark.oracle

LATER = 6
"""The number of the first step of a window in the middle of a sequence."""
COMPILED = ("sru", "clockwork", "interleaved", "attention")
RANDOM = tuple(n for n, case in CASES.items() if case.masks is not None)
STARTED = tuple(n for n, case in CASES.items() if case.can_start)


def test_every_system_has_a_twin() -> None:
    assert set(CASES) == set(CELLS)


@pytest.mark.parametrize("name", CASES)
def test_from_its_own_start(name: str) -> None:
    net = circuit(name)
    agree(net, CASES[name], random_call(net), training=name not in RANDOM)


@pytest.mark.parametrize("t", [1, LATER])
@pytest.mark.parametrize("name", STARTED)
def test_from_a_start_that_is_given(name: str, t: int) -> None:
    net, training = circuit(name), name not in RANDOM
    call = started(net, t, training)
    if name == "hmm":  # whose state is a distribution
        start = np.exp(call.initial["a"])
        call.initial["a"] = start / start.sum(-1, keepdims=True)
    agree(net, CASES[name], call, training=training)


@pytest.mark.parametrize("name", RANDOM)
def test_in_training_with_the_masks_that_were_drawn(name: str) -> None:
    net, case = circuit(name), CASES[name]
    call = random_call(net)
    out = computed(net, call, case.reads)
    assert case.masks is not None
    theirs = twins(net, case, call, case.masks(call.weights, call.inputs, out.value, LENGTHS))
    compare(net, computed(net, call, theirs.signals), theirs)


@pytest.mark.parametrize("name", COMPILED)
def test_in_compiled_kernels(name: str) -> None:
    net = circuit(name)
    agree(net, CASES[name], random_call(net), target="cpu")

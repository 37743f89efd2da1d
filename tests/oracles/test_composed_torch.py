"""Stacks, both directions and residual connections: what torch's num_layers and bidirectional give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn.define import Cell

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle

T, B, INPUT, HIDDEN, CLASSES = 7, 4, 6, 3, 5
LENGTHS = [5, 7, 1, 3]
#: module -> cell, gates in torch's order as (input matrix, matrix of the state, bias, the second bias)
MODULES: dict[str, tuple[Cell, list[tuple[str, str, str, str | None]]]] = {
    "LSTM": (rnn.lstm, [(f"U_{g}", f"W_{g}", f"b_{g}", None) for g in "ifgq"]),
    "GRU": (
        rnn.gru_cudnn,
        [("U_r", "W_r", "b_r", None), ("U_z", "W_z", "b_z", None), ("U_h", "W_h", "b_h", "d_h")],
    ),
}


def module(kind: str, weights: dict[str, Any], layers: list[str], sides: list[str]) -> Any:
    made = getattr(torch.nn, kind)(
        INPUT, HIDDEN, num_layers=len(layers), bidirectional=len(sides) == 2, dtype=torch.float64
    )
    gates = MODULES[kind][1]
    with torch.no_grad():
        for k, layer in enumerate(layers):
            for side, ending in zip(sides, ("", "_reverse"), strict=False):
                for position, name in enumerate(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
                    own = [gate[position] for gate in gates]
                    parts = [np.zeros(HIDDEN) if n is None else weights[n + side + layer] for n in own]
                    getattr(made, f"{name}_l{k}{ending}").copy_(torch.tensor(np.concatenate(parts)))
    return made


def outputs(made: Any, x: Any, lengths: list[int] | None) -> Any:
    """[T, B, …], zero beyond the lengths."""
    if lengths is None:
        return made(x)[0]
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    return torch.nn.utils.rnn.pad_packed_sequence(made(packed)[0], total_length=T)[0]


def compared(cell: Cell, output: str, made: Any, residual: bool, lengths: list[int] | None, **sizes: int) -> None:
    """The outputs, and the gradient of the loss by the inputs."""
    net = cell(x=INPUT, o=CLASSES, **sizes)
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(0, 0.5, shape) for n, shape in net.params.items()}
    inputs = {"x": rng.normal(size=(T, B, INPUT)), "y": rng.integers(0, CLASSES, (T, B))}
    program = compiler.compile(net, wrt=("x",), returns=(output,), target="interpret", dtype="float64")
    out = program(weights, lengths=lengths, **inputs)
    x = torch.tensor(inputs["x"], requires_grad=True)
    h = outputs(made(weights), x, lengths)
    if residual:
        h = h + x
    scores = h @ torch.tensor(weights["V"]).T + torch.tensor(weights["d"])
    ends = LENGTHS if lengths is not None else [T] * B
    losses = [
        torch.nn.functional.cross_entropy(scores[:n, b], torch.tensor(inputs["y"][:n, b])) for b, n in enumerate(ends)
    ]
    loss = torch.stack(losses).mean()
    loss.backward()
    here = out.value[output]
    for b, n in enumerate(ends):
        np.testing.assert_allclose(here[:n, b], h.detach().numpy()[:n, b], atol=1e-10)
    assert out.loss == pytest.approx(loss.item(), abs=1e-10)
    np.testing.assert_allclose(out.grad["x"], x.grad.numpy(), atol=1e-10)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("layers", [2, 3])
def test_a_stack(kind: str, layers: int, lengths: list[int] | None) -> None:
    names = [f"_{k + 1}" for k in range(layers)]
    cell = rnn.stack(MODULES[kind][0], layers)
    compared(cell, f"h_{layers}", lambda w: module(kind, w, names, [""]), False, lengths, h=HIDDEN)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", MODULES)
def test_both_directions(kind: str, lengths: list[int] | None) -> None:
    cell = rnn.bidirectional(MODULES[kind][0])
    sizes = {"h_fw": HIDDEN, "h_bw": HIDDEN}
    compared(cell, "h", lambda w: module(kind, w, [""], ["_fw", "_bw"]), False, lengths, **sizes)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", MODULES)
def test_both_directions_in_layers_with_a_residual_connection(kind: str, lengths: list[int] | None) -> None:
    both = rnn.bidirectional(MODULES[kind][0])
    sizes = {"h_fw": HIDDEN, "h_bw": HIDDEN}
    names, sides = ["_1", "_2"], ["_fw", "_bw"]
    compared(rnn.stack(both, 2), "h_2", lambda w: module(kind, w, names, sides), False, lengths, **sizes)
    compared(rnn.residual(both), "r", lambda w: module(kind, w, [""], sides), True, lengths, **sizes)

"""Stacks, both directions and residual connections: what torch's num_layers and bidirectional give. Encoder, decoder.

Loss, signals and the gradients by all weights and inputs; batches of several lengths, each sequence alone in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.define import Cell
from oracles.torch_cells import Case, One, torch
from oracles.torch_cells.case import Tensor, Weights, cross_entropy, embedding, linear
from oracles.torch_cells.compare import agree, random_call

pytestmark = pytest.mark.oracle

INPUT, HIDDEN, CLASSES = 6, 3, 5
#: module -> cell, gates in torch's order as (input matrix, matrix of the state, bias, the second bias)
MODULES: dict[str, tuple[Cell, list[tuple[str, str, str, str | None]]]] = {
    "LSTM": (rnn.lstm, [(f"U_{g}", f"W_{g}", f"b_{g}", None) for g in "ifgq"]),
    "GRU": (
        rnn.gru_cudnn,
        [("U_r", "W_r", "b_r", None), ("U_z", "W_z", "b_z", None), ("U_h", "W_h", "b_h", "d_h")],
    ),
}
SIDES = ["_fw", "_bw"]


def outputs(kind: str, w: Weights, x: Tensor, layers: Sequence[str], sides: Sequence[str], start: Any = None) -> Any:
    """What torch's module gives: the outputs [n, sides·H], and its last state; start: [H], of an LSTM (h, c)."""
    flat = {}
    for k, layer in enumerate(layers):
        for side, ending in zip(sides, ("", "_reverse"), strict=False):
            for position, name in enumerate(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
                ours = [gate[position] for gate in MODULES[kind][1]]
                hidden = w[f"{MODULES[kind][1][0][2]}{side}{layer}"]
                parts = [torch.zeros_like(hidden) if n is None else w[n + side + layer] for n in ours]
                flat[f"{name}_l{k}{ending}"] = torch.cat(parts)
    made = getattr(torch.nn, kind)(
        x.shape[1], len(hidden), num_layers=len(layers), bidirectional=len(sides) == 2, dtype=torch.float64
    )
    state = tuple(s[None] for s in start) if isinstance(start, tuple) else None if start is None else start[None]
    return torch.func.functional_call(made, flat, (x, state))


def scored(w: Weights, one: One, name: str, h: Tensor) -> dict[str, Tensor]:
    o = linear(h, w["V"], w["d"])
    return {name: h, "o": o, "L": cross_entropy(o, one["y"])}


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("layers", [2, 3])
def test_a_stack(kind: str, layers: int) -> None:
    def twin(w: Weights, one: One) -> dict[str, Tensor]:
        h, _ = outputs(kind, w, one["x"], [f"_{k + 1}" for k in range(layers)], [""])
        return scored(w, one, f"h_{layers}", h)

    net = rnn.stack(MODULES[kind][0], layers)(x=INPUT, h=HIDDEN, o=CLASSES)
    agree(net, Case(twin), random_call(net))


@pytest.mark.parametrize("kind", MODULES)
def test_both_directions(kind: str) -> None:
    def twin(w: Weights, one: One) -> dict[str, Tensor]:
        return scored(w, one, "h", outputs(kind, w, one["x"], [""], SIDES)[0])

    net = rnn.bidirectional(MODULES[kind][0])(x=INPUT, h_fw=HIDDEN, h_bw=HIDDEN, o=CLASSES)
    agree(net, Case(twin), random_call(net))


@pytest.mark.parametrize("kind", MODULES)
def test_both_directions_in_layers(kind: str) -> None:
    def twin(w: Weights, one: One) -> dict[str, Tensor]:
        return scored(w, one, "h_2", outputs(kind, w, one["x"], ["_1", "_2"], SIDES)[0])

    net = rnn.stack(rnn.bidirectional(MODULES[kind][0]), 2)(x=INPUT, h_fw=HIDDEN, h_bw=HIDDEN, o=CLASSES)
    agree(net, Case(twin), random_call(net))


@pytest.mark.parametrize("kind", MODULES)
def test_both_directions_in_layers_with_residual_connections(kind: str) -> None:
    def twin(w: Weights, one: One) -> dict[str, Tensor]:
        r = one["x"]
        for layer in ("_1", "_2"):
            r = r + outputs(kind, w, r, [layer], SIDES)[0]
        return scored(w, one, "r_2", r)

    both = rnn.stack(rnn.residual(rnn.bidirectional(MODULES[kind][0])), 2)
    net = both(x=INPUT, h_fw=HIDDEN, h_bw=HIDDEN, o=CLASSES)
    agree(net, Case(twin), random_call(net))


# ---- encoder and decoder -------------------------------------------------------------------------
def test_an_encoder_and_a_decoder() -> None:
    """The encoder's last state and cell begin the decoder, which sees the last state at every step."""

    def twin(w: Weights, one: One) -> dict[str, Tensor]:
        e, (h, c) = outputs("LSTM", w, one["x"], ["_enc"], [""])
        seen = torch.cat([embedding(one.late("y", 1), w["Y"]), e[-1].expand(len(one["y"]), -1)], 1)
        d, _ = outputs("LSTM", w, seen, ["_dec"], [""], (h[0], c[0]))
        return {"h_enc": e} | scored(w, one, "h_dec", d)

    net = rnn.encoder_decoder(rnn.lstm, rnn.lstm)(x=INPUT, h_enc=HIDDEN, o=CLASSES, Y=(CLASSES, 2))
    agree(net, Case(twin), random_call(net))


def test_an_encoder_and_a_decoder_that_looks_at_it() -> None:
    """Of two kinds and sizes: the decoder's start is a layer of the encoder's end."""

    def twin(w: Weights, one: One) -> dict[str, Tensor]:
        e, _ = outputs("LSTM", w, one["x"], ["_enc"], [""])
        d = torch.tanh(w["M"] @ e[-1])
        states = []
        for last in embedding(one.late("y", 1), w["Y"]):
            weights = torch.softmax(e @ w["K"].T @ d, 0)
            seen = torch.cat([last, weights @ e])
            d = outputs("GRU", w, seen[None], ["_dec"], [""], d)[0][0]
            states.append(d)
        return {"h_enc": e} | scored(w, one, "h_dec", torch.stack(states))

    cell = rnn.encoder_decoder(rnn.lstm, rnn.gru_cudnn, attention=True)
    net = cell(x=INPUT, h_enc=HIDDEN, h_dec=4, o=CLASSES, Y=(CLASSES, 2))
    agree(net, Case(twin), random_call(net))

"""A composition is what it is documented to be, or it is refused: of every listed cell, and of cells made of parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.errors import CircuitError, LanguageError
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.define import Cell
from composed import tried, values

WAYS: dict[str, tuple[Callable[[Cell], Cell], tuple[str, ...]]] = {
    "bidirectional": (rnn.bidirectional, ("_fw", "_bw")),
    "stack": (lambda one: rnn.stack(one, 2), ("_1", "_2")),
    "residual": (rnn.residual, ()),
    "encoder": (lambda one: rnn.encoder_decoder(one, rnn.gru), ("_enc", "_dec")),
    "decoder": (lambda one: rnn.encoder_decoder(rnn.gru, one), ("_enc", "_dec")),
}
STATES = {
    "one": ("h[t] = tanh(W @ h[t-1] + U @ x[t] + b{fed})", "V @ h[t] + d", "h[t]"),
    "two": (
        "h[t] = tanh(W @ h[t-1] + U @ x[t] + b{fed})\nk[t] = tanh(R @ k[t-1] + Q @ h[t] + c)",
        "V_h @ h[t] + V_k @ k[t] + d",
        "h[t] + k[t]",
    ),
    "joined": (
        "h[t] = tanh(W @ h[t-1] + U @ x[t] + b{fed})\nk[t] = tanh(R @ k[t-1] + Q @ x[t] + c)",
        "V @ concat(h[t], k[t]) + d",
        "concat(h[t], k[t])",
    ),
}
LOSSES = {
    "cross_entropy": "L = mean(cross_entropy(o[t], y[t]), over=t)",
    "nll": "p[t] = softmax(o[t])\nL = mean(nll(p[t], y[t]), over=t)",
    "mse": "L = mean(mse(o[t], y[t]), over=t)",
}


def made_of(states: str, layer: bool, fed: str, loss: str) -> Cell:
    """A cell whose scores have an output layer, or not, and are fed back, or not."""
    hidden, scores, itself = STATES[states]
    back = f" + F @ {fed}[t-1]" if fed else ""
    text = f"{hidden.format(fed=back)}\no[t] = {scores if layer else itself}\n{LOSSES[loss]}"
    return rnn.define(text, name=f"{states}_{loss}")


MADE = [
    made_of(states, layer, fed, loss)
    for states, layer, fed, loss in product(STATES, (True, False), ("", "o", "p"), LOSSES)
    if fed != "p" or loss == "nll"
]


def means(composed: Cell, parts: tuple[str, ...]) -> None:
    """What the loss compares with the targets is made by all parts, class by class; probabilities sum to one."""
    found = re.search(r"(cross_entropy|nll|mse)\((\w+)", str(composed))
    if not found or composed.system.opaque:
        return
    net = composed(**composed.small())
    assert graph.grad(net, "L").grads
    weights, inputs = tried(net)
    second = any("s" in axes for axes in composed.system.axes.values())
    lengths = {"t": [5] * 3, "s": [6] * 3} if second else None  # of a second sequence without inputs, too
    scores = values(net, weights, [found[2]], lengths, **inputs)[0]
    if found[1] == "nll":
        np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-9)
    for part in parts:
        other = {n: w + 0.3 * np.cos(w) if re.search(rf"{part}(_|$)", n) else w for n, w in weights.items()}
        assert any(re.search(rf"{part}(_|$)", n) for n in weights)
        moved = values(net, other, [found[2]], lengths, **inputs)[0]
        if parts == ("_fw", "_bw"):  # one of two sides: all classes of every step that it has seen something of
            assert (np.abs(moved - scores) > 0).reshape(-1, scores.shape[-1]).any(0).all(), part
        assert (moved != scores).any(), part


def tried_way(one: Cell, way: str) -> bool:
    """Whether the cell is composed; then it means what it should."""
    compose, parts = WAYS[way]
    try:
        composed = compose(one)
        composed(**composed.small())
    except (LanguageError, CircuitError) as error:
        said = str(error)
    else:
        means(composed, parts)
        return True
    assert one.name in said or "mend: " in said or "expected: " in said
    return False


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_a_listed_cell_is_composed_as_documented_or_refused(name: str, way: str) -> None:
    if name in ("lstm", "clockwork", "tagger", "rnn_lm") and way != "decoder":
        assert tried_way(cell(name), way)
    else:
        tried_way(cell(name), way)


@pytest.mark.parametrize("way", WAYS)
def test_a_cell_made_of_parts_is_composed_as_documented_or_refused(way: str) -> None:
    composed = {str(one): tried_way(one, way) for one in MADE}
    for one in MADE:
        plain = "F @" not in str(one) and "V" in str(one)
        assert composed[str(one)] or not plain, str(one)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "scores that are fed back": (lambda: rnn.bidirectional(rnn.jordan), "jordan cannot have two directions: beside h"),
    "a sum that nothing reads": (lambda: rnn.residual(rnn.jordan), "cannot have a residual connection: its scores"),
    "a decoder that feeds back": (lambda: rnn.encoder_decoder(rnn.gru, rnn.jordan), "decoder feeds its scores back"),
    "two sets of classes": (lambda: rnn.bidirectional(rnn.markov), "L reads o itself"),
    "probabilities of both sides": (lambda: rnn.bidirectional(rnn.hmm), "L reads z itself"),
    "scores as features": (lambda: rnn.stack(rnn.markov, 2), "o is scores or probabilities"),
    "probabilities as features": (lambda: rnn.stack(rnn.hmm, rnn.gru), "z is scores or probabilities"),
    "scores from the right": (lambda: rnn.bidirectional(rnn.gru, rnn.markov), "o is scores or probabilities"),
    "an encoder of scores": (lambda: rnn.encoder_decoder(rnn.markov, rnn.gru), "o is scores or probabilities"),
    "sums of probabilities": (lambda: rnn.residual(rnn.markov_driven), "L reads p as probabilities"),
    "targets from the right": (lambda: rnn.bidirectional(rnn.teacher_forcing), "its layer reads the targets y"),
    "targets of the right side": (lambda: rnn.bidirectional(rnn.gru, rnn.teacher_forcing), "reads the targets y"),
    "a table of probabilities": (lambda: rnn.stack(rnn.gru, rnn.hmm), r"hmm reads the symbols x as B\[:, x\[1\]\]"),
    "values of twice the size": (lambda: rnn.bidirectional(rnn.define(
        "h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = mean(sum((h[t] - y[t])**2), over=t)")), "L reads h itself"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_another_network_is_refused(case: str) -> None:
    way, said = REFUSED[case]
    with pytest.raises(LanguageError, match=said):
        way()


@pytest.mark.parametrize(("case", "read"), [
    ("values of twice the size", "L = mean(sum((h[t] - y[t])**2), over=t)"),
    ("sums of probabilities", "L = mean(nll(p[t], y[t]), over=t)"),
    ("scores as features", "L = mean(cross_entropy(o[t], y[t]), over=t)"),
])  # fmt: skip
def test_what_lacks_an_output_layer_is_told_to_add_one(case: str, read: str) -> None:
    with pytest.raises(LanguageError) as caught:
        REFUSED[case][0]()
    assert str(caught.value.expected).startswith("an output layer between the hidden output and the loss")
    assert caught.value.got == read
    assert str(caught.value.mend).endswith("or say which signal is the hidden output, output=…")


def test_scores_that_are_fed_back_are_each_layers_own() -> None:
    lines = str(rnn.stack(rnn.jordan, 2)).splitlines()
    assert any(line.startswith("h_2[t] = tanh(") and "U_2 @ h_1[t]" in line for line in lines)


def test_hidden_signals_that_are_read_one_by_one_are_joined() -> None:
    both = str(rnn.bidirectional(rnn.clockwork)).splitlines()
    assert both[2] == "joined_fw[t] = concat(h1_fw[t], h2_fw[t])"
    assert both[-3:-1] == ["joined[t] = concat(joined_fw[t], joined_bw[t])", "o[t] = V @ joined[t] + d"]
    two = rnn.stack(rnn.clockwork, 2)
    assert "U1_2 @ joined_1[t]" in str(two)
    assert two.units == ("h1_1", "h2_1", "h1_2", "h2_2")
    one, joined = rnn.clockwork(x=3, h1=4, h2=2, o=5), rnn.residual(rnn.clockwork, project=True)
    net = joined(x=3, h1=4, h2=2, o=5)
    weights, inputs = tried(net)
    weights["P"][:] = 0.0  # then it is the cell itself, whose two matrices stand side by side
    apart = {n: weights[n] for n in one.params if n in weights}
    apart |= {"V1": weights["V"][:, :4], "V2": weights["V"][:, 4:]}
    expected = values(one, apart, ["o"], None, **inputs)[0]
    np.testing.assert_allclose(values(net, weights, ["o"], None, **inputs)[0], expected, atol=1e-12)

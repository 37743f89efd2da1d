"""Encoder and decoder: against the two written out, and those that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph.errors import LanguageError
from composed import RAGGED, tried, values


def test_encoder_and_decoder_are_the_cells_of_the_table() -> None:
    """Against the two written out: the decoder reads the target before, joined with the end of the encoder."""
    net = rnn.encoder_decoder(rnn.elman, rnn.elman)(x=3, h_enc=4, h_dec=4, Y=(5, 2))
    weights, inputs = tried(net)
    o = values(net, weights, ["o"], {"t": RAGGED, "s": [3, 6, 1]}, **inputs)[0]
    w = weights
    for row, (steps, reads) in enumerate(zip(RAGGED, [3, 6, 1], strict=True)):
        h = np.zeros(4)
        for x in inputs["x"][:reads, row]:
            h = np.tanh(w["b_enc"] + w["W_enc"] @ h + w["U_enc"] @ x)
        end, before = h, 0
        for t in range(steps):
            u = np.concatenate([w["Y"][before], end])
            h = np.tanh(w["b_dec"] + w["W_dec"] @ h + w["U_dec"] @ u)
            np.testing.assert_allclose(o[t, row], w["c"] + w["V"] @ h, atol=1e-12)
            before = inputs["y"][t, row]


PAIRS = {
    "the same": (rnn.lstm, rnn.lstm, {"h_enc": 4, "h_dec": 4}),
    "deep": (rnn.stack(rnn.gru, 2), rnn.stack(rnn.gru, 2), {"h_1_enc": 4, "h_1_dec": 4, "h_2_enc": 4, "h_2_dec": 4}),
    "from both sides": (rnn.bidirectional(rnn.lstm), rnn.gru, {"h_fw_enc": 4, "h_bw_enc": 3, "h_dec": 5}),
    "symbols": (rnn.rnn_lm, rnn.rnn_lm, {"x": 6, "h_enc": 4, "h_dec": 4}),
    "an output that is no state": (rnn.gru, rnn.sru, {"h_enc": 4, "h_dec": 8, "c_dec": 8, "Y": (5, 4)}),
    "two states": (rnn.gru, rnn.residual(rnn.lstm, project=True), {"h_enc": 4, "h_dec": 5}),
    "numbers": (rnn.forecaster, rnn.forecaster, {"x": 2, "h_enc": 4, "h_dec": 4}),
}


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=list(PAIRS))
def test_pairs_are_compiled_and_differentiated(pair: Any, attention: bool) -> None:
    encoder, decoder, sizes = pair
    made = rnn.encoder_decoder(encoder, decoder, attention=attention)
    net = made(**made.small(sizes))
    assert rnn.define(str(made)).parameters == made.parameters
    weights, inputs = tried(net)
    lengths = {"t": RAGGED, "s": [2, 6, 1]}
    adjoint = graph.grad(net, "L")
    expected = graph.evaluate(adjoint, weights, returns=["L", *adjoint.grads.values()], lengths=lengths, **inputs)
    out = compiler.compile(net, target="interpret", dtype="float64")(weights, lengths=lengths, **inputs)
    assert out.loss == pytest.approx(expected["L"].mean())
    assert all(out.grad[n].any() for n in out.grad)
    for n, name in adjoint.grads.items():
        np.testing.assert_allclose(out.grad[n], expected[name], atol=1e-10)


def test_the_states_of_the_encoder_are_where_the_decoder_starts() -> None:
    assert "c_dec[0] = c_enc[S]" in str(rnn.encoder_decoder(rnn.lstm, rnn.lstm))
    other = str(rnn.encoder_decoder(rnn.bidirectional(rnn.gru), rnn.lstm, attention=True))
    assert "h_dec[0] = tanh(M @ concat(h_fw_enc[S], h_bw_enc[1]))" in other
    assert "w[t, s] = softmax(dot(h_dec[t-1], k[s]), over=s)" in other
    own = rnn.encoder_decoder(rnn.lstm_peephole, rnn.lstm_peephole)
    assert "h_dec[0] = h_enc[S]" in str(own)
    assert "h_0_dec" not in own.parameters


def test_a_decoder_whose_vectors_are_of_two_steps_reads_two_targets() -> None:
    late = "x[0] = 0\ne[t] = concat(E[x[t-1]], E[x[t]])\nh[t] = tanh(W @ h[t-1] + U @ e[t])\no[t] = V @ h[t]"
    late += "\nL = mean(cross_entropy(o[t], y[t]), over=t)"
    made = str(rnn.encoder_decoder(rnn.elman, rnn.define(late, name="late")))
    assert "u[t] = concat(Y[y[t-1]], h_enc[S])" in made
    assert "e_dec[t] = concat(E_dec @ u[t-1], E_dec @ u[t])" in made


AHEAD = {
    "advance": ("h[t] = tanh(W @ h[t-1] + R @ x[t+1] + U @ x[t])", "o[t] = V @ h[t]", r"h reads x\[t\+1\]"),
    "last step": ("h[t] = tanh(W @ h[t-1] + U @ x[t])", "o[t] = V @ h[t] + Q @ h[T]", r"o reads h\[T\]"),
    "mean": ("m = mean(x[t], over=t)\nh[t] = tanh(W @ h[t-1] + U @ x[t] + m)", "o[t] = V @ h[t]", "m reads mean"),
    "fixed": ("h[t] = tanh(W @ h[t-1] + U @ x[t] + R @ x[3])", "o[t] = V @ h[t]", r"h reads x\[3\]"),
}


@pytest.mark.parametrize("case", AHEAD.values(), ids=list(AHEAD))
def test_a_decoder_that_reads_later_steps_is_refused(case: tuple[str, str, str]) -> None:
    layer, scores, said = case
    ahead = rnn.define(f"{layer}\n{scores}\nL = mean(cross_entropy(o[t], y[t]), over=t)", name="ahead")
    with pytest.raises(LanguageError, match=f"ahead: the decoder reads later steps.*{said}"):
        rnn.encoder_decoder(rnn.elman, ahead)


def test_a_decoder_of_both_directions_is_refused() -> None:
    for attention in (False, True):
        with pytest.raises(LanguageError, match=r"the decoder reads later steps.*h_bw\[t\+1\]"):
            rnn.encoder_decoder(rnn.elman, rnn.bidirectional(rnn.elman), attention=attention)


def test_the_states_that_a_decoder_has_are_started() -> None:
    """Where no step reads the hidden output of an earlier one, that has no start that anything would read."""
    sru = rnn.encoder_decoder(rnn.gru, rnn.sru)
    assert "c_dec[0] = tanh(M @ h_enc[S])" in str(sru)
    assert "h_dec[0]" not in str(sru)
    around = str(rnn.encoder_decoder(rnn.gru, rnn.residual(rnn.lstm)))
    assert "c_dec[0] = tanh(M_c_dec @ h_enc[S])" in around
    assert "h_dec[0] = tanh(M_h_dec @ h_enc[S])" in around
    assert "r_dec[0]" not in around
    looking = rnn.encoder_decoder(rnn.gru, rnn.sru, attention=True)  # which reads the hidden output of the step before
    assert "h_dec[0] = tanh(M_h_dec @ h_enc[S])" in str(looking)

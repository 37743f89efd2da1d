"""Cells of cells: each is what its layers are one after the other, and what torch gives (tests/oracles)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph import Equations
from bptt.graph.errors import CircuitError, LanguageError
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.compose.parts import Composed, part_of
from bptt.rnn.define import Cell
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import SIZE, Example, examples
from systems import BY_STEPS

Array = np.ndarray[Any, Any]
T, B = 5, 3
RAGGED = [5, 2, 1]
RECURRENT = ["elman", "irnn", "lstm", "lstm_peephole", "lstm_packed", "lstm_bakker", "gru", "gru_cudnn", "mut3", "sru",
             "mingru", "two_lags", "interleaved", "normalised", "no_output", "clockwork", "forecaster"]  # fmt: skip


def tried(net: graph.Circuit, seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights, and inputs, of which some targets are missing."""
    rng = np.random.default_rng(seed)
    weights = {n: rng.normal(0, 0.5, shape) for n, shape in net.params.items()}
    inputs: dict[str, Array] = {}
    for n, x in net.input_nodes.items():
        shape = tuple({"t": T, "s": T + 1, "b": B}[a] for a in x.axes)
        inputs[n] = rng.integers(0, net.symbols[n], shape) if x.dtype == "i" else rng.normal(size=shape + x.shape)
    return weights, inputs


def values(net: graph.Circuit, weights: Any, names: list[str], lengths: Any, **inputs: Array) -> list[Array]:
    found = graph.evaluate(net, weights, returns=names, lengths=lengths, **inputs)
    return [found[n] for n in names]


def turned(x: Array, lengths: Any) -> Array:
    """Every sequence from its last step to its first."""
    out = x.copy()
    for row, n in enumerate(RAGGED if lengths is not None else [len(x)] * x.shape[1]):
        out[:n, row] = x[:n, row][::-1]
    return out


def layer_weights(weights: Any, net: graph.Circuit, suffix: str) -> dict[str, Array]:
    """Those of one layer; of the output layer, whose values are not looked at, zeros."""
    return {n: weights.get(n + suffix, np.zeros(shape)) for n, shape in net.params.items()}


# ---- stack -------------------------------------------------------------------------------------------
def is_fed(one: Cell, output: str | None, source: str, sizes: dict[str, Any], lengths: Any) -> None:
    """The second layer of a stack is the cell itself, on the output of the first."""
    out = part_of(one, source, output).output
    two = rnn.stack(one, 2, input=source, output=output)
    net = two(**sizes)
    weights, inputs = tried(net)
    low, high = values(net, weights, [f"{out}_1", f"{out}_2"], lengths, **inputs)
    small = {n: s for n, s in sizes.items() if n != source}
    first, second = one(**sizes), one(**{**small, source: low.shape[-1]})
    expected = values(first, layer_weights(weights, first, "_1"), [out], lengths, **inputs)[0]
    np.testing.assert_allclose(low, expected, atol=1e-12)
    again = values(second, layer_weights(weights, second, "_2"), [out], lengths, **{**inputs, source: low})[0]
    np.testing.assert_allclose(high, again, atol=1e-12)


@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("name", RECURRENT)
def test_the_second_layer_is_the_cell_on_the_output_of_the_first(name: str, lengths: Any) -> None:
    is_fed(cell(name), None, "x", dict(CELLS[name].sizes), lengths)


@settings(max_examples=15, deadline=None)
@given(examples(), st.data())
def test_random_networks_are_stacked(example: Example, draw: st.DataObject) -> None:
    one, output, sizes = random_layer(example, draw)
    two = rnn.stack(one, 2, input="x", output=output)
    assert isinstance(two, Composed)
    first, second = two.layers[output]
    net = two(**{m: size for n, size in sizes.items() for m in two.layers.get(n, [n])})
    weights, inputs = tried(net)
    lengths = None if example.features & {"attention"} else RAGGED
    low, high = values(net, weights, [first, second], lengths, **inputs)
    own = one(**sizes)
    low_weights, high_weights = (layer_weights(weights, own, n[len(output) :]) for n in (first, second))
    np.testing.assert_allclose(low, values(own, low_weights, [output], lengths, **inputs)[0], atol=1e-10)
    fed = {**inputs, "x": low}
    np.testing.assert_allclose(high, values(own, high_weights, [output], lengths, **fed)[0], atol=1e-10)


def random_layer(example: Example, draw: st.DataObject) -> tuple[Cell, str, dict[str, Any]]:
    """What a signal of a random network needs, without random masks, which have the name of their equation."""
    text = re.sub(r"= dropout\((.*), 0\.\d+(, over=t)?\)$", r"= \1", example.text, flags=re.MULTILINE)
    over_t = [n for n, e in example.net.eqs.items() if "[" not in n and e.axes == ("t", "b") and e.shape == (SIZE,)]
    output = draw.draw(st.sampled_from(over_t))
    note(f"{text}\noutput {output}")
    whole = rnn.define(text, name="random")
    try:
        part = part_of(whole, "x", output)
    except LanguageError as error:
        said = str(error)
    else:
        said = ""
    assume("does not read x" not in said)
    layer = Equations()
    for s in part.layer:
        layer.add(s)
    one = rnn.define(str(layer), name="random")
    shapes = {n: e.shape for n, e in example.net.eqs.items() if "[" not in n} | example.net.params
    return one, output, {n: shapes.get(n, SIZE) for n in one.system.axes}


def test_one_layer_is_the_cell() -> None:
    for name in RECURRENT:
        assert str(rnn.stack(cell(name), 1)) == str(cell(name))


def test_different_cells_and_different_depths() -> None:
    net = rnn.stack(rnn.lstm, rnn.elman, rnn.gru)(x=3, h_1=4, h_2=5, h_3=6, o=2)
    assert net.name == "lstm_elman_gru"
    assert [net.params[n] for n in ("U_f_1", "U_2", "U_u_3", "V")] == [(4, 3), (5, 4), (6, 5), (2, 6)]
    assert net.init_rules == {"b_f_1": 1.0}
    assert list(net.states) == ["h_1", "c_1", "h_2", "h_3"]
    six = rnn.stack(rnn.stack(rnn.gru, 3), 2)
    assert "h_3_2" in six.signals
    assert str(six(x=3, h_1=4, h_2=4, h_3=4, o=2)) == str(rnn.stack(rnn.stack(rnn.gru, 3), 2)(
        x=3, o=2, **{f"h_{i}_{k}": 4 for i in (1, 2, 3) for k in (1, 2)}
    ))  # fmt: skip


def test_a_size_that_is_stated_for_a_layer_is_that_of_all() -> None:
    net = rnn.stack(rnn.lstm, 3)(x=3, h=4, h_2=6, o=5)
    assert [net.outputs[f"h_{k}"] for k in (1, 2, 3)] == [(4,), (6,), (4,)]
    with pytest.raises(LanguageError, match="no name g"):
        rnn.stack(rnn.elman, 2)(x=3, h=4, o=5, g=3)


def test_symbols_are_looked_up_once() -> None:
    two = rnn.stack(rnn.rnn_lm, 2)
    assert str(two).startswith("e[t] = E[x[t]]\nf_1[t] = sigmoid(W_f_1 @ h_1[t-1] + U_f_1 @ e[t] + b_f_1)\n")
    assert "U_f_2 @ h_1[t]" in str(two)
    inline = rnn.stack(rnn.acceptor, 2)
    assert str(inline).split("\n")[1] == "h_2[t] = tanh(W_2 @ h_2[t-1] + E_2 @ h_1[t] + b_2)"
    assert inline(x=6, h=4, o=3).params["E_2"] == (4, 4)
    with pytest.raises(LanguageError, match=r"markov_k reads the symbols x as A\[x\[t-1\], x\[t\]\]"):
        rnn.stack(rnn.markov_k, 2)


def test_what_an_input_has_before_the_start_is_its_own() -> None:
    one = rnn.define("x[0] = p;  h[0] = q;  h[t] = tanh(W @ h[t-1] + U @ x[t-1])", name="late")
    is_fed(one, None, "x", {"x": 4, "h": 4}, RAGGED)
    assert "x_2[0] = p_2" in str(rnn.stack(one, 2))


# ---- both directions -----------------------------------------------------------------------------------
def from_both_sides(one: Cell, source: str | None, output: str | None, sizes: Any, lengths: Any) -> None:
    """From the right a cell is what it is from the left on sequences that are turned round."""
    out = part_of(one, source, output).output
    both = rnn.bidirectional(one, input=source, output=output)
    sides = {n + side: s for n, s in sizes.items() for side in ("_fw", "_bw")} | dict(sizes)
    net = both(**{n: s for n, s in sides.items() if n in both.system.axes and n != out})
    weights, inputs = tried(net)
    names = [f"{out}_fw", f"{out}_bw"]
    left, right = values(net, weights, names, lengths, **inputs)
    own = one(**sizes)
    forward = values(own, layer_weights(weights, own, "_fw"), [out], lengths, **inputs)[0]
    np.testing.assert_allclose(left, forward, atol=1e-10)
    over_t = {n: turned(x, lengths) if net.input_nodes[n].axes[0] == "t" else x for n, x in inputs.items()}
    backward = values(own, layer_weights(weights, own, "_bw"), [out], lengths, **over_t)[0]
    np.testing.assert_allclose(right, turned(backward, lengths), atol=1e-10)


@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("name", [n for n in RECURRENT if n != "clockwork"])
def test_the_other_direction_is_the_cell_on_turned_sequences(name: str, lengths: Any) -> None:
    from_both_sides(cell(name), None, None, dict(CELLS[name].sizes), lengths)


TURNED = {
    "clock": "h[t] = where(t % 3 == 0, tanh(W @ h[t-1] + U @ x[t]), h[t-1]) + t / T",
    "first step": "h[1] = tanh(p + x[1])\nh[t] = tanh(W @ h[t-1] + x[t])",
    "fixed steps": "h[t] = tanh(W @ h[t-1] + x[2] + x[T-1] + x[0])\nx[0] = p",
    "advance": "h[T+1] = p\nh[t] = tanh(W @ h[t+1] + x[t+2] + x[t-1])\nx[T+2] = q",
    "whole": "m = mean(x[t], over=t)\nh[t] = tanh(W @ h[t-1] + x[t] - m)",
    "symbols": "x[0] = 1\nh[t] = tanh(W @ h[t-1] + E[x[t-1]] + E[x[t]])",
    "vectors of two steps": "x[0] = 1\ne[t] = E[x[t-1]] + E[x[t]]\nh[t] = tanh(W @ h[t-1] + e[t])",
    "function": "f(a, b) = tanh(W @ a + U @ b) + t\nh[t] = f(h[t-1], x[t])",
}


@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("text", TURNED.values(), ids=list(TURNED))
def test_whatever_a_network_does_with_time_is_turned(text: str, lengths: Any) -> None:
    if "x[2]" in text and lengths:
        lengths = None  # a row of one step has no second
    from_both_sides(rnn.define(text), None, None, {"x": 4, "h": 4}, lengths)


@settings(max_examples=15, deadline=None)
@given(examples(), st.data())
def test_random_networks_in_both_directions(example: Example, draw: st.DataObject) -> None:
    one, output, sizes = random_layer(example, draw)
    from_both_sides(one, "x", output, sizes, None if example.features & {"attention"} else RAGGED)


def test_what_is_read_at_the_end_is_what_each_side_has_at_its_end() -> None:
    both = rnn.bidirectional(rnn.acceptor)
    assert "o = c + V @ concat(h_fw[T], h_bw[1])" in str(both)
    deep = rnn.stack(both, 2)
    assert "o = c + V @ concat(h_fw_2[T], h_bw_2[1])" in str(deep)
    twice = "o = c + V @ concat(concat(h_fw_fw[T], h_bw_fw[1]), concat(h_fw_bw[1], h_bw_bw[T]))"
    assert twice in str(rnn.bidirectional(both))


BOTH_ENDS = {
    "residual": lambda: rnn.residual(rnn.bidirectional(rnn.acceptor)),
    "stack": lambda: rnn.stack(rnn.residual(rnn.bidirectional(rnn.classifier)), 2),
    "encoder": lambda: rnn.encoder_decoder(rnn.residual(rnn.bidirectional(rnn.lstm)), rnn.gru),
    "deep encoder": lambda: rnn.encoder_decoder(rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), 2), rnn.gru),
    "one side": lambda: rnn.bidirectional(rnn.acceptor, rnn.residual(rnn.bidirectional(SYMBOLS))),
}
SYMBOLS = rnn.define("h[t] = tanh(W @ h[t-1] + E[x[t]])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)")


@pytest.mark.parametrize("way", BOTH_ENDS.values(), ids=list(BOTH_ENDS))
def test_the_ends_of_both_directions_are_not_lost_in_a_residual_connection(way: Any) -> None:
    with pytest.raises(LanguageError, match=r"is read for what both directions have at their ends[^$]*mend: take "):
        way()


def test_each_direction_with_its_own_residual_connection_is_read_at_its_own_end() -> None:
    both = rnn.bidirectional(rnn.residual(rnn.acceptor))
    assert "o = c + V @ concat(r_fw[T], r_bw[1])" in str(both)
    ahead = rnn.encoder_decoder(rnn.bidirectional(rnn.residual(rnn.lstm)), rnn.gru)
    assert "h_dec[0] = tanh(M @ concat(r_fw_enc[S], r_bw_enc[1]))" in str(ahead)
    net = both(x=6, h_fw=3, h_bw=3, o=2)
    weights, inputs = tried(net)
    out = compiler.compile(net, target="interpret", dtype="float64")(weights, **inputs)
    assert all(out.grad[n].any() for n in ("W_fw", "W_bw", "P_fw", "P_bw"))
    # what looks at all steps, or goes on in one direction, loses nothing
    rnn.encoder_decoder(rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), rnn.gru), rnn.gru)


def test_two_cells_from_the_two_sides() -> None:
    net = rnn.bidirectional(rnn.lstm, rnn.elman)(x=3, h_fw=4, h_bw=2, o=5)
    assert net.params["V"] == (5, 6)
    assert net.params["W_bw"] == (2, 2)
    with pytest.raises(LanguageError, match="of one the input are symbols"):
        rnn.bidirectional(rnn.lstm, rnn.acceptor)


# ---- residual ------------------------------------------------------------------------------------------
def test_residual_adds_the_input() -> None:
    net = rnn.residual(rnn.gru)(x=4, o=3)
    weights, inputs = tried(net)
    h, r = values(net, weights, ["h", "r_"], RAGGED, **inputs)  # r is the reset gate
    np.testing.assert_allclose(r[0], h[0] + inputs["x"][0])
    assert "o[t] = V @ r_[t] + d" in str(net)
    assert rnn.residual(rnn.lstm, project=True)(x=3, h=4, o=5).params["P"] == (4, 3)
    assert "r[t] = h[t] + P[x[t]]" in str(rnn.residual(rnn.acceptor))
    assert "r[t] = h[t] + e[t]" in str(rnn.residual(rnn.rnn_lm))
    with pytest.raises(LanguageError, match="clash"):
        rnn.residual(rnn.lstm)(x=3, h=4, o=5)


def test_a_stacked_bidirectional_lstm_with_residual_connections_is_one_line() -> None:
    net = rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), 3)(h_fw=2, h_bw=2, o=3)
    assert net.inputs["x"] == (4,)
    assert "r_3[t] = h_3[t] + r_2[t]" in str(net)
    weights, inputs = tried(net)
    inputs["y"][0, 0] = -1
    adjoint = graph.grad(net, "L")
    names = ["L", *adjoint.grads.values()]
    expected = graph.evaluate(adjoint, weights, returns=names, lengths=RAGGED, **inputs)
    out = compiler.compile(net, target="interpret", dtype="float64")(weights, lengths=RAGGED, **inputs)
    assert out.loss == pytest.approx(expected["L"].mean())
    for n, name in adjoint.grads.items():
        np.testing.assert_allclose(out.grad[n], expected[name], atol=1e-11)
    assert "<svg" in graph.draw_circuit(net).svg
    assert "<svg" in graph.draw_unrolled(net, steps=2).svg


# ---- encoder and decoder ---------------------------------------------------------------------------------
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


# ---- what a cell is made of ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "source", "output"),
    [
        ("elman", "x", "h"), ("lstm", "x", "h"), ("sru", "x", "h"), ("jordan", "x", "p"), ("stacked", "x", "h"),
        ("teacher_forcing", "x", "h"), ("acceptor", "x", "h"), ("classifier", "e", "h"), ("rnn_lm", "e", "h"),
        ("no_output", "x", "h"), ("driven", "x", "s"), ("tagger", "e", "joined"), ("bidirectional", "x", "joined"),
    ],
)  # fmt: skip
def test_input_and_output_are_read_off_the_equations(name: str, source: str, output: str) -> None:
    part = part_of(cell(name))
    assert (part.input, part.output) == (source, output)


def test_what_is_open_is_said() -> None:
    two = rnn.define("h[t] = tanh(W @ h[t-1] + U @ x[t] + R @ z[t])", name="two")
    with pytest.raises(LanguageError, match=r'two reads x, z at each step[^$]*input="x"'):
        rnn.stack(two, 2)
    assert "R_2 @ h_1[t]" in str(rnn.stack(two, 2, input="z"))
    loose = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\nk[t] = tanh(R @ k[t-1] + x[t])", name="loose")
    with pytest.raises(LanguageError, match=r"its hidden output may be h, k"):
        rnn.stack(loose, 2)
    assert "k_2[t] = tanh(R_2 @ k_2[t-1] + k_1[t])" in str(rnn.stack(loose, 2, output="k"))
    with pytest.raises(LanguageError, match=r"no signal z over time[^$]*one of h, k"):
        rnn.stack(loose, 2, output="z")
    with pytest.raises(LanguageError, match="reads no input over time"):
        rnn.stack(rnn.vector_to_sequence, 2)
    with pytest.raises(LanguageError, match="at least one layer"):
        rnn.stack(rnn.lstm, 0)
    for wrong in ((), (rnn.lstm, "2"), ("lstm", 2)):
        with pytest.raises(TypeError, match=r"of cells as rnn.define makes them"):
            rnn.stack(*wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected a cell, as rnn.define makes it, before its sizes are bound"):
        rnn.residual(rnn.lstm(x=3, h=4, o=5))  # type: ignore[arg-type]
    with pytest.raises(LanguageError, match="the targets of the decoder cannot be told"):
        rnn.encoder_decoder(rnn.lstm, rnn.classifier)
    with pytest.raises(LanguageError, match="attention has two indices itself"):
        rnn.encoder_decoder(rnn.lstm, rnn.attention)


@pytest.mark.parametrize("name", BY_STEPS)
def test_any_system_is_composed_or_the_error_says_why(name: str) -> None:
    one = cell(name)
    ways = (lambda: rnn.stack(one, 2), lambda: rnn.bidirectional(one), lambda: rnn.residual(one),
            lambda: rnn.encoder_decoder(one, one))  # fmt: skip
    for way in ways:
        try:
            made = way()
            made(**made.small())
        except (LanguageError, CircuitError) as error:
            said = str(error)
        else:
            said = "mend: none"
        assert "mend: " in said or "expected: " in said


# ---- in runs -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("made", "shapes"),
    [
        (rnn.stack(rnn.rnn_lm, 2), {"E": (15, 24), "U_f_2": (6, 6), "V": (15, 6)}),
        (rnn.stack(rnn.residual(rnn.lstm, project=True), 2), {"P_1": (6, 15), "P_2": (6, 6)}),
        (rnn.lstm_packed, {"W": (24, 6)}),
    ],
    ids=["stack", "residual", "cut vectors"],
)
def test_composed_cells_are_trained_and_loaded(made: Cell, shapes: dict[str, Any], tmp_path: Path) -> None:
    """``hidden`` is the number of units of every layer."""
    text = tmp_path / "verse.txt"
    text.write_text("the rain in spain stays mainly in the plain\n" * 4)
    options = {"hidden": 6, "vector": 24, "batch": 2, "window": 5, "updates": 1, "sample": 0, "quiet": True}
    run = rnn.fit(text, cell=made, run=tmp_path / "run", target="interpret", **options)
    net = run.bound.net
    assert shapes.items() <= net.params.items()
    again = rnn.load(tmp_path / "run").bound.net
    assert (str(again), again.params) == (str(net), net.params)


def test_a_size_of_all_layers_is_given_to_a_run(tmp_path: Path) -> None:
    text = tmp_path / "verse.txt"
    text.write_text("the rain in spain stays mainly in the plain\n" * 4)
    options = {"batch": 2, "window": 5, "updates": 1, "sample": 0, "quiet": True, "sizes": {"h": 3, "h_2": 5}}
    rnn.fit(text, cell=rnn.stack(rnn.gru, 2), run=tmp_path / "run", target="interpret", **options)
    net = rnn.load(tmp_path / "run").bound.net
    assert [net.outputs[f"h_{k}"] for k in (1, 2)] == [(3,), (5,)]
    assert rnn.stack(rnn.bidirectional(rnn.tagger), 2).units == tuple(
        f"{n}_{side}_{k}" for k in (1, 2) for side in ("fw", "bw") for n in ("h", "k")
    )

"""Cells of cells: each is what its layers are one after the other, and what torch gives (tests/oracles)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph import Equations
from bptt.graph.errors import LanguageError
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.compose.parts import Composed, part_of
from bptt.rnn.define import Cell
from composed import RAGGED, Array, tried, values
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import SIZE, Example, examples

RECURRENT = ["elman", "irnn", "lstm", "lstm_peephole", "lstm_packed", "lstm_bakker", "gru", "gru_cudnn", "mut3", "sru",
             "mingru", "two_lags", "interleaved", "normalised", "no_output", "clockwork", "forecaster"]  # fmt: skip


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
    part = part_of(one, source, output)
    one, out = part.cell, part.output
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
        rnn.stack(rnn.gru, rnn.markov_k)


def test_what_an_input_has_before_the_start_is_its_own() -> None:
    one = rnn.define("x[0] = p;  h[0] = q;  h[t] = tanh(W @ h[t-1] + U @ x[t-1])", name="late")
    is_fed(one, None, "x", {"x": 4, "h": 4}, RAGGED)
    assert "x_2[0] = p_2" in str(rnn.stack(one, 2))


# ---- both directions -----------------------------------------------------------------------------------
def from_both_sides(one: Cell, source: str | None, output: str | None, sizes: Any, lengths: Any) -> None:
    """From the right a cell is what it is from the left on sequences that are turned round."""
    part = part_of(one, source, output)
    one, out = part.cell, part.output
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
@pytest.mark.parametrize("name", RECURRENT)
def test_the_other_direction_is_the_cell_on_turned_sequences(name: str, lengths: Any) -> None:
    from_both_sides(cell(name), None, None, dict(CELLS[name].sizes), lengths)


TURNED = {
    "clock": "h[t] = where(t % 3 == 0, tanh(W @ h[t-1] + U @ x[t]), h[t-1]) + t / T",
    "first step": "h[1] = tanh(p + x[1])\nh[t] = tanh(W @ h[t-1] + x[t])",
    "fixed steps": "h[t] = tanh(W @ h[t-1] + x[2] + x[T-1] + x[0])\nx[0] = p",
    "fixed step before the start": "h[1] = tanh(x[1])\nh[0] = p\nh[t] = tanh(W @ h[t-1] + x[t])\nq = h[T-2]\n"
    "k[t] = tanh(h[t] + q)",
    "ends of its own": "x[0] = p\nh[t] = tanh(W @ h[t-1] + x[t-1] + x[t+1])",
    "advance": "h[T+1] = p\nh[t] = tanh(W @ h[t+1] + x[t+2] + x[t-1])\nx[T+2] = q",
    "whole": "m = mean(x[t], over=t)\nh[t] = tanh(W @ h[t-1] + x[t] - m)",
    "symbols": "x[0] = 1\nh[t] = tanh(W @ h[t-1] + E[x[t-1]] + E[x[t]])",
    "vectors of two steps": "x[0] = 1\ne[t] = E[x[t-1]] + E[x[t]]\nh[t] = tanh(W @ h[t-1] + e[t])",
    "function": "f(a, b) = tanh(W @ a + U @ b) + t\nh[t] = f(h[t-1], x[t])",
}


@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("text", TURNED.values(), ids=list(TURNED))
def test_whatever_a_network_does_with_time_is_turned(text: str, lengths: Any) -> None:
    from_both_sides(rnn.define(text), None, None, {"x": 4, "h": 4}, lengths)


@settings(max_examples=15, deadline=None)
@given(examples(), st.data())
def test_random_networks_in_both_directions(example: Example, draw: st.DataObject) -> None:
    one, output, sizes = random_layer(example, draw)
    from_both_sides(one, "x", output, sizes, None if example.features & {"attention"} else RAGGED)


FROM_THE_FIRST = "h[1] = x[1]\nh[t] = w * x[t] / h[t-1]\nL = mean(sum(h[t]**2), over=t)"


@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
def test_a_first_step_from_the_right_has_the_derivative_of_one_from_the_left(lengths: Any) -> None:
    """Its other equation divides by what stands after the end, zero."""
    one = rnn.define(FROM_THE_FIRST)
    own, net = one(x=2), rnn.bidirectional(one)(x=2)
    weights, inputs = tried(net)
    inputs = {"x": 1 + np.abs(inputs["x"])}
    backwards = {"x": turned(inputs["x"], lengths)}
    expected: dict[str, Array] = {}
    alone = graph.grad(own, "L", ("w", "x"))
    for side, arrays in (("_fw", inputs), ("_bw", backwards)):
        found = graph.evaluate(alone, {"w": weights["w" + side]}, returns=("δw", "δx"), lengths=lengths, **arrays)
        expected |= {n + side: found[f"δ{n}"] for n in "wx"}
    expected["x"] = expected.pop("x_fw") + turned(expected.pop("x_bw"), lengths)
    program = compiler.compile(net, wrt=[*expected], target="interpret", dtype="float64")
    out = program(weights, lengths=lengths, **inputs)
    adjoint = graph.grad(net, "L", expected)
    found = graph.evaluate(adjoint, weights, returns=adjoint.grads.values(), lengths=lengths, **inputs)
    for n, g in expected.items():
        np.testing.assert_allclose(out.grad[n], g, rtol=1e-9, err_msg=n)
        np.testing.assert_allclose(found[adjoint.grads[n]], g, rtol=1e-9, err_msg=n)


def test_a_first_step_that_is_turned_twice_is_a_first_step() -> None:
    both = rnn.bidirectional(rnn.define(FROM_THE_FIRST))
    assert "h_bw[t] = where(t == T, x[T], w_bw * x[t] / h_bw[t+1])" in str(both)
    twice = str(rnn.bidirectional(both)).splitlines()
    assert "h_bw_bw[1] = x[1]" in twice
    assert "h_bw_bw[t] = w_bw_bw * x[t] / h_bw_bw[t-1]" in twice
    from_both_sides(both, None, None, {"x": 2}, RAGGED)


def test_what_is_read_at_the_end_is_what_each_side_has_at_its_end() -> None:
    both = rnn.bidirectional(rnn.acceptor)
    assert "o = c + V @ concat(h_fw[T], h_bw[1])" in str(both)
    deep = rnn.stack(both, 2)
    assert "o = c + V @ concat(h_fw_2[T], h_bw_2[1])" in str(deep)
    twice = "o = c + V @ concat(concat(h_fw_fw[T], h_bw_fw[1]), concat(h_fw_bw[1], h_bw_bw[T]))"
    assert twice in str(rnn.bidirectional(both))


READ_AT_THE_END = rnn.define("h[t] = tanh(W @ h[t-1] + U @ x[t])\no = V @ h[T]\nL = cross_entropy(o, y)", inputs=("y",))


def both_ends(r: Array, sides: list[bool]) -> Array:
    """Of r [T, B, n] what is of the last step of each row where a feature is of the forward side, else of the first."""
    last = np.array([r[n - 1, b] for b, n in enumerate(RAGGED)])
    return np.where(sides, last, r[0])


@pytest.mark.parametrize(("made", "signal", "sides"), [
    (rnn.residual(rnn.bidirectional(READ_AT_THE_END)), "r", {"fw": True, "bw": False}),
    (rnn.stack(rnn.residual(rnn.bidirectional(READ_AT_THE_END)), 2), "r_2", {"fw_2": True, "bw_2": False}),
    (rnn.residual(rnn.residual(rnn.bidirectional(READ_AT_THE_END))), "r_", {"fw": True, "bw": False}),
    (rnn.residual(rnn.bidirectional(rnn.bidirectional(READ_AT_THE_END))), "r",
     {"fw_fw": True, "bw_fw": False, "fw_bw": False, "bw_bw": True}),
    (rnn.residual(rnn.bidirectional(rnn.residual(rnn.bidirectional(READ_AT_THE_END))), project=True), "r_",
     {"fw_fw": True, "bw_fw": False, "fw_bw": False, "bw_bw": True}),
], ids=["one layer", "two layers", "twice residual", "directions of directions", "residual within"])  # fmt: skip
def test_a_residual_connection_is_read_at_both_ends(made: Cell, signal: str, sides: dict[str, bool]) -> None:
    sizes = {"fw": 3, "bw": 2, "fw_2": 3, "bw_2": 2, "fw_fw": 1, "bw_fw": 2, "fw_bw": 2, "bw_bw": 1}
    net = made(o=4, **{n: sizes[n[2:]] if n[2:] in sides else 3 if "fw" in n else 2
                       for n in made.signals if n.startswith("h_") and n[2:] in {*sides, "fw_1", "bw_1"}})  # fmt: skip
    weights, inputs = tried(net)
    r, o = values(net, weights, [signal, "o"], RAGGED, **inputs)
    forward = [side for n, side in sides.items() for _ in range(sizes[n])]
    np.testing.assert_allclose(o, both_ends(r, forward) @ weights["V"].T, atol=1e-12)
    adjoint = graph.grad(net, "L")
    expected = graph.evaluate(adjoint, weights, returns=list(adjoint.grads.values()), lengths=RAGGED, **inputs)
    out = compiler.compile(net, target="interpret", dtype="float64")(weights, lengths=RAGGED, **inputs)
    for n, name in adjoint.grads.items():
        assert out.grad[n].any()
        np.testing.assert_allclose(out.grad[n], expected[name], atol=1e-11)


def test_both_ends_are_turned_with_the_direction() -> None:
    """The side from the right is itself a residual connection around both directions."""
    made = rnn.bidirectional(READ_AT_THE_END, rnn.residual(rnn.bidirectional(READ_AT_THE_END)))
    net = made(h_fw=2, h_fw_bw=3, h_bw_bw=1, o=4)
    weights, inputs = tried(net)
    h, r, o = values(net, weights, ["h_fw", "r_bw", "o"], RAGGED, **inputs)
    ends = np.concatenate([both_ends(h, [True] * 2), both_ends(r, [False] * 3 + [True])], axis=-1)
    np.testing.assert_allclose(o, ends @ weights["V"].T, atol=1e-12)


def test_an_encoder_begins_its_decoder_with_both_ends_of_its_residual_connection() -> None:
    net = rnn.encoder_decoder(rnn.residual(rnn.bidirectional(rnn.lstm)), rnn.elman)(
        h_fw_enc=3, h_bw_enc=2, h_dec=4, Y=(5, 2)
    )
    weights, inputs = tried(net)
    r = values(net, weights, ["r_enc"], {"s": RAGGED}, **inputs)[0]
    first = values(net, weights, ["h_dec[0]"], {"s": RAGGED}, **inputs)[0]
    ends = both_ends(r, [True] * 3 + [False] * 2)
    np.testing.assert_allclose(first, np.tanh(ends @ weights["M"].T), atol=1e-12)


def test_each_direction_with_its_own_residual_connection_is_read_at_its_own_end() -> None:
    both = rnn.bidirectional(rnn.residual(rnn.acceptor))
    assert "o = c + V @ concat(r_fw[T], r_bw[1])" in str(both)
    ahead = rnn.encoder_decoder(rnn.bidirectional(rnn.residual(rnn.lstm)), rnn.gru)
    assert "h_dec[0] = tanh(M @ concat(r_fw_enc[S], r_bw_enc[1]))" in str(ahead)
    net = both(x=6, h_fw=3, h_bw=3, o=2)
    weights, inputs = tried(net)
    out = compiler.compile(net, target="interpret", dtype="float64")(weights, **inputs)
    assert all(out.grad[n].any() for n in ("W_fw", "W_bw", "P_fw", "P_bw"))


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


def test_sizes_and_functions_in_the_place_of_cells_get_the_call_that_was_meant() -> None:
    with pytest.raises(TypeError) as caught:
        rnn.bidirectional(x=3, h=4)  # type: ignore[call-arg]
    assert "rnn.bidirectional(rnn.lstm)(x=3, h=4)" in str(caught.value)
    assert str(caught.value).endswith("that comes with bptt is rnn.cells.bidirectional(x=3, h=4)")
    with pytest.raises(TypeError) as caught:
        rnn.stack(rnn.bidirectional, 2)  # type: ignore[arg-type]
    assert "got the function bidirectional; it makes a cell of others: rnn.bidirectional(rnn.lstm)" in str(caught.value)
    assert str(caught.value).endswith("is rnn.cells.bidirectional")
    with pytest.raises(TypeError, match=r"expected cells, and got o=5.*rnn\.encoder_decoder\(rnn\.lstm\)\(o=5\)$"):
        rnn.encoder_decoder(rnn.lstm, rnn.lstm, o=5)  # type: ignore[call-arg]
    assert rnn.stack(rnn.cells.bidirectional, 2).name == "stacked_bidirectional"

"""Unrolled networks: steps, wires through time, starts and ends, bars, gradients."""

from __future__ import annotations

from math import hypot

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.draw import Norms, curves, labels, style
from drawings import defined, edges, ends, net, reached
from layout_rules import RULES


def test_each_step_is_the_first_one_moved() -> None:
    vertices = graph.draw_unrolled(net("lstm"), steps=3).picture.vertices
    for name in ("x", "f", "c", "h", "o", "bus|1"):
        at = [vertices[f"{name}|{t}"].at for t in (1, 2, 3)]
        assert at[2][0] - at[1][0] == pytest.approx(at[1][0] - at[0][0])
        assert len({y for _, y in at}) == 1


def test_time_runs_to_the_right_and_back() -> None:
    drawing = graph.draw_unrolled(net("bidirectional"), steps=3)
    wires = {(e.tail, e.head): ends(e) for e in drawing.picture.edges}
    assert wires["h|1", "h|2"][0][0] < wires["h|1", "h|2"][1][0]
    assert wires["g|3", "g|2"][0][0] > wires["g|3", "g|2"][1][0]
    assert ("g|4", "g|3") in edges(drawing, "cut")
    assert labels.plain(drawing.picture.vertices["g|4"].label) == "g(T+1)"


def test_ends_are_dashed() -> None:
    drawing = graph.draw_unrolled(net("elman"))
    assert {("h|0", "h|1"), ("h|4", "h|end")} == edges(drawing, "cut")


def test_long_networks_have_an_ellipsis() -> None:
    drawing = graph.draw_unrolled(net("elman"), steps=100)
    steps = {n.partition("|")[2] for n in drawing.picture.vertices if n.startswith("h|")}
    assert steps == {"0", "1", "2", "3", "…", "99", "100", "end"}
    assert {("h|3", "h|…"), ("h|…", "h|99")} <= edges(drawing)


def test_an_acceptor_reads_the_last_step() -> None:
    drawing = graph.draw_unrolled(net("acceptor"), steps=3)
    assert ("h|3", "o") in edges(drawing)
    places = drawing.picture.vertices
    assert places["o"].at[0] == places["L"].at[0] == places["h|3"].at[0]
    assert "h|end" not in places


def test_a_constant_input_is_a_bar_under_the_columns() -> None:
    drawing = graph.draw_unrolled(net("vector_to_sequence"))
    bar = drawing.picture.vertices["v"]
    assert bar.half[0] > 2 * style.DX
    assert bar.at[1] < drawing.picture.vertices["h|1"].at[1]
    assert {("v", f"h|{t}") for t in range(5)} <= edges(drawing)


def test_an_encoder_stands_before_its_decoder() -> None:
    drawing = graph.draw_unrolled(net("seq2seq"), steps={"s": 3, "t": 2})
    places = {n: v.at for n, v in drawing.picture.vertices.items()}
    assert places["e|3"][0] < places["d|0"][0] < places["d|1"][0]
    assert {("e|3", "d|0"), ("e|3", "e|last"), ("e|last", "d|2")} <= edges(drawing)
    assert ("y|1", "d|2") in edges(drawing, "skip")


def test_attention_reads_all_steps_of_the_encoder() -> None:
    found = edges(graph.draw_unrolled(net("attention"), steps={"s": 2, "t": 2}))
    assert {("e|1", "memory|t|from"), ("k|2", "memory|t|from"), ("memory|t|from", "memory|t")} <= found
    assert {("memory|t", "w|1"), ("memory|t", "z|2"), ("e|2", "d|0")} <= found


def test_steps_read_a_sum_over_all_steps_and_the_last_step_of_another_signal() -> None:
    text = "m = mean(x[t], over=t)\na[t] = tanh(a[t-1] + x[t] + m)\nh[t] = a[t] * a[T]\nL = mean(sum(h[t]), over=t)"
    drawing = graph.draw_unrolled(defined(text, x=2), steps=2)
    found = edges(drawing)
    assert {("a|2", "a|last"), ("a|last", "h|1"), ("a|last", "h|2")} <= found
    assert {"m", "a|1", "a|2"} <= reached(drawing, "x|1") & reached(drawing, "x|2")
    assert ("a|1", "a|last") not in found


def test_a_state_read_by_itself_and_gates_has_a_tap() -> None:
    drawing = graph.draw_unrolled(net("gru"), steps=2)
    tap = "h[t-1]|2"
    assert {("h|1", tap), (tap, "h|2"), (tap, "bus|1|2")} <= edges(drawing)


def test_gradients_run_back_with_the_transposed_weight() -> None:
    drawing = graph.draw_unrolled(net("elman"), steps=3, grad=True)
    back = {
        (e.tail, e.head): labels.plain(e.label).strip() for e in drawing.picture.edges if e.kind == "grad"
    }
    assert back["h|3", "h|2"].replace("\xa0", "") == "W⊤"
    assert back["L|1", "p|1"] == ""
    assert not any("x|" in head or "h|0" in head for _, head in back)


@pytest.mark.parametrize("steps", [0, {"t": 0}, {"u": 3}])
def test_steps_are_checked(steps: int | dict[str, int]) -> None:
    with pytest.raises(ValueError, match="steps says"):
        graph.draw_unrolled(net("elman"), steps=steps)


def test_a_gradient_goes_on_through_a_start_that_is_computed() -> None:
    back = edges(graph.draw_unrolled(net("seq2seq"), steps=2, grad=True), "grad")
    assert {("d|1", "d|0"), ("d|0", "e|2")} <= back
    assert not any("e|0" in pair or "y|0" in pair for pair in back)


def test_a_gradient_reaches_a_start_that_is_a_parameter_or_a_function_of_one() -> None:
    text = "h[0] = {}\nh[t] = tanh(W @ h[t-1] + x[t])\nL = mean(sum(h[t]), over=t)"
    learned = defined(text.format("h0"), h=2)
    assert ("h|1", "h|0") in edges(graph.draw_unrolled(learned, grad=True), "grad")
    fixed = defined(text.format("zeros(2)"), h=2)
    assert ("h|1", "h|0") not in edges(graph.draw_unrolled(fixed, grad=True), "grad")
    given = rnn.define(text.format("tanh(V @ v)"), inputs=("v",))(h=2, v=3)
    assert ("h|1", "h|0") in edges(graph.draw_unrolled(given, grad=True), "grad")


def test_a_gradient_goes_on_through_an_end_that_is_computed() -> None:
    text = "h[T+1] = h1\nh[t] = tanh(W @ h[t+1] + x[t])\nL = mean(sum(h[t]), over=t)"
    back = edges(graph.draw_unrolled(defined(text, h=2), steps=3, grad=True), "grad")
    assert ("h|3", "h|4") in back


# ---- norms ---------------------------------------------------------------------------------------
def test_norms_are_painted_on_the_edges_that_enter_each_step() -> None:
    values = np.array([0.0, 0.25, 1.0])
    drawing = graph.draw_unrolled(net("elman"), steps=3, norms={"h": values})
    painted = {(e.tail, e.head): e.look for e in drawing.picture.edges if e.through and e.look}
    assert painted == {
        ("h|0", "h|1"): {"class": "norm", "penwidth": "0.60", "color": "#005A9C40", "tooltip": "h[1]: 0"},
        ("h|1", "h|2"): {"class": "norm", "penwidth": "1.95", "color": "#005A9C70", "tooltip": "h[2]: 0.25"},
        ("h|2", "h|3"): {"class": "norm", "penwidth": "6.00", "color": "#005A9CFF", "tooltip": "h[3]: 1"},
    }
    assert 'class="edge time norm"' in drawing.svg
    assert "h[2]: 0.25" in drawing.svg


def test_norms_of_a_long_network_and_of_one_that_runs_back() -> None:
    long = graph.draw_unrolled(net("gru"), steps=20, norms={"h": np.linspace(0, 1, 20)})
    shown = {e.look["tooltip"] for e in long.picture.edges if e.through and e.look}
    assert {text.partition(":")[0] for text in shown} == {f"h[{t}]" for t in (1, 2, 3, 4, 19, 20)}
    back = graph.draw_unrolled(net("bidirectional"), steps=2, norms={"g": [0.5, 1.0]})
    painted = {(e.tail, e.head): e.look["tooltip"] for e in back.picture.edges if e.through and e.look}
    assert painted == {("g|2", "g|1"): "g[1]: 0.5", ("g|3", "g|2"): "g[2]: 1"}


def test_a_legend_says_what_the_norms_are_and_their_scale() -> None:
    norms = Norms({"h": [0.5, 1.0]}, "‖∂h[2]/∂h[t]‖", "3.2e+05")
    drawing = graph.draw_unrolled(net("elman"), steps=2, norms=norms)
    vertices = drawing.picture.vertices
    title = vertices["legend|title"]
    assert labels.plain(title.label) == "‖∂h[2]/∂h[t]‖ (1 stands for 3.2e+05)"
    assert title.at[1] < min(v.at[1] - v.half[1] for n, v in vertices.items() if not n.startswith("legend|"))
    strokes = {e.look["tooltip"]: e.look["penwidth"] for e in drawing.picture.edges if e.tail.startswith("legend|")}
    assert strokes == {"1": "6.00", "1/2": "3.30", "1/4": "1.95", "0": "0.60"}
    plain = graph.draw_unrolled(net("elman"), steps=2, norms={"h": [0.5, 1.0]}).picture.vertices
    assert "relative to the largest" in labels.plain(plain["legend|title"].label)
    assert all(not list(breaks(drawing)) for breaks in RULES.values())


@pytest.mark.parametrize(
    ("norms", "message"),
    [
        ({"q": [1.0, 1.0]}, r"norms names 'q', which no delay reads; .*: h, c"),
        ({"h": [1.0]}, r"norms\['h'\] has shape \(1,\); expected one value for each of the 2 steps"),
        ({"h": [0.5, 2.0]}, r"norms\['h'\] is 2\.0 at step 2; expected numbers in 0\.\.1"),
        ({"h": [float("nan"), 0.0]}, r"norms\['h'\] is nan at step 1"),
    ],
)
def test_norms_are_checked(norms: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        graph.draw_unrolled(net("lstm"), steps=2, norms=norms)


def test_the_dots_of_the_steps_left_out_stand_in_one_column() -> None:
    for name in ("lstm", "gru", "bidirectional", "acceptor"):
        picture = graph.draw_unrolled(net(name), steps=20).picture
        dots = [v.at[0] for v in picture.vertices.values() if v.role == "dots"]
        assert len(dots) > 1
        assert len(set(dots)) == 1, name


def test_what_pools_a_sequence_stands_above_it() -> None:
    drawing = graph.draw_unrolled(net("pooled"), steps=3)
    at = {n: v.at for n, v in drawing.picture.vertices.items()}
    assert at["h|3"][1] < at["m"][1] < at["o"][1] < at["L"][1] < at["y"][1]
    assert at["m"][0] == at["o"][0] == at["y"][0] == at["h|2"][0]
    assert all({"m", "o", "L"} <= reached(drawing, f"h|{t}") for t in (1, 2, 3))


def test_of_several_values_that_all_steps_read_one_is_a_bar() -> None:
    drawing = graph.draw_unrolled(net("two read by all"), steps=3)
    vertices = drawing.picture.vertices
    assert [n for n, v in vertices.items() if v.look.get("shape") == "box"] == ["a|last"]
    assert vertices["m"].at[0] > vertices["a|last"].at[0] + vertices["a|last"].half[0]
    assert {f"a|{t}" for t in (1, 2, 3)} <= reached(drawing, "m")


def test_what_only_the_first_step_reads_has_an_edge_there_alone() -> None:
    text = "h[t] = tanh(W @ h[t-1] + x[t])\nh[1] = v\nk[t] = h[t] * h[T]\nL = mean(sum(k[t]), over=t)"
    found = edges(graph.draw_unrolled(rnn.define(text, inputs=("v",))(h=2), steps=3))
    assert {("v", "h|1")} == {pair for pair in found if pair[0] == "v"}
    assert {("x|2", "h|2"), ("x|3", "h|3")} == {pair for pair in found if pair[0].startswith("x|")}


def test_longer_lags_come_out_of_the_ellipsis() -> None:
    for operations in (False, True):
        picture = graph.draw_unrolled(net("two_lags"), steps=20, operations=operations).picture
        tails = {e.through: e.tail for e in picture.edges if e.through}
        assert tails["h", 2, 3].startswith("h|1")
        for t in (19, 20):
            assert picture.vertices[tails["h", 2, t]].role == "dots"


def test_all_steps_can_be_drawn() -> None:
    vertices = graph.draw_unrolled(net("elman"), steps=12, ellipsis=False).picture.vertices
    assert {f"h|{t}" for t in range(13)} <= set(vertices)
    assert not any(v.role == "dots" for v in vertices.values())


def test_a_signal_that_gates_read_stands_below_their_panel() -> None:
    vertices = graph.draw_unrolled(net("classifier"), steps=2).picture.vertices
    panel = next(v for v in vertices.values() if v.role == "panel")
    x, e, f = (vertices[f"{name}|1"].at[1] for name in "xef")
    assert x < e < panel.at[1] - panel.half[1] < f


def test_wires_of_two_combs_do_not_look_like_one() -> None:
    for name in ("pooled by attention", "two read by all"):
        picture = graph.draw_unrolled(net(name), steps=3).picture
        joints = [v for n, v in picture.vertices.items() if n.startswith("rail|")]
        for e in picture.edges:
            line = curves.dense(curves.points_of(e.path), 2.0)
            own = picture.vertices[e.tail].at[1], picture.vertices[e.head].at[1]
            for v in joints:
                if v.id not in (e.tail, e.head) and v.at[1] not in own:
                    assert not any(hypot(x - v.at[0], y - v.at[1]) < 4 for x, y in line), (e.tail, e.head, v.id)


def test_a_long_edge_to_a_computed_start_keeps_away_from_what_it_passes() -> None:
    pair = rnn.encoder_decoder(rnn.bidirectional(rnn.gru), rnn.gru, attention=True)
    picture = graph.draw_unrolled(pair(x=3, h_fw_enc=2, h_bw_enc=2, h_dec=4, Y=(5, 2)), steps=3).picture
    edge = next(e for e in picture.edges if (e.tail, e.head) == ("h_bw_enc|1", "h_dec|0"))
    others = [v for v in picture.vertices.values() if v.id not in (edge.tail, edge.head) and v.role != "panel"]
    line = curves.dense(curves.points_of(edge.path))
    assert not [v.id for v in others if any(curves.is_inside(p, v, 10.0) for p in line)]


def test_distances_follow_the_sizes_of_circles() -> None:
    """Rows and columns leave as much between large circles as between usual ones; labels of weights have room."""
    for name in ("elman", "long names"):
        picture = graph.draw_unrolled(net(name), steps=3).picture
        state, source = ("h", "x") if name == "elman" else ("a_very_long_state_name", "another_long_input")
        one, other, below = (picture.vertices[n] for n in (f"{state}|1", f"{state}|2", f"{source}|1"))
        assert one.at[1] - one.half[1] - below.at[1] - below.half[1] >= 19.9
        assert other.at[0] - other.half[0] - one.at[0] - one.half[0] >= 20
        assert all(e.label for e in picture.edges if e.kind == "time" and e.through)


def test_buses_of_a_row_stand_apart() -> None:
    picture = graph.draw_unrolled(net("random 19"), steps=20).picture
    buses = [v for n, v in picture.vertices.items() if n.startswith("bus|") and n.endswith("|1")]
    assert len(buses) > 1
    assert all(max(abs(a.at[k] - b.at[k]) for k in (0, 1)) >= 14 for a in buses for b in buses if a is not b)
    assert not any(n.startswith("bus|") and v.role == "dots" for n, v in picture.vertices.items())

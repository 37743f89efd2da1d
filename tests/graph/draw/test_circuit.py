"""Circuits: roles, loops, buses, feedback, operations."""

from __future__ import annotations

from math import hypot

import pytest
from bptt import graph, rnn
from bptt.graph.draw import beside, curves, labels
from bptt.graph.draw.reading import read
from drawings import defined, edges, ends, net, roles
from layout_rules import RULES, boxes


def test_roles() -> None:
    found = read(net("lstm"))
    assert found.of("gate") == ["f", "i", "q"]
    assert found.of("state") == ["c", "h"]
    assert (found.of("input"), found.of("output"), found.of("loss")) == (["x", "y"], ["o"], ["L"])
    assert found.targets == ("y",)


def test_a_sigmoid_state_is_no_gate() -> None:
    assert read(defined("h[t] = sigmoid(W @ h[t-1] + U @ x[t])", x=2, h=3)).roles["h"] == "state"


def test_an_output_that_feeds_back_is_an_output() -> None:
    assert read(net("jordan")).roles["p"] == "output"


def test_a_pre_activation_is_part_of_its_state() -> None:
    found = read(net("elman"))
    assert found.folded == {"a": "h"}
    assert "a: before the nonlinearity" in found.note("h")


def test_parameters_of_parameters_are_parameters() -> None:
    assert set(read(net("hmm")).roles) == {"x", "u", "z", "a", "L"}


def test_a_state_that_reads_itself_has_two_arcs_and_a_black_square() -> None:
    drawing = graph.draw_circuit(net("diagonal"))
    square = "h[t-1]|loop"
    assert drawing.picture.vertices[square].role == "delay"
    assert {("h", square), (square, "h")} <= edges(drawing)
    out = next(e for e in drawing.picture.edges if (e.tail, e.head, e.kind) == ("h", square, "rail"))
    (x, y), half = drawing.picture.vertices[square].at, drawing.picture.vertices[square].half[1]
    assert ends(out)[1] == pytest.approx((x, y + half), abs=0.01)
    assert drawing.picture.vertices[square].at[0] > drawing.picture.vertices["h"].at[0]


def test_the_weight_of_a_loop_is_its_label() -> None:
    arrow = next(e for e in graph.draw_circuit(net("irnn")).picture.edges if e.tail == "h[t-1]|loop")
    assert labels.plain(arrow.label).strip() == "W"
    assert arrow.label_at is not None


def test_the_weight_of_what_is_dropped_at_random_is_a_label_too() -> None:
    found = graph.draw_circuit(defined("h[t] = W @ dropout(h[t-1], 0.5) + U @ (2 * x[t]) + b", x=2, h=3)).picture.edges
    assert {labels.plain(e.label).strip() for e in found} == {"", "W", "U"}


def test_a_lag_of_two_is_a_square_with_its_number_on_the_other_side() -> None:
    vertices = graph.draw_circuit(net("two_lags")).picture.vertices
    assert vertices["h[t-2]|loop"].label == "2"
    assert vertices["h[t-2]|loop"].at[0] < vertices["h"].at[0] < vertices["h[t-1]|loop"].at[0]


def test_an_advance_is_a_hollow_square() -> None:
    vertices = graph.draw_circuit(net("bidirectional")).picture.vertices
    assert vertices["g[t+1]|loop"].role == "advance"
    assert vertices["g"].at[1] == vertices["h"].at[1]


def test_gates_share_a_bus_and_the_state_feeds_back_beside_the_input() -> None:
    drawing = graph.draw_circuit(net("lstm"))
    assert roles(drawing)["bus"] == 1
    assert {("x", "bus|1"), ("h[t-1]", "bus|1"), ("bus|1", "f"), ("bus|1", "g")} <= edges(drawing)
    assert ("x", "f") not in edges(drawing)
    places = {n: v.at for n, v in drawing.picture.vertices.items()}
    assert places["h[t-1]"][1] == places["x"][1] < places["f"][1] == places["q"][1] < places["c"][1]
    assert ("h", "h[t-1]") in edges(drawing, "rail")


def test_a_target_points_down_into_the_loss() -> None:
    drawing = graph.draw_circuit(net("elman"))
    edge = next(e for e in drawing.picture.edges if (e.tail, e.head) == ("y", "L"))
    start, end = ends(edge)
    assert start[1] > end[1]
    assert edge.path.startswith("e,")


def test_a_residual_is_dashed_and_passes_on_the_west() -> None:
    drawing = graph.draw_circuit(net("stacked"))
    assert edges(drawing, "skip") == {("h1", "h")}
    assert (drawing.picture.vertices["h"].role, drawing.picture.vertices["h"].label) == ("op", "+")


def test_a_delayed_input_is_drawn_upwards() -> None:
    places = {n: v.at[1] for n, v in graph.draw_circuit(net("window_lm")).picture.vertices.items()}
    assert places["x"] < places["x[t-3]"] < places["e"]


def test_two_sequences_show_their_index() -> None:
    vertices = graph.draw_circuit(net("attention")).picture.vertices
    assert [labels.plain(vertices[n].label) for n in ("e", "d", "w")] == ["e(s)", "d(t)", "w(t, s)"]


def test_a_label_keeps_away_from_edges_that_it_does_not_name() -> None:
    picture = graph.draw_unrolled(net("lstm"), steps=3).picture
    lines = [e for e in picture.edges if e.kind != "order" and e.path]
    for named in (e for e in lines if e.label_at is not None):
        (x, y), own = named.label_at, curves.dense(curves.points_of(named.path), 3.0)
        nearest = min((x - u) ** 2 + (y - v) ** 2 for u, v in own)
        for other in (e for e in lines if e is not named):
            points = curves.dense(curves.points_of(other.path), 3.0)
            assert all((x - u) ** 2 + (y - v) ** 2 > nearest for u, v in points), (named.label, other.tail, other.head)


def test_feedback_touches_no_node() -> None:
    for name in ("lstm", "gru", "jordan", "attention"):
        drawing = graph.draw_circuit(net(name))
        for e in drawing.picture.edges:
            if e.hints.get("around"):
                others = [box for n, box in boxes(drawing) if n not in (e.tail, e.head)]
                assert not curves.touches(curves.points_of(e.path), others, 0.0), (name, e.tail)


def test_operations_group_affine_maps() -> None:
    drawing = graph.draw_circuit(net("lstm"), operations=True)
    names = {labels.plain(v.label) for v in drawing.picture.vertices.values() if v.id.startswith("name|")}
    assert names == {"f", "i", "q", "g"}
    assert roles(drawing)["product"] == 9
    squares = [n for n, v in drawing.picture.vertices.items() if v.role == "delay"]
    assert len(squares) == 2


def test_a_gate_that_no_bus_feeds_has_its_weight_beside_its_edge() -> None:
    found = {(e.tail, e.head): labels.plain(e.label).strip() for e in graph.draw_circuit(net("sru")).picture.edges}
    assert (found["x", "f"], found["x", "r"], found["c[t-1]", "f"]) == ("Uf", "Ur", "vf")
    through_a_bus = graph.draw_circuit(net("lstm")).picture.edges
    assert {labels.plain(e.label).strip() for e in through_a_bus} == {"", "V"}


@pytest.mark.parametrize("operations", [False, True])
def test_what_starts_a_state_has_its_weight_beside_its_edge(operations: bool) -> None:
    edge = next(e for e in graph.draw_circuit(net("attention"), operations).picture.edges if e.kind == "cut")
    assert labels.plain(edge.label).strip() == "M"
    assert edge.label_at is not None


@pytest.mark.parametrize("name", ["attention", "sru", "mut3", "bidirectional_lstm", "random 2"])
def test_a_label_stands_nearest_to_its_own_edge(name: str) -> None:
    assert beside.misplaced(graph.draw_circuit(net(name)).picture) == []


@pytest.mark.parametrize("name", ["bidirectional_lstm", "gru", "mut3", "attention"])
def test_a_loop_keeps_its_square_and_its_arrowhead_apart_from_other_edges(name: str) -> None:
    picture = graph.draw_circuit(net(name)).picture
    lines = [e for e in picture.edges if e.kind != "order"]
    for loop in [e for e in lines if e.tail.endswith("|loop")]:
        x0, y0, x1, y1 = curves.box_of(picture.vertices[loop.tail])
        others = [e for e in lines if loop.tail not in (e.tail, e.head)]
        for other in others:
            points = curves.dense(curves.points_of(other.path), 2.0)
            assert not any(x0 - 3 < x < x1 + 3 and y0 - 3 < y < y1 + 3 for x, y in points), (loop.tail, other)
        base = curves.points_of(loop.path)[-1]
        tips = [curves.points_of(e.path)[-1] for e in others if e.head == loop.head]
        assert all(hypot(base[0] - x, base[1] - y) > 8 for x, y in tips), loop.tail


def test_residuals_run_west_of_what_they_pass_and_cross_no_wire_of_a_delay() -> None:
    net = rnn.stack(rnn.residual(rnn.bidirectional(rnn.gru)), 2)(x=4, h_fw=2, h_bw=2, o=5)
    drawing = graph.draw_circuit(net)
    vertices = drawing.picture.vertices
    residuals = [e for e in drawing.picture.edges if e.kind == "skip"]
    assert len(residuals) == 2
    delays = [curves.dense(curves.points_of(e.path)) for e in drawing.picture.edges if e.kind in ("rail", "time")]
    for e in residuals:
        line = curves.dense(curves.points_of(e.path))
        assert curves.crossings(curves.points_of(e.path), delays) == 0
        assert line[len(line) // 2][0] < min(vertices[e.tail].at[0], vertices[e.head].at[0]), (e.tail, e.head)
    assert all(not list(breaks(drawing)) for breaks in RULES.values())

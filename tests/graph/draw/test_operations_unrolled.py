"""Unrolled networks with every operation: one step repeated, taps and ports, rails, cost."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.draw import Drawing, curves, labels
from drawings import defined, edges, net, reached, roles


def unrolled(circuit: Circuit, **options: Any) -> Drawing:
    return graph.draw_unrolled(circuit, operations=True, **options)


def test_each_step_has_all_operations_at_the_same_places() -> None:
    circuit = graph.draw_circuit(net("lstm"), operations=True).picture.vertices
    vertices = unrolled(net("lstm"), steps=3).picture.vertices
    steps = [{n.rpartition("|")[0]: v for n, v in vertices.items() if n.endswith(f"|{t}")} for t in (1, 2, 3)]
    assert steps[1].keys() == steps[2].keys() == steps[0].keys()
    moved = {round(steps[1][n].at[0] - steps[0][n].at[0], 3) for n in steps[0] if n in circuit}
    assert len(moved) == 1
    assert all(steps[1][n].at[1] == steps[0][n].at[1] for n in steps[0] if n in circuit)
    kept = {n for n, v in circuit.items() if v.role not in ("delay", "advance")}
    once = {"L", next(n for n, v in circuit.items() if v.label == "mean")}
    assert kept - steps[0].keys() == once
    assert once <= vertices.keys()


def test_wires_run_from_the_signal_to_the_tap_of_the_next_step() -> None:
    drawing = unrolled(net("lstm"), steps=2)
    through = {e.through: (e.tail, e.head, e.kind) for e in drawing.picture.edges if e.through}
    assert through == {
        ("h", 1, 1): ("h|0", "h[t-1]|1", "cutwire"),
        ("h", 1, 2): ("h|1", "h[t-1]|2", "rail"),
        ("c", 1, 1): ("c|0", "c[t-1]|1", "cutwire"),
        ("c", 1, 2): ("c|1", "c[t-1]|2", "rail"),
    }
    assert {("h|2", "h|end"), ("c|2", "c|end")} == edges(drawing, "cut")


def test_a_signal_that_runs_back_enters_from_the_right() -> None:
    drawing = unrolled(net("bidirectional"), steps=2)
    wire = next(e for e in drawing.picture.edges if e.through == ("g", -1, 1))
    points = curves.points_of(wire.path)
    assert (wire.tail, wire.head) == ("g|2", "g[t+1]|1")
    assert points[0][0] > points[-1][0]
    assert labels.plain(drawing.picture.vertices["g|3"].label) == "g(T+1)"


def test_the_first_step_has_its_own_equation() -> None:
    circuit = net("hmm")
    vertices = unrolled(circuit, steps=2).picture.vertices
    names = [{labels.plain(v.label) for n, v in vertices.items() if n.endswith(f"|{t}")} for t in (1, 2)]
    assert "p" in names[0] - names[1]
    assert "A" in names[1] - names[0]
    assert not any("if t" in v.label or "t = " in v.label for v in vertices.values())
    assert "a|0" not in vertices


def test_a_value_without_steps_is_drawn_once_and_reaches_all_steps() -> None:
    drawing = unrolled(net("vector_to_sequence"), steps=2)
    assert sum(labels.plain(v.label) == "v" for v in drawing.picture.vertices.values()) == 1
    assert reached(drawing, "v") >= {"in|0|v|1", "in|0|v|2", "h|0"}


def test_all_steps_reach_what_sums_them() -> None:
    drawing = unrolled(net("elman"), steps=3)
    mean = next(n for n, v in drawing.picture.vertices.items() if v.label == "mean")
    for t in (1, 2, 3):
        assert {mean, "L"} <= reached(drawing, f"p|{t}")


def test_the_last_step_alone_reaches_what_reads_it() -> None:
    drawing = unrolled(net("acceptor"), steps=3)
    assert "L" in reached(drawing, "h|3")
    direct = {e.head for e in drawing.picture.edges if e.tail == "h|2"}
    assert direct == {"h[t-1]|3"}


def test_attention_reads_all_steps_and_a_start_reads_the_last() -> None:
    drawing = unrolled(net("attention"), steps={"s": 2, "t": 2})
    assert {"w|1", "z|2"} <= reached(drawing, "e|1", through_time=False)
    assert "d|0" not in reached(drawing, "e|1", through_time=False)
    assert "d|0" in reached(drawing, "e|2", through_time=False)


def test_steps_read_a_sum_over_all_steps_and_the_last_step_of_another_signal() -> None:
    text = "m = mean(x[t], over=t)\na[t] = tanh(a[t-1] + x[t] + m)\nh[t] = a[t] * a[T]\nL = mean(sum(h[t]), over=t)"
    drawing = unrolled(defined(text, x=2), steps=2)
    for t in (1, 2):
        assert {"m", "a|1", "a|2", "h|1"} <= reached(drawing, f"x|{t}")
        assert f"h|{t}" in reached(drawing, "a|2", through_time=False)
    assert "h|2" not in {e.head for e in drawing.picture.edges if e.tail == "a|1"}


WHOLE = "q = tanh(W_7 @ mean(x[t], over=t))\nh[t] = tanh(W @ h[t-1] + x[t] + q)\nL = sum(sum(h[t]), over=t)"


def test_one_wire_goes_down_from_all_steps_to_what_stands_below_them() -> None:
    drawing = unrolled(defined(WHOLE, x=2, h=2), steps=4)
    vertices = drawing.picture.vertices
    right = max(v.at[0] + v.half[0] for v in vertices.values() if v.role == "cut")
    turn, down = vertices["rail|turn|1"], vertices["rail|down|1"]
    assert right < turn.at[0] == down.at[0]
    assert down.at[1] < min(v.at[1] for v in vertices.values() if v.role != "port") < turn.at[1]
    assert all({"q", f"h|{t}"} <= reached(drawing, f"x|{s}") for s in (1, 4) for t in (1, 4))
    assert all(len(set(curves.points_of(e.path))) > 1 for e in drawing.picture.edges), "a wire without length"


def test_a_gradient_goes_back_to_a_value_of_all_steps_but_not_to_the_inputs_below_it() -> None:
    drawing = unrolled(defined(WHOLE, x=2, h=2), steps=4, grad=True)
    back = [e for e in drawing.picture.edges if e.kind in ("grad", "gradwire")]
    heads = {e.head for e in back}
    assert "q" in heads
    assert not {"rail|turn|1", "rail|down|1", "x|1", "h[t-1]|1"} & heads
    assert "h[t-1]|2" in heads


def test_long_networks_have_an_ellipsis_here_too() -> None:
    drawing = unrolled(net("gru"), steps=50)
    steps = {n.partition("|")[2] for n in drawing.picture.vertices if n.startswith("h|")}
    assert steps == {"0", "1", "2", "3", "49", "50", "end"}
    assert roles(drawing)["dots"] == 1
    assert {("h|3", "h[t-1]|…"), ("h[t-1]|…", "h[t-1]|49")} <= edges(drawing)


def test_longer_lags_pass_below_the_steps_between() -> None:
    drawing = unrolled(net("two_lags"), steps=4)
    low = min(v.at[1] - v.half[1] for v in drawing.picture.vertices.values() if v.role == "panel")
    for t in (3, 4):
        wire = next(e for e in drawing.picture.edges if e.through == ("h", 2, t))
        assert (wire.tail, wire.head) == (f"h|{t - 2}", f"h[t-2]|{t}")
        assert min(y for _, y in curves.points_of(wire.path)) < low


def test_gradients_and_norms_of_operations() -> None:
    drawing = unrolled(net("elman"), steps=2, grad=True, norms={"h": [0.5, 1.0]})
    assert ("h[t-1]|2", "h|1") in edges(drawing, "grad")
    assert {e.look["tooltip"] for e in drawing.picture.edges if e.through and e.look} == {"h[1]: 0.5", "h[2]: 1"}


@pytest.mark.parametrize(
    ("operations", "grad"),
    [(False, False), (True, False), *(pytest.param(o, True, marks=pytest.mark.slow) for o in (False, True))],
)
def test_the_cost_is_linear_in_the_steps(operations: bool, grad: bool) -> None:
    """Counted are the calls of functions, Python's and built-in ones."""
    circuit = rnn.lstm(x=2, h=2, o=2)

    def calls(T: int) -> int:
        count = 0

        def counted(frame: FrameType, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            _ = graph.draw_unrolled(circuit, steps=T, grad=grad, operations=operations, ellipsis=False).dot
        finally:
            sys.setprofile(before)
        return count

    calls(2)
    few, more, many = calls(6), calls(12), calls(24)
    assert many - more < 2.1 * (more - few)


def test_a_circuit_without_a_loss_or_a_delay() -> None:
    for text in ("o[t] = tanh(x[t])", "h[t] = tanh(h[t-1] + x[t])", "o[t] = x[t] * h[t+2]\nh[t] = x[t]"):
        assert unrolled(defined(text, x=2), steps=9).svg.startswith("<?xml")

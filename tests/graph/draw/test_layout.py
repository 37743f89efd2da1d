"""Every cell in every way of drawing: what the layout has to hold, computed from the placed picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from bptt import graph
from bptt.graph.draw import Drawing, beside, curves, labels, style
from bptt.graph.draw.reading import Read, read
from bptt.rnn.cells import CELLS
from drawings import UNROLLED, WAYS, boxes, drawn, net
from systems import WITH_LOSS

every_cell = pytest.mark.parametrize("name", CELLS)
every_way = pytest.mark.parametrize("way", WAYS)
Box = curves.Box


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@every_way
@every_cell
def test_every_cell_is_drawn(name: str, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    drawing = drawn(name, way)
    tree = ET.fromstring(re.sub(r"<!DOCTYPE.*?>", "", drawing.svg, flags=re.DOTALL))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert "Warning: node" not in capfd.readouterr().err
    assert {n for e in drawing.picture.edges for n in (e.tail, e.head)} <= set(drawing.picture.vertices)
    assert all(e.path for e in drawing.picture.edges if e.kind != "order")
    assert all(e.label_at for e in drawing.picture.edges if e.label)


@every_way
@every_cell
def test_no_two_nodes_overlap(name: str, way: str) -> None:
    for (a, *of_a), (b, *of_b) in combinations(boxes(drawn(name, way)), 2):
        assert not overlap(tuple(of_a), tuple(of_b)), (a, b)


def ink(drawing: Drawing) -> Iterator[tuple[str, Box]]:
    """The labels of nodes and edges, and the boxes of their letters."""
    for v in drawing.picture.vertices.values():
        if v.label and v.role != "panel":
            size = float(style.role_look(v.role)["fontsize"])
            (x, y), wide = v.at, labels.width(v.label, size) / 2
            yield v.id, (x - wide, y - size / 2, x + wide, y + size / 2)
    for e in drawing.picture.edges:
        if e.label and e.label_at:
            yield f"{e.tail} -> {e.head}", beside.box_of(e.label, e.label_at)


@every_way
@every_cell
def test_no_two_labels_overlap(name: str, way: str) -> None:
    for (a, of_a), (b, of_b) in combinations(ink(drawn(name, way)), 2):
        assert not overlap(of_a, of_b), (a, b)


@every_way
@every_cell
def test_no_label_of_an_edge_lies_on_a_node(name: str, way: str) -> None:
    drawing = drawn(name, way)
    for e in drawing.picture.edges:
        if e.label and e.label_at:
            label = beside.box_of(e.label, e.label_at)
            assert [n for n, *box in boxes(drawing) if overlap(label, tuple(box))] == [], (e.tail, e.head)


@every_way
@every_cell
def test_no_edge_runs_through_a_foreign_node(name: str, way: str) -> None:
    """Panels lie behind the edges; a bus or a port is a dot on a wire."""
    picture = drawn(name, way).picture
    solid = [
        (v, curves.box_of(v)) for v in picture.vertices.values() if v.role not in ("panel", "bus", "port")
    ]
    for e in picture.edges:
        if e.kind == "order":
            continue
        points = curves.points_of(e.path)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        hull = (min(xs), min(ys), max(xs), max(ys))  # a Bézier curve stays within the hull of its points
        near = [v for v, box in solid if v.id not in (e.tail, e.head) and overlap(box, hull)]
        line = curves.sample(points, 30) if near else []
        touched = {v.id for v in near if any(curves.is_inside(p, v, -0.3) for p in line)}
        assert touched == set(), (e.tail, e.head, e.kind)


@every_way
@every_cell
def test_arrows_end_at_the_border_of_their_node(name: str, way: str) -> None:
    """The tip touches the node; before it there is the length of the arrowhead, outside of the node."""
    picture = drawn(name, way).picture
    for e in picture.edges:
        tip = curves.tip_of(e.path) if e.kind != "order" else None
        head = picture.vertices[e.head]
        if tip is None or head.role in ("bus", "port", "dots", "text"):
            continue
        points = curves.points_of(e.path)
        assert curves.is_inside(tip, head, beyond=4.0), (e.tail, e.head)
        assert not any(curves.is_inside(p, head, beyond=-0.3) for p in (tip, points[-1])), (e.tail, e.head)


# ---- what is drawn -------------------------------------------------------------------------------
@pytest.mark.parametrize("way", UNROLLED)
@every_cell
def test_time_runs_from_left_to_right(name: str, way: str) -> None:
    """Of every signal a later step stands further right, all by the same distance; wires follow their lag."""
    picture = drawn(name, way).picture
    at: dict[str, dict[int, float]] = {}
    for n, v in picture.vertices.items():
        signal, _, step = n.rpartition("|")
        if signal in ("op", "leaf"):
            continue  # op|12 is the twelfth operation, and has no step
        if step.isdigit() and int(step) > 0 and v.role != "cut" and not n.startswith(("rail|", "port|")):
            at.setdefault(signal, {})[int(step)] = v.at[0]
    assert at
    for signal, places in at.items():
        steps = sorted(places)
        moved = {round(places[b] - places[a], 2) for a, b in pairwise(steps) if b == a + 1}
        assert len(moved) <= 1, signal
        assert all(places[a] < places[b] for a, b in pairwise(steps)), signal
    for e in picture.edges:
        if e.through and e.kind in ("time", "rail", "skip") and e.tail.rpartition("|")[2].isdigit():
            tail, head = picture.vertices[e.tail].at[0], picture.vertices[e.head].at[0]
            same_step = e.tail.rpartition("|")[2] == e.head.rpartition("|")[2]
            assert same_step or (tail < head) == (e.through[1] > 0), (e.tail, e.head)


def delays(name: str) -> set[Read]:
    return {r for r in read(net(name)).reads if r.lag}


@pytest.mark.parametrize("way", ["circuit", "operations"])
@every_cell
def test_every_signal_and_delay_of_a_circuit_appears(name: str, way: str) -> None:
    picture, reading = drawn(name, way).picture, read(net(name))
    panels = {labels.plain(v.label) for n, v in picture.vertices.items() if n.startswith("name|")}
    for signal, role in reading.roles.items():
        assert signal in picture.vertices or labels.plain(labels.name(signal)) in panels, (signal, role)
    squares = {v.tooltip for v in picture.vertices.values() if v.role in ("delay", "advance")}
    assert squares == {f"{r.source}[{r.axis}{-r.lag:+d}]" for r in delays(name)}


@pytest.mark.parametrize("way", ["unrolled", "gradient", "unrolled operations"])
@every_cell
def test_every_signal_and_delay_of_an_unrolled_network_appears(name: str, way: str) -> None:
    picture, reading = drawn(name, way).picture, read(net(name))
    steps = {n.partition("|")[0] for n in picture.vertices}
    panels = {labels.plain(v.label) for n, v in picture.vertices.items() if n.startswith("name|")}
    for signal in reading.roles:
        assert signal in steps or labels.plain(labels.name(signal)) in panels, signal
    found = {e.through for e in picture.edges if e.through}
    T = 2 if way == "unrolled operations" else 3
    for r in delays(name):
        within = [t for t in range(1, T + 1) if 1 <= t - r.lag <= T]
        outside = [t for t in range(1, T + 1) if t not in within and r.only != "later"]
        at = within + outside
        assert {(r.source, r.lag, t) for t in at} <= found, r


@every_cell
def test_every_signal_gets_its_gradient(name: str) -> None:
    """From the loss, back over the dashed edges, every state, gate and signal is reached that the loss depends on."""
    edges = drawn(name, "gradient").picture.edges
    back = [(e.tail, e.head) for e in edges if e.kind in ("grad", "gradwire")]
    vertices = drawn(name, "gradient").picture.vertices
    forward = {(e.tail, e.head) for e in edges if e.kind in ("plain", "time", "rail", "skip", "wire", "cutwire")}
    stops = {n for n, v in vertices.items() if v.role in ("input", "cut")}
    joints = [n for n, v in vertices.items() if v.role == "bus"]
    for _ in joints:
        stops |= {n for n in joints if {a for a, b in forward if b == n} <= stops}
    expected = {(b, a) for a, b in forward if a not in stops and vertices[b].role != "cut"}
    assert expected <= set(back)


@pytest.mark.parametrize("name", WITH_LOSS)
def test_an_adjoint_is_drawn_as_any_circuit(name: str) -> None:
    adjoint = graph.grad(net(name), "L")
    for drawing in (graph.draw_circuit(adjoint), graph.draw_unrolled(adjoint, steps=3)):
        assert drawing.svg.startswith("<?xml")

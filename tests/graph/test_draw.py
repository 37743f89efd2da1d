"""Pictures: what stands in them for every cell, the SVG's form, files, and what happens without Graphviz."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.draw import Drawing, curves, labels, style
from bptt.graph.draw import render as rendering
from bptt.graph.draw.picture import Edge, Picture, Vertex, dot_source, element_id
from bptt.graph.draw.reading import read
from bptt.rnn.cells import CELLS


def net(name: str) -> Circuit:
    recipe = CELLS[name]
    return recipe.cell(name)(**recipe.sizes)


def defined(text: str, **sizes: int) -> Circuit:
    return rnn.define(text)(**sizes)


def roles(drawing: Drawing) -> Counter[str]:
    return Counter(v.role for v in drawing.picture.vertices.values())


def edges(drawing: Drawing, kind: str = "") -> set[tuple[str, str]]:
    return {(e.tail, e.head) for e in drawing.picture.edges if kind in ("", e.kind) and e.kind != "order"}


def ends(edge: Edge) -> tuple[tuple[float, float], tuple[float, float]]:
    points = curves.points_of(edge.path)
    return points[0], points[-1]


# ---- all cells -----------------------------------------------------------------------------------
WAYS = {
    "circuit": lambda c: graph.draw_circuit(c),
    "operations": lambda c: graph.draw_circuit(c, operations=True),
    "unrolled": lambda c: graph.draw_unrolled(c),
    "long": lambda c: graph.draw_unrolled(c, steps=100, grad=True),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_drawn(name: str, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    drawing = WAYS[way](net(name))
    tree = ET.fromstring(re.sub(r"<!DOCTYPE.*?>", "", drawing.svg, flags=re.DOTALL))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert "Warning: node" not in capfd.readouterr().err
    assert {e.tail for e in drawing.picture.edges} <= set(drawing.picture.vertices)
    assert all(e.path for e in drawing.picture.edges if e.kind != "order")
    assert all(e.label_at for e in drawing.picture.edges if e.label)


def boxes(drawing: Drawing) -> Iterator[tuple[str, float, float, float, float]]:
    for v in drawing.picture.vertices.values():
        if v.role not in ("panel", "bus", "text"):
            (x, y), (w, h) = v.at, v.half
            yield v.id, x - w, y - h, x + w, y + h


@pytest.mark.parametrize("way", ["circuit", "unrolled"])
@pytest.mark.parametrize("name", CELLS)
def test_no_two_nodes_overlap(name: str, way: str) -> None:
    for a, b in combinations(boxes(WAYS[way](net(name))), 2):
        assert a[1] >= b[3] or b[1] >= a[3] or a[2] >= b[4] or b[2] >= a[4], (a[0], b[0])


@pytest.mark.parametrize("name", CELLS)
def test_an_adjoint_is_drawn_as_any_circuit(name: str) -> None:
    adjoint = graph.grad(net(name), "L")
    for drawing in (graph.draw_circuit(adjoint), graph.draw_unrolled(adjoint, steps=3)):
        assert drawing.svg.startswith("<?xml")


# ---- roles ---------------------------------------------------------------------------------------
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


# ---- circuits ------------------------------------------------------------------------------------
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
    places = {n: v.at[1] for n, v in graph.draw_circuit(net("window")).picture.vertices.items()}
    assert places["x"] < places["x[t-3]"] < places["e"]


def test_two_sequences_show_their_index() -> None:
    vertices = graph.draw_circuit(net("attention")).picture.vertices
    assert [labels.plain(vertices[n].label) for n in ("e", "d", "w")] == ["e(s)", "d(t)", "w(t, s)"]


def test_feedback_touches_no_node() -> None:
    for name in ("lstm", "gru", "jordan", "attention"):
        drawing = graph.draw_circuit(net(name))
        for e in drawing.picture.edges:
            if e.hints.get("around"):
                others = [b[1:] for b in boxes(drawing) if b[0] not in (e.tail, e.head)]
                assert not curves.touches(curves.points_of(e.path), others, 0.0), (name, e.tail)


def test_operations_group_affine_maps() -> None:
    drawing = graph.draw_circuit(net("lstm"), operations=True)
    names = {labels.plain(v.label) for v in drawing.picture.vertices.values() if v.id.startswith("name|")}
    assert names == {"f", "i", "q", "g"}
    assert roles(drawing)["product"] == 9
    squares = [n for n, v in drawing.picture.vertices.items() if v.role == "delay"]
    assert len(squares) == 2


# ---- unrolled networks ---------------------------------------------------------------------------
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
    drawing = graph.draw_unrolled(net("sequence_to_sequence"), steps={"s": 3, "t": 2})
    places = {n: v.at for n, v in drawing.picture.vertices.items()}
    assert places["e|3"][0] < places["d|0"][0] < places["d|1"][0]
    assert {("e|3", "d|0"), ("e|3", "e|last"), ("e|last", "d|2")} <= edges(drawing)
    assert ("y|1", "d|2") in edges(drawing, "skip")


def test_attention_reads_all_steps_of_the_encoder() -> None:
    found = edges(graph.draw_unrolled(net("attention"), steps={"s": 2, "t": 2}))
    assert {("e|1", "memory|t"), ("k|2", "memory|t"), ("memory|t", "w|1"), ("memory|t", "z|2")} <= found


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


# ---- text ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W_f", ("W", "f")),
        ("h2", ("h", "2")),
        ("alpha", ("α", "")),
        ("h1_f", ("h", "1,f")),
        ("δh", ("δh", "")),
    ],
)
def test_names_are_split(name: str, expected: tuple[str, str]) -> None:
    assert labels.split_name(name) == expected


def test_a_hand_made_picture() -> None:
    picture = Picture('a "name"')
    picture.add(Vertex("x", "input", labels.name("x"), 'the "input"'))
    picture.add(Vertex("h", "state", labels.name("h"), at=(0.0, 72.0)))
    edge = picture.join("x", "h", label=labels.on_edge("U"))
    curves.connect(edge, picture.vertices["x"], picture.vertices["h"])
    drawing = Drawing(picture, "by hand")
    assert r'"the \"input\""' in drawing.dot
    assert "<title>by hand</title>" in drawing.svg
    with pytest.raises(ValueError, match="'x'"):
        picture.add(Vertex("x", "input"))
    assert "pos=" not in dot_source(picture, style.PLACING)


def test_ids_do_not_clash() -> None:
    assert element_id("n_", "h_3|1") != element_id("n_", "h|3_1") != element_id("n_", "h_3_1")


def test_svg_labels_are_single_texts() -> None:
    svg = graph.draw_unrolled(net("stacked")).svg
    assert "baseline-shift" not in svg
    assert '<tspan dy="-4.5"' in svg or 'dy="-7.5"' in svg
    assert "prefers-color-scheme: dark" in svg
    assert 'class="node state"' in svg
    assert 'class="edge time"' in svg
    assert 'id="n_h1&#45;2"' in svg


def test_a_notebook_gets_svg() -> None:
    bundle = graph.draw_circuit(net("elman"))._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<?xml")
    assert "drawing of elman" in bundle["text/plain"]


def test_the_same_circuit_gives_the_same_text() -> None:
    assert graph.draw_circuit(net("lstm")).dot == graph.draw_circuit(net("lstm")).dot


# ---- files and Graphviz --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_save(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = graph.draw_circuit(net("elman")).save(tmp_path / f"elman.{suffix}")
    assert path.read_bytes().startswith(start)


def test_save_names_the_formats(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'elman\.jpg'.*\.svg, \.png, \.pdf, \.dot"):
        graph.draw_circuit(net("elman")).save("elman.jpg")


def test_without_graphviz_the_error_has_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    monkeypatch.setattr(rendering.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install pygraphviz(?s:.*)apt install graphviz"):
        graph.draw_circuit(net("elman"))


_PROGRAM = """#!{python}
import sys
import pygraphviz
engine = next(a[2:] for a in sys.argv if a.startswith("-K"))
form = next(a[2:] for a in sys.argv if a.startswith("-T"))
drawn = pygraphviz.AGraph(string=sys.stdin.read())
sys.stdout.buffer.write(drawn.draw(format=form, prog=engine))
"""


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for dot is a script")
def test_the_program_dot_draws_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = graph.draw_circuit(net("lstm"))
    program = tmp_path / "dot"
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    monkeypatch.setattr(rendering.shutil, "which", lambda name: str(program))
    drawing = graph.draw_circuit(net("lstm"))
    assert drawing.dot == expected.dot
    assert drawing.svg == expected.svg


def test_without_a_font_a_warning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    monkeypatch.setattr(rendering, "_has_fonts", lambda folder: False)
    with pytest.warns(UserWarning, match="no font was found"):
        rendering.find_a_font()


def test_importing_pictures_imports_no_graphviz() -> None:
    code = "import sys, bptt.graph.draw; sys.exit(any(m in sys.modules for m in ('pygraphviz', 'networkx')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

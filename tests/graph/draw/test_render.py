"""Text and files of drawings, and what happens without Graphviz or fonts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from bptt import graph
from bptt.graph.draw import Drawing, curves, fonts, labels, style
from bptt.graph.draw import render as rendering
from bptt.graph.draw.picture import Picture, Vertex, dot_source, element_id
from drawings import net


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


_NO_FONTS = (
    '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig></fontconfig>'
)

_BARE = """
import sys
from bptt.graph.draw import Drawing, fonts, labels
from bptt.graph.draw.picture import Picture, Vertex
from bptt.graph.draw.render import place_by_dot

if sys.argv[1] == "without":
    fonts.provide = fonts.prepare = lambda: None
placed = Picture()
placed.add(Vertex("a", "signal", "placed"))
place_by_dot(placed, {})  # as a circuit is: Fontconfig is asked for the first time here
for number, word in enumerate(("x", "nn", "mm")):
    picture = Picture()
    picture.add(Vertex("a", "text", word))
    Drawing(picture, "bare").save(f"{sys.argv[2]}/{sys.argv[1]}{number}.png")
"""


def test_a_bare_machine_gets_the_font_of_matplotlib(tmp_path: Path) -> None:
    """Fontconfig without a font draws a box for every letter; with ours the letters' ink differs."""
    (tmp_path / "fonts.conf").write_text(_NO_FONTS, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FONTCONFIG")}
    bare = kept | {"FONTCONFIG_PATH": str(tmp_path), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    empty = bare | {"FONTCONFIG_FILE": str(tmp_path / "fonts.conf")}
    for how, environment in (("without", bare), ("with", bare), ("chosen", empty), ("system", kept)):
        run = [sys.executable, "-c", _BARE, how, str(tmp_path)]
        done = subprocess.run(run, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "fontconfig" not in done.stderr.lower() or "error" not in done.stderr.lower()
    ink = {p.stem: int((plt.imread(p)[..., :3].mean(axis=-1) < 0.5).sum()) for p in tmp_path.glob("*.png")}
    assert ink["with0"] > 0
    assert ink["chosen2"] == ink["with2"] > 1.2 * ink["with1"]  # an m has one stem more than an n, the boxes are alike
    assert ink["without2"] == pytest.approx(ink["without1"], rel=0.1)


def test_without_a_font_a_warning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    monkeypatch.setattr(fonts, "_has_fonts", lambda folder: False)
    with pytest.warns(UserWarning, match=r"no font was found: .* \.svg"):
        fonts.provide()


_CHOSEN = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><include>more.conf</include></fontconfig>"""


@pytest.mark.parametrize("dir_", ["<dir>{}</dir>", ""])
def test_a_chosen_font_configuration_is_left_alone_if_it_names_a_font(
    dir_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.ttf").touch()
    (tmp_path / "mine.conf").write_text(_CHOSEN)
    (tmp_path / "more.conf").write_text(f"<fontconfig>{dir_.format(tmp_path)}</fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "mine.conf"))
    fonts.provide()
    used = Path(os.environ["FONTCONFIG_FILE"])
    assert (used == tmp_path / "mine.conf") == bool(dir_)
    assert bool(dir_) or f">{tmp_path / 'mine.conf'}</include>" in used.read_text()


def test_importing_pictures_imports_no_graphviz() -> None:
    code = "import sys, bptt.graph.draw; sys.exit(any(m in sys.modules for m in ('pygraphviz', 'networkx')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

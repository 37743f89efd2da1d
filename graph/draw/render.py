"""Graphviz, through pygraphviz or the program ``dot``; and the drawing that a user holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import fonts
from . import svg as svg_text
from .picture import Picture, Point, dot_source

FORMATS = ("svg", "png", "pdf", "dot")
_DPI = {"png": "150"}  # dpi would scale an SVG too


def graphviz(source: str, engine: str, form: str, **graph: str) -> bytes:
    """Graphviz's answer to a text: ``engine`` places (dot) or only draws (nop2), ``form`` is its output.

    Raises RuntimeError, with both remedies, when there is neither pygraphviz nor the program ``dot``.
    """
    if find_spec("pygraphviz") is not None:
        return _by_pygraphviz(source, engine, form, graph)
    program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            "a picture needs Graphviz, and neither the package pygraphviz nor the program dot was found. "
            "Install one: `pip install pygraphviz` (its wheels bring Graphviz along), or Graphviz itself, "
            "so that `dot` is on the PATH (Debian and Ubuntu: `apt install graphviz`)"
        )
    options = [f"-G{key}={value}" for key, value in graph.items()]
    done = subprocess.run(
        [program, f"-K{engine}", f"-T{form}", *options], input=source.encode(), capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _by_pygraphviz(source: str, engine: str, form: str, graph: dict[str, str]) -> bytes:
    import pygraphviz

    drawn = pygraphviz.AGraph(string=source)
    drawn.graph_attr.update(graph)
    # without ``prog`` it is nop2, and silent above 1,000 nodes
    drawn.has_layout = engine == "nop2"
    result: bytes = drawn.draw(format=form, prog=None if engine == "nop2" else engine)
    return result


def place_by_dot(picture: Picture, placing: dict[str, str]) -> dict[str, tuple[Point, Point]]:
    """Let dot place the vertices and route the edges of a picture; the boxes of its clusters are returned."""
    answer = json.loads(graphviz(dot_source(picture, placing), "dot", "json0"))
    boxes: dict[str, tuple[Point, Point]] = {}
    for thing in answer.get("objects", ()):
        if thing["name"] in picture.vertices and "pos" in thing:
            picture.vertices[thing["name"]].at = _point(thing["pos"])
        elif thing["name"].startswith("cluster_") and "bb" in thing:
            x0, y0, x1, y1 = (float(v) for v in thing["bb"].split(","))
            boxes[thing["name"][len("cluster_") :]] = ((x0, y0), (x1, y1))
    for found in answer.get("edges", ()):
        edge = picture.edges[int(found["id"].removeprefix("e_"))]
        edge.path = _turned(found.get("pos", "")) if edge.against else found.get("pos", "")
        if "lp" in found:
            edge.label_at = _point(found["lp"])
    return boxes


def _turned(spline: str) -> str:
    """A spline from its end to its start."""
    turned = {"e,": "s,", "s,": "e,"}
    tips = [turned[w[:2]] + w[2:] for w in spline.split() if w[:2] in turned]
    return " ".join([*tips, *reversed([w for w in spline.split() if w[:2] not in turned])])


def _point(text: str) -> Point:
    x, y = text.rstrip("!").split(",")
    return float(x), float(y)


class Drawing:
    """A finished picture: its Graphviz text with all places in it, its SVG, and files of both.

    A notebook shows it as SVG. ``dot`` can be rendered by Graphviz itself: ``dot -Knop2 -Tpdf``.
    """

    def __init__(self, picture: Picture, title: str) -> None:
        self.picture = picture
        self.title = title

    @cached_property
    def dot(self) -> str:
        """The picture as Graphviz text."""
        return dot_source(self.picture)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG text; it follows the reader's light or dark mode.

        Raises RuntimeError when there is no Graphviz.
        """
        return svg_text.clean(graphviz(self.dot, "nop2", "svg", dpi="72").decode(), self.title)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a file; its suffix says what: .svg, .png, .pdf or .dot. Returns its path.

        Raises ValueError for another suffix, RuntimeError when there is no Graphviz.
        """
        target = Path(path)
        form = target.suffix.lower().lstrip(".")
        if form not in FORMATS:
            known = ", ".join("." + f for f in FORMATS)
            raise ValueError(
                f"the suffix of {str(path)!r} names no format of a drawing; expected one of {known}"
            )
        if form == "svg":
            target.write_text(self.svg, encoding="utf-8")
        elif form == "dot":
            target.write_text(self.dot, encoding="utf-8")
        else:
            fonts.provide()
            target.write_bytes(graphviz(self.dot, "nop2", form, dpi=_DPI.get(form, "72")))
        return target

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return (
            f"<drawing of {self.title}: {len(self.picture.vertices)} nodes, {len(self.picture.edges)} edges>"
        )

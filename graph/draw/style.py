"""The style sheet: every look of a picture in one place, as Graphviz attributes by role and kind.

Fills are light Okabe-Ito colours, so that text on them is black; in greyscale roles stay apart by
border, shape and dash.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

Look = Mapping[str, str]

INK = "#222222"
GREY = "#777777"
FONT = "Times,DejaVu Serif,serif"
NODE_SIZE, EDGE_SIZE, SCRIPT_SIZE = 14, 13, 9

#: Points between steps and between rows of an unrolled network.
DX, DY = 86.0, 72.0

GRAPH: Look = {
    "bgcolor": "white",
    "pad": "0.12",
    "fontname": FONT,
    "fontsize": str(EDGE_SIZE),
    "fontcolor": INK,
    "outputorder": "nodesfirst",
}
#: What dot is told when it places a circuit.
PLACING: Look = {"rankdir": "BT", "nodesep": "0.3", "ranksep": "0.42", "splines": "true"}
PLACING_OPERATIONS: Look = {**PLACING, "nodesep": "0.16", "ranksep": "0.38"}

NODE: Look = {
    "shape": "circle",
    "fixedsize": "true",
    "width": "0.5",
    "height": "0.5",
    "style": "filled",
    "fillcolor": "white",
    "color": INK,
    "penwidth": "1.1",
    "fontname": FONT,
    "fontsize": str(NODE_SIZE),
    "fontcolor": INK,
    "margin": "0",
}
EDGE: Look = {
    "color": INK,
    "penwidth": "1",
    "arrowsize": "0.65",
    "arrowhead": "normal",
    "fontname": FONT,
    "fontsize": str(EDGE_SIZE),
    "fontcolor": INK,
}

ROLES: Mapping[str, Look] = {
    "input": {"fillcolor": "#D2D2D2", "color": GREY, "penwidth": "0.8"},
    "state": {"fillcolor": "#CFE5F5", "penwidth": "2.2"},
    "gate": {
        "shape": "box",
        "style": "filled,rounded",
        "width": "0.46",
        "height": "0.40",
        "fillcolor": "#FBE6BF",
    },
    "signal": {},
    "output": {"fillcolor": "#CDEBDF"},
    "loss": {"fillcolor": "#F8D8C8", "peripheries": "2", "width": "0.46", "height": "0.46"},
    "delay": {
        "shape": "square",
        "width": "0.16",
        "height": "0.16",
        "fillcolor": "black",
        "color": "black",
        "fontcolor": "white",
        "fontsize": str(SCRIPT_SIZE),
    },
    "advance": {
        "shape": "square",
        "width": "0.16",
        "height": "0.16",
        "color": "black",
        "penwidth": "2",
        "fontsize": str(SCRIPT_SIZE),
    },
    "bus": {"width": "0.05", "height": "0.05", "fillcolor": INK},
    "port": {"shape": "point", "style": "invis", "width": "0.01", "height": "0.01"},
    "op": {"width": "0.30", "height": "0.30", "fontsize": "13"},
    "function": {
        "shape": "box",
        "style": "filled,rounded",
        "width": "0.50",
        "height": "0.28",
        "fontsize": "12",
        "fillcolor": "#FBE6BF",
    },
    "product": {"shape": "box", "width": "0.42", "height": "0.28", "fontsize": "12", "fillcolor": "#E9DDF0"},
    "cut": {"style": "dashed", "color": GREY, "fontcolor": GREY},
    "panel": {"shape": "box", "style": "filled,rounded", "color": "#C4C4C4", "fillcolor": "#F7F7F7"},
    "dots": {"shape": "none", "style": "", "width": "0.42", "height": "0.5", "fontsize": "20"},
    "text": {"shape": "none", "style": "", "width": "0.30", "height": "0.25", "fontsize": str(EDGE_SIZE)},
}

#: A panel within which others stand: what an unrolled network has once a step.
PANEL_WITHIN: Look = {"style": "filled,rounded", "fillcolor": "#EFEFEF"}

KINDS: Mapping[str, Look] = {
    "plain": {},
    "wire": {"arrowhead": "none"},
    "time": {"penwidth": "1.7"},
    "rail": {"penwidth": "1.7", "arrowhead": "none"},
    "skip": {"style": "dashed"},
    "cut": {"style": "dashed", "color": GREY},
    "cutwire": {"style": "dashed", "color": GREY, "arrowhead": "none"},
    "grad": {
        "color": "#D55E00",
        "fontcolor": "#B04A00",
        "style": "dashed",
        "arrowhead": "vee",
        "penwidth": "1.4",
        "arrowsize": "0.7",
    },
    "gradwire": {"color": "#D55E00", "style": "dashed", "arrowhead": "none", "penwidth": "1.4"},
    "order": {"style": "invis"},
}

#: The width of an edge's wire, and the length of an arrow's tip in points.
ARROW = 10.0

#: A lag above one is written into its square, which is larger for it.
LAG_SIZE = (0.20, 0.20)


@cache
def role_look(role: str) -> Look:
    """All attributes of a node of this role."""
    return {**NODE, **ROLES[role]}


@cache
def kind_look(kind: str) -> Look:
    """All attributes of an edge of this kind."""
    return {**EDGE, **KINDS[kind]}


def tip(kind: str) -> float:
    """The length of the arrow of an edge of this kind, in points."""
    look = kind_look(kind)
    return 0.0 if look["arrowhead"] == "none" else ARROW * float(look["arrowsize"])


#: Gradient norms on the edges through time: colour, and how pen and opacity (0 to 255) follow a value in 0..1.
NORM = "#005A9C"


def norm_look(value: float) -> dict[str, str]:
    """The look of an edge that carries a gradient whose norm, relative to the largest, is ``value``."""
    return {
        "class": "norm",
        "penwidth": f"{0.6 + 5.4 * value:.2f}",
        "color": f"{NORM}{round(64 + 191 * value):02X}",
    }


#: What the root of every SVG is called, so that its rules hold for no other picture of the same page.
SVG_CLASS = "bptt"

# Browsers apply class lists everywhere; :not() and filters on straight lines fail in some renderers.
_DARK: Mapping[str, str] = {
    "g.graph > polygon": "fill: none",
    "text": "fill: #e8e8e8",
    ".plain path, .time path, .wire path, .rail path, .skip path": "stroke: #c8c8c8",
    ".plain polygon, .time polygon, .skip polygon": "fill: #c8c8c8; stroke: #c8c8c8",
    ".node ellipse, .node path, .node polygon": "stroke: #c8c8c8",
    ".signal ellipse, .signal polygon, .op ellipse, .advance polygon": "fill: #16181c",
    ".input ellipse, .input polygon": "fill: #3d4046",
    ".state ellipse, .state polygon": "fill: #12466b",
    ".gate path, .function path": "fill: #5c4508",
    ".output ellipse, .output polygon": "fill: #0b4a37",
    ".loss ellipse, .loss polygon": "fill: #6b2a0a",
    ".loss ellipse + ellipse": "fill: none",
    ".product polygon": "fill: #4a3357",
    ".panel path": "fill: #202329; stroke: #555555",
    ".delay polygon, .bus ellipse": "fill: #f0f0f0; stroke: #f0f0f0",
    ".delay text": "fill: #000000",
    ".advance polygon": "stroke: #f0f0f0",
    ".cut ellipse": "stroke: #8a8a8a",
    ".cut text": "fill: #8a8a8a",
    ".grad path, .gradwire path": "stroke: #ff9a5c",
    ".grad polygon": "fill: #ff9a5c; stroke: #ff9a5c",
    ".grad text": "fill: #ff9a5c",
    ".norm path": "stroke: #7cc4ff",
    ".norm polygon": "fill: #7cc4ff; stroke: #7cc4ff",
}
_HOVER = ".node:hover ellipse, .node:hover path, .node:hover polygon, .edge:hover path"


def css() -> str:
    """The rules of an SVG: dark mode, hover, and a height that follows the width where a page makes it narrower."""
    root = f"svg.{SVG_CLASS}"

    def rule(selectors: str, what: str) -> str:
        return ", ".join(f".{SVG_CLASS} {s}" for s in selectors.split(", ")) + " { " + what + " }"

    dark = [f"{root} {{ background: #16181c }}", *(rule(s, what) for s, what in _DARK.items())]
    lines = ["@media (prefers-color-scheme: dark) {", *(" " + line for line in dark), "}"]
    lines += [f"@media screen {{ {root} {{ height: auto }} }}", rule(_HOVER, "stroke-width: 3")]
    return "\n".join(["<style>", *lines, "</style>"])

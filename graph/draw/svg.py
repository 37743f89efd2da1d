"""Graphviz's SVG made right for browsers: labels as one text, a size that follows the page, dark mode."""

from __future__ import annotations

import html
import re

from . import style

_TEXT = re.compile(
    r'<text [^>]*?text-anchor="(?P<anchor>\w+)" x="(?P<x>[-\d.]+)" y="(?P<y>[-\d.]+)"'
    r"(?P<look>[^>]*)>(?P<text>[^<]*)</text>\n?"
)
_RUN = re.compile(r"(?:<text [^>]*>[^<]*</text>\n?)+")
_SHIFT = {"super": -4.5, "sub": 3.0}


def clean(svg: str, title: str) -> str:
    """The SVG of Graphviz with its labels merged, no wider than its page, with a title, hover and dark mode."""
    svg = _RUN.sub(_merge, svg)
    root = f'<svg class="{style.SVG_CLASS}" role="img" style="max-width:100%"'
    svg = re.sub(r"<svg(?= width=)", root, svg, count=1)
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'(<g id="graph0"[^>]*>\n)<title>[^<]*</title>', rf"\1<title>{html.escape(title)}</title>", svg
    )
    return svg.replace('<g id="graph0"', style.css() + '\n<g id="graph0"', 1)


def _merge(run: re.Match[str]) -> str:
    """Texts that follow each other, line by line: each line becomes one centred text."""
    lines: list[list[re.Match[str]]] = []
    for part in _TEXT.finditer(run[0]):
        if lines and lines[-1][-1]["y"] == part["y"]:
            lines[-1].append(part)
        else:
            lines.append([part])
    return "".join(line[0][0] if len(line) == 1 else _one_text(line) for line in lines)


def _one_text(parts: list[re.Match[str]]) -> str:
    """Runs with ``baseline-shift``, which browsers ignore on a text, as spans of one text with ``dy``."""
    last = parts[-1]
    right = float(last["x"]) + 0.5 * _size(last) * len(html.unescape(last["text"]))
    centre = (float(parts[0]["x"]) + right) / 2
    spans, height = [], 0.0
    for part in parts:
        shift = re.search(r'baseline-shift="(\w+)"', part["look"])
        wanted = _SHIFT.get(shift[1], 0.0) if shift else 0.0
        slant = ' font-style="italic"' if "italic" in part["look"] else ""
        spans.append(
            f'<tspan dy="{wanted - height:.1f}" font-size="{_size(part):.0f}"{slant}>{part["text"]}</tspan>'
        )
        height = wanted
    look = " ".join(re.findall(r'(?:font-family|fill)="[^"]*"', parts[0]["look"]))
    return f'<text text-anchor="middle" x="{centre:.2f}" y="{parts[0]["y"]}" {look}>{"".join(spans)}</text>\n'


def _size(part: re.Match[str]) -> float:
    found = re.search(r'font-size="([\d.]+)"', part["look"])
    return float(found[1]) if found else float(style.NODE_SIZE)

"""Norms of a gradient over time, painted on an unrolled network, with a legend of what they are."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import curves, labels, style
from .picture import Edge, Picture, Vertex

_SAMPLES = {"1": 1.0, "1/2": 0.5, "1/4": 0.25, "0": 0.0}
_BELOW, _LINE, _STROKE, _ROOM = 30.0, 20.0, 34.0, 10.0  # points: under the picture, from line to line, of a sample


@dataclass(frozen=True)
class Norms:
    """What is painted: numbers in 0..1 and what they are.

    values   signal -> one value in 0..1 for each step: of step t on the wires that enter step t
    title    what the numbers are
    unit     what 1 stands for, if that is not 1
    """

    values: Mapping[str, ArrayLike]
    title: str = "gradient at each step, relative to the largest"
    unit: str = ""


def paint(picture: Picture, norms: Norms, numbers: Mapping[str, int]) -> None:
    """Paint norms on the edges through time, as their width and opacity, and draw the legend below.

    numbers  delayed signal -> the number of its steps

    Raises ValueError for a name without edges through time, another number of values, or one outside 0..1.
    """
    for name, given in norms.values.items():
        values = _checked(name, given, numbers)
        for edge in picture.edges:
            if edge.through is not None and edge.through[0] == name:
                step = edge.through[2]
                value = float(values[step - 1])
                edge.look |= style.norm_look(value)
                edge.look["tooltip"] = f"{name}[{step}]: {value:.3g}"
    _legend(picture, norms)


def _checked(name: str, given: ArrayLike, numbers: Mapping[str, int]) -> NDArray[np.float64]:
    if name not in numbers:
        known = ", ".join(numbers) or "none"
        raise ValueError(
            f"norms names {name!r}, which no delay reads; signals with edges through time: {known}"
        )
    values = np.asarray(given, dtype=np.float64)
    steps = numbers[name]
    if values.shape != (steps,):
        raise ValueError(
            f"norms[{name!r}] has shape {values.shape}; expected one value for each of the {steps} steps: ({steps},)"
        )
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if wrong.size:
        step = int(wrong[0]) + 1
        raise ValueError(
            f"norms[{name!r}] is {values[step - 1]} at step {step}; expected numbers in 0..1: divide by the largest"
        )
    return values


def _legend(picture: Picture, norms: Norms) -> None:
    """Under the picture: what is painted, and below it a stroke for each of some values."""
    boxes = [curves.box_of(v) for v in picture.vertices.values()]
    boxes += [curves.hull(curves.points_of(e.path)) for e in picture.edges if e.path]
    left, y = min(b[0] for b in boxes), min(b[1] for b in boxes) - _BELOW
    title = norms.title + (f" (1 stands for {norms.unit})" if norms.unit not in ("", "1") else "")
    _text(picture, "legend|title", title, left, y)
    x = left
    for number, (label, value) in enumerate(_SAMPLES.items()):
        west, east = (
            picture.add(Vertex(f"legend|{number}|{which}", "port", at=(at, y - _LINE)))
            for which, at in (("west", x), ("east", x + _STROKE))
        )
        edge = Edge(west.id, east.id, "wire", look=style.norm_look(value) | {"tooltip": label})
        curves.connect(edge, west, east)
        picture.edges.append(edge)
        x = _text(picture, f"legend|{number}|label", label, x + _STROKE + _ROOM / 2, y - _LINE) + 2 * _ROOM


def _text(picture: Picture, name: str, text: str, left: float, y: float) -> float:
    """A text that begins at ``left``; where it ends."""
    label = f"<{html.escape(text)}>"
    wide = ceil(labels.width(label, style.EDGE_SIZE))
    picture.add(Vertex(name, "text", label, text, (left + wide / 2, y), (wide / 72, 0.25)))
    return left + wide

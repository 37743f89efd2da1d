"""Edges of an unrolled network: straight where nothing stands between, else bent, or around a panel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from . import curves, style
from .picture import Edge, Point, Vertex

_BENDS = (0.0, 0.08, -0.08, 0.14, -0.14, 0.2, -0.2, 0.28, -0.28, 0.38, -0.38, 0.5, -0.5)
_CLEAR = 4.0
_BACK = (0.28, -0.28, 0.2, -0.2, 0.36, -0.36)


def boxes(vertices: Iterable[Vertex], ends: Sequence[Vertex]) -> list[curves.Box]:
    """What an edge has to keep clear of."""
    found = []
    for v in vertices:
        if v not in ends and v.role not in ("panel", "bus"):
            (x, y), (w, h) = v.at, v.half
            shrink = 0.12 if v.round else 0.0  # the corners of a circle's box are empty
            found.append(
                (x - w * (1 - shrink), y - h * (1 - shrink), x + w * (1 - shrink), y + h * (1 - shrink))
            )
    return found


def connect(
    edge: Edge,
    tail: Vertex,
    head: Vertex,
    others: Iterable[Vertex],
    shifts: Sequence[float] = (),
    bar: str = "",
) -> float:
    """The straightest curve that touches least; its bend. ``bar``: the wide end, "tail" or "head"."""
    around = boxes(others, (tail, head))
    best, fewest = (0.0, 0.0), len(around) + 1
    for shift, bend in product(shifts or (0.0,), _BENDS):
        points = curves.connect(edge, tail, head, bend, *_on_bar(tail, head, bar, shift))
        touched = curves.hits(points, around, _CLEAR)
        if touched < fewest:
            best, fewest = (shift, bend), touched
        if not touched:
            break
    shift, bend = best
    curves.connect(edge, tail, head, bend, *_on_bar(tail, head, bar, shift))
    return bend


def bend(edge: Edge, tail: Vertex, head: Vertex, others: Iterable[Vertex]) -> None:
    """A bent curve, to the side where it touches no other vertex."""
    around = boxes(others, (tail, head))
    touched = [curves.hits(curves.connect(edge, tail, head, by), around, 1.0) for by in _BACK]
    curves.connect(edge, tail, head, _BACK[touched.index(min(touched))])


def _on_bar(tail: Vertex, head: Vertex, bar: str, shift: float) -> tuple[Point | None, Point | None]:
    if bar == "tail":
        return (head.at[0] + shift, tail.at[1]), None
    return None, ((tail.at[0] + shift, head.at[1]) if bar == "head" else None)


def crosses(tail: Vertex, head: Vertex, box: curves.Box) -> bool:
    """Whether the straight line between two vertices passes through a box in which neither stands."""
    if any(box[0] <= v.at[0] <= box[2] and box[1] <= v.at[1] <= box[3] for v in (tail, head)):
        return False
    line = [tail.at, tail.at, head.at, head.at]
    return curves.touches(line, [box], 0.0)


def around_panel(edge: Edge, tail: Vertex, head: Vertex, box: curves.Box, lane: float) -> None:
    """Up beside a panel in the gutter at ``lane``, with rounded corners."""
    low, high = (box[1] - 11, box[3] + 11) if tail.at[1] < head.at[1] else (box[3] + 11, box[1] - 11)
    start = curves.border(tail, (tail.at[0], low))
    last = (head.at[0], high)
    arrow = style.tip(edge.kind)
    tip, base = curves.border(head, last), curves.border(head, last, arrow)
    points = curves.rounded([start, (tail.at[0], low), (lane, low), (lane, high), last, base], 9.0)
    edge.path = curves.path(points, tip if arrow else None)


def down_to_bus(edge: Edge, tap: Vertex, bus: Vertex) -> None:
    """From a tap at the border of a panel down along it and in to the bus at its bottom."""
    (x0, y0), (x1, y1) = tap.at, bus.at
    edge.path = curves.path([(x0, y0), (x0, y1 + 0.25 * (y0 - y1)), (x0 + 0.2 * (x1 - x0), y1), (x1, y1)])

"""Edges of an unrolled network: straight where nothing stands between, else bent, or around a panel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from . import curves, style
from .picture import Edge, Point, Vertex

_TRIED = 4  # of edges that repeat each other, so many at each end are looked at
_CLEAR, _CLEAR_IN_ROW = 3.0, 7.0


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


@dataclass
class Shape:
    """How an edge runs: bent by a part of its length, or up (down) the middle between two columns."""

    bend: float = 0.0
    middle: bool = False
    shift: float = 0.0


SHAPES = (
    *(Shape(b) for b in (0.0, 0.08, -0.08, 0.14, -0.14, 0.2, -0.2)),
    Shape(middle=True),
    *(Shape(b) for b in (0.28, -0.28, 0.38, -0.38, 0.5, -0.5)),
)


def draw(edge: Edge, tail: Vertex, head: Vertex, shape: Shape, bar: str = "") -> list[Point]:
    """Give an edge its path; its control points. ``bar``: the wide end, "tail" or "head"."""
    if shape.middle:
        return curves.by_the_middle(edge, tail, head)
    return curves.connect(edge, tail, head, shape.bend, *_on_bar(tail, head, bar, shape.shift))


def connect(
    edges: Sequence[tuple[Edge, Vertex, Vertex]],
    others: Callable[[Vertex, Vertex], Iterable[Vertex]],
    shifts: Sequence[float] = (),
    bar: str = "",
    lines: Sequence[Sequence[Point]] = (),
) -> None:
    """Edges that repeat each other all get the first shape with which they touch nothing, or least.

    others    what stands between two vertices
    lines     edges that are there: of two bends that touch nothing the one that crosses fewer is taken
    """
    shapes = [replace(shape, shift=shift) for shape in SHAPES for shift in shifts or (0.0,)]
    tried = edges if len(edges) <= 2 * _TRIED else [*edges[:_TRIED], *edges[-_TRIED:]]
    around = [boxes(others(tail, head), (tail, head)) for _, tail, head in tried]
    best, fewest = shapes[0], sum(map(len, around)) + 1
    for shape in shapes:
        if shape.middle and bar:
            continue
        touched = 0
        for (edge, tail, head), near in zip(tried, around, strict=True):
            clear = _CLEAR_IN_ROW if abs(tail.at[1] - head.at[1]) < 1 else _CLEAR
            touched += curves.hits(draw(edge, tail, head, shape, bar), near, clear)
            if touched >= fewest:
                break
        if touched < fewest:
            best, fewest = shape, touched
        if not touched:
            break
    if best.bend and lines and not bar:
        turned = replace(best, bend=-best.bend)
        pairs = zip(tried, around, strict=True)
        free = not any(curves.hits(draw(*of, turned), near, _CLEAR) for of, near in pairs)
        if free and _crossed(tried, turned, lines) < _crossed(tried, best, lines):
            best = turned
    for edge, tail, head in edges:
        draw(edge, tail, head, best, bar)


def _crossed(
    edges: Sequence[tuple[Edge, Vertex, Vertex]], shape: Shape, lines: Sequence[Sequence[Point]]
) -> int:
    """How many lines edges of a shape cross, or come close to."""
    count = 0
    for edge, tail, head in edges:
        points = draw(edge, tail, head, shape)
        count += curves.crossings(points, lines) + (curves.nearness(points, lines, _CLEAR) > 0)
    return count


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
    corner = (tap.at[0], bus.at[1])
    edge.path = curves.path(curves.rounded([tap.at, corner, bus.at], 20.0))

"""Wires that run around a placed picture: feedback down one side, far enough out to touch nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import curves, labels, style
from .picture import Edge, Picture, Point

MARGIN = 7.0
WEST, EAST = -1, 1
_DIPS = (0.0, 50.0, 100.0, 150.0)  # how far below its tail a residual may first run, under what stands beside that
_NEAREST, _FURTHER, _FURTHEST, _KEPT = 22.0, 6.0, 260.0, 5
# what a crossing, a point close to another wire, and the side of the loops cost in points
_CROSSING, _BESIDE, _EAST = 80.0, 6.0, 12.0


def route(picture: Picture, edge: Edge, sides: Sequence[int] = (WEST, EAST)) -> None:
    """Replace the path of an edge by one round the west or the east, whichever stays closer."""
    boxes = list(obstacles(picture, {edge.tail, edge.head}))
    crossed = [curves.sample(curves.points_of(e.path), 10) for e in picture.edges if e.path and e is not edge]
    candidates = [
        (
            curves.extent(points)
            + _CROSSING * curves.crossings(points, crossed)
            + _BESIDE * curves.nearness(points, crossed, MARGIN)
            + (_EAST if side > 0 else 0),
            points,
        )
        for side in sides
        for dip in (_DIPS if edge.kind == "skip" else _DIPS[:1])
        for points in _clear(picture, edge, side, boxes, dip)
    ]
    if not candidates:
        return
    points = min(candidates)[1]
    arrow = style.tip(edge.kind)
    if arrow:
        x, y = points[-1]
        points[-1] = (x + (arrow if points[-2][0] > x else -arrow), y)
        edge.path = curves.path(points, (x, y))
    else:
        edge.path = curves.path(points)


def obstacles(picture: Picture, ends: set[str]) -> Iterator[curves.Box]:
    """Boxes that a wire has to keep clear of: vertices and the labels of edges."""
    for name, vertex in picture.vertices.items():
        if name not in ends and vertex.role != "panel":
            (x, y), (w, h) = vertex.at, vertex.half
            yield x - w, y - h, x + w, y + h
    for edge in picture.edges:
        if edge.label and edge.label_at:
            x, y = edge.label_at
            w = labels.width(edge.label, style.EDGE_SIZE) / 2
            yield x - w + 4, y - 6, x + w - 4, y + 6


def _clear(
    picture: Picture, edge: Edge, side: int, boxes: list[curves.Box], dip: float
) -> Iterator[list[Point]]:
    """The wires that touch nothing, close behind each obstacle."""
    tail, head = picture.vertices[edge.tail], picture.vertices[edge.head]
    (x0, y0), (x1, y1) = tail.at, head.at
    start = curves.border(tail, (x0 + side, y0 - (dip > 0)))
    end = (x1 + side * (head.half[0] + curves.GAP), y1)
    lane, free = max(side * start[0], side * end[0]) + _NEAREST, 0
    furthest = lane + _FURTHEST
    while lane < furthest:
        points = _bow(start, end, side * lane, dip)
        free = 0 if curves.touches(points, boxes, MARGIN) else free + 1
        if 0 < free <= _KEPT:
            yield points
        lane += _FURTHER


def _bow(start: Point, end: Point, lane: float, dip: float) -> list[Point]:
    """Out sideways and down, along the lane, and in sideways again."""
    (x0, y0), (x1, y1) = start, end
    middle = (y0 + y1) / 2
    return [
        start,
        (x0 + 0.7 * (lane - x0), y0 - dip),
        (lane, middle + 0.5 * (y0 - middle)),
        (lane, middle),
        (lane, middle + 0.5 * (y1 - middle)),
        (x1 + 0.7 * (lane - x1), y1),
        end,
    ]

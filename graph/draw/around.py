"""Wires that run around a placed picture: feedback down one side, far enough out to touch nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from . import curves, labels, style
from .picture import Edge, Picture, Point

MARGIN = 7.0
WEST, EAST = -1, 1
_DIPS = (0.0, 50.0, 100.0, 150.0)  # how far below its ends a residual may run, under what stands beside these
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
        for dips in (product(_DIPS, _DIPS[:2]) if edge.kind == "skip" else [(0.0, 0.0)])
        for points in _clear(picture, edge, side, boxes, dips)
    ]
    if not candidates:
        return
    points = min(candidates)[1]
    arrow = style.tip(edge.kind)
    if arrow:
        head = picture.vertices[edge.head]
        points[-1] = curves.border(head, points[-2], arrow)
        edge.path = curves.path(points, curves.border(head, points[-2]))
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
    picture: Picture, edge: Edge, side: int, boxes: list[curves.Box], dips: tuple[float, float]
) -> Iterator[list[Point]]:
    """The wires that touch nothing, close behind each obstacle."""
    tail, head = picture.vertices[edge.tail], picture.vertices[edge.head]
    start, end = (
        curves.border(v, (v.at[0] + side, v.at[1] - (dip > 0))) for v, dip in zip((tail, head), dips, strict=True)
    )
    lane, free = max(side * start[0], side * end[0]) + _NEAREST, 0
    furthest = lane + _FURTHEST
    while lane < furthest:
        points = _bow(start, end, side * lane, dips)
        free = 0 if curves.touches(points, boxes, MARGIN) else free + 1
        if 0 < free <= _KEPT:
            yield points
        lane += _FURTHER


def _bow(start: Point, end: Point, lane: float, dips: tuple[float, float]) -> list[Point]:
    """Out sideways and down by the first dip, along the lane, and in sideways again, from below by the second."""
    (x0, y0), (x1, y1) = start, end
    middle = (y0 + y1) / 2
    return [
        start,
        (x0 + 0.7 * (lane - x0), y0 - dips[0]),
        (lane, middle + 0.5 * (y0 - middle)),
        (lane, middle),
        (lane, middle + 0.5 * (y1 - middle)),
        (x1 + 0.7 * (lane - x1), y1 - dips[1]),
        end,
    ]

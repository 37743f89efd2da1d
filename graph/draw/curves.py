"""Curves: straight and bent edges, the loop of a state onto itself, wires with rounded corners; in points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, cos, hypot, radians, sin

import numpy as np
from numpy.typing import NDArray

from . import style
from .picture import Edge, Point, Vertex

Numbers = NDArray[np.float64]

#: Graphviz draws a border centred on the outline: an edge ends this far outside.
GAP = 1.0
_AT_END = 3.0  # an arrow that ends further from its node goes on to it


def path(points: Sequence[Point], tip: Point | None = None) -> str:
    """A Graphviz spline: 3n+1 control points, and the tip of its arrow."""
    text = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return text if tip is None else f"e,{tip[0]:.2f},{tip[1]:.2f} {text}"


def border(vertex: Vertex, toward: Point, beyond: float = 0.0) -> Point:
    """Where the ray from the centre of a vertex to ``toward`` leaves it, and ``beyond`` points further."""
    (x, y), (half_w, half_h) = vertex.at, vertex.half
    dx, dy = toward[0] - x, toward[1] - y
    length = hypot(dx, dy) or 1.0
    ux, uy = dx / length, dy / length
    if vertex.round:
        reach = 1.0 / (hypot(ux / half_w, uy / half_h) or 1.0)
    else:
        reach = min(half_w / abs(ux) if ux else 1e9, half_h / abs(uy) if uy else 1e9)
    reach += beyond + gap(vertex)
    return x + ux * reach, y + uy * reach


def gap(vertex: Vertex) -> float:
    """How far from its outline an edge ends: not at all from a dot on a wire."""
    return 0.0 if vertex.role in ("bus", "port") else GAP


def connect(
    edge: Edge,
    tail: Vertex,
    head: Vertex,
    bend: float = 0.0,
    leave: Point | None = None,
    arrive: Point | None = None,
) -> list[Point]:
    """Give an edge its path, a cubic curve bent to the left by ``bend`` of its length; and its label a place.

    ``leave`` and ``arrive`` are points on the middle line of a wide bar, where that is the tail or the head.
    Returns the control points.
    """
    (x0, y0), (x1, y1) = leave or tail.at, arrive or head.at
    dx, dy = x1 - x0, y1 - y0
    length = hypot(dx, dy) or 1.0
    nx, ny = -dy / length, dx / length
    out = bend * length
    first = (x0 + dx * 0.25 + nx * out, y0 + dy * 0.25 + ny * out)
    second = (x0 + dx * 0.75 + nx * out, y0 + dy * 0.75 + ny * out)
    arrow = style.tip(edge.kind)
    if bend and not (leave or arrive) and (is_inside(first, tail) or is_inside(second, head, arrow)):
        # large circles: quarters of what is between their borders, not their centres
        (x0, y0), (x1, y1) = border(tail, head.at), border(head, tail.at)
        first = (x0 + (x1 - x0) * 0.25 + nx * out, y0 + (y1 - y0) * 0.25 + ny * out)
        second = (x0 + (x1 - x0) * 0.75 + nx * out, y0 + (y1 - y0) * 0.75 + ny * out)
    start = _end(tail, leave, first, 0.0)
    tip, base = _end(head, arrive, second, 0.0), _end(head, arrive, second, arrow)
    if bend == 0:
        first, second = _between(start, base, 1 / 3), _between(start, base, 2 / 3)
    points = [start, first, second, base]
    edge.path = path(points, tip if arrow else None)
    if edge.label:
        edge.label_at = beside(edge.label, _between(start, tip, 0.5), (nx, ny), out * 0.75)
    return points


def by_the_middle(edge: Edge, tail: Vertex, head: Vertex) -> list[Point]:
    """Give an edge a path that runs up or down half way between two columns, and leaves and arrives sideways."""
    (x0, y0), (x1, y1) = tail.at, head.at
    middle, rise = (x0 + x1) / 2, 0.12 * (y1 - y0)
    first, second = (middle, y0 + rise), (middle, y1 - rise)
    arrow = style.tip(edge.kind)
    start, tip, base = border(tail, first), border(head, second), border(head, second, arrow)
    points = [start, first, second, base]
    edge.path = path(points, tip if arrow else None)
    if edge.label:
        edge.label_at = beside(edge.label, _between(start, tip, 0.5), (1.0, 0.0))
    return points


def _end(vertex: Vertex, on_bar: Point | None, toward: Point, beyond: float) -> Point:
    if on_bar is None:
        return border(vertex, toward, beyond)
    (x, y), (_, half_h) = on_bar, vertex.half
    return x, y + (half_h + gap(vertex) + beyond) * (1 if toward[1] > y else -1)


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def beside(label: str, at: Point, normal: Point, out: float = 0.0) -> Point:
    """The centre of a label that stands on one side of a curve, clear of it."""
    from .labels import width

    clear = out + 3 + abs(normal[0]) * (width(label, style.EDGE_SIZE) / 2 - 1) + abs(normal[1]) * 8
    return at[0] + normal[0] * clear, at[1] + normal[1] * clear


def loop(state: Vertex, square: Vertex, turned: float = 0.0) -> tuple[str, str]:
    """The two arcs of a state that reads itself: to the delay's square beside it, and back.

    Tangent to the radius of the state, vertical at the square; ``turned`` by so many degrees upwards.
    """
    (X, Y), r = state.at, state.half[0] + GAP
    (x, y), s = square.at, square.half[1]
    side = 1 if x > X else -1
    k, back = 0.42 * hypot(x - X, y - Y), r + style.tip("time")

    def ray(degrees: float, length: float) -> Point:
        angle = radians(degrees)
        return X + side * length * cos(angle), Y + length * sin(angle)

    out, home = 52 + 0.4 * turned, -52 + turned
    leave = [ray(out, r), ray(out, r + k), (x, y + s + k), (x, y + s)]
    low = k * (1 - turned / 60)
    enter = [(x, y - s), (x, y - s - low), ray(home, back + low), ray(home, back)]
    return path(leave), path(enter, ray(home, r))


def rounded(corners: Sequence[Point], radius: float = 14.0) -> list[Point]:
    """Control points of a wire through ``corners`` whose bends are rounded."""
    points = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        r = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        enter, leave = _toward(corner, before, r), _toward(corner, after, r)
        points += [
            points[-1],
            enter,
            enter,
            _toward(enter, corner, r * 0.55),
            _toward(leave, corner, r * 0.55),
            leave,
        ]
    return [*points, points[-1], corners[-1], corners[-1]]


def straightened(corners: Sequence[Point]) -> list[Point]:
    """Without corners that stand on each other or on a straight line."""
    points: list[Point] = []
    for p in corners:
        if points and abs(p[0] - points[-1][0]) + abs(p[1] - points[-1][1]) < 0.05:
            continue
        if len(points) > 1 and any(
            abs(points[-2][k] - points[-1][k]) < 0.05 and abs(points[-1][k] - p[k]) < 0.05 for k in (0, 1)
        ):
            points.pop()
        points.append(p)
    return points


def _distance(a: Point, b: Point) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


def _toward(a: Point, b: Point, length: float) -> Point:
    return _between(a, b, length / (_distance(a, b) or 1.0))


def sample(points: Sequence[Point], number: int = 24) -> list[Point]:
    """Points on a spline of cubic pieces."""
    found = []
    for p in range(0, len(points) - 3, 3):
        a, b, c, d = points[p : p + 4]
        for k in range(number + 1):
            t, u = k / number, 1 - k / number
            w = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
            found.append(
                (
                    w[0] * a[0] + w[1] * b[0] + w[2] * c[0] + w[3] * d[0],
                    w[0] * a[1] + w[1] * b[1] + w[2] * c[1] + w[3] * d[1],
                )
            )
    return found


def dense(points: Sequence[Point], apart: float = 5.0) -> list[Point]:
    """Points on a spline that are not further apart than ``apart``."""
    found = [points[0]]
    for p in range(0, len(points) - 3, 3):
        piece = points[p : p + 4]
        length = sum(_distance(a, b) for a, b in pairwise(piece))  # at least that of the curve
        found += sample(piece, max(1, ceil(length / apart)))[1:]
    return found


def points_of(spline: str) -> list[Point]:
    """The control points of a Graphviz spline, without the tips of its arrows."""
    words = [w for w in spline.split() if w[:2] not in ("e,", "s,")]
    return [(float(x), float(y)) for x, _, y in (w.partition(",") for w in words)]


def beside_path(spline: str, off: float, arrow: float, ends: tuple[Vertex, Vertex]) -> list[Point]:
    """A spline back along another one, ``off`` to its right, cut at the borders of its ends; with an arrow its
    tip comes last."""
    tip = tip_of(spline)
    line = [p for k, p in enumerate(sample(points_of(spline), 5)) if k == 0 or k % 6]
    line += [] if tip is None else [tip]
    apart = [p for k, p in enumerate(line[:-1]) if k == 0 or _distance(p, line[k - 1]) > 0.5]
    line = [line[-1], *reversed(apart)]  # of a wire between two dots that touch the ends are left
    moved = []
    for k, (x, y) in enumerate(line):
        (x0, y0), (x1, y1) = line[max(k - 1, 0)], line[min(k + 1, len(line) - 1)]
        length = _distance((x0, y0), (x1, y1)) or 1.0
        moved.append((x + off * (y1 - y0) / length, y - off * (x1 - x0) / length))
    moved = _cut(_cut(moved[::-1], ends[0])[::-1], ends[1])
    if not is_inside(moved[-1], ends[1], _AT_END):
        moved.append(border(ends[1], moved[-1]))
    last: list[Point] = []
    if arrow:
        last = [moved[-1]]
        while len(moved) > 2 and _distance(moved[-1], last[0]) < arrow:
            moved.pop()
        share = arrow / (_distance(last[0], moved[-1]) or 1.0)
        if share < 1:
            moved.append(_between(last[0], moved[-1], share))
    return [*smooth(moved), *last]


def _cut(line: list[Point], vertex: Vertex) -> list[Point]:
    """A polyline without its end where that is inside a vertex: to the border exactly."""
    inner: Point | None = None
    while len(line) > 2 and is_inside(line[-1], vertex, GAP):
        inner = line.pop()
    if inner is None:
        return line
    outer = line[-1]
    for _ in range(12):
        middle = _between(inner, outer, 0.5)
        inner, outer = (middle, outer) if is_inside(middle, vertex, GAP) else (inner, middle)
    return [*line, outer]


def is_inside(point: Point, vertex: Vertex, beyond: float = 0.0) -> bool:
    """Whether a point is in a vertex, or less than ``beyond`` outside."""
    (x, y), (w, h) = vertex.at, vertex.half
    across, up = abs(point[0] - x) / (w + beyond), abs(point[1] - y) / (h + beyond)
    return across**2 + up**2 < 1 if vertex.round else max(across, up) < 1


def smooth(points: Sequence[Point]) -> list[Point]:
    """Control points of a curve through points, with tangents along the chords (Catmull and Rom 1974)."""
    found = [points[0]]
    for k in range(len(points) - 1):
        before, a, b = points[max(k - 1, 0)], points[k], points[k + 1]
        after = points[min(k + 2, len(points) - 1)]
        found += [
            (a[0] + (b[0] - before[0]) / 6, a[1] + (b[1] - before[1]) / 6),
            (b[0] - (after[0] - a[0]) / 6, b[1] - (after[1] - a[1]) / 6),
            b,
        ]
    return found


def tip_of(spline: str) -> Point | None:
    """Where the arrow of a Graphviz spline ends, if it has one."""
    for word in spline.split():
        if word[:2] == "e,":
            x, _, y = word[2:].partition(",")
            return float(x), float(y)
    return None


Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def hull(points: Sequence[Point]) -> Box:
    """The box around points; a spline stays within that of its control points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes have points in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def box_of(vertex: Vertex) -> Box:
    """The box around a vertex."""
    (x, y), (w, h) = vertex.at, vertex.half
    return x - w, y - h, x + w, y + h


def _near(points: Sequence[Point], boxes: Sequence[Box], margin: float) -> list[Box]:
    """The boxes that the hull of a spline meets."""
    left, low, right, high = hull(points)
    wide = (left - margin, low - margin, right + margin, high + margin)
    return [b for b in boxes if overlap(b, wide)]


def hits(points: Sequence[Point], boxes: Sequence[Box], margin: float) -> int:
    """How many boxes a spline comes within ``margin`` of."""
    near = _near(points, boxes, margin)
    line = sample(points, 60) if near else []
    return sum(
        any(x0 - margin < x < x1 + margin and y0 - margin < y < y1 + margin for x, y in line)
        for x0, y0, x1, y1 in near
    )


def touches(points: Sequence[Point], boxes: Sequence[Box], margin: float) -> bool:
    """Whether a spline comes within ``margin`` of one of the boxes."""
    return hits(points, boxes, margin) > 0


def extent(points: Sequence[Point]) -> float:
    """The length of a spline."""
    line = sample(points)
    return sum(_distance(a, b) for a, b in pairwise(line))


def crossings(points: Sequence[Point], others: Sequence[Sequence[Point]]) -> int:
    """How many other polylines a spline crosses."""
    line = np.array(sample(points, 12))
    low, high = line.min(axis=0), line.max(axis=0)
    a, b = line[:-1, None], line[1:, None]
    count = 0
    for other in others:
        ends = np.asarray(other)
        c, d = ends[:-1], ends[1:]
        near = ((np.minimum(c, d) <= high) & (np.maximum(c, d) >= low)).all(axis=1)
        if near.any():
            c, d = c[near], d[near]
            apart = (_turns(a, b, c) * _turns(a, b, d) < 0) & (_turns(c, d, a) * _turns(c, d, b) < 0)
            count += bool(apart.any())
    return count


def _turns(p: Numbers, q: Numbers, r: Numbers) -> Numbers:
    """On which side of the line through p and q a point r is, for arrays of points."""
    u, v = q - p, r - p
    turns: Numbers = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return turns


def nearness(points: Sequence[Point], others: Sequence[Sequence[Point]], margin: float) -> int:
    """How many of the points in the middle of a spline come close to another polyline."""
    line = sample(points, 12)
    line = line[len(line) // 6 : -len(line) // 6]
    near = [p for other in others for p in other]
    return sum(any(abs(x - u) < margin and abs(y - v) < margin for u, v in near) for x, y in line)

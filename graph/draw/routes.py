"""Edges of an unrolled network: straight where nothing stands between, else bent, around a panel, or through the
gaps between the nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import hypot

from . import curves, style
from .maze import Maze, along_bar, sides
from .picture import Edge, Picture, Point, Vertex

_TRIED = 4  # of edges that repeat each other, so many at each end are looked at
_CORNER = 3.2  # at most, of a circle's half, that an edge may come closer to it for the empty corners of its box
_BENT = 0.14  # at least, of an edge beside another one
_CLEAR, _CLEAR_IN_ROW = 3.0, 7.0
_ROOMY, _GRAZES = 12.0, 0.1  # what single edges had better keep clear of, and what it costs where they do not
BESIDE = 5.0  # from the box of a circle, which is smaller than the circle
_AROUND = 90.0  # so far around its ends an edge may run
_ALONG, _ACROSS = 5.0, 4  # points between edges that look like one; more points than these are close by then
_BAR_END = 6.0  # an edge meets a bar no closer to its end


def boxes(vertices: Iterable[Vertex], ends: Sequence[Vertex]) -> list[curves.Box]:
    """What an edge has to keep clear of."""
    found = []
    for v in vertices:
        if v not in ends and v.role not in ("panel", "bus"):
            (x, y), (w, h) = v.at, v.half
            if v.round:  # the corners of its box are empty
                w, h = (half - min(0.12 * half, _CORNER) for half in (w, h))
            found.append((x - w, y - h, x + w, y + h))
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


#: Points along a bar by which an edge meets it beside its other end.
SHIFTS = (0.0, 12.0, -12.0, 18.0, -18.0, 28.0, -28.0, 40.0, -40.0)


def draw(edge: Edge, tail: Vertex, head: Vertex, shape: Shape, bar: str = "") -> list[Point]:
    """Give an edge its path; its control points. ``bar``: the wide end, "tail" or "head"."""
    if shape.middle:
        return curves.by_the_middle(edge, tail, head)
    return curves.connect(edge, tail, head, shape.bend, *_on_bar(tail, head, bar, shape.shift))


@dataclass
class Drawn:
    """Edges that are there, with which others should not look like one, and the joints where they meet a wire."""

    lines: list[list[Point]] = field(default_factory=list)
    joints: list[Point] = field(default_factory=list)

    def is_met(self, points: Sequence[Point]) -> bool:
        """Whether a spline runs along one of the edges, not only across it, or through a joint."""
        x0, y0, x1, y1 = curves.hull(points)
        near = [p for line in self.lines for p in line if x0 - _ALONG < p[0] < x1 + _ALONG and y0 < p[1] < y1]
        own = curves.dense(points, _ALONG)
        if any(hypot(x - u, y - v) < _ALONG for u, v in self.joints for x, y in own):
            return True
        return sum(any(hypot(x - u, y - v) < _ALONG for u, v in near) for x, y in own) > _ACROSS


Near = Callable[[Vertex, Vertex], Iterable[Vertex]]  # what stands near the way from one vertex to another
Ends = tuple[Edge, Vertex, Vertex]


def connect(
    edges: Sequence[Ends],
    others: Near,
    shifts: Sequence[float] = (),
    bar: str = "",
    lines: Sequence[Sequence[Point]] = (),
    bent: bool = False,
    apart: Drawn | None = None,
) -> bool:
    """Edges that repeat each other all get the first shape with which they touch nothing, or least.

    others    what stands between two vertices
    lines     edges that are there: of two bends that touch nothing the one that crosses fewer is taken
    apart     edges along which they should not run, if that can be
    bent      not straight, as another edge joins the same vertices

    Returns whether they touch nothing.
    """
    shapes = [replace(s, shift=shift) for s in SHAPES for shift in shifts or (0.0,) if not bent or abs(s.bend) >= _BENT]
    tried = _some(edges)
    around = [boxes(others(tail, head), (tail, head)) for _, tail, head in tried]
    best, fewest = shapes[0], 3.0 * sum(map(len, around)) + len(tried) + 1
    for shape in shapes:
        if shape.middle and bar:
            continue
        touched = 0.0
        for (edge, tail, head), near in zip(tried, around, strict=True):
            clear = _CLEAR_IN_ROW if abs(tail.at[1] - head.at[1]) < 1 else _CLEAR
            points = draw(edge, tail, head, shape, bar)
            touched += 2 * curves.hits(points, near, clear)
            if apart is not None:
                touched += apart.is_met(points) + _GRAZES * curves.hits(points, near, _ROOMY)
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
    return fewest < 2


def join(picture: Picture, edges: list[Edge], near: Near, bar: str = "", apart: Drawn | None = None) -> None:
    """Add edges that repeat each other; ``bar`` is their wide end, ``apart`` what they should not run along."""
    ends = [(e, picture.vertices[e.tail], picture.vertices[e.head]) for e in edges]
    picture.edges += edges
    if edges and not connect(ends, near, SHIFTS if bar else (), bar, apart=apart):
        detour(ends, near, bar)


def _some(edges: Sequence[Ends]) -> Sequence[Ends]:
    return edges if len(edges) <= 2 * _TRIED else [*edges[:_TRIED], *edges[-_TRIED:]]


def lines_of(edges: Sequence[Edge]) -> list[list[Point]]:
    """Some of the edges that repeat each other, as polylines."""
    some = edges if len(edges) <= 2 * _TRIED else [*edges[:_TRIED], *edges[-_TRIED:]]
    return [curves.dense(curves.points_of(e.path)) for e in some]


def detour(
    edges: Sequence[Ends],
    others: Near,
    bar: str = "",
    lines: Sequence[Sequence[Point]] = (),
) -> None:
    """Edges that repeat each other run along the grid, between all that stands there; as they are where they cannot.

    The way is looked for once, past what any of them passes, seen from its own tail (its head, where the tail is
    a bar).
    """
    first = _anchor(edges[0], bar)
    solid: list[curves.Box] = []
    for of in _some(edges):
        x, y = _anchor(of, bar)
        found = boxes(others(of[1], of[2]), of[1:])
        solid += [_moved(box, first[0] - x, first[1] - y) for box in found]
    _, tail, head = edges[0]
    xs = [_anchor(of, bar)[0] for of in edges]
    ends = [_end_box(v, xs if bar == which else []) for v, which in ((tail, "tail"), (head, "head"))]
    left, low, right, high = (
        f(values) for f, values in zip((min, min, max, max), zip(*ends, strict=True), strict=True)
    )
    region = (left - _AROUND, low - _AROUND, right + _AROUND, high + _AROUND)
    near = [line for line in lines if curves.overlap(curves.hull(line), region)]
    maze = Maze(region, set(solid), near)
    exits = [
        along_bar(box, _places(vertex, xs)) if bar == which else sides(box)
        for box, vertex, which in zip(ends, (tail, head), ("tail", "head"), strict=True)
    ]
    corners = maze.between(exits[0], exits[1], ends)
    if corners is None:
        return
    for of in edges:
        x, y = _anchor(of, bar)
        along(of[0], [(u + x - first[0], v + y - first[1]) for u, v in corners])


def _anchor(ends: Ends, bar: str) -> Point:
    """What of an edge is at the same place from step to step."""
    return ends[2].at if bar == "tail" else ends[1].at


def _moved(box: curves.Box, dx: float, dy: float) -> curves.Box:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _places(bar: Vertex, xs: Sequence[float]) -> list[float]:
    """Where the first of some edges can meet a bar, the best first; the others, at ``xs``, meet it as far beside."""
    low, high = bar.at[0] - bar.half[0] + _BAR_END, bar.at[0] + bar.half[0] - _BAR_END
    found = [xs[0] + s for s in SHIFTS if all(low <= x + s <= high for x in xs)]
    return found or [min(max(xs[0], low), max(low, high))]


def _end_box(vertex: Vertex, xs: Sequence[float]) -> curves.Box:
    """The box of an end, with the room that an edge leaves to its border; of a bar what is close to the first place."""
    left, low, right, high = curves.box_of(vertex)
    if xs:
        places = _places(vertex, xs)
        left, right = min(places), max(places)
    gap = curves.gap(vertex)
    return left - gap, low - gap, right + gap, high + gap


def along(edge: Edge, corners: Sequence[Point]) -> None:
    """Give an edge a path with rounded corners."""
    (x0, y0), (x, y) = corners[-2:]
    arrow = style.tip(edge.kind)
    length = abs(x - x0) + abs(y - y0) or 1.0
    base = (x - arrow * (x - x0) / length, y - arrow * (y - y0) / length)
    points = curves.rounded(curves.straightened([*corners[:-1], base]), 8.0)
    edge.path = curves.path(points, (x, y) if arrow else None)
    if edge.label:
        edge.label_at = corners[len(corners) // 2]


def _crossed(edges: Sequence[tuple[Edge, Vertex, Vertex]], shape: Shape, lines: Sequence[Sequence[Point]]) -> int:
    """How many lines edges of a shape cross, or come close to."""
    count = 0
    for edge, tail, head in edges:
        points = draw(edge, tail, head, shape)
        count += curves.crossings(points, lines) + (curves.nearness(points, lines, _CLEAR) > 0)
    return count


def _on_bar(tail: Vertex, head: Vertex, bar: str, shift: float) -> tuple[Point | None, Point | None]:
    """Where an edge leaves or meets a bar: above or below its other end, as far as the bar reaches."""
    if not bar:
        return None, None
    wide, other = (tail, head) if bar == "tail" else (head, tail)
    reach = max(wide.half[0] - _BAR_END, 0.0)
    x = min(max(other.at[0] + shift, wide.at[0] - reach), wide.at[0] + reach)
    at = (x, wide.at[1])
    return (at, None) if bar == "tail" else (None, at)


def crosses(tail: Vertex, head: Vertex, box: curves.Box) -> bool:
    """Whether the straight line between two vertices passes through a box in which neither stands."""
    if any(box[0] <= v.at[0] <= box[2] and box[1] <= v.at[1] <= box[3] for v in (tail, head)):
        return False
    line = [tail.at, tail.at, head.at, head.at]
    return curves.touches(line, [box], 0.0)


def around_panel(edge: Edge, tail: Vertex, head: Vertex, box: curves.Box, lane: float) -> list[Point]:
    """Up beside a panel in the gutter at ``lane``, with rounded corners; the control points."""
    low, high = (box[1] - 11, box[3] + 11) if tail.at[1] < head.at[1] else (box[3] + 11, box[1] - 11)
    start = curves.border(tail, (tail.at[0], low))
    last = (head.at[0], high)
    arrow = style.tip(edge.kind)
    tip, base = curves.border(head, last), curves.border(head, last, arrow)
    points = curves.rounded([start, (tail.at[0], low), (lane, low), (lane, high), last, base], 9.0)
    edge.path = curves.path(points, tip if arrow else None)
    return points


def down_to_bus(edge: Edge, tap: Vertex, bus: Vertex) -> None:
    """From a tap at the border of a panel down along it and in to the bus at its bottom."""
    corner = (tap.at[0], bus.at[1])
    edge.path = curves.path(curves.rounded([tap.at, corner, bus.at], 20.0))

"""Places for the labels of edges: beside the curve, where they cover no vertex, edge or other label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import floor, hypot
from typing import NamedTuple

from . import curves, labels, style
from .picture import Edge, Picture, Point

_ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82, 0.1, 0.9)
_AWAY = (0.0, 3.0, 7.0, 13.0, 18.0, 24.0)
_CELL, _CLEAR, _APART = 48.0, 1.5, 9.0
_ON_LABEL, _ON_VERTEX, _ON_EDGE = 5.0, 4.0, 2.0
_NEAR_EDGE, _ASTRAY = 0.3, 0.8
"""What it costs to stand near another edge, more than another place along one's own; and nearer than to one's own."""
_OWN = 4.0  # points from a label's ink to its edge, when it is not further out


def settle(picture: Picture, edges: Iterable[Edge] | None = None) -> None:
    """Give every labelled edge its label's place: alike at every step, or where that covers something, by itself."""
    groups: dict[tuple[str, str, str, str], list[Edge]] = {}
    for e in picture.edges if edges is None else edges:
        if e.label and e.path:
            key = (e.tail.partition("|")[0], e.head.partition("|")[0], e.label, e.kind)
            groups.setdefault(key, []).append(e)
    if not groups:
        return
    taken = _Taken(picture, {id(e) for group in groups.values() for e in group})
    for group in sorted(groups.values(), key=lambda g: curves.extent(curves.points_of(g[0].path))):  # few places first
        lines = [curves.dense(curves.points_of(e.path), 4.0) for e in group]
        places = [list(_candidates(e.label, line)) for e, line in zip(group, lines, strict=True)]
        costs = [
            sum(taken.cost(e, at[c].at) + taken.nearness(e, at[c]) for e, at in zip(group, places, strict=True))
            + 0.01 * len(group) * c
            for c in range(len(places[0]))
        ]
        best = costs.index(min(costs))
        for e, found in zip(group, places, strict=True):
            _put(e, found[best].at if taken.cost(e, found[best].at) == 0 else taken.free(e, found), taken)


def _put(edge: Edge, at: Point | None, taken: _Taken) -> None:
    """Where there is no free place a label would cover something: then the name of the parameter is a tooltip."""
    if at is None:
        edge.look.setdefault("tooltip", labels.plain(edge.label).strip())
        edge.label, edge.label_at = "", None
    else:
        edge.label_at = at
        taken.add_label(box_of(edge.label, at))


def choose(picture: Picture, edge: Edge, places: Sequence[Point]) -> None:
    """Put the label of one edge at the place where it covers least, the first if that is free."""
    taken = _Taken(picture, {id(edge)})
    costs = [taken.cost(edge, at) for at in places]
    edge.label_at = places[costs.index(min(costs))]


def misplaced(picture: Picture) -> list[Edge]:
    """The edges whose label has no place, stands on a vertex, an edge or another label, or nearer to another edge."""
    found = []
    lines = {id(e): curves.dense(curves.points_of(e.path), 3.0) for e in picture.edges if e.path and e.kind != "order"}
    for e in picture.edges:
        if e.label and e.path:
            own = _Taken(picture, {id(e)})
            if e.label_at is None or own.cost(e, e.label_at) > 0 or _is_astray(e, lines):
                found.append(e)
    return found


def _is_astray(edge: Edge, lines: Mapping[int, Sequence[Point]]) -> bool:
    """Whether the label of an edge stands nearer to another edge, or far from its own."""
    box = box_of(edge.label, edge.label_at or (0.0, 0.0))
    own = min(_apart(box, p) for p in lines[id(edge)])
    return own > _AWAY[-1] or any(_apart(box, p) <= own for n, line in lines.items() if n != id(edge) for p in line)


def _apart(box: curves.Box, point: Point) -> float:
    """How far a point is from a box."""
    (x0, y0, x1, y1), (x, y) = box, point
    return hypot(max(x0 - x, 0.0, x - x1), max(y0 - y, 0.0, y - y1))


class _Place(NamedTuple):
    """A place for a label, and how much further than it has to it stands from its edge."""

    at: Point
    out: float


def _candidates(label: str, line: Sequence[Point]) -> Iterable[_Place]:
    """Beside the curve, on its left and its right, first at its middle; at last further from it."""
    for out, share in product(_AWAY, _ALONG):
        k = min(max(1, floor(share * len(line))), len(line) - 2)
        (x0, y0), (x1, y1) = line[k - 1], line[k + 1]
        length = hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = -(y1 - y0) / length, (x1 - x0) / length
        for side in (1, -1):
            yield _Place(curves.beside(label, line[k], (side * nx, side * ny), out), out)


def box_of(label: str, at: Point) -> curves.Box:
    """The box of a label's ink."""
    wide, high = labels.width(label, style.EDGE_SIZE) / 2 - 4, 6.5
    return at[0] - wide, at[1] - high, at[0] + wide, at[1] + high


class _Taken:
    """What stands where, in a grid of cells so that a look-up stays local."""

    def __init__(self, picture: Picture, moving: set[int]) -> None:
        self.cells: dict[tuple[int, int], list[tuple[curves.Box, float, int]]] = {}
        for v in picture.vertices.values():
            (x, y), (w, h) = v.at, v.half
            if v.role != "panel":
                self._enter((x - w, y - h, x + w, y + h), _ON_VERTEX, 0)
                continue
            for side in (-1, 1):
                self._enter((x - w, y + side * h, x + w, y + side * h), _ON_EDGE, id(v))
                self._enter((x + side * w, y - h, x + side * w, y + h), _ON_EDGE, id(v))
        for e in picture.edges:
            if e.kind != "order" and e.path:
                self._enter_line(e)
                if e.label and e.label_at is not None and id(e) not in moving:
                    self.add_label(box_of(e.label, e.label_at))

    def _enter_line(self, edge: Edge) -> None:
        for x, y in curves.dense(curves.points_of(edge.path), 3.0):
            self._enter((x - _CLEAR, y - _CLEAR, x + _CLEAR, y + _CLEAR), _ON_EDGE, id(edge))

    def _enter(self, box: curves.Box, cost: float, owner: int) -> None:
        for cell in _cells(box):
            self.cells.setdefault(cell, []).append((box, cost, owner))

    def add_label(self, box: curves.Box) -> None:
        self._enter(box, _ON_LABEL, 0)

    def free(self, edge: Edge, places: Sequence[_Place]) -> Point | None:
        """The first of the places where the label of an edge covers nothing, if there is one away from other edges."""
        free = [place for place in places if self.cost(edge, place.at) == 0]
        return min(free, key=lambda place: self.nearness(edge, place)).at if free else None

    def cost(self, edge: Edge, at: Point) -> float:
        return sum(cost * (1 if owner == 0 else 0.5) for cost, owner in self._hit(box_of(edge.label, at)))

    def nearness(self, edge: Edge, place: _Place) -> float:
        """What it costs that a label could be taken for that of another edge."""

        def is_met(apart: float) -> bool:
            x0, y0, x1, y1 = box_of(edge.label, place.at)
            around = self._hit((x0 - apart, y0 - apart, x1 + apart, y1 + apart))
            return any(cost == _ON_EDGE and owner != id(edge) for cost, owner in around)

        own = _OWN + place.out
        return _ASTRAY if is_met(own) else _NEAR_EDGE if own < _APART and is_met(_APART) else 0.0

    def _hit(self, where: curves.Box) -> set[tuple[float, int]]:
        """What stands in a box: its cost and the edge it belongs to, 0 for what is no edge."""
        x0, y0, x1, y1 = where
        return {
            (cost, owner)
            for cell in _cells(where)
            for box, cost, owner in self.cells.get(cell, ())
            if box[0] < x1 and box[2] > x0 and box[1] < y1 and box[3] > y0
        }


def _cells(box: curves.Box) -> Iterable[tuple[int, int]]:
    for i in range(floor(box[0] / _CELL), floor(box[2] / _CELL) + 1):
        for j in range(floor(box[1] / _CELL), floor(box[3] / _CELL) + 1):
            yield i, j

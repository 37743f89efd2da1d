"""Combs: a level wire over or under the steps of an unrolled network, with a tooth to each of them.

One gathers a signal of all steps for what reads the whole sequence, or spreads a value over the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import curves, routes
from .picture import Edge, Picture, Point, Vertex

LEVEL = 13.0  # points from comb to comb
_REACH = 40.0  # so far beyond the first and the last tooth an edge may meet the wire
_SAME = 0.6

@dataclass
class Group:
    """Edges that repeat each other; their ``side``, "tail" or "head", is the wire. ``shifts``: where beside their
    other end they may meet it."""

    side: str
    edges: list[Edge]
    shifts: Sequence[float] = routes.SHIFTS

    def ends(self, picture: Picture, wire: Vertex) -> list[routes.Ends]:
        at = picture.vertices
        if self.side == "tail":
            return [(e, wire, at[e.head]) for e in self.edges]
        return [(e, at[e.tail], wire) for e in self.edges]


def comb(
    picture: Picture, name: str, y: float, groups: Sequence[Group], near: routes.Near, drawn: routes.Drawn
) -> None:
    """Add edges that meet a level wire, and that wire.

    near    what stands between two vertices
    drawn   the edges of other combs, along which these should not run; these are added
    """
    ends = [picture.vertices[e.head if g.side == "tail" else e.tail].at[0] for g in groups for e in g.edges]
    low, high = min(ends) - _REACH, max(ends) + _REACH
    wire = Vertex(name, "port", at=((low + high) / 2, y), size=((high - low) / 72 + 0.2, 0.0))
    places: list[tuple[float, Edge, str]] = []
    lines: list[list[Point]] = []
    for group in groups:
        between = group.ends(picture, wire)
        if not routes.connect(between, near, group.shifts, group.side, apart=drawn):
            routes.detour(between, near, group.side)
        lines += routes.lines_of(group.edges)
        places += [(_meets(e, group.side)[0], e, group.side) for e in group.edges]
    _join(picture, name, y, places)
    drawn.lines += lines
    drawn.joints += [(x, y) for x, _, _ in places]


def _meets(edge: Edge, side: str) -> Point:
    """Where an edge meets the wire."""
    points = curves.points_of(edge.path)
    return points[0] if side == "tail" else curves.tip_of(edge.path) or points[-1]


def _join(picture: Picture, name: str, y: float, places: list[tuple[float, Edge, str]]) -> None:
    """The dots where the edges meet the wire, and its parts between them."""
    places.sort(key=lambda place: place[0])
    dots: list[Vertex] = []
    for x, edge, side in places:
        if not dots or x - dots[-1].at[0] > _SAME:
            inner = places[0][0] + _SAME < x < places[-1][0] - _SAME
            dot = Vertex(f"rail|{name}|{len(dots)}", "bus" if inner else "port", "", "", (x, y))
            dots.append(picture.add(dot))
        if side == "tail":
            edge.tail = dots[-1].id
        else:
            edge.head = dots[-1].id
        picture.edges.append(edge)
    for west, east in pairwise(dots):
        part = Edge(west.id, east.id, "wire")
        curves.connect(part, west, east)
        picture.edges.append(part)

"""A step with every operation drawn, placed: where wires through time leave it and come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations

from . import curves, labels, style
from .curves import Box
from .maze import Maze
from .operations import add_panels
from .picture import Edge, Picture, Point, Vertex
from .reading import Read, Reading
from .render import place_by_dot
from .template import Crossing, Parts

MARGIN, _FOOT = 13.0, 9.0
_LANE, _MOST_PERMUTED = 9.0, 4


@dataclass
class Way:
    """A wire through time: from a signal to the border of its step, and from the border in to the tap.

    ``lane`` counts the wires in the gutter between two steps; ``under`` those that pass below whole steps.
    """

    tap: str
    read: Read
    source: str
    out: list[Point]
    into: list[Point]
    lane: int = 0
    under: int = 0


@dataclass
class Placed:
    """One step of an axis: its picture around its lower left corner, its wires, its ports.

    entries   what comes from elsewhere (with the moment) -> the dot at the bottom
    exits     what leaves (with the moment) -> the dot at the top
    """

    axis: str
    picture: Picture
    box: Box
    ways: list[Way] = field(default_factory=list)
    entries: dict[tuple[str, tuple[bool, int] | None], str] = field(default_factory=dict)
    exits: dict[tuple[str, tuple[bool, int] | None], str] = field(default_factory=dict)

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def gutter(self) -> float:
        """The room between two steps."""
        lanes = sum(1 if abs(w.read.lag) == 1 else 2 for w in self.ways)
        return 16 + _LANE * (lanes + 1)

    def lane_x(self, number: int) -> float:
        """How far right of a step's east border a lane runs."""
        return 8 + _LANE * (number + 1)


def place(parts: Parts, axis: str, reading: Reading, last: int, leaving: list[Crossing]) -> Placed:
    """Let dot place the step of an axis and find the wires through it; ``leaving`` also need a port."""
    picture = parts.pictures[axis]
    _size_signals(picture, reading, axis, last)
    step = Placed(axis, picture, (0.0, 0.0, 0.0, 0.0))
    _add_ports(step, [*parts.crossings, *leaving])
    boxes = place_by_dot(picture, dict(style.PLACING_OPERATIONS))
    add_panels(picture, boxes)
    finish_ports(picture)
    step.box = _box(picture)
    _find_ways(step, parts, reading)
    return step


def _size_signals(picture: Picture, reading: Reading, axis: str, last: int) -> None:
    """Circles hold the name with the number of the last step."""
    for v in picture.vertices.values():
        if v.id in reading.roles:
            widest = labels.name(v.id, stamp(v.id, reading, axis, last))
            v.size = labels.vertex_size(widest, v.role)
            if v.size is not None:
                v.size = (v.size[0], v.size[0])


def stamp(name: str, reading: Reading, axis: str, t: int | str) -> str:
    """The superscript of a signal at a step: the step, and its other axis if it has one."""
    return ", ".join([str(t), *(a for a in reading.axes.get(name, ()) if a != axis)])


def _add_ports(step: Placed, crossings: list[Crossing]) -> None:
    picture = step.picture
    lowest = [v.id for v in picture.vertices.values() if all(e.head != v.id for e in picture.edges)]
    for c in crossings:
        apart = c.moment is not None or not (c.head in picture.vertices and c.tail in picture.vertices)
        key = (c.tail, c.moment)
        if apart and c.head in picture.vertices:
            if key not in step.entries:
                port = picture.add(Vertex(f"in|{len(step.entries)}|{c.tail}", "port", "", c.tail))
                step.entries[key] = port.id
                picture.bottom.append(port.id)
                for name in lowest:  # also below what nothing is below
                    picture.join(port.id, name, "order", weight="0")
            picture.join(step.entries[key], c.head, weight="2")
        if apart and c.tail in picture.vertices and key not in step.exits:
            port = picture.add(Vertex(f"out|{len(step.exits)}|{c.tail}", "port", "", c.tail))
            step.exits[key] = port.id
            picture.top.append(port.id)
            picture.join(c.tail, port.id, "wire", weight="2")


def finish_ports(picture: Picture) -> None:
    """Wires meet in the middle of a port; one from which several edges go on is a dot."""
    for v in picture.vertices.values():
        if v.role == "port":
            joined = [e for e in picture.edges if e.kind != "order"]
            out = [e for e in joined if e.tail == v.id]
            for e in joined:
                points = curves.points_of(e.path)
                if e.tail == v.id:
                    e.path = curves.path([v.at, *points[1:]], curves.tip_of(e.path))
                elif e.head == v.id:
                    e.path = curves.path([*points[:-1], v.at])
            if len(out) > 1:
                v.role = "bus"


def _box(picture: Picture) -> Box:
    xs: list[float] = []
    ys: list[float] = []
    for v in picture.vertices.values():
        (x, y), (w, h) = v.at, v.half
        xs += [x - w, x + w]
        ys += [y - h, y + h]
    for e in picture.edges:
        for x, y in curves.points_of(e.path):
            xs.append(x)
            ys.append(y)
    return min(xs) - MARGIN, min(ys) - MARGIN - _FOOT, max(xs) + MARGIN, max(ys) + MARGIN


# ---- wires ---------------------------------------------------------------------------------------
def _find_ways(step: Placed, parts: Parts, reading: Reading) -> None:
    picture = step.picture
    solid = [v for v in picture.vertices.values() if v.role not in ("panel", "port")]
    lines = [curves.sample(curves.points_of(e.path), 30) for e in picture.edges]
    x0, y0, x1, y1 = step.box
    maze = Maze((x0, y0 + 8, x1, y1 - 8), map(curves.box_of, solid), lines)
    for tap, r in parts.taps.items():
        if r.axis != step.axis or tap not in picture.vertices:
            continue
        source = source_of(r.source, picture)
        later = r.lag > 0
        out = maze.to_border(curves.box_of(picture.vertices[source]), east=later)
        into = maze.to_border(curves.box_of(picture.vertices[tap]), east=not later)[::-1]
        step.ways.append(Way(tap, r, source, out, into))
    long = 0
    for way in step.ways:
        if abs(way.read.lag) > 1:
            way.under, long = long, long + abs(way.read.lag)
    short = [w for w in step.ways if abs(w.read.lag) == 1]
    for number, way in enumerate([*_fewest_crossings(short), *(w for w in step.ways if w not in short)]):
        way.lane = number if number < len(short) else len(short) + 2 * (number - len(short))


def source_of(signal: str, picture: Picture) -> str:
    """The vertex that stands for a signal: its circle, or the function at the top of its panel."""
    return signal if signal in picture.vertices else f"{signal}|value"


def _fewest_crossings(ways: list[Way]) -> list[Way]:
    """The order of lanes, from the west, in which the wires cross least."""

    def crossings(order: tuple[Way, ...]) -> int:
        count = 0
        for i, a in enumerate(order):
            low, high = sorted((a.out[-1][1], a.into[0][1]))
            for j, b in enumerate(order):
                west_end = b.out[-1] if b.read.lag > 0 else b.into[0]
                east_end = b.into[0] if b.read.lag > 0 else b.out[-1]
                if i != j:
                    y = (west_end if i < j else east_end)[1]
                    count += 5 * (y in (low, high)) if not low < y < high else 1
        return count

    if len(ways) > _MOST_PERMUTED:
        return sorted(ways, key=lambda w: w.out[-1][1])
    best: tuple[Way, ...] = min(permutations(ways), key=crossings)
    return list(best)


def shifted(edge: Edge, dx: float, dy: float) -> str:
    """The path of an edge, moved."""
    words = []
    for word in edge.path.split():
        mark, rest = (word[:2], word[2:]) if word[:2] in ("e,", "s,") else ("", word)
        x, _, y = rest.partition(",")
        words.append(f"{mark}{float(x) + dx:.2f},{float(y) + dy:.2f}")
    return " ".join(words)

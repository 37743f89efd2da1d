"""What an unrolled network with every operation has once, and the wires between it and the steps.

Such a wire is a rail: it gathers what leaves the steps, runs level between the rows, and goes to what reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from . import curves, style
from .operations import add_panels
from .picture import Edge, Picture, Point, Vertex
from .placed import finish_ports, shifted
from .reading import Reading
from .render import place_by_dot
from .template import Crossing, Parts

if TYPE_CHECKING:
    from .stamped import Row

_LEVEL, _ROOM = 13.0, 16.0
_PORTS = ("from|", "to|")


@dataclass
class Rail:
    """From ``sources`` at the top of what is below, along ``y``, to ``sinks`` at the bottom of what is above."""

    sources: list[tuple[str, Point]] = field(default_factory=list)
    sinks: list[tuple[str, Point]] = field(default_factory=list)
    label: str = ""


class Rails:
    """The parts without a step, below and above the rows, and the rails."""

    def __init__(
        self,
        picture: Picture,
        parts: Parts,
        rows: Mapping[str, Row],
        reading: Reading,
        leaving: list[Crossing],
    ) -> None:
        self.picture, self.parts, self.rows, self.reading = picture, parts, rows, reading
        self.crossings = [*parts.crossings, *leaving]
        once = parts.pictures.get("", Picture())
        self.below, self.above = self._split(once)
        self.offsets: dict[str, Point] = {}
        self.lanes = 0  # wires that go down right of all steps
        self.levels: dict[str, int] = {}  # rails that run there, so far
        heads, tails = [c.head for c in self.crossings], [c.tail for c in self.crossings]
        self._place(self.below, tails, heads)
        self._place(self.above, [], heads)

    # ---- what has no step ----
    def _split(self, once: Picture) -> tuple[Picture, Picture]:
        """What steps or starts read, with all below it; and the rest, which reads steps."""
        tails: dict[str, list[str]] = {}
        for e in once.edges:
            tails.setdefault(e.head, []).append(e.tail)
        lower: set[str] = set()
        stack = [c.tail for c in self.crossings if c.tail in once.vertices]
        while stack:
            name = stack.pop()
            if name not in lower:
                lower.add(name)
                stack += tails.get(name, ())
        below, above = Picture(once.name), Picture(once.name)
        for name, vertex in once.vertices.items():
            (below if name in lower else above).add(vertex)
        for e in once.edges:
            if e.head in lower:
                below.edges.append(e)
            else:
                if e.tail in lower and e.tail not in above.vertices:
                    v = once.vertices[e.tail]  # read on both sides: it is drawn on both
                    above.add(Vertex(v.id, v.role, v.label, v.tooltip, size=v.size))
                above.edges.append(e)
        for cluster, (label, members) in once.clusters.items():
            for picture in (below, above):
                inside = [m for m in members if m in picture.vertices]
                if inside:
                    picture.clusters[cluster] = (label, inside)
        return below, above

    def _place(self, picture: Picture, tails: list[str], heads: list[str]) -> None:
        """Let dot place a part, with a port at the top of what leaves it, at the bottom of what comes in."""
        if not picture.vertices:
            return
        for name in dict.fromkeys(n for n in tails if n in picture.vertices):
            port = picture.add(Vertex(f"from|{name}", "port", "", name)).id
            picture.top.append(port)
            picture.join(name, port, "wire")
        for name in dict.fromkeys(n for n in heads if n in picture.vertices):
            port = picture.add(Vertex(f"to|{name}", "port", "", name)).id
            picture.bottom.append(port)
            picture.join(port, name, "plain")
        add_panels(picture, place_by_dot(picture, dict(style.PLACING_OPERATIONS)))
        finish_ports(picture)

    # ---- places ----
    def set_apart(self) -> None:
        """The rows one above the other with room for the rails, the second to the right of the first."""
        s, t = self.rows.get("s"), self.rows.get("t")
        main = t or s
        if main is None:
            return
        if s is not None and t is not None:
            t.x = s.right + t.before + (40 if s.step.ways else 0)
            t.y = s.high - (t.low - t.y) + self._room(self._between())
        level = main.low - self._room(self._into_bottom(main)) if s is None or t is None else s.low - _ROOM
        if self.below.vertices:
            x0, _, x1, y1 = _extent(self.below)
            centre = (main.columns[0].x + main.right) / 2
            self.offsets["below"] = (centre - (x0 + x1) / 2, level - y1)
        if self.above.vertices:
            self.offsets["above"] = self._above_offset(main)

    def _above_offset(self, main: Row) -> Point:
        """Above the column that is read, or the middle of all."""
        x0, y0, x1, _ = _extent(self.above)
        heads = [c for c in self.crossings if c.head in self.above.vertices]
        turned = {(c.tail, c.moment) for c in self.crossings if self._turns(c)}
        y = main.high + self._room(len({(c.tail, c.moment) for c in heads}) + len(turned)) - y0
        if heads and all(c.moment is not None for c in heads):
            c = heads[0]
            for row in self.rows.values():
                port = row.step.exits.get((c.tail, c.moment))
                columns = row.port_columns(c.moment)
                if port and columns:
                    return row.at(port, columns[0])[0] - self.above.vertices[f"to|{c.head}"].at[0], y
        return (main.columns[0].x + main.right) / 2 - (x0 + x1) / 2, y

    def _room(self, number: int) -> float:
        return _ROOM + _LEVEL * number + _ROOM

    def _between(self) -> int:
        t = self.rows["t"]
        return self._into_bottom(t) + len(self.reading.boundaries)

    def _into_bottom(self, row: Row) -> int:
        return len(row.step.entries) + len(self.reading.boundaries)

    # ---- drawing ----
    def draw(self) -> None:
        for which, part in (("below", self.below), ("above", self.above)):
            dx, dy = self.offsets.get(which, (0.0, 0.0))
            copies = {n for n in part.vertices if n in self.below.vertices} if which == "above" else set()
            name_of = {n: f"{n}|again" if n in copies else n for n in part.vertices}
            for v in part.vertices.values():
                at = (v.at[0] + dx, v.at[1] + dy)
                look = dict(style.PANEL_WITHIN) if v.role == "panel" else v.look
                name = f"{which}|{v.id}" if v.id.startswith(_PORTS) else name_of[v.id]
                self.picture.add(Vertex(name, v.role, v.label, v.tooltip, at, v.size, look))
            for e in part.edges:
                tail, head = (
                    f"{which}|{n}" if n.startswith(_PORTS) else name_of[n] for n in (e.tail, e.head)
                )
                self.picture.edges.append(Edge(tail, head, e.kind, path=shifted(e, dx, dy)))
        grouped: dict[tuple[str, tuple[bool, int] | None, str], Rail] = {}
        for c in self.crossings:
            where = self._where(c.head)
            rail = grouped.setdefault((c.tail, c.moment, where), Rail(self._sources(c)))
            rail.sinks += [sink for sink in self._sinks(c) if sink not in rail.sinks]
        for (_, _, where), rail in grouped.items():
            y, name = self._next_level(where)
            if rail.sources and rail.sinks:
                self._draw_rail(rail, y, name)

    def _next_level(self, where: str) -> tuple[float, str]:
        """The height and the name of the next rail there."""
        number = self.levels.get(where, 0)
        self.levels[where] = number + 1
        return self._level(where) + number * _LEVEL, f"{where}|{number}"

    def _turns(self, c: Crossing) -> bool:
        """Whether a wire leaves the top of a step for what stands below that step."""
        tail = next((axis for axis, row in self.rows.items() if c.tail in row.step.picture.vertices), "")
        head = self._where(c.head)
        return tail != "" and head != "above" and (tail, head) != ("s", "t")

    def _where(self, head: str) -> str:
        if head in self.above.vertices:
            return "above"
        if head in self.below.vertices:
            return "below"
        return next((axis for axis, row in self.rows.items() if head in row.step.picture.vertices), "t")

    def _level(self, where: str) -> float:
        """The height of the lowest rail of those that go up to a row, or to what stands above all."""
        if where == "above":
            return max(row.high for row in self.rows.values()) + _ROOM
        if where == "below":
            return _extent(self.below)[1] + self.offsets["below"][1] - _ROOM
        row = self.rows[where]
        return row.low - self._room(self._into_bottom(row)) + _ROOM

    def _sources(self, c: Crossing) -> list[tuple[str, Point]]:
        port = f"below|from|{c.tail}"
        if port in self.picture.vertices:
            return [(port, self.picture.vertices[port].at)]
        for row in self.rows.values():
            name = row.step.exits.get((c.tail, c.moment))
            if name is not None:
                return [(f"{name}|{k.number}", row.at(name, k)) for k in row.port_columns(c.moment)]
        return []

    def _sinks(self, c: Crossing) -> list[tuple[str, Point]]:
        for port in (f"above|to|{c.head}", f"below|to|{c.head}"):
            if port in self.picture.vertices:
                return [(port, self.picture.vertices[port].at)]
        for row in self.rows.values():
            if c.head in row.step.picture.vertices:
                name = row.step.entries[c.tail, c.moment]
                return [(f"{name}|{k.number}", row.at(name, k)) for k in row.port_columns(None)]
        base, _, inside = c.head.partition("[")
        place = inside.rstrip("]").split(",")[0].strip()
        for axis, row in self.rows.items():
            if place.startswith(axis.upper()):
                place = str(row.T + int(place[1:] or "0"))
        name = f"{base}|{place}"
        if name not in self.picture.vertices:
            return []
        v = self.picture.vertices[name]
        return [(name, (v.at[0], v.at[1] - v.half[1] - 1))]

    def _draw_rail(self, rail: Rail, y: float, name: str) -> None:
        """Up from every source, along, and up to every sink; dots where wires join.

        What leaves above the rail is gathered there and goes down to it in one wire, right of everything.
        """
        higher = [stop for stop in rail.sources if stop[1][1] > y]
        if higher:
            rail.sources = [*(stop for stop in rail.sources if stop not in higher), self._down(higher, y)]
        stops = sorted(
            [(at[0], 0, of, at) for of, at in rail.sources] + [(at[0], 1, of, at) for of, at in rail.sinks]
        )
        if len(stops) == 2 and len(rail.sources) == 1:
            (tail, a), (head, b) = rail.sources[0], rail.sinks[0]
            self._wire(tail, head, [a, (a[0], y), (b[0], y), b])
            return
        dots: list[tuple[float, str]] = []
        for number, (x, up, of, at) in enumerate(stops):
            on_rail = abs(at[1] - y) < 0.5  # a corner where a wire comes down or goes down: it is the joint itself
            if on_rail:
                dots.append((x, of))
                continue
            if not dots or x - dots[-1][0] > 0.5:
                dot = f"rail|{name}|{number}"
                role = "bus" if stops[0][0] < x < stops[-1][0] else "port"
                self.picture.add(Vertex(dot, role, "", "", (x, y)))
                dots.append((x, dot))
            joint = dots[-1][1]
            if up:
                self._wire(joint, of, [(x, y), at])
            else:
                self._wire(of, joint, [at, (x, y)])
        for (x0, west), (x1, east) in pairwise(dots):
            self._wire(west, east, [(x0, y), (x1, y)])

    def _down(self, sources: list[tuple[str, Point]], y: float) -> tuple[str, Point]:
        """The corner at the height of a rail below that one wire from all these sources goes down to."""
        self.lanes += 1
        x = max(v.at[0] + v.half[0] for v in self.picture.vertices.values()) + _LEVEL
        high, name = self._next_level("above")
        top, corner = (
            self.picture.add(Vertex(f"rail|{end}|{self.lanes}", "port", "", "", (x, at)))
            for end, at in (("turn", high), ("down", y))
        )
        self._draw_rail(Rail(sources, [(top.id, top.at)]), high, name)
        self._wire(top.id, corner.id, [top.at, corner.at])
        return corner.id, corner.at

    def _wire(self, tail: str, head: str, corners: list[Point]) -> None:
        corners = curves.straightened(corners)
        boundary = self.picture.vertices[head].role == "cut"
        if boundary:
            x, y = corners[-1]
            path = curves.path(curves.rounded([*corners[:-1], (x, y - style.tip("plain"))], 8.0), (x, y))
            self.picture.edges.append(Edge(tail, head, "plain", path=path))
        else:
            self.picture.edges.append(
                Edge(tail, head, "wire", path=curves.path(curves.rounded(corners, 8.0)))
            )


def _extent(picture: Picture) -> curves.Box:
    boxes = [
        (v.at[0] - v.half[0], v.at[1] - v.half[1], v.at[0] + v.half[0], v.at[1] + v.half[1])
        for v in picture.vertices.values()
    ]
    return (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )

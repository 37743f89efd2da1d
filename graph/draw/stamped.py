"""An unrolled network with every operation: one step placed by dot, repeated, joined by wires through time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from . import curves, labels, style
from .picture import Edge, Picture, Point, Vertex
from .placed import Placed, Way, place, shifted, stamp
from .rails import Rails
from .reading import Read, Reading
from .rows import LONGEST, Column, Shown
from .template import FIRST, LATER, Crossing, Parts, divide

_GAP, _APART, _DOTS_APART, _UNDER = 64.0, 44.0, 23.0, 9.0
_DOTS = 34.0  # the room that dots take
_CUT = 0.52
# from the gutter: a usual value before the start, one that is computed, and at least the border of either
_BESIDE, _FURTHER, _CLEAR = 26.0, 46.0, 4.0


def draw_stamped(reading: Reading, shown: Shown) -> Picture:
    """The picture of an unrolled network with a node for every operation, placed."""
    parts = divide(reading)
    picture = Picture(reading.circuit.name)
    leaving = list(_boundary_crossings(reading, parts))
    rows: dict[str, Row] = {}
    for axis in ("s", "t"):
        if axis in parts.pictures:
            step = place(parts, axis, reading, shown.steps[axis], leaving)
            rows[axis] = Row(picture, step, reading, parts, shown)
    rails = Rails(picture, parts, rows, reading, leaving)
    rails.set_apart()
    for row in rows.values():
        row.draw()
    rails.draw()
    return picture


def _boundary_crossings(reading: Reading, parts: Parts) -> Iterator[Crossing]:
    """What values before the start and after the end read: the head is such a value, h[0]."""
    known = {name for picture in parts.pictures.values() for name in picture.vertices}
    for boundary, found in reading.boundaries.items():
        for r in found:
            if r.source in known:
                yield Crossing(r.source, boundary, (r.moment == "end", r.position) if r.axis else None)


class Row:
    """The steps of one axis in a picture."""

    def __init__(self, picture: Picture, step: Placed, reading: Reading, parts: Parts, shown: Shown) -> None:
        self.picture, self.step, self.reading, self.parts = picture, step, reading, parts
        self.axis, self.T = step.axis, shown.steps[step.axis]
        long = shown.ellipsis and self.T > LONGEST
        self.numbers: list[int | None] = (
            [1, 2, 3, None, self.T - 1, self.T] if long else list(range(1, self.T + 1))
        )
        self.x, self.y = 0.0, 0.0
        self.paths = [(e, e.path) for e in step.picture.edges if e.kind != "order"]

    # ---- places ----
    @property
    def columns(self) -> list[Column]:
        """The left border of every step; of the one left out, where the steps go on after it."""
        found, x = [], self.x
        for number in self.numbers:
            found.append(Column(number, x))
            x += self.step.width + self.step.gutter if number is not None else self._gap
        return found

    @property
    def _gap(self) -> float:
        """The room for the dots of the steps left out, with the lanes on one side of them; longer lags need both."""
        lanes = self.step.gutter
        return _GAP + lanes if any(abs(w.read.lag) > 1 for w in self.step.ways) else max(_GAP, lanes + _DOTS)

    @property
    def right(self) -> float:
        return self.columns[-1].x + self.step.width

    @property
    def before(self) -> float:
        """The room for values before the start."""
        west = any(w.read.lag > 0 and self._bounded(w) for w in self.step.ways)
        taken = [away + 36 * self._cut_size(*of) for (side, *of), away in self._away.items() if side < 0]
        least = self.step.gutter + (50 if west else 0) + (60 if self.reading.boundaries else 0)
        return max([least, *(reach + 2 * _CLEAR for reach in taken)])

    def _bounded(self, way: Way) -> bool:
        """Whether values before the start (after the end) are read."""
        return self.parts.only.get(way.tap) != LATER

    @property
    def low(self) -> float:
        """Below the panels, the wires that pass under them, and the values before the start and after the end."""
        lowest = min((y - 36 * self._cut_size(*of) for (_, *of), y in self._values.items()), default=0.0)
        return self.y + min(self.step.box[1] - _UNDER * (self._under + 1), lowest)

    @property
    def high(self) -> float:
        """Above the panels and these values."""
        highest = max((y + 36 * self._cut_size(*of) for (_, *of), y in self._values.items()), default=0.0)
        return self.y + max(self.step.box[3], highest)

    @property
    def _under(self) -> int:
        return sum(abs(w.read.lag) for w in self.step.ways if abs(w.read.lag) > 1)

    def at(self, name: str, column: Column) -> Point:
        x, y = self.step.picture.vertices[name].at
        return x - self.step.box[0] + column.x, y + self.y

    def moved(self, point: Point, x: float) -> Point:
        return point[0] - self.step.box[0] + x, point[1] + self.y

    def port_columns(self, moment: tuple[bool, int] | None) -> list[Column]:
        """The columns that something leaves from: all of them, or the one at a fixed step."""
        drawn = [c for c in self.columns if c.number is not None]
        if moment is None:
            return drawn
        at_end, position = moment
        return [c for c in drawn if c.number == (self.T + position if at_end else position)]

    # ---- drawing ----
    def draw(self) -> None:
        columns = self.columns
        for column in columns:
            if column.number is not None:
                self._panel(column)
        for column in columns:
            if column.number is not None:
                self._vertices(column, column.number)
        self._outside()
        for column in columns:
            if column.number is not None:
                self._edges(column, column.number)
        for way in self.step.ways:
            self._wires(way)
        if None in self.numbers and not self.step.ways:
            middle = columns[self.numbers.index(None)].x - self.step.gutter / 2 + self._gap / 2
            self._dots("…", (middle, (self.low + self.high) / 2))

    def _shown(self, name: str, t: int) -> bool:
        case = self.parts.only.get(name, "")
        if name.startswith("out|"):
            moment = next(key[1] for key, port in self.step.exits.items() if port == name)
            return moment is None or t == (self.T + moment[1] if moment[0] else moment[1])
        return not (case == FIRST and t != 1) and not (case == LATER and t == 1)

    def _panel(self, column: Column) -> None:
        x0, y0, x1, y1 = self.step.box
        at = (column.x + (x1 - x0) / 2, self.y + (y0 + y1) / 2)
        size = ((x1 - x0) / 72, (y1 - y0) / 72)
        name = f"step{self.axis}|{column.number}"
        self.picture.add(Vertex(name, "panel", "", f"step {column.number}", at, size))

    def _vertices(self, column: Column, t: int) -> None:
        for v in self.step.picture.vertices.values():
            if not self._shown(v.id, t):
                continue
            label, tooltip = v.label, v.tooltip
            if v.id in self.reading.roles:
                label, tooltip = labels.name(v.id, stamp(v.id, self.reading, self.axis, t)), f"{v.id}[{t}]"
            look = dict(style.PANEL_WITHIN) if v.role == "panel" else {}
            self.picture.add(
                Vertex(f"{v.id}|{t}", v.role, label, tooltip, self.at(v.id, column), v.size, look)
            )

    def _edges(self, column: Column, t: int) -> None:
        dx, dy = column.x - self.step.box[0], self.y
        for e, _ in self.paths:
            case = e.hints.get("only", "")
            hidden = (case == FIRST and t != 1) or (case == LATER and t == 1)
            if not hidden and self._shown(e.tail, t) and self._shown(e.head, t):
                edge = Edge(f"{e.tail}|{t}", f"{e.head}|{t}", e.kind, path=shifted(e, dx, dy))
                self.picture.edges.append(edge)

    def _dots(self, name: str, at: Point) -> str:
        if name not in self.picture.vertices:
            self.picture.add(Vertex(name, "dots", "⋯", "…", at, (0.4, 0.3), {"fontsize": "16"}))
        return name

    # ---- values before the start and after the end ----
    @cached_property
    def _values(self) -> dict[tuple[int, str, str], float]:
        """Those left of the first (-1) and right of the last step (1), and their heights above the foot of the step:
        apart from each other."""
        wanted: dict[int, dict[tuple[str, str], float]] = {-1: {}, 1: {}}
        for way in self.step.ways:
            r, side = way.read, -1 if way.read.lag > 0 else 1
            for number in [self._number(r, j) for j in range(abs(r.lag))] if self._bounded(way) else ():
                wanted[side].setdefault((r.source, number), way.into[0][1] - _APART * self._distance(number))
            if r.lag > 0 and self._goes_on(r):
                wanted[1].setdefault((r.source, "…"), way.out[-1][1])
        found = {}
        for side, values in wanted.items():
            widest = max((self._cut_size(*of) for of in values), default=0.0)
            heights = _spread(values, max(_APART, 72 * widest + 4))
            found.update({(side, *of): y for of, y in heights.items()})
        return found

    def _outside(self) -> None:
        """Dashed circles for the values before the start and after the end."""
        first, last = self.columns[0].x, self.right
        for (side, source, number), y in self._values.items():
            name = f"{source}|{'end' if number == '…' else self._step_of(number)}"
            away = self._away[side, source, number]
            x = first - away if side < 0 else last + away
            label, size = labels.name(source, number), self._cut_size(source, number)
            self.picture.add(Vertex(name, "cut", label, f"{source}[{number}]", (x, y + self.y), (size, size)))

    @cached_property
    def _away(self) -> dict[tuple[int, str, str], float]:
        """How far from the steps these values stand: clear of the gutter, and each computed one further out than those
        below it and than what is not computed, which what goes up to it passes."""
        found: dict[tuple[int, str, str], float] = {}
        for side in (-1, 1):
            values = sorted((y, key) for key, y in self._values.items() if key[0] == side)
            halves = {key: 36 * self._cut_size(*key[1:]) for _, key in values}
            given = [key for _, key in values if not self._computed(*key[1:])]
            widest = max((halves[key] for key in given), default=0.0)
            x = self.step.gutter + max(_BESIDE, widest + _CLEAR)
            found.update(dict.fromkeys(given, x))
            reach, x = (x + widest if given else self.step.gutter), self.step.gutter + _BESIDE + _FURTHER
            for _, key in values:
                if key not in found:
                    x = max(x, reach + halves[key] + 2 * _CLEAR)
                    found[key], reach = x, x + halves[key]
        return found

    def _cut_size(self, source: str, number: str) -> float:
        """Inches across a value before the start or after the end."""
        return (labels.vertex_size(labels.name(source, number), "cut") or (_CUT, _CUT))[0]

    def _number(self, r: Read, j: int) -> str:
        return str(-j) if r.lag > 0 else f"{self.axis.upper()}+{j + 1}"

    def _step_of(self, number: str) -> int:
        return int(number) if number.lstrip("-").isdigit() else self.T + int(number[2:])

    def _distance(self, number: str) -> int:
        return 0 if number == "…" else -int(number) if number.lstrip("-").isdigit() else int(number[2:]) - 1

    def _computed(self, source: str, number: str) -> bool:
        return bool(self.reading.boundaries.get(f"{source}[{number}]"))

    def _goes_on(self, r: Read) -> bool:
        ends = any(o.axis == "t" and (o.moment == "end" or o.lag < 0) for o in self.reading.reads)
        return self.reading.roles[r.source] == "state" and self.axis == "t" and not ends

    # ---- wires through time ----
    def _wires(self, way: Way) -> None:
        lag, shown = way.read.lag, {c.number: c for c in self.columns}
        for column in self.columns:
            t = column.number
            if t is None:
                self._through_gap(way)
                continue
            if not self._shown(way.tap, t):
                continue
            come_from = t - lag
            head = f"{way.tap}|{t}"
            if come_from in shown:
                source = shown[come_from]
                out = [self.moved(p, source.x) for p in way.out]
                self._add(way, f"{way.source}|{come_from}", head, out, column, t, "rail")
            elif f"{way.read.source}|{come_from}" in self.picture.vertices and not 1 <= come_from <= self.T:
                name = f"{way.read.source}|{come_from}"
                self._add(way, name, head, self._beside(name, lag > 0), column, t, "cutwire")
        end = f"{way.read.source}|end"
        if end in self.picture.vertices and not any(e.head == end for e in self.picture.edges):
            self._to_end(way, end)

    def _beside(self, name: str, east: bool) -> list[Point]:
        v = self.picture.vertices[name]
        return [(v.at[0] + (v.half[0] + 1) * (1 if east else -1), v.at[1])]

    def _add(
        self, way: Way, tail: str, head: str, out: list[Point], column: Column, t: int, kind: str
    ) -> None:
        """Out of the step, down or up a lane of the gutter, in to the tap; below whole steps for long lags."""
        forward, lag = way.read.lag > 0, abs(way.read.lag)
        into = [self.moved(p, column.x) for p in way.into]
        width, gutter = self.step.width, self.step.gutter
        lane = (
            column.x - gutter + self.step.lane_x(way.lane) - 8
            if forward
            else (column.x + width + self.step.lane_x(way.lane) - 8)
        )
        corners = list(out)
        if lag > 1 and abs(out[-1][0] - into[0][0]) > gutter + 60:
            # the lane on the other side of the steps that are passed; of values outside one between them and the steps
            start = out[-1][0]
            if self.picture.vertices[tail].role == "cut":
                start = self.columns[0].x - gutter if forward else self.right + gutter
            first = start + (1 if forward else -1) * (self.step.lane_x(way.lane + 1) - 8)
            under = self.y + self.step.box[1] - _UNDER * (1 + way.under + t % lag)
            corners += [(first, out[-1][1]), (first, under), (lane, under), (lane, into[0][1])]
        elif abs(out[-1][1] - into[0][1]) > 0.01:
            corners += [(lane, out[-1][1]), (lane, into[0][1])]
        edge = Edge(tail, head, kind, path=curves.path(curves.rounded(curves.straightened(corners + into), 8.0)))
        edge.through = (way.read.source, way.read.lag, t)
        self.picture.edges.append(edge)

    def _to_end(self, way: Way, end: str) -> None:
        out = [self.moved(p, self.columns[-1].x) for p in way.out]
        tip = self._beside(end, False)[0]
        lane = self.right + self.step.lane_x(way.lane) - 8
        base = (tip[0] - style.tip("cut"), tip[1])
        corners = [*out, (lane, out[-1][1]), (lane, tip[1]), base]
        path = curves.path(curves.rounded(curves.straightened(corners), 8.0), tip)
        self.picture.edges.append(Edge(f"{way.source}|{self.T}", end, "cut", path=path))

    def _through_gap(self, way: Way) -> None:
        """Into the dots that stand for the steps left out, and on from them."""
        place = self.numbers.index(None)
        before, gap, after = self.columns[place - 1 : place + 2]
        inner, outer = (before, after) if way.read.lag > 0 else (after, before)
        y = way.into[0][1] + self.y
        height = self._free_height(y)
        at = (gap.x - self.step.gutter / 2 + self._gap / 2 + 4, height)
        dots = self._dots(f"{way.tap}|…", at)
        west, east = self._beside(dots, False), self._beside(dots, True)
        toward, onward = (west, east) if way.read.lag > 0 else (east, west)
        if abs(way.read.lag) > 1:
            for column in self.columns:
                t = column.number
                if t is not None and 1 <= t - way.read.lag <= self.T and t - way.read.lag not in self.numbers:
                    self._add(way, dots, f"{way.tap}|{t}", onward, column, t, "rail")
            return
        lane_in, lane_on = (self._lane(way, c, c is before) for c in (inner, outer))
        out = [self.moved(p, inner.x) for p in way.out]
        into = [self.moved(p, outer.x) for p in way.into]
        first = [*out, (lane_in, out[-1][1]), (lane_in, height), *toward]
        last = [*onward, (lane_on, height), (lane_on, y), *into]
        step = int(inner.number or 0) + way.read.lag
        self._rail(way, f"{way.source}|{inner.number}", dots, first, step)
        self._rail(way, dots, f"{way.tap}|{outer.number}", last, int(outer.number or 0))

    def _free_height(self, wanted: float) -> float:
        """Where no other dots stand, as close as can be, and beside the steps: wires run above and below these."""
        dots = [v.at[1] for v in self.picture.vertices.values() if v.role == "dots"]
        low, high = (self.y + self.step.box[k] + side * _DOTS_APART / 2 for k, side in ((1, 1), (3, -1)))
        others = (y + side * _DOTS_APART for y in dots for side in (-1, 1))
        places = [wanted, *sorted((y for y in others if low <= y <= high), key=lambda y: abs(y - wanted))]
        return next((y for y in places if all(abs(y - other) > _DOTS_APART - 0.1 for other in dots)), wanted)

    def _lane(self, way: Way, column: Column, east: bool) -> float:
        """Where the lane of a wire runs, east or west of a step."""
        x = column.x + self.step.width if east else column.x - self.step.gutter
        return x + self.step.lane_x(way.lane) - 8

    def _rail(self, way: Way, tail: str, head: str, corners: list[Point], t: int) -> None:
        path = curves.path(curves.rounded(curves.straightened(corners), 8.0))
        through = (way.read.source, way.read.lag, t)
        self.picture.edges.append(Edge(tail, head, "rail", path=path, through=through))


def _spread(wanted: dict[tuple[str, str], float], apart: float) -> dict[tuple[str, str], float]:
    """Heights at least so far apart that circles do not touch, close to those wanted."""
    found: dict[tuple[str, str], float] = {}
    lowest = -1e9
    for name in sorted(wanted, key=lambda n: wanted[n]):
        found[name] = lowest = max(wanted[name], lowest + apart)
    return found

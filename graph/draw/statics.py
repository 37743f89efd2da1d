"""What an unrolled network has once below its columns: bars, what they are computed from, starts.

Values that every step reads stand there. One of them is a bar under the columns; of several the others are circles
east of it, with a comb under the columns: a bar under a bar could be reached only through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import curves, labels, routes, spacing, style
from .after import After
from .combs import LEVEL, Group, comb
from .picture import Edge, Picture, Vertex
from .reading import Read, Reading

if TYPE_CHECKING:
    from .rows import Rows

_BAR_HEIGHT = 0.32
_MEMORY = "memory|"  # one bar for all that another sequence leaves at each of its steps
_EAST, _APART, _CIRCLE = 44.0, 58.0, 0.52  # circles beside a bar
_BESIDE = 9.0  # of a wire into a circle and one out of it
_COMB = 36.0  # the first comb below the lowest row


@dataclass
class Bar:
    """A value that every step of an axis reads: a static one, or what another sequence leaves behind.

    ``sources``: what goes into it, from the other sequence; ``moment``: only this step of it.
    """

    id: str
    label: str
    role: str
    readers: list[Read] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    moment: Read | None = None


class Statics:
    """Values without a time index, of a network whose steps stand in ``rows``."""

    def __init__(self, reading: Reading, rows: Mapping[str, Rows]) -> None:
        self.reading, self.rows = reading, rows
        self.picture = Picture()
        self.combs = routes.Drawn()
        stepwise = {n for r in rows.values() for n in r.names}
        self.names = [n for n in reading.roles if n not in stepwise]
        self.bars = {axis: self._bars(axis) for axis in rows}
        barred = {bar.id for bars in self.bars.values() for bar in bars}
        self.starts = self._starts(barred)
        self.under = self._under(barred)
        lower = {*barred, *self.starts, *self.under}
        self.after = After([n for n in self.names if n not in lower], reading, rows)
        self.ends = any(r.axis == "t" and (r.moment == "end" or r.lag < 0) for r in reading.reads)

    def _bars(self, axis: str) -> list[Bar]:
        """What every step of an axis reads, the one that is a bar first."""
        found: dict[str, Bar] = {}
        own = set(self.rows[axis].names)
        memory: list[str] = []
        for r in self.reading.reads:
            if r.reader not in own or r.lag or (r.source in own and (r.moment == "step" or r.own_step)):
                continue
            if r.source in self.names:
                bar = Bar(r.source, labels.name(r.source), self.reading.roles[r.source])
            elif r.moment != "step":
                bar = Bar(_moment_id(r), "", self.reading.roles[r.source], sources=[r.source], moment=r)
                bar.label = labels.name(r.source, _moment(r))
            else:
                memory += [r.source] * (r.source not in memory)
                bar = Bar(_MEMORY + axis, "", "signal", sources=memory)
            found.setdefault(bar.id, bar).readers.append(r)
        if _MEMORY + axis in found:
            found[_MEMORY + axis].label = _of_all_steps(memory)
        started = {r.source for reads in self.reading.boundaries.values() for r in reads}

        def rank(bar: Bar) -> tuple[bool, ...]:
            is_memory = bar.id.startswith(_MEMORY)
            return not is_memory, bar.id not in started, bool(self._gathered(bar)), bar.moment is not None

        return sorted(found.values(), key=rank)

    def _gathered(self, bar: Bar) -> list[str]:
        """The signals of steps that go into a bar, all of their steps."""
        into = [r.source for r in self.reading.reads if r.reader == bar.id and r.moment == "step"]
        return [n for n in dict.fromkeys(into) if n not in self.names]

    def _starts(self, barred: set[str]) -> list[str]:
        """Values that only boundary values read, through whatever else has no time index."""
        first = {r.source for reads in self.reading.boundaries.values() for r in reads}
        starts: list[str] = []
        for _ in self.names:
            for name in self.names:
                readers = {r.reader for r in self.reading.reads if r.source == name}
                if (
                    name not in barred
                    and name not in starts
                    and readers <= set(starts)
                    and (name in first or readers)
                ):
                    starts.append(name)
        return starts

    def _under(self, barred: set[str]) -> list[str]:
        """What goes into bars alone and reads no steps."""
        under: list[str] = []
        for _ in self.names:
            for name in self.names:
                readers = {r.reader for r in self.reading.reads if r.source == name}
                sources = {r.source for r in self.reading.reads if r.reader == name}
                new = name not in barred and name not in under and name not in self.starts
                if new and readers and readers <= {*barred, *under} and sources <= set(self.names):
                    under.append(name)
        return under

    # ---- places ----
    def set_apart(self) -> None:
        """Columns of the second sequence stand to the right of those of the first."""
        if len(self.rows) < 2:
            return
        s, t = self.rows["s"], self.rows["t"]
        wider = max(s.step.pitch - t.step.pitch, 0.0)
        t.x = s.last_x + (0.95 * (t.step.pitch + wider) if self.reading.boundaries else 0.1 * t.step.pitch + wider / 2)
        bars = self.bars["t"]
        level = _state_height(s, self.reading)
        if bars and bars[0].id.startswith(_MEMORY):
            t.y = s.step.height + self._below(bars)
        elif bars:
            t.y = level + self._below(bars)
        else:
            t.y = level - _state_height(t, self.reading)

    # ---- drawing ----
    def place(self, picture: Picture, circuit: Picture) -> None:
        """Give everything its place, when the steps have theirs."""
        self.picture = picture
        self.after.place(picture, circuit)
        for axis, bars in self.bars.items():
            for number, bar in enumerate(bars):
                if number == 0:
                    self._place_bar(self.rows[axis], bar, self._below(bars))
                else:
                    self._place_circle(self.rows[axis], bar, number, bars)
        self._place_under()
        self._place_starts()

    def join(self) -> None:
        """Draw the edges, when those of the steps are drawn."""
        for axis, bars in self.bars.items():
            for number, bar in enumerate(bars):
                if number == 0:
                    self._join_bar(self.rows[axis], bar)
                else:
                    self._join_circle(self.rows[axis], bar, bars)
        for r in self.reading.reads:
            if any(r.reader in part and r.source in part for part in (self.under, self.starts)):
                self._join(Edge(r.source, r.reader, "plain", _label(r)))
        for bars in self.bars.values():
            for bar in bars:
                self._into(bar)
        self.after.join(self.picture, self._near, self.moment_of)
        for name, reads in self.reading.boundaries.items():
            self._boundary(name, reads)

    def _near(self, a: Vertex, b: Vertex) -> list[Vertex]:
        return _between(self.picture, a, b)

    def _join(self, edge: Edge, bar: str = "") -> None:
        routes.join(self.picture, [edge], self._near, bar, self.combs)

    def _combs(self, bars: list[Bar]) -> list[str]:
        """The combs between the columns and the bar, by name, the highest first."""
        return [c for bar in bars[1:] for c in (*(f"{bar.id}|{n}" for n in self._gathered(bar)), bar.id)]

    def _below(self, bars: list[Bar]) -> float:
        """How far below the columns a bar stands: with room for combs, and for the circles beside it."""
        from_row = 0.85 if bars[0].id.startswith(_MEMORY) else 1.0
        return from_row * style.DY + LEVEL * len(self._combs(bars)) + spacing.beyond(36 * _across(b) for b in bars[1:])

    def _place_circle(self, rows: Rows, bar: Bar, number: int, bars: list[Bar]) -> None:
        """East of the bar."""
        wide, halves = _across(bar), [36 * _across(other) for other in bars[1:]]
        x = rows.last_x + rows.step.pitch / 2 + _EAST + spacing.beyond(halves[:1])
        x += sum(spacing.apart(halves[k : k + 2], _APART) for k in range(number - 1))
        at = (x, self.picture.vertices[bars[0].id].at[1])
        self.picture.add(Vertex(bar.id, bar.role, bar.label, labels.plain(bar.label), at, (wide, wide)))

    def _join_circle(self, rows: Rows, bar: Bar, bars: list[Bar]) -> None:
        """One comb for each signal that it gathers, and one for its readers."""
        names = self._combs(bars)

        def drawn(name: str, groups: list[Group]) -> None:
            comb(self.picture, name, rows.y - _COMB - LEVEL * names.index(name), groups, self._near, self.combs)

        for source in self._gathered(bar):
            teeth = [Edge(n, "", "wire") for n in self._steps_of(source)]
            root = Group("tail", [Edge("", bar.id, "plain")], (_BESIDE,))
            drawn(f"{bar.id}|{source}", [Group("head", teeth), root])
        spread = [Group("tail", self._to_readers(rows, "", r)) for r in bar.readers]
        root = Group("head", [Edge(bar.id, "", "wire")], (-_BESIDE if self._gathered(bar) else 0.0,))
        drawn(bar.id, [*spread, root])

    def _steps_of(self, source: str) -> list[str]:
        home = next((row for row in self.rows.values() if source in row.names), None)
        names = [f"{source}|{t}" for t in home.numbers if t is not None] if home is not None else []
        return [n for n in names if n in self.picture.vertices]

    def _to_readers(self, rows: Rows, tail: str, r: Read) -> list[Edge]:
        """The edges of one read, to every step at which it is made."""
        label = labels.on_edge(r.parameter) if r.parameter and not r.only else ""
        steps = [c.number for c in rows.columns if c.number is not None and r.made_at(c.number)]
        heads = [f"{r.reader}|{t}" for t in steps]
        return [Edge(tail, head, "plain", label) for head in heads if head in self.picture.vertices]

    def _place_bar(self, rows: Rows, bar: Bar, below: float) -> None:
        over = [rows.step.places[r.reader][0] for r in bar.readers if r.reader in rows.step.places]
        left, right = rows.first_x + min(-20.0, *over), rows.last_x + max(20.0, *over)
        if any(r.source == bar.id for reads in self.reading.boundaries.values() for r in reads):
            left -= rows.step.pitch
        other = next((r for r in self.rows.values() if r is not rows), None)
        memory = bar.id.startswith(_MEMORY) and other is not None
        if memory and other is not None:
            left = other.first_x - 20
        at, size = ((left + right) / 2, rows.y - below), ((right - left) / 72, _BAR_HEIGHT)
        look = {"shape": "box"}
        vertex = Vertex(bar.id, bar.role, bar.label, labels.plain(bar.label), at, size, look)
        self.picture.add(vertex)
        if memory and other is not None and self._starts_read(other):
            self._split(vertex, rows, other)

    def _join_bar(self, rows: Rows, bar: Bar) -> None:
        into = _part(bar.id) if _part(bar.id) in self.picture.vertices else bar.id
        for source in (*(bar.sources if bar.moment is None else ()), *self._gathered(bar)):
            edges = [Edge(n, into, "plain") for n in self._steps_of(source)]
            routes.join(self.picture, edges, self._near, "head")
        for r in bar.readers:
            routes.join(self.picture, self._to_readers(rows, bar.id, r), self._near, "tail")

    def _into(self, bar: Bar) -> None:
        """What goes once into a bar or its circle: one step of a signal, or another value without steps."""
        sources = [self.moment_of(bar.moment)] if bar.moment is not None else []
        for r in self.reading.reads:
            if r.reader == bar.id and (r.moment != "step" or r.source in self.names):
                sources.append(self.moment_of(r))
        for source in dict.fromkeys(sources):
            if source in self.picture.vertices:
                self._into_bar(Edge(source, bar.id, "time" if "|" in source else "plain"))

    def _starts_read(self, rows: Rows) -> bool:
        """Whether values before the start read the steps of an axis."""
        return any(r.source in rows.names for reads in self.reading.boundaries.values() for r in reads)

    def _split(self, bar: Vertex, rows: Rows, other: Rows) -> None:
        """The part of a bar over the other sequence, joined by a wire: what goes up to a start passes between."""
        height, y = bar.half[1] / 36, bar.at[1]
        low, high = other.first_x - 20, other.last_x + 20
        at, size = ((low + high) / 2, y), ((high - low) / 72, height)
        part = Vertex(_part(bar.id), bar.role, bar.label, bar.tooltip, at, size, dict(bar.look))
        self.picture.add(part)
        left, right = rows.first_x - 20, rows.last_x + 20
        bar.at, bar.size = ((left + right) / 2, y), ((right - left) / 72, height)
        edge = Edge(part.id, bar.id, "wire")
        edge.path = curves.path([(high + 1, y), (high + 1, y), (left - 1, y), (left - 1, y)])
        self.picture.edges.append(edge)

    def _into_bar(self, edge: Edge) -> None:
        """From below into the bar, or from the west into its end when it stands at the same height."""
        tail, bar = self.picture.vertices[edge.tail], self.picture.vertices[edge.head]
        if _is_bar(bar) and tail.at[0] < bar.at[0] - bar.half[0] and abs(tail.at[1] - bar.at[1]) < 1:
            left = bar.at[0] - bar.half[0]
            arrow = style.tip(edge.kind)
            x0, y = tail.at[0] + tail.half[0] + 1, tail.at[1]
            base = left - 1 - arrow
            edge.path = curves.path([(x0, y), (x0, y), (base, y), (base, y)], (left - 1, y))
            self.picture.edges.append(edge)
        else:
            self._join(edge, "head" if _is_bar(bar) else "")

    def moment_of(self, r: Read) -> str:
        """The vertex that a read of one value is of: of a signal at a fixed step, or of what has no steps."""
        for rows in self.rows.values():
            if r.source in rows.names:
                t = rows.T + r.position if r.moment == "end" else r.position
                return f"{r.source}|{t}" if t in rows.numbers or not 1 <= t <= rows.T else f"{r.source}|…"
        return r.source

    def _place_under(self) -> None:
        """What bars are computed from stands below them, in rows by depth."""
        depth = dict.fromkeys(self.under, 1)
        reads = [r for r in self.reading.reads if r.source in depth]
        for _ in self.under:
            for r in reads:
                depth[r.source] = max(depth[r.source], depth.get(r.reader, 0) + 1)
        at = self.picture.vertices
        y = min((at[bar.id].at[1] for bars in self.bars.values() for bar in bars), default=0.0)
        for number in sorted(set(depth.values())):
            row = [self._without_step(n) for n in self.under if depth[n] == number]
            halves = [v.half[0] for v in row]
            more = spacing.beyond(v.half[1] for v in row)
            ways = [spacing.apart(halves[k : k + 2], _APART) for k in range(len(row) - 1)]
            y -= style.DY + more
            for place, v in enumerate(row):
                middle = next((at[r.reader].at[0] for r in reads if r.source == v.id and r.reader in at), 0.0)
                v.at = (middle + sum(ways[:place]) - sum(ways) / 2, y)
                self.picture.add(v)
            y -= more

    def _place_starts(self) -> None:
        """A chain below the boundary value that it starts."""
        for name in self.starts:
            of = [b for b, reads in self.reading.boundaries.items() if any(r.source == name for r in reads)]
            readers = (r.reader for r in self.reading.reads if r.source == name)
            above = self.picture.vertices.get(self._boundary_vertex(of[0]) if of else next(readers))
            if above is not None:
                v = self.picture.add(self._without_step(name))
                more = spacing.beyond([above.half[1]]) + spacing.beyond([v.half[1]])
                v.at = (above.at[0], above.at[1] - style.DY - more)

    def _without_step(self, name: str) -> Vertex:
        role, label = self.reading.roles[name], labels.name(name)
        return Vertex(name, role, label, self.reading.note(name), size=labels.vertex_size(label, role))

    def _boundary(self, name: str, reads: list[Read]) -> None:
        vertex = self.picture.vertices.get(self._boundary_vertex(name))
        for r in reads if vertex is not None else ():
            source = self.picture.vertices.get(self.moment_of(r))
            if source is not None and vertex is not None:
                self._join(Edge(source.id, vertex.id, "plain", _label(r)), "tail" if _is_bar(source) else "")

    def _boundary_vertex(self, name: str) -> str:
        """The vertex of a boundary value: "h[0]" stands as h|0, "h[T+1]" of four steps as h|5."""
        base, _, inside = name.partition("[")
        place = inside.rstrip("]").split(",")[0].strip()
        for axis, rows in self.rows.items():
            if place.startswith(axis.upper()):
                place = str(rows.T + int(place[1:] or "0"))
        return f"{base}|{place}"


def _across(bar: Bar) -> float:
    """The inches across a value that stands as a circle."""
    return max(_CIRCLE, (labels.width(bar.label) + 7) / 72)


def _label(r: Read) -> str:
    return labels.on_edge(r.parameter) if r.parameter else ""


def _is_bar(vertex: Vertex) -> bool:
    return vertex.look.get("shape") == "box"


def _part(bar: str) -> str:
    """The part of a bar over the other sequence."""
    return f"{bar}|from"


def _moment(r: Read) -> str:
    """A fixed step as it is written: T, T-1, 1."""
    if r.moment == "start":
        return str(r.position)
    return r.axis.upper() + (f"{r.position:+d}" if r.position else "")


def _moment_id(r: Read) -> str:
    return f"{r.source}|last" if (r.moment, r.position) == ("end", 0) else f"{r.source}|at {_moment(r)}"


def _between(picture: Picture, a: Vertex, b: Vertex) -> list[Vertex]:
    """What stands near the way from one vertex to another; a bar or a comb is left where the other stands."""
    xs = [v.at[0] for v in (a, b) if v.look.get("shape") != "box" and v.role != "port"] or [a.at[0], b.at[0]]
    away = max(120.0, 0.5 * abs(a.at[1] - b.at[1]))  # so far an edge bends at most
    left, right = min(xs) - away, max(xs) + away
    return [
        v for v in picture.vertices.values() if left < v.at[0] + v.half[0] and v.at[0] - v.half[0] < right
    ]


def _of_all_steps(names: list[str]) -> str:
    inner = ", ".join(labels.name(n)[1:-1] for n in names)
    stamped = labels.name("x", "1…S")[len("<<I>x</I>") : -1]
    return f"<{inner}{stamped}>"


def _state_height(rows: Rows, reading: Reading) -> float:
    heights = [
        rows.step.places[n][1]
        for n in rows.names
        if reading.roles.get(n) == "state" and n in rows.step.places
    ]
    return max(heights, default=0.0) if rows.axis == "s" else min(heights, default=0.0)

"""What an unrolled network has once: bars under or over the columns, starts, what follows the last step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import curves, labels, routes, style
from .picture import Edge, Picture, Vertex
from .reading import Read, Reading

if TYPE_CHECKING:
    from .rows import Rows

_BAR_HEIGHT = 0.32
_MEMORY = "memory|"  # one bar for all that another sequence leaves at each of its steps
_SHIFTS = (0.0, 12.0, -12.0, 18.0, -18.0)


@dataclass
class Bar:
    """A value that every step of an axis reads: a static one, or what another sequence leaves behind.

    ``sources``: what goes into it, from the other sequence; ``last``: only its last step.
    """

    id: str
    label: str
    role: str
    readers: list[Read] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    last: bool = False


class Statics:
    """Values without a time index, of a network whose steps stand in ``rows``."""

    def __init__(self, reading: Reading, rows: Mapping[str, Rows]) -> None:
        self.reading, self.rows = reading, rows
        stepwise = {n for r in rows.values() for n in r.names}
        self.names = [n for n in reading.roles if n not in stepwise]
        self.bars = {axis: self._bars(axis) for axis in rows}
        barred = {bar.id for bars in self.bars.values() for bar in bars}
        self.starts = self._starts(barred)
        self.after = [n for n in self.names if n not in barred and n not in self.starts]
        self.ends = any(r.axis == "t" and (r.moment == "end" or r.lag < 0) for r in reading.reads)

    def _bars(self, axis: str) -> list[Bar]:
        found: dict[str, Bar] = {}
        own = set(self.rows[axis].names)
        memory: list[str] = []
        for r in self.reading.reads:
            if r.reader not in own or r.lag or (r.source in own and r.moment != "end"):
                continue
            if r.source in self.names:
                bar = Bar(r.source, labels.name(r.source), self.reading.roles[r.source])
            elif r.moment == "end":
                bar = Bar(r.source + "|last", "", self.reading.roles[r.source], sources=[r.source], last=True)
                bar.label = labels.name(r.source, r.axis.upper())
            else:
                memory += [r.source] * (r.source not in memory)
                bar = Bar(_MEMORY + axis, "", "signal", sources=memory)
            found.setdefault(bar.id, bar).readers.append(r)
        if _MEMORY + axis in found:
            found[_MEMORY + axis].label = _of_all_steps(memory)
        return list(found.values())

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

    # ---- places ----
    def set_apart(self) -> None:
        """Columns of the second sequence stand to the right of those of the first."""
        if len(self.rows) < 2:
            return
        s, t = self.rows["s"], self.rows["t"]
        t.x = s.last_x + (0.95 if self.reading.boundaries else 0.1) * t.step.pitch
        memory = [bar for bar in self.bars["t"] if bar.id.startswith(_MEMORY)]
        level = _state_height(s, self.reading)
        if memory:
            t.y = s.step.height + style.DY * (len(self.bars["t"]) - 0.15)
        elif self.bars["t"]:
            t.y = level + style.DY * len(self.bars["t"])
        else:
            t.y = level - _state_height(t, self.reading)

    # ---- drawing ----
    def draw(self, picture: Picture, circuit: Picture) -> None:
        for axis, bars in self.bars.items():
            for number, bar in enumerate(bars):
                self._bar(picture, self.rows[axis], bar, number)
        self._draw_starts(picture)
        self._draw_after(picture, circuit)
        for name, reads in self.reading.boundaries.items():
            self._boundary(picture, name, reads)

    def _bar(self, picture: Picture, rows: Rows, bar: Bar, number: int) -> None:
        left, right = rows.first_x - 20, rows.last_x + 20
        if any(r.source == bar.id for reads in self.reading.boundaries.values() for r in reads):
            left -= rows.step.pitch
        other = next((r for r in self.rows.values() if r is not rows), None)
        if bar.id.startswith(_MEMORY) and other is not None:
            left = other.first_x - 20
        size = ((right - left) / 72, _BAR_HEIGHT)
        at = (
            (left + right) / 2,
            rows.y - style.DY * (number + 1) * (1 if not bar.id.startswith(_MEMORY) else 0.85),
        )
        look = {"shape": "box"}
        vertex = picture.add(Vertex(bar.id, bar.role, bar.label, labels.plain(bar.label), at, size, look))
        into = vertex
        if other is not None and bar.id.startswith(_MEMORY) and self._starts_read(other):
            into = self._split(picture, vertex, rows, other)
        gathered = [r.source for r in self.reading.reads if r.reader == bar.id and r.moment == "step"]
        for source in (*bar.sources, *gathered):
            home = next((row for row in self.rows.values() if source in row.names), None)
            if home is not None:
                steps = [home.T] if bar.last else [t for t in home.numbers if t is not None]
                self._into_bar(picture, [f"{source}|{t}" for t in steps], into, sideways=bar.last)
        for r in bar.readers:
            label = labels.on_edge(r.parameter) if r.parameter and not r.only else ""
            heads = [f"{r.reader}|{c.number}" for c in rows.columns if c.number is not None]
            edges = [Edge(vertex.id, head, "plain", label) for head in heads if head in picture.vertices]
            self._join(picture, edges, "tail")
        for r in self.reading.reads:
            if r.reader == bar.id and r.moment == "end":
                self._into_bar(picture, [self._last(r.source)], vertex, sideways=True)

    def _starts_read(self, rows: Rows) -> bool:
        """Whether values before the start read the steps of an axis."""
        return any(r.source in rows.names for reads in self.reading.boundaries.values() for r in reads)

    def _split(self, picture: Picture, bar: Vertex, rows: Rows, other: Rows) -> Vertex:
        """The part of a bar over the other sequence, joined by a wire: what goes up to a start passes between."""
        height, y = bar.half[1] / 36, bar.at[1]
        low, high = other.first_x - 20, other.last_x + 20
        at, size = ((low + high) / 2, y), ((high - low) / 72, height)
        part = picture.add(
            Vertex(f"{bar.id}|from", bar.role, bar.label, bar.tooltip, at, size, dict(bar.look))
        )
        left, right = rows.first_x - 20, rows.last_x + 20
        bar.at, bar.size = ((left + right) / 2, y), ((right - left) / 72, height)
        edge = Edge(part.id, bar.id, "wire")
        edge.path = curves.path([(high + 1, y), (high + 1, y), (left - 1, y), (left - 1, y)])
        picture.edges.append(edge)
        return part

    def _into_bar(self, picture: Picture, sources: list[str], bar: Vertex, sideways: bool) -> None:
        """From below into the bar, or from the west into its end when it stands at the same height."""
        edges = [Edge(n, bar.id, "time" if sideways else "plain") for n in sources if n in picture.vertices]
        if sideways and edges and abs(picture.vertices[edges[0].tail].at[1] - bar.at[1]) < 1:
            tail = picture.vertices[edges[0].tail]
            left = bar.at[0] - bar.half[0]
            arrow = style.tip("time")
            x0, y = tail.at[0] + tail.half[0] + 1, tail.at[1]
            base = left - 1 - arrow
            edges[0].path = curves.path([(x0, y), (x0, y), (base, y), (base, y)], (left - 1, y))
            picture.edges.append(edges[0])
        else:
            self._join(picture, edges, "head")

    def _join(self, picture: Picture, edges: list[Edge], bar: str = "") -> None:
        """Add edges that repeat each other."""
        picture.edges += edges
        ends = [(e, picture.vertices[e.tail], picture.vertices[e.head]) for e in edges]
        routes.connect(ends, lambda a, b: _between(picture, a, b), _SHIFTS if bar else (), bar)

    def _last(self, name: str) -> str:
        return next((f"{name}|{r.T}" for r in self.rows.values() if name in r.names), name)

    def _draw_starts(self, picture: Picture) -> None:
        """A chain below the boundary value that it starts."""
        for name in self.starts:
            of = [b for b, reads in self.reading.boundaries.items() if any(r.source == name for r in reads)]
            above = (
                self._boundary_vertex(of[0])
                if of
                else next(r.reader for r in self.reading.reads if r.source == name)
            )
            if above in picture.vertices:
                x, y = picture.vertices[above].at
                role = self.reading.roles[name]
                label = labels.name(name)
                size = labels.vertex_size(label, role)
                picture.add(Vertex(name, role, label, self.reading.note(name), (x, y - style.DY), size))
        for name in self.starts:
            for r in self.reading.reads:
                if r.source == name and r.reader in self.starts and r.reader in picture.vertices:
                    self._join(picture, [Edge(name, r.reader, "plain")])

    def _draw_after(self, picture: Picture, circuit: Picture) -> None:
        """What follows the last step stands above it; sums over all steps are bars over the columns."""
        rows = self.rows.get("t") or next(iter(self.rows.values()), None)
        height = rows.y + rows.step.height if rows else 0.0
        level = self._levels()
        sums = [n for n in self.after if self._sums(n)]
        for name in self.after:
            beside = [n for n in self.after if level[n] == level[name] and n not in sums]
            flat = circuit.vertices[name]
            vertex = Vertex(name, flat.role, flat.label, flat.tooltip, size=flat.size)
            if name in sums and rows is not None:
                y = (
                    height
                    + (max(level.values()) + bool(beside)) * style.DY
                    + sums.index(name) * 0.5 * style.DY
                )
                vertex.at = ((rows.first_x + rows.last_x) / 2, y)
                vertex.size = ((rows.last_x - rows.first_x + 40) / 72, _BAR_HEIGHT)
                vertex.look = {"shape": "box"}
            else:
                shift = (beside.index(name) - (len(beside) - 1) / 2) * 0.7 * style.DX
                vertex.at = ((rows.last_x if rows else 0.0) + shift, height + level[name] * style.DY)
                if flat.role != "loss" and rows is not None and vertex.size is None and vertex.round:
                    vertex.size = (rows.width / 72, rows.width / 72)
            picture.add(vertex)
        for r in self.reading.reads:
            if r.reader in self.after and not r.lag:
                self._join_after(picture, r)

    def _levels(self) -> dict[str, int]:
        level = dict.fromkeys(self.after, 0)
        for _ in self.after:
            for name in self.after:
                level[name] = max([0, *(level[n] + 1 for n in self._below(name) if n != name)])
        return level

    def _sums(self, name: str) -> bool:
        """Whether a value gathers all steps of a signal."""
        axes = self.reading.axes
        return any(r.reader == name and r.moment == "step" and axes[r.source] for r in self.reading.reads)

    def _below(self, name: str) -> list[str]:
        targets = set(self.reading.targets)
        pairs = [
            (r.reader, r.source) if r.source in targets else (r.source, r.reader) for r in self.reading.reads
        ]
        return [low for low, high in pairs if high == name and low in self.after]

    def _join_after(self, picture: Picture, r: Read) -> None:
        label = labels.on_edge(r.parameter) if r.parameter else ""
        if r.source in picture.vertices:
            self._join(picture, [Edge(r.source, r.reader, "plain", label)])
        elif r.moment == "end":
            self._join(picture, [Edge(self._last(r.source), r.reader, "plain", label)])
        else:
            for rows in self.rows.values():
                names = [f"{r.source}|{t}" for t in rows.numbers if t is not None]
                edges = [Edge(n, r.reader, "plain") for n in names if n in picture.vertices]
                self._join(picture, edges, "head")

    def _boundary(self, picture: Picture, name: str, reads: list[Read]) -> None:
        vertex = picture.vertices.get(self._boundary_vertex(name))
        if vertex is None:
            return
        for r in reads:
            source = self._last(r.source)
            if source in picture.vertices:
                bar = "tail" if picture.vertices[source].look.get("shape") == "box" else ""
                label = labels.on_edge(r.parameter) if r.parameter else ""
                self._join(picture, [Edge(source, vertex.id, "plain", label)], bar)

    def _boundary_vertex(self, name: str) -> str:
        """The vertex of a boundary value: "h[0]" stands as h|0, "h[T+1]" of four steps as h|5."""
        base, _, inside = name.partition("[")
        place = inside.rstrip("]").split(",")[0].strip()
        for axis, rows in self.rows.items():
            if place.startswith(axis.upper()):
                place = str(rows.T + int(place[1:] or "0"))
        return f"{base}|{place}"


def _between(picture: Picture, a: Vertex, b: Vertex) -> list[Vertex]:
    """What stands near the way from one vertex to another; a bar is left where the other stands."""
    xs = [v.at[0] for v in (a, b) if v.look.get("shape") != "box"] or [a.at[0], b.at[0]]
    left, right = min(xs) - 120, max(xs) + 120
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

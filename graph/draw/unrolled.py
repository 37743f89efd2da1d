"""An unrolled network: one step is laid out, repeated T times, and joined by the wires through time."""

from __future__ import annotations

from collections.abc import Iterator

from . import curves, labels, routes, style
from .circuits import signal_picture
from .picture import Edge, Picture, Point, Vertex
from .reading import Reading
from .rows import Column, Rows, Shown, Wire
from .statics import Statics


def draw_steps(reading: Reading, shown: Shown) -> Picture:
    """The picture of an unrolled network, placed; labels of edges still stand where the edges put them."""
    circuit, loops = signal_picture(reading)
    picture = Picture(reading.circuit.name)
    rows: dict[str, Rows] = {}
    for axis in ("s", "t"):
        names = [n for n in reading.roles if _axis_of(n, reading) == axis]
        if names:
            rows[axis] = Rows(axis, names, circuit, loops, reading, shown)
    statics = Statics(reading, rows)
    statics.set_apart()
    stamps = [Stamp(picture, r, statics) for r in rows.values()]
    for stamp in stamps:
        stamp.place()
    statics.place(picture, circuit)
    for stamp in stamps:
        stamp.join()
    statics.join()
    return picture


def _axis_of(name: str, reading: Reading) -> str:
    """The axis along which a signal is repeated; a loss over all steps is drawn once a step, unless it also reads
    a value of the whole sequence."""
    axes = reading.axes[name]
    if axes:
        return axes[0]
    reads = [r for r in reading.reads if r.reader == name]
    whole = any(r.moment != "step" or (not reading.axes[r.source] and r.source in reading.circuit.eqs) for r in reads)
    if reading.roles[name] == "loss" and not whole:
        for r in reads:
            if r.lag == 0 and reading.axes[r.source]:
                return reading.axes[r.source][0]
    return ""


class Stamp:
    """Puts the steps of one axis into a picture."""

    def __init__(self, picture: Picture, rows: Rows, statics: Statics) -> None:
        self.picture, self.rows, self.statics = picture, rows, statics
        self.alike: dict[tuple[str, str, str, float, float, str, int], list[Edge]] = {}
        self.x_of = {c.number: c.x for c in rows.columns}
        self.ends: list[Edge] = []  # to where a running sequence goes on
        self.stripes: dict[int, list[Vertex]] = {}  # vertices by the steps that they stand in

    def place(self) -> None:
        for column in self.rows.columns:
            self._panels(column)
        for column in self.rows.columns:
            self._vertices(column)
        self._boundaries()

    def join(self) -> None:
        for v in self.picture.vertices.values():
            (x, _), (w, _) = v.at, v.half
            for k in range(
                *(int((x + side - self.rows.x) // self.rows.step.pitch) + (side > 0) for side in (-w, w))
            ):
                self.stripes.setdefault(k, []).append(v)
        for edge in self.ends:
            self._connect(edge)
        for column in self.rows.columns:
            if column.number is not None:
                self._inner_edges(column.number)
        for wire in self.rows.wires:
            self._wire(wire)
        self._route()

    def _panels(self, column: Column) -> None:
        for number, ((cx, cy), panel) in enumerate(self.rows.step.panels):
            if column.number is not None:
                x0, y0, x1, y1 = panel.box
                at = (column.x + cx + (x0 + x1) / 2, self.rows.y + cy + (y0 + y1) / 2)
                size = ((x1 - x0) / 72, (y1 - y0) / 72)
                name = f"panel{number}{self.rows.axis}|{column.number}"
                self.picture.add(Vertex(name, "panel", "", f"step {column.number}", at, size))

    def _vertices(self, column: Column) -> None:
        rows = self.rows
        delayed = {wire.source for wire in rows.wires}
        left_out = [n for n in rows.names if n in rows.step.places and (n not in rows.step.within or n in delayed)]
        left_out = [n for n in left_out if rows.circuit.vertices[n].role != "bus"]
        heights = [rows.step.places[n][1] for n in left_out]  # of a row all dots stand in one column
        for name in rows.names:
            if name not in rows.step.places:
                continue
            if column.number is not None:
                self.picture.add(rows.vertex(name, column.number, column.x))
            elif name in left_out:
                x, y = rows.at(name, column.x)
                x = column.x if heights.count(rows.step.places[name][1]) == 1 else x
                self.picture.add(Vertex(f"{name}|…", "dots", "⋯", "…", (x, y)))
        for tap in rows.step.taps if column.number is not None else ():
            self.picture.add(Vertex(f"{tap}|{column.number}", "bus", "", tap, rows.at(tap, column.x)))

    def _boundaries(self) -> None:
        """Values before the start and after the end, dashed; and where a running sequence goes on."""
        rows = self.rows
        for wire in rows.wires:
            for t, moment in self._outside(wire):
                if f"{wire.source}|{t}" not in self.picture.vertices:
                    self._add_cut(wire, t, moment, f"{wire.source}[{moment}]")
            if self._goes_on(wire) and f"{wire.source}|end" not in self.picture.vertices:
                end = self._add_cut(wire, "end", "…", "…")
                self.ends.append(Edge(f"{wire.source}|{rows.T}", end.id, "cut"))

    def _add_cut(self, wire: Wire, t: int | str, moment: str, tip: str) -> Vertex:
        """A value before the start or after the end; further out where another one of its row stands there."""
        rows, label = self.rows, labels.name(wire.source, moment)
        step = t if isinstance(t, int) else rows.T + 1
        x, y = rows.at(wire.source, self._outside_x(wire, step))
        cut = Vertex(f"{wire.source}|{t}", "cut", label, tip, (x, y), rows.size("cut", label))
        others = [curves.box_of(v) for v in self.picture.vertices.values() if v.role == "cut"]
        while any(curves.overlap(curves.box_of(cut), box) for box in others):
            x += 2 * cut.half[0] * (-1 if step < 1 else 1)
            cut.at = (x, y)
        return self.picture.add(cut)

    def _goes_on(self, wire: Wire) -> bool:
        state = self.rows.circuit.vertices[wire.source].role == "state"
        return state and wire.lag > 0 and self.rows.axis == "t" and not self.statics.ends

    def _outside(self, wire: Wire) -> Iterator[tuple[int, str]]:
        """Steps outside 1..T that a wire comes from, and how they are written."""
        T, last = self.rows.T, self.rows.axis.upper()
        if wire.bounded:
            for j in range(abs(wire.lag)):
                yield (-j, str(-j)) if wire.lag > 0 else (T + 1 + j, f"{last}+{j + 1}")

    def _outside_x(self, wire: Wire, t: int) -> float:
        """One step further out each; nearer where panels leave room."""
        rows = self.rows
        pitch = rows.step.pitch
        inner = wire.source in rows.step.within
        near = max(46.0, 72 * rows.size("cut", labels.name(wire.source, -1))[0] + 6) if inner else pitch
        px = rows.step.places[wire.source][0]
        if t < 1:
            edge = self._panel_edge(wire.source, 0) if inner else px
            return rows.first_x + edge - px + (t - 1) * near
        edge = self._panel_edge(wire.source, 2) if inner else px
        return rows.last_x + edge - px + (t - rows.T) * near

    def _panel_edge(self, name: str, side: int) -> float:
        for (cx, _), panel in self.rows.step.panels:
            if name in panel.places:
                away = 12 if len(self.rows.step.panels) == 1 else -6  # there edges run around panels
                return cx + panel.box[side] + (away if side == 0 else -away)
        return 0.0

    # ---- edges ----
    def _near(self, a: Vertex, b: Vertex) -> list[Vertex]:
        """What stands between two vertices, and up to one step further."""
        reach = self.rows.step.pitch
        left, right = min(a.at[0], b.at[0]) - reach, max(a.at[0], b.at[0]) + reach
        first, last = (int((x - self.rows.x) // reach) for x in (left, right))
        return [v for k in range(first, last + 1) for v in self.stripes.get(k, ())]

    def _connect(self, edge: Edge) -> None:
        """Add an edge; it is routed when all are known, alike at every step."""
        tail, head = self.picture.vertices[edge.tail], self.picture.vertices[edge.head]
        self.picture.edges.append(edge)
        away = (round(head.at[0] - tail.at[0], 1), round(head.at[1] - tail.at[1], 1))
        names = (edge.tail.rpartition("|")[0], edge.head.rpartition("|")[0])
        kind = {"cut": "time", "cutwire": "rail", "skip": "time"}.get(edge.kind, edge.kind)
        dots = tail.role if "dots" in (tail.role, head.role) else ""
        lag = edge.through[1] if edge.through is not None and dots else 0
        self.alike.setdefault((*names, kind, *away, dots, lag), []).append(edge)

    def _route(self) -> None:
        lines: list[list[Point]] = []
        left = []
        joined: set[tuple[str, str]] = set()
        for edges in self.alike.values():
            ends = [(e, self.picture.vertices[e.tail], self.picture.vertices[e.head]) for e in edges]
            pair = (edges[0].tail, edges[0].head)
            if routes.connect(ends, self._near, lines=lines, bent=pair in joined):
                lines += routes.lines_of(edges)
            else:
                left.append(ends)
            joined |= {(e.tail, e.head) for e in edges}
        for ends in left:
            routes.detour(ends, self._near, lines=lines)
            lines += routes.lines_of([e for e, _, _ in ends])

    def _inner_edges(self, t: int) -> None:
        for tail, head, kind, label in self.rows.inner_edges(t):
            edge = Edge(f"{tail}|{t}", f"{head}|{t}", kind, label)
            if tail in self.rows.taken:
                edge.through = (*self.rows.taken[tail], t)
            if tail in self.rows.step.taps and self.rows.circuit.vertices[head].role == "bus":
                routes.down_to_bus(edge, *(self.picture.vertices[n] for n in (edge.tail, edge.head)))
                self.picture.edges.append(edge)
            elif not self._round_a_panel(edge):
                self._connect(edge)

    def _round_a_panel(self, edge: Edge) -> bool:
        tail, head = self.picture.vertices[edge.tail], self.picture.vertices[edge.head]
        rows = self.rows
        x = self.x_of[int(edge.tail.rpartition("|")[2])]
        for (cx, cy), panel in rows.step.panels:
            x0, y0, x1, y1 = panel.box
            box = (x + cx + x0, rows.y + cy + y0, x + cx + x1, rows.y + cy + y1)
            if routes.crosses(tail, head, box):
                lane = box[2] + 10 if head.role != "bus" else box[0] - 10
                points = routes.around_panel(edge, tail, head, box, lane)
                solid = routes.boxes(self._near(tail, head), (tail, head))
                if not curves.touches(points, solid, routes.BESIDE):
                    self.picture.edges.append(edge)
                    return True
        return False

    def _wire(self, wire: Wire) -> None:
        """One read through time at every step, those from outside dashed, those into an ellipsis once."""
        numbers = [c.number for c in self.rows.columns]
        for t in numbers:
            if t is None:
                self._into_ellipsis(wire, numbers)
                continue
            come_from = t - wire.lag
            if not 1 <= come_from <= self.rows.T:
                if f"{wire.source}|{come_from}" in self.picture.vertices:
                    kind = "cut" if style.tip(wire.kind) else "cutwire"
                    self._through(wire, f"{wire.source}|{come_from}", t, kind)
            else:
                tail = come_from if come_from in numbers else "…"
                self._through(wire, f"{wire.source}|{tail}", t, wire.kind, wire.label)

    def _through(self, wire: Wire, tail: str, t: int, kind: str, label: str = "") -> None:
        """An edge through time that arrives at step ``t``."""
        self._connect(Edge(tail, f"{wire.head}|{t}", kind, label, through=(wire.source, wire.lag, t)))

    def _into_ellipsis(self, wire: Wire, numbers: list[int | None]) -> None:
        """From the last step before the ellipsis, of what runs level: else it would seem to end there."""
        gap = numbers.index(None)
        before = numbers[gap - 1] if wire.lag > 0 else numbers[gap + 1]
        heights = self.rows.step.places | self.rows.step.taps
        same = heights[wire.source][1] == heights[wire.head][1]
        if abs(wire.lag) == 1 and before is not None and (same or wire.kind == "rail"):
            edge = Edge(f"{wire.source}|{before}", f"{wire.source}|…", "time" if same else "rail", wire.label)
            edge.through = (wire.source, wire.lag, before + wire.lag)
            self._connect(edge)


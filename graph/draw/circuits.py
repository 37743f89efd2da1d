"""The textbook figure of a circuit: one node a signal, a black square for a delay; placed by dot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import cos, hypot, radians, sin

from . import around, beside, curves, labels, routes, style
from .picture import Edge, Picture, Point, Vertex
from .reading import Read, Reading
from .render import place_by_dot

_TURNS = (0.0, 14.0, 26.0, 36.0, -14.0, -26.0)  # degrees by which a loop is turned upwards
_TIGHT, _GRAZED = 10.0, 4.0  # points between the ends of edges at a state, and from an edge to a loop's square


@dataclass
class Loop:
    """A state that reads itself: the square beside it, on the east or the west."""

    state: str
    square: str
    label: str
    east: bool


def draw_signals(reading: Reading) -> Picture:
    """The picture of a circuit with one node a signal, placed."""
    picture, loops = signal_picture(reading)
    place_by_dot(picture, dict(style.PLACING))
    for loop in loops:
        add_loop(picture, loop)
    outside = [
        e for e in picture.edges if e.hints.get("around") or (e.kind == "cut" and _is_long(picture, e))
    ]
    for edge in sorted(
        outside, key=lambda e: abs(picture.vertices[e.head].at[1] - picture.vertices[e.tail].at[1])
    ):
        around.route(picture, edge)
    for edge in [e for e in picture.edges if e.kind == "skip" and not _is_west(picture, e)]:
        around.route(picture, edge, (around.WEST,))
    _detour_round_loops(picture)
    for loop in loops:
        _label_loop(picture, loop)
    beside.settle(picture, beside.misplaced(picture))
    return picture


def _detour_round_loops(picture: Picture) -> None:
    """Edges that dot led through where the squares and the arcs of loops now are run around them."""
    vertices = picture.vertices
    for edge in picture.edges:
        points = curves.points_of(edge.path) or [(0.0, 0.0)]
        line, hull = curves.dense(points), curves.hull(points)
        others = [v for v in vertices.values() if v.id not in (edge.tail, edge.head) and v.role != "bus"]
        others = [v for v in others if curves.overlap(curves.box_of(v), hull)]
        if edge.path and any(curves.is_inside(p, v) for p in line for v in others):
            lines = [curves.dense(curves.points_of(e.path)) for e in picture.edges if e.path and e is not edge]
            ends = (edge, vertices[edge.tail], vertices[edge.head])
            routes.detour([ends], lambda a, b: vertices.values(), lines=lines)


def _is_west(picture: Picture, edge: Edge) -> bool:
    """Whether dot led an edge west of both its ends; where it found no room there it runs among the nodes."""
    line = curves.dense(curves.points_of(edge.path))
    return line[len(line) // 2][0] < min(picture.vertices[name].at[0] for name in (edge.tail, edge.head))


def _is_long(picture: Picture, edge: Edge) -> bool:
    return picture.vertices[edge.head].at[1] - picture.vertices[edge.tail].at[1] > 1.6 * style.DY


def signal_picture(reading: Reading) -> tuple[Picture, list[Loop]]:
    """The signals of a circuit and what they read, without places; the loops, which dot does not route."""
    picture = Picture(reading.circuit.name)
    for name, role in reading.roles.items():
        add_signal(picture, reading, name, role)
        if _is_plain_sum(reading, name):
            picture.vertices[name].role, picture.vertices[name].label = "op", "+"
    forward = forward_order(reading)
    loops = _loops(picture, reading)
    skips = _skips(reading)
    looped = {(loop.state, loop.square) for loop in loops}
    for r in reading.reads:
        if r.lag and (r.source, square_id(r) + "|loop") in looped and r.reader == r.source:
            continue
        if r.lag:
            _join_delayed(picture, reading, r, forward)
        else:
            _join_now(picture, reading, r, r in skips)
    for name, found in reading.boundaries.items():
        state = name.partition("[")[0]
        for r in found:
            if state in picture.vertices and r.source in picture.vertices:
                picture.join(r.source, state, "cut", edge_label(r), weight="0")
    add_buses(picture)
    _level(picture, reading, loops)
    picture.same_rank += _siblings(picture)
    return picture, loops


def add_signal(picture: Picture, reading: Reading, name: str, role: str) -> None:
    """One signal; where there are two time axes its label says which are its own."""
    two = len({axis for axes in reading.axes.values() for axis in axes}) > 1
    label = labels.name(name, ", ".join(reading.axes[name]) if two and reading.axes[name] else None)
    picture.add(Vertex(name, role, label, reading.note(name), size=labels.vertex_size(label, role)))


def _is_plain_sum(reading: Reading, name: str) -> bool:
    """Whether a signal only adds others: a plus in a circle says all of it."""
    root = reading.circuit.eqs.get(name)
    only = root is not None and root.op == "add" and all(a.op == "ref" for a in root.args)
    return only and reading.roles[name] == "signal"


# ---- delays --------------------------------------------------------------------------------------
def forward_order(reading: Reading) -> set[tuple[str, str]]:
    """The pairs (source, reader) of delayed reads that can be drawn upwards without closing a cycle."""
    above = _above(reading)
    targets = set(reading.targets)
    upwards: set[tuple[str, str]] = set()
    for r in reading.reads:
        if r.lag and r.source not in targets and r.source not in _reached(r.reader, above):
            above.setdefault(r.source, set()).add(r.reader)
            upwards.add((r.source, r.reader))
    return upwards


def _reached(start: str, above: dict[str, set[str]]) -> set[str]:
    seen, stack = {start}, [start]
    while stack:
        for name in above.get(stack.pop(), ()):
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return seen


def square_id(r: Read) -> str:
    """The square of a delay, by what it delays: h[t-1]."""
    return f"{r.source}[{r.axis}{-r.lag:+d}]"


def add_square(picture: Picture, r: Read, name: str) -> str:
    """The square of a delay (hollow: of an advance); a lag above one is written into it."""
    if name not in picture.vertices:
        role = "delay" if r.lag > 0 else "advance"
        number = str(abs(r.lag)) if abs(r.lag) > 1 else ""
        size = style.LAG_SIZE if number else None
        picture.add(Vertex(name, role, number, f"{r.source}[{r.axis}{-r.lag:+d}]", size=size))
    return name


def _loops(picture: Picture, reading: Reading) -> list[Loop]:
    """The first two lags at which a state reads itself; further ones are drawn as feedback."""
    loops: list[Loop] = []
    for name in reading.roles:
        own = sorted(
            (r for r in reading.reads if r.reader == r.source == name and r.lag), key=lambda r: abs(r.lag)
        )
        for number, r in enumerate(own[:2]):
            square = add_square(picture, r, square_id(r) + "|loop")
            east = (r.lag > 0) == (number == 0)
            loops.append(Loop(name, square, edge_label(r), east))
            ends = (name, square) if east else (square, name)
            picture.join(*ends, "order", minlen="1", weight="50")
            picture.same_rank.append((name, square))
    return loops


def _join_delayed(picture: Picture, reading: Reading, r: Read, forward: set[tuple[str, str]]) -> None:
    """source → square → reader; the wire to the square runs down the west side where it closes a cycle."""
    new = square_id(r) not in picture.vertices
    square = add_square(picture, r, square_id(r))
    if new and any((r.source, other.reader) not in forward for other in reading.reads if _alike(other, r)):
        rail = picture.join(r.source, square, "rail", weight="0", around="west")
        rail.against = True
    elif new:
        picture.join(r.source, square, "rail", weight="5")
    picture.join(square, r.reader, "time", edge_label(r))


def _alike(a: Read, b: Read) -> bool:
    return (a.source, a.lag, a.axis) == (b.source, b.lag, b.axis)


# ---- reads at the same step ----------------------------------------------------------------------
def _join_now(picture: Picture, reading: Reading, r: Read, skip: bool) -> None:
    role = reading.roles[r.reader]
    if any(e.tail == r.source and e.head == r.reader and e.kind == "plain" for e in picture.edges):
        return
    if r.source in reading.targets:
        picture.join(r.source, r.reader, weight="10").against = True
    elif skip:
        picture.join(r.source, r.reader, "skip", edge_label(r), tailport="w", headport="w")
    else:
        spine = reading.roles[r.source] in ("state", "output") and role in (
            "state",
            "output",
            "loss",
            "signal",
        )
        spine = spine and not _has_detour(reading, r)
        weight = "20" if spine else "1" if role == "gate" else "10"
        picture.join(r.source, r.reader, "plain", edge_label(r), weight=weight)


def edge_label(r: Read) -> str:
    """The parameter beside an edge."""
    return labels.on_edge(r.parameter) if r.parameter else ""


def _above(reading: Reading) -> dict[str, set[str]]:
    above: dict[str, set[str]] = {}
    for r in reading.reads:
        if r.lag == 0:
            above.setdefault(r.source, set()).add(r.reader)
    return above


def _has_detour(reading: Reading, r: Read) -> bool:
    """Whether the source also reaches the reader through other signals, at the same step."""
    above = _above(reading)
    others = above.get(r.source, set()) - {r.reader}
    return any(r.reader in _reached(name, above) for name in others)


def _skips(reading: Reading) -> set[Read]:
    """Residual connections: terms of a sum that also reach it through other signals."""
    return {r for r in reading.reads if r.term and r.lag == 0 and _has_detour(reading, r)}


# ---- buses ---------------------------------------------------------------------------------------
def add_buses(picture: Picture) -> None:
    """Where m consumers share the same n sources and m·n > m + n: one dot between them."""
    number = 0
    while True:
        best = shared_sources(picture)
        if best is None:
            return
        number += 1
        sources, consumers = best
        bus = picture.add(Vertex(f"bus|{number}", "bus", "", "(" + ", ".join(sources) + ")")).id
        for source in sources:
            delayed = picture.vertices[source].role in ("delay", "advance")
            picture.join(source, bus, "rail" if delayed else "wire", weight="3")
        picture.edges = [e for e in picture.edges if not (e.tail in sources and e.head in consumers)]
        for consumer in consumers:
            picture.join(bus, consumer)
        picture.same_rank += [tuple(sources), _independent(picture, consumers)]


def shared_sources(picture: Picture) -> tuple[list[str], list[str]] | None:
    """The sources and consumers whose bus saves most edges, or None."""
    into: dict[str, list[str]] = {}
    for e in picture.edges:
        if e.kind in ("plain", "time") and not e.against:
            into.setdefault(e.head, []).append(e.tail)
    candidates = list(dict.fromkeys(_common(a, b) for a in into.values() for b in into.values()))
    best, most = None, 0
    for sources in candidates:
        consumers = [c for c, tails in into.items() if set(sources) <= set(tails)]
        saved = len(sources) * len(consumers) - len(sources) - len(consumers)
        if len(sources) > 1 and saved > most:
            best, most = (list(sources), consumers), saved
    return best


def _independent(picture: Picture, names: list[str]) -> tuple[str, ...]:
    """Those that do not depend on each other at the same step: they stand side by side."""
    above: dict[str, set[str]] = {}
    for e in picture.edges:
        if e.kind in ("plain", "wire", "skip") and not e.against:
            above.setdefault(e.tail, set()).add(e.head)
    reached = {name: _reached(name, above) for name in names}
    return tuple(n for n in names if not any(n in reached[other] for other in names if other != n))


def _common(a: Iterable[str], b: Iterable[str]) -> tuple[str, ...]:
    other = set(b)
    return tuple(name for name in a if name in other)


def _siblings(picture: Picture) -> list[tuple[str, ...]]:
    """Signals and gates that read the same stand side by side."""
    into: dict[str, set[str]] = {}
    for e in picture.edges:
        if e.kind in ("plain", "time") and picture.vertices[e.head].role in ("gate", "signal"):
            into.setdefault(e.head, set()).add(e.tail)
    alike: dict[frozenset[str], list[str]] = {}
    for name, sources in into.items():
        alike.setdefault(frozenset(sources), []).append(name)
    return [tuple(names) for names in alike.values() if len(names) > 1]


# ---- ranks and loops -----------------------------------------------------------------------------
def _level(picture: Picture, reading: Reading, loops: list[Loop]) -> None:
    """States of both directions that see the same signals stand side by side, loops outwards."""
    sides: dict[frozenset[str], dict[bool, str]] = {}
    for loop in loops:
        seen = frozenset(r.source for r in reading.reads if r.reader == loop.state and r.lag == 0)
        sides.setdefault(seen, {}).setdefault(loop.east, loop.state)
    for pair in sides.values():
        if len(pair) == 2 and pair[False] != pair[True]:
            picture.same_rank.append((pair[False], pair[True]))
            picture.join(pair[False], pair[True], "order")


def add_loop(picture: Picture, loop: Loop) -> None:
    """The two arcs of a loop, once its state and square have their places; turned, or on the other side, where it
    then touches and crosses less."""
    state, square = picture.vertices[loop.state], picture.vertices[loop.square]
    known = (e for e in picture.edges if e.path and e.kind != "order" and "around" not in e.hints)
    lines = [curves.dense(curves.points_of(e.path)) for e in known]
    fed_back = any("around" in e.hints and loop.state in (e.tail, e.head) for e in picture.edges)
    ends = {loop.state, loop.square}
    boxes = [curves.box_of(v) for n, v in picture.vertices.items() if n not in ends and v.role != "panel"]
    boxes += [beside.box_of(e.label, e.label_at) for e in picture.edges if e.label and e.label_at]
    (X, Y), across = state.at, abs(square.at[0] - state.at[0])

    def place(turned: float, east: bool) -> list[list[Point]]:
        side = across if east else -across
        square.at = (X + side * cos(radians(turned)), Y + across * sin(radians(turned)))
        return [curves.points_of(arc) for arc in curves.loop(state, square, turned)]

    def cost(way: tuple[float, bool]) -> float:
        out, home = place(*way)
        x0, y0, x1, y1 = curves.box_of(square)
        around = (x0 - _GRAZED, y0 - _GRAZED, x1 + _GRAZED, y1 + _GRAZED)
        hits = sum(curves.hits(arc, boxes, 3.0) for arc in (out, home)) + sum(curves.overlap(around, b) for b in boxes)
        crossed = sum(curves.crossings(arc, lines) for arc in (out, home))
        tight = sum(_distance(line[-1], home[-1]) < _TIGHT for line in lines)
        grazed = sum(any(around[0] < x < around[2] and around[1] < y < around[3] for x, y in line) for line in lines)
        moved = 0.01 * abs(way[0]) + (0.75 + 2 * fed_back) * (way[1] != loop.east)
        return 3 * hits + crossed + tight + 2 * grazed + moved

    best = min(product(_TURNS, (loop.east, not loop.east)), key=cost)
    place(*best)
    loop.east = best[1]
    out, home = curves.loop(state, square, best[0])
    picture.edges.append(Edge(loop.state, loop.square, "rail", path=out))
    picture.edges.append(Edge(loop.square, loop.state, "time", loop.label, home))


def _distance(a: Point, b: Point) -> float:
    return hypot(a[0] - b[0], a[1] - b[1])


def _label_loop(picture: Picture, loop: Loop) -> None:
    """The label stands outside the loop, below its square; above or beside it where an edge passes there."""
    edge = next(e for e in picture.edges if (e.tail, e.head, e.kind) == (loop.square, loop.state, "time"))
    if not edge.label:
        return
    (x, y), half = picture.vertices[loop.square].at, picture.vertices[loop.square].half[1]
    side = 1 if loop.east else -1
    away = 5 + labels.width(loop.label, style.EDGE_SIZE) / 4
    outside = x + side * (half + labels.width(loop.label, style.EDGE_SIZE) / 2)
    middle = (picture.vertices[loop.state].at[0] + x) / 2 + side * 5
    places = [(x + side * away, y - half - 9), (x + side * away, y + half + 9), (outside, y), (middle, y)]
    beside.choose(picture, edge, places)

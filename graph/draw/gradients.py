"""The gradient on an unrolled network: the edges that it runs back along."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from ..expr import topological
from . import curves, labels, routes, style
from .picture import Edge, Picture, Point, Vertex
from .reading import Reading
from .routes import Shape

_PASSES = ("state", "gate", "signal", "output", "loss", "op", "function", "product", "bus", "port", "dots")
_FORWARD = ("plain", "time", "rail", "skip", "wire")
_JOINTS = ("bus", "port")
_NOT_SOLID = ("panel", *_JOINTS)
_BULGE, _SLIGHT = 20.0, 9.0  # how far a bent edge stands off, and one where many meet, in points
_OFFSETS = (6.0, -6.0, 4.0, -4.0, 2.5, -2.5)
_HIT, _LATER = 10.0, 0.3  # what a touched vertex costs in crossings, and a later candidate
_NEAR, _WIDE, _MANY = 40.0, 130.0, 60
_CLEAR, _GRAZED = 2.0, 0.5  # how far an edge keeps from a vertex; closer it goes around
_TRIED = 2  # of edges that repeat each other, so many at each end are looked at


def add_gradients(picture: Picture, reading: Reading) -> None:
    """Beside each edge that a gradient passes the same one back, dashed; Wᵀ back in time.

    It goes on through a value before the start or after the end that is computed, or is a parameter.
    """
    computed = {name for name in picture.vertices if _is_computed(name, reading)}
    dead = _dead_joints(picture, computed)
    alike: dict[tuple[object, ...], list[tuple[Edge, Edge]]] = {}
    for edge in picture.edges:
        if edge.kind not in _FORWARD and edge.tail not in computed and edge.head not in computed:
            continue
        tail, head = picture.vertices[edge.tail], picture.vertices[edge.head]
        if edge.tail not in dead and all(v.id in computed or v.role in _PASSES for v in (tail, head)):
            back_in_time = edge.kind in ("time", "skip") and edge.through is not None
            label = labels.transposed(edge.label) if edge.label and back_in_time else ""
            kind = "gradwire" if tail.role in _JOINTS else "grad"
            away = (round(head.at[0] - tail.at[0], 1), round(head.at[1] - tail.at[1], 1))
            names = (edge.tail.rpartition("|")[0], edge.head.rpartition("|")[0])
            pair = (edge, Edge(edge.head, edge.tail, kind, label))
            alike.setdefault((*names, edge.kind, *away), []).append(pair)
    room = _Room(picture)
    for pairs in alike.values():
        _route(room, pairs)
        picture.edges += [back for _, back in pairs]


def _dead_joints(picture: Picture, computed: set[str]) -> set[str]:
    """Dots on wires that come from inputs alone, through other such dots: no gradient goes back there.

    Between two dots a wire has no direction: a rail runs from west to east, whichever way its values go.
    """
    joints = {name for name, v in picture.vertices.items() if v.role in _JOINTS}
    onward: dict[str, list[str]] = {}
    alive: list[str] = []
    for e in picture.edges:
        if e.head in joints and e.kind != "order":
            onward.setdefault(e.tail, []).append(e.head)
            if e.tail in joints:
                onward.setdefault(e.head, []).append(e.tail)
            elif e.tail in computed or picture.vertices[e.tail].role in _PASSES:
                alive.append(e.head)
    seen = set(alive)
    while alive:
        for name in onward.get(alive.pop(), ()):
            if name not in seen:
                seen.add(name)
                alive.append(name)
    return joints - seen


class _Room:
    """What a gradient's edge had better not touch: vertices, and edges that are there."""

    def __init__(self, picture: Picture) -> None:
        self.vertices = picture.vertices
        self.boxes = [(v, curves.box_of(v)) for v in picture.vertices.values()]
        lines = [(e, curves.sample(curves.points_of(e.path), 8)) for e in picture.edges if e.kind != "order"]
        self.lines = [(e, line, curves.hull(line)) for e, line in lines]

    def near(self, a: Vertex, b: Vertex) -> list[Vertex]:
        """What stands around two vertices, and between them; of a bar what is close to the other one."""
        ends = [v for v in (a, b) if v.look.get("shape") != "box"] or [a, b]
        xs, ys = [v.at[0] for v in ends], [v.at[1] for v in (a, b)]
        wide = (min(xs) - _WIDE, min(ys) - _WIDE, max(xs) + _WIDE, max(ys) + _WIDE)
        return [v for v, box in self.boxes if curves.overlap(box, wide)]

    def touched(
        self, edge: Edge, points: list[Point], near: Sequence[tuple[Vertex, curves.Box]], clear: float
    ) -> int:
        """How many vertices that are not its ends an edge comes closer to than ``clear``."""
        left, low, right, high = curves.hull(points)
        wide = (left - clear, low - clear, right + clear, high + clear)
        met = [v for v, box in near if curves.overlap(box, wide) and v.id not in (edge.tail, edge.head)]
        line = curves.dense(points) if met else []
        return sum(any(curves.is_inside(p, v, clear) for p in line) for v in met)

    def around(self, edge: Edge) -> tuple[list[tuple[Vertex, curves.Box]], list[list[Point]]]:
        """The vertices near an edge, and the lines; where there are very many lines crossings are not counted."""
        left, low, right, high = curves.hull(curves.points_of(edge.path))
        wide = (left - _NEAR, low - _NEAR, right + _NEAR, high + _NEAR)
        near = [(v, box) for v, box in self.boxes if v.role not in _NOT_SOLID and curves.overlap(box, wide)]
        lines = [line for e, line, hull in self.lines if e is not edge and curves.overlap(hull, wide)]
        return near, lines if len(lines) <= _MANY else []

    def lines_near(self, edges: Sequence[Edge]) -> list[list[Point]]:
        """The edges near some others, in points that are close to each other."""
        hulls = [curves.hull(curves.points_of(e.path)) for e in edges]
        wide = [(x0 - _WIDE, y0 - _WIDE, x1 + _WIDE, y1 + _WIDE) for x0, y0, x1, y1 in hulls]
        met = (e for e, _, hull in self.lines if any(curves.overlap(hull, w) for w in wide))
        return [curves.dense(curves.points_of(e.path)) for e in met]


def _route(room: _Room, pairs: list[tuple[Edge, Edge]]) -> None:
    """Bent to the side where it touches and crosses least, or close beside its edge; alike at every step."""
    edge = pairs[0][0]
    tail, head = room.vertices[edge.tail], room.vertices[edge.head]
    ways: list[Shape | float] = [*_arcs(edge, tail, head), *_OFFSETS]
    some = pairs if len(pairs) <= 2 * _TRIED else [*pairs[:_TRIED], *pairs[-_TRIED:]]
    tried = [(forward, back, *room.around(forward)) for forward, back in some]

    def touched(number: int, clear: float) -> int:
        found = ((back, _follow(room, forward, back, ways[number]), near) for forward, back, near, _ in tried)
        return sum(room.touched(*of, clear) for of in found)

    def cost(number: int) -> float:
        total = _LATER * number * len(tried) + _HIT * touched(number, _CLEAR)
        for forward, back, _, lines in tried:
            total += curves.crossings(_follow(room, forward, back, ways[number]), lines)
        return total

    best = min(range(len(ways)), key=cost)
    around = touched(best, _GRAZED) > 0
    for forward, back in pairs:
        _follow(room, forward, back, ways[best])
    if around:
        ends = [(back, room.vertices[back.tail], room.vertices[back.head]) for _, back in pairs]
        bars = [which for which, v in zip(("tail", "head"), ends[0][1:], strict=True) if v.look.get("shape") == "box"]
        routes.detour(ends, room.near, bars[0] if bars else "", room.lines_near([e for e, _ in some]))


def _arcs(edge: Edge, tail: Vertex, head: Vertex) -> list[Shape]:
    """The two bent curves beside a straight edge; none where the edge itself is no straight line."""
    points = curves.points_of(edge.path)
    length = hypot(points[-1][0] - points[0][0], points[-1][1] - points[0][1])
    if curves.extent(points) > 1.02 * length or "box" in (tail.look.get("shape"), head.look.get("shape")):
        return []
    slight = any(v.role in (*_JOINTS, "gate") for v in (tail, head))
    bend = min(0.28, (_SLIGHT if slight else _BULGE) / (length or 1.0))
    return [Shape(bend), Shape(-bend)]


def _follow(room: _Room, edge: Edge, back: Edge, way: Shape | float) -> list[Point]:
    """Give the edge back its path: a bent curve, or beside the edge at a distance."""
    if isinstance(way, Shape):
        return routes.draw(back, room.vertices[back.tail], room.vertices[back.head], way)
    ends = (room.vertices[back.tail], room.vertices[back.head])
    points = curves.beside_path(edge.path, way, style.tip(back.kind), ends)
    tip = points.pop() if style.tip(back.kind) else None
    back.path = curves.path(points, tip)
    return points


def _is_computed(vertex: str, reading: Reading) -> bool:
    """Whether a vertex is a boundary value that depends on something that is differentiated."""
    signal, _, step = vertex.partition("|")
    for name in reading.boundaries if step.lstrip("-").isdigit() else ():
        base, _, inside = name.partition("[")
        at_end = inside[:1] in ("T", "S")
        if base == signal and ((at_end and int(step) > 0) or inside.rstrip("]").split(",")[0] == step):
            nodes = topological([reading.circuit.eqs[name]])
            return any(n.op == "param" or (n.op == "ref" and n.dtype == "f") for n in nodes)
    return False

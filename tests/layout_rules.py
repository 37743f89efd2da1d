"""What the layout of a picture has to hold: each rule gives what breaks it, computed from the placed picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise

from bptt.graph.draw import Drawing, beside, curves, labels, style
from bptt.graph.draw.curves import Box
from bptt.graph.draw.picture import Edge, Vertex
from bptt.graph.draw.reading import Read, Reading

_DOTS = ("bus", "port")
_WIRES = ("rail|", "port|", "above|", "below|")  # dots on wires between steps and what has none


def boxes(drawing: Drawing) -> Iterator[tuple[str, Box]]:
    """The nodes that have room for something, and their boxes."""
    for v in drawing.picture.vertices.values():
        if v.role not in ("panel", "text", *_DOTS):
            yield v.id, curves.box_of(v)


def ink(drawing: Drawing) -> Iterator[tuple[str, Box]]:
    """The labels of nodes and edges, and the boxes of their letters."""
    for v in drawing.picture.vertices.values():
        if v.label and v.role != "panel":
            size = float(v.look.get("fontsize", style.role_look(v.role)["fontsize"]))
            (x, y), wide = v.at, labels.width(v.label, size) / 2
            yield v.id, (x - wide, y - size / 2, x + wide, y + size / 2)
    for e in drawing.picture.edges:
        if e.label and e.label_at:
            yield f"{e.tail} -> {e.head}", beside.box_of(e.label, e.label_at)


def drawn_edges(drawing: Drawing) -> Iterator[Edge]:
    return (e for e in drawing.picture.edges if e.kind != "order")


def incomplete(drawing: Drawing) -> Iterator[object]:
    """Edges without ends, path or place of their label."""
    picture = drawing.picture
    for e in drawn_edges(drawing):
        if not {e.tail, e.head} <= picture.vertices.keys() or not e.path or (e.label and not e.label_at):
            yield e


def _overlapping(things: Iterable[tuple[str, Box]]) -> Iterator[object]:
    """Pairs whose boxes overlap, from west to east."""
    open_: list[tuple[str, Box]] = []
    for name, box in sorted(things, key=lambda thing: thing[1][0]):
        open_ = [other for other in open_ if other[1][2] > box[0]]
        yield from ((other, name) for other, of in open_ if curves.overlap(of, box))
        open_.append((name, box))


def overlapping_nodes(drawing: Drawing) -> Iterator[object]:
    return _overlapping(boxes(drawing))


def overlapping_labels(drawing: Drawing) -> Iterator[object]:
    return _overlapping(ink(drawing))


def labels_on_nodes(drawing: Drawing) -> Iterator[object]:
    """Labels of edges that lie on a node."""
    solid = list(boxes(drawing))
    for e in drawn_edges(drawing):
        if e.label and e.label_at:
            label = beside.box_of(e.label, e.label_at)
            yield from ((e.tail, e.head, n) for n, box in solid if curves.overlap(label, box))


def crossed_labels(drawing: Drawing) -> Iterator[object]:
    """Labels of edges and names of panels that an edge runs through, their own one too."""
    texts = [(n, box) for n, box in ink(drawing) if n.startswith("name|") or " -> " in n]
    for e in drawn_edges(drawing) if texts else ():
        hull = curves.hull(curves.points_of(e.path))
        near = [(n, box) for n, box in texts if curves.overlap(box, hull)]
        line = curves.sample(curves.points_of(e.path), 60) if near else []
        for n, (x0, y0, x1, y1) in near:
            if any(x0 < x < x1 and y0 < y < y1 for x, y in line):
                yield n, (e.tail, e.head, e.kind)


def edges_through_nodes(drawing: Drawing) -> Iterator[object]:
    """Edges that run through a node that is not their end. Panels lie behind the edges; a bus or a port is a dot
    on a wire."""
    vertices = drawing.picture.vertices.values()
    solid = [(v, curves.box_of(v)) for v in vertices if v.role not in ("panel", *_DOTS)]
    for e in drawn_edges(drawing):
        points = curves.points_of(e.path)
        hull = curves.hull(points)  # a Bézier curve stays within the hull of its points
        near = [v for v, box in solid if v.id not in (e.tail, e.head) and curves.overlap(box, hull)]
        line = curves.sample(points, 60) if near else []
        for v in near:
            if any(curves.is_inside(p, v, -0.3) for p in line):
                yield (e.tail, e.head, e.kind), v.id


def arrows_off_their_node(drawing: Drawing) -> Iterator[object]:
    """The tip touches the node; before it there is the length of the arrowhead, outside of the node."""
    for e in drawn_edges(drawing):
        tip, head = curves.tip_of(e.path), drawing.picture.vertices[e.head]
        if tip is None or head.role in ("dots", "text", *_DOTS):
            continue
        base = curves.points_of(e.path)[-1]
        if not curves.is_inside(tip, head, beyond=4.0):
            yield "away", (e.tail, e.head, e.kind)
        if any(curves.is_inside(p, head, beyond=-0.3) for p in (tip, base)):
            yield "inside", (e.tail, e.head, e.kind)


#: What is asked of every picture, by name.
RULES: Mapping[str, Callable[[Drawing], Iterator[object]]] = {
    "every edge is complete": incomplete,
    "no two nodes overlap": overlapping_nodes,
    "no two labels overlap": overlapping_labels,
    "no label of an edge lies on a node": labels_on_nodes,
    "no label is crossed by an edge": crossed_labels,
    "no edge runs through a foreign node": edges_through_nodes,
    "arrows end at the border of their node": arrows_off_their_node,
}


# ---- unrolled networks ---------------------------------------------------------------------------
def _places(drawing: Drawing) -> dict[str, dict[int, float]]:
    """Where every signal stands at its steps."""
    at: dict[str, dict[int, float]] = {}
    for n, v in drawing.picture.vertices.items():
        signal, _, step = n.rpartition("|")
        if signal in ("op", "leaf"):
            continue  # op|12 is the twelfth operation, and has no step
        if step.isdigit() and int(step) > 0 and v.role != "cut" and not n.startswith(_WIRES):
            at.setdefault(signal, {})[int(step)] = v.at[0]
    return at


def against_time(drawing: Drawing) -> Iterator[object]:
    """Of every signal a later step stands further right, all by the same distance; wires follow their lag."""
    places = _places(drawing)
    if not places:
        yield "no steps"
    for signal, at in places.items():
        steps = sorted(at)
        moved = [at[b] - at[a] for a, b in pairwise(steps) if b == a + 1] or [0.0]
        if max(moved) - min(moved) > 0.02 or any(at[a] >= at[b] for a, b in pairwise(steps)):
            yield signal, at
    vertices = drawing.picture.vertices
    for e in drawn_edges(drawing):
        if e.through and e.kind in ("time", "rail", "skip") and e.tail.rpartition("|")[2].isdigit():
            tail, head = vertices[e.tail].at[0], vertices[e.head].at[0]
            same_step = e.tail.rpartition("|")[2] == e.head.rpartition("|")[2]
            if not same_step and (tail < head) != (e.through[1] > 0):
                yield e.tail, e.head


def missing(drawing: Drawing, reading: Reading, last: int) -> Iterator[object]:
    """Signals that are not drawn, and reads without an edge at one of the steps, of which there are ``last``."""
    vertices = drawing.picture.vertices
    known = {n.partition("|")[0] for n in vertices} | panel_names(vertices)
    yield from (s for s in reading.roles if s not in known and labels.plain(labels.name(s)) not in known)
    found = {e.through for e in drawing.picture.edges if e.through}
    shown = [t for t in range(1, last + 1) if last <= 8 or t < 4 or t > last - 2]
    for r in reading.reads:
        for t in shown if r.lag and reading.axes[r.reader] else ():
            outside = not 1 <= t - r.lag <= last
            if r.made_at(t) and not (outside and r.only == "later") and (r.source, r.lag, t) not in found:
                yield r, t


def unread(drawing: Drawing, reading: Reading, last: int) -> Iterator[object]:
    """Reads of signals, for pictures with one node a signal, that no way of edges leads along; and edges within a
    step that stand for none of its reads."""
    vertices, onward = drawing.picture.vertices, _onward(drawing)
    shown = [t for t in range(1, last + 1) if last <= 8 or t < 4 or t > last - 2]
    for r in reading.reads:
        if not r.lag:
            for t in [t for t in shown if r.made_at(t)] if f"{r.reader}|1" in vertices else [0]:
                head = f"{r.reader}|{t}" if t else r.reader
                tails = _tails(r, t, last, vertices)
                if not any(head in _reached_by_wires(tail, onward, vertices) for tail in tails):
                    yield r, t
    read: dict[tuple[str, str], list[Read]] = {}
    for r in reading.reads:
        read.setdefault((r.source, r.reader), []).append(r)
    for e in drawn_edges(drawing):
        (tail, s), (head, t) = (n.rpartition("|")[::2] for n in (e.tail, e.head))
        within = s == t and s.isdigit() and e.kind in ("plain", "skip") and (tail, head) in read
        reads = [r for r in read.get((tail, head), ()) if r.moment == "step" or r.own_step]
        if within and not any(r.made_at(int(t)) for r in reads):
            yield "edge", e.tail, e.head


def _tails(r: Read, t: int, last: int, vertices: Mapping[str, Vertex]) -> list[str]:
    """Where the source of a read stands that is made at step ``t`` (0: once)."""
    if f"{r.source}|1" not in vertices:
        return [r.source]
    if r.moment != "step":
        step = last + r.position if r.moment == "end" else r.position
        return [f"{r.source}|{step}"]
    return [f"{r.source}|{t}"] if t else [f"{r.source}|{last}"]


def _onward(drawing: Drawing) -> dict[str, list[str]]:
    onward: dict[str, list[str]] = {}
    for e in drawn_edges(drawing):
        if e.kind not in ("grad", "gradwire"):
            onward.setdefault(e.tail, []).append(e.head)
            if e.tail.startswith("rail|") and e.head.startswith("rail|"):
                onward.setdefault(e.head, []).append(e.tail)  # a level wire has no direction
    return onward


def _reached_by_wires(start: str, onward: Mapping[str, list[str]], vertices: Mapping[str, Vertex]) -> set[str]:
    """What is reached from a vertex through dots and bars that have no equation of their own."""
    seen, stack = {start}, [start]
    while stack:
        for name in onward.get(stack.pop(), ()):
            if name not in seen:
                seen.add(name)
                if vertices[name].role in _DOTS or name.startswith("memory|") or "|last" in name or "|at " in name:
                    stack.append(name)
    return seen


def panel_names(vertices: Mapping[str, Vertex]) -> set[str]:
    """Signals that are a panel: the names in their corners."""
    return {labels.plain(v.label) for n, v in vertices.items() if n.startswith("name|")}

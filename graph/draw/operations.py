"""A circuit with every operation drawn: affine maps as panels, elementwise operations between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ..circuit import Circuit
from ..expr import Node, topological
from ..language import Term
from ..recognise import composed
from ..show import Writer
from . import curves, labels, style
from .circuits import add_signal, add_square, edge_label, square_id
from .picture import Picture, Point, Vertex
from .reading import Read, Reading
from .render import place_by_dot

_THROUGH = ("expand", "repeat", "number", "transpose", "stop_gradient")
_SIGNS = {"add": "+", "mul": "×", "div": "÷", "neg": "−"}
_NAMES = {
    "sigmoid": "σ",
    "reduce": "Σ",
    "sum_feature": "Σ",
    "cross_entropy": "CE",
    "maximum": "max",
    "minimum": "min",
    "max_last": "max",
    "amax": "max",
    "first": "if t = 1",
}


def draw_operations(reading: Reading) -> Picture:
    """The picture of a circuit with a node for every operation, placed."""
    drawn = Operations(reading)
    picture = drawn.picture
    for boundary, found in reading.boundaries.items():
        state = drawn.stands.get(boundary.partition("[")[0])
        for r in found:
            if state is not None and r.source in drawn.stands:
                picture.join(drawn.stands[r.source], state, "cut", edge_label(r), weight="0")
    boxes = place_by_dot(picture, dict(style.PLACING_OPERATIONS))
    add_panels(picture, boxes)
    return picture


def add_panels(picture: Picture, boxes: Mapping[str, tuple[Point, Point]]) -> None:
    """The clusters of a placed picture as panels behind its vertices, and their names where no edge runs."""
    panels = Picture(picture.name)
    inks = [p for e in picture.edges for p in curves.dense(curves.points_of(e.path), 2.0)]
    solid = [curves.box_of(v) for v in picture.vertices.values() if v.role not in ("bus", "port")]
    for name, ((x0, y0), (x1, y1)) in boxes.items():
        label = picture.clusters[name][0]
        size = ((x1 - x0) / 72, (y1 - y0) / 72)
        panels.add(Vertex(f"panel|{name}", "panel", "", name, ((x0 + x1) / 2, (y0 + y1) / 2), size))
        if label:
            vertex = panels.add(Vertex(f"name|{name}", "text", label, name))
            wide = labels.width(label, style.EDGE_SIZE)
            vertex.size = ((wide + 3) / 72, 0.25)
            vertex.at = _free_corner((x0, y0, x1, y1), vertex.half, inks, solid)
    picture.vertices = panels.vertices | picture.vertices


def _free_corner(box: curves.Box, half: Point, inks: list[Point], solid: list[curves.Box]) -> Point:
    """The upper left corner of a panel, the upper right one, or the highest place below them that is free."""
    x0, y0, x1, y1 = box
    near = [(x, y) for x, y in inks if x0 <= x <= x1 and y0 <= y <= y1]
    met = [b for b in solid if curves.overlap(b, box)]
    left, right, y = x0 + 6 + half[0], x1 - 6 - half[0], y1 - 12
    across = (left, right, *(left + (right - left) * k / 8 for k in range(1, 8)))
    places = [(x, y - 4 * k) for k in range(int((y1 - y0 - 24) / 4) + 1) for x in across]

    def covered(at: Point) -> int:
        ink = (at[0] - half[0] - 1, at[1] - half[1], at[0] + half[0] + 1, at[1] + half[1])
        boxes = sum(curves.overlap(ink, b) for b in met)
        return 10 * boxes + sum(ink[0] < x < ink[2] and ink[1] < y < ink[3] for x, y in near)

    return min(places, key=covered)


class _Finder:
    """Stands for a writer of terms where only the arguments of a composition are asked for."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.label = ""

    def term(self, node: Node) -> Term:
        return Term("node", (), node)

    solid_term = term


class Operations:
    """Makes the picture: the vertices of all equations, arguments first, and the edges between them."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.picture = Picture(reading.circuit.name)
        self.equations = {
            n: e for n, e in reading.circuit.eqs.items() if n in reading.roles or n in reading.folded
        }
        self.stands: dict[str, str] = {}  # signal -> the vertex that stands for it
        self.made: dict[Node, str] = {}
        self.number = 0
        for name in reading.of("input"):
            add_signal(self.picture, reading, name, "input")
            self.stands[name] = name
        for name, root in self.equations.items():
            self._declare(name, root)
        self.finder = _Finder(reading.circuit)
        for name, root in self.equations.items():
            self.finder.label = name
            self._equation(name, root)
        self._join_parameters_of_inputs()

    # ---- equations ----
    def _role(self, name: str) -> str:
        return self.reading.roles.get(name, "signal")

    def _declare(self, name: str, root: Node) -> None:
        """A signal is a circle, unless it is an affine map or a function of one: its panel is it."""
        if self._role(name) in ("gate", "signal") and _affine_map(root):
            self.stands[name] = f"{name}|value"
        else:
            add_signal(self.picture, self.reading, name, self._role(name))
            self.stands[name] = name

    def _equation(self, name: str, root: Node) -> None:
        value = self._vertex(root, name, None)
        if value != self.stands[name]:
            self.picture.join(value, self.stands[name], weight="20")

    def _vertex(self, node: Node, equation: str, cluster: str | None) -> str:
        """The vertex of a node, made with all below it, arguments first."""
        node = through(node)
        if node in self.made:
            return self.made[node]
        if _is_leaf(node):
            return self._leaf(node, cluster)
        if cluster is None and _affine_map(node):
            cluster = f"{equation}|{self.number}"
            whole = through(self.equations[equation]) is node and self.stands[equation].endswith("|value")
            self.picture.clusters[cluster] = (labels.name(equation) if whole else "", [])
        role, label, arguments = self._look(node)
        self.number += 1
        root = through(self.equations[equation]) is node
        name = (
            self.stands[equation]
            if root and self.stands[equation].endswith("|value")
            else f"op|{self.number}"
        )
        tooltip = f"{equation}: {node.op}"
        self.picture.add(Vertex(name, role, label, tooltip, size=labels.vertex_size(label, role)))
        if cluster is not None:
            self.picture.clusters[cluster][1].append(name)
        self.made[node] = name
        for argument in arguments:
            inner = cluster if cluster is not None and (_in_affine(node, argument)) else None
            self._join(argument, name, equation, inner, node)
        return name

    def _join(self, argument: Node, head: str, equation: str, cluster: str | None, parent: Node) -> None:
        delayed = _delayed(through(argument))
        if delayed is not None:
            tail, kind = self._square(delayed, head, parent), "time"
        else:
            tail, kind = self._vertex(argument, equation, cluster), "plain"
        self.picture.join(tail, head, kind, weight="10" if cluster else "3")

    def _leaf(self, node: Node, cluster: str | None) -> str:
        if node.op in ("ref", "input") and node.attr in self.stands:
            return self.stands[node.attr]
        delayed = _delayed(node)
        if delayed is not None:
            return self._square(delayed, "", node)
        self.number += 1
        name = f"leaf|{self.number}"
        label = _leaf_label(node)
        self.picture.add(
            Vertex(name, "text", label, labels.plain(label), size=labels.vertex_size(label, "text"))
        )
        if cluster is not None:
            self.picture.clusters[cluster][1].append(name)
        return name

    def _square(self, r: Read, head: str, parent: Node) -> str:
        """The square of a delay: one for all products, one more beside each elementwise use."""
        shared = parent.op in ("contract", "take")
        name = square_id(r) if shared else f"{square_id(r)}|{head}"
        if name not in self.picture.vertices:
            add_square(self.picture, r, name)
            rail = self.picture.join(self.stands[r.source], name, "rail", weight="0")
            rail.against = r.source not in self.reading.of("input")
        return name

    # ---- looks ----
    def _look(self, node: Node) -> tuple[str, str, tuple[Node, ...]]:
        """Role, label and drawn arguments of an operation."""
        matrix = _matrix(node)
        if matrix is not None:
            return (
                "product",
                labels.name(matrix.attr),
                tuple(a for a in node.args if through(a) is not matrix),
            )
        if _is_mean(node):
            return "function", "mean", through(node.args[0]).args
        found = self._composed(node)
        if found is not None:
            return found
        if node.op == "compare":
            return "op", {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥"}.get(node.attr, node.attr), node.args
        if node.op == "contract":
            return "op", "·", node.args
        if node.op == "add" and through(node.args[-1]).op == "const":
            number = through(node.args[-1]).attr
            if len(node.args) == 2 and node.args[0].op == "neg":
                return "op", f"{number:g}−", node.args[0].args
        if node.op == "mul" and through(node.args[0]).op == "const":
            return "op", f"{through(node.args[0]).attr:g}×", node.args[1:]
        if node.op in _SIGNS:
            return "op", _SIGNS[node.op], node.args
        if node.op == "power":
            return (
                "op",
                f'<·<SUP><FONT POINT-SIZE="{style.SCRIPT_SIZE}">{node.attr:g}</FONT></SUP>>',
                node.args,
            )
        if node.op == "at":
            axis, end, position = node.attr
            where = (
                f"{axis.upper()}{position:+d}" if end and position else axis.upper() if end else str(position)
            )
            return "function", f"{axis} = {where}", node.args
        if node.op == "reduce":
            over = ", ".join(a for a in node.attr if a != "b")
            return (
                "op",
                f'<Σ<SUB><FONT POINT-SIZE="{style.SCRIPT_SIZE}">{over}</FONT></SUB>>' if over else "Σ",
                node.args,
            )
        return "function", _NAMES.get(node.op, node.op.replace("_", " ")), node.args

    def _composed(self, node: Node) -> tuple[str, str, tuple[Node, ...]] | None:
        """A function of the language that is written with others: one node all the same."""
        term = composed(cast(Writer, self.finder), node)
        if term is None or term.head != "call":
            return None
        arguments = tuple(a.attr for a in term.args if a.head == "node")
        return "function", term.attr[0].replace("_", " "), arguments

    def _join_parameters_of_inputs(self) -> None:
        bottom = [n for n in self.stands.values() if n in self.picture.vertices]
        inputs = [n for n in bottom if self._role(n) == "input" and n not in self.reading.targets]
        if len(inputs) > 1:
            self.picture.same_rank.append(tuple(inputs))


# ---- nodes ---------------------------------------------------------------------------------------
def through(node: Node) -> Node:
    while node.op in _THROUGH:
        node = node.args[0]
    return node


def _is_leaf(node: Node) -> bool:
    return not node.args or _delayed(node) is not None


def _delayed(node: Node) -> Read | None:
    if node.op == "delay":
        return Read("", node.args[0].attr, node.attr[1], node.attr[0])
    return None


def _matrix(node: Node) -> Node | None:
    """The parameter of a product or of a look-up in a table."""
    if node.op in ("contract", "take", "pick"):
        found = [through(a) for a in node.args if _is_parameter(through(a))]
        if len(found) == 1:
            return found[0]
    return None


def _is_parameter(node: Node) -> bool:
    """A parameter, or a value of parameters alone: it has no axis, not even that of the batch."""
    return node.op == "param" or (node.op == "ref" and not node.axes)


def _is_mean(node: Node) -> bool:
    """A sum over steps divided by a number that depends on no signal: of steps, or of targets that count."""
    if node.op != "div" or through(node.args[0]).op != "reduce":
        return False
    below = topological([node.args[1]])
    return not any(_is_parameter(n) or (n.op in ("ref", "input") and n.dtype == "f") for n in below)


def _affine(node: Node) -> bool:
    """A sum with a product of a parameter among its terms, or such a product alone with its bias."""
    terms = [through(a) for a in node.args] if node.op == "add" else []
    return any(_matrix(a) is not None for a in terms)


def _affine_map(node: Node) -> bool:
    """An affine map, with or without a function of it."""
    node = through(node)
    if len(node.args) == 1 and node.op not in ("reduce", "at", "neg", "power", "sum_feature"):
        node = through(node.args[0])
    return _affine(node)


def _in_affine(node: Node, argument: Node) -> bool:
    """Whether an argument stands in the panel of its affine map: its terms, their matrices, its biases."""
    inner = through(argument)
    if _matrix(node) is not None:
        return False
    return _affine(inner) or _matrix(inner) is not None or _is_parameter(inner) or inner.op == "const"


def _leaf_label(node: Node) -> str:
    if node.op in ("param", "ref", "input"):
        return labels.name(node.attr)
    if node.op == "const":
        return f"{node.attr:g}" if node.dtype != "b" else str(node.attr)
    if node.op == "time":
        return f"<<I>{node.attr}</I>>"
    if node.op == "length":
        return f"<<I>{node.attr.upper()}</I>>"
    return node.op

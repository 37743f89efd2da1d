"""The picture model: vertices with a role, edges with a kind and a label, and where they stand.

A picture is first built without places, then a layout gives every vertex a place and every edge a path;
``dot_source`` writes either as text for Graphviz.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import labels, style

Point = tuple[float, float]


@dataclass
class Vertex:
    """A node of a picture; ``at`` is its centre in points, ``size`` in inches (None: that of its role)."""

    id: str
    role: str
    label: str = ""
    tooltip: str = ""
    at: Point = (0.0, 0.0)
    size: tuple[float, float] | None = None
    look: dict[str, str] = field(default_factory=dict)

    @property
    def inches(self) -> tuple[float, float]:
        if self.size is not None:
            return self.size
        look = style.role_look(self.role)
        return float(look["width"]), float(look["height"])

    @property
    def half(self) -> tuple[float, float]:
        """Half its width and height in points, with what its border adds."""
        width, height = self.inches
        ring = 4.0 if style.role_look(self.role).get("peripheries") == "2" else 0.0
        return 36 * width + ring, 36 * height + ring

    @property
    def round(self) -> bool:
        look = {**style.role_look(self.role), **self.look}
        return look["shape"] in ("circle", "ellipse")


@dataclass
class Edge:
    """An edge of a picture. ``path`` is a Graphviz spline, ``hints`` are for the placing by dot only.

    ``against``: dot, for which edges point upwards, is to place the head below the tail.
    ``through``: the delayed signal, its lag and the step at which it is read, of an edge through time.
    """

    tail: str
    head: str
    kind: str = "plain"
    label: str = ""
    path: str = ""
    label_at: Point | None = None
    against: bool = False
    hints: dict[str, str] = field(default_factory=dict)
    look: dict[str, str] = field(default_factory=dict)
    through: tuple[str, int, int] | None = None


@dataclass
class Picture:
    """Vertices by id, in drawing order (panels first), edges, and what dot is told about ranks."""

    name: str = "network"
    vertices: dict[str, Vertex] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    same_rank: list[tuple[str, ...]] = field(default_factory=list)
    clusters: dict[str, tuple[str, list[str]]] = field(default_factory=dict)  # id -> label, its vertices
    bottom: list[str] = field(default_factory=list)
    top: list[str] = field(default_factory=list)

    def add(self, vertex: Vertex) -> Vertex:
        if vertex.id in self.vertices:
            raise ValueError(f"two vertices of a picture are called {vertex.id!r}")
        self.vertices[vertex.id] = vertex
        return vertex

    def join(self, tail: str, head: str, kind: str = "plain", label: str = "", **hints: str) -> Edge:
        edge = Edge(tail, head, kind, label, hints=hints)
        self.edges.append(edge)
        return edge


def quoted(value: str) -> str:
    """A Graphviz value: HTML-like text as it stands, everything else in quotes."""
    if value.startswith("<") and value.endswith(">"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def attributes(values: Mapping[str, str]) -> str:
    return "[" + ", ".join(f"{key}={quoted(value)}" for key, value in values.items()) + "]"


def element_id(prefix: str, name: str) -> str:
    """An id that HTML and CSS accept; distinct names keep distinct ids."""
    return prefix + re.sub(r"\W", lambda m: "-" if m[0] == "|" else f"-{ord(m[0]):x}-", name)


def dot_source(picture: Picture, placing: Mapping[str, str] | None = None) -> str:
    """The picture as Graphviz text: with places and paths, or for dot to find them (``placing``)."""
    graph = {**style.GRAPH, **(placing or {})}
    lines = [f"digraph {quoted(picture.name)} {{"]
    lines += [f"  {what} {attributes(look)};" for what, look in _defaults(graph)]
    if placing is not None:
        lines += _clusters(picture)
        ranks = [("same", row) for row in picture.same_rank] + [("min", picture.bottom), ("max", picture.top)]
        lines += [f"  {{rank={kind}; " + "; ".join(map(quoted, row)) + "}" for kind, row in ranks if row]
    lines += [
        f"  {quoted(v.id)} {attributes(_of_vertex(v, placing is None))};" for v in picture.vertices.values()
    ]
    for number, edge in enumerate(picture.edges):
        if placing is None and edge.kind == "order":
            continue
        look = _of_edge(edge, number) if placing is None else _of_edge_to_place(edge, number)
        ends = (edge.head, edge.tail) if edge.against and placing is not None else (edge.tail, edge.head)
        lines.append(f"  {quoted(ends[0])} -> {quoted(ends[1])} {attributes(look)};")
    return "\n".join([*lines, "}", ""])


def _defaults(graph: Mapping[str, str]) -> Iterable[tuple[str, Mapping[str, str]]]:
    return ("graph", graph), ("node", style.NODE), ("edge", style.EDGE)


def _clusters(picture: Picture) -> Iterable[str]:
    """The panels; their names with room for an edge beside them."""
    for name, (label, members) in picture.clusters.items():
        look = f"label={quoted(labels.widened(label))}; labeljust=l; labelloc=b; margin=7;"
        yield f"  subgraph {quoted('cluster_' + name)} {{ {look} " + "; ".join(map(quoted, members)) + " }"


def _of_vertex(vertex: Vertex, placed: bool) -> dict[str, str]:
    values = {"label": vertex.label, **style.ROLES[vertex.role], **vertex.look}
    if vertex.size is not None:
        values["width"], values["height"] = (f"{inches:.3f}" for inches in vertex.size)
    values["class"] = vertex.role
    values["id"] = element_id("p_" if vertex.role == "panel" else "n_", vertex.id)
    values["tooltip"] = vertex.tooltip or " "
    if placed:
        values["pos"] = f"{vertex.at[0]:.2f},{vertex.at[1]:.2f}"
    return values


def _of_edge(edge: Edge, number: int) -> dict[str, str]:
    values = {**style.KINDS[edge.kind], **edge.look, "id": f"e_{number}"}
    values["class"] = " ".join(filter(None, (edge.kind, edge.look.get("class"))))
    if edge.path:
        values["pos"] = edge.path
    if edge.label:
        values["label"] = edge.label
    if edge.label and edge.label_at is not None:
        values["lp"] = f"{edge.label_at[0]:.2f},{edge.label_at[1]:.2f}"
    return values


def _of_edge_to_place(edge: Edge, number: int) -> dict[str, str]:
    values = {**style.KINDS[edge.kind], "id": f"e_{number}", **edge.hints}
    values.pop("around", None)
    if edge.label:
        values["label"] = edge.label
    if edge.against:
        values |= {"dir": "back", "arrowtail": style.kind_look(edge.kind)["arrowhead"]}
    return values

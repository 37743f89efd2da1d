"""Circuits and drawings for the tests of pictures; a drawing is made once and shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache

from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.draw import Drawing, curves
from bptt.graph.draw.picture import Edge
from bptt.rnn.cells import CELLS
from drawn_networks import network

#: Every way to draw a circuit, by name.
WAYS: Mapping[str, Callable[[Circuit], Drawing]] = {
    "circuit": lambda c: graph.draw_circuit(c),
    "operations": lambda c: graph.draw_circuit(c, operations=True),
    "unrolled": lambda c: graph.draw_unrolled(c, steps=3),
    "long": lambda c: graph.draw_unrolled(c, steps=100),
    "gradient": lambda c: graph.draw_unrolled(c, steps=3, grad=True),
    "unrolled operations": lambda c: graph.draw_unrolled(c, steps=2, operations=True),
    "long operations": lambda c: graph.draw_unrolled(c, steps=100, operations=True),
    "gradient of operations": lambda c: graph.draw_unrolled(c, steps=2, operations=True, grad=True),
}
#: How many steps they are of.
STEPS: Mapping[str, int] = {
    "unrolled": 3,
    "long": 100,
    "gradient": 3,
    "unrolled operations": 2,
    "long operations": 100,
    "gradient of operations": 2,
}


@cache
def net(name: str) -> Circuit:
    """A system of the table, or one of the networks for pictures."""
    if name not in CELLS:
        return network(name)
    recipe = CELLS[name]
    return recipe.cell(name)(**recipe.sizes)


@cache
def drawn(name: str, way: str) -> Drawing:
    """The drawing of a cell; not to be changed."""
    return WAYS[way](net(name))


def defined(text: str, **sizes: int) -> Circuit:
    return rnn.define(text)(**sizes)


def roles(drawing: Drawing) -> Counter[str]:
    return Counter(v.role for v in drawing.picture.vertices.values())


def edges(drawing: Drawing, kind: str = "") -> set[tuple[str, str]]:
    return {(e.tail, e.head) for e in drawing.picture.edges if kind in ("", e.kind) and e.kind != "order"}


def ends(edge: Edge) -> tuple[tuple[float, float], tuple[float, float]]:
    points = curves.points_of(edge.path)
    return points[0], points[-1]


def reached(drawing: Drawing, start: str, through_time: bool = True) -> set[str]:
    """What is reached from a vertex along the edges."""
    heads: dict[str, set[str]] = {}
    for e in drawing.picture.edges:
        if through_time or not e.through:
            heads.setdefault(e.tail, set()).add(e.head)
            if e.tail.startswith("rail|") and e.head.startswith("rail|"):
                heads.setdefault(e.head, set()).add(e.tail)  # a rail is one wire
    seen, stack = {start}, [start]
    while stack:
        new = heads.get(stack.pop(), set()) - seen
        seen |= new
        stack += new
    return seen

"""One step of an unrolled network with every operation drawn: its vertices by time axis, placed once by dot.

Where something comes into a step or leaves it stands a small dot: a *tap* for what a delay reads, a *port*
for values that all steps read (at the bottom) or that leave for what is not repeated (at the top).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..expr import Node, time_axes
from .circuits import square_id
from .operations import Operations, through
from .picture import Edge, Picture, Vertex
from .reading import Read, Reading

#: Which columns have a vertex or an edge: all of them, only the first or all but it, only the one at ``h[T]``.
ALL, FIRST, LATER = "", "first", "later"


@dataclass(frozen=True)
class Crossing:
    """An edge between what belongs to different axes, or to none.

    moment    None: every step; else (at the end, how far from there), as in ``h[T]``
    """

    tail: str
    head: str
    moment: tuple[bool, int] | None = None


@dataclass
class Parts:
    """The vertices of all operations by their axis ("t", "s", "" for none), and the edges.

    taps      tap -> what it reads
    only      vertex -> the columns that it is in, where that is not all
    """

    pictures: dict[str, Picture] = field(default_factory=dict)
    taps: dict[str, Read] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    crossings: list[Crossing] = field(default_factory=list)


class StepOperations(Operations):
    """As for a circuit, with taps for delays; references to a fixed step and cases by step are found, not drawn."""

    def __init__(self, reading: Reading) -> None:
        self.taps: dict[str, Read] = {}
        self.axes: dict[str, tuple[str, ...]] = {}
        self.moments: dict[str, tuple[bool, int]] = {}
        self.cases: set[str] = set()
        super().__init__(reading)
        self.axes |= {name: reading.axes[name] for name in self.stands if name in self.picture.vertices}

    def _vertex(self, node: Node, equation: str, cluster: str | None) -> str:
        known = node in self.made
        name = super()._vertex(node, equation, cluster)
        node = through(node)
        if known or name in self.axes or name in self.stands:
            return name
        self.axes[name] = time_axes(node)
        if node.op == "at":
            _, end, position = node.attr
            self.moments[name] = (end, position)
        if node.op == "first":
            self.cases.add(name)
        return name

    def _square(self, r: Read, head: str, parent: Node) -> str:
        name = square_id(r)
        if name not in self.taps:
            self.taps[name] = r
            self.axes[name] = (r.axis,)
            self.picture.add(Vertex(name, "bus", "", name))
        return name


def divide(reading: Reading) -> Parts:
    """The operations of a circuit by axis."""
    return _Divided(StepOperations(reading)).parts


class _Divided:
    def __init__(self, made: StepOperations) -> None:
        self.made = made
        self.edges, self.only_of_edge = self._without_pseudo_vertices()
        self.axis = {name: self._own_axis(name) for name in made.picture.vertices if not self._pseudo(name)}
        self._join_operations_to_steps()
        self.parts = Parts(taps=made.taps)
        self._mark_cases()
        self._distribute()

    def _pseudo(self, name: str) -> bool:
        return name in self.made.moments or name in self.made.cases

    def _own_axis(self, name: str) -> str:
        axes = self.made.axes.get(name, ())
        return "t" if "t" in axes else "s" if "s" in axes else ""

    def _without_pseudo_vertices(self) -> tuple[list[tuple[Edge, tuple[bool, int] | None]], dict[int, str]]:
        """The edges, those through a reference to a fixed step or a case by step joined into one."""
        heads: dict[str, list[Edge]] = {}
        order: dict[str, int] = {}
        for e in self.made.picture.edges:
            heads.setdefault(e.tail, []).append(e)
            order[e.head] = order.get(e.head, 0)
        found: list[tuple[Edge, tuple[bool, int] | None]] = []
        cases: dict[int, str] = {}
        arguments: dict[str, int] = {}
        for e in self.made.picture.edges:
            case = ""
            if e.head in self.made.cases:
                case = FIRST if arguments.setdefault(e.head, 0) == 0 else LATER
                arguments[e.head] += 1
            if self._pseudo(e.tail):
                continue
            stack = [(e, self.made.moments.get(e.head), case)]
            while stack:
                edge, moment, case = stack.pop()
                if not self._pseudo(edge.head):
                    new = Edge(e.tail, edge.head, e.kind, hints=dict(edge.hints))
                    found.append((new, moment))
                    if case:
                        cases[id(new)] = case
                    continue
                for onward in heads.get(edge.head, ()):
                    stack.append((onward, moment or self.made.moments.get(onward.head), case))
        return found, cases

    def _join_operations_to_steps(self) -> None:
        """An operation without a step that only one axis reads is drawn in every step of that axis."""
        readers: dict[str, set[str]] = {}
        signals = set(self.made.reading.roles)
        for _ in range(len(self.axis)):
            readers = {}
            for e, moment in self.edges:
                readers.setdefault(e.tail, set()).add("" if moment else self.axis[e.head])
            moved = [
                n
                for n, axis in self.axis.items()
                if axis == "" and n not in signals and len(readers.get(n, ())) == 1 and readers[n] != {""}
            ]
            if not moved:
                return
            for name in moved:
                self.axis[name] = next(iter(readers[name]))

    def _mark_cases(self) -> None:
        """What only the first step's equation reads stands in the first column alone."""
        signals = {*self.made.reading.roles, *self.made.stands.values()}
        below: dict[str, list[Edge]] = {}
        for e, _ in self.edges:
            below.setdefault(e.tail, []).append(e)
        only = self.parts.only
        for _ in range(len(self.axis)):
            changed = False
            for name, edges in below.items():
                cases = {self.only_of_edge.get(id(e)) or only.get(e.head, ALL) for e in edges}
                if name not in signals and len(cases) == 1 and cases != {only.get(name, ALL)}:
                    only[name] = cases.pop()
                    changed = True
            if not changed:
                return

    def _distribute(self) -> None:
        made, parts = self.made.picture, self.parts
        for name, axis in self.axis.items():
            parts.pictures.setdefault(axis, Picture(made.name)).add(made.vertices[name])
        for cluster, (label, members) in made.clusters.items():
            for axis, picture in parts.pictures.items():
                inside = [m for m in members if self.axis.get(m) == axis]
                if inside:
                    picture.clusters[cluster] = (label, inside)
        for e, moment in self.edges:
            tail, head = self.axis[e.tail], self.axis[e.head]
            if tail == head and (moment is None or self._in_first_step(e, moment)):
                case = self.only_of_edge.get(id(e), ALL)
                if case:
                    e.hints["only"] = case
                parts.pictures[tail].edges.append(e)
            else:
                parts.crossings.append(Crossing(e.tail, e.head, moment))

    def _in_first_step(self, e: Edge, moment: tuple[bool, int]) -> bool:
        """Whether ``x[1]`` is read in the equation of step 1: there it is x of the same step."""
        return moment == (False, 1) and self.parts.only.get(e.head) == FIRST

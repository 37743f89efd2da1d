"""A circuit seen as one graph: references followed, delays as edges that cross steps.

The schedule, and everything after it, works on this view. Its order is that of a depth-first walk from the
wanted equations, so it does not depend on the order in which equations were written or nodes created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..graph.expr import Node
from ..graph.ops.table import TABLE, load_entries

LEAVES = frozenset(("const", "param", "input", "time", "length", "count", "mask"))
NUMBERS = frozenset(("const", "time", "length", "count", "mask"))
VIEWS = frozenset(("expand", "repeat", "transpose", "delay"))
SUMS = frozenset(("reduce", "contract", "scatter", "at", "amax"))
_PRODUCTS = {"ij,j->i": 0, "ji,j->i": 0, "i,ij->j": 1, "i,ji->j": 1}


class Network:
    """The nodes that the wanted equations need, arguments before users as far as cycles allow.

    eqs     name -> expression, as in a circuit
    wanted  the names whose values are asked for
    """

    def __init__(self, eqs: Mapping[str, Node], wanted: Sequence[str]) -> None:
        self.eqs = dict(eqs)
        self.wanted = list(wanted)
        self.nodes = self._walk()
        self.position = {n: i for i, n in enumerate(self.nodes)}
        self.users: dict[Node, list[Node]] = {n: [] for n in self.nodes}
        for n in self.nodes:
            for a, _ in self.reads(n):
                self.users[a].append(n)
        self.equation: dict[Node, str] = {}
        for name in self.eqs:
            self.equation.setdefault(self.real(self.eqs[name]), name)

    def real(self, node: Node) -> Node:
        """The node itself, or the root of the equation that it refers to."""
        while node.op == "ref":
            node = self.eqs[node.attr]
        return node

    def args(self, node: Node) -> list[Node]:
        """The arguments with references followed."""
        return [self.real(a) for a in node.args]

    def reads(self, node: Node) -> list[tuple[Node, bool]]:
        """What it needs: (node, whether at another step). The boundary values of a delay count as such too."""
        if node.op == "delay":
            return [(a, True) for a in self.args(node)]
        found: list[tuple[Node, bool]] = []
        for a in self.args(node):
            if a.op == "delay":
                found.extend((x, True) for x in self.args(a))
            else:
                found.append((a, False))
        return found

    def _walk(self) -> list[Node]:
        roots = [self.real(self.eqs[name]) for name in self.wanted]
        return list(postorder(roots, lambda n: [a for a, _ in self.reads(n)]))

    def following(self, nodes: Iterable[Node]) -> set[Node]:
        """All that needs one of the nodes, at any step."""
        found: set[Node] = set()
        stack = list(nodes)
        while stack:
            fresh = set(self.users[stack.pop()]) - found
            found |= fresh
            stack += fresh
        return found

    def stripped(self, node: Node) -> Node:
        """Without the repetition over index axes: rows read it as it is."""
        node = self.real(node)
        while node.op == "expand":
            node = self.real(node.args[0])
        return node

    def axis_of(self, node: Node) -> str | None:
        """The axis over whose rows it is computed: t before s, None where it has no time."""
        axes = self.axes_of(node)
        return next((a for a in ("t", "s") if a in axes), None)

    def axes_of(self, node: Node) -> set[str]:
        """The index axes of the rows on which it is computed: its own and those it sums over."""
        axes = set(node.axes)
        for a in self.args(node):
            axes.update(a.axes)
        return axes

    def lost(self, node: Node) -> set[str]:
        """The index axes over which it sums."""
        return self.axes_of(node) - set(node.axes) if node.op in SUMS else set()

    def is_sum(self, node: Node) -> bool:
        """Whether it is known only after a pass over all steps (without time: over the batch)."""
        return (self.axis_of(node) or "b") in self.lost(node)

    def matrix_of(self, node: Node) -> tuple[Node, Node] | None:
        """(matrix, vector) where the node is the product of a fixed matrix and a vector a row, else None."""
        if node.op != "contract" or node.attr[1] or node.attr[0] not in _PRODUCTS:
            return None
        which = _PRODUCTS[node.attr[0]]
        matrix, vector = self.stripped(node.args[which]), self.stripped(node.args[1 - which])
        if matrix.axes or not vector.axes:
            return None
        return matrix, vector

    def transposed(self, node: Node) -> bool:
        """Whether a product reads its matrix by columns."""
        return node.attr[0] in ("ji,j->i", "i,ij->j")


def can_join(net: Network, node: Node, loop: Node, after: set[Node]) -> bool:
    """Whether a product outside a loop may as well be computed in it: step by step, for it alone.

    What it multiplies is given, or is kept anyway for what comes after the loop; else the loop would need all steps of
    it, where otherwise a few are held at a time.

    loop   a node of the loop;  after  all nodes that follow from the loop
    """
    if not is_lone_product(net, node) or net.axis_of(node) != net.axis_of(loop):
        return False
    _, vector = net.matrix_of(node) or (node, node)
    vector = net.real(vector.args[0]) if vector.op == "delay" else vector
    return vector.op in LEAVES or any(u in after for u in net.users[vector])


def is_lone_product(net: Network, node: Node) -> bool:
    """A matrix times a vector that one other node reads and no user of the program."""
    return net.matrix_of(node) is not None and len(net.users[node]) == 1 and net.equation.get(node) not in net.wanted


def table_of(net: Network, node: Node) -> Node | None:
    """The table of a node that is a row of one that is the same for all rows; None where it is none."""
    if node.op != "take":
        return None
    table, *symbols = (net.stripped(a) for a in node.args)
    return None if table.axes or any(x.op in NUMBERS for x in symbols) else table


def entry_kind(node: Node) -> str:
    """pointwise, feature, …: the kind of its entry in the op table."""
    return (TABLE.get(node.op) or load_entries(node.op)).kind


def is_cheap(node: Node) -> bool:
    """Whether it is computed again rather than kept."""
    return (TABLE.get(node.op) or load_entries(node.op)).cheap


def is_pointwise(node: Node) -> bool:
    """Whether it is computed element by element, in a Map."""
    return node.op in ("place", "first") or entry_kind(node) == "pointwise"


def postorder(roots: Iterable[Node], below: Callable[[Node], Iterable[Node]]) -> Iterator[Node]:
    """Nodes reachable from the roots, each after what it is above, cycles cut where they close."""
    seen: set[Node] = set()
    stack: list[tuple[Node, Iterator[Node] | None]] = [(r, None) for r in reversed(list(roots))]
    while stack:
        node, rest = stack.pop()
        if rest is None:
            if node in seen:
                continue
            seen.add(node)
            rest = iter(below(node))
        for a in rest:
            if a not in seen:
                stack.append((node, rest))
                stack.append((a, None))
                break
        else:
            yield node

"""Stages -> loop program: names and storage for values, bodies of statements on row blocks."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.build import constant_value
from ..graph.expr import Node, sort_axes
from .body import Body
from .chunks import spill
from .loop import ALL, Block, Fill, Load, Map, Pack, Program, Rows, Stage, Statement, Value
from .network import NUMBERS, Network
from .place import whole_matrix
from .plan import Plan
from .schedule import Stage as Pass


class Lowering:
    """The state of one lowering: what each node is called and where its value lies."""

    def __init__(self, net: Network, passes: Sequence[Pass], keep: set[Node], plan: Plan) -> None:
        self.net, self.passes, self.keep, self.plan = net, passes, keep, plan
        self.home = {n: i for i, p in enumerate(passes) for n in p.nodes}
        self.values: dict[str, Value] = {}
        self.packs: dict[str, Pack] = {}
        self.names: dict[tuple[Node, int], str] = {}
        self.again: dict[str, str] = {}
        self.taken = {*net.eqs, *(n.attr for n in net.nodes if n.op in ("param", "input"))}
        self.owner = _owners(net)
        self.filled: set[tuple[str, str, int]] = set()
        self.wanted_fills: list[tuple[Node, str, int, Node]] = []
        self.reach = _slots(net)

    # ---- names and storage -----------------------------------------------------------------------
    def name(self, node: Node, index: int) -> str:
        """Its equation's name, the caller's name, or that of the equation it stands in with a number.

        index  the pass that computes it: what is computed again in another pass has another name there
        """
        elsewhere = node in self.home and node not in self.keep and self.home[node] != index
        again = elsewhere or node.op in NUMBERS
        key = (node, index if again else -1)
        found = self.names.get(key)
        if found is None:
            if node.op in ("param", "input"):
                found = str(node.attr)
            elif node in self.net.equation and not again:
                found = self.net.equation[node]
            else:
                found = self._fresh(self.net.equation.get(node) or self.owner.get(node, "v"))
                if node in self.net.equation:
                    self.again[found] = self.net.equation[node]
            self.names[key] = found
        return found

    def _fresh(self, stem: str) -> str:
        k = 1
        while f"{stem}_{k}" in self.taken:
            k += 1
        self.taken.add(f"{stem}_{k}")
        return f"{stem}_{k}"

    def value(self, node: Node, batch: bool, index: int = -1) -> str:
        """The name of the value that holds a node, entered into the program where it is not yet.

        batch  whether the rows that compute it are those of sequences
        index  the pass that computes it, for what is not stored
        """
        name = self.name(node, index)
        if name not in self.values:
            self.values[name] = self._described(node, name, batch)
        return name

    def _described(self, node: Node, name: str, batch: bool) -> Value:
        lead, trail = self.reach.get(node, (0, 0))
        note = self.net.equation.get(node, "")
        if node.op in ("param", "input"):
            return Value(name, node.op, node.dtype, node.axes, node.shape, lead, trail)
        role = "block" if node not in self.keep else "signal" if set(node.axes) & {"t", "s"} else "static"
        axes = sort_axes({*node.axes, "b"}) if role == "signal" and batch else node.axes
        return Value(name, role, node.dtype, axes, node.shape, lead, trail, ALL, note)

    def is_stored(self, node: Node) -> bool:
        """Whether the value is there before the stage begins that asks for it."""
        return node.op in ("param", "input") or node in self.keep

    def fill(self, delay: Node) -> None:
        """The boundary values that a read at another step may meet: to be filled before the stage."""
        axis, k = delay.attr
        source, *bounds = self.net.args(delay)
        for j, bound in enumerate(bounds):
            self.wanted_fills.append((source, axis, -j if k > 0 else j + 1, bound))

    def pack(self, matrices: Sequence[tuple[Node, bool]]) -> str:
        """The pack that stacks the matrices' rows; the same stack is entered once."""
        blocks = tuple(self._block(m, transposed) for m, transposed in matrices)
        for name, pack in self.packs.items():
            if pack.blocks == blocks:
                return name
        name = f"pack_{len(self.packs) + 1}"
        self.packs[name] = Pack(name, blocks)
        return name

    def _block(self, matrix: Node, transposed: bool) -> Block:
        chain: list[Node] = []
        base = whole_matrix(self.net, matrix)
        while matrix is not base:
            chain.append(matrix)
            matrix = self.net.real(matrix.args[0])
        ranges, turned = [(0, base.shape[0]), (0, base.shape[1])], False
        for m in reversed(chain):
            if m.op == "transpose":
                turned = not turned
            elif m.op == "slice":
                axis, lo, hi = m.attr
                axis = 1 - axis if turned else axis
                ranges[axis] = (ranges[axis][0] + lo, ranges[axis][0] + hi)
        return Block(self.value(base, False), ranges[0], ranges[1], turned != transposed)

    # ---- stages ----------------------------------------------------------------------------------
    def stages(self) -> list[Stage]:
        """All passes, each preceded by the boundary values that it reads."""
        result: list[Stage] = []
        for i, p in enumerate(self.passes):
            needed = [n for n in p.nodes if n in self.keep]
            if not needed:
                continue
            body, sums = Body(self, p, i).statements(needed)
            fills = self._fills()
            if fills:
                result.append(Rows(None, "free", 1, tuple(fills), (), "boundary values"))
            chunk = 1 if p.kind != "free" else self.plan.chunk
            result.append(Rows(p.axis, p.order, chunk, tuple(body), tuple(sums), p.why, p.batch))
        return result

    def _fills(self) -> list[Statement]:
        statements: list[Statement] = []
        for source, axis, position, bound in self.wanted_fills:
            dst = self.value(source, True)
            if (dst, axis, position) in self.filled:
                continue
            self.filled.add((dst, axis, position))
            load: Load | None = None
            if constant_value(bound) != 0 or bound.dtype == "i":
                plain = self.net.stripped(bound)
                if not self.is_stored(plain):
                    name = self._fresh(dst)
                    expr = Body(self, self.passes[0], -1).expression(plain, plain.shape, frozenset())
                    statements.append(Map(plain.shape, ((name, expr),)))
                    self.values[name] = Value(name, "block", plain.dtype, plain.axes, plain.shape)
                else:
                    name = self.value(plain, True)
                load = Load(name, (), tuple(range(len(plain.shape))))
            statements.append(Fill(dst, axis, position > 0, position, load))
        self.wanted_fills = []
        return statements


def _owners(net: Network) -> dict[Node, str]:
    """The equation in which a node stands first."""
    owner: dict[Node, str] = {}
    for name, e in net.eqs.items():
        stack = [net.real(e)]
        while stack:
            n = stack.pop()
            if n in owner:
                continue
            owner[n] = name
            stack.extend(a for a in n.args if a.op != "ref" and a not in owner)
    return owner


def _slots(net: Network) -> dict[Node, tuple[int, int]]:
    """How many slots before its first and after its last step each signal needs."""
    reach: dict[Node, tuple[int, int]] = {}
    for n in net.nodes:
        for a in (*net.args(n), n):
            if a.op == "delay":
                source, k = net.real(a.args[0]), a.attr[1]
                lead, trail = reach.get(source, (0, 0))
                reach[source] = (max(lead, k), max(trail, -k))
    return reach


def lower(net: Network, passes: Sequence[Pass], keep: set[Node], plan: Plan, name: str, dtype: str) -> Program:
    """The loop program of scheduled and placed passes; results are the network's wanted names."""
    state = Lowering(net, passes, keep, plan)
    stages = state.stages()
    results = {n: state.value(net.real(net.eqs[n]), True) for n in net.wanted}
    return spill(Program(name, dtype, state.values, state.packs, tuple(stages), results, state.again))

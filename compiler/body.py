"""The body of one stage: nodes -> statements on row blocks.

List scheduling, each statement after what it reads: pointwise nodes of one shape run together into one Map,
products of the same vectors become one panel, what varies over a second axis goes into an Over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..graph.errors import CircuitError
from ..graph.expr import Node, sort_axes
from .loop import (
    Apply,
    Count,
    Expr,
    Here,
    Length,
    Let,
    Load,
    Map,
    Number,
    Over,
    Part,
    Product,
    Random,
    Row,
    RowOp,
    Statement,
    Step,
    Sum,
)
from .network import NUMBERS, is_lone_product, is_pointwise, postorder, table_of
from .place import INLINED

if TYPE_CHECKING:
    from .lower import Lowering
    from .schedule import Stage


def _identity(node: Node) -> tuple[int, ...]:
    return tuple(range(len(node.shape)))


class Body:
    """Builds the statements of the stage ``index``; nodes are computed on its rows, or read from storage."""

    def __init__(self, low: Lowering, stage: Stage, index: int) -> None:
        self.low, self.net, self.stage, self.index = low, low.net, stage, index
        self._reads: dict[Node, list[Node]] = {}

    def statements(self, needed: Sequence[Node]) -> tuple[list[Statement], list[Sum]]:
        """The statements that compute the needed nodes, and the sums that end with the stage."""
        order = list(postorder(needed, self.reads))
        return self._pack(order, nested=False)

    # ---- what a node reads ------------------------------------------------------------------------
    def kind(self, node: Node) -> str:
        """The statement that computes it: map, product, sum or rowop."""
        if self.net.matrix_of(node) is not None or self.is_stack(node):
            return "product"
        if node.op in INLINED or node.op == "delay" or is_pointwise(node) or self.is_row(node):
            return "map"
        return "sum" if self.net.lost(node) else "rowop"

    def is_row(self, node: Node) -> bool:
        """Whether it is a row of a table that is there: maps read it where it lies."""
        table = table_of(self.net, node)
        return table is not None and self._is_there(table)

    def is_stack(self, node: Node) -> bool:
        """Whether it is a sum of products that no other value reads: one product over stacked operands."""
        if node.op != "add" or not self.low.plan.merge:
            return False
        args = self.net.args(node)
        return all(is_lone_product(self.net, a) and self._here(a) and a not in self.low.keep for a in args)

    def _here(self, node: Node) -> bool:
        return self.low.home.get(node) == self.index

    def products(self, node: Node) -> list[tuple[Node, Node, bool]]:
        """(matrix, vector, transposed) of each product that the node sums."""
        terms = self.net.args(node) if self.is_stack(node) else [node]
        found = [(term, self.net.matrix_of(term)) for term in terms]
        return [(*pair, self.net.transposed(term)) for term, pair in found if pair is not None]

    def reads(self, node: Node) -> list[Node]:
        """The nodes computed on the same row that its statement reads."""
        found = self._reads.get(node)
        if found is None:
            kind = self.kind(node)
            if kind == "product":
                candidates = [vector for _, vector, _ in self.products(node)]
            elif kind == "map" and (node.op in NUMBERS or node.op == "delay"):
                candidates = []
            elif kind == "map":
                candidates = [self._under(a)[0] for a in ([node] if node.op in INLINED else node.args)]
            else:
                candidates = [self.net.stripped(a) for a in node.args]
            computed = (a for a in candidates if a.op != "delay" and not self._is_there(a))
            found = self._reads[node] = [a for a in dict.fromkeys(computed) if kind != "map" or not self._inline(a)]
        return found

    def _is_there(self, node: Node) -> bool:
        return self.low.is_stored(node) and not self._here(node)

    def _inline(self, node: Node) -> bool:
        """Whether a Map writes it in place, without a name."""
        return node.op in NUMBERS and node.op != "mask"

    def _under(self, node: Node, columns: tuple[int, ...] | None = None) -> tuple[Node, tuple[int, ...]]:
        """What a Map reads for an operand: the node below repetitions and transposes, and its columns."""
        node = self.net.real(node)
        columns = _identity(node) if columns is None else columns
        while node.op in ("expand", "repeat", "transpose"):
            if node.op == "repeat":
                position = node.attr[0]
                columns = columns[:position] + columns[position + 1 :]
            elif node.op == "transpose":
                columns = columns[::-1]
            node = self.net.real(node.args[0])
        return node, columns

    # ---- statements ------------------------------------------------------------------------------
    def _pack(self, order: Sequence[Node], nested: bool) -> tuple[list[Statement], list[Sum]]:
        pending, done = list(order), set[Node]()
        inside = set(order)
        users: dict[Node, set[Node]] = {n: set() for n in order}
        for n in order:
            for a in self.reads(n):
                if a in inside:
                    users[a].add(n)
        body: list[Statement] = []
        sums: list[Sum] = []
        while pending:
            ready = [n for n in pending if all(a in done or a not in inside for a in self.reads(n))]
            outer = [n for n in ready if nested or not self._is_nested(n)]
            maps = [n for n in outer if self.kind(n) == "map"]
            others = [n for n in outer if self.kind(n) in ("rowop", "sum")]
            products = [n for n in outer if self.kind(n) == "product"]
            # maps last: what they compute then stays in registers until the next product needs it
            if others:
                finished = [others[0]]
                self._single(others[0], nested, body, sums)
            elif products:
                finished = self._panel(products, body)
            elif maps:
                finished = self._map(maps[0], pending, done, inside, users, nested, body)
            else:
                finished = self._over(pending, done, inside, body)
            done.update(finished)
            gone = set(finished)
            pending = [n for n in pending if n not in gone]
        return body, sums

    def _is_nested(self, node: Node) -> bool:
        return self.stage.axis == "t" and "s" in self.net.axes_of(node)

    def _value(self, node: Node) -> str:
        return self.low.value(node, self.stage.batch, self.index)

    def load(self, node: Node) -> Load:
        """A whole operand: stored, or computed before on the same row."""
        node = self.net.stripped(node)
        if node.op == "delay":
            self.low.fill(node)
            source = self.net.real(node.args[0])
            return Load(self.low.value(source, True), (node.attr,), _identity(node))
        return Load(self._value(node), (), _identity(node))

    def _single(self, node: Node, nested: bool, body: list[Statement], sums: list[Sum]) -> None:
        args = tuple(self.load(a) for a in node.args)
        lost = self.net.lost(node)
        if not lost:
            body.append(RowOp(self._value(node), node.op, node.attr, args))
            return
        total = Sum(self._value(node), node.op, node.attr, args, sort_axes(lost))
        if nested and lost == {"b"}:
            equation = self.low.owner.get(node, total.dst)
            raise CircuitError(
                f"{equation} sums over the batch what has two indices, which cannot be compiled\n"
                "  mend: sum over s first, or over the batch in an equation with one index"
            )
        ends_with_stage = self.net.is_sum(node) or (nested and "s" in lost)
        (sums if ends_with_stage else body).append(total)

    def _panel(self, ready: Sequence[Node], body: list[Statement]) -> list[Node]:
        """Products of the same vectors: one panel."""
        key = [vector for _, vector, _ in self.products(ready[0])]
        merged = [n for n in ready if [v for _, v, _ in self.products(n)] == key]
        group = merged if self.low.plan.merge else [ready[0]]
        parts = []
        for j, vector in enumerate(key):
            rows = [self.products(n)[j] for n in group]
            pack = self.low.pack([(matrix, transposed) for matrix, _, transposed in rows])
            parts.append(Part(pack, self.load(vector)))
        body.append(Product(tuple(self._value(n) for n in group), tuple(parts)))
        return list(group)

    def _over(
        self, pending: Sequence[Node], done: set[Node], inside: set[Node], body: list[Statement]
    ) -> list[Node]:
        """All that can be computed in one pass over the second axis, its sums at the end."""
        rows: list[Node] = []
        ends: list[Node] = []
        for n in pending:
            there = done | set(rows)
            if self._is_nested(n) and all(a in there or a not in inside for a in self.reads(n)):
                ends_here = bool(self.net.lost(n) & {"s", "t"})
                (ends if ends_here else rows).append(n)
        statements, sums = self._pack([*rows, *ends], nested=True)
        body.append(Over("s", tuple(statements), tuple(sums)))
        return [*rows, *ends]

    # ---- maps ------------------------------------------------------------------------------------
    def _map(
        self,
        first: Node,
        pending: Sequence[Node],
        done: set[Node],
        inside: set[Node],
        users: dict[Node, set[Node]],
        nested: bool,
        body: list[Statement],
    ) -> list[Node]:
        """The pointwise nodes of one shape that can run together."""
        group: dict[Node, None] = {}
        for n in pending:
            if self.kind(n) != "map" or n.shape != first.shape or (not nested and self._is_nested(n)):
                continue
            reads = [a for a in self.reads(n) if a in inside and a not in done]
            if all(a in group for a in reads) and self._in_line(n, group):
                group[n] = None
        members = frozenset(group)
        lets = []
        for n in group:
            expr = self.expression(n, first.shape, members)
            if n in self.low.keep or (users[n] - members):
                self._value(n)
            lets.append((self.low.name(n, self.index), expr))
        body.append(Map(first.shape, tuple(lets)))
        return list(group)

    def _in_line(self, node: Node, group: dict[Node, None]) -> bool:
        """Whether it reads the group's values at its own element only."""
        if node.op in NUMBERS or node.op == "delay":
            return True
        for a in [node] if node.op in INLINED else node.args:
            under, columns = self._under(a)
            if under in group and (columns != _identity(node) or node.op == "take"):
                return False
        return True

    def expression(self, node: Node, shape: tuple[int, ...], members: frozenset[Node]) -> Expr:
        """The code of one element of ``node``."""
        if node.op in INLINED or node.op == "delay":
            return self._operand(node, members, as_itself=True)
        if node.op == "take":
            table, *symbols = (self.load(a) for a in node.args)
            return Row(table.value, tuple(symbols), _identity(node))
        args = tuple(self._operand(a, members) for a in node.args)
        if node.op == "place":
            return Apply("where", None, (Here(*node.attr), args[0], Number(0.0)))
        if node.op == "first":
            return Apply("where", None, (Here(node.attr, False, 1), *args))
        return Apply(node.op, node.attr, args)

    def _operand(self, node: Node, members: frozenset[Node], as_itself: bool = False) -> Expr:
        under, columns = self._under(node)
        if under.op == "delay":
            self.low.fill(under)
            source = self.net.real(under.args[0])
            return Load(self.low.value(source, True), (under.attr,), columns)
        leaf = None if self._is_there(under) else _number(under)
        if leaf is not None and (under.op != "mask" or as_itself):
            return leaf
        if under in members and not (as_itself and under is self.net.real(node)):
            return Let(self.low.name(under, self.index))
        return Load(self._value(under), (), columns)


def _number(node: Node) -> Expr | None:
    if node.op == "const":
        return Number(node.attr, node.dtype)
    if node.op == "time":
        return Step(node.attr)
    if node.op == "length":
        return Length(node.attr)
    if node.op == "count":
        return Count(node.attr)
    if node.op == "mask":
        key, p, _ = node.attr
        return Random(key, p, node.axes)
    return None

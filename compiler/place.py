"""Which values are kept for a later stage, and which are computed again where they are used.

Products, row operations and transcendental functions cross stages as arrays. What is cheap is computed again
wherever all that it needs is there: otherwise an array [T, B, H] for each sum and product of a gate would go through
memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..graph.build import constant_value
from ..graph.expr import Node
from .network import LEAVES, NUMBERS, Network, is_cheap, is_pointwise, table_of
from .schedule import Stage

INLINED = NUMBERS | {"expand", "repeat", "transpose"}


def can_repeat(node: Node) -> bool:
    """Whether a value may be computed again in another stage's Map."""
    return node.op in INLINED or (is_pointwise(node) and is_cheap(node))


def place(
    net: Network, stages: Sequence[Stage], choices: Mapping[str, str] | None = None, sparing: bool = False
) -> set[Node]:
    """The nodes whose values outlive the stage that computes them.

    choices  equation -> "keep" or "recompute", from a Plan: they win over the rule, except that a state, a
             result, or a value that cannot be computed again in a Map is kept whatever is asked.
    sparing  for checkpointing: whatever can be is computed again, products and functions too
    """
    choices = choices or {}

    def repeatable(n: Node) -> bool:
        if can_repeat(n) or _is_read_in_maps(net, n):
            return True
        return sparing and net.axis_of(n) is not None and not net.is_sum(n)

    home = {n: i for i, stage in enumerate(stages) for n in stage.nodes}
    keep = _must(net, home)
    crossing = {n for n in home if n not in keep and any(home.get(u) != home[n] for u in net.users[n])}
    # what cannot be computed again first: the cheap values beside it then find their arguments kept
    keep |= {n for n in crossing if not repeatable(n) or (stages[home[n]].axis is None and n.op not in INLINED)}
    again: set[Node] = set()
    for n in net.nodes:  # arguments before users
        if n not in home or n in keep or not repeatable(n):
            continue
        choice = choices.get(net.equation.get(n, ""))
        there = all(a in keep or a in again or a.op in LEAVES for a, _ in net.reads(n))
        if (there or choice == "recompute") and choice != "keep":
            again.add(n)
        elif n in crossing:
            keep.add(n)
    return keep


def _is_read_in_maps(net: Network, node: Node) -> bool:
    """Whether it is a row of a table, and maps alone read it: where it lies is as good as where it would be kept."""
    if table_of(net, node) is None:
        return False
    stack = [node]
    while stack:
        for u in net.users[stack.pop()]:
            if u.op in INLINED:
                stack.append(u)
            elif not is_pointwise(u):
                return False
    return True


def _must(net: Network, home: Mapping[Node, int]) -> set[Node]:
    """Results, sums, what is read at another step with its boundary values, and matrices of products."""
    must = {net.real(net.eqs[name]) for name in net.wanted}
    for n in home:
        if net.is_sum(n):
            must.add(n)
        for a in (*net.args(n), n):
            if a.op == "delay":
                source, *bounds = net.args(a)
                must.update([source, *(x for x in bounds if constant_value(x) is None)])
        product = net.matrix_of(n)
        if product is not None:
            must.add(whole_matrix(net, product[0]))
    return {n for n in must if n in home}


def whole_matrix(net: Network, matrix: Node) -> Node:
    """The parameter or static value that a matrix is cut from."""
    while matrix.op in ("slice", "transpose", "expand"):
        matrix = net.real(matrix.args[0])
    return matrix

"""Branches for one step: ``name[1] = …``, and ``where(t == T, …, …)``.

What only the branch for the other steps needs may be NaN at that step, such as ``x[t] / h[t+1]`` at T, where h[T+1] is
zero. Nothing of it is chosen there, and nothing of it may reach a derivative.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import build as b
from .expr import Node

Guard = str | Node
"""What has a branch of its own: the first step of an axis, by its name, or the last, by the condition that it is."""


def dead(order: Sequence[Node]) -> dict[Node, list[Guard]]:
    """The nodes that only the branch for the other steps needs; order is topological, its last node the root."""
    found: dict[Node, list[Guard]] = {}
    for guard in dict.fromkeys(g for n in order if (g := _guard(n)) is not None):
        used = {order[-1]}
        for n in reversed(order):
            if n in used or not axes_of(guard) <= set(n.axes):
                used.update(n.args[:-1] if _guard(n) == guard else n.args)
            else:
                found.setdefault(n, []).append(guard)
    return found


def axes_of(guard: Guard) -> set[str]:
    """The axes along which it says where a node is needed."""
    return {guard} if isinstance(guard, str) else set(guard.axes)


def zero_there(x: Node, guard: Guard) -> Node:
    """``x`` with zero at the step that has a branch of its own."""
    if x.dtype != "f" or not axes_of(guard) <= set(x.axes):
        return x
    return b.first(0.0, x, guard) if isinstance(guard, str) else b.where(guard, 0.0, x)


def of_last(n: Node) -> str | None:
    """The axis of ``where(t == T, …, …)``; None for all else."""
    sides = _compared(n)
    if sides and {x.op for x in sides} == {"time", "length"} and sides[0].attr == sides[1].attr:
        return str(sides[0].attr)
    return None


def _guard(n: Node) -> Guard | None:
    if n.op == "first":
        return str(n.attr)
    # in an unfolded graph of several lengths the number of the step stands first
    if of_last(n) is None and [x.op for x in _compared(n)] != ["const", "length"]:
        return None
    return _bare(n.args[0])


def _compared(n: Node) -> list[Node]:
    """The two sides of the ``==`` by which a ``where`` chooses."""
    condition = _bare(n.args[0]) if n.op == "where" else n
    equal = condition is not n and condition.op == "compare" and condition.attr == "=="
    return [_bare(a) for a in condition.args] if equal else []


def _bare(x: Node) -> Node:
    """Without the axes and features that it is repeated over."""
    while x.op in ("expand", "repeat"):
        x = x.args[0]
    return x

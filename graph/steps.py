"""Adjoints read at other steps: a delay is of a name, so what is shifted is pushed down to names.

A shift with zeros before the start and after the end passes through everything that is linear with factors
that do not vary along the axis: (W.T @ δa)[t+1] is W.T @ δa[t+1]. What it cannot pass (a product of two
signals; a constant, which is not zero outside) gets a name of its own, an equation. Reading at a single step,
zero where there is none, follows the same rules.
"""

from __future__ import annotations

from collections.abc import Callable

from . import build as b
from .expr import Node

LINEAR = frozenset(("neg", "repeat", "transpose", "sum_feature", "slice", "unslice", "concat", "cumsum"))
"""Operations that are linear in all their arguments together (add apart)."""


class Steps:
    """Reads adjoints at other steps. ``name`` makes an equation of an expression and gives its ref."""

    def __init__(self, name: Callable[[Node], Node]) -> None:
        self.name = name

    def shift(self, g: Node, axis: str, k: int) -> Node:
        """g[t-k], zero where there is no such step."""

        def read(x: Node) -> Node:
            if b.is_constant(x, 0.0):
                return x
            if x.op == "place" and x.attr[:2] == (axis, True) and k < 0:
                return b.place(x.args[0], axis, True, x.attr[2] + k)
            if x.op == "delay" and x.attr[0] == axis and x.attr[1] * k > 0 and _zero_outside(x):
                return _delayed(x.args[0], axis, k + x.attr[1])
            return _delayed(self._named(x), axis, k)

        return _moved(g, axis, read, keep=True)

    def at(self, g: Node, axis: str, end: bool | None, position: int) -> Node:
        """g at one step, said as for ``build.at``, zero where there is no such step."""

        def read(x: Node) -> Node:
            at_first = x.op == "first" and x.attr == axis and end is False and position == 1
            return b.at(x if at_first or b.is_constant(x, 0.0) else self._named(x), axis, end, position)

        return _moved(g, axis, read, keep=False)

    def _named(self, x: Node) -> Node:
        return x if x.op in ("ref", "input") else self.name(x)


def _delayed(x: Node, axis: str, k: int) -> Node:
    zero = b.like(0.0, [a for a in x.axes if a != axis], x.shape)
    return b.delay(x, axis, k, [zero] * abs(k))


def _zero_outside(delay: Node) -> bool:
    return all(b.is_constant(bound, 0.0) for bound in delay.args[1:])


def _moved(g: Node, axis: str, read: Callable[[Node], Node], keep: bool) -> Node:
    """``g`` with ``read`` of the names in which it is linear; ``keep``: they still vary along the axis."""
    done: dict[Node, Node] = {}
    stack = [g]
    while stack:
        x = stack[-1]
        parts = [] if x in done else _parts(x, axis)
        missing = [a for a in parts if a not in done]
        if missing:
            stack.extend(reversed(missing))
            continue
        stack.pop()
        if x not in done:
            done[x] = _joined(x, parts, done, axis, keep) if parts else read(x)
    return done[g]


def _parts(x: Node, axis: str) -> list[Node]:
    """The arguments that a shift passes on to; [] where it stops."""
    if axis == "s" and x.op in ("reduce", "contract") and any("t" in a.axes for a in x.args) and "t" not in x.axes:
        return []  # what is summed over t is one value a step of s, and shifted after the sum
    if x.op == "add":
        through = [a for a in x.args if a.op in ("ref", "input") or _parts(a, axis)]
        stuck = [a for a in x.args if a not in through]
        return [*through, b.add(*stuck)] if through and stuck else through
    if x.op in LINEAR:
        return list(dict.fromkeys(x.args))
    if x.op in ("expand", "reduce"):
        return [x.args[0]] if axis in x.args[0].axes else []
    if x.op == "mul":
        varying = [a for a in x.args if not _still(a, axis)]
        return varying if len(varying) == 1 else []
    if x.op == "div":
        return [x.args[0]] if _still(x.args[1], axis) and not _still(x.args[0], axis) else []
    if x.op == "contract" and axis in x.axes:
        varying = [a for a in x.args if axis in a.axes]
        return varying if len(varying) == 1 else []
    return []


def _still(x: Node, axis: str) -> bool:
    """Whether it does not vary along the axis."""
    return axis not in x.axes or (x.op == "expand" and axis not in x.args[0].axes)


def _joined(x: Node, parts: list[Node], done: dict[Node, Node], axis: str, keep: bool) -> Node:
    """``x`` on what its arguments have become."""
    if x.op == "add":
        return b.add(*[done[a] for a in parts])
    axes = done[parts[0]].axes
    if x.op == "expand":
        return b.expand(done[parts[0]], [a for a in x.axes if keep or a != axis])
    args = [done[a] if a in parts else a for a in x.args]
    if not keep and x.op in ("mul", "div"):
        args = [a if y in parts else b.expand(a.args[0], axes) for a, y in zip(args, x.args, strict=True)]
    return b.rebuild(x, args)

"""Nodes: one immutable, hash-consed class for circuit, adjoint and unfolded graph.

A node has a type (axes, shape, dtype):

    axes    the index axes it varies over, a subset of t, s (time) and b (batch), in this order
    shape   its feature sizes
    dtype   "f" a number, "i" a symbol, "b" a truth value

The grammar, by kind (each operation is one entry of the table in ``graph/ops``):

    leaf       const param input ref time length count mask
    pointwise  add mul neg div power tanh … where compare      all operands of one type
    axes       expand reduce amax statistic                    expand and reduce: each the other's adjoint
    time       delay at place first                            at and place likewise
    feature    repeat sum_feature transpose concat slice unslice cumsum
               contract softmax logsumexp max_last argmax opaque
    symbols    take scatter, pick put, cross_entropy nll minus_onehot

Cycles of a circuit go through ``ref(name)`` leaves, so a graph of nodes never has one.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .ops.table import TABLE, load_entries

AXES = ("t", "s", "b")
TIME_AXES = ("t", "s")


class Type(NamedTuple):
    """Index axes, feature sizes and kind of value of a node."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str


class Node:
    """One operation on other nodes. Equal nodes are the same object: compare with ``is``."""

    __slots__ = ("__weakref__", "args", "attr", "axes", "dtype", "op", "shape")

    op: str
    args: tuple[Node, ...]
    attr: Any
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str

    @property
    def type(self) -> Type:
        """Index axes, feature sizes and kind of value together."""
        return Type(self.axes, self.shape, self.dtype)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Node is immutable: cannot set {name}")

    def __repr__(self) -> str:
        attr = "" if self.attr is None else f" {self.attr}"
        return f"<{self.op}{attr} [{' '.join(self.axes)}] {self.shape} {self.dtype}>"

    def __add__(self, other: Node | float) -> Node:
        from . import build

        return build.add(self, build.lift(other))

    __radd__ = __add__

    def __mul__(self, other: Node | float) -> Node:
        from . import build

        return build.mul(self, build.lift(other))

    __rmul__ = __mul__

    def __neg__(self) -> Node:
        from . import build

        return build.neg(self)

    def __sub__(self, other: Node | float) -> Node:
        return self + (-_lift(other))

    def __rsub__(self, other: Node | float) -> Node:
        return _lift(other) + (-self)

    def __truediv__(self, other: Node | float) -> Node:
        from . import build

        return build.div(self, build.lift(other))

    def __rtruediv__(self, other: Node | float) -> Node:
        from . import build

        return build.div(build.lift(other), self)


def _lift(value: Node | float) -> Node:
    return value if isinstance(value, Node) else const(value)


# The pool keeps a node as long as somebody holds it; its key holds the arguments, as the node does.
_pool: weakref.WeakValueDictionary[tuple[Any, ...], Node] = weakref.WeakValueDictionary()
_set = object.__setattr__


def _intern(op: str, args: tuple[Node, ...], attr: Any, kind: Type, attr_key: Any = None) -> Node:
    key = (op, args, attr if attr_key is None else attr_key, kind)
    node = _pool.get(key)
    if node is None:
        node = Node.__new__(Node)
        for name, value in zip(("op", "args", "attr", *Type._fields), (op, args, attr, *kind), strict=True):
            _set(node, name, value)
        _pool[key] = node
    return node


def make(op: str, args: Sequence[Node] = (), attr: Any = None) -> Node:
    """The node ``op(*args)``; its type follows from the op table.

    Raises TypeError, naming the operation and the types that came, when they do not fit.
    """
    entry = TABLE.get(op) or load_entries(op)
    args = tuple(args)
    return _intern(op, args, attr, Type(*entry.type(args, attr)))


def leaf(op: str, attr: Any, axes: Iterable[str] = (), shape: Sequence[int] = (), dtype: str = "f") -> Node:
    """A node without arguments; its type is given, not inferred."""
    # 0.0 == -0.0 == False and 1 == 1.0 == True in Python, but not here
    key = (type(attr).__name__, repr(attr)) if op == "const" else None
    return _intern(op, (), attr, Type(sort_axes(axes), tuple(shape), dtype), key)


def const(value: float, dtype: str = "f") -> Node:
    """A number, a symbol (dtype "i") or a truth value ("b")."""
    typed = {"f": float, "i": int, "b": bool}[dtype](value)
    return leaf("const", typed, dtype=dtype)


def param(name: str, shape: Sequence[int]) -> Node:
    """A parameter: one array, the same for every step and sequence."""
    return leaf("param", name, (), shape)


def input_(name: str, axes: Iterable[str], shape: Sequence[int] = (), dtype: str = "f") -> Node:
    """What the caller gives: indexed by time, or one value a sequence (axes ``("b",)``)."""
    return leaf("input", name, axes, shape, dtype)


def ref(name: str, like: Node) -> Node:
    """The value of the equation ``name`` at the same step; its type is that of ``like``."""
    return leaf("ref", name, like.axes, like.shape, like.dtype)


def time(axis: str) -> Node:
    """The number of the step, counted from 1 (from ``start`` in a window)."""
    return leaf("time", axis, (axis,))


def length(axis: str) -> Node:
    """The number of steps of each sequence."""
    return leaf("length", axis, ("b",))


def count(axes: Iterable[str]) -> Node:
    """The number of valid positions over ``axes``: of sequences for b, of all their steps for (t, b)."""
    return leaf("count", sort_axes(axes))


def mask(key: tuple[str, int], p: float, axes: Iterable[str], shape: Sequence[int]) -> Node:
    """Random numbers 0 and 1, 1 with probability ``p``; ``key`` (equation, ordinal) tells masks apart."""
    return leaf("mask", (key, float(p), ()), axes, shape)


def sort_axes(axes: Iterable[str]) -> tuple[str, ...]:
    """The axes in their one order: t, s, b."""
    found = set(axes)
    unknown = found - set(AXES)
    if unknown:
        raise TypeError(f"no index axis {', '.join(sorted(unknown))}: the axes are {', '.join(AXES)}")
    return tuple(a for a in AXES if a in found)


def time_axes(node: Node) -> tuple[str, ...]:
    """Those of its axes that are times."""
    return tuple(a for a in node.axes if a != "b")


def topological(roots: Iterable[Node]) -> list[Node]:
    """Every node below ``roots``, arguments before users, in the order of the text; refs are leaves."""
    seen: set[Node] = set()
    order: list[Node] = []
    stack = [(r, False) for r in reversed(list(roots))]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if a not in seen)
    return order


def rebuild(node: Node, args: Sequence[Node]) -> Node:
    """The same operation on other arguments, simplified as when it was first built."""
    if all(a is b for a, b in zip(node.args, args, strict=True)):
        return node
    from . import build

    return build.rebuild(node, args)


def substitute(roots: Sequence[Node], replace: dict[Node, Node]) -> list[Node]:
    """``roots`` with nodes replaced, shared parts rebuilt once."""
    done = dict(replace)
    for node in topological(roots):
        if node not in done:
            done[node] = rebuild(node, [done[a] for a in node.args])
    return [done[r] for r in roots]

"""Smart constructors of what reads at other times, of products and of symbols. See ``build``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .arithmetic import expand, is_constant, lift, like, number, reduce
from .expr import Node, make, sort_axes


# ---- time ----------------------------------------------------------------------------------------
def delay(e: Node, axis: str, k: int, bounds: Sequence[Node | float]) -> Node:
    """e[t-k]. The bounds are its values at 0, -1, …, -(k-1); for k < 0, an advance, at T+1, …, T+|k|.

    Raises TypeError unless ``e`` is a name (a ref or an input) that varies over ``axis``.
    """
    if k == 0:
        return e
    if is_constant(e, 0.0) and all(is_constant(lift(b), 0.0) for b in bounds):
        return e
    inner = [a for a in e.axes if a != axis]
    return make("delay", [e, *[like(b, inner, e.shape) for b in bounds]], (axis, k))


def at(e: Node, axis: str, end: bool | None, position: int) -> Node:
    """The value at one step; zero where a sequence has no such step.

    end  False: the step whose number is ``position``, as in h[1]; in a window from ``start`` on there may be none
         True: T + position, of the steps that a call has
         None: the call's step ``position`` counted from its first as 1, whatever that one's number is: what a value
         before the start goes into
    """
    if is_constant(e, 0.0):
        return like(0.0, [a for a in e.axes if a != axis], e.shape)
    if e.op == "first" and e.attr == axis and end is False and position == 1:
        return expand(e.args[0], [a for a in e.axes if a != axis])
    return make("at", (e,), (axis, end, position))


def place(v: Node, axis: str, end: bool | None, position: int) -> Node:
    """A signal that is ``v`` at one step, said as for ``at``, and zero elsewhere: the adjoint of at."""
    if is_constant(v, 0.0):
        return expand(v, [axis, "b"] if end else [axis])
    return make("place", (v,), (axis, end, position))


def first(at_first: Node | float, e: Node, axis: str = "t") -> Node:
    """``at_first`` at step 1, ``e`` at all others: the meaning of ``name[1] = …``."""
    inner = [a for a in e.axes if a != axis]
    if is_constant(e, 0.0) and is_constant(lift(at_first), 0.0):
        return e
    if e.op == "first" and e.attr == axis:
        e = e.args[1]
    return make("first", (like(at_first, inner, e.shape), e), axis)


# ---- products ------------------------------------------------------------------------------------
def split_spec(spec: str) -> tuple[str, str, str]:
    """The letters of both operands and of the result: "ij,j->i" is ("ij", "j", "i")."""
    operands, out = spec.split("->")
    a, b = operands.split(",")
    return a, b, out


def contract(a: Node, b: Node, spec: str, over: Iterable[str] = ()) -> Node:
    """The one product: an einsum over features that also sums over the index axes in ``over``.

    Raises TypeError, naming the shapes, when they do not fit the spec.
    """
    a, b = number(a), number(b)
    remaining = set(over)
    for axis in sort_axes(remaining):
        if axis not in b.axes:
            a, remaining = reduce(a, [axis]), remaining - {axis}
        elif axis not in a.axes:
            b, remaining = reduce(b, [axis]), remaining - {axis}
    axes = sort_axes(remaining)
    node = make("contract", (a, b), (spec, axes))
    if is_constant(a, 0.0) or is_constant(b, 0.0):
        return like(0.0, node.axes, node.shape)
    return node


_FORMS = {(2, 1): "ij,j->i", (1, 2): "i,ij->j", (1, 1): "i,i->", (2, 2): "ij,jk->ik"}
_LEFT_TRANSPOSED = {(2, 1): "ji,j->i", (2, 2): "ji,jk->ik"}
_RIGHT_TRANSPOSED = {(1, 2): "i,ji->j", (2, 2): "ij,kj->ik"}


def matmul(a: Node, b: Node) -> Node:
    """``a @ b`` for vectors and matrices; transposes are read in place.

    Raises TypeError for scalars and for more than two feature axes.
    """
    ranks = (len(a.shape), len(b.shape))
    if ranks not in _FORMS:
        raise TypeError(f"@ takes vectors and matrices, not shapes {a.shape} and {b.shape}")
    if a.op == "transpose" and ranks in _LEFT_TRANSPOSED:
        return contract(a.args[0], b, _LEFT_TRANSPOSED[ranks])
    if b.op == "transpose" and ranks in _RIGHT_TRANSPOSED:
        return contract(a, b.args[0], _RIGHT_TRANSPOSED[ranks])
    return contract(a, b, _FORMS[ranks])


def dot(a: Node, b: Node) -> Node:
    """The sum of the products of all features."""
    letters = "ijkl"[: len(a.shape)]
    return contract(a, b, f"{letters},{letters}->")


def outer(a: Node, b: Node) -> Node:
    """a bᵀ of two vectors."""
    return contract(a, b, "i,j->ij")


# ---- symbols -------------------------------------------------------------------------------------
def take(table: Node, *symbols: Node) -> Node:
    """``table[i, j, …]``: along its first feature axes; a symbol below 0 gives zeros."""
    return make("take", (table, *symbols))


def scatter(g: Node, sizes: Sequence[int], symbols: Sequence[Node], over: Iterable[str]) -> Node:
    """Sum of ``g`` into a table at the symbols' rows, over index axes: the adjoint of take."""
    axes = sort_axes({*(a for x in (g, *symbols) for a in x.axes), *over})
    if is_constant(g, 0.0):
        return like(0.0, [a for a in axes if a not in set(over)], (*sizes, *g.shape))
    operands = [expand(x, axes) for x in (g, *symbols)]
    return make("scatter", operands, (tuple(sizes), sort_axes(over)))


def _joined(a: Node, b: Node) -> tuple[Node, Node]:
    axes = sort_axes((*a.axes, *b.axes))
    return expand(a, axes), expand(b, axes)


def pick(vector: Node, symbol: Node) -> Node:
    """The element of the last feature axis that the symbol names; zero for a symbol below 0."""
    if is_constant(vector, 0.0):
        return like(0.0, sort_axes((*vector.axes, *symbol.axes)), symbol.shape)
    return make("pick", _joined(vector, symbol))


def put(g: Node | float, symbol: Node, n: int) -> Node:
    """``g`` at the symbol's place among ``n`` zeros: the adjoint of pick."""
    value = lift(g)
    if is_constant(value, 0.0):
        return like(0.0, sort_axes((*value.axes, *symbol.axes)), (*symbol.shape, n))
    if value.shape != symbol.shape:
        value = like(value, value.axes, symbol.shape)
    return make("put", _joined(value, symbol), n)


def onehot(symbol: Node, n: int) -> Node:
    """A one at the symbol's place."""
    return put(1.0, symbol, n)


def cross_entropy(logits: Node, symbol: Node) -> Node:
    """−log softmax(logits)[symbol]; zero for a symbol below 0 (no target)."""
    return make("cross_entropy", _joined(logits, symbol))


def nll(p: Node, symbol: Node) -> Node:
    """−log p[symbol]; zero for a symbol below 0. Of a softmax it is the cross-entropy of its argument."""
    if p.op == "softmax":
        return cross_entropy(p.args[0], symbol)
    return make("nll", _joined(p, symbol))


def minus_onehot(p: Node, symbol: Node) -> Node:
    """p − onehot(symbol); zeros for a symbol below 0: the derivative of the cross-entropy."""
    return make("minus_onehot", _joined(p, symbol))

"""Smart constructors of numbers: constants, index and feature axes, pointwise operations. See ``build``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .expr import Node, const, count, length, make, sort_axes, time_axes


def lift(value: Node | float) -> Node:
    """A number as a node."""
    return value if isinstance(value, Node) else const(value)


# ---- constants -----------------------------------------------------------------------------------
def constant_value(x: Node) -> float | None:
    """The number that every element of ``x`` is, or None where it is not one constant."""
    while x.op in ("expand", "repeat"):
        x = x.args[0]
    return x.attr if x.op == "const" else None


def is_constant(x: Node, value: float) -> bool:
    """Whether every element of ``x`` is ``value`` (minus zero is zero)."""
    return constant_value(x) == value


def like(x: Node | float, axes: Iterable[str], shape: Sequence[int]) -> Node:
    """``x`` brought to a type: a scalar is repeated over features, missing axes are expanded.

    Raises TypeError when a shape would have to broadcast.
    """
    x = lift(x)
    if x.shape != tuple(shape):
        if x.shape != ():
            raise TypeError(f"shape {x.shape} where {tuple(shape)} is needed; only scalars broadcast")
        for position, n in enumerate(shape):
            x = repeat(x, position, n)
    return expand(x, axes)


def zeros(like_node: Node) -> Node:
    """Zeros (for symbols: -1, no symbol) of the type of ``like_node``."""
    if like_node.dtype == "i":
        return like(const(-1, "i"), like_node.axes, like_node.shape)
    return like(const(0.0), like_node.axes, like_node.shape)


def number(x: Node) -> Node:
    """Truth values and symbols as numbers."""
    if x.dtype == "f":
        return x
    if x.op == "const":
        return const(float(x.attr))
    if x.dtype == "b":
        return where(x, const(1.0), const(0.0))
    return make("number", (x,))


def align(*xs: Node | float) -> list[Node]:
    """Operands of a pointwise operation, brought to one type."""
    nodes = [lift(x) for x in xs]
    shape = max((x.shape for x in nodes), key=len)
    axes = sort_axes(a for x in nodes for a in x.axes)
    return [like(x, axes, shape) for x in nodes]


# ---- index axes ----------------------------------------------------------------------------------
def expand(x: Node, axes: Iterable[str]) -> Node:
    """``x`` repeated over the index axes that it lacks."""
    target = sort_axes({*axes, *x.axes})
    if target == x.axes:
        return x
    if x.op == "expand":
        x = x.args[0]
    return make("expand", (x,), target)


def _times_its_count(x: Node, over: tuple[str, ...]) -> Node | None:
    """The sum over axes along which ``x`` does not vary: itself times their number, where that is known."""
    inner = x.args[0]
    if set(over) & set(inner.axes):
        return None
    times, rest = time_axes(x), [a for a in x.axes if a not in over]
    if (over == ("b",) and not times) or (over == ("t", "b") and times == ("t",)):
        return expand(mul(inner, count(over)), rest)
    if len(over) == 1 and over[0] != "b" and "b" in rest:
        return expand(mul(inner, length(over[0])), rest)
    return None


def reduce(x: Node, over: Iterable[str]) -> Node:
    """The sum of ``x`` over index axes (every valid step and sequence)."""
    x = number(x)
    axes = sort_axes(over)
    x = expand(x, axes)
    if not axes:
        return x
    if is_constant(x, 0.0):
        return like(0.0, [a for a in x.axes if a not in axes], x.shape)
    if x.op == "expand":
        simple = _times_its_count(x, axes)
        if simple is not None:
            return simple
    if x.op == "reduce":
        return reduce(x.args[0], {*axes, *x.attr})
    return make("reduce", (x,), axes)


def amax(x: Node, over: Iterable[str]) -> Node:
    """The largest value over index axes; it has no derivative (softmax over an axis needs none)."""
    axes = sort_axes(over)
    return make("amax", (expand(x, axes),), axes)


def statistic(value: Node, running: Node | float, axes: Iterable[str]) -> Node:
    """``value`` in training, ``running`` afterwards; ``value`` was taken over all or some of ``axes``."""
    after = like(running, value.axes, value.shape)
    if is_constant(value, 0.0) and is_constant(after, 0.0):
        return after
    return make("statistic", (value, after), sort_axes(axes))


# ---- feature axes --------------------------------------------------------------------------------
def repeat(x: Node, position: int, n: int) -> Node:
    """``x`` with a new feature axis of size ``n`` at ``position``, along which it does not vary."""
    if x.op == "expand":
        return expand(repeat(x.args[0], position, n), x.axes)
    if position < 0:
        position += len(x.shape) + 1
    return make("repeat", (x,), (position, n))


def sum_feature(x: Node, position: int = -1) -> Node:
    """The sum over one feature axis, the last if not said."""
    x = number(x)
    position %= len(x.shape)
    if is_constant(x, 0.0):
        return like(0.0, x.axes, x.shape[:position] + x.shape[position + 1 :])
    if x.op == "repeat" and x.attr[0] == position:
        return mul(x.args[0], x.attr[1])
    return make("sum_feature", (x,), position)


def sum_all(x: Node) -> Node:
    """The sum over all features."""
    x = number(x)
    while x.shape:
        x = sum_feature(x)
    return x


def transpose(x: Node) -> Node:
    """Feature axes in reverse order."""
    if x.op == "transpose":
        return x.args[0]
    if len(x.shape) < 2:
        return x
    return make("transpose", (x,))


def concat(*xs: Node, axis: int = 0) -> Node:
    """Arrays one after the other along a feature axis."""
    axes = sort_axes(a for x in xs for a in x.axes)
    if len(xs) == 1:
        return xs[0]
    return make("concat", [expand(x, axes) for x in xs], axis)


def slice_(x: Node, axis: int, lo: int, hi: int) -> Node:
    """The features ``lo`` to ``hi`` (exclusive) along ``axis``."""
    if (lo, hi) == (0, x.shape[axis]):
        return x
    if x.op == "expand":
        return expand(slice_(x.args[0], axis, lo, hi), x.axes)
    if x.op == "slice" and x.attr[0] == axis:
        return slice_(x.args[0], axis, x.attr[1] + lo, x.attr[1] + hi)
    return make("slice", (x,), (axis, lo, hi))


def unslice(x: Node, axis: int, lo: int, n: int) -> Node:
    """``x`` at ``lo`` along ``axis`` of an array of ``n``, zero elsewhere: the adjoint of slice."""
    if x.shape[axis] == n:
        return x
    if is_constant(x, 0.0):
        return like(0.0, x.axes, (*x.shape[:axis], n, *x.shape[axis + 1 :]))
    return make("unslice", (x,), (axis, lo, n))


def cumsum(x: Node, reverse: bool = False) -> Node:
    """Running sums along the last feature axis, from the end when ``reverse``."""
    return make("cumsum", (number(x),), reverse)


def max_last(x: Node) -> Node:
    """The largest feature of the last axis; ties go to the first."""
    return make("max_last", (number(x),))


def argmax(x: Node) -> Node:
    """The symbol (position from 0) of the largest feature; ties go to the first."""
    return make("argmax", (number(x),))


def softmax(x: Node) -> Node:
    """Softmax along the last feature axis."""
    return make("softmax", (x,))


def logsumexp(x: Node) -> Node:
    """log sum exp along the last feature axis."""
    return make("logsumexp", (x,))


# ---- pointwise -----------------------------------------------------------------------------------
def _before_expanding(f: Callable[..., Node], xs: Sequence[Node]) -> Node | None:
    """f of operands that do not vary over all of their axes: computed where they vary, then expanded."""
    axes = sort_axes(a for x in xs for a in (x.args[0] if x.op == "expand" else x).axes)
    if axes == xs[0].axes:
        return None
    return expand(f(*[expand(x.args[0], axes) if x.op == "expand" else x for x in xs]), xs[0].axes)


LONGEST_SUM = 1000
"""Terms of a sum that are gathered into one node."""


def add(*xs: Node | float) -> Node:
    """The n-ary sum; constants are gathered at its end."""
    aligned = align(*[number(lift(x)) for x in xs])
    inner = _before_expanding(add, aligned)
    if inner is not None:
        return inner
    terms: list[Node] = []
    for x in aligned:
        # a long sum stays one term: functions of functions that double it would exhaust memory
        terms += x.args if x.op == "add" and len(terms) + len(x.args) <= LONGEST_SUM else [x]
    first = terms[0]
    total = sum(v for x in terms if (v := constant_value(x)) is not None)
    terms = [x for x in terms if constant_value(x) is None]
    if total or not terms:
        terms.append(like(float(total), first.axes, first.shape))
    return terms[0] if len(terms) == 1 else _parts_of_one(terms) or make("add", terms)


def _parts_of_one(terms: Sequence[Node]) -> Node | None:
    """The sum of arrays that are zero outside of their part, where the parts make up the whole: a concat."""
    if any(x.op != "unslice" or x.attr[0] != terms[0].attr[0] for x in terms):
        return None
    axis, _, n = terms[0].attr
    parts = sorted(terms, key=lambda x: int(x.attr[1]))
    ends = [0, *[x.attr[1] + x.args[0].shape[axis] for x in parts]]
    if [x.attr[1] for x in parts] != ends[:-1] or ends[-1] != n:
        return None
    return concat(*[x.args[0] for x in parts], axis=axis)


def mul(a: Node | float, b: Node | float) -> Node:
    """The elementwise product. Zero times anything is zero, as in the unfolded meaning of no connection."""
    x, y = align(number(lift(a)), number(lift(b)))
    u, v = constant_value(x), constant_value(y)
    if u is not None and v is not None:
        return like(u * v, x.axes, x.shape)
    if u is not None:
        x, y, v = y, x, u
    if v == 0:
        return like(0.0, x.axes, x.shape)
    if v == 1:
        return x
    if v == -1:
        return neg(x)
    inner = _before_expanding(mul, (x, y))
    if inner is not None:
        return inner
    if x.op == "neg":
        return neg(mul(x.args[0], y))
    if y.op == "neg":
        return neg(mul(x, y.args[0]))
    # the number first: 0.5 * h[t]
    return make("mul", (x, y) if v is None else (y, x))


def neg(a: Node | float) -> Node:
    """Minus."""
    x = number(lift(a))
    if x.op == "neg":
        return x.args[0]
    value = constant_value(x)
    if value is not None:
        return like(-value, x.axes, x.shape)
    return _before_expanding(neg, (x,)) or make("neg", (x,))


def sub(a: Node | float, b: Node | float) -> Node:
    """The difference, as a sum with a negative term."""
    return add(a, neg(b))


def div(a: Node | float, b: Node | float) -> Node:
    """The quotient."""
    x, y = align(number(lift(a)), number(lift(b)))
    u, v = constant_value(x), constant_value(y)
    if v == 1:
        return x
    if u is not None and v is not None and v != 0:
        return like(u / v, x.axes, x.shape)
    if u == 0:
        return x
    return _before_expanding(div, (x, y)) or make("div", (x, y))


def power(x: Node | float, p: float) -> Node:
    """x to the power of a number."""
    base = number(lift(x))
    if p == 1:
        return base
    if p == 0:
        return like(1.0, base.axes, base.shape)
    value = constant_value(base)
    if value is not None and (value > 0 or (p > 0 and float(p).is_integer())):
        return like(float(value**p), base.axes, base.shape)
    return _before_expanding(lambda e: power(e, p), (base,)) or make("power", (base,), float(p))


def unary(op: str, x: Node | float) -> Node:
    """A function of one number: tanh sigmoid relu exp log sin cos sqrt abs sign softplus step floor."""
    value = number(lift(x))
    return _before_expanding(lambda e: unary(op, e), (value,)) or make(op, (value,))


def _binary(op: str, a: Node | float, b: Node | float) -> Node:
    return make(op, align(number(lift(a)), number(lift(b))))


def maximum(a: Node | float, b: Node | float) -> Node:
    """The larger of two; a tie goes to the first."""
    return _binary("maximum", a, b)


def minimum(a: Node | float, b: Node | float) -> Node:
    """The smaller of two; a tie goes to the first."""
    return _binary("minimum", a, b)


def logaddexp(a: Node | float, b: Node | float) -> Node:
    """log(exp(a) + exp(b))."""
    return _binary("logaddexp", a, b)


def mod(a: Node | float, b: Node | float) -> Node:
    """The remainder with the sign of the divisor, as in Python."""
    return _binary("mod", a, b)


def compare(relation: str, a: Node | float, b: Node | float) -> Node:
    """A truth value; relation is one of == != < <= > >=. Symbols compare with symbols and whole numbers."""
    x, y = lift(a), lift(b)
    if x.dtype == "i" and y.op == "const" and float(y.attr).is_integer():
        y = const(int(y.attr), "i")
    if y.dtype == "i" and x.op == "const" and float(x.attr).is_integer():
        x = const(int(x.attr), "i")
    if x.dtype != y.dtype:
        x, y = number(x), number(y)
    return make("compare", align(x, y), relation)


def where(condition: Node, a: Node | float, b: Node | float) -> Node:
    """``a`` where the condition holds, else ``b``: it selects, so that a NaN in the other one is harmless."""
    x, y = lift(a), lift(b)
    if x.dtype != y.dtype:
        x, y = number(x), number(y)
    c, x, y = align(condition, x, y)
    if x is y:
        return x
    chosen = constant_value(c)
    if chosen is not None:
        return x if chosen else y
    return make("where", (c, x, y))


def stop_gradient(x: Node) -> Node:
    """``x`` itself, through which no gradient passes."""
    return make("stop_gradient", (x,))

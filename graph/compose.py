"""Functions of the language that are compositions of operations, as graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING

from . import build as b
from .expr import Node, const, sort_axes

if TYPE_CHECKING:
    from .elaborate import Nodes

Over = Sequence[str | int]
EPSILON = 1e-5


def truth(x: Node) -> Node:
    """A condition: numbers hold where they are not zero, so that conditions can be multiplied."""
    return x if x.dtype == "b" else b.compare("!=", x, 0)


def _axes(over: Over) -> list[str]:
    return [a for a in over if isinstance(a, str)]


def _varying(x: Node, over: Over) -> Node:
    """``x`` over the index axes of a reduction: over a time there is one value a sequence."""
    axes = _axes(over)
    return b.expand(x, [*axes, "b"]) if axes else x


def total(x: Node, over: Over) -> Node:
    """The sum of all features, or over index axes, or over the last feature axis (-1)."""
    if not over:
        return b.sum_all(x)
    if -1 in over:
        x = b.sum_feature(x)
    return b.reduce(_varying(x, over), _axes(over)) if _axes(over) else x


def mean(x: Node, over: Over) -> Node:
    """The mean of all features, or over index axes (of the valid steps and sequences)."""
    if not over:
        return b.div(b.sum_all(x), float(prod(x.shape)))
    axes, y = _axes(over), _varying(x, over)
    n: Node | float = float(x.shape[-1]) if -1 in over else 1.0
    if axes:
        # among the sequences of a batch those count that still run
        counted = y.axes if "b" in axes else sort_axes([*axes, "b"])
        n = b.mul(b.reduce(b.expand(const(1.0), counted), axes), n)
    return b.div(total(x, over), n)


def greatest(x: Node, over: Over) -> Node:
    """The largest feature (ties go to the first), or the largest value over index axes.

    Over index axes the gradient is shared by values that tie.
    """
    if not over:
        while x.shape:
            x = b.max_last(x)
        return x
    if -1 in over:
        x = b.max_last(x)
    axes = _axes(over)
    if not axes:
        return x
    x = _varying(b.number(x), over)
    top = b.expand(b.stop_gradient(b.amax(x, axes)), x.axes)
    here = b.compare("==", x, top)
    return b.div(b.reduce(b.where(here, x, 0.0), axes), b.reduce(b.where(here, 1.0, 0.0), axes))


def _shifted_exp(x: Node, axes: list[str]) -> tuple[Node, Node]:
    """exp(x - top) and top, the largest value over the axes: nothing overflows."""
    top = b.stop_gradient(b.amax(x, axes))
    return b.unary("exp", b.sub(x, b.expand(top, x.axes))), top


def softmax(x: Node, over: Over) -> Node:
    """Softmax along the last feature axis, or over index axes."""
    axes = _axes(over)
    if not axes:
        return b.softmax(x)
    e, _ = _shifted_exp(_varying(x, over), axes)
    return b.div(e, b.expand(b.reduce(e, axes), e.axes))


def logsumexp(x: Node, over: Over) -> Node:
    """log sum exp along the last feature axis, or over index axes."""
    axes = _axes(over)
    if not axes:
        return b.logsumexp(x)
    e, top = _shifted_exp(_varying(x, over), axes)
    return b.add(b.unary("log", b.reduce(e, axes)), top)


def log_softmax(x: Node, over: Over) -> Node:
    """x - logsumexp(x)."""
    axes = _axes(over)
    if not axes:
        return b.sub(x, b.repeat(b.logsumexp(x), -1, x.shape[-1]))
    x = _varying(x, over)
    return b.sub(x, b.expand(logsumexp(x, over), x.axes))


def layer_norm(x: Node) -> Node:
    """The features of the last axis with mean 0 and variance 1 (eps 1e-5, no gain); Ba et al. 2016."""
    n = x.shape[-1]
    centred = b.sub(x, b.repeat(b.div(b.sum_feature(x), float(n)), -1, n))
    variance = b.div(b.sum_feature(b.power(centred, 2)), float(n))
    return b.div(centred, b.repeat(b.unary("sqrt", b.add(variance, EPSILON)), -1, n))


def batch_norm(x: Node, over: Sequence[str], running: tuple[Node, Node]) -> Node:
    """``x`` with mean 0 and variance 1 over index axes (eps 1e-5, no gain), after training by running averages.

    Over (t, batch) Ioffe and Szegedy 2015, with time as Laurent et al. 2016; over batch alone Cooijmans et al. 2017.
    """
    centred = b.sub(x, b.expand(b.statistic(mean(x, over), running[0], x.axes), x.axes))
    variance = b.statistic(mean(b.power(centred, 2), over), running[1], x.axes)
    return b.div(centred, b.unary("sqrt", b.add(variance, EPSILON)))


def squared_error(x: Node, y: Node) -> Node:
    """The mean over features of the squared difference."""
    return mean(b.power(b.sub(x, y), 2), ())


def soft_target(log_p: Node, target: Node) -> Node:
    """-sum(target * log_p): the cross-entropy with a distribution as target."""
    return b.neg(b.dot(target, log_p))


def semiring_product(x: Node, y: Node, gather: Callable[[Node], Node]) -> Node:
    """A matrix and a vector, with + for the product and ``gather`` (logsumexp, the largest) for the sum."""
    matrix, vector = (x, y) if len(x.shape) == 2 else (b.transpose(y), x)
    return gather(b.add(matrix, b.repeat(vector, 0, matrix.shape[0])))


def scaled_rows(v: Node, matrix: Node) -> Node:
    """diag(v) @ matrix, without the diagonal matrix."""
    return b.mul(b.repeat(v, -1, matrix.shape[-1]), matrix)


def scaled_columns(matrix: Node, v: Node) -> Node:
    """matrix @ diag(v), without the diagonal matrix."""
    return b.mul(matrix, b.repeat(v, 0, matrix.shape[0]))


def identity_matrix(n: int) -> Node:
    """Ones on the diagonal of an n by n matrix, zeros elsewhere."""
    place = b.cumsum(b.like(1.0, (), (n,)))
    return b.where(b.compare("==", b.repeat(place, -1, n), b.repeat(place, 0, n)), 1.0, 0.0)


def diagonal(v: Node) -> Node:
    """The matrix with ``v`` on its diagonal. In a product it is never made: see ``elaborate``."""
    return scaled_rows(v, identity_matrix(v.shape[0]))


def dropout(n: Nodes, x: Node, p: float, over: Over) -> Node:
    """``x`` with each feature zero with probability p, the others scaled by 1/(1-p); Srivastava et al. 2014.

    ``over`` an axis: one mask for all of it (Gal and Ghahramani 2016).
    """
    if p == 0:
        return x
    keep = n.mask(1.0 - p, [a for a in x.axes if a not in over], x.shape)
    return b.mul(x, b.div(keep, 1.0 - p))


def zoneout(n: Nodes, new: Node, old: Node, p: float) -> Node:
    """Each feature keeps its old value with probability p; Krueger et al. 2017."""
    if p == 0:
        return new
    new, old = b.align(b.number(new), b.number(old))
    held = n.mask(p, new.axes, new.shape)
    return b.add(b.mul(held, old), b.mul(b.sub(1.0, held), new))

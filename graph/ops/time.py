"""Index axes and time: operations that cross steps or sequences.

Unfolding replaces all of them except sums and repetitions over the batch, so that only those have a meaning
of their own in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import build as b
from ..expr import sort_axes
from .table import op

if TYPE_CHECKING:
    from ..expr import Node
    from ..steps import Steps
    from .table import Array

TypeOf = tuple[tuple[str, ...], tuple[int, ...], str]


def _expand(args: Sequence[Node], attr: Any) -> TypeOf:
    return attr, args[0].shape, args[0].dtype


def _without(args: Sequence[Node], attr: Any) -> TypeOf:
    return tuple(a for a in args[0].axes if a not in attr), args[0].shape, args[0].dtype


def _statistic(args: Sequence[Node], attr: Any) -> TypeOf:
    value, running = args
    if value.type != running.type or not set(value.axes) <= set(attr):
        raise TypeError(f"a statistic over {attr} of one type is needed, not {value!r} and {running!r}")
    return value.type


def _delay(args: Sequence[Node], attr: Any) -> TypeOf:
    source, *bounds = args
    axis, k = attr
    if source.op not in ("ref", "input"):
        raise TypeError("only a name can be read at another step: give the expression an equation of its own")
    if axis not in source.axes:
        raise TypeError(f"{source.attr} is not indexed by {axis}")
    if len(bounds) != abs(k):
        raise TypeError(f"a shift by {k} needs {abs(k)} boundary values, not {len(bounds)}")
    return source.type


def _at(args: Sequence[Node], attr: Any) -> TypeOf:
    axis, end, _ = attr
    source = args[0]
    if axis not in source.axes:
        raise TypeError(f"a value at one step needs a signal indexed by {axis}, not {source!r}")
    # the last step differs from sequence to sequence
    kept = [a for a in source.axes if a != axis] + (["b"] if end else [])
    return sort_axes(kept), source.shape, source.dtype


def _place(args: Sequence[Node], attr: Any) -> TypeOf:
    axis, end, _ = attr
    return sort_axes([*args[0].axes, axis] + (["b"] if end else [])), args[0].shape, args[0].dtype


def _first(args: Sequence[Node], attr: Any) -> TypeOf:
    at_first, rest = args
    if attr not in rest.axes or attr in at_first.axes:
        raise TypeError(f"a value for the first step of {attr} has no index {attr}, the other steps' has")
    return rest.type


def _total(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    """Over the batch, the one axis that is left when times are unfolded."""
    return np.asarray(x.sum(0))


def _delay_vjp(n: Node, out: Node, g: Node, steps: Steps) -> list[Node]:
    """An advance of the adjoint; the values before the start (after the end) are read at single steps."""
    axis, k = n.attr
    # the value at -j is read at step k - j of the call, whatever that one's number: only t has a start of its own;
    # that at T + j is read at step T + j - |k|
    before = None if axis == "t" else False
    places = [(before, k - j) for j in range(k)] or [(True, j + k) for j in range(1, -k + 1)]
    return [steps.shift(g, axis, -k), *[steps.at(g, axis, *place) for place in places]]


def _fit(g: Node, like: Node) -> Node:
    """An adjoint brought to the axes of its argument."""
    return b.expand(b.reduce(g, set(g.axes) - set(like.axes)), like.axes)


op("expand", "axes", type=_expand, vjp=lambda n, out, g: [b.reduce(g, set(n.axes) - set(n.args[0].axes))],
   jvp="linear", label="{0}", latex="{0}", cheap=True)  # fmt: skip
op("reduce", "axes", type=_without, meaning=_total, vjp=lambda n, out, g: [b.expand(g, n.attr)],
   jvp="linear")  # fmt: skip
op("amax", "axes", type=_without, meaning=lambda attr, batched, x: x.max(0), vjp=lambda n, out, g: [None])
# value of the batch, running average: the derivative, too, is one thing in training and another (zero) afterwards
op("statistic", "axes", type=_statistic, meaning=lambda attr, batched, x, running: x,
   vjp=lambda n, out, g: [b.statistic(g, 0.0, n.attr), None], jvp="linear")  # fmt: skip
op("delay", "time", type=_delay, vjp=_delay_vjp, jvp="linear", cheap=True)
op("at", "time", type=_at, vjp=lambda n, out, g, steps: [_fit(b.place(g, *n.attr), n.args[0])], jvp="linear")
op("place", "time", type=_place, vjp=lambda n, out, g, steps: [_fit(steps.at(g, *n.attr), n.args[0])],
   jvp="linear", cheap=True)  # fmt: skip
op("first", "time", type=_first,
   vjp=lambda n, out, g, steps: [_fit(steps.at(g, n.attr, False, 1), n.args[0]), b.first(0.0, g, n.attr)],
   jvp="linear", cheap=True)  # fmt: skip

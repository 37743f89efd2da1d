"""Operations along feature axes, and the one product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import build as b
from ..errors import CircuitError
from ..expr import sort_axes
from .table import op

if TYPE_CHECKING:
    from ..expr import Node
    from .table import Array

TypeOf = tuple[tuple[str, ...], tuple[int, ...], str]


def _vector(x: Node) -> None:
    if not x.shape:
        raise TypeError(f"a vector is needed, not the scalar {x!r}")


def _repeat(args: Sequence[Node], attr: Any) -> TypeOf:
    position, n = attr
    shape = args[0].shape
    return args[0].axes, (*shape[:position], n, *shape[position:]), args[0].dtype


def _repeat_meaning(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    position, n = attr
    at = position + int(batched[0])
    return np.broadcast_to(np.expand_dims(x, at), [*x.shape[:at], n, *x.shape[at:]])


def _sum_feature(args: Sequence[Node], attr: Any) -> TypeOf:
    _vector(args[0])
    shape = args[0].shape
    return args[0].axes, shape[:attr] + shape[attr + 1 :], "f"


def _transpose(args: Sequence[Node], attr: Any) -> TypeOf:
    return args[0].axes, args[0].shape[::-1], args[0].dtype


def _transpose_meaning(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    features = range(int(batched[0]), x.ndim)
    return np.transpose(x, [*range(int(batched[0])), *reversed(features)])


def _concat(args: Sequence[Node], attr: Any) -> TypeOf:
    first = args[0]
    for a in args:
        _vector(a)
        rest = (a.axes, a.shape[:attr], a.shape[attr + 1 :], a.dtype)
        if rest != (first.axes, first.shape[:attr], first.shape[attr + 1 :], first.dtype):
            raise TypeError(f"concat needs parts that differ in one size only, not {first!r} and {a!r}")
    total = sum(a.shape[attr] for a in args)
    return first.axes, (*first.shape[:attr], total, *first.shape[attr + 1 :]), first.dtype


def _concat_vjp(n: Node, out: Node, g: Node) -> list[Node]:
    parts, lo = [], 0
    for a in n.args:
        hi = lo + a.shape[n.attr]
        parts.append(b.slice_(g, n.attr, lo, hi))
        lo = hi
    return parts


def _concat_meaning(axis: int, batched: Sequence[bool], *xs: Array) -> Array:
    return np.concatenate(xs, axis + batched[0])


def _slice(args: Sequence[Node], attr: Any) -> TypeOf:
    axis, lo, hi = attr
    shape = args[0].shape
    if not 0 <= lo < hi <= shape[axis]:
        raise TypeError(f"no features {lo} to {hi} in a size of {shape[axis]}")
    return args[0].axes, (*shape[:axis], hi - lo, *shape[axis + 1 :]), args[0].dtype


def _slice_meaning(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    axis, lo, hi = attr
    return np.asarray(x[(slice(None),) * (axis + batched[0]) + (slice(lo, hi),)])


def _unslice(args: Sequence[Node], attr: Any) -> TypeOf:
    axis, _, n = attr
    shape = args[0].shape
    return args[0].axes, (*shape[:axis], n, *shape[axis + 1 :]), args[0].dtype


def _unslice_meaning(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    axis, lo, n = attr
    at = axis + int(batched[0])
    out = np.zeros([*x.shape[:at], n, *x.shape[at + 1 :]], x.dtype)
    out[(slice(None),) * at + (slice(lo, lo + x.shape[at]),)] = x
    return out


def _same_vector(args: Sequence[Node], attr: Any) -> TypeOf:
    _vector(args[0])
    return args[0].axes, args[0].shape, "f"


def _last_gone(dtype: str) -> Callable[[Sequence[Node], Any], TypeOf]:
    def rule(args: Sequence[Node], attr: Any) -> TypeOf:
        _vector(args[0])
        return args[0].axes, args[0].shape[:-1], dtype

    return rule


def _running(reverse: bool, batched: Sequence[bool], x: Array) -> Array:
    return np.flip(np.cumsum(np.flip(x, -1), -1), -1) if reverse else np.cumsum(x, -1)


def _softmax(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def _logsumexp(attr: Any, batched: Sequence[bool], x: Array) -> Array:
    top = x.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.asarray((top + np.log(np.exp(x - top).sum(-1, keepdims=True)))[..., 0])


def _softmax_vjp(n: Node, out: Node, g: Node) -> list[Node]:
    return [b.mul(out, g - b.repeat(b.sum_feature(b.mul(g, out)), -1, n.shape[-1]))]


def _softmax_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    # its Jacobian is symmetric: forward and reverse mode are the same map
    return None if tangents[0] is None else _softmax_vjp(n, out, tangents[0])[0]


def _logsumexp_vjp(n: Node, out: Node, g: Node) -> list[Node]:
    x = n.args[0]
    return [b.mul(b.repeat(g, -1, x.shape[-1]), b.softmax(x))]


def _logsumexp_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    return None if tangents[0] is None else b.sum_feature(b.mul(tangents[0], b.softmax(n.args[0])))


def _max_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    return None if tangents[0] is None else b.pick(tangents[0], b.argmax(n.args[0]))


# ---- the product ---------------------------------------------------------------------------------
def _contract(args: Sequence[Node], attr: Any) -> TypeOf:
    spec, over = attr
    x, y = args
    sx, sy, out = b.split_spec(spec)
    size: dict[str, int] = {}
    for letters, a in ((sx, x), (sy, y)):
        if len(letters) != len(a.shape):
            raise TypeError(f"a product of the form {spec} does not take the shapes {x.shape} and {y.shape}")
        for letter, n in zip(letters, a.shape, strict=True):
            if size.setdefault(letter, n) != n:
                raise TypeError(f"sizes do not fit in a product: {x.shape} and {y.shape}")
    axes = sort_axes({*x.axes, *y.axes} - set(over))
    return axes, tuple(size[letter] for letter in out), "f"


def _contract_meaning(attr: Any, batched: Sequence[bool], x: Array, y: Array) -> Array:
    spec, over = attr
    sx, sy, out = b.split_spec(spec)
    rows = ["Z" if flag else "" for flag in batched]
    kept = "Z" if any(batched) and not over else ""
    return np.asarray(np.einsum(f"{rows[0]}{sx},{rows[1]}{sy}->{kept}{out}", x, y, optimize=bool(over)))


def _contract_vjp(n: Node, out: Node, g: Node) -> list[Node]:
    x, y = n.args
    sx, sy, so = b.split_spec(n.attr[0])
    dx = b.contract(g, y, f"{so},{sy}->{sx}", {*g.axes, *y.axes} - set(x.axes))
    dy = b.contract(g, x, f"{so},{sx}->{sy}", {*g.axes, *x.axes} - set(y.axes))
    return [b.expand(dx, x.axes), b.expand(dy, y.axes)]


# ---- functions that only have a name -------------------------------------------------------------
def _opaque(args: Sequence[Node], attr: Any) -> TypeOf:
    _, shape = attr
    return sort_axes(a for x in args for a in x.axes), shape, "f"


def _undefined(attr: Any, *_: Any) -> Array:
    raise CircuitError(f"{attr[0]} is opaque, it has no value: to compute with it, define {attr[0]}(…) = …")


def _no_derivative(n: Node, *_: Any) -> list[Node | None]:
    raise CircuitError(f"{n.attr[0]} is opaque, it has no derivative: define it, {n.attr[0]}(…) = …")


op("repeat", "feature", type=_repeat, meaning=_repeat_meaning,
   vjp=lambda n, out, g: [b.sum_feature(g, n.attr[0])], jvp="linear", label="{0}", latex="{0}",
   cheap=True)  # fmt: skip
op("sum_feature", "feature", type=_sum_feature, meaning=lambda attr, batched, x: x.sum(attr + batched[0]),
   vjp=lambda n, out, g: [b.repeat(g, n.attr, n.args[0].shape[n.attr])], jvp="linear")  # fmt: skip
op("transpose", "feature", type=_transpose, meaning=_transpose_meaning,
   vjp=lambda n, out, g: [b.transpose(g)], jvp="linear", label="{0}.T", latex=r"{0}^\top",
   cheap=True)  # fmt: skip
op("concat", "feature", type=_concat, meaning=_concat_meaning, vjp=_concat_vjp, jvp="linear")
op("slice", "feature", type=_slice, meaning=_slice_meaning,
   vjp=lambda n, out, g: [b.unslice(g, n.attr[0], n.attr[1], n.args[0].shape[n.attr[0]])], jvp="linear",
   cheap=True)  # fmt: skip
op("unslice", "feature", type=_unslice, meaning=_unslice_meaning,
   vjp=lambda n, out, g: [b.slice_(g, n.attr[0], n.attr[1], n.attr[1] + n.args[0].shape[n.attr[0]])],
   jvp="linear")  # fmt: skip
op("cumsum", "feature", type=_same_vector, meaning=_running, vjp=lambda n, out, g: [b.cumsum(g, not n.attr)],
   jvp="linear", label="cumsum({0})", latex=r"\operatorname{{cumsum}}({0})")  # fmt: skip
op("softmax", "feature", type=_same_vector, meaning=_softmax, vjp=_softmax_vjp, jvp=_softmax_jvp,
   label="softmax({0})", latex=r"\operatorname{{softmax}}({0})")  # fmt: skip
op("logsumexp", "feature", type=_last_gone("f"), meaning=_logsumexp, vjp=_logsumexp_vjp, jvp=_logsumexp_jvp,
   label="logsumexp({0})", latex=r"\operatorname{{logsumexp}}({0})")  # fmt: skip
op("max_last", "feature", type=_last_gone("f"), meaning=lambda attr, batched, x: x.max(-1),
   vjp=lambda n, out, g: [b.put(g, b.argmax(n.args[0]), n.args[0].shape[-1])], jvp=_max_jvp)  # fmt: skip
op("argmax", "feature", type=_last_gone("i"), meaning=lambda attr, batched, x: x.argmax(-1),
   vjp=lambda n, out, g: [None], label="argmax({0})", latex=r"\operatorname{{argmax}}({0})")  # fmt: skip
op("contract", "feature", type=_contract, meaning=_contract_meaning, vjp=_contract_vjp, jvp="multilinear")
op("opaque", "feature", type=_opaque, meaning=_undefined, vjp=_no_derivative, jvp=_no_derivative)

"""Pointwise operations: all operands have one type, and so has the result.

At kinks: relu′(0) = abs′(0) = sqrt′(0) = step′(0) = 0 and step(0) = 0; a tie of maximum or minimum goes to
the first; ∂(a % b)/∂a = 1, ∂(a % b)/∂b = −floor(a/b).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import build as b
from .table import op

if TYPE_CHECKING:
    from ..expr import Node
    from .table import Array

RELATIONS: dict[str, Callable[..., Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _same(args: Sequence[Node], attr: Any) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    first = args[0]
    for a in args[1:]:
        if a.type != first.type:
            raise TypeError(f"operands of one type are needed, not {first!r} and {a!r}")
    return first.axes, first.shape, first.dtype


def _truth(args: Sequence[Node], attr: Any) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    return *_same(args, attr)[:2], "b"


def _chosen(args: Sequence[Node], attr: Any) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    condition, *branches = args
    if condition.dtype != "b":
        raise TypeError("where needs a comparison as its first argument, such as where(x[t] > 0, …)")
    kind = _same(branches, attr)
    if condition.axes != kind[0] or condition.shape != kind[1]:
        raise TypeError(f"operands of one type are needed, not {condition!r} and {branches[0]!r}")
    return kind


def _number(args: Sequence[Node], attr: Any) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    return args[0].axes, args[0].shape, "f"


def _exponent(p: float) -> int | float:
    """A whole exponent as a whole number: printed so, it may become multiplications."""
    return int(p) if float(p).is_integer() else p


def _function(
    name: str, meaning: Callable[[Array], Array], derivative: Callable[..., Node] | None, **entry: Any
) -> None:
    """A function of one number. ``derivative(x, out, g)`` is the adjoint of its argument, if it has one."""
    op(
        name,
        "pointwise",
        type=_same,
        meaning=lambda attr, batched, x: meaning(x),
        vjp=lambda n, out, g: [derivative(n.args[0], out, g) if derivative else None],
        jvp="pointwise" if derivative else None,
        scalar=entry.pop("scalar", name + "({0})"),
        label=entry.pop("label", name + "({0})"),
        latex=entry.pop("latex", rf"\operatorname{{{name}}}({{0}})"),
        **entry,
    )


def _sum(attr: Any, batched: Sequence[bool], *xs: Array) -> Array:
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return total


def _sigmoid(x: Array) -> Array:
    # exp only of what is not positive: no overflow, and exact in the negative tail
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


op("add", "pointwise", type=_same, meaning=_sum, vjp=lambda n, out, g: [g] * len(n.args), jvp="linear",
   scalar=lambda attr, xs: "(" + " + ".join(xs) + ")", cheap=True)  # fmt: skip
op("neg", "pointwise", type=_same, meaning=lambda attr, batched, x: -x, vjp=lambda n, out, g: [b.neg(g)],
   jvp="linear", scalar="(-{0})", cheap=True)  # fmt: skip
op("mul", "pointwise", type=_same, meaning=lambda attr, batched, x, y: x * y,
   vjp=lambda n, out, g: [b.mul(g, n.args[1]), b.mul(g, n.args[0])], jvp="pointwise",
   scalar="({0} * {1})", cheap=True)  # fmt: skip
op("div", "pointwise", type=_same, meaning=lambda attr, batched, x, y: x / y,
   vjp=lambda n, out, g: [b.div(g, n.args[1]), b.neg(b.div(b.mul(g, out), n.args[1]))], jvp="pointwise",
   scalar="({0} / {1})", cheap=True)  # fmt: skip
op("power", "pointwise", type=_same, meaning=lambda p, batched, x: x * x if p == 2 else np.power(x, p),
   vjp=lambda n, out, g: [b.mul(b.mul(n.attr, g), b.power(n.args[0], n.attr - 1))], jvp="pointwise",
   scalar=lambda p, xs: f"({xs[0]} * {xs[0]})" if p == 2 else f"power({xs[0]}, {_exponent(p)})",
   cheap=True)  # fmt: skip
op("where", "pointwise", type=_chosen, meaning=lambda attr, batched, c, x, y: np.where(c, x, y),
   vjp=lambda n, out, g: [None, b.where(n.args[0], g, b.zeros(g)), b.where(n.args[0], b.zeros(g), g)],
   jvp="pointwise", scalar="where({0}, {1}, {2})", label="where({0}, {1}, {2})",
   latex=r"\operatorname{{where}}({0}, {1}, {2})", cheap=True)  # fmt: skip
op("compare", "pointwise", type=_truth, meaning=lambda relation, batched, x, y: RELATIONS[relation](x, y),
   scalar=lambda relation, xs: f"({xs[0]} {relation} {xs[1]})", cheap=True)  # fmt: skip
op("number", "pointwise", type=_number, meaning=lambda attr, batched, x: np.asarray(x, dtype=np.float64),
   scalar="number({0})", label="{0}", latex="{0}", cheap=True)  # fmt: skip

_function("tanh", np.tanh, lambda x, out, g: g * (1.0 - b.power(out, 2)), latex=r"\tanh({0})")
_function("sigmoid", _sigmoid, lambda x, out, g: g * (out * (1.0 - out)), latex=r"\sigma({0})")
_function("relu", lambda x: np.where(x <= 0, 0.0, x), lambda x, out, g: g * b.unary("step", x), cheap=True)
_function("exp", np.exp, lambda x, out, g: g * out, latex=r"\exp({0})")
_function("log", np.log, lambda x, out, g: g / x, latex=r"\log({0})")
_function("sin", np.sin, lambda x, out, g: g * b.unary("cos", x), latex=r"\sin({0})")
_function("cos", np.cos, lambda x, out, g: -(g * b.unary("sin", x)), latex=r"\cos({0})")
_function(
    "sqrt",
    np.sqrt,
    lambda x, out, g: b.where(b.compare(">", out, 0.0), g * 0.5 / out, 0.0),
    latex=r"\sqrt{{{0}}}",
)
_function("abs", np.abs, lambda x, out, g: g * b.unary("sign", x), latex=r"\left|{0}\right|", cheap=True)
_function("sign", np.sign, None, cheap=True)
_function("step", lambda x: np.where(x > 0, 1.0, 0.0) + 0.0 * x, None, cheap=True)
_function("floor", np.floor, None, latex=r"\lfloor {0} \rfloor", cheap=True)
_function("softplus", lambda x: np.logaddexp(0.0, x), lambda x, out, g: g * b.unary("sigmoid", x))
op("copy", "pointwise", type=_same, meaning=lambda attr, batched, x: x, vjp=lambda n, out, g: [g],
   jvp="linear", scalar="{0}", label="{0}", latex="{0}", cheap=True)  # fmt: skip
_function("stop_gradient", lambda x: x, None, scalar="{0}", cheap=True)


def _two(
    name: str, meaning: Callable[[Array, Array], Array], partials: Callable[..., list[Node]], **entry: Any
) -> None:
    """A function of two numbers. ``partials(x, y, out, g)`` are the adjoints of both."""
    op(
        name,
        "pointwise",
        type=_same,
        meaning=lambda attr, batched, x, y: meaning(x, y),
        vjp=lambda n, out, g: partials(*n.args, out, g),
        jvp="pointwise",
        scalar=name + "({0}, {1})",
        label=entry.pop("label", name + "({0}, {1})"),
        latex=entry.pop("latex", rf"\operatorname{{{name}}}({{0}}, {{1}})"),
        **entry,
    )


def _selected(relation: str) -> Callable[..., list[Node]]:
    def partials(x: Node, y: Node, out: Node, g: Node) -> list[Node]:
        chosen = b.compare(relation, x, y)
        return [b.where(chosen, g, b.zeros(g)), b.where(chosen, b.zeros(g), g)]

    return partials


# np.maximum and np.minimum pass NaN on from either side
_two("maximum", np.maximum, _selected(">="), latex=r"\max({0}, {1})", cheap=True)
_two("minimum", np.minimum, _selected("<="), latex=r"\min({0}, {1})", cheap=True)
_two(
    "logaddexp",
    np.logaddexp,
    lambda x, y, out, g: [g * b.unary("sigmoid", x - y), g * b.unary("sigmoid", y - x)],
)
_two(
    "mod",
    np.mod,
    lambda x, y, out, g: [g, -(g * b.unary("floor", x / y))],
    label=None,
    latex=r"{0} \bmod {1}",
    cheap=True,
)

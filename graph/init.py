"""Initial values of parameters.

What multiplies is a weight, what is added a bias. Without a rule, weights start uniform within ±1/√n, n the last
size (the number of terms of a product W @ h), and biases at zero. Every parameter with two indices or more is a
weight; a vector or a scalar is one where the equations multiply it by something that varies (``w * h[t-1]``,
``dot(v, h[t])``, ``p * c[t-1]``): were it zero, nothing would pass there. So is the gain of ``layer_norm(e) * g``,
for which a rule of its own, 1, is usual. Rules are numbers, functions ``f(shape, rng)`` of a NumPy generator, or names:

    zeros, ones, identity
    uniform      within ±1/√n
    normal       standard deviation 1/√n
    orthogonal   orthonormal rows or columns
    glorot       within ±√(6 / (rows + columns))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CircuitError, did_you_mean
from .expr import Node, topological
from .random import philox_key, uniform

if TYPE_CHECKING:
    from .circuit import Circuit

    Array = np.ndarray[Any, Any]
    Rule = float | str | Callable[..., Any]
Shape = tuple[int, ...]


def initial_values(circuit: Circuit, seed: int = 0, dtype: Any = "float32") -> dict[str, Array]:
    """An array for each parameter. One parameter's values do not depend on which others there are."""
    if np.dtype(dtype) not in (np.dtype("float32"), np.dtype("float64")):
        raise CircuitError(f"init: parameters are float32 or float64, not {np.dtype(dtype)}")
    found = {}
    rules = initial_rules(circuit)
    for name, node in circuit.param_nodes.items():
        rule = rules[name]
        values = np.asarray(_by_rule(rule, name, node.shape, seed))
        if values.shape not in ((), node.shape):
            raise CircuitError(f"init: the rule of {name} gives the shape {values.shape}, expected {node.shape}")
        found[name] = np.broadcast_to(values, node.shape).astype(dtype)
    return found


def initial_rules(circuit: Circuit) -> dict[str, Rule]:
    """Parameter -> the rule by which it starts: that of ``init_rules``, else "uniform" of weights and 0.0 of biases."""
    weights = _multipliers(circuit)
    return {
        name: circuit.init_rules.get(name, "uniform" if len(node.shape) > 1 or name in weights else 0.0)
        for name, node in circuit.param_nodes.items()
    }


def described(rule: Rule, shape: Shape) -> str:
    """An initial rule in words: ``0``, ``uniform within ±1/√4``."""
    if isinstance(rule, str):
        return f"{rule} within ±1/√{_fan_in(shape)}" if rule == "uniform" else rule
    return "by a function" if callable(rule) else f"{rule:g}"


# ---- weights and biases ----------------------------------------------------------------------------
NUMBERS = frozenset(("const", "count", "length", "mask"))
"""Leaves of factors by which a bias stays one: of b * 0.1, b / sqrt(T), dropout(b, 0.5)."""
THROUGH = frozenset((
    "div", "power", "neg", "tanh", "relu", "abs", "sin", "sqrt", "sign", "expand", "reduce", "copy", "take", "pick",
    "repeat", "transpose", "slice", "unslice", "cumsum", "sum_feature",
))  # fmt: skip
"""Operations that give zero where their first argument is zero: tanh(w) * h[t-1] is silent where w is zero."""


def _multipliers(circuit: Circuit) -> set[str]:
    """The parameters that are a factor of a product with something that varies, or with another parameter."""
    found: set[str] = set()
    for n in topological(circuit.eqs.values()):
        if n.op in ("mul", "div", "contract"):
            left, right = n.args
            for factor, other in ((left, right), (right, left)):
                if not _is_number(circuit, other):
                    # what is multiplied by itself alone, as in a penalty b * b, is no factor of anything else
                    found |= _silencers(circuit, factor) - _silencers(circuit, other)
    return found


def _is_number(circuit: Circuit, n: Node) -> bool:
    """Whether it is made of numbers alone: the same for all parameters and inputs."""
    leaves = [m for m in topological([n]) if not m.args]
    return all(m.op in NUMBERS or (m.op == "param" and m.attr in circuit.constants and not m.shape) for m in leaves)


def _silencers(circuit: Circuit, factor: Node) -> set[str]:
    """The parameters each of which, were it zero, would make a factor (or a part of its vector) zero."""
    found: set[str] = set()
    seen, stack = {factor}, [factor]
    while stack:
        n = stack.pop()
        if n.op == "param":
            found.add(n.attr)
        for a in _passed(circuit, n):
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return found


def _passed(circuit: Circuit, n: Node) -> Iterable[Node]:
    """The arguments whose zeros are zeros of a node."""
    if n.op == "ref":  # of a value, not of a signal
        root = circuit.eqs[n.attr]
        return () if root.axes else (root,)
    if n.op in THROUGH:
        return n.args[:1]
    if n.op in ("mul", "contract", "concat"):
        return n.args
    return n.args[1:] if n.op == "where" else ()


def _by_rule(rule: Any, name: str, shape: Shape, seed: int) -> Any:
    if isinstance(rule, str):
        if rule not in RULES:
            near = did_you_mean(rule, RULES)
            raise CircuitError(
                f"init: there is no rule {rule!r} for {name}; expected a number, a function of (shape, rng) "
                f"or one of {', '.join(RULES)}" + (f"; {near}" if near else "")
            )
        if rule in MATRIX_RULES and len(shape) != 2:
            raise CircuitError(f"init: the rule {rule!r} is for matrices, {name} has the shape {shape}")
        return RULES[rule](shape, lambda part="": uniform(seed, f"init.{name}{part}", shape))
    if callable(rule):
        return rule(shape, np.random.default_rng(philox_key(seed, f"init.{name}")))
    return rule


def _fan_in(shape: Shape) -> int:
    return shape[-1] if shape else 1


def _gauss(u: Callable[..., Array]) -> Array:
    """Normal numbers from two uniform ones (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log1p(-u()))
    return np.asarray(radius * np.cos(2.0 * np.pi * u(".angle")))


def _orthogonal(shape: Shape, u: Callable[..., Array]) -> Array:
    rows, columns = shape
    gauss = _gauss(u)
    q, r = np.linalg.qr(gauss if rows >= columns else gauss.T)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # so that q is uniform over orthogonal matrices
    return q if rows >= columns else q.T


RULES: dict[str, Callable[[Shape, Callable[..., Array]], Any]] = {
    "zeros": lambda shape, u: 0.0,
    "ones": lambda shape, u: 1.0,
    "identity": lambda shape, u: np.eye(shape[0], shape[1]),
    "uniform": lambda shape, u: (2.0 * u() - 1.0) / sqrt(_fan_in(shape)),
    "normal": lambda shape, u: _gauss(u) / sqrt(_fan_in(shape)),
    "orthogonal": _orthogonal,
    "glorot": lambda shape, u: (2.0 * u() - 1.0) * sqrt(6.0 / (shape[0] + shape[1])),
}
MATRIX_RULES = frozenset(("identity", "orthogonal", "glorot"))

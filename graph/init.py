"""Initial values of parameters.

Without a rule, vectors and scalars start at zero and all else is uniform within ±1/√n, n its last size (the
number of terms of a product W @ h). Rules are numbers, functions ``f(shape, rng)`` of a NumPy generator, or
names:

    zeros, ones, identity
    uniform      within ±1/√n
    normal       standard deviation 1/√n
    orthogonal   orthonormal rows or columns
    glorot       within ±√(6 / (rows + columns))
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CircuitError, did_you_mean
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
    for name, node in circuit.param_nodes.items():
        rule = circuit.init_rules.get(name, "uniform" if len(node.shape) > 1 else 0.0)
        values = np.asarray(_by_rule(rule, name, node.shape, seed))
        if values.shape not in ((), node.shape):
            raise CircuitError(f"init: the rule of {name} gives the shape {values.shape}, expected {node.shape}")
        found[name] = np.broadcast_to(values, node.shape).astype(dtype)
    return found


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

"""What generated kernels call: functions of numbers, random numbers, and what goes through a row in turn.

All work in the type of their first argument: float32 stays float32. Every sum has one order, which depends on
shapes alone, and NaN in an operand that counts comes out as NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from ...graph.random import MULTIPLIERS, ROUNDS, WEYL
from .jit import function, implement

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


# ---- numbers -------------------------------------------------------------------------------------
def like(x: float, constant: float) -> float:
    """``constant`` in the type of ``x``: a plain number would turn float32 into float64."""
    return type(x)(constant)


def _like(x: Any, constant: Any) -> Callable[[Any, Any], Any]:
    if x == types.float32:
        return lambda x, constant: np.float32(constant)
    return lambda x, constant: np.float64(constant)


def tanh(x: float) -> float:
    """In float64 the library's; in float32 that of Cephes, to 2 ulp: a polynomial near 0, beyond it exp."""
    return math.tanh(x)


def _tanh(x: Any) -> Callable[[Any], Any]:
    return _tanh_single if x == types.float32 else lambda x: math.tanh(x)


def _tanh_single(x: Any) -> Any:
    size = abs(x)
    if size > np.float32(0.625):
        far = np.float32(1) - np.float32(2) / (math.exp(size + size) + np.float32(1))
        return far if x > np.float32(0) else -far
    s = x * x
    p = np.float32(-5.70498872745e-3) * s + np.float32(2.06390887954e-2)
    p = (p * s - np.float32(5.37397155531e-2)) * s + np.float32(1.33314422036e-1)
    return (p * s - np.float32(3.33332819422e-1)) * s * x + x


implement(like, _like)
implement(tanh, _tanh)


@function
def sigmoid(x: float) -> float:
    e = math.exp(-abs(x))
    one = like(x, 1.0)
    return one / (one + e) if x >= like(x, 0.0) else e / (one + e)


@function
def relu(x: float) -> float:
    return like(x, 0.0) if x <= like(x, 0.0) else x


@function
def step(x: float) -> float:
    """1 above 0, else 0; NaN stays."""
    return like(x, 1.0) if x > like(x, 0.0) else x if x != x else like(x, 0.0)


@function
def sign(x: float) -> float:
    zero = like(x, 0.0)
    return like(x, 1.0) if x > zero else like(x, -1.0) if x < zero else x if x != x else zero


@function
def floor(x: float) -> float:
    return like(x, np.floor(x))


@function
def logaddexp(x: float, y: float) -> float:
    if x == y:  # infinities too
        return x + like(x, math.log(2.0))
    high, low = (x, y) if x > y else (y, x)
    return high + math.log1p(math.exp(low - high))


@function
def softplus(x: float) -> float:
    return logaddexp(like(x, 0.0), x)


@function
def maximum(x: float, y: float) -> float:
    """The first of equals; NaN from either side."""
    return x if x >= y or x != x else y


@function
def minimum(x: float, y: float) -> float:
    """The first of equals; NaN from either side."""
    return x if x <= y or x != x else y


@function
def mod(x: float, y: float) -> float:
    """What is left of ``x``, with the sign of ``y``."""
    return like(x, np.mod(x, y))


@function
def power(x: float, p: float) -> float:
    if p == 3:
        return x * x * x
    if p == -1:
        return like(x, 1.0) / x
    return like(x, math.pow(x, p))


# ---- random numbers ------------------------------------------------------------------------------
M0, M1 = (np.uint64(m) for m in MULTIPLIERS)
W0, W1 = (np.uint64(w) for w in WEYL)
WORD, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@function
def random(k0: int, k1: int, p: float, t: int, s: int, row: int, unit: int) -> bool:
    """Whether the number in [0, 1) of a counter is below ``p``: Philox 4x32-10, as in ``graph/random.py``."""
    c0, c1, c2, c3 = np.uint64(t), np.uint64(s), np.uint64(row), np.uint64(unit)
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(ROUNDS):
        p0, p1 = c0 * M0, c2 * M1
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ a, p1 & WORD, (p0 >> HALF) ^ c3 ^ b, p0 & WORD
        a, b = (a + W0) & WORD, (b + W1) & WORD
    return float(c0) * 2.0**-32 < p


# ---- rows: the others, all lanes at once, are in vector/rows.py --------------------------------------
@function
def argmax(x: Array) -> int:
    """The first of the highest; NaN is highest."""
    best = 0
    for i in range(1, len(x)):
        if x[i] > x[best] or (x[i] != x[i] and x[best] == x[best]):
            best = i
    return best


@function
def cumsum(x: Array, out: Array) -> None:
    total = like(x[0], 0.0)
    for i in range(len(x)):
        total += x[i]
        out[i] = total


@function
def cumsum_reversed(x: Array, out: Array) -> None:
    total = like(x[0], 0.0)
    for i in range(len(x) - 1, -1, -1):
        total += x[i]
        out[i] = total


@function
def nll(p: Array, symbol: int) -> float:
    if symbol < 0:
        return like(p[0], 0.0)
    return -math.log(p[symbol] if symbol < len(p) else like(p[0], 0.0))

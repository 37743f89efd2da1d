"""What generated kernels call: scalar functions, random numbers, row operations and products.

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


# ---- rows ----------------------------------------------------------------------------------------
@function
def highest(x: Array) -> float:
    top: float = x[0]
    for i in range(1, len(x)):
        top = maximum(top, x[i])
    return top


@function
def argmax(x: Array) -> int:
    """The first of the highest; NaN is highest."""
    best = 0
    for i in range(1, len(x)):
        if x[i] > x[best] or (x[i] != x[i] and x[best] == x[best]):
            best = i
    return best


@function
def softmax(x: Array, out: Array) -> None:
    top = highest(x)
    total = like(top, 0.0)
    for i in range(len(x)):
        e = math.exp(x[i] - top)
        out[i] = e
        total += e
    for i in range(len(x)):
        out[i] = out[i] / total


@function
def logsumexp(x: Array) -> float:
    top = highest(x)
    if not math.isfinite(top):
        top = like(top, 0.0)
    total = like(top, 0.0)
    for i in range(len(x)):
        total += math.exp(x[i] - top)
    return top + math.log(total)


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
def cross_entropy(x: Array, symbol: int) -> float:
    if symbol < 0:
        return like(x[0], 0.0)
    top = highest(x)
    total = like(top, 0.0)
    for i in range(len(x)):
        total += math.exp(x[i] - top)
    score = x[symbol] if symbol < len(x) else like(top, 0.0)
    return top + math.log(total) - score


@function
def nll(p: Array, symbol: int) -> float:
    if symbol < 0:
        return like(p[0], 0.0)
    return -math.log(p[symbol] if symbol < len(p) else like(p[0], 0.0))


# ---- products ------------------------------------------------------------------------------------
@function
def multiply_row(x: Array, w: Array, out: Array) -> None:
    """``out = x @ w``, the products added in the order of ``x``."""
    for i in range(len(out)):
        out[i] = 0
    add_product_row(x, w, out)


@function
def add_product_row(x: Array, w: Array, out: Array) -> None:
    """``out += x @ w``, the products added in the order of ``x``."""
    size, width = w.shape  # rows of x and out may be padded
    whole = size - size % 4
    for k in range(0, whole, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
        for i in range(width):
            out[i] = out[i] + x0 * w0[i] + x1 * w1[i] + x2 * w2[i] + x3 * w3[i]
    for k in range(whole, size):
        x0, w0 = x[k], w[k]
        for i in range(width):
            out[i] += x0 * w0[i]


@function
def multiply(order: Array, rows: int, x: Array, w: Array, out: Array) -> None:
    """``multiply_row`` for the first ``rows`` rows in ``order``, the same bits."""
    for q in range(rows):
        row = out[order[q]]
        for i in range(len(row)):
            row[i] = 0
    add_product(order, rows, x, w, out)


@function
def add_product(order: Array, rows: int, x: Array, w: Array, out: Array) -> None:
    """``add_product_row`` for the first ``rows`` rows in ``order``, the same bits, four rows a pass."""
    size, width = w.shape
    quads = rows - rows % 4
    whole = size - size % 4
    for q in range(0, quads, 4):
        xa, xb, xc, xd = x[order[q]], x[order[q + 1]], x[order[q + 2]], x[order[q + 3]]
        a, b, c, d = out[order[q]], out[order[q + 1]], out[order[q + 2]], out[order[q + 3]]
        for k in range(0, whole, 4):
            a0, a1, a2, a3 = xa[k], xa[k + 1], xa[k + 2], xa[k + 3]
            b0, b1, b2, b3 = xb[k], xb[k + 1], xb[k + 2], xb[k + 3]
            c0, c1, c2, c3 = xc[k], xc[k + 1], xc[k + 2], xc[k + 3]
            d0, d1, d2, d3 = xd[k], xd[k + 1], xd[k + 2], xd[k + 3]
            w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
            for i in range(width):
                v0, v1, v2, v3 = w0[i], w1[i], w2[i], w3[i]
                a[i] = a[i] + a0 * v0 + a1 * v1 + a2 * v2 + a3 * v3
                b[i] = b[i] + b0 * v0 + b1 * v1 + b2 * v2 + b3 * v3
                c[i] = c[i] + c0 * v0 + c1 * v1 + c2 * v2 + c3 * v3
                d[i] = d[i] + d0 * v0 + d1 * v1 + d2 * v2 + d3 * v3
        for k in range(whole, size):
            a0, b0, c0, d0, w0 = xa[k], xb[k], xc[k], xd[k], w[k]
            for i in range(width):
                v0 = w0[i]
                a[i] += a0 * v0
                b[i] += b0 * v0
                c[i] += c0 * v0
                d[i] += d0 * v0
    for q in range(quads, rows):
        add_product_row(x[order[q]], w, out[order[q]])


@function
def add_outer(order: Array, rows: int, x: Array, y: Array, out: Array, height: int, width: int) -> None:
    """``out[i, j] += Σ x[row, i] * y[row, j]`` over the first ``rows`` rows in ``order``, in this order."""
    whole = rows - rows % 8
    for q in range(0, whole, 8):
        # one row of out at a time: with more of them the compiler does not see that they are apart
        x0, x1, x2, x3 = x[order[q]], x[order[q + 1]], x[order[q + 2]], x[order[q + 3]]
        x4, x5, x6, x7 = x[order[q + 4]], x[order[q + 5]], x[order[q + 6]], x[order[q + 7]]
        y0, y1, y2, y3 = y[order[q]], y[order[q + 1]], y[order[q + 2]], y[order[q + 3]]
        y4, y5, y6, y7 = y[order[q + 4]], y[order[q + 5]], y[order[q + 6]], y[order[q + 7]]
        for i in range(height):
            a = out[i]
            a0, a1, a2, a3, a4, a5, a6, a7 = x0[i], x1[i], x2[i], x3[i], x4[i], x5[i], x6[i], x7[i]
            for j in range(width):
                total = a[j] + a0 * y0[j] + a1 * y1[j] + a2 * y2[j] + a3 * y3[j]
                a[j] = total + a4 * y4[j] + a5 * y5[j] + a6 * y6[j] + a7 * y7[j]
    for q in range(whole, rows):
        x0, y0 = x[order[q]], y[order[q]]
        for i in range(height):
            a, a0 = out[i], x0[i]
            for j in range(width):
                a[j] += a0 * y0[j]

"""Sums, maxima and what is made of them over the first n numbers of a padded row, vector by vector.

A row is an array and the index of its first element; behind its n numbers there is room for the lanes of the last
vector, and anything may be in it. Sums go into four vectors in turn, which are added pairwise and lane by lane at the
end: their order depends on n alone. NaN and infinities mean what they do in the interpreter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..functions import like
from ..jit import function, implement
from .functions import exp, maximum
from .memory import address, load, load_first, store, store_first, view
from .numba_api import types
from .types import count_lanes, first, highest_lane, only_compiled, splat, total, where

Array = Any


def sum_row(array: Array, index: Any, n: int) -> float:
    """The sum of n numbers; 0 of none."""
    return float(only_compiled("sum_row"))


def highest_row(array: Array, index: Any, n: int) -> float:
    """The highest of n >= 1 numbers; NaN if one is NaN."""
    return float(only_compiled("highest_row"))


def logsumexp_row(array: Array, index: Any, n: int) -> float:
    """log(sum(exp(x))) of n >= 1 numbers; the highest where that is infinite or NaN."""
    return float(only_compiled("logsumexp_row"))


def softmax_row(array: Array, index: Any, out: Array, at: Any, n: int) -> None:
    """exp(x) / sum(exp(x)) of n >= 1 numbers, to the n elements of ``out`` from ``at`` on; may be the same ones."""
    only_compiled("softmax_row")


def cross_entropy_row(array: Array, index: Any, n: int, symbol: int) -> float:
    """logsumexp of n >= 1 scores less that of the symbol, by which 0 is meant from n on; 0 for a negative symbol."""
    return float(only_compiled("cross_entropy_row"))


def scored_row(array: Array, index: Any, out: Array, at: Any, n: int, symbol: int) -> float:
    """``cross_entropy_row``, and what ``softmax_row`` writes: the same bits, with one sum of exponentials for both."""
    return float(only_compiled("scored_row"))


# ---- on rows that are arrays -----------------------------------------------------------------------
@function
def _sum(x: Array, n: int, number: Any) -> Any:
    lanes = count_lanes(number)
    a = splat(0.0, number)
    b, c, d = a, a, a
    k = 0
    while k + 4 * lanes <= n:
        a += load(x, k)
        b += load(x, k + lanes)
        c += load(x, k + 2 * lanes)
        d += load(x, k + 3 * lanes)
        k += 4 * lanes
    while k < n:  # at most four: one is not whole
        a, b, c, d = b, c, d, a + load_first(x, k, n - k)
        k += lanes
    return total((a + b) + (c + d))


@function
def _highest(x: Array, n: int, number: Any) -> Any:
    lanes = count_lanes(number)
    top = splat(x[0], number)
    k = 0
    while k + lanes <= n:
        top = maximum(top, load(x, k))
        k += lanes
    if k < n:
        top = where(first(n - k, number), maximum(top, load_first(x, k, n - k)), top)
    return highest_lane(top)


@function
def _sum_of_exp(x: Array, n: int, top: float, number: Any) -> Any:
    lanes = count_lanes(number)
    a = splat(0.0, number)
    b = a
    k = 0
    while k + lanes <= n:
        a, b = b, a + exp(load(x, k) - top)
        k += lanes
    if k < n:
        a, b = b, a + where(first(n - k, number), exp(load_first(x, k, n - k) - top), 0.0)
    return total(a + b)


@function
def _logsumexp(x: Array, n: int, number: Any) -> Any:
    top = _highest(x, n, number)
    if not math.isfinite(top):
        top = like(top, 0.0)
    return top + math.log(_sum_of_exp(x, n, top, number))


@function
def _softmax(x: Array, out: Array, n: int, number: Any) -> Any:
    """The highest, and the sum of exponentials."""
    lanes = count_lanes(number)
    top = _highest(x, n, number)
    a = splat(0.0, number)
    b = a
    k = 0
    while k + lanes <= n:
        e = exp(load(x, k) - top)
        store(out, k, e)
        a, b = b, a + e
        k += lanes
    if k < n:
        e = where(first(n - k, number), exp(load_first(x, k, n - k) - top), 0.0)
        store_first(out, k, e, n - k)
        a, b = b, a + e
    sum_ = total(a + b)
    k = 0
    while k + lanes <= n:
        store(out, k, load(out, k) / sum_)
        k += lanes
    if k < n:
        store_first(out, k, load_first(out, k, n - k) / sum_, n - k)
    return top, sum_


@function
def _cross_entropy(x: Array, n: int, symbol: int, number: Any) -> Any:
    if symbol < 0:
        return like(x[0], 0.0)
    top = _highest(x, n, number)
    score = x[symbol] if symbol < n else like(top, 0.0)
    return top + math.log(_sum_of_exp(x, n, top, number)) - score


@function
def _scored(x: Array, out: Array, n: int, symbol: int, number: Any) -> Any:
    score = x[symbol] if 0 <= symbol < n else like(x[0], 0.0)
    top, sum_ = _softmax(x, out, n, number)
    if symbol < 0:
        return like(top, 0.0)
    return top + math.log(sum_) - score


# ---- on rows of arrays -----------------------------------------------------------------------------
def _number(array: Any) -> Any:
    """The class of an array's numbers, if they are of those that vectors have."""
    if isinstance(array, types.Array) and array.dtype in (types.float32, types.float64):
        return np.dtype(str(array.dtype)).type
    return None


def _of_row(inner: Callable[..., Any]) -> Callable[..., Any]:
    """What calls ``inner`` with the row as an array of its own."""

    def by_types(array: Any, index: Any, n: Any) -> Any:
        number = _number(array)
        return number and (lambda array, index, n: inner(view(address(array, index), n, number), n, number))

    return by_types


def _softmax_by_types(array: Any, index: Any, out: Any, at: Any, n: Any) -> Any:
    number = _number(array)
    if number is None or out.dtype != array.dtype:
        return None

    def softmax(array: Array, index: Any, out: Array, at: Any, n: int) -> None:
        _softmax(view(address(array, index), n, number), view(address(out, at), n, number), n, number)

    return softmax


def _scored_by_types(array: Any, index: Any, out: Any, at: Any, n: Any, symbol: Any) -> Any:
    number = _number(array)
    if number is None or out.dtype != array.dtype:
        return None
    return lambda array, index, out, at, n, symbol: _scored(
        view(address(array, index), n, number), view(address(out, at), n, number), n, symbol, number
    )


def _cross_entropy_by_types(array: Any, index: Any, n: Any, symbol: Any) -> Any:
    number = _number(array)
    return number and (
        lambda array, index, n, symbol: _cross_entropy(view(address(array, index), n, number), n, symbol, number)
    )


implement(sum_row, _of_row(_sum))
implement(highest_row, _of_row(_highest))
implement(logsumexp_row, _of_row(_logsumexp))
implement(softmax_row, _softmax_by_types)
implement(cross_entropy_row, _cross_entropy_by_types)
implement(scored_row, _scored_by_types)

"""Choosing a symbol from the scores of a step: they become log p in float64, and the highest is taken, or one is drawn.

Sums are in the order of the symbols, so a choice depends on nothing but its row. Arrays have ROOM behind n numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import function
from .vector.functions import exp
from .vector.memory import load, store
from .vector.types import count_lanes

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

#: numbers of float64 behind a row of n, so that a vector can begin at its last: any host's
ROOM = 16


@function
def log_probabilities(logs: Array, n: int, probabilities: int, odds: Array) -> bool:
    """log p of n scores in their place; whether all of them are finite. ``odds`` is overwritten."""
    top = -math.inf
    for i in range(n):
        if not math.isfinite(logs[i]):
            return False
        top = max(top, logs[i])
    lanes = count_lanes(np.float64)
    if probabilities:
        for i in range(n):
            logs[i] = math.log(logs[i]) if logs[i] != 0.0 else -math.inf
        return True
    for i in range(0, n, lanes):
        shifted = load(logs, i) - top
        store(logs, i, shifted)
        store(odds, i, exp(shifted))
    total = 0.0
    for i in range(n):
        total += odds[i]
    total = math.log(total)
    for i in range(0, n, lanes):
        store(logs, i, load(logs, i) - total)
    return True


@function
def most_probable(logs: Array, n: int, before: float) -> int:
    """The first of the highest of ``before + logs``; −1 where none is above minus infinity, or one is NaN."""
    best, top = -1, -math.inf
    for i in range(n):
        value = before + logs[i]
        if value != value:
            return -1
        if value > top:
            best, top = i, value
    return best


@function
def drawn(logs: Array, n: int, temperature: float, top_k: int, uniform: float, odds: Array) -> int:
    """One of softmax(logs / temperature), of the k highest; −1 where all are minus infinity, or one is NaN."""
    top = -math.inf
    for i in range(n):
        if logs[i] != logs[i]:
            return -1
        top = max(top, logs[i])
    if top == -math.inf:
        return -1
    if 0 < top_k < n:
        least = kth_highest(logs, n, top_k, odds)
        for i in range(n):
            if logs[i] < least:
                logs[i] = -math.inf
    for i in range(0, n, count_lanes(np.float64)):
        store(odds, i, exp((load(logs, i) - top) / temperature))
    total = 0.0
    for i in range(n):
        total += odds[i]
        odds[i] = total
    place, wanted = 0, uniform * total
    while place < n - 1 and odds[place] <= wanted:
        place += 1
    while logs[place] == -math.inf:  # rounding: what is never drawn has no odds
        place -= 1
    return place


@function
def kth_highest(values: Array, n: int, k: int, found: Array) -> float:
    """The k-th highest of n numbers; the k highest are found in falling order."""
    count = 0
    for i in range(n):
        value = values[i]
        if count == k and value <= found[k - 1]:
            continue
        place = count if count < k else k - 1
        while place > 0 and found[place - 1] < value:
            found[place] = found[place - 1]
            place -= 1
        found[place] = value
        count = min(count + 1, k)
    return float(found[k - 1])

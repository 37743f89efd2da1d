"""Choosing and stepping in native blocks, where choices are plain functions of the scores: ``decode``, ``generate``.

What a block does not cover goes on step by step from Python, with the same result.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..data import Array
from .search import Search
from .steps import Rows

if TYPE_CHECKING:
    from ...compiler.stepping import Choice

#: fewer choices of all rows than these begin no block: the loop is loaded once a process, compiled once a machine
FEWEST = 64
#: steps of a first block, and at most; seconds that one takes at most, about: between blocks Python may interrupt
FIRST, MOST, SECONDS = 64, 4096, 0.2


def run_ahead(rows: Rows, search: Search, scores: Array, never: Sequence[int]) -> tuple[Array, int]:
    """Choose, step, choose … as far as native blocks go.

    scores  [B, n], by which the next symbols are chosen
    Returns those by which the symbols after the last steps are chosen, and how many steps were run.
    """
    ran, size, name = 0, FIRST, rows.of.scores.name
    while not search.done:
        left = search.left()
        most = 0 if left is None else int(left.max())
        if rows.room is not None:
            most = min(most, rows.room)
        if left is None or not rows.in_blocks or not most or (not ran and most * rows.size < FEWEST):
            break
        size = min(size, most)
        begun = time.perf_counter()
        found = rows.block(_choice(rows, search, never), scores, left, search.before(), search.uniform(size))
        if found is None:
            search.take(np.zeros((0, rows.size), np.int64), np.zeros((0, rows.size)))  # random numbers are put back
            break
        search.take(found.symbols, found.logs)
        if found.output is not None:
            scores, ran = found.output.value[name][0], ran + found.steps
        if len(found.symbols) < size:
            break
        taken = max(time.perf_counter() - begun, 1e-6)
        size = max(1, size // 8, int(min(MOST, 8 * size, size * SECONDS / taken)))
    return scores, ran


def _choice(rows: Rows, search: Search, never: Sequence[int]) -> Choice:
    from ...compiler.stepping import Choice

    scores = rows.of.scores
    return Choice(
        scores.name,
        probabilities=scores.loss == "nll",
        temperature=search.temperature,
        top_k=search.top_k,
        never=tuple(never),
        stop=-1 if search.stop is None else search.stop,
    )

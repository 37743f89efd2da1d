"""Counted n-grams against counting one by one, and against the gradient that is a table of counts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn import NGrams
from bptt.rnn.data import DataError

SYMBOLS, ORDER = 4, 3
LENGTHS = [30, 1, 12, 2]


def sequences(seed: int = 0) -> tuple[Any, list[list[int]]]:
    """Symbols [T, B] with nonsense beyond the lengths, and each sequence as a list."""
    x = np.random.default_rng(seed).integers(0, SYMBOLS, (max(LENGTHS), len(LENGTHS)))
    alone = [x[:n, row].tolist() for row, n in enumerate(LENGTHS)]
    for row, n in enumerate(LENGTHS):
        x[n:, row] = 99
    return x, alone


def runs(alone: list[list[int]], n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(a[i : i + n]) for a in alone for i in range(len(a) - n + 1))


def witten_bell(alone: list[list[int]], context: tuple[int, ...], symbol: int) -> float:
    """The definition, with a dictionary for each length."""
    shorter = witten_bell(alone, context[1:], symbol) if context else 1 / SYMBOLS
    followed = {run[-1]: k for run, k in runs(alone, len(context) + 1).items() if run[:-1] == context}
    if not followed:
        return shorter
    n, d = sum(followed.values()), len(followed)
    return (followed.get(symbol, 0) + d * shorter) / (n + d)


def test_counts_are_those_of_counting_one_by_one() -> None:
    x, alone = sequences()
    counted = NGrams.count(x, ORDER, SYMBOLS, lengths=LENGTHS)
    expected = [runs(alone, n) for n in (1, 2, 3)]
    assert counted.entries == tuple(len(e) for e in expected)
    for run, k in [*expected[0].items(), *expected[1].items(), *expected[2].items()]:
        assert counted.number(run) == k
    never = next(r for r in np.ndindex(*[SYMBOLS] * ORDER) if r not in expected[2])
    assert counted.number(never) == 0


def test_counts_of_pairs_are_the_gradient_of_ngram_counts() -> None:
    x, _ = sequences()
    net = rnn.ngram_counts(A=(SYMBOLS, SYMBOLS))
    program = compiler.compile(net, target="interpret", dtype="float64")
    table = program(net.init(dtype="float64"), x=np.minimum(x, SYMBOLS - 1), lengths=LENGTHS).grad["A"]
    counted = NGrams.count(x, 2, SYMBOLS, lengths=LENGTHS)
    np.testing.assert_array_equal(table, [[counted.number((i, j)) for j in range(4)] for i in range(4)])


def test_probabilities_are_those_of_the_definition() -> None:
    x, alone = sequences()
    counted = NGrams.count(x, ORDER, SYMBOLS, lengths=LENGTHS)
    y, others = sequences(1)
    logs = counted.log_probabilities(y, lengths=LENGTHS)
    assert logs.shape == y.shape
    for row, other in enumerate(others):
        expected = [witten_bell(alone, tuple(other[max(0, i - 2) : i]), w) for i, w in enumerate(other)]
        np.testing.assert_allclose(logs[: len(other), row], np.log(expected), rtol=1e-12)
        np.testing.assert_array_equal(logs[len(other) :, row], 0)
    assert counted.perplexity(y, lengths=LENGTHS) == pytest.approx(np.exp(-logs.sum() / sum(LENGTHS)))


def test_probabilities_sum_to_one_in_every_context() -> None:
    counted = NGrams.count(sequences()[1][0], ORDER, SYMBOLS)
    for context in np.ndindex(SYMBOLS, SYMBOLS):
        ends = [counted.log_probabilities([*context, w])[-1] for w in range(SYMBOLS)]
        assert np.exp(ends).sum() == pytest.approx(1, abs=1e-12)


def test_share_of_unseen_runs() -> None:
    x, alone = sequences()
    counted = NGrams.count(x, ORDER, SYMBOLS, lengths=LENGTHS)
    assert counted.unseen(x, lengths=LENGTHS) == 0
    y, others = sequences(1)
    new = runs(others, ORDER)
    expected = sum(k for r, k in new.items() if r not in runs(alone, ORDER)) / sum(new.values())
    assert 0 < expected < 1
    assert counted.unseen(y, lengths=LENGTHS) == pytest.approx(expected)


def test_no_run_reaches_over_what_is_no_symbol() -> None:
    counted = NGrams.count([0, 1, -1, 2, 3], 2, SYMBOLS)
    assert counted.entries == (4, 2)
    assert counted.number((1, 2)) == 0
    assert counted.log_probabilities([0, -1, 1])[1] == 0
    np.testing.assert_array_equal(
        counted.log_probabilities([0, -1, 1])[[0, 2]],
        [counted.log_probabilities([k])[0] for k in (0, 1)],
    )


def test_long_runs_of_many_symbols_do_not_overflow() -> None:
    """A million symbols to the fifth power is more than 64 bits hold."""
    x = np.random.default_rng(0).integers(0, 1_000_000, 500)
    counted = NGrams.count(x, 5, 1_000_000)
    assert counted.entries[4] == 496
    assert counted.unseen(x) == 0
    assert counted.number(x[100:105].tolist()) == 1


@pytest.mark.parametrize(
    ("x", "order", "lengths", "message"),
    [
        ([0, 1, 4], 2, None, "symbols from 0 to 3 .* got 4 at 2"),
        ([[0, -2]], 2, None, r"got -2 at \(0, 1\)"),
        ([0.5], 2, None, "whole numbers"),
        ([0], 0, None, "order of n-grams"),
        ([-1], 1, None, "at least one symbol"),
        ([0, 1], 1, [2], "lengths of 1 to T"),
    ],
)
def test_what_are_no_symbols_is_refused(x: Any, order: int, lengths: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        NGrams.count(x, order, SYMBOLS, lengths=lengths)
    with pytest.raises(DataError, match="run of 1 to 2"):
        NGrams.count([0, 1], 2, SYMBOLS).number([0, 1, 0])

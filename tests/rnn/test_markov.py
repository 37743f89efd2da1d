"""Markov chains by gradient: the probabilities that they end with are relative frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.rnn import optim

SYMBOLS, STEPS, ROWS = 4, 12, 40
LENGTHS = np.arange(ROWS) % STEPS + 1


def chains(seed: int = 0) -> Any:
    """Symbols [T + 1, B] of a chain of first order with no rare transitions."""
    rng = np.random.default_rng(seed)
    chances = (0.5 * rng.dirichlet(np.ones(SYMBOLS), SYMBOLS) + 0.5 / SYMBOLS).cumsum(-1)
    symbols = [rng.integers(0, SYMBOLS, ROWS)]
    for _ in range(STEPS):
        symbols.append((rng.random(ROWS)[:, None] > chances[symbols[-1], :-1]).sum(-1))
    return np.array(symbols)


def frequencies(name: str, symbols: Any, weights: Any) -> Any:
    """How often what follows each context, each step with its weight [T, B], as a share."""
    x, y = symbols[:-1], symbols[1:]
    before = np.concatenate([np.zeros_like(x[:1]), x[:-1]])  # the equation x[0] = 0
    context = (x,) if name == "markov" else (before, x)
    table = np.zeros([SYMBOLS] * (len(context) + 1))
    np.add.at(table, (*context, y), weights)
    total = table.sum(-1, keepdims=True)
    return np.divide(table, total, out=np.full_like(table, 1 / SYMBOLS), where=total > 0)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", ["markov", "markov_k"])
def test_the_gradient_ends_where_counting_does(name: str, ragged: bool) -> None:
    """At the logarithms of the frequencies it is zero. The loss is a mean of means: of sequences of different lengths
    a step counts by one over its sequence's length."""
    symbols = chains()
    lengths = LENGTHS if ragged else None
    weights = np.where(np.arange(STEPS)[:, None] < LENGTHS, 1 / LENGTHS, 0) if ragged else np.ones((STEPS, ROWS))
    found = frequencies(name, symbols, weights)
    net = getattr(rnn, name)(x=SYMBOLS, o=SYMBOLS)
    program = compiler.compile(net, target="interpret", dtype="float64")
    with np.errstate(divide="ignore"):
        scores = np.maximum(np.log(found), -40)  # e⁻⁴⁰ is zero beside one
    out = program({"A": scores}, x=symbols[:-1], y=symbols[1:], lengths=lengths)
    np.testing.assert_allclose(out.grad["A"], 0, atol=1e-12)
    away = program({"A": scores + 0.1 * chains(1)[0, :SYMBOLS]}, x=symbols[:-1], y=symbols[1:], lengths=lengths)
    assert away.loss > out.loss
    assert np.abs(away.grad["A"]).max() > 1e-3


@pytest.mark.parametrize("name", ["markov", "markov_k"])
def test_training_finds_the_frequencies(name: str) -> None:
    symbols = chains()
    expected = frequencies(name, symbols, np.ones((STEPS, ROWS)))
    net = getattr(rnn, name)(x=SYMBOLS, o=SYMBOLS)
    batch = {"x": symbols[:-1], "y": symbols[1:]}
    trainer = rnn.Trainer(net, batch, optimiser=optim.Adam(0.1), target="interpret", dtype="float64")
    for _ in range(150):
        trainer.step()
    found = np.exp(trainer.weights["A"])
    found /= found.sum(-1, keepdims=True)
    seen = expected > 0  # a frequency of zero is approached for ever
    np.testing.assert_allclose(found[seen], expected[seen], atol=5e-3)
    assert found[~seen].max(initial=0) < 0.02


def test_counts_stop_at_the_lengths() -> None:
    symbols = chains()[:STEPS]
    net = rnn.ngram_counts(A=(SYMBOLS, SYMBOLS))
    program = compiler.compile(net, target="interpret", dtype="float64")
    counts = program(net.init(dtype="float64"), x=symbols, lengths=LENGTHS).grad["A"]
    expected = np.zeros((SYMBOLS, SYMBOLS))
    for row, n in enumerate(LENGTHS):
        np.add.at(expected, (symbols[: n - 1, row], symbols[1:n, row]), 1)
    np.testing.assert_array_equal(counts, expected)


def test_driven_chain() -> None:
    net = rnn.markov_driven(x=3, p=4)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=s) for n, s in net.params.items()}
    x, y = rng.normal(size=(STEPS, 2, 3)), rng.integers(0, 4, (STEPS, 2))
    lengths = [STEPS, 5]
    found = graph.evaluate(net, params, x=x, y=y, lengths=lengths, returns=["p", "L"])
    for row, n in enumerate(lengths):
        p, nats = softmax(params["k"]), []
        for t in range(n):
            p = softmax(params["A"] @ p + params["B"] @ x[t, row])
            np.testing.assert_allclose(found["p"][t, row], p)
            nats.append(-np.log(p[y[t, row]]))
        assert found["L"][row] == pytest.approx(np.mean(nats))


def test_a_window_sees_four_symbols_and_no_more() -> None:
    net = rnn.window_lm(x=5, e=8, h=4, o=5)
    params = net.init(seed=0, dtype="float64")
    x = np.random.default_rng(0).integers(0, 5, (8, 5))
    x[:, 1:] = x[:, :1]
    for row, t in enumerate((3, 4, 6), start=1):  # another symbol at one step, from 1 on
        x[t - 1, row] = (x[t - 1, 0] + 1) % 5
    o = graph.evaluate(net, params, x=x, y=x, returns="o")["o"]
    for row, t in enumerate((3, 4, 6), start=1):
        changed = np.abs(o[:, row] - o[:, 0]).max(-1) > 1e-9
        assert (np.flatnonzero(changed) + 1).tolist() == [s for s in range(t, t + 4) if s <= 8]


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()

"""Markov chains: what the gradient learns is what counting finds.

Texts of four symbols are generated in which each symbol depends on the two before it. A chain of first and one of
second order (``markov``, ``markov_k``) are trained by gradient from random scores; the probabilities that the first
ends with are the relative frequencies of the texts, and the second, whose order is that of the texts, predicts them
better. Counting itself is a gradient too: that of ``sum(A[x[t-1], x[t]])`` by A is the table of how often each pair
occurs (``ngram_counts``).
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

SYMBOLS = 4


def texts(steps: int = 21, rows: int = 500, seed: int = 0) -> np.ndarray:
    """Symbols [T, B] of a chain of second order; 0 stands before the first."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(SYMBOLS, 0.5), (SYMBOLS, SYMBOLS)).cumsum(-1)
    symbols = [np.zeros(rows, int), rng.integers(0, SYMBOLS, rows)]
    for _ in range(steps - 1):
        reached = rng.random(rows)[:, None] > chances[symbols[-2], symbols[-1], :-1]
        symbols.append(reached.sum(-1))
    return np.array(symbols[1:])


def learnt(cell: rnn.Cell, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Nats a symbol, and the probabilities of the next symbol, after training."""
    trainer = rnn.Trainer(
        cell(x=SYMBOLS, o=SYMBOLS), {"x": x, "y": y}, optimiser=optim.Adam(0.1), target="interpret", dtype="float64"
    )
    for _ in range(200):
        step = trainer.step()
    scores = np.exp(trainer.weights["A"])
    return step.loss, scores / scores.sum(-1, keepdims=True)


def main() -> dict[str, float]:
    """Train, count, print; the figures."""
    symbols = texts()
    net = rnn.ngram_counts(A=(SYMBOLS, SYMBOLS))
    pairs = compiler.compile(net, target="interpret")(net.init(), x=symbols).grad["A"]
    frequencies = pairs / pairs.sum(-1, keepdims=True)
    counted = -float((pairs * np.log(frequencies)).sum() / pairs.sum())
    nats, chances = learnt(rnn.markov, symbols[:-1], symbols[1:])
    nats_k, _ = learnt(rnn.markov_k, symbols[:-1], symbols[1:])
    away = float(np.abs(chances - frequencies).max())

    print("pairs counted by a gradient\n", pairs.astype(int))
    print("their relative frequencies\n", frequencies.round(3))
    print("what markov has learnt\n", chances.round(3))
    print(f"nats a symbol: {nats:.4f} learnt, {counted:.4f} counted, {nats_k:.4f} by two symbols (markov_k)")
    return {"nats": nats, "counted": counted, "nats_k": nats_k, "away": away, "pairs": float(pairs.sum())}


if __name__ == "__main__":
    main()

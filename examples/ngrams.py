"""N-grams, counted and learnt: the longer the context, the better the fit, and the fewer contexts were ever seen.

A text is counted with n = 1 … 5 (``rnn.NGrams``): how many different n-grams it stores, which share of another text's
n-grams it never saw, and the perplexity that is left with the estimate of Witten and Bell. The counts are those of
``ngram_counts``, whose gradient counts pairs; and ``markov_k``, a table of scores for each pair of symbols that is
trained by gradient, comes to what the counts of three say.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

LETTERS = " abcdefghijklmnopqrstuvwxyz"
RHYME = "this is the house that jack built and the cat that killed the rat that ate the malt that lay in it"


def text(words: int, seed: int) -> np.ndarray:
    """Random words of the rhyme as symbols, a blank behind each."""
    drawn = np.random.default_rng(seed).choice(RHYME.split(), words)
    return np.array([LETTERS.index(c) for c in " ".join(drawn) + " "])


def main() -> dict[str, float]:
    """Count, learn, compare."""
    learnt, new = text(400, seed=0), text(200, seed=1)
    symbols, figures = len(LETTERS), {}
    print("n   stored   unseen   perplexity")
    for n in range(1, 6):
        counted = rnn.NGrams.count(learnt, order=n, symbols=symbols)
        figures[f"unseen {n}"], figures[f"perplexity {n}"] = counted.unseen(new), counted.perplexity(new)
        print(f"{n} {counted.entries[-1]:8} {counted.unseen(new):8.1%} {counted.perplexity(new):12.2f}")

    pairs = rnn.ngram_counts(A=(symbols, symbols))
    table = compiler.compile(pairs, target="interpret")(pairs.init(), x=learnt[:, None]).grad["A"]
    same = [counted.number([i, j]) == table[i, j] for i in range(symbols) for j in range(symbols)]
    figures["same counts"] = float(np.mean(same))
    print(f"\nthe gradient of ngram_counts: {table.sum():.0f} pairs, {np.mean(same):.0%} of the table as counted")

    net = rnn.markov_k(x=symbols, o=symbols)
    rows = learnt[: len(learnt) // 41 * 41].reshape(-1, 41).T
    before, x, y = np.concatenate([np.zeros_like(rows[:1]), rows[:-2]]), rows[:-1], rows[1:]
    trainer = rnn.Trainer(net, {"x": x, "y": y}, optimiser=optim.Adam(0.3), target="interpret", dtype="float64")
    for _ in range(120):
        step = trainer.step()
    three = np.zeros((symbols,) * 3)
    np.add.at(three, (before, x, y), 1)
    shares = three / np.maximum(three.sum(-1, keepdims=True), 1)
    nats = -float((three * np.log(np.where(shares > 0, shares, 1))).sum() / three.sum())
    print(f"markov_k has learnt {step.loss:.4f} nats a letter of its text; the counts of three leave {nats:.4f}")
    return {**figures, "learnt": step.loss, "counted": nats}


if __name__ == "__main__":
    main()

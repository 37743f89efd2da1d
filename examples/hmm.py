"""A hidden Markov model: all its algorithms are gradients, and its parameters come back from what it emits.

A die is exchanged for a loaded one now and then (Durbin et al. 1998, section 3.2), and only the rolls are seen. Of the
log likelihood that ``hmm_log`` computes, the gradient by the forward variable gives the probability of each die at each
roll (what the backward algorithm is for), and by the log transitions how often one follows the other (what Baum and
Welch count). With max in place of sum (``best_path``) it is the most probable sequence of dice. Trained by gradient on
rolls alone, the scaled form (``hmm``) finds the two dice again.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

FIRST = np.array([0.6, 0.4])
EXCHANGED = np.array([[0.95, 0.05], [0.1, 0.9]])
DICE = np.array([[1 / 6] * 6, [0.1] * 5 + [0.5]])
TRUE = {"p_logits": np.log(FIRST), "A_logits": np.log(EXCHANGED), "B_logits": np.log(DICE)}
SIZES = {"x": 6, "a": 2}


def rolls(steps: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rolls and dice, [T, B]."""
    rng = np.random.default_rng(seed)
    die = (rng.random(rows) > FIRST[0]).astype(int)
    x, dice = np.empty((steps, rows), int), np.empty((steps, rows), int)
    for t in range(steps):
        dice[t], x[t] = die, (rng.random(rows)[:, None] > DICE[die].cumsum(-1)[:, :5]).sum(-1)
        die = np.where(rng.random(rows) < EXCHANGED[die, 1 - die], 1 - die, die)
    return x, dice


def probabilities(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def main() -> dict[str, float]:
    """Print what is hidden, then learn it."""
    x, dice = rolls(60, 1, seed=4)
    posteriors = compiler.compile(rnn.hmm_log(**SIZES), wrt=["a", "A"], target="interpret", dtype="float64")
    best = compiler.compile(rnn.best_path(**SIZES), wrt=["a"], target="interpret", dtype="float64")
    found = posteriors(TRUE, x=x).grad
    path = -best(TRUE, x=x).grad["a"][:, 0, 1]
    print("rolls     ", "".join(str(k + 1) for k in x[:, 0]))
    print("die       ", "".join("FL"[k] for k in dice[:, 0]), "  (Fair, Loaded)")
    print("best path ", "".join("FL"[round(k)] for k in path))
    print("P(loaded) ", "".join(str(min(int(10 * p), 9)) for p in -found["a"][:, 0, 1]), "  (tenths)")
    print("how often each die followed each, as expected:", (-found["A"]).round(2).tolist())
    right = float(np.mean(np.round(path) == dice[:, 0]))

    net, (x, _) = rnn.hmm(**SIZES), rolls(50, 200, seed=0)
    trainer = rnn.Trainer(net, {"x": x}, optimiser=optim.Adam(0.2), target="interpret", dtype="float64", seed=1)
    for _ in range(70):
        step = trainer.step()
    B, A = (probabilities(trainer.weights[n]) for n in ("B_logits", "A_logits"))
    order = B[:, 5].argsort()  # states have no names: the one with fewer sixes first
    B, A = B[order], A[order][:, order]
    truth = compiler.compile(net, wrt=(), target="interpret", dtype="float64")(TRUE, x=x).loss
    print("learnt from rolls alone: dice", B.round(2).tolist(), "exchanged", A.round(2).tolist())
    print(f"-log P of 50 rolls: {step.loss:.3f} learnt, {truth:.3f} by the true parameters")
    away = float(max(np.abs(B - DICE).max(), np.abs(A - EXCHANGED).max()))
    return {"right": right, "away": away, "learnt": step.loss, "truth": truth}


if __name__ == "__main__":
    main()

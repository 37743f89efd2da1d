"""A chain that is driven by an input: it learns a switch, and cannot learn parity.

``markov_driven`` keeps a distribution over two states, p[t] = softmax(A @ p[t-1] + B @ x[t]). A switch that is set,
reset or left alone by its input it learns. Parity, where the input says whether to change the state, it does not: the
input and the state before only add up in the scores, and no sum of the two is the exclusive or (Minsky and Papert
1969); that takes hidden units, or matrices that depend on the input.
"""

from __future__ import annotations

import math

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim


def inputs(kind: str, seed: int, steps: int = 15, rows: int = 200) -> dict[str, np.ndarray]:
    """One-hot inputs x [T, B, 3] (nothing, set, reset; of parity: nothing, change, change) and states y [T, B]."""
    rng = np.random.default_rng(seed)
    given = rng.choice(3, (steps, rows), p=[0.6, 0.2, 0.2])
    states = [np.zeros(rows, int)]
    for now in given:
        before = states[-1]
        set_to, reset_to = (1, 0) if kind == "switch" else (1 - before, 1 - before)
        states.append(np.where(now == 0, before, np.where(now == 1, set_to, reset_to)))
    return {"x": np.eye(3)[given], "y": np.array(states[1:])}


def main() -> dict[str, float]:
    """Train on both; nats and the share of right states on sequences that were not trained on."""
    found = {}
    net = rnn.markov_driven(x=3, p=2)
    reader = compiler.compile(net, wrt=(), returns=("p",), target="interpret", dtype="float64")
    for kind in ("switch", "parity"):
        trainer = rnn.Trainer(
            net, inputs(kind, seed=0), optimiser=optim.Adam(0.2), clip=1.0, target="interpret", dtype="float64"
        )
        for _ in range(120):
            trainer.step()
        new = inputs(kind, seed=1)
        out = reader(trainer.weights, **new)
        right = float(np.mean(out.value["p"].argmax(-1) == new["y"]))
        print(f"{kind}: {out.loss:.4f} nats a step (chance {math.log(2):.4f}), {right:.1%} of the states right")
        found |= {f"{kind}, nats": out.loss, f"{kind}, right": right}
    return found


if __name__ == "__main__":
    main()

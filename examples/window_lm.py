"""A window of four symbols: a network without recurrence predicts what lies within, and nothing beyond.

Two texts of the symbols 0 and 1 are learnt by ``window_lm``, which sees x[t-3] … x[t], and by an Elman network, which
reads one symbol at a time and keeps a state. In the first the next symbol is that of four steps before, the oldest that
the window holds; in the second that of five. The window learns the first text and stays at chance, log 2 nats, with the
second; the recurrent network learns both.
"""

from __future__ import annotations

import math

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn import optim


def texts(lag: int, seed: int, steps: int = 16, rows: int = 256) -> dict[str, np.ndarray]:
    """Symbols x and next symbols y, [T, B]: random ones repeated every ``lag`` steps, one in ten changed."""
    rng = np.random.default_rng(seed)
    symbols = list(rng.integers(0, 2, (lag, rows)))
    for _ in range(steps + 1 - lag):
        symbols.append(symbols[-lag] ^ (rng.random(rows) < 0.1))
    x, y = np.array(symbols[:-1]), np.array(symbols[1:])
    y[:lag] = -1  # no target before there is what it repeats
    return {"x": x, "y": y}


def nats(net: graph.Circuit, lag: int, vectors: bool = False) -> float:
    """Nats a symbol of new texts after training."""
    learnt, new = texts(lag, seed=0), texts(lag, seed=1)
    for given in (learnt, new):
        given["x"] = np.eye(2, dtype="float32")[given["x"]] if vectors else given["x"]
    trainer = rnn.Trainer(net, learnt, optimiser=optim.Adam(0.03), clip=1.0, target="interpret")
    for _ in range(120):
        trainer.step()
    return compiler.compile(net, wrt=(), target="interpret")(trainer.weights, **new).loss


def main() -> dict[str, float]:
    """Train both on both kinds of text; nats a symbol of texts that were not trained on."""
    found = {}
    for lag in (4, 5):
        found[f"window, lag {lag}"] = nats(rnn.window_lm(x=2, e=8, h=16, o=2), lag)
        found[f"elman, lag {lag}"] = nats(rnn.elman(x=2, h=16, o=2), lag, vectors=True)
    least = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    for name, value in found.items():
        print(f"{name}: {value:.3f} nats a symbol (chance {math.log(2):.3f}, the least {least:.3f})")
    return found


if __name__ == "__main__":
    main()

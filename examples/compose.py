"""A stacked bidirectional LSTM with residual connections, in one line; and what each part is good for.

Each step is labelled by how many of the symbols before it and after it are 1. An LSTM that reads from the left cannot
know what comes: however long it learns, ln 2 = 0.693 nats are left; from both sides nothing is. Layers with residual
connections learn it fastest. What is composed is a cell like any: its equations are printed, its sizes are open.
"""

from __future__ import annotations

import numpy as np
from bptt import rnn
from bptt.rnn import optim

STEPS, ROWS, SYMBOLS = 6, 32, 2
SIZE, UPDATES = 8, 40


def batch(seed: int) -> dict[str, np.ndarray]:
    """Symbols, and how many of those around each step are 1; at the borders there is no target."""
    x = np.random.default_rng(seed).integers(0, SYMBOLS, (STEPS, ROWS))
    y = np.full((STEPS, ROWS), -1)
    y[1:-1] = x[:-2] + x[2:]
    return {"x": x, "y": y}


def main() -> dict[str, float]:
    """The networks, and their nats after the same number of updates."""
    deep = rnn.stack(rnn.residual(rnn.bidirectional(rnn.rnn_lm)), 2)
    print("\n".join(line for line in str(deep).splitlines() if line.startswith(("e[", "h_", "r_", "o["))))
    sizes = {"x": SYMBOLS, "e": SIZE, "o": 3}
    half = {"h_fw": SIZE // 2, "h_bw": SIZE // 2}
    nets = {
        "from the left": rnn.rnn_lm(h=SIZE, **sizes),
        "from both sides": rnn.bidirectional(rnn.rnn_lm)(**half, **sizes),
        "two layers": rnn.stack(rnn.bidirectional(rnn.rnn_lm), 2)(**half, **sizes),
        "residual": deep(**half, **sizes),
    }
    figures = {}
    batches = [batch(seed) for seed in range(UPDATES)]  # never the same twice
    for name, net in nets.items():
        trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.05), target="interpret", dtype="float64")
        for _ in range(UPDATES):
            step = trainer.step()
        figures[name] = step.loss
        count = sum(int(np.prod(shape)) for shape in net.params.values())
        print(f"{name:16} {step.loss:.3f} nats a step, {count} parameters")
    return figures


if __name__ == "__main__":
    main()

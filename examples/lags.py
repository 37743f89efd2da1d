"""States that are read two and three steps later: shorter ways for the gradient.

In ``two_lags`` the state of two steps before feeds back as well (Lin et al. 1996), in ``interleaved`` two states see
each other at lags of two and three. Over n steps a gradient then has a way of n / 2 or n / 3 factors in place of n.
Printed is how fast it falls on its way back in networks with weights as they are drawn, beside an Elman network; after
it, how the two learn to give back what they read eight steps before.
"""

from __future__ import annotations

import math

import numpy as np
from bptt import rnn
from bptt.rnn import optim

STEPS, ROWS, LAG = 16, 32, 8
SIZES: dict[str, dict[str, int]] = {
    "elman": {"x": 2, "h": 12, "o": 2},
    "two_lags": {"x": 2, "h": 12, "o": 2},
    "interleaved": {"x": 2, "u": 12, "o": 2},
}


def batch(seed: int) -> dict[str, np.ndarray]:
    """Bits as vectors x [T, B, 2]; y is the bit of ``LAG`` steps before."""
    bits = np.random.default_rng(seed).integers(0, 2, (STEPS, ROWS))
    y = np.full((STEPS, ROWS), -1)
    y[LAG:] = bits[:-LAG]
    return {"x": np.eye(2)[bits], "y": y}


def main() -> dict[str, float]:
    """The rate at which the gradient falls, and nats after training."""
    figures = {}
    for name, sizes in SIZES.items():
        net = getattr(rnn, name)(**sizes)
        x = batch(0)["x"]
        found = rnn.diagnose(net, net.init(seed=0), loss=None, x=x, y=np.zeros(x.shape[:2], int), target="interpret")
        figures[f"{name}, factor"] = math.exp(found.overall.rate)
        trainer = rnn.Trainer(
            net, [batch(seed) for seed in range(1, 31)], optimiser=optim.Adam(0.02), clip=1.0, target="interpret",
            dtype="float64",
        )  # fmt: skip
        for _ in range(150):
            step = trainer.step()
        figures[f"{name}, nats"] = step.loss
        print(
            f"{name:12} the gradient is multiplied by {figures[f'{name}, factor']:.2f} a step; after training"
            f" {step.loss:.3f} nats (chance {math.log(2):.3f})"
        )
    return figures


if __name__ == "__main__":
    main()

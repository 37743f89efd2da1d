"""Rectified units that start at the identity remember over 100 steps; started otherwise they forget or explode.

Le, Jaitly and Hinton (2015): with W = I and b = 0 a rectified unit hands on what it holds, and so does its gradient.
The task is to tell, after 100 steps, the sign of the first number; those that follow are noise. The same network
with W drawn at random, as other matrices are (``vanilla``), is trained in the same way. Printed is also how large the
derivative of the last state by the first is before training.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

STEPS, ROWS, UNITS = 100, 32, 24


def batch(seed: int) -> dict[str, np.ndarray]:
    """Numbers x [T, B, 1], of which the first is ±1; its sign is the target of the last step."""
    rng = np.random.default_rng(seed)
    x = 0.1 * rng.normal(size=(STEPS, ROWS, 1)).astype("float32")
    sign = rng.integers(0, 2, ROWS)
    x[0, :, 0] = 2 * sign - 1
    y = np.full((STEPS, ROWS), -1)
    y[-1] = sign
    return {"x": x, "y": y}


def main() -> dict[str, float]:
    """Train both; the share of right answers to new sequences, and the derivatives."""
    sizes = {"x": 1, "h": UNITS, "o": 2}
    figures = {}
    for name, net in (("irnn", rnn.irnn(**sizes)), ("vanilla", rnn.irnn.starting({"W": "uniform"})(**sizes))):
        trainer = rnn.Trainer(net, [batch(seed) for seed in range(40)], optimiser=optim.Adam(0.002), clip=1.0, seed=1)
        found = rnn.diagnose(net, trainer.weights, loss=None, x=batch(99)["x"], y=np.zeros((STEPS, ROWS), int))
        figures[f"{name}, reach"] = found.overall.rate * (STEPS - 1) / np.log(10)
        for _ in range(300):
            trainer.step()
        new = batch(100)
        o = compiler.compile(net, returns=("o",))(trainer.weights, x=new["x"]).value["o"]
        figures[f"{name}, right"] = float((o[-1].argmax(-1) == new["y"][-1]).mean())
        print(
            f"{name:8} derivative over {STEPS} steps: a factor 1e{figures[f'{name}, reach']:.0f}; after training "
            f"{figures[f'{name}, right']:.0%} right"
        )
    return figures


if __name__ == "__main__":
    main()

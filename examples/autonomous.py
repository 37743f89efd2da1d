"""A system without an input: from its start all else follows.

``autonomous`` is given a point and goes on from there. Trained on short pieces of two motions, a circle and a spiral
that winds inwards, it runs on for four times as long: on the circle it is still on the circle, whichever point it
starts from, and the spiral is near its centre. What it has learnt is the motion, not the pieces.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

OPTIONS = {"target": "interpret", "dtype": "float64"}


def motion(kept: float, steps: int, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Starts v [B, 2] with radius 0.5 and points y [T, B, 2], a twentieth of a turn a step."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, rows) + 2 * np.pi / 20 * np.arange(steps + 1)[:, None]
    points = 0.5 * kept ** np.arange(steps + 1)[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return {"v": points[0], "y": points[1:]}


def main() -> dict[str, float]:
    """Train on ten steps, run for a hundred; the radius at the end."""
    figures = {}
    net = rnn.autonomous(k=2)
    reader = compiler.compile(net, returns=("k",), **OPTIONS)
    for name, kept in (("circle", 1.0), ("spiral", 0.95)):
        trainer = rnn.Trainer(net, motion(kept, 25, 16, 0), optimiser=optim.Adam(0.03), clip=1.0, **OPTIONS)
        for _ in range(250):
            step = trainer.step()
        new = motion(kept, 100, 50, 1)
        k = reader(trainer.weights, v=new["v"], lengths=[100] * 50).value["k"]
        radius = np.linalg.norm(k[-1], axis=-1)
        figures |= {f"{name}, least": float(radius.min()), f"{name}, most": float(radius.max())}
        print(f"{name}: squared error {step.loss:.1e}; radius after 100 steps {radius.min():.3f} to {radius.max():.3f}")
        page = [[" "] * 41 for _ in range(21)]
        for a, b in k[-20:, 0]:
            page[10 - round(16 * float(b))][20 + round(32 * float(a))] = "●"
        print("\n".join("".join(row).rstrip() for row in page if set(row) != {" "}))
    return figures


if __name__ == "__main__":
    main()

"""Gates that see only the input: the state is linear, so that all steps can be had at once; what that costs.

In ``mingru`` (Feng et al. 2024) gate and candidate see x[t] alone: h[t] = (1 - z[t]) h[t-1] + z[t] g[t] is a running
mean, here computed by cumulated products as well. It keeps what a mark tells it to keep, over sequences ten times as
long as those of the training. Which way a switch stands that each 1 turns over (parity), it cannot learn: that gate
would have to know the state. Nor can ``sru`` (Lei et al. 2018), whose gates see its own unit. ``gru`` learns both.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn import optim

OPTIONS = {"target": "interpret", "dtype": "float64"}
ROWS = 64


def batch(task: str, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Vectors x [T, B, 8] of a bit and a mark; y [T, B]: the bit at the last mark so far, or the parity of all bits."""
    rng = np.random.default_rng(seed)
    bits, marks = rng.integers(0, 2, (steps, ROWS)), rng.random((steps, ROWS)) < 0.2
    marks[0] = True
    last = np.maximum.accumulate(np.where(marks, np.arange(steps)[:, None], 0), axis=0)
    y = np.take_along_axis(bits, last, 0) if task == "keep" else bits.cumsum(0) % 2
    x = np.zeros((steps, ROWS, 8))
    x[..., 0], x[..., 1] = 2 * bits - 1, marks
    return {"x": x, "y": y}


def at_once(params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """All states of minGRU by cumulated products, without a loop over time."""
    z = 1 / (1 + np.exp(-(x @ params["U_z"].T + params["b_z"])))
    kept = np.cumprod(1 - z, axis=0)
    return np.asarray(kept * np.cumsum(z * (x @ params["U_g"].T + params["b_g"]) / kept, axis=0))


def main() -> dict[str, float]:
    """The state at once and step by step; both tasks."""
    net = rnn.mingru(x=8, h=8, o=2)
    params, given = net.init(seed=0, dtype="float64"), batch("keep", 10, 0)
    away = np.abs(graph.evaluate(net, params, **given)["h"] - at_once(params, given["x"])).max()
    figures = {"away": float(away)}
    print(f"states by cumulated products and step by step: {away:.0e} apart")
    for name in ("mingru", "sru", "gru"):
        net = getattr(rnn, name)(x=8, h=8, o=2)
        reader = compiler.compile(net, returns=("o",), **OPTIONS)
        for task, steps in (("keep", 100), ("parity", 10)):
            batches = [batch(task, 10, seed) for seed in range(1, 41)]
            trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.03), clip=1.0, **OPTIONS)
            for _ in range(200):
                trainer.step()
            new = batch(task, steps, 99)
            right = float((reader(trainer.weights, x=new["x"]).value["o"].argmax(-1) == new["y"]).mean())
            figures[f"{name}, {task}"] = right
            print(f"{name:7} {task:6} over {steps:3} steps: {right:.0%} right")
    return figures


if __name__ == "__main__":
    main()

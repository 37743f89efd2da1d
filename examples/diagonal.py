"""Units that see only themselves: each remembers at a rate of its own, and that can be read off its weight.

In ``diagonal`` (Mozer 1989; Li et al. 2018) one number a unit, w, stands in the place of the recurrent matrix. As long
as a unit holds little, it is multiplied by w at each step: after k steps w**k of it is left. Above 1 a unit holds one
of two values for ever, h = tanh(w h). Started with weights between 0 and 1, the network learns to tell a sign 20 steps
after it was read; the units that its output then listens to are those that have become such switches, and they still
know the sign after 200 steps.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn import optim

ROWS, UNITS, LAG = 48, 12, 20
OPTIONS = {"target": "interpret", "dtype": "float64"}


def batch(lag: int, seed: int) -> dict[str, np.ndarray]:
    """A sign at the first step, small noise after it; the target of the step ``lag`` later is the sign."""
    rng = np.random.default_rng(seed)
    x = 0.1 * rng.normal(size=(lag + 1, ROWS, 1))
    sign = rng.integers(0, 2, ROWS)
    x[0, :, 0] = 2 * sign - 1
    y = np.full((lag + 1, ROWS), -1)
    y[-1] = sign
    return {"x": x, "y": y}


def main() -> dict[str, float]:
    """What is left in three units; then what is learnt."""
    w = np.array([0.5, 0.9, 1.5])
    params = {"w": w, "U": np.full((3, 1), 0.01), "b": np.zeros(3), "V": np.zeros((2, 3)), "d": np.zeros(2)}
    pulse = {"x": np.eye(1, LAG + 1)[0].reshape(-1, 1, 1), "y": np.zeros((LAG + 1, 1), int)}
    h = graph.evaluate(rnn.diagonal(x=1, h=3, o=2), params, **pulse)["h"][:, 0]
    print(f"of 0.01, after {LAG} steps:", ", ".join(f"{a:.2g} (w = {b})" for a, b in zip(h[-1], w, strict=True)))
    cell = rnn.diagonal.starting({"w": lambda shape, rng: rng.uniform(0, 1, shape)})
    net = cell(x=1, h=UNITS, o=2)
    trainer = rnn.Trainer(net, [batch(LAG, s) for s in range(20)], optimiser=optim.Adam(0.01), clip=1.0, **OPTIONS)
    before = trainer.weights["w"].copy()
    for _ in range(150):
        trainer.step()
    w = trainer.weights["w"]
    heard = np.argsort(-np.abs(trainer.weights["V"]).sum(0) * np.abs(trainer.weights["U"][:, 0]))
    print("w of the units, those first that the output hears most: before", *(f"{before[i]:.2f}" for i in heard))
    print(" " * 55, "after ", *(f"{w[i]:.2f}" for i in heard))
    figures = {"left at 0.9": float(h[-1, 1]), "heard": float(w[heard[:2]].min())}
    reader = compiler.compile(net, returns=("o",), **OPTIONS)
    for lag in (LAG, 10 * LAG):
        new = batch(lag, 99)
        o = reader(trainer.weights, x=new["x"]).value["o"]
        figures[f"right after {lag}"] = float((o[-1].argmax(-1) == new["y"][-1]).mean())
        print(f"the sign of {lag} steps before: {figures[f'right after {lag}']:.0%} right")
    return figures


if __name__ == "__main__":
    main()

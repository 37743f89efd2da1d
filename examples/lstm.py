"""The forms of the LSTM, and in what they agree.

``lstm`` is the form of today. With peepholes (``lstm_peephole``) the gates see the cell: with peepholes of weight zero
it is the same network. ``lstm_packed`` has the matrices of the four gates in one, as libraries store them. In Bakker's
form (``lstm_bakker``) every unit sees only what was there one step before, the input too: without biases, it is the
LSTM on an input that comes one step late. Then all learn the same sequences, a symbol that has to be kept for 12 steps.
The fourth form, a program whose gates are open or shut, is examples/gate_program.py.
"""

from __future__ import annotations

import numpy as np
from bptt import graph, rnn
from bptt.rnn import optim

SIZES = {"x": 3, "h": 8, "o": 2}
STEPS = 12


def batch(rows: int = 32, seed: int = 0) -> dict[str, np.ndarray]:
    """A sign at the first step, noise, and a mark at the last but one: only the last step has a target."""
    rng = np.random.default_rng(seed)
    kept = rng.integers(0, 2, rows)
    x = np.zeros((STEPS, rows, 3))
    x[0, :, 0], x[:, :, 1], x[-2, :, 2] = 2 * kept - 1, rng.normal(size=(STEPS, rows)), 1
    y = np.full((STEPS, rows), -1)
    y[-1] = kept
    return {"x": x, "y": y}


def main() -> dict[str, float]:
    """How far the forms are apart with the same weights, and what each learns."""
    given = batch()
    own = rnn.lstm(**SIZES).init(seed=1, dtype="float64")
    h = graph.evaluate(rnn.lstm(**SIZES), own, **given)["h"]
    peepholes = dict.fromkeys(("p_f", "p_i", "p_q", "h_0", "c_0"), np.zeros(SIZES["h"]))
    packed = {k: np.concatenate([own[f"{k}_{g}"] for g in "fiqg"]) for k in "WUb"} | {n: own[n] for n in "Vd"}
    late = {n.replace("_g", "_c"): w for n, w in own.items() if not n.startswith("b_")}
    bare = own | {f"b_{g}": np.zeros(SIZES["h"]) for g in "fiqg"}
    delayed = np.concatenate([np.zeros_like(given["x"][:1]), given["x"][:-1]])
    pairs = {
        "lstm_peephole": (graph.evaluate(rnn.lstm_peephole(**SIZES), own | peepholes, **given)["h"], h),
        "lstm_packed": (graph.evaluate(rnn.lstm_packed(**SIZES), packed, **given)["h"], h),
        "lstm_bakker": (
            graph.evaluate(rnn.lstm_bakker(**SIZES), late, **given)["h"],
            graph.evaluate(rnn.lstm(**SIZES), bare, **{**given, "x": delayed})["h"],
        ),
    }
    figures = {f"{name}, apart": float(np.abs(a - b).max()) for name, (a, b) in pairs.items()}
    for name in ("lstm", *pairs):
        net = getattr(rnn, name)(**SIZES)
        trainer = rnn.Trainer(net, given, optimiser=optim.Adam(0.03), target="interpret", dtype="float64", seed=2)
        for _ in range(50):
            step = trainer.step()
        figures[f"{name}, nats"] = step.loss
        apart = figures.get(f"{name}, apart")
        print(f"{name:14} {step.loss:.4f} nats (chance 0.6931)" + ("" if apart is None else f", apart {apart:.0e}"))
    return figures


if __name__ == "__main__":
    main()

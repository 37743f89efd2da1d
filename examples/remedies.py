"""What keeps the gradient alive: one task, a row for each remedy, and how far back its gradient reaches.

The task is to name, at the last of 30 steps, the symbol of the first; the gradient of the answer has to come back over
all of them. Printed is the factor by which the derivative changes on its way from the state at the last step to
that at the first: 1 is kept, 1e-09 is gone, above 1 it grows. Before training it tells what a remedy in the
equations does, or one in the initial weights (batch normalisation nothing yet: its running statistics are 0 and 1);
after it, what training makes of it. That is where the regulariser of Pascanu et al. (2013) works, which asks each
step to keep the norm; weight decay, which shrinks weights, works against it, and dropout, also with one mask for
all steps, is no remedy for this.
"""

from __future__ import annotations

import math

import numpy as np
from bptt import graph, rnn
from bptt.rnn import optim

STEPS, ROWS, SYMBOLS, UNITS, UPDATES = 30, 16, 4, 12, 25
STEP = "W @ h[t-1] + U @ x[t] + b"
PLAIN = f"h[t] = tanh({STEP})"
CLOCK = "k[t] = where(t % 5 == 1, tanh(W_k @ k[t-1] + U_k @ x[t] + b_k), k[t-1])"
REMEDIES: dict[str, tuple[str, dict[str, object]]] = {
    "none": (PLAIN, {}),
    "weight decay": (PLAIN, {}),
    "dropout": (PLAIN.replace("h[t-1]", "dropout(h[t-1], 0.2, over=t)"), {}),
    "regulariser": (PLAIN, {}),
    "orthogonal start": (PLAIN, {"W": "orthogonal"}),
    "identity and relu": (f"h[t] = relu({STEP})", {"W": "identity"}),
    "layer norm": ("h[t] = tanh(g * layer_norm(W @ h[t-1] + U @ x[t]) + b)", {"g": 1.0}),
    "batch norm": ("h[t] = tanh(g * batch_norm(W @ h[t-1] + U @ x[t], over=batch) + b)", {"g": 1.0}),
    "slower clock": (f"{CLOCK}; h[t] = tanh({STEP} + R @ k[t])", {}),
    "residual": (f"h[t] = h[t-1] + 0.1 * tanh({STEP})", {}),
    "zoneout": (f"h[t] = zoneout(tanh({STEP}), h[t-1], 0.5)", {}),
    "gate": (f"u[t] = sigmoid(W_u @ h[t-1] + U_u @ x[t] + b_u); h[t] = (1 - u[t]) * h[t-1] + u[t] * tanh({STEP})",
             {"b_u": -2.0}),
}  # fmt: skip


def batch(seed: int) -> dict[str, np.ndarray]:
    """The first symbol is to be remembered, the others are noise."""
    symbols = np.random.default_rng(seed).integers(0, SYMBOLS, (STEPS, ROWS))
    return {"x": np.eye(SYMBOLS)[symbols], "y": symbols[0]}


def reach(net: graph.Circuit, weights: dict[str, np.ndarray]) -> float:
    """log10 of the factor, by the state through which the gradient comes furthest."""
    found = rnn.diagnose(net, weights, loss=None, target="interpret", **batch(0))
    return found.overall.rate * (STEPS - 1) / math.log(10)


def main() -> dict[str, float]:
    """Print how far the gradient of each reaches, before and after a short training."""
    figures = {}
    print(f"over {STEPS - 1} steps         before     after {UPDATES} updates")
    for name, (text, init) in REMEDIES.items():
        cell = rnn.define(f"{text}\no = V @ h[T] + d\nL = cross_entropy(o, y)", name=name, inputs=("y",), init=init)
        net = cell(x=SYMBOLS, o=SYMBOLS, h=UNITS, **({"k": UNITS} if "k" in cell.signals else {}))
        trained = rnn.norm_preserving(net, "h", 0.1) if name == "regulariser" else net
        optimiser = optim.AdamW(0.01, decay=2.0) if name == "weight decay" else optim.Adam(0.01)
        trainer = rnn.Trainer(
            trained, [batch(seed) for seed in range(1, 9)], optimiser=optimiser, clip=1.0, target="interpret",
            dtype="float64",
        )  # fmt: skip
        figures[f"{name}, before"] = reach(net, trainer.weights)
        for _ in range(UPDATES):
            trainer.step()
        figures[f"{name}, after"] = reach(net, trainer.weights)
        before, after = (figures[f"{name}, {when}"] for when in ("before", "after"))
        print(f"{name:17} {10.0**before:9.0e} {10.0**after:9.0e}")
    return figures


if __name__ == "__main__":
    main()

"""Gated recurrent units: the update gate opens for what is to be kept, in all three forms of the cell.

A symbol is marked somewhere among others and asked for at the last step. ``gru`` resets the state before the product
with its matrix, ``gru_cudnn`` after it, as libraries for GPUs do, since then one product is enough; ``mut3`` is what an
evolutionary search made of it (Jozefowicz et al. 2015). With reset gates that are open, the first two are the same
network; with others they are not. All three learn the task, and their update gate shows what they learnt: u, the share
of what is new, is large at the mark and small where the state is to be kept.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn import optim

STEPS, ROWS, SYMBOLS = 10, 64, 4
SIZES = {"x": SYMBOLS + 1, "h": 10, "o": SYMBOLS}
OPTIONS = {"target": "interpret", "dtype": "float64"}
GATES = {"gru": ("u", 1), "gru_cudnn": ("z", -1), "mut3": ("z", 1)}
"""What is called the update gate, and whether it is the share of what is new or of what was."""


def batch(seed: int) -> dict[str, np.ndarray]:
    """Symbols and a mark beside one of them, x [T, B, n]; the marked one is the target of the last step."""
    rng = np.random.default_rng(seed)
    symbols, place, rows = rng.integers(0, SYMBOLS, (STEPS, ROWS)), rng.integers(0, STEPS - 2, ROWS), np.arange(ROWS)
    x = np.concatenate([np.eye(SYMBOLS)[symbols], np.zeros((STEPS, ROWS, 1))], axis=-1)
    x[place, rows, -1] = 1
    y = np.full((STEPS, ROWS), -1)
    y[-1] = symbols[place, rows]
    return {"x": x, "y": y}


def apart(reset: float) -> float:
    """How far gru and gru_cudnn are apart with the same weights and a bias of the reset gates."""
    own = rnn.gru(**SIZES).init(seed=1, dtype="float64") | {"b_r": np.full(SIZES["h"], reset)}
    turned = {n: -own[n] for n in ("W_u", "U_u", "b_u")}  # of gru the share of what is new, of gru_cudnn of the old
    other = {n.replace("_u", "_z"): w for n, w in (own | turned).items()} | {"d_h": np.zeros(SIZES["h"])}
    one = graph.evaluate(rnn.gru(**SIZES), own, **batch(0))["h"]
    return float(np.abs(one - graph.evaluate(rnn.gru_cudnn(**SIZES), other, **batch(0))["h"]).max())


def main() -> dict[str, float]:
    """The forms beside each other, and what each learns."""
    figures = {"open": apart(40.0), "half open": apart(0.0)}
    print(f"gru, gru_cudnn: {figures['open']:.0e} apart with open reset gates, {figures['half open']:.2f} with others")
    for name, (gate, sign) in GATES.items():
        net = getattr(rnn, name)(**SIZES)
        trainer = rnn.Trainer(net, [batch(s) for s in range(1, 31)], optimiser=optim.Adam(0.02), clip=1.0, **OPTIONS)
        for _ in range(150):
            trainer.step()
        new = batch(99)
        out = compiler.compile(net, wrt=(), returns=("o", gate), **OPTIONS)(trainer.weights, **new)
        share = out.value[gate] if sign > 0 else 1 - out.value[gate]
        marked = new["x"][..., -1] == 1
        after = np.cumsum(marked, axis=0).astype(bool) & ~marked
        after[-1] = False
        figures |= {
            f"{name}, right": float((out.value["o"][-1].argmax(-1) == new["y"][-1]).mean()),
            f"{name}, marked": float(share[marked].mean()),
            f"{name}, after": float(share[after].mean()),
        }
        print(
            f"{name:9} {figures[f'{name}, right']:.0%} right; share of what is new: {figures[f'{name}, marked']:.2f} at"
            f" the mark, {figures[f'{name}, after']:.2f} after it"
        )
    return figures


if __name__ == "__main__":
    main()

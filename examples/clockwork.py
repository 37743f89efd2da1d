"""Units with a slow clock: they change at every fourth step, and the gradient has a fourth of the steps to go.

``clockwork`` has units h1 that compute at each step and h2 that compute when the clock strikes, t = 4, 8, …, and keep
their values in between (El Hihi and Bengio 1996; Koutník et al. 2014). First what they do over 16 steps. Then how large
the derivative of the last answer is by the states before, beside that of an Elman network. At last both are asked for
the symbol of the fourth step after 32 steps.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

STEPS, ROWS, SYMBOLS = 32, 32, 3


def batch(seed: int) -> dict[str, np.ndarray]:
    """Symbols as vectors x [T, B, n]; the target of the last step is the symbol of the fourth."""
    x = np.random.default_rng(seed).integers(0, SYMBOLS, (STEPS, ROWS))
    y = np.full((STEPS, ROWS), -1)
    y[-1] = x[3]
    return {"x": np.eye(SYMBOLS)[x], "y": y}


def main() -> dict[str, float]:
    """Values, derivatives, answers."""
    sizes = {"x": SYMBOLS, "o": SYMBOLS}
    net = rnn.clockwork(h1=8, h2=8, **sizes)
    options = {"target": "interpret", "dtype": "float64"}
    params = net.init(seed=0, dtype="float64")
    out = compiler.compile(net, wrt=["h1", "h2"], returns=("h1", "h2"), **options)(params, **batch(0))
    changes = {n: np.abs(np.diff(out.value[n][:16], axis=0)).max((1, 2)) for n in ("h1", "h2")}
    for n, size in changes.items():
        print(f"{n} changes at the steps", *(t for t, c in enumerate(size, 2) if c > 0))
    figures = {}
    simple = rnn.elman(h=16, **sizes)
    other = compiler.compile(simple, wrt=["h"], **options)(simple.init(seed=0, dtype="float64"), **batch(0))
    print("the derivative by the state k steps before, beside that by the last one:")
    norms = {"clockwork": out.grad["h2"], "elman": other.grad["h"]}
    for k in (8, 16, 28):
        for n, g in norms.items():
            figures[f"{n}, {k} steps"] = float(np.linalg.norm(g[-1 - k]) / np.linalg.norm(g[-1]))
        print(f"  {k:2}  " + "   ".join(f"{n} {figures[f'{n}, {k} steps']:.0e}" for n in norms))
    figures["steps"] = float((changes["h2"] > 0).sum())
    for name, one in (("clockwork", net), ("elman", simple)):
        trainer = rnn.Trainer(one, [batch(s) for s in range(1, 31)], optimiser=optim.Adam(0.01), clip=1.0, **options)
        for _ in range(180):
            step = trainer.step()
        figures[name] = step.loss
        print(f"{name:9} {step.loss:.3f} nats after training (chance {np.log(SYMBOLS):.3f})")
    return figures


if __name__ == "__main__":
    main()

"""Peepholes let an LSTM tell the time: gates that see the cell, also while the output gate is shut.

Gers and Schmidhuber (2000) ask for a spike at every n-th step. The weights are set by hand here: the cell counts one
a step; the output gate opens when it sees n in it, and at the next step the forget gate, which sees n as well, empties
it. An LSTM without peepholes sees only what the output gate lets out, and while it counts that is nothing: with the
same weights it never spikes. How a spike comes about is printed step by step.
"""

from __future__ import annotations

import numpy as np
from bptt import graph, rnn

N, STEPS, SHARP = 5, 23, 60.0


def weights(names: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A counter: f shut at N, i open, g one a step, q open at N; what is not named is zero."""
    found = {n: np.zeros(shape) for n, shape in names.items()}
    steep = SHARP * 2 * N  # the cell counts in steps of 1 / 2N, which tanh lets pass
    least = (N - 0.5) / (2 * N)
    found |= {"b_i": np.array([50.0]), "b_g": np.array([np.arctanh(1 / (2 * N))])}
    found |= {"b_f": np.array([steep * least]), "p_f": np.array([-steep])}
    found |= {"b_q": np.array([-steep * least]), "p_q": np.array([steep])}
    return {n: a for n, a in found.items() if n in names}


def main() -> dict[str, float]:
    """Run both; how often, and how regularly, each spikes."""
    nothing = {"x": np.zeros((STEPS, 1, 1)), "y": np.zeros((STEPS, 1), int)}
    figures = {}
    for name in ("lstm_peephole", "lstm"):
        net = getattr(rnn, name)(x=1, h=1, o=2)
        found = graph.evaluate(net, weights(net.params), **nothing)
        print(f"\n{name}\n  t  cell  forget  output  h")
        for t in range(STEPS if name == "lstm_peephole" else 8):
            c, f, q, h = (float(found[n][t, 0, 0]) for n in "cfqh")
            print(f"{t + 1:3} {2 * N * c:5.1f} {f:7.2f} {q:7.2f} {h:6.2f} {'■' * round(20 * h)}")
        spikes = np.flatnonzero(found["h"][:, 0, 0] > 0.2)
        figures[f"{name}, spikes"] = float(len(spikes))
        if len(spikes) > 1:
            figures["period"] = float(np.diff(spikes).mean())
            figures["irregular"] = float(np.ptp(np.diff(spikes)))
    return figures


if __name__ == "__main__":
    main()

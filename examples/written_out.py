"""What is composed and what is written out by hand are the same networks.

``stacked``, ``bidirectional`` and ``bidirectional_lstm`` stand in the table as lectures write them, with all their
equations. ``rnn.stack``, ``rnn.residual`` and ``rnn.bidirectional`` make them of a cell of one line. With the same
weights, by other names, both give the same scores; printed is how far they are apart, and the equations of one pair.
"""

from __future__ import annotations

import numpy as np
from bptt import graph, rnn
from bptt.rnn import cells

OUTPUT = "o[t] = V @ h[t] + d;  L = mean(cross_entropy(o[t], y[t]), over=t)"
SIMPLE = rnn.define(f"h[t] = tanh(W @ h[t-1] + U @ x[t] + b);  {OUTPUT}", name="simple")
INPUTS, UNITS, CLASSES = 3, 4, 5


def scores(net: graph.Circuit, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Scores of three random sequences of different lengths."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3, INPUTS)), rng.integers(0, CLASSES, (6, 3))
    return np.asarray(graph.evaluate(net, weights, x=x, y=y, lengths=[6, 2, 4], returns=["o"])["o"])


def main() -> dict[str, float]:
    """Each pair: the weights of one by the names of the other."""
    pairs: dict[str, tuple[graph.Circuit, graph.Circuit, dict[str, str]]] = {
        "stacked": (
            rnn.stacked(x=INPUTS, h1=UNITS, h2=UNITS, o=CLASSES),
            rnn.stack(SIMPLE, rnn.residual(SIMPLE))(x=INPUTS, h_1=UNITS, h_2=UNITS, o=CLASSES),
            {f"{n}_{k}": f"{n}{k}" for n in "WUb" for k in (1, 2)},
        ),
        "bidirectional": (
            cells.bidirectional(x=INPUTS, h=UNITS, g=2, o=CLASSES),
            rnn.bidirectional(SIMPLE)(x=INPUTS, h_fw=UNITS, h_bw=2, o=CLASSES),
            {f"{n}_{side}": f"{n}_{own}" for n in "WUb" for side, own in (("fw", "h"), ("bw", "g"))} | {"d": "c"},
        ),
        "bidirectional_lstm": (
            rnn.bidirectional_lstm(x=INPUTS, h=UNITS, k=2, o=CLASSES),
            rnn.bidirectional(rnn.lstm)(x=INPUTS, h_fw=UNITS, h_bw=2, o=CLASSES),
            {f"{n}_{gate}_fw": f"{n}_{gate.replace('g', 'c')}" for n in "WUb" for gate in "fiqg"}
            | {f"{n}_{gate}_bw": f"{n}_{gate.replace('g', 'c').upper()}" for n in "WUb" for gate in "fiqg"},
        ),
    }
    figures = {}
    for name, (by_hand, composed, names) in pairs.items():
        weights = by_hand.init(seed=0, dtype="float64")
        renamed = {n: weights[names.get(n, n)] for n in composed.params}
        figures[name] = float(np.abs(scores(by_hand, weights) - scores(composed, renamed)).max())
        print(f"{name:19} {len(by_hand.eqs)} equations, {figures[name]:.0e} apart")
    print(f"\nby hand:\n{pairs['stacked'][0]}\n\ncomposed:\n{pairs['stacked'][1]}")
    return figures


if __name__ == "__main__":
    main()

"""Attention learns to copy and to reverse sequences longer than any that it was trained on.

A source is symbols between two marks; the target is the same symbols, or the same backwards, and a mark that stops.
Training shows lengths 1 to 10, but neither 5 nor 6. ``attention`` looks by what the encoder's states hold: it learns
the lengths left out, and fails at longer ones. The second network first looks by that alone, to find the mark to begin
at, and then by place as well: near the mean place of the step before, moved by a learnt distance r, as the windows of
Graves (2013) and Luong et al. (2015) are. That distance becomes positive for copying and negative for reversing, and
what is learnt holds for lengths three times as long. Each row of the map that is drawn, ``attention_map.svg``, is a
step of the decoder; for the reverse, where it looks runs down the other diagonal.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

import numpy as np
from bptt import rnn
from bptt.rnn import optim
from bptt.rnn.optim import schedules

MARK, STOP, LETTERS = 0, 1, "abcdefgh"
SEEN = [n for n in range(1, 11) if n not in (5, 6)]
BY_PLACE = """
    y[0] = 0
    e[s] = tanh(W_e @ e[s-1] + X[x[s]] + b_e)
    k[s] = K @ e[s]
    d[0] = tanh(M @ e[S])
    w[1, s] = softmax(dot(d[0], k[s]), over=s)
    w[t, s] = softmax(dot(d[t-1], k[s]) - g * (s - m[t-1] - r)**2, over=s)   # what it holds, and where it is
    m[t] = sum(w[t, s] * s, over=s)                                          # the mean place
    z[t] = sum(w[t, s] * e[s], over=s)
    d[t] = tanh(W_d @ d[t-1] + Y[y[t-1]] + C @ z[t] + b_d)
    o[t] = V @ d[t] + U @ z[t] + c
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


def pairs(rng: np.random.Generator, lengths: list[int], rows: int, backwards: bool) -> dict[str, np.ndarray]:
    """Sources x [S, B] and targets y [T, B] of random lengths."""
    n = rng.choice(lengths, rows)
    x = rng.integers(2, 2 + len(LETTERS), (n.max() + 2, rows))
    y = np.full((n.max() + 1, rows), -1)
    x[0] = MARK
    for b, k in enumerate(n):
        x[k + 1 :, b] = STOP
        y[:k, b] = x[k:0:-1, b] if backwards else x[1 : k + 1, b]
        y[k, b] = STOP
    return {"x": x, "y": y, "lengths": {"t": n + 1, "s": n + 2}}


def accuracy(decoder: rnn.Decoder, params: dict[str, np.ndarray], length: int, backwards: bool) -> float:
    """The share of 200 sources of this length whose whole target is written."""
    given = pairs(np.random.default_rng(length), [length], 200, backwards)
    found = decoder(params, x=given["x"], length=length + 3, stop=STOP).symbols
    right = np.full((length + 3, 200), -1)
    written = right.copy()
    right[: length + 1], written[: len(found)] = given["y"], found
    return float((right == written).all(0).mean())


def main() -> dict[str, float]:
    """Train both networks on both tasks, run them free, draw one map; the accuracies."""
    by_place = rnn.define(BY_PLACE, name="by place", init={"g": 0.1, "r": 0.0})
    sizes = {"x": 2 + len(LETTERS), "o": 2 + len(LETTERS), "e": 32, "d": 32}
    nets = {"by content": (rnn.attention(**sizes), 800), "by place": (by_place(**sizes, m=(), g=(), r=()), 1200)}
    figures: dict[str, float] = {}
    for net_name, (net, updates) in nets.items():
        decoder = rnn.Decoder(net)
        for task, backwards in (("copy", False), ("reverse", True)):
            rng = np.random.default_rng(1)
            batches = [pairs(rng, SEEN, 24, backwards) for _ in range(updates)]
            schedule = schedules.Cosine(0.008, updates=updates)
            trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.008), schedule=schedule, clip=1.0)
            for _ in range(updates):
                trainer.step()
            found = {n: accuracy(decoder, trainer.weights, n, backwards) for n in (4, 5, 6, 10, 15, 20, 30)}
            figures |= {f"{task} {n} {net_name}": share for n, share in found.items()}
            shown = "  ".join(f"{n}: {share:4.0%}" for n, share in found.items())
            print(f"{net_name}, {task:7}  {shown}")
            if net_name == "by place":
                figures[f"{task} distance"] = float(trainer.weights["r"])
    source = "headache"
    x = np.array([MARK, *(2 + LETTERS.index(c) for c in source), STOP])
    y = decoder(trainer.weights, x=x[:, None], length=12, stop=STOP).symbols
    written = ["■" if i == STOP else LETTERS[i - 2] for i in y[:, 0]]
    looked = rnn.alignment(net, trainer.weights, x=x, y=y)
    print(f"{source} is written {''.join(written)}; {looked}")
    print("drawn:", looked.plot(Path(gettempdir()) / "attention_map.svg", ["▶", *source, "■"], written))
    return figures


if __name__ == "__main__":
    main()

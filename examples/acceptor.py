"""One output at the end of a sequence: is it a word of a language?

The language is Tomita's (1982) fourth: strings of 0 and 1 in which 000 does not occur. ``acceptor`` reads strings of up
to 15 symbols, answers after the last one, and is then asked about strings of 40, as well as after each symbol of one:
the probability of "no" jumps when the third zero in a row is read, and stays.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim


def strings(rng: np.random.Generator, longest: int, rows: int) -> dict[str, np.ndarray]:
    """Strings x [T, B] of 1 to ``longest`` symbols, more ones than zeros; y [B]: 1 where 000 is within."""
    lengths = rng.integers(1, longest + 1, rows)
    x = (rng.random((longest, rows)) < 0.62).astype(int)
    texts = ["".join(map(str, x[:n, b])) for b, n in enumerate(lengths)]
    return {"x": x, "y": np.array([int("000" in text) for text in texts]), "lengths": lengths}


def main() -> dict[str, float]:
    """Train on short strings, test on long ones; the share of right answers."""
    net = rnn.acceptor(x=2, h=16, o=2)
    rng = np.random.default_rng(0)
    batches = [strings(rng, 15, 64) for _ in range(1500)]
    trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.005), clip=1.0)
    for _ in range(1500):
        trainer.step()
    reader = compiler.compile(net, returns=("o",), training=False)
    figures = {}
    for longest in (15, 40):
        test = strings(np.random.default_rng(1), longest, 1000)
        answers = reader(trainer.weights, x=test["x"], lengths=test["lengths"]).value["o"].argmax(-1)
        figures[f"right up to {longest}"] = float((answers == test["y"]).mean())
        share = max(test["y"].mean(), 1 - test["y"].mean())
        print(f"up to {longest} symbols: {figures[f'right up to {longest}']:.1%} right; always the same: {share:.1%}")
    text = "1001011000110101"
    x = np.repeat(np.array([[int(c)] for c in text]), len(text), 1)
    o = reader(trainer.weights, x=x, lengths=np.arange(1, len(text) + 1)).value["o"]
    odds = 1 / (1 + np.exp(o[:, 0] - o[:, 1]))
    print("read        ", "    ".join(text))
    print("P(000 in it)", " ".join(f"{p:.2f}" for p in odds))
    third = text.index("000") + 2
    return {**figures, "before": float(odds[:third].max()), "after": float(odds[third:].min())}


if __name__ == "__main__":
    main()

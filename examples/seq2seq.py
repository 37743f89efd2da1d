"""Encoder and decoder: a sequence is read, kept in one vector, and written backwards.

``seq2seq`` is trained on words of 1 to 8 letters, without those of 4. It writes words of the length left out, and it
fails at longer ones: all that the decoder knows is the encoder's last state. (``attention.py`` has no such limit.) Beam
search finds sequences that are at least as probable as the greedy ones.
"""

from __future__ import annotations

import numpy as np
from bptt import rnn
from bptt.rnn import optim
from bptt.rnn.optim import schedules

START, STOP, LETTERS = 0, 1, "abcdef"
SEEN = [1, 2, 3, 5, 6, 7, 8]


def pairs(rng: np.random.Generator, lengths: list[int], rows: int) -> dict[str, np.ndarray]:
    """Words x [S, B], and backwards with the mark that stops, y [T, B]; −1 is no target."""
    n = rng.choice(lengths, rows)
    x = rng.integers(2, 2 + len(LETTERS), (n.max(), rows))
    y = np.full((n.max() + 1, rows), -1)
    for b, k in enumerate(n):
        y[: k + 1, b] = [*x[:k, b][::-1], STOP]
    return {"x": x, "y": y, "lengths": {"t": n + 1, "s": n}}


def main(updates: int = 3000) -> dict[str, float]:
    """Train, write words of several lengths; the share that is right, and what beam search gains."""
    net = rnn.seq2seq(x=2 + len(LETTERS), o=2 + len(LETTERS), e=96)
    rng = np.random.default_rng(0)
    trainer = rnn.Trainer(
        net, [pairs(rng, SEEN, 32) for _ in range(updates)], optimiser=optim.Adam(0.003),
        schedule=schedules.Cosine(0.003, updates=updates), clip=1.0,
    )  # fmt: skip
    for _ in range(updates):
        trainer.step()
    decoder = rnn.Decoder(net)
    figures: dict[str, float] = {}
    gain = 0.0
    for n in (3, 4, 6, 8, 10):
        given = pairs(np.random.default_rng(n), [n], 100)
        greedy = decoder(trainer.weights, x=given["x"], length=n + 3, stop=STOP)
        beams = decoder(trainer.weights, x=given["x"], length=n + 3, stop=STOP, beam=4)
        right = [tuple(given["y"][:, b].tolist()) == found[0].symbols for b, found in enumerate(greedy)]
        gain = max(gain, float((beams.log_probability - greedy.log_probability).mean()))
        figures[f"length {n}"] = float(np.mean(right))
        seen = "" if n in SEEN else "   (not in training)"
        print(f"words of {n:2} letters: {np.mean(right):4.0%} backwards without an error{seen}")
    word = "fabbed"
    x = np.array([[2 + LETTERS.index(c)] for c in word])
    for h in decoder(trainer.weights, x=x, length=9, stop=STOP, beam=3)[0]:
        print(f"{word} -> {''.join(LETTERS[i - 2] for i in h.symbols if i > STOP):9} log p = {h.log_probability:.3f}")
    return {**figures, "gain": gain}


if __name__ == "__main__":
    main()

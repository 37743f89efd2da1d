"""A vector becomes a sequence: captions of things that were never seen together.

The vector says size, colour and shape by ones and zeros, the sequence says them in words: "a small red ring .". Of the
36 things 27 are trained on. The network then describes the nine others, which share every word with those it has seen;
the second best caption of beam search is far less probable. (Vinyals et al. 2015 begin with an image.)
"""

from __future__ import annotations

import itertools

import numpy as np
from bptt import rnn
from bptt.rnn import optim

KINDS = (("small", "large", "huge"), ("red", "green", "blue"), ("ring", "box", "star", "ball"))
WORDS = ["<start>", ".", "a", *itertools.chain(*KINDS)]
STOP = WORDS.index(".")


def captioned() -> tuple[np.ndarray, np.ndarray]:
    """All things [B, 10] and their captions [T, B]."""
    things, captions = [], []
    for words in itertools.product(*KINDS):
        things.append([float(w in words) for w in itertools.chain(*KINDS)])
        captions.append([WORDS.index(w) for w in ("a", *words, ".")])
    return np.array(things, dtype="float32"), np.array(captions).T


def main() -> dict[str, float]:
    """Train on three quarters of the things, describe the others; the share of captions that are right."""
    v, y = captioned()
    new = np.random.default_rng(0).permutation(len(v))[:9]
    known = np.setdiff1d(np.arange(len(v)), new)
    net = rnn.vector_to_sequence(v=v.shape[1], h=32, o=len(WORDS))
    trainer = rnn.Trainer(net, {"v": v[known], "y": y[:, known]}, optimiser=optim.Adam(0.01), clip=1.0)
    for _ in range(400):
        step = trainer.step()
    found = rnn.decode(net, trainer.weights, v=v[new], length=8, stop=STOP, beam=2)
    right = [h[0].symbols == tuple(y[:, b].tolist()) for h, b in zip(found, new, strict=True)]
    for best, second in found[:4]:
        for h in (best, second):
            print(f"p = {np.exp(h.log_probability):.4f}  {' '.join(WORDS[i] for i in h.symbols)}")
    print(f"{np.mean(right):.0%} of the captions of new things are right; loss of the others {step.loss:.4f}")
    return {"right": float(np.mean(right)), "loss": step.loss}


if __name__ == "__main__":
    main()

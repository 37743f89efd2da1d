"""The past target as an input: greedy and beam search with a network that was trained so.

``teacher_forcing`` learns which sentences there are and how probable each is. Six sentences in ten begin with "some",
and go on in one of three ways; the other four are all the same, "no birds sing .". The most probable word each time
leads to a sentence with "some", of probability 0.2; the most probable sentence, of probability 0.4, begins with the
less probable word. Beam search finds it. Drawn sentences are as frequent as those of the training.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from bptt import rnn
from bptt.rnn import optim

SENTENCES = {"no birds sing .": 40, "some dogs bark .": 20, "some cats sleep .": 20, "some fish swim .": 20}
WORDS = ["<start>", ".", *sorted({w for s in SENTENCES for w in s.split()} - {"."})]
STOP = 1


def words(found: rnn.Hypothesis) -> str:
    """A sequence of symbols as a sentence."""
    return " ".join(WORDS[i] for i in found.symbols)


def main() -> dict[str, float]:
    """Train, search, draw; the probabilities of what is found."""
    net = rnn.teacher_forcing(x=1, h=16, o=len(WORDS))
    y = np.array([[WORDS.index(w) for w in s.split()] for s, n in SENTENCES.items() for _ in range(n)]).T
    nothing = np.zeros((*y.shape, 1), "float32")  # the cell reads numbers as well; here they say nothing
    trainer = rnn.Trainer(net, {"x": nothing, "y": y}, optimiser=optim.Adam(0.02), clip=1.0)
    for _ in range(300):
        trainer.step()
    decoder = rnn.Decoder(net)
    given = {"x": np.zeros((6, 1, 1), "float32"), "stop": STOP}
    greedy = decoder(trainer.weights, **given)[0][0]
    best = decoder(trainer.weights, beam=3, **given)[0]
    print(f"greedy: {words(greedy):20} p = {np.exp(greedy.log_probability):.3f}")
    for h in best:
        print(f"beam 3: {words(h):20} p = {np.exp(h.log_probability):.3f}")
    rows = {"x": np.zeros((6, 1000, 1), "float32"), "stop": STOP}
    drawn = Counter(words(some[0]) for some in decoder(trainer.weights, temperature=1.0, seed=1, **rows))
    print("drawn:", ", ".join(f"{s} {n / 10:.1f} %" for s, n in drawn.most_common(5)))
    return {
        "greedy": float(np.exp(greedy.log_probability)),
        "best": float(np.exp(best[0].log_probability)),
        "drawn": drawn["no birds sing ."] / 1000,
    }


if __name__ == "__main__":
    main()

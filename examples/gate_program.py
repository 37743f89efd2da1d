"""The LSTM as a program: gates that are open or shut, with weights set by hand, so that it is clear what each does.

It reads "In Korea , more than half of all the residents speak" and says "Korean". The word "In" opens the input gate
for the word that follows: the cell holds the country, over all the words between. "speak" opens the output gate, and
the scores of the next word see the cell ("…": nothing to say). A full stop empties it.
``python examples/gate_program.py gates.svg`` draws the gates over the sentence.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from bptt import graph, rnn

SENTENCES = (
    "In Korea , more than half of all the residents speak",
    "In France , they speak French . They speak",
)
LANGUAGES = {"Korea": "Korean", "France": "French"}
WORDS = ("…", *sorted({*" ".join(SENTENCES).split(), *LANGUAGES.values()}))
"""The first one stands for all that the program has nothing to say about."""


def weights() -> dict[str, np.ndarray]:
    """One unit a country; a gate is open where its number is above zero."""
    number = {word: k for k, word in enumerate(WORDS)}
    gates = {name: np.full((len(WORDS), len(LANGUAGES)), -1.0) for name in ("A_i", "A_f", "A_q")}
    gates["A_i"][number["In"]] = 1  # write what follows "In"
    gates["A_f"][number["."]] = 1  # empty the cell after a full stop
    gates["A_q"][number["speak"]] = 1  # read at "speak"
    vectors, scores = np.zeros((len(WORDS), len(LANGUAGES))), np.zeros((len(WORDS), len(LANGUAGES)))
    for unit, (country, language) in enumerate(LANGUAGES.items()):
        vectors[number[country], unit] = scores[number[language], unit] = 1
    return {**gates, "E": vectors, "V": scores, "d": 0.5 * np.eye(len(WORDS))[0]}


def main(picture: str | None = None) -> dict[str, float]:
    """Read both sentences; what is said after each, and when the gates open."""
    net = rnn.gate_program(x=len(WORDS), h=len(LANGUAGES), o=len(WORDS))
    figures: dict[str, float] = {}
    for sentence in SENTENCES:
        words = sentence.split()
        x = np.array([WORDS.index(w) for w in words])
        found = graph.evaluate(net, weights(), returns=["i", "f", "q", "c", "o"], x=x[:, None])
        print(f"\n{'':9}" + "  ".join(words))
        for name, title in (("i", "write"), ("f", "empty"), ("q", "read"), ("c", "holds")):
            marks = ["█" if v.any() else "·" for v in found[name][:, 0]]
            print(f"{title:9}" + "  ".join(m.ljust(len(w)) for m, w in zip(marks, words, strict=True)))
        said = [WORDS[k] for k in found["o"][:, 0].argmax(-1)]
        print(f"{'says':9}" + "  ".join(m.ljust(len(w)) for m, w in zip(said, words, strict=True)))
        figures |= {word: float(said.count(word)) for word in said if word != "…"}
        if picture and sentence is SENTENCES[0]:
            seen = rnn.activations(net, weights(), x, signals=("i", "f", "q", "c"))
            print(replace(seen, labels=tuple(words), about="the gate program").plot(picture))
    return figures


if __name__ == "__main__":
    main(*sys.argv[1:2])

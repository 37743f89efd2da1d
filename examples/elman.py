"""An Elman network finds the parts of a text by what it cannot predict (Elman 1990, section "Structure in letter
sequences").

A text is made of three "words", ba, dii and guuu, in random order. Which consonant comes next nobody can know; each
vowel, and how many there are, follows from the consonant, as long as it is remembered. After training −log p is near
log 3 at consonants and near 0 at vowels: the peaks are the beginnings of words. Run free, it writes words of its own.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

LETTERS, WORDS = "badigu", ("ba", "dii", "guuu")


def text(words: int, seed: int) -> np.ndarray:
    """Letters of that many random words."""
    drawn = np.random.default_rng(seed).integers(0, 3, words)
    return np.array([LETTERS.index(c) for i in drawn for c in WORDS[i]])


def main() -> dict[str, float]:
    """Train, print −log p letter by letter, write; the mean −log p of consonants and vowels."""
    net = rnn.elman(x=len(LETTERS), h=20, o=len(LETTERS))
    vectors = np.eye(len(LETTERS), dtype="float32")
    letters = np.stack([text(60, seed)[:121] for seed in range(48)], axis=1)
    trainer = rnn.Trainer(net, {"x": vectors[letters[:-1]], "y": letters[1:]}, optimiser=optim.Adam(0.01), clip=1.0)
    for _ in range(300):
        trainer.step()
    test = text(200, 99)
    p = compiler.compile(net, returns=("p",))(trainer.weights, x=vectors[test[:-1], None]).value["p"][:, 0]
    nats = -np.log(p[np.arange(len(p)), test[1:]])
    consonant = np.isin(test[1:], [LETTERS.index(c) for c in "bdg"])
    for letter, value in list(zip(test[1:], nats, strict=True))[:12]:
        print(f"{LETTERS[letter]}  {value:5.2f}  {'■' * round(20 * float(value))}")
    figures = {"consonants": float(nats[consonant].mean()), "vowels": float(nats[~consonant].mean())}
    print(f"−log p: consonants {figures['consonants']:.3f} (log 3 = {np.log(3):.3f}), vowels {figures['vowels']:.3f}")
    begin = vectors[[[LETTERS.index("b")]]]
    written = rnn.decode(net, trainer.weights, x=begin, length=60, temperature=1.0, seed=2).symbols[:, 0]
    whole = "b" + "".join(LETTERS[i] for i in written)
    print("it writes:", whole)
    left = whole
    for word in sorted(WORDS, key=len, reverse=True):
        left = left.replace(word, " ")
    return {**figures, "letters in no word": float(len(left.replace(" ", "")))}


if __name__ == "__main__":
    main()

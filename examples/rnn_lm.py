"""A language model keeps what it needs: the number of the subject, over all the words between it and its verb.

``rnn_lm`` reads sentences such as "the keys to the cabinet are old .", whose verb agrees with the first noun and not
with the nearest (Linzen, Dupoux and Goldberg 2016). It was trained on sentences with at most two nouns between; printed
is how probable the right verb is beside the wrong one with up to four, all of the other number. A model of the last two
words (counted, ``rnn.NGrams``) goes by the nearest noun. Then the network writes sentences of its own.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

SINGULAR, PLURAL = ("key", "cabinet", "door", "house"), ("keys", "cabinets", "doors", "houses")
WORDS = [".", "the", "to", "of", "near", "is", "are", "old", "new", *SINGULAR, *PLURAL]


def sentence(rng: np.random.Generator, between: int, attract: bool = False) -> list[str]:
    """A sentence with so many nouns between subject and verb; ``attract``: all of the other number."""
    plural = bool(rng.integers(2))
    words = ["the", str(rng.choice(PLURAL if plural else SINGULAR))]
    for _ in range(between):
        other = not plural if attract else bool(rng.integers(2))
        words += [str(rng.choice(["to", "of", "near"])), "the", str(rng.choice(PLURAL if other else SINGULAR))]
    return [*words, "are" if plural else "is", str(rng.choice(["old", "new"])), "."]


def ids(words: list[str]) -> np.ndarray:
    """Words as symbols."""
    return np.array([WORDS.index(w) for w in words])


def main() -> dict[str, float]:
    """Train, ask for verbs, write; the shares of right verbs."""
    rng = np.random.default_rng(0)
    texts = [[w for _ in range(3) for w in sentence(rng, int(rng.integers(3)))] for _ in range(640)]
    rows = [np.full(28, -1) for _ in texts]
    for row, words in zip(rows, texts, strict=True):
        row[: min(28, len(words))] = ids(words)[:28]
    text = np.array(rows).T
    batches = [{"x": np.maximum(part[:-1], 0), "y": part[1:]} for part in np.split(text, 20, axis=1)]
    net = rnn.rnn_lm(x=len(WORDS), e=8, h=16, o=len(WORDS))
    trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.02), clip=1.0, target="interpret")
    for _ in range(160):
        step = trainer.step()
    print(f"perplexity {np.exp(step.loss):.2f} a word")
    counted = rnn.NGrams.count(text, order=3, symbols=len(WORDS))
    reader = compiler.compile(net, returns=("o",), target="interpret")
    verbs, figures = [WORDS.index("is"), WORDS.index("are")], {"perplexity": float(np.exp(step.loss))}
    for between in range(5):
        asked = np.stack([ids(sentence(rng, between, attract=True)) for _ in range(100)], axis=1)
        right = asked[-3] == verbs[1]
        o = reader(trainer.weights, x=np.vstack([np.zeros((1, 100), int), asked[:-3]])).value["o"][-1][:, verbs]
        figures[f"network, {between}"] = float((o.argmax(-1) == right).mean())
        chances = [counted.log_probabilities(np.vstack([asked[:-3], np.full((1, 100), v)]))[-1] for v in verbs]
        figures[f"counts, {between}"] = float((np.argmax(chances, axis=0) == right).mean())
        shares = f"network {figures[f'network, {between}']:4.0%}, three words {figures[f'counts, {between}']:4.0%}"
        print(f"{between} nouns of the other number between: right verbs by the {shares}")
    drawn = rnn.decode(
        net, trainer.weights, x=np.zeros((1, 4), int), length=20, stop=0, temperature=0.7, target="interpret"
    )
    for (found,) in drawn:
        print("it writes:", " ".join(WORDS[i] for i in found.symbols))
    return figures


if __name__ == "__main__":
    main()

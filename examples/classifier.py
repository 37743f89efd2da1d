"""A classifier says whether a review is good or bad, and which words decided.

``classifier`` reads short reviews and answers after the last word. "not" turns round what the next judgement says, and
nothing that it was shown had both "not" and "dull": that it knows what "not dull" is, it has from other words. A word
decided as far as the answer is another one without it: printed is how much less the log odds are when it is left out.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

GOOD, BAD = ("great", "funny", "moving", "clever"), ("awful", "boring", "silly", "dull")
THINGS = ("film", "plot", "cast", "end")
WORDS = sorted({"the", "was", "is", "not", "very", "really", *GOOD, *BAD, *THINGS})


def reviews(n: int, seed: int) -> list[tuple[list[str], int]]:
    """Random reviews, each with 1 where it is good."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        good, turned = rng.random(2) < 0.5
        judgement = str(rng.choice(GOOD if good != turned else BAD))
        between = [*(["not"] if turned else []), *(str(w) for w in rng.choice(["very", "really"], rng.integers(0, 3)))]
        words = ["the", str(rng.choice(THINGS)), str(rng.choice(["was", "is"])), *between, judgement]
        found.append((words, int(good)))
    return found


def arrays(some: list[tuple[list[str], int]]) -> dict[str, np.ndarray]:
    """Words x [T, B], answers y [B]."""
    lengths = np.array([len(words) for words, _ in some])
    x = np.zeros((lengths.max(), len(some)), int)
    for b, (words, _) in enumerate(some):
        x[: len(words), b] = [WORDS.index(w) for w in words]
    return {"x": x, "y": np.array([good for _, good in some]), "lengths": lengths}


def main() -> dict[str, float]:
    """Train, test on what was held out, leave out one word after the other."""
    learnt, new = [], []
    for one in reviews(2500, seed=0):
        (new if {"not", "dull"} <= set(one[0]) else learnt).append(one)
    net = rnn.classifier(x=len(WORDS), e=8, h=12, o=2)
    batches = [arrays(learnt[i : i + 32]) for i in range(0, 32 * 60, 32)]
    trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.02), clip=1.0, target="interpret")
    for _ in range(240):
        trainer.step()
    reader = compiler.compile(net, returns=("o",), training=False, target="interpret")

    def odds(some: list[tuple[list[str], int]]) -> np.ndarray:
        """log P(good) − log P(bad)."""
        given = arrays(some)
        o = reader(trainer.weights, x=given["x"], lengths=given["lengths"]).value["o"]
        return np.asarray(o[:, 1] - o[:, 0])

    figures = {"right": float(np.mean([(z > 0) == good for z, (_, good) in zip(odds(new), new, strict=True)]))}
    print(f"{figures['right']:.1%} of {len(new)} reviews with 'not … dull' are right; none was in the training")
    for text in ("the plot was very clever", "the cast is not really dull"):
        words = text.split()
        whole = odds([(words, 0)])[0]
        without = odds([(words[:i] + words[i + 1 :], 0) for i in range(len(words))])
        print(f"\n{text}: {'good' if whole > 0 else 'bad'}")
        for w, z in zip(words, without, strict=True):
            print(f"  {w:8} {whole - z:6.2f}  {'■' * round(2 * abs(float(whole - z)))}")
            figures[f"{text}: {w}"] = float(whole - z)
    return figures


if __name__ == "__main__":
    main()

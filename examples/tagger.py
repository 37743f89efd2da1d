"""A tagger labels every word of a sentence that it has not seen, by what stands on both sides of it.

The words of a small English are ambiguous: in "the old man feed the dogs" man is a noun, in "the old man the boats" it
is what the old do, and only what follows can tell. No sentence of the training has "old man" with "the" or "a" behind
it: ``tagger`` has to know from other words what that means. Beside it stand the most frequent tag of each word, and a
network that reads from the left alone.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

TAGS = "DANV"
LEXICON = {
    "D": ["the", "a"],
    "A": ["old", "young", "rich"],
    "N": ["man", "watch", "fish", "boats", "dogs", "old", "young", "rich"],
    "V": ["man", "watch", "fish", "feed", "see"],
}
WORDS = sorted({w for words in LEXICON.values() for w in words})
HARD = "the old man the boats"


def sentences(n: int, seed: int) -> list[tuple[list[str], str]]:
    """Random sentences with the tags of their words."""
    rng = np.random.default_rng(seed)
    patterns = [str(rng.choice(["DNVDN", "DANVDN", "DNVDAN"])) for _ in range(n)]
    return [([str(rng.choice(LEXICON[tag])) for tag in pattern], pattern) for pattern in patterns]


def arrays(some: list[tuple[list[str], str]]) -> dict[str, np.ndarray]:
    """Words x and tags y, [T, B]; −1 where there is none."""
    longest = max(len(words) for words, _ in some)
    x, y = np.zeros((longest, len(some)), int), np.full((longest, len(some)), -1)
    for b, (words, tags) in enumerate(some):
        x[: len(words), b] = [WORDS.index(w) for w in words]
        y[: len(tags), b] = [TAGS.index(tag) for tag in tags]
    return {"x": x, "y": y, "lengths": np.array([len(words) for words, _ in some])}


def main() -> dict[str, float]:
    """Train, tag what was held out; the share of right tags."""
    learnt, new = [], []
    for one in sentences(3000, seed=0):
        text = " ".join(one[0])
        (new if "old man the" in text or "old man a" in text else learnt).append(one)
    batches = [arrays(learnt[i : i + 32]) for i in range(0, 32 * 60, 32)]
    test = arrays(new)
    there = test["y"] >= 0
    counts: dict[str, Counter[str]] = {w: Counter() for w in WORDS}
    for words, tags in learnt:
        for w, tag in zip(words, tags, strict=True):
            counts[w][tag] += 1
    often = np.array([TAGS.index(counts[w].most_common(1)[0][0]) for w in WORDS])
    figures = {"most frequent": float((often[test["x"]] == test["y"])[there].mean())}
    sizes = {"x": len(WORDS), "e": 8, "h": 12, "o": len(TAGS)}
    for name, net in (("left", rnn.rnn_lm(**sizes)), ("both sides", rnn.tagger(k=12, **sizes))):
        trainer = rnn.Trainer(net, batches, optimiser=optim.Adam(0.02), clip=1.0, target="interpret")
        for _ in range(180):
            trainer.step()
        reader = compiler.compile(net, returns=("o",), training=False, target="interpret")
        given = {n: test[n] for n in ("x", "lengths")}
        tags = reader(trainer.weights, **given).value["o"].argmax(-1)
        figures[name] = float((tags == test["y"])[there].mean())
        read = reader(trainer.weights, x=arrays([(HARD.split(), "")])["x"]).value["o"][:, 0].argmax(-1)
        shown = " ".join(f"{w}/{TAGS[i]}" for w, i in zip(HARD.split(), read, strict=True))
        print(f"{name:13} {figures[name]:.1%} of the tags are right; {shown}")
        figures[f"{name}: {HARD}"] = float("".join(TAGS[i] for i in read) == "DNVDN")
    print(f"most frequent {figures['most frequent']:.1%}; {len(new)} sentences, none like them in the training")
    return figures


if __name__ == "__main__":
    main()

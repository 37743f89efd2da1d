"""A Jordan network follows plans: trained with the targets, it runs on its own outputs.

The input is a plan that does not change, the output one letter after the other; of the past the network knows its last
output alone (Jordan 1986). While it is trained, the target stands in the place of that output (``rnn.teacher_forced``):
then no loop is left, all steps are computed at once. Afterwards the equations run as they stand, on the probabilities
that they gave (p[t-1]), or on the letter that was chosen by them, for longer than any sequence of the training.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn import optim

PLANS = ("abcdef", "fedcba", "acebdf", "ad")
LETTERS = "abcdef"


def sequences(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Plans x [T, B, 4], the same at each step, and letters y [T, B], the plan's again and again."""
    x = np.tile(np.eye(len(PLANS), dtype="float32"), (steps, 1, 1))
    return x, np.array([[LETTERS.index(plan[t % len(plan)]) for plan in PLANS] for t in range(steps)])


def loops(net: graph.Circuit) -> int:
    """How many stages of its training program go through the steps in order."""
    return sum(rows.order != "free" for rows in compiler.compile(net, target="interpret").loops.rows())


def main() -> dict[str, float]:
    """Train with the targets, run free; the share of letters that are right."""
    net = rnn.jordan(x=len(PLANS), h=24, o=len(LETTERS))
    forced = rnn.teacher_forced(net)
    print(forced)
    print(f"loops in a training step: {loops(net)} as it stands, {loops(forced)} with the target for the output")
    x, y = sequences(8)
    trainer = rnn.Trainer(forced, {"x": x, "y": y}, optimiser=optim.Adam(0.02), clip=1.0)
    for _ in range(400):
        step = trainer.step()
    x, y = sequences(24)
    figures = {"loss": step.loss, "loops": float(loops(forced))}
    for name, feed in (("probabilities", None), ("letters", "p")):
        written = rnn.decode(net, trainer.weights, x=x, feed=feed).symbols
        figures[name] = float((written == y).mean())
        print(f"\nrunning on its {name}, {figures[name]:.0%} as planned:")
        for plan, row in zip(PLANS, written.T, strict=True):
            print(f"    {plan:8}{''.join(LETTERS[i] for i in row)}")
    return figures


if __name__ == "__main__":
    main()

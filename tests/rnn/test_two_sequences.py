"""Training on pairs of sequences: each row has two lengths."""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn
from bptt.rnn import optim


def pairs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"x": rng.integers(0, 4, (5, 3)), "y": rng.integers(0, 5, (4, 3))}


def test_a_trainer_takes_the_lengths_of_both() -> None:
    net = rnn.attention(x=4, e=3, d=3, o=5)
    lengths = {"t": [4, 1, 2], "s": [2, 5, 3]}
    trainer = rnn.Trainer(
        net, {**pairs(), "lengths": lengths}, optimiser=optim.SGD(0.1), target="interpret", dtype="float64"
    )
    weights = {n: w.copy() for n, w in trainer.weights.items()}
    step = trainer.step()
    assert step.items == 7
    adjoint = graph.grad(net, "L")
    found = graph.evaluate(adjoint, weights, lengths=lengths, **pairs())
    np.testing.assert_allclose(step.loss, found["L"].mean())
    for n, g in adjoint.grads.items():
        np.testing.assert_allclose(trainer.weights[n], weights[n] - 0.1 * found[g], atol=1e-12, err_msg=n)
    alone = compiler.compile(net, target="interpret", dtype="float64")
    out = alone(weights, x=pairs()["x"][:2, :1], y=pairs()["y"][:, :1])
    np.testing.assert_allclose(found["L"][0], out.loss)


def test_a_source_alone_may_be_ragged() -> None:
    net = rnn.seq2seq(x=4, e=3, o=5)
    given = {**pairs(), "lengths": {"s": [2, 5, 3]}}
    trainer = rnn.Trainer(net, given, target="interpret", dtype="float64")
    weights = {n: w.copy() for n, w in trainer.weights.items()}
    loss = graph.evaluate(net, weights, lengths={"s": [2, 5, 3]}, returns="L", **pairs())["L"].mean()
    np.testing.assert_allclose(trainer.step().loss, loss)

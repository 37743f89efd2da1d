"""Running statistics in training: kept by the trainer, saved and loaded with a run, the same after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn import optim
from bptt.rnn.runs.checkpoint import load_weights

CELL = rnn.define(
    """
    z[t] = batch_norm(U @ x[t])
    h[t] = tanh(W @ h[t-1] + g * z[t] + b)
    o[t] = V @ h[t] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    name="normed",
    init={"g": 1.0},
)


def batch(rows: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": 3.0 + 2.0 * rng.normal(size=(4, rows, 2)), "y": rng.integers(0, 3, size=(4, rows))}


def test_the_trainer_keeps_the_exponential_average() -> None:
    net = CELL(x=2, h=3, o=3)
    given = batch()
    trainer = rnn.Trainer(net, [given], optimiser=optim.SGD(0.1), average=0.25, target="interpret", dtype="float64")
    running = {n: trainer.weights[n].copy() for n in net.constants}
    for _ in range(3):
        a = (given["x"] @ trainer.weights["U"].T).reshape(-1, 3)
        trainer.step()
        running["mean.z"] = 0.75 * running["mean.z"] + 0.25 * a.mean(0)
        running["variance.z"] = 0.75 * running["variance.z"] + 0.25 * a.var(0, ddof=1)
    for name, expected in running.items():
        np.testing.assert_allclose(trainer.weights[name], expected, atol=1e-13)


def test_weights_without_running_statistics_begin_with_those_of_the_first_batch() -> None:
    net = CELL(x=2, h=3, o=3)
    weights = {n: a for n, a in net.init(dtype="float64").items() if n not in net.constants}
    trainer = rnn.Trainer(
        net, [batch()], weights=weights, optimiser=optim.SGD(0.1), target="interpret", dtype="float64"
    )
    trainer.step()
    trainer.step()
    assert np.all(np.abs(trainer.weights["variance.z"] - 1.0) > 1e-3)


def test_an_average_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="average"):
        rnn.Trainer(CELL(x=2, h=3, o=3), [batch()], average=1.5, target="interpret")


@pytest.mark.parametrize("reach", [0, 12])
def test_a_run_saves_loads_and_goes_on(tmp_path: Path, reach: int) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the rain in spain stays mainly in the plain\n" * 20)
    common: dict[str, Any] = {
        "cell": CELL, "sizes": {"h": 5}, "batch": 3, "window": 6, "reach": reach, "updates": 9, "validate": 4,
        "target": "interpret", "quiet": True, "sample": 0,
    }  # fmt: skip
    whole = rnn.fit(text, run=tmp_path / "whole", **common)
    assert np.all(whole.weights["variance.z"] != 1.0)
    loaded = rnn.load(tmp_path / "whole")
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], weight)
    assert loaded.score("the rain").nats == whole.score("the rain").nats
    rnn.fit(text, run=tmp_path / "cut", callbacks=[lambda e: e.stop() if e.update == 5 else None], **common)
    rnn.resume(tmp_path / "cut", quiet=True)
    other = load_weights(tmp_path / "cut").weights
    for name, weight in load_weights(tmp_path / "whole").weights.items():
        np.testing.assert_array_equal(other[name], weight)

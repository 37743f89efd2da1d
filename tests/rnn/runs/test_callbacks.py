"""Callbacks of a run, early stopping, the best weights, and rates that follow validation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.optim import Arrays
from bptt.rnn.runs import checkpoint, logs
from bptt.rnn.runs.train import Event, fit
from small_runs import SHORT

pytestmark = pytest.mark.usefixtures("plain")


def test_callbacks_are_told_of_each_update_and_may_end_the_run(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, bool]] = []

    def tell(event: Event) -> None:
        told.append((event.update, event.validation is not None))
        assert event.run.weights["V"].shape == (15, 4)
        if event.validation:
            assert event.validation["nats"] > 0
        if event.update == 4:
            event.stop("enough")

    run = fit(text, run=tmp_path / "run", callbacks=[tell], **SHORT)
    assert told == [(1, False), (2, False), (3, True), (4, False)]
    assert run.update == checkpoint.load_weights(run.folder).update == 4
    assert "stopped after update 4: enough" in capsys.readouterr().err


def measured(values: list[float]) -> Any:
    """A stand-in for ``Bound.validate``."""

    def validate(*_: Any) -> dict[str, float]:
        return {"nats": values.pop(0)}

    return validate


def test_early_stopping_ends_with_the_best_weights(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([3.0, 2.0, math.nan, 2.5]))
    changes = {**SHORT, "updates": 20, "validate": 1, "patience": 2}
    weights: dict[int, Arrays] = {}

    def keep(event: Event) -> None:
        weights[event.update] = {name: w.copy() for name, w in event.run.weights.items()}

    run = fit(text, run=tmp_path / "run", callbacks=[keep], **changes)
    assert list(weights) == [1, 2, 3, 4]
    said = capsys.readouterr().err
    assert "stopped early after update 4 of 20: 2 validations without a better one" in said
    assert "the weights of the best validation, after update 2, are the run's result (best.safetensors)" in said
    assert (run.update, run.best) == (2, True)
    for found, update in ((run, 2), (rnn.load(run.folder), 2), (rnn.load(run.folder, best=False), 4)):
        assert found.update == update
        assert all((found.weights[name] == weights[update][name]).all() for name in found.weights)
    assert "best, of update 2 of 20" in repr(run)
    assert rnn.resume(run.folder, quiet=True).update == 2
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([1.0, 3.0, 3.0]))
    assert rnn.resume(run.folder, updates=30, quiet=True).update == 5


def test_without_patience_the_last_weights_are_the_result(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([2.0, 3.0]))
    run = fit(text, run=tmp_path / "run", quiet=True, **SHORT)
    assert (run.update, rnn.load(run.folder).update, rnn.load(run.folder, best=True).update) == (6, 6, 3)


def test_a_plateau_lowers_the_rate(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([2.0, 3.0, 3.0, 3.0]))
    changes = {**SHORT, "updates": 4, "validate": 1, "report": 1, "schedule": "plateau", "wait": 0, "factor": 0.5}
    run = fit(text, run=tmp_path / "run", quiet=True, **changes)
    rates = [m["rate"] for m in logs.read_metrics(run.folder) if "rate" in m]
    assert rates == [0.015, 0.015, 0.0075, 0.00375]

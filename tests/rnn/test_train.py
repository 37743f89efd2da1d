"""Training: updates, carried state, what stops it, and the whole run."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn import checkpoint, folder
from bptt.rnn.data import DataError, Stream
from bptt.rnn.folder import RunError
from bptt.rnn.optim import Adam, Arrays
from bptt.rnn.train import Settings, Trainer, TrainingError, fit, language_model

TINY: dict[str, Any] = {
    "vector": 3,
    "hidden": 4,
    "batch": 2,
    "window": 5,
    "updates": 6,
    "report": 2,
    "validate": 3,
    "sample": 20,
    "target": "interpret",
}
FILES = {
    "run.toml",
    "equations.txt",
    "vocabulary.json",
    "weights.safetensors",
    "metrics.jsonl",
    "circuit.svg",
    "unrolled.svg",
    "loss.svg",
    "sample.txt",
}


@dataclass
class Out:
    loss: float
    grad: Arrays
    final: Arrays = field(default_factory=dict)


class Descent:
    """A stand-in for a compiled program: loss w²/2, and it writes down how it was called."""

    def __init__(self, bad: dict[int, tuple[float, float]] | None = None):
        self.calls: list[dict[str, Any]] = []
        self.bad = bad or {}

    def __call__(self, weights: Arrays, **given: Any) -> Out:
        self.calls.append(given)
        number = len(self.calls)
        loss, gradient = self.bad.get(number) or (0.0, float(weights["w"][0]))
        return Out(loss, {"w": np.array([gradient])}, {"h": np.full((2, 1), float(number))})


def trainer(program: Any, **settings: Any) -> Trainer:
    stream = Stream(np.arange(31), batch=2, steps=5)
    return Trainer(program, {"w": np.array([3.0])}, stream, Settings(**{"updates": 10, **settings}))


def test_the_state_goes_from_window_to_window_and_starts_anew_with_the_text() -> None:
    program = Descent()
    training = trainer(program)
    for _ in range(5):
        training.step()
    states = [None if call["initial"] is None else call["initial"]["h"][0, 0] for call in program.calls]
    assert states == [None, 1.0, 2.0, None, 4.0]
    assert [call["start"] for call in program.calls] == [1, 6, 11, 1, 6]
    assert program.calls[1]["x"][0].tolist() == [5, 20]


def test_an_update_is_one_of_adam_on_the_clipped_gradient() -> None:
    training = trainer(Descent(), clip=0.5, rate=0.1, decay="linear")
    steps = [training.step(), training.step()]
    weights, optimiser = {"w": np.array([3.0])}, Adam()
    for rate in (0.1, 0.09):
        optimiser.step(weights, {"w": np.clip(weights["w"], None, 0.5)}, rate)
    assert training.weights["w"] == weights["w"]
    assert [step.update for step in steps] == [1, 2]
    assert steps[0].norm == 3.0
    assert [step.rate for step in steps] == pytest.approx([0.1, 0.09])


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_what_is_not_finite_never_reaches_the_weights(bad: tuple[float, float]) -> None:
    training = trainer(Descent({3: bad}))
    training.step()
    training.step()
    before = training.saved()
    weight = training.weights["w"].copy()
    with pytest.raises(
        TrainingError, match=r"update 3: the loss is .* the gradient norm .* smaller rate"
    ) as error:
        training.step()
    assert ("not finite: w" in str(error.value)) == (not math.isfinite(bad[1]))
    after = training.saved()
    assert training.weights["w"] == weight
    assert (after.update, after.carried["h"][0, 0]) == (2, 2.0)
    assert all((after.optimiser[name] == before.optimiser[name]).all() for name in before.optimiser)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "setting hidden: expected a whole number of at least 1, got 0"),
        ({"hidden": 2.5}, "setting hidden: expected a whole number"),
        ({"updates": True}, "setting updates"),
        ({"seed": -1}, "setting seed"),
        ({"rate": math.nan}, "setting rate: expected a finite number above 0, got nan"),
        ({"clip": 0}, "setting clip"),
        ({"share": 1.0}, "setting share: expected a number between 0 and 1"),
        ({"decay": "steps"}, "setting decay: expected one of constant, linear, cosine, got 'steps'"),
        ({"target": "abacus"}, "setting target"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Settings(**settings)


def test_an_unknown_setting_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no setting 'hiden'; there are batch, clip"):
        fit(None, run=tmp_path / "run", hiden=3)
    assert not (tmp_path / "run").exists()


def test_the_language_model_has_its_forget_gate_open() -> None:
    net = language_model(7, 3, 4)
    assert net.params["E"] == (7, 3)
    assert net.params["V"] == (7, 4)
    weights = net.init(seed=0)
    assert (weights["b_f"] == 1.0).all()
    assert all(w.dtype == np.float32 for w in weights.values())


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "verse.txt"
    path.write_text("the rain in spain\nstays mainly in the plain\n" * 8)
    return path


def test_a_run_leaves_a_folder_that_can_be_loaded(text: Path, tmp_path: Path) -> None:
    run = fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert {path.name for path in run.folder.iterdir()} == FILES
    metrics = folder.read_metrics(run.folder)
    assert [m["update"] for m in metrics] == [1, 2, 3, 4, 6, 6]
    for record in metrics:
        kind = "validation_" if "validation_nats" in record else ""
        assert record[f"{kind}bits"] == pytest.approx(record[f"{kind}nats"] / math.log(2))
    again = rnn.load(run.folder)
    assert again.update == 6
    assert list(again.weights) == list(run.weights)
    assert all((again.weights[name] == run.weights[name]).all() for name in run.weights)
    assert again.vocabulary == run.vocabulary
    sample = (run.folder / "sample.txt").read_text()
    assert again.generate(20, seed=0) + "\n" == sample
    assert checkpoint.load_weights(run.folder).optimiser["updates"] == 6


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(text: Path, tmp_path: Path) -> None:
    one, two, other = (
        fit(text, run=tmp_path / name, quiet=True, **{**TINY, "updates": 2, "seed": seed})
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    weights = [(run.folder / folder.WEIGHTS).read_bytes() for run in (one, two, other)]
    assert weights[0] == weights[1] != weights[2]


def test_a_run_learns(text: Path, tmp_path: Path) -> None:
    settings = {**TINY, "hidden": 8, "updates": 120, "validate": 60, "rate": 0.05}
    run = fit(text, run=tmp_path / "run", quiet=True, **settings)
    found = [m["validation_nats"] for m in folder.read_metrics(run.folder) if "validation_nats" in m]
    assert found[-1] < 0.6 * math.log(len(run.vocabulary))


def test_ctrl_c_finishes_the_update_and_saves(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Trainer.step

    def interrupted(self: Trainer) -> Any:
        if self.update == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Trainer, "step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    run = fit(text, run=tmp_path / "run", **TINY)
    assert signal.getsignal(signal.SIGINT) is before
    assert run.update == checkpoint.load_weights(run.folder).update == 2
    assert rnn.load(run.folder).generate(5)
    said = capsys.readouterr().err
    assert "finishing this update" in said
    assert f"stopped after update 2 of 6; {run.folder} keeps its weights" in said


def test_a_second_ctrl_c_stops_at_once_and_says_what_is_kept(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Trainer.step

    def interrupted(self: Trainer) -> Any:
        if self.update == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(text, run=tmp_path / "run", **TINY)
    assert "keeps what was saved last, the weights of update 3" in capsys.readouterr().err
    assert rnn.load(tmp_path / "run").update == 3


def test_a_diverging_run_keeps_its_last_good_weights(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def diverging(self: Trainer) -> Any:
        if self.update == 2:
            self.program = Descent({1: (math.nan, 1.0)})
        return step(self)

    monkeypatch.setattr(Trainer, "step", diverging)
    with pytest.raises(TrainingError, match=r"update 3: the loss is nan.*run keeps the weights of update 2"):
        fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert rnn.load(tmp_path / "run").update == 2


def test_a_disk_that_fills_up_leaves_the_last_good_state(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    save = checkpoint.save

    def filling(place: Path, saved: checkpoint.Saved) -> None:
        if saved.update == 6:
            monkeypatch.setattr(os, "fsync", full)
        save(place, saved)

    monkeypatch.setattr(checkpoint, "save", filling)
    with pytest.raises(RunError, match=r"weights.safetensors: cannot be written: No space left"):
        fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert rnn.load(tmp_path / "run").update == 3


def test_a_run_does_not_begin_on_a_bad_text(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("far too short")
    with pytest.raises(DataError, match="11 characters are too few for a batch of 3 and windows of 5"):
        fit(short, run=tmp_path / "run", **{**TINY, "batch": 3})
    assert not (tmp_path / "run").exists()

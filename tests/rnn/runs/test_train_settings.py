"""Settings: what makes no sense is said, and what optimiser, schedule and task follow from them."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn import optim
from bptt.rnn.data import DataError
from bptt.rnn.optim import schedules
from bptt.rnn.runs.settings import Settings
from bptt.rnn.tasks import TASKS, TaskSettings

NET = rnn.define(
    "h[t] = tanh(W @ h[t-1] + E[x[t]] + b + C @ h[t-1])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)",
    constants=("C",),
)(x=5, h=4, o=5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "setting hidden: expected a whole number of at least 1, got 0"),
        ({"hidden": 2.5}, "setting hidden: expected a whole number"),
        ({"hidden": None}, "setting hidden: expected a whole number"),
        ({"updates": True}, "setting updates"),
        ({"seed": -1}, "setting seed"),
        ({"rate": math.nan}, "setting rate: expected a finite number above 0, got nan"),
        ({"clip": -1}, "setting clip: expected a finite number of at least 0"),
        ({"share": 1.0}, "setting share: expected a number between 0 and 1"),
        ({"schedule": "steps"}, "setting schedule: expected one of constant, linear, cosine, .*, got 'steps'"),
        ({"target": "abacus"}, "setting target: expected one of cpu, interpret, got 'abacus'"),
        ({"unit": "letter"}, "setting unit: expected one of character, word, byte, got 'letter'"),
        ({"dtype": "float16"}, "setting dtype: expected one of float32, float64"),
        ({"optimiser": "adan"}, "setting optimiser: expected one of sgd, "),
        ({"optimiser": "sgd", "beta1": 0.5}, "setting beta1: sgd has none; it has rate, momentum"),
        ({"momentum": 0.9}, "setting momentum: adam has none; it has rate, betas, eps, decay"),
        ({"schedule": "cosine", "factor": 0.5}, "setting schedule: the schedule cosine has no factor"),
        ({"schedule": "step", "factor": 2.0}, "setting schedule: Step: factor: expected a number above 0"),
        ({"hiden": 3}, "there is no setting 'hiden'; there are task, .*; did you mean hidden"),
        ({"hidden": np.float32(3)}, "setting hidden: expected a whole number of at least 1, got 3.0"),
        ({"hidden": "3"}, "setting hidden: expected a whole number of at least 1, got '3'"),
        ({"task": "taggr"}, "setting task: expected one of .*, got 'taggr'; did you mean tagger"),
        ({"validation": 3}, "setting validation: expected a text, got 3"),
        ({"reach": 3}, "setting reach: expected at least the window, 64 steps, got 3"),
        ({"reach": 3, "window": 4}, "setting reach: expected at least the window, 4 steps, got 3"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Settings(**settings)


def test_limits_data_and_cells_that_make_no_sense_are_refused_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("clip", "clip_values"):
        with pytest.raises(optim.OptimiserError, match=f"{name}: expected a number above 0, got -1"):
            rnn.Trainer(NET, {"x": np.zeros((2, 1), int), "y": np.zeros((2, 1), int)}, **{name: -1})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="data: expected the path of a file or folder, got an empty text"):
        rnn.fit("")
    (tmp_path / "a.txt").write_text("ab " * 500)
    with pytest.raises(DataError, match="ngram_counts: expected the inputs x and y, got x"):
        rnn.fit("a.txt", cell="ngram_counts")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_table_and_back() -> None:
    chosen = Settings(rate=1, beta2=0.99, separator="\n\n")
    assert isinstance(chosen.rate, float)
    assert "beta1" not in chosen.table()
    assert Settings.of(chosen.table()) == chosen
    with pytest.raises(DataError, match=r"there is no setting 'betta2'; .*did you mean"):
        Settings.of({"betta2": 0.9})


def test_numbers_of_numpy_and_paths_are_taken() -> None:
    chosen = Settings(hidden=np.int64(3), rate=np.float32(0.5), validation=Path("a.txt"))  # type: ignore[arg-type]
    assert (chosen.hidden, type(chosen.hidden), chosen.rate, chosen.validation) == (3, int, 0.5, "a.txt")


@pytest.mark.parametrize("task", TASKS)
def test_what_means_nothing_to_a_task_is_refused(task: str) -> None:
    """Windows are of one long sequence, documents of a text, columns of a table."""
    for given, tasks in (
        ({"window": 64}, ("language_model", "forecaster")),
        ({"reach": 70}, ("language_model", "forecaster")),
        ({"unit": "word"}, ("language_model", "classifier", "translator")),
        ({"most": 9}, ("language_model", "tagger", "classifier", "translator")),
        ({"separator": "x"}, ("language_model",)),
        ({"text": "2"}, ("classifier",)),
        ({"label": "1"}, ("classifier",)),
        ({"columns": "1"}, ("forecaster",)),
        ({"forecast": "1"}, ("forecaster",)),
    ):
        chosen = Settings(**given)  # type: ignore[arg-type]
        if task in tasks:
            assert chosen.fitted(task) == replace(chosen, window=chosen.fitted(task).window)
            continue
        said = f"this run is a {task.replace('_', ' ')}, which reads .*: leave it out"
        with pytest.raises(DataError, match=f"setting {next(iter(given))}: it is for a .*; {said}"):
            chosen.fitted(task)


def test_a_run_notes_the_window_that_it_has() -> None:
    assert Settings().fitted("forecaster").table()["window"] == Settings().for_task().window == 64
    assert "window" not in Settings().fitted("tagger").table()


def test_the_task_has_the_settings_of_the_same_name() -> None:
    found = Settings(batch=3, unit="word", forecast="a,b", target="interpret", seed=4).for_task()
    assert (found.batch, found.unit, found.target, found.seed) == (3, "word", "a,b", 4)
    assert {f.name for f in fields(TaskSettings)} <= {f.name for f in fields(Settings)}


def test_the_optimiser_has_its_numbers() -> None:
    made = Settings(optimiser="adamw", rate=0.5, beta1=0.8, eps=1e-3, decay=0.25).make_optimiser(NET)
    assert isinstance(made, optim.AdamW)
    assert (made.rate, made.betas, made.eps, made.decay) == (0.5, (0.8, 0.999), 1e-3, 0.25)
    momentum = Settings(optimiser="nesterov").make_optimiser(NET)
    assert isinstance(momentum, optim.SGD)
    assert (momentum.momentum, momentum.nesterov, momentum.decay) == (0.9, True, 0.0)


@pytest.mark.parametrize(
    ("undecayed", "expected"),
    [
        ("vectors,tables", {"W", "V"}),
        ("vectors", {"W", "V", "E"}),
        ("", {"W", "V", "E", "b"}),
        ("tables, V", {"W", "b"}),
    ],
)
def test_what_decays_and_what_never_changes(undecayed: str, expected: set[str]) -> None:
    chosen = Settings(optimiser="sgd", rate=1.0, decay=0.5, undecayed=undecayed)
    weights = {name: np.ones(shape) for name, shape in NET.params.items()}
    gradients = {name: np.zeros_like(w) for name, w in weights.items() if name != "C"}
    chosen.make_optimiser(NET).step(weights, gradients)
    assert {name for name, w in weights.items() if (w == 0.5).all()} == expected
    assert (weights["C"] == 1).all()


def test_an_exclusion_that_names_nothing_is_said() -> None:
    with pytest.raises(DataError, match=r"expected vectors, tables or parameters of net .*, got 'Q'"):
        Settings(undecayed="vectors,Q").make_optimiser(NET)


def test_the_schedule_has_its_numbers() -> None:
    assert Settings(updates=10, rate=2.0).make_schedule()(5) == pytest.approx(1.0)
    warm = Settings(updates=10, rate=2.0, schedule="linear", end=1.0, warmup=2).make_schedule()
    assert [warm(n) for n in (0, 1, 2, 10)] == pytest.approx([1.0, 2.0, 2.0, 1.0])
    plateau = Settings(schedule="plateau", wait=3, factor=0.5).make_schedule(more=True)
    assert isinstance(plateau, schedules.Plateau)
    assert (plateau.patience, plateau.factor, plateau.more) == (3, 0.5, True)

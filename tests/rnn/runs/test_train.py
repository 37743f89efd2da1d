"""Whole runs: the same bits again, learning, and what each kind of run leaves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.runs import files, folder, logs, train
from bptt.rnn.runs.train import fit
from small_runs import SHORT

pytestmark = pytest.mark.usefixtures("plain")


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(text: Path, tmp_path: Path) -> None:
    one, two, other = (
        fit(text, run=tmp_path / name, quiet=True, **{**SHORT, "updates": 2, "seed": seed})
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    weights = [(run.folder / folder.WEIGHTS).read_bytes() for run in (one, two, other)]
    assert weights[0] == weights[1] != weights[2]


def test_a_run_learns(text: Path, tmp_path: Path) -> None:
    settings = {**SHORT, "hidden": 8, "updates": 120, "validate": 60, "rate": 0.05}
    run = fit(text, run=tmp_path / "run", quiet=True, **settings)
    found = [m["validation_nats"] for m in logs.read_metrics(run.folder) if "validation_nats" in m]
    assert found[-1] < 0.6 * math.log(run.task.reads)


def test_a_config_runs_again(text: Path, tmp_path: Path) -> None:
    changes = {**SHORT, "updates": 2, "optimiser": "sgd", "momentum": 0.5, "schedule": "step", "every": 1}
    cell = rnn.define(
        "e[t] = E[x[t]]\nh[t] = tanh(W @ h[t-1] + U @ e[t] + b)\no[t] = V @ h[t]\n"
        "L = mean(cross_entropy(o[t], y[t]), over=t)  # nats a symbol",
        name="mine",
        init={"W": "orthogonal", "b": 0.5},
    )
    first = fit(text, cell=cell, run=tmp_path / "a", quiet=True, **changes)
    kept = train.configured(tmp_path / "a" / "run.toml")
    settings = rnn.Settings.of(kept.pop("settings"))
    again = fit(kept.pop("data"), settings=settings, run=tmp_path / "b", quiet=True, **kept)
    assert (again.folder / folder.WEIGHTS).read_bytes() == (first.folder / folder.WEIGHTS).read_bytes()
    assert "# nats a symbol" in (first.folder / folder.EQUATIONS).read_text()


def test_initial_values_from_functions_are_not_kept_in_a_file(text: Path, tmp_path: Path) -> None:
    cell = rnn.define(
        "h[t] = tanh(W @ h[t-1] + U[x[t]])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)",
        init={"W": lambda shape, random: np.eye(*shape)},
    )
    run = fit(text, cell=cell, run=tmp_path / "a", quiet=True, **{**SHORT, "updates": 1})
    assert rnn.load(run.folder).update == 1
    with pytest.raises(files.RunError, match="initial values of W came from functions, which are not kept"):
        train.configured(run.folder)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_listed_cell_and_each_dtype(text: Path, tmp_path: Path, dtype: str) -> None:
    run = fit(text, cell="gru", run=tmp_path / "run", quiet=True, dtype=dtype, **SHORT)
    again = rnn.load(run.folder)
    assert again.net.name == "gru"
    assert {w.dtype.name for w in again.weights.values()} == {dtype}
    assert len(again.generate(5)) == 5


def test_reach_and_documents(text: Path, tmp_path: Path) -> None:
    changes = {**SHORT, "reach": 12, "separator": "\n"}
    run = fit(text, run=tmp_path / "run", quiet=True, **changes)
    assert run.update == 6
    assert rnn.load(run.folder).score("the rain").items == 8


def test_a_network_that_reads_its_targets_is_trained_and_does_not_write(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit(text, cell="teacher_forcing", run=tmp_path / "run", **SHORT)
    assert run.update == 6
    said = capsys.readouterr().err
    assert "no sample: teacher_forcing reads y, the symbol that it is to predict" in said
    assert f"go on with: bptt score {run.folder} FILE\n" in said
    assert not (run.folder / folder.SAMPLE).exists()


def test_a_run_without_a_sample_prints_none(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(text, run=tmp_path / "run", **{**SHORT, "updates": 1, "sample": 0})
    assert not (tmp_path / "run" / folder.SAMPLE).exists()
    assert all(line.strip() for line in capsys.readouterr().err.splitlines())

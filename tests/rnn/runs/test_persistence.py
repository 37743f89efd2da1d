"""Forecasters beside persistence, each value taken for the next one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from bptt.rnn.runs import logs
from bptt.rnn.runs.train import fit
from small_runs import SHORT

pytestmark = pytest.mark.usefixtures("plain")


@pytest.mark.parametrize(("pace", "verdict"), [(0.2, "no better"), (math.pi, "better")])
def test_a_forecaster_is_compared_with_persistence(
    pace: float, verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a few updates hardly more than the mean is known: worse where values stay near, better where they leap."""
    path = tmp_path / "a.csv"
    path.write_text("value\n" + "".join(f"{math.cos(pace * i)}\n" for i in range(120)))
    run = fit(path, run=tmp_path / "run", **SHORT)
    said = capsys.readouterr().err
    same = run.configuration["data"]["persistence_normalised_rmse"]
    assert said.count(f" (persistence: normalised rmse {same:.4g})\n") == 2
    assert f"the forecasts are {verdict} than persistence, each value taken for the next one" in said
    last = [record for record in logs.read_metrics(run.folder) if "validation_mse" in record][-1]
    assert f" is {last['validation_normalised_rmse'] / same:.3g} times its own" in said


def test_a_series_that_stays_as_it_is_leaves_nothing_to_be_better_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("value\n" + "3\n" * 120)
    fit(path, run=tmp_path / "run", **{**SHORT, "updates": 1})
    said = capsys.readouterr().err
    assert "makes no error in validation: nothing can be better" in said
    assert "inf" not in said


def test_validation_events_of_a_forecaster_carry_persistence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("value\n" + "".join(f"{math.cos(i)}\n" for i in range(120)))
    run = fit(path, run=tmp_path / "run", as_json=True, **{**SHORT, "updates": 1})
    (found,) = (r for r in map(json.loads, capsys.readouterr().out.splitlines()) if r["event"] == "validation")
    for name in ("mse", "rmse", "normalised_rmse"):
        assert found[f"persistence_{name}"] == run.configuration["data"][f"persistence_{name}"]
        assert f"validation_{name}" in found

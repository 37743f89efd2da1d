"""What stops a run: Ctrl-C, once and twice, and what is not finite."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.compiler import cache
from bptt.rnn.runs import checkpoint, folder
from bptt.rnn.runs.train import fit
from bptt.rnn.trainer import Trainer, TrainingError
from small_runs import SHORT

pytestmark = pytest.mark.usefixtures("plain")


def test_ctrl_c_finishes_the_update_and_saves(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Trainer, "step", interrupted_at(1))
    before = signal.getsignal(signal.SIGINT)
    run = fit(text, run=tmp_path / "run", **SHORT)
    assert signal.getsignal(signal.SIGINT) is before
    assert run.interrupted
    assert run.update == checkpoint.load_weights(run.folder).update == 2
    assert rnn.load(run.folder).generate(5)
    said = capsys.readouterr().err
    assert "finishing this update" in said
    assert f"stopped after update 2 of 6; {run.folder} keeps its weights; go on with: bptt resume {run.folder}" in said


def test_each_compilation_is_said_and_left_out_of_the_speed(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with a reach beyond the window, whose second program is first called by a later update."""
    step, made = Trainer.step, [0]

    def compiling(self: Trainer) -> Any:
        if self.update == 2:
            cache._tell(None)
            os.kill(os.getpid(), signal.SIGINT)
            made[0] = 3
            cache._tell(3)
        return step(self)

    monkeypatch.setattr(Trainer, "step", compiling)
    monkeypatch.setattr(Trainer, "compilations", property(lambda self: made[0]))
    run = fit(text, run=tmp_path / "run", **{**SHORT, "report": 1})
    said = capsys.readouterr().err
    assert "compiling…\nCtrl-C: finishing the compilation and this update, then saving" in said
    assert "compiled in 0 s (3 kernels)\n" in said
    speeds = [json.loads(line) for line in (run.folder / folder.SPEED).read_text().splitlines()]
    assert ["items_per_second" in record for record in speeds] == [False, True, False]


def test_ctrl_c_in_the_last_update_leaves_the_sample_to_resume(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted_at(5))
        run = fit(text, run=tmp_path / "run", quiet=True, **SHORT)
    assert (run.update, run.interrupted) == (6, True)
    assert not (run.folder / folder.SAMPLE).exists()
    assert not rnn.resume(run.folder, quiet=True).interrupted
    assert len((run.folder / folder.SAMPLE).read_text()) == 21


def interrupted_at(update: int) -> Any:
    """``Trainer.step`` with a Ctrl-C when so many updates were made."""
    step = Trainer.step

    def interrupted(self: Trainer) -> Any:
        if self.update == update:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    return interrupted


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
        fit(text, run=tmp_path / "run", **SHORT)
    assert "keeps what was saved last, the weights of update 3; go on with: bptt resume" in capsys.readouterr().err
    assert rnn.load(tmp_path / "run").update == 3


def test_a_diverging_run_keeps_its_last_good_weights(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def diverging(self: Trainer) -> Any:
        if self.update == 2:
            self.weights["V"][:] = np.inf
        return step(self)

    monkeypatch.setattr(Trainer, "step", diverging)
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match=r"update 3: the loss is nan") as error:
        fit(text, run=tmp_path / "run", quiet=True, **SHORT)
    assert "keeps the weights of update 2" in str(error.value)
    assert "the weight V is inf" in str(error.value)

"""What is given to a run wrongly is said, and then there is no folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.graph.errors import CircuitError
from bptt.rnn.data import DataError
from bptt.rnn.runs.train import Event, fit
from small_runs import SHORT


def test_what_cannot_be_trained_is_said_before_a_folder_is_made(text: Path, tmp_path: Path) -> None:
    backwards = rnn.define(
        "h[t] = tanh(W @ h[t+1] + U[x[t]])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)"
    )
    lossless = rnn.define("h[t] = tanh(W @ h[t-1] + U[x[t]])")
    with pytest.raises(CircuitError, match="cannot be cut into windows: h"):
        fit(text, cell=backwards, run=tmp_path / "run", **SHORT)
    with pytest.raises(DataError, match=r"net: expected a loss L, such as L = .*, got the equations of h"):
        fit(text, cell=lossless, run=tmp_path / "run", **SHORT)
    with pytest.raises(DataError, match=r"'gruu' is neither a cell that bptt cells lists .*; did you mean"):
        fit(text, cell="gruu", run=tmp_path / "run", **SHORT)
    with pytest.raises(TypeError, match="a cell has open sizes: give it without calling it"):
        fit(text, cell=rnn.elman(x=2, h=3, o=4), run=tmp_path / "run", **SHORT)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="setting undecayed: expected vectors, tables or parameters of language_model"):
        fit(text, run=tmp_path / "run", undecayed="Q", **SHORT)
    with pytest.raises(DataError, match=r"rnn.fit has no argument and no setting 'hiden'; .*did you mean hidden"):
        fit(text, run=tmp_path / "run", hiden=3)
    short = tmp_path / "short.txt"
    short.write_text("far too short")
    with pytest.raises(DataError, match="11 characters to train on are too few for a batch of 3 and windows of 5"):
        fit(short, run=tmp_path / "run", **{**SHORT, "batch": 3})
    assert not (tmp_path / "run").exists()


def test_what_is_given_wrongly_is_said(text: Path, tmp_path: Path) -> None:
    given: Any
    for given, message in (
        ({"cel": "gru"}, r"rnn.fit has no argument and no setting 'cel'; there are data, cell, .*; did you mean cell"),
        ({"callbak": []}, "did you mean callbacks"),
        ({"upates": 3}, "did you mean updates"),
        ({"settings": {"hidden": 3}}, r"settings: expected rnn.Settings\(…\), got \{'hidden': 3\}; single ones"),
        ({"sizes": "h=3"}, "sizes: expected name -> size, such as {'h': 32}, got 'h=3'"),
        ({"sizes": ["h", 3]}, "sizes: expected name -> size"),
        ({"callbacks": ["tell"]}, r"callbacks: expected functions of an event, such as \[tell\], got 'tell'"),
        ({"run": 3}, "run: expected the path of a new folder, got 3"),
    ):
        with pytest.raises((DataError, TypeError), match=message):
            fit(text, **{"run": tmp_path / "run", **SHORT, **given})
    told: list[Event] = []
    fit(text, run=tmp_path / "run", callbacks=told.append, quiet=True, **{**SHORT, "updates": 1})
    assert len(told) == 1


def test_windows_of_sentences_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    data = tmp_path / "a.tsv"
    data.write_text("label\ttext\n" + "a\tb c\nb\tc d\n" * 9)
    for changes in ({"window": 5}, {"reach": 100}, {"task": "classifier", "separator": "x"}):
        with pytest.raises(DataError, match=r"setting \w+: it is for a language model.*; this run is a classifier"):
            fit(data, run=tmp_path / "run", target="interpret", **changes)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()

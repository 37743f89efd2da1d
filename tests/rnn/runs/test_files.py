"""Files of a run: the old content or the new at any moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bptt.rnn.runs import files
from bptt.rnn.runs.files import RunError


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            files.write(tmp_path / "sample.txt", "half")
    assert not list(tmp_path.glob("*sample*"))
    assert not list(tmp_path.glob(".*.tmp"))


def test_what_cannot_be_written_or_read_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere/a: cannot be written: No such file .*; what was there before is"):
        files.write(tmp_path / "nowhere" / "a", "a")
    with pytest.raises(RunError, match=r"a: expected a file of the run, got: No such file .*; train anew"):
        files.read(tmp_path / "a", "train anew")
    with pytest.raises(RunError, match=r"a: cannot be read: Is a directory"), files.reading(tmp_path / "a"):
        tmp_path.read_bytes()

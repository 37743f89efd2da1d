"""Fixtures of tests that interrupt runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_runs import begin, content


@pytest.fixture(scope="module")
def plain() -> Iterator[None]:
    """Runs without pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bptt.rnn.runs.session._pictures", lambda *_: None)
        patch.setattr("bptt.rnn.runs.plots.loss_plot", lambda _: None)
        yield


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a few lines to train on."""
    path = tmp_path_factory.mktemp("text") / "verse.txt"
    path.write_text("the rain in spain\nstays mainly in the plain\n" * 8)
    return path


@pytest.fixture(scope="module")
def undisturbed(text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What a run leaves that is not disturbed, and the seconds that it takes."""
    place = tmp_path_factory.mktemp("undisturbed") / "run"
    since = time.perf_counter()
    begin(text, place)
    return content(place), time.perf_counter() - since

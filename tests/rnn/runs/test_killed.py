"""Runs that are killed at random times (SIGKILL) and resumed: the same bytes as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.runs import folder
from small_runs import TINY, begin_or_go_on, content, ended, forked
from small_tasks import conllu

pytestmark = pytest.mark.usefixtures("plain")


def killed_at_random(
    train: Callable[[Path], object],
    parent: Path,
    expected: dict[str, bytes],
    seconds: float,
    kills: int,
    seed: int,
) -> list[int]:
    """Runs in ``parent`` that are killed so many times in all, each time while their process lives, up to ``seconds``
    after its start: longer where nothing was saved in that time, shorter where the run had ended. Every run is held
    against what is expected once it has come to its end, where the next begins.
    The updates that the runs had saved when they were killed; -1 before there was a run."""
    chance = random.Random(seed)
    found: list[int] = []
    for number in range(10 * kills):
        place = parent / str(number)
        code, before = None, -1
        while code != 0 and len(found) < kills:
            child = forked(lambda place=place: train(place))  # type: ignore[misc]
            time.sleep(chance.random() * seconds)
            os.kill(child, signal.SIGKILL)
            code = ended(child)
            assert code in (0, -signal.SIGKILL)
            if code:
                begun = (place / folder.CONFIGURATION).exists()
                found.append(rnn.load(place, best=False).update if begun else -1)
            seconds *= 0.8 if not code else 1.2 if found[-1] <= max(before, 0) else 1.0
            before = found[-1] if found else -1
        train(place)
        assert content(place) == expected
        assert not list(place.glob(".*.tmp"))
        if len(found) == kills:
            break
    return found


def test_killed_and_resumed_it_is_the_same(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    expected, seconds = undisturbed
    found = killed_at_random(lambda place: begin_or_go_on(text, place), tmp_path, expected, seconds * 0.8, 2, seed=1)
    assert len(found) == 2


def labelled(folder_: Path) -> Path:
    path = folder_ / "labels.tsv"
    path.write_text("label\ttext\n" + "".join(f"{n % 2}\t{'ab'[n % 2] * (n % 5 + 1)} c\n" for n in range(40)))
    return path


def data_of(case: str, text: Path, folder_: Path) -> Path:
    if case.startswith("buckets"):
        return labelled(folder_)
    if case != "a tagger":
        return text
    path = folder_ / "treebank.conllu"
    path.write_text(conllu(40))
    return path


OWN: dict[str, Any] = {"cell": None, "sizes": None, "window": None}
CASES: dict[str, dict[str, Any]] = {
    "windows": {},
    "reach": {"reach": 13},
    "documents": {"separator": "\\n"},
    "documents with reach": {"separator": "\\n", "reach": 9, "optimiser": "rmsprop"},
    "a text larger than memory": {"memory": 100},
    "buckets, dropout": {**OWN, "unit": "character", "optimiser": "nesterov", "rate": 0.05},
    "a tagger": {**OWN},
    "patience": {"patience": 3, "rate": 0.3, "validate": 1},
    "compiled": {"target": "cpu", "reach": 13},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_killed_twenty_times_and_resumed_it_is_the_same(text: Path, tmp_path: Path, case: str) -> None:
    """Twenty kills each that hit a living process, at random times, before the first save and after some."""
    data = data_of(case, text, tmp_path)
    changes = {**TINY, "updates": 48, "validate": 3, **CASES[case]}

    def train(place: Path) -> object:
        if (place / folder.CONFIGURATION).exists():
            return rnn.resume(place, quiet=True)
        return rnn.fit(data, run=place, quiet=True, **changes)

    if case == "compiled":
        train(tmp_path / "to compile")  # its kernels are kept: the time below is that of a process that finds them
    since = time.perf_counter()
    assert ended(forked(lambda: train(tmp_path / "whole"))) == 0
    seconds = time.perf_counter() - since
    (tmp_path / "killed").mkdir()
    found = killed_at_random(train, tmp_path / "killed", content(tmp_path / "whole"), seconds * 0.6, 20, seed=7)
    assert len(found) == 20
    assert len(set(found)) >= 4, found

"""Runs that are killed at any moment, on full disks, with other data: the same bytes in the end, or a clear error.

A process of its own is forked, so that it can be killed, and so that nothing of it is left but the folder.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from bptt import rnn
from bptt.rnn import checkpoint, folder
from bptt.rnn.data import DataError
from bptt.rnn.folder import RunError
from bptt.rnn.trainer import Trainer

TINY: dict[str, Any] = {
    "vector": 3,
    "hidden": 4,
    "batch": 2,
    "window": 5,
    "updates": 16,
    "report": 3,
    "validate": 4,
    "sample": 8,
    "target": "interpret",
    "seed": 5,
    "schedule": "plateau",
    "wait": 1,
    "cell": "lstm",
    "sizes": {"h": 3},
}
REPEATS = (folder.WEIGHTS, folder.PREVIOUS, folder.BEST, folder.METRICS, folder.CONFIGURATION, folder.SAMPLE)
"""The files that are the same bytes however often a run was killed."""


@pytest.fixture(scope="module", autouse=True)
def plain() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bptt.rnn.session._pictures", lambda *_: None)
        patch.setattr("bptt.rnn.plots.loss_plot", lambda _: None)
        yield


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "verse.txt"
    path.write_text("the rain in spain\nstays mainly in the plain\n" * 8)
    return path


def begin(text: Path, place: Path, **changes: Any) -> rnn.Run:
    return rnn.fit(text, run=place, quiet=True, **{**TINY, **changes})


def begin_or_go_on(text: Path, place: Path) -> rnn.Run:
    if (place / folder.CONFIGURATION).exists():
        return rnn.resume(place, quiet=True)
    return begin(text, place)


def content(place: Path) -> dict[str, bytes]:
    return {name: (place / name).read_bytes() for name in REPEATS}


@pytest.fixture(scope="module")
def undisturbed(text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What a run leaves that is not disturbed, and the seconds that it takes."""
    place = tmp_path_factory.mktemp("undisturbed") / "run"
    since = time.perf_counter()
    begin(text, place)
    return content(place), time.perf_counter() - since


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does the work; it ends with 0, or 1 after an error."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at_random_points(text: Path, place: Path, seconds: float, kills: int, seed: int) -> int:
    """Train, killing it so many times; how many of these came before the end."""
    chance = random.Random(seed)
    early = 0
    for _ in range(kills):
        child = forked(lambda: begin_or_go_on(text, place))
        time.sleep(chance.random() * seconds)
        os.kill(child, signal.SIGKILL)
        early += ended(child) == -signal.SIGKILL
    begin_or_go_on(text, place)
    return early


def test_killed_and_resumed_it_is_the_same(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    expected, seconds = undisturbed
    killed_at_random_points(text, tmp_path / "run", seconds * 0.8, kills=2, seed=1)
    assert content(tmp_path / "run") == expected
    assert not list((tmp_path / "run").glob(".*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_twenty_times_and_resumed_it_is_the_same(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float], seed: int
) -> None:
    """Ten runs, each killed up to three times before its end."""
    expected, seconds = undisturbed
    killed_at_random_points(text, tmp_path / "run", seconds * 0.7, kills=3, seed=seed)
    assert content(tmp_path / "run") == expected


# -- every place where something is written -----------------------------------------------------------


class Disk:
    """Counts what is written, and does something else at one of these places."""

    def __init__(self, patch: pytest.MonkeyPatch, place: int, instead: Callable[[], object]) -> None:
        self.count, self.place, self.instead = 0, place, instead
        for name in ("fsync", "replace", "link", "truncate"):
            patch.setattr(os, name, self.watched(getattr(os, name)))
        patch.setattr(folder, "open", self.open, raising=False)

    def watched(self, function: Any) -> Any:
        def call(*given: Any, **more: Any) -> Any:
            self.tick()
            return function(*given, **more)

        return call

    def tick(self) -> None:
        self.count += 1
        if self.count == self.place:
            self.instead()

    def open(self, *given: Any, **more: Any) -> Any:
        self.tick()
        return _File(open(*given, **more), self)


class _File:
    """A file of which a write may be cut short."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> int:
        half = self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.disk.tick()
        return int(half + self.file.write(data[len(data) // 2 :]))


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def places(text: Path, place: Path) -> int:
    """How many places there are."""
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, 0, full)
        begin(text, place)
    return disk.count


def fails_once(text: Path, folder_: Path, at: int) -> None:
    """A run whose disk is full at one place: what is there can be used, and it goes on."""
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, at, full)
        said = ""
        try:
            begin(text, folder_)
        except RunError as error:
            said = str(error)
    if not said:  # a hard link that cannot be made is a copy
        assert rnn.load(folder_).update == 16
        return
    assert "No space left on device" in said
    begun = (folder_ / folder.CONFIGURATION).exists() and "run.toml: cannot be written" not in said
    assert (f"when that is mended: bptt resume {folder_}" in said) == begun
    if (folder_ / folder.CONFIGURATION).exists():
        assert rnn.load(folder_).update in (0, 4, 8, 12, 16)
    begin_or_go_on(text, folder_)


def test_on_a_full_disk_it_stops_with_a_message_and_goes_on(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    """At three places in the quick run, at each in the slow one."""
    count = places(text, tmp_path / "count")
    for at in (2, count // 2, count - 1):
        fails_once(text, tmp_path / str(at), at)
        assert content(tmp_path / str(at)) == undisturbed[0], at


@pytest.mark.slow
def test_on_a_disk_that_is_full_at_any_write_it_stops_with_a_message_and_goes_on(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    for at in range(1, places(text, tmp_path / "count") + 1):
        fails_once(text, tmp_path / str(at), at)
        assert content(tmp_path / str(at)) == undisturbed[0], at


@pytest.mark.slow
def test_killed_at_any_write_it_is_the_same(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    for at in range(1, places(text, tmp_path / "count") + 1):
        place = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, at, kill)
            child = forked(lambda place=place: begin(text, place))  # type: ignore[misc]
            assert ended(child) == -signal.SIGKILL
        begin_or_go_on(text, place)
        assert content(place) == undisturbed[0], at


def test_a_limit_on_the_size_of_files_is_a_full_disk(text: Path, tmp_path: Path) -> None:
    place = tmp_path / "run"

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        def limit(event: rnn.Event) -> None:
            if event.update == 6:
                resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))

        with pytest.raises(RunError, match=r"cannot be written: File too large"):
            rnn.fit(text, run=place, quiet=True, callbacks=[limit], **TINY)

    assert ended(forked(limited)) == 0
    assert rnn.load(place).update == 4


# -- going on -----------------------------------------------------------------------------------------


def test_a_run_goes_on_from_any_update_with_the_same_bits(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in updates that are no place of a save otherwise; there is one save more, so the one before differs."""
    step = Trainer.step

    def interrupted(self: Trainer) -> Any:
        if self.update in (2, 4, 9):
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Trainer, "step", interrupted)
    place = tmp_path / "run"
    assert begin(text, place).update == 3
    assert rnn.resume(place, quiet=True).update == 5
    assert rnn.resume(place, quiet=True).update == 10
    assert rnn.resume(place, quiet=True).update == 16
    assert content(place) == undisturbed[0]


def test_a_run_that_has_ended_goes_on_if_asked_to(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "run"
    begin(text, place, updates=3)
    before = content(place)
    assert rnn.resume(place).update == 3
    assert f"has made its 3 updates; to train it on: bptt resume {place} --updates N" in capsys.readouterr().err
    assert content(place) == before
    with pytest.raises(DataError, match="has made 3 updates, it cannot go on to 2; give at least 4"):
        rnn.resume(place, updates=2)
    with pytest.raises(DataError, match="setting updates: expected a whole number"):
        rnn.resume(place, updates=0)
    run = rnn.resume(place, updates=5, quiet=True)
    assert (run.update, run.settings.updates) == (5, 5)
    assert rnn.load(place).settings.updates == 5
    assert [m["update"] for m in folder.read_metrics(place)] == [1, 3, 3, 4, 5, 5]


def test_dropout_and_order_go_on_as_they_would_have(text: Path, tmp_path: Path) -> None:
    """Sentences in buckets with dropout: what is random is a function of the update and the seed."""
    lines = text.parent / "labels.tsv"
    lines.write_text("label\ttext\n" + "".join(f"{n % 2}\t{'ab'[n % 2] * (n % 5 + 1)} c\n" for n in range(40)))
    changes = {**TINY, "cell": None, "sizes": None, "unit": "character", "updates": 6}
    whole = rnn.fit(lines, run=tmp_path / "whole", quiet=True, **changes)
    rnn.fit(
        lines, run=tmp_path / "cut", quiet=True, callbacks=[lambda e: e.stop() if e.update == 3 else None], **changes
    )
    again = rnn.resume(tmp_path / "cut", quiet=True)
    assert content_of(whole) == content_of(again)
    assert again.predict("aaa").label in "01"


def content_of(run: rnn.Run) -> list[bytes]:
    return [(run.folder / name).read_bytes() for name in (folder.WEIGHTS, folder.METRICS, folder.BEST)]


def test_other_data_are_refused(text: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text(text.read_text())
    rnn.fit(own, run=tmp_path / "run", quiet=True, callbacks=[lambda e: e.stop()], **TINY)
    own.write_text(text.read_text().replace("rain", "wind"))
    with pytest.raises(DataError, match=r"own.txt: expected the data that .*run began with \(sha256 .*; restore them"):
        rnn.resume(tmp_path / "run", quiet=True)
    assert rnn.load(tmp_path / "run").update == 1


def test_a_damaged_checkpoint_is_said_with_the_way_on(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    place = tmp_path / "run"
    rnn.fit(text, run=place, quiet=True, callbacks=[lambda e: e.stop() if e.update == 9 else None], **TINY)
    path = place / folder.WEIGHTS
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(RunError, match=f"previous.safetensors is whole and holds update 8; .*: mv .* {path}"):
        rnn.resume(place, quiet=True)
    os.replace(place / folder.PREVIOUS, path)
    rnn.resume(place, quiet=True)
    assert content(place) == undisturbed[0]


def test_best_weights_that_were_not_written_yet_are_made_again(text: Path, tmp_path: Path) -> None:
    """Killed between the checkpoint and best.safetensors: the checkpoint knows that its weights are the best."""
    place = tmp_path / "run"
    rnn.fit(text, run=place, quiet=True, callbacks=[lambda e: e.stop() if e.update == 4 else None], **TINY)
    saved = checkpoint.load_weights(place)
    assert saved.progress.best == saved.update == 4
    best = (place / folder.BEST).read_bytes()
    (place / folder.BEST).unlink()
    assert rnn.load(place, best=True).update == 4
    rnn.resume(place, updates=4, quiet=True)
    assert (place / folder.BEST).read_bytes() == best


def test_no_best_weights_before_the_first_validation(text: Path, tmp_path: Path) -> None:
    rnn.fit(text, run=tmp_path / "run", quiet=True, callbacks=[lambda e: e.stop()], **TINY)
    with pytest.raises(RunError, match="expected the weights of a best validation, there was none yet"):
        rnn.load(tmp_path / "run", best=True)


def test_a_run_that_is_being_trained_is_not_resumed(text: Path, tmp_path: Path) -> None:
    rnn.fit(text, run=tmp_path / "run", quiet=True, callbacks=[lambda e: e.stop()], **TINY)
    with folder.locked(tmp_path / "run"):
        with pytest.raises(RunError, match="is training this run"):
            rnn.resume(tmp_path / "run", quiet=True)
        assert rnn.load(tmp_path / "run").update == 1

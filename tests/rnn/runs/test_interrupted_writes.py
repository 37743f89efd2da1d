"""Disks that are full, and processes that are killed, at any place where a run writes."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from bptt import rnn
from bptt.rnn.runs import files, folder, logs
from bptt.rnn.runs.files import RunError
from small_runs import TINY, begin, begin_or_go_on, content, ended, forked

pytestmark = pytest.mark.usefixtures("plain")


class Disk:
    """Counts what is written, and does something else at one of these places."""

    def __init__(self, patch: pytest.MonkeyPatch, place: int, instead: Callable[[], object]) -> None:
        self.count, self.place, self.instead = 0, place, instead
        for name in ("fsync", "replace", "link", "truncate"):
            patch.setattr(os, name, self.watched(getattr(os, name)))
        for module in (files, logs):
            patch.setattr(module, "open", self.open, raising=False)

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

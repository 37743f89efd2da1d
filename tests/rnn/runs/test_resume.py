"""Runs that go on after an interruption: the same bytes in the end, or a clear error."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.data import DataError
from bptt.rnn.runs import checkpoint, folder, logs
from bptt.rnn.runs.files import RunError
from bptt.rnn.trainer import Trainer
from small_runs import TINY, begin, content

pytestmark = pytest.mark.usefixtures("plain")


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
    assert [m["update"] for m in logs.read_metrics(place)] == [1, 3, 3, 4, 5, 5]


def test_dropout_and_order_go_on_as_they_would_have(text: Path, tmp_path: Path) -> None:
    """Sentences in buckets with dropout: what is random is a function of the update and the seed."""
    lines = text.parent / "labels.tsv"
    lines.write_text("label\ttext\n" + "".join(f"{n % 2}\t{'ab'[n % 2] * (n % 5 + 1)} c\n" for n in range(40)))
    changes = {**TINY, "cell": None, "sizes": None, "window": None, "unit": "character", "updates": 6}
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


def test_with_the_best_weights_alone_a_run_can_be_used_and_is_not_trained_on(text: Path, tmp_path: Path) -> None:
    place = tmp_path / "run"
    rnn.fit(text, run=place, quiet=True, callbacks=[lambda e: e.stop() if e.update == 9 else None], **TINY)
    best = rnn.load(place, best=True)
    for name in (folder.WEIGHTS, folder.PREVIOUS):
        (place / name).write_bytes(b"")
    with pytest.raises(RunError, match=f"best.safetensors is whole .* weights of update {best.update} alone"):
        rnn.load(place)
    os.replace(place / folder.BEST, place / folder.WEIGHTS)
    assert rnn.load(place).generate(9) == best.generate(9)
    metrics = (place / folder.METRICS).read_bytes()
    with pytest.raises(RunError, match=r"got the weights of update .* alone, .*: the run can predict with them"):
        rnn.resume(place, quiet=True)
    assert (place / folder.METRICS).read_bytes() == metrics


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


def test_other_validation_data_are_refused(tmp_path: Path) -> None:
    """Of a text and of a series, whose checksum is of what is trained on alone; of a tagger it is of both."""
    series = "a\n" + "".join(f"{i % 7}\n" for i in range(90))
    for kind, first, later in (
        ("txt", "the rain in spain\n" * 20, "the wind in spain\n" * 4),
        ("csv", series, series.replace("3", "4")),
        ("tsv", "label\ttext\n" + "a\tb c\nb\tc d\n" * 9, "label\ttext\na\tb b\n"),
    ):
        data, own = tmp_path / f"data.{kind}", tmp_path / f"own.{kind}"
        data.write_text(first)
        own.write_text(first)
        window = None if kind == "tsv" else TINY["window"]
        changes = {**TINY, "cell": None, "sizes": None, "window": window, "validation": str(own)}
        rnn.fit(data, run=tmp_path / kind, quiet=True, callbacks=[lambda e: e.stop()], **changes)
        own.write_text(later)
        named = "data.tsv" if kind == "tsv" else f"own.{kind}"
        with pytest.raises(DataError, match=rf"{named}: expected the data that .*{kind} began with .*; restore them"):
            rnn.resume(tmp_path / kind, quiet=True)
        own.write_text(first)
        assert rnn.resume(tmp_path / kind, updates=3, quiet=True).update == 3


# ---- texts larger than memory ----------------------------------------------------------------------
def test_the_symbols_of_a_large_text_are_kept_in_the_run(
    text: Path, tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    """Made once, used again by resume, and made again where they are damaged or missing."""
    place, symbols = tmp_path / "run", tmp_path / "run" / folder.SYMBOLS[0]
    rnn.fit(text, run=place, quiet=True, callbacks=[lambda e: e.stop() if e.update == 4 else None], **TINY, memory=100)
    made = symbols.read_bytes(), symbols.stat().st_ino
    rnn.resume(place, updates=5, quiet=True)
    assert (symbols.read_bytes(), symbols.stat().st_ino) == made
    altered = bytearray(made[0])
    altered[-3] ^= 1
    symbols.write_bytes(altered)
    rnn.resume(place, updates=6, quiet=True)
    assert symbols.read_bytes() == made[0]
    symbols.unlink()
    rnn.resume(place, updates=16, quiet=True)
    assert symbols.read_bytes() == made[0]
    whole = rnn.fit(text, run=tmp_path / "whole", quiet=True, **TINY, memory=100)
    other = {name: a for name, a in undisturbed[0].items() if name in (folder.WEIGHTS, folder.METRICS)}
    assert {name: (whole.folder / name).read_bytes() for name in other} == other


def test_a_large_text_that_cannot_be_trained_on_leaves_no_folder(text: Path, tmp_path: Path) -> None:
    for changes in ({"batch": 10_000}, {"undecayed": "Q"}):
        with pytest.raises(DataError):
            rnn.fit(text, run=tmp_path / "run", quiet=True, memory=100, **{**TINY, **changes})
        assert not (tmp_path / "run").exists()
    (tmp_path / "own").mkdir()
    with pytest.raises(DataError):
        rnn.fit(text, run=tmp_path / "own", quiet=True, memory=100, **{**TINY, "batch": 10_000})
    assert list((tmp_path / "own").iterdir()) == []

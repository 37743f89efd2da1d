"""Runs that learnt bytes that are no text: what reads with them reads bytes, and what they write is bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.cli import main

NOISE = np.random.default_rng(0).integers(0, 256, 400, dtype=np.uint8).tobytes() + b"\r\n\xff"
TINY: dict[str, Any] = {
    "vector": 3, "hidden": 4, "batch": 2, "window": 5, "updates": 1, "sample": 0, "target": "interpret",
}  # fmt: skip
Binary = pytest.CaptureFixture[bytes]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bytes") / "noise.bin"
    path.write_bytes(NOISE)
    return path


@pytest.fixture(scope="module")
def run(file: Path) -> rnn.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bptt.rnn.runs.session._pictures", lambda *_: None)
        patch.setattr("bptt.rnn.runs.plots.loss_plot", lambda _: None)
        return rnn.fit(file, run=file.parent / "run", unit="byte", quiet=True, **TINY)


def said(capture: Binary, *arguments: object) -> bytes:
    assert main([str(a) for a in arguments]) == 0, capture.readouterr().err
    return capture.readouterr().out


def test_bytes_and_files_of_them_are_read_as_they_are(run: rnn.Run, file: Path) -> None:
    found = run.score(file)
    assert found == run.score(NOISE)
    assert (found.items, found.item) == (len(NOISE), "byte")
    assert run.score("é") == run.score("é".encode())
    following = run.predict(NOISE, most=256)
    assert [one.token for one in sorted(following, key=lambda one: one.symbol)][64:66] == ["@", "A"]
    assert {one.token for one in following} >= {"\\x80", "\\xff", "a"}
    assert len({one.token for one in following}) == 256
    assert rnn.activations(run, b"a\xe9\xff").labels == ("a", "\\xe9", "\\xff")


def test_a_prompt_of_bytes_is_gone_on_with_in_bytes(run: rnn.Run) -> None:
    written = run.generate(50, prompt=b"\xff\x00", seed=1)
    assert written[:2] == b"\xff\x00"
    assert len(written) == 52
    assert written[2:] != run.generate(50, prompt=b"", seed=1)
    assert run.generate(50, seed=1) == run.generate(50, prompt=b"", seed=1).decode("utf-8", "replace")


def test_bytes_are_refused_where_characters_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bptt.rnn.runs.session._pictures", lambda *_: None)
    monkeypatch.setattr("bptt.rnn.runs.plots.loss_plot", lambda _: None)
    (tmp_path / "a.txt").write_text("the rain in spain " * 5)
    letters = rnn.fit(tmp_path / "a.txt", run=tmp_path / "run", quiet=True, **TINY)
    for asked in (letters.score, letters.predict, lambda given: letters.generate(3, prompt=given)):
        with pytest.raises(TypeError, match=r"expected a (text|prompt), got bytes; decode"):
            asked(b"the rain")
    with pytest.raises(TypeError, match="got bytes; decode"):
        rnn.activations(letters, b"the rain")


def test_commands_read_the_file_that_was_trained_on(run: rnn.Run, file: Path, capfdbinary: Binary) -> None:
    assert f"over {len(NOISE)} bytes".encode() in said(capfdbinary, "score", run.folder, file)
    first = said(capfdbinary, "predict", run.folder, file, "--json").splitlines()[0]
    best = run.predict(NOISE)[0]
    assert json.loads(first) == {"symbol": best.token, "probability": best.probability, "byte": best.symbol}
    figure = file.parent / "gates.svg"
    assert f"{len(NOISE)} steps".encode() in said(capfdbinary, "activations", run.folder, file, "--out", figure)
    assert b"state" in said(capfdbinary, "explain", run.folder, "--gradient", "--data", file, "--steps", 5)
    assert main(["score", str(run.folder), "nowhere.txt"]) != 0


def test_bytes_are_written_raw_and_to_a_terminal_escaped(
    run: rnn.Run, capfdbinary: Binary, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("generate", run.folder, "--length", 90, "--prompt", "ré\udcff")
    expected = run.generate(90, prompt="ré".encode() + b"\xff")
    assert said(capfdbinary, *asked) == expected
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = said(capfdbinary, *asked).decode()
    assert shown.startswith("ré\\xff")
    assert all(c.isprintable() or c in "\n\t" for c in shown)

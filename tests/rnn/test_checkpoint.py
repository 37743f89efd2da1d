"""Run folders: whole at any moment, never overwritten, and clear about what is wrong with them."""

from __future__ import annotations

import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt.rnn import checkpoint, folder
from bptt.rnn.checkpoint import Saved
from bptt.rnn.data import Vocabulary
from bptt.rnn.folder import RunError

VOCABULARY = Vocabulary.of('ab"\\\n\u2028𝛿')


def configuration() -> dict[str, Any]:
    return {
        "network": {"name": "tiny"},
        "sizes": {"x": 3, "h": 2},
        "settings": {"rate": 1e-08, "updates": 3, "decay": "cosine", "flag": True},
        "text": {"source": 'a "quoted"\ttext\x7f\x00 𝛿.txt', "characters": 7},
        "checksums": {folder.VOCABULARY: folder.checksum(folder.vocabulary_file(VOCABULARY))},
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = folder.create(tmp_path / "run", "x", configuration())
    folder.write(made / folder.VOCABULARY, folder.vocabulary_file(VOCABULARY))
    return made


def saved(update: int = 3) -> Saved:
    random = np.random.default_rng(update)
    weights = {
        "W": random.normal(size=(2, 3)),
        "b": random.normal(size=2).astype("float32"),
        "a": np.array(0.5),
    }
    return Saved(
        update, weights, {"updates": np.array(update), "m.W": weights["W"] * 2}, {"h": np.ones((1, 2))}
    )


# -- writing ------------------------------------------------------------------------------------------


def test_a_configuration_reads_back_as_it_was_written(place: Path) -> None:
    found = folder.read_configuration(place)
    assert {name: found[name] for name in configuration()} == configuration()
    assert found["format"] == folder.FORMAT
    assert set(found["versions"]) == {"bptt", "python", "numpy", "numba", "llvmlite"}


def test_toml_of_every_character_below_256_reads_back() -> None:
    text = "".join(map(chr, range(256))) + "𝛿\ufeff"
    assert tomllib.loads(folder.toml({"a key": text, "t": {"list": ["x", 1, 2.5, False]}})) == {
        "a key": text,
        "t": {"list": ["x", 1, 2.5, False]},
    }
    with pytest.raises(RunError, match="a NoneType cannot stand in a configuration"):
        folder.toml({"a": None})


def test_runs_get_the_next_free_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [folder.create(None, "text", configuration()) for _ in range(3)]
    assert [str(path) for path in made] == ["runs/text-1", "runs/text-2", "runs/text-3"]


def test_a_run_is_never_overwritten(place: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(RunError, match="holds a run, which would be lost"):
        folder.create(place, "x", configuration())
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").touch()
    with pytest.raises(RunError, match="holds other files"):
        folder.create(tmp_path / "letters", "x", configuration())
    with pytest.raises(RunError, match="got a file"):
        folder.create(tmp_path / "letters" / "dear.txt", "x", configuration())


def test_of_two_processes_that_begin_in_one_folder_the_second_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    path.mkdir()
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))  # both have looked before either has written
    folder.create(path, "x", configuration())
    with pytest.raises(RunError, match="another process has just begun a run here"):
        folder.create(path, "x", configuration())


def test_an_unwritable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/run: cannot be written: Not a directory.*--run"):
        folder.create(tmp_path / "file" / "run", "x", configuration())


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_on_a_full_disk_the_last_good_state_is_intact(
    place: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    checkpoint.save(place, saved(3))
    before = sorted(path.name for path in place.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, stage, full)
        with pytest.raises(
            RunError, match=r"weights.safetensors: cannot be written: No space left.* untouched"
        ):
            checkpoint.save(place, saved(4))
    assert checkpoint.load_weights(place).update == 3
    assert sorted(path.name for path in place.iterdir()) == before


def test_an_interrupted_write_leaves_nothing_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            folder.write(place / "sample.txt", "half")
    assert not list(place.glob("*sample*"))
    assert not list(place.glob(".*"))


# -- weights ------------------------------------------------------------------------------------------


def test_weights_optimiser_and_state_come_back_bit_for_bit(place: Path) -> None:
    checkpoint.save(place, saved())
    found, expected = checkpoint.load_weights(place), saved()
    assert found.update == 3
    for kind in ("weights", "optimiser", "carried"):
        got, wanted = getattr(found, kind), getattr(expected, kind)
        assert got.keys() == wanted.keys()
        for name in wanted:
            assert got[name].dtype == wanted[name].dtype
            assert got[name].shape == wanted[name].shape
            assert (got[name] == wanted[name]).all()


def test_others_read_the_weights_by_their_names(place: Path) -> None:
    from safetensors.numpy import load_file

    checkpoint.save(place, saved())
    arrays = load_file(place / folder.WEIGHTS)
    assert {"W", "b", "a", "optimiser.m.W", "carried.h"} <= arrays.keys()


def test_a_transposed_array_is_saved_as_what_it_is(place: Path) -> None:
    array = np.arange(6.0).reshape(2, 3).T
    checkpoint.save(place, Saved(0, {"W": array}))
    assert (checkpoint.load_weights(place).weights["W"] == array).all()


@pytest.mark.parametrize("place_of_damage", [0, 8, 40, -1, "cut", "empty"])
def test_damaged_weights_are_noticed(place: Path, place_of_damage: int | str) -> None:
    checkpoint.save(place, saved())
    path = place / folder.WEIGHTS
    content = bytearray(path.read_bytes())
    if place_of_damage == "cut":
        content = content[: len(content) // 2]
    elif place_of_damage == "empty":
        content = bytearray()
    else:
        content[int(place_of_damage)] ^= 0x41
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"weights.safetensors: damaged: expected .*, got .*; restore it"):
        checkpoint.load_weights(place)


def test_missing_weights_are_said(place: Path) -> None:
    with pytest.raises(
        RunError, match=r"weights.safetensors: expected the weights of the run, there is no such"
    ):
        checkpoint.load_weights(place)


def test_weights_must_fit_the_equations(place: Path) -> None:
    weights = {"W": np.zeros((2, 3)), "b": np.zeros(2)}
    assert list(checkpoint.fit_shapes(place, weights, {"b": (2,), "W": (2, 3)})) == ["b", "W"]
    for shapes in ({"W": (3, 2), "b": (2,)}, {"W": (2, 3)}, {"W": (2, 3), "b": (2,), "c": (1,)}):
        with pytest.raises(
            RunError, match=r"weights.safetensors: damaged: expected for [Wbc], by equations.txt"
        ):
            checkpoint.fit_shapes(place, weights, shapes)


# -- reading ------------------------------------------------------------------------------------------


def test_no_folder_and_a_folder_of_no_run_are_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere: expected a run folder, there is none"):
        checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"run.toml: expected a file of the run, got: No such file"):
        checkpoint.load(tmp_path)


def test_a_run_of_a_newer_version_is_said(place: Path) -> None:
    path = place / folder.CONFIGURATION
    path.write_text(path.read_text().replace(f"format = {folder.FORMAT}", f"format = {folder.FORMAT + 1}"))
    with pytest.raises(
        RunError, match=r"run.toml: written by a newer bptt .* reads formats up to 1; upgrade"
    ):
        checkpoint.load(place)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format = 1", 'format = "1"'),
        ("format = 1", "form = 1"),
        ("format = 1", "format = ="),
        ("[sizes]", "[size]"),
        ("x = 3", "x = 0"),
        ("x = 3", 'x = "__import__(0)"'),
        ("x = 3", "x = true"),
    ],
)
def test_a_damaged_configuration_is_said(place: Path, old: str, new: str) -> None:
    path = place / folder.CONFIGURATION
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RunError, match=r"run.toml: damaged: expected .*, got"):
        checkpoint.load(place)


def test_a_vocabulary_comes_back_and_an_altered_one_is_noticed(place: Path) -> None:
    found = folder.read_configuration(place)
    assert folder.read_vocabulary(place, found) == VOCABULARY
    path = place / folder.VOCABULARY
    path.write_text(path.read_text().replace("b", "c", 1))
    with pytest.raises(RunError, match=r"vocabulary.json: damaged: expected the checksum"):
        folder.read_vocabulary(place, found)
    path.unlink()
    with pytest.raises(RunError, match=r"vocabulary.json: expected a file of the run"):
        folder.read_vocabulary(place, found)


# -- metrics ------------------------------------------------------------------------------------------


def test_metrics_are_read_up_to_a_line_that_was_cut_short(place: Path) -> None:
    for update in range(3):
        folder.append_metrics(place, {"update": update, "nats": 1.5})
    path = place / folder.METRICS
    path.write_bytes(path.read_bytes() + b'{"update": 3, "na')
    assert [record["update"] for record in folder.read_metrics(place)] == [0, 1, 2]
    path.write_text('{"update": 0}\nnothing\n')
    with pytest.raises(RunError, match=r"metrics.jsonl: damaged: expected a JSON object in line 2"):
        folder.read_metrics(place)

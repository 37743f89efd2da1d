"""Checkpoints: bit for bit, whole at any moment, and clear about what is wrong with them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from bptt.rnn.runs import checkpoint, folder
from bptt.rnn.runs.checkpoint import KINDS, Progress, Saved
from bptt.rnn.runs.files import RunError


def saved(update: int = 3) -> Saved:
    random = np.random.default_rng(update)
    weights = {
        "W": random.normal(size=(2, 3)),
        "b": random.normal(size=2).astype("float32"),
        "a": np.array(0.5),
    }
    return Saved(
        update,
        weights,
        optimiser={"updates": np.array(update), "m.W": weights["W"] * 2},
        schedule={"rate": np.array(0.25)},
        carried={"h": np.ones((1, 2))},
        report={"losses": np.array([2.5, 2.25])},
        progress=Progress(best=2, value=1.25, waited=1, stopped="", metrics=77),
    )


def same(one: Saved, two: Saved) -> bool:
    if (one.update, one.progress) != (two.update, two.progress):
        return False
    for kind in ("weights", *KINDS):
        got, wanted = getattr(one, kind), getattr(two, kind)
        if got.keys() != wanted.keys():
            return False
        for name in wanted:
            if (got[name].dtype, got[name].shape) != (wanted[name].dtype, wanted[name].shape):
                return False
            if not (got[name] == wanted[name]).all():
                return False
    return True


def test_all_of_it_comes_back_bit_for_bit(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, saved())
    assert same(checkpoint.load_weights(tmp_path), saved())


def test_others_read_the_weights_by_their_names(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    checkpoint.save(tmp_path, saved())
    arrays = load_file(tmp_path / folder.WEIGHTS)
    assert {"W", "b", "a", "optimiser.m.W", "carried.h"} <= arrays.keys()


def test_a_transposed_array_is_saved_as_what_it_is(tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3).T
    checkpoint.save(tmp_path, Saved(0, {"W": array}))
    assert (checkpoint.load_weights(tmp_path).weights["W"] == array).all()


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    for update in (1, 2, 3):
        checkpoint.save(tmp_path, saved(update))
    assert same(checkpoint.load_weights(tmp_path), saved(3))
    assert same(checkpoint.load_weights(tmp_path, folder.PREVIOUS), saved(2))


def test_the_one_before_is_kept_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", none)
    for update in (1, 2):
        checkpoint.save(tmp_path, saved(update))
    assert same(checkpoint.load_weights(tmp_path, folder.PREVIOUS), saved(1))
    assert same(checkpoint.load_weights(tmp_path), saved(2))


def test_the_best_weights_have_a_file_of_their_own(tmp_path: Path) -> None:
    checkpoint.save_best(tmp_path, 2, saved(2).weights)
    found = checkpoint.read_checkpoint(tmp_path / folder.BEST)
    assert found.update == 2
    assert (found.weights["W"] == saved(2).weights["W"]).all()


SMALL = Saved(1, {"W": np.array([0.5, 2.0])}, progress=Progress(best=1, value=1.25))


def test_a_checkpoint_altered_in_any_byte_is_noticed_or_the_same(tmp_path: Path) -> None:
    """White space in the header, and the order of keys, may differ without a difference."""
    checkpoint.save(tmp_path, SMALL)
    path = tmp_path / folder.WEIGHTS
    content = path.read_bytes()
    noticed = 0
    for place in range(len(content)):
        flip = (0x01, 0x20, 0x80)[place % 3]
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        try:
            found = checkpoint.read_checkpoint(path)
        except RunError:
            noticed += 1
        else:
            assert same(found, SMALL), place
    assert noticed > 0.95 * len(content)


def test_a_checkpoint_cut_short_at_any_byte_is_noticed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, SMALL)
    path = tmp_path / folder.WEIGHTS
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(RunError, match=r"weights.safetensors: damaged: expected .*, got .*; restore it"):
            checkpoint.read_checkpoint(path)


@pytest.mark.parametrize(
    ("header", "content"),
    [
        ({"W": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"\0"),
        ({"W": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}}, b"\0"),
        ({"__metadata__": {"bptt": "[" * 900 + "]" * 900}}, b""),
        ({"__metadata__": {"bptt": "[" * 5000 + "]" * 5000}}, b""),
        ({"__metadata__": {"bptt": '{"format": 2, "a":' + "[" * 900 + "]" * 900 + "}"}}, b""),
    ],
)
def test_numbers_and_headers_that_are_none_of_ours_are_said(
    tmp_path: Path, header: dict[str, object], content: bytes
) -> None:
    raw = json.dumps(header).encode()
    path = tmp_path / folder.WEIGHTS
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + content)
    with pytest.raises(RunError, match=r"weights.safetensors: damaged: expected a safetensors file, got .*; restore"):
        checkpoint.read_checkpoint(path)


def test_of_a_damaged_checkpoint_the_one_before_is_named(tmp_path: Path) -> None:
    for update in (4, 5):
        checkpoint.save(tmp_path, saved(update))
    path, previous = tmp_path / folder.WEIGHTS, tmp_path / folder.PREVIOUS
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match=rf"previous.safetensors is whole and holds update 4; .*: mv {previous} {path}"):
        checkpoint.load_weights(tmp_path)
    os.replace(previous, path)
    assert checkpoint.load_weights(tmp_path).update == 4
    previous.write_bytes(b"")
    path.write_bytes(b"")
    with pytest.raises(RunError, match="train anew") as error:
        checkpoint.load_weights(tmp_path)
    assert "previous" not in str(error.value)
    checkpoint.save_best(tmp_path, 2, saved(2).weights)
    best = tmp_path / folder.BEST
    with pytest.raises(RunError, match=rf"best.safetensors is whole and holds the weights of update 2 .*mv {best} "):
        checkpoint.load_weights(tmp_path)
    os.replace(best, path)
    assert checkpoint.load_weights(tmp_path).update == 2


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_on_a_full_disk_the_last_good_state_is_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    checkpoint.save(tmp_path, saved(3))
    with monkeypatch.context() as patch:
        patch.setattr(os, stage, full)
        with pytest.raises(RunError, match=r"safetensors: cannot be written: No space left.* untouched"):
            checkpoint.save(tmp_path, saved(4))
    assert same(checkpoint.load_weights(tmp_path), saved(3))
    assert not list(tmp_path.glob(".*"))


def test_missing_weights_are_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"weights.safetensors: expected the weights of the run, there is no such"):
        checkpoint.load_weights(tmp_path)


def test_weights_must_fit_the_equations(tmp_path: Path) -> None:
    weights = {"W": np.zeros((2, 3)), "b": np.zeros(2)}
    path = tmp_path / folder.WEIGHTS
    assert list(checkpoint.fit_shapes(path, weights, {"b": (2,), "W": (2, 3)}, "float64")) == ["b", "W"]
    for shapes in ({"W": (3, 2), "b": (2,)}, {"W": (2, 3)}, {"W": (2, 3), "b": (2,), "c": (1,)}):
        with pytest.raises(RunError, match=r"weights.safetensors: damaged: expected for [Wbc], by equations.txt"):
            checkpoint.fit_shapes(path, weights, shapes, "float64")
    with pytest.raises(RunError, match=r"expected for W, by run\.toml, numbers of float32, got float64"):
        checkpoint.fit_shapes(path, weights, {"W": (2, 3), "b": (2,)}, "float32")

"""Checkpoints: what a run is at one update, in one safetensors file.

    NAME                   a weight
    optimiser.NAME         what the optimiser keeps, e.g. optimiser.m.W
    schedule.NAME          what the schedule keeps
    carried.NAME           the state that the next batch starts from
    report.NAME            what the next line of metrics adds up

The header's one entry, "bptt", holds the rest as JSON: format, update, the length of metrics.jsonl, the best validation
so far, and a checksum of all of it. The state of every random number and the position in the data are functions of the
update.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..optim import Arrays
from .files import RunError, damaged, keep_previous, write
from .folder import BEST, CONFIGURATION, EQUATIONS, FORMAT, PREVIOUS, WEIGHTS
from .parsing import parsed_json

KINDS = ("optimiser", "schedule", "carried", "report")


@dataclass
class Progress:
    """What a run knows of its validations.

    best     the update of the best one, 0 before the first; value: its main measure
    waited   validations since
    stopped  why the run ended before its last update, "" if it did not
    metrics  bytes of metrics.jsonl
    """

    best: int = 0
    value: float = 0.0
    waited: int = 0
    stopped: str = ""
    metrics: int = 0

    def __post_init__(self) -> None:
        for name in ("best", "waited", "metrics"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name}: {value!r}")
        number = not isinstance(self.value, bool) and isinstance(self.value, (int, float)) and math.isfinite(self.value)
        if not number or not isinstance(self.stopped, str):
            raise ValueError(f"value: {self.value!r}, stopped: {self.stopped!r}")


@dataclass
class Saved:
    """All that a run is at one update: enough to generate from it, and to go on with it."""

    update: int
    weights: Arrays
    optimiser: Arrays = field(default_factory=dict)
    schedule: Arrays = field(default_factory=dict)
    carried: Arrays = field(default_factory=dict)
    report: Arrays = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)


def save(folder: Path, saved: Saved) -> None:
    """Replace weights.safetensors, and make the one that was there previous.safetensors.

    Raises RunError where it cannot be written; the old one is untouched.
    """
    content = _serialised(saved)
    keep_previous(folder / WEIGHTS, folder / PREVIOUS)
    write(folder / WEIGHTS, content)


def save_best(folder: Path, update: int, weights: Arrays) -> None:
    """Replace best.safetensors: the weights alone. Raises RunError where it cannot be written."""
    write(folder / BEST, _serialised(Saved(update, weights)))


def _serialised(saved: Saved) -> bytes:
    from safetensors.numpy import save as serialise

    arrays = dict(saved.weights)
    for kind in KINDS:
        arrays |= {f"{kind}.{name}": a for name, a in getattr(saved, kind).items()}
    arrays = {name: np.ascontiguousarray(a).reshape(np.shape(a)) for name, a in arrays.items()}
    about = {"format": FORMAT, "update": saved.update, **asdict(saved.progress)}
    # one entry: safetensors writes several in an order that changes, and equal runs give equal files
    content: bytes = serialise(arrays, metadata={"bptt": json.dumps({**about, "sha256": _digest(about, arrays)})})
    return content


def _digest(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def load_weights(folder: Path, name: str = WEIGHTS) -> Saved:
    """weights.safetensors, or another checkpoint. Raises RunError where it is missing, cut short or altered.

    The error says whether the checkpoint before it is whole, or else the best weights, and how to go on from there.
    """
    try:
        return read_checkpoint(folder / name)
    except RunError as error:
        if name != WEIGHTS:
            raise
        raise RunError(f"{error}{_elsewhere(folder)}") from error


def _elsewhere(folder: Path) -> str:
    """How to go on where weights.safetensors is damaged: from the checkpoint before it, or else the best weights."""
    for name, holds in (
        (PREVIOUS, "holds update {}; to go on from there:"),
        (BEST, "holds the weights of update {} alone: the run can be used with them, not trained on; to do so:"),
    ):
        try:
            update = read_checkpoint(folder / name).update
        except RunError:
            continue
        return f". {name} is whole and {holds.format(update)} mv {folder / name} {folder / WEIGHTS}"
    return ""


def read_checkpoint(path: Path) -> Saved:
    """A checkpoint. Raises RunError where it is missing, cut short, or altered."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RunError(f"{path}: expected the weights of the run, there is no such file; train anew")
    try:
        with safe_open(path, framework="np") as file:
            about = parsed_json((file.metadata() or {}).get("bptt", "{}"))
            arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, "a safetensors file", error) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise damaged(path, f'"format": {FORMAT} in the header', about)
    expected = about.pop("sha256", None)
    got = _digest(about, arrays)
    if expected != got:
        raise damaged(path, f"the checksum {str(expected)[:12]}…", f"{got[:12]}…")
    try:
        return _sorted_by_kind(about, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, "the header of a checkpoint", about) from error


def _sorted_by_kind(about: dict[str, Any], arrays: Arrays) -> Saved:
    update = about.pop("update")
    about.pop("format")
    if isinstance(update, bool) or not isinstance(update, int) or update < 0:
        raise ValueError(update)
    saved = Saved(update, {}, progress=Progress(**about))
    for name, array in arrays.items():
        kind, dot, rest = name.partition(".")
        if dot and kind in KINDS:
            getattr(saved, kind)[rest] = array
        else:
            saved.weights[name] = array
    return saved


def fit_shapes(path: Path, weights: Arrays, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> Arrays:
    """The weights, in the order of ``shapes``. Raises RunError where a name, a shape or the dtype differs."""
    got: dict[str, tuple[int, ...] | None] = {name: array.shape for name, array in weights.items()}
    for name in (*shapes, *weights):
        if shapes.get(name) != got.get(name):
            expected = f"for {name}, by {EQUATIONS} and {CONFIGURATION}, the shape {shapes.get(name, 'of none')}"
            raise damaged(path, expected, got.get(name, "none"))
        if weights[name].dtype != dtype:
            raise damaged(path, f"for {name}, by {CONFIGURATION}, numbers of {dtype}", weights[name].dtype)
    return {name: weights[name] for name in shapes}

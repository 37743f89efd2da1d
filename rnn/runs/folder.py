"""Run folders: what a training run leaves behind, written so that it is whole at any moment.

    run.toml               settings, sizes, data, versions, checksums of the two files below; it runs again:
                           bptt train --config run.toml
    equations.txt          the network
    task.json              what the data gave it: vocabularies, labels, normalisation
    symbols.npy            the symbols of a text larger than memory, and symbols.npy.json, what they were made of; made
                           again where they do not fit or are damaged
    weights.safetensors    the weights by name; all that training needs to go on beside them, see ``checkpoint``
    previous.safetensors   the same, one save earlier
    best.safetensors       the weights that were best in validation
    metrics.jsonl          one JSON object a line; speed.jsonl: the same for what is never the same twice
    circuit.svg  unrolled.svg  loss.svg  sample.txt

Every file but the two logs, which only grow, is replaced as a whole: written beside its place, flushed to disk,
renamed. All that must fit together at one update is in one file. The length of metrics.jsonl is part of it: what was
written after the last save is cut off when the run goes on, and written again.

A folder belongs to one run, and to one process at a time, which holds its lock. It is a run once it has run.toml,
which is written last; before that it is an unfinished beginning, which the next one may clear. Reading a run executes
nothing from it.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ... import __version__
from .files import RunError, checksum, damaged, read, reading, write, writing
from .lock import LOCK, Lock, LockedError
from .parsing import parsed_json, parsed_toml

FORMAT = 2
CONFIGURATION, EQUATIONS, TASK = "run.toml", "equations.txt", "task.json"
WEIGHTS, PREVIOUS, BEST = "weights.safetensors", "previous.safetensors", "best.safetensors"
METRICS, SPEED, SAMPLE = "metrics.jsonl", "speed.jsonl", "sample.txt"
CIRCUIT, UNROLLED, LOSS = "circuit.svg", "unrolled.svg", "loss.svg"
SYMBOLS = ("symbols.npy", "symbols.npy.json")
FIRST = (EQUATIONS, TASK, WEIGHTS)
"""What is written before run.toml, and after the symbols."""


# -- writing ------------------------------------------------------------------------------------------


def claim(folder: str | Path | None, stem: str) -> tuple[Path, Lock]:
    """A folder for a new run, and its lock; without a name, the next free runs/STEM-1, -2, ….

    Raises RunError where the named folder holds anything already (a run is never overwritten), cannot be written, or
    is used by another process. What a beginning left that was killed before it was a run is cleared.
    """
    if folder is None:
        path = _next_free(Path("runs"), stem)
        return path, locked(path)
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: expected a folder for the new run, got a file; name another one")
    _expect_free(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    lock = locked(path)
    try:
        _expect_free(path)  # another process may have made a run here before we had the lock
        with writing(path):
            for name in (*FIRST, *(p.name for p in path.glob(".*.tmp"))):
                (path / name).unlink(missing_ok=True)
    except BaseException:
        lock.release()
        raise
    return path, lock


def _expect_free(path: Path) -> None:
    """Raise RunError unless the folder is new, empty, or an unfinished beginning."""
    if not path.is_dir():
        return
    with reading(path):
        found = {entry.name for entry in path.iterdir()}
    unfinished = {LOCK, *FIRST, *SYMBOLS, *(name for name in found if name.startswith(".") and name.endswith(".tmp"))}
    if not found or (LOCK in found and found <= unfinished):
        return
    what = "a run" if CONFIGURATION in found else "other files"
    raise RunError(
        f"{path}: expected a new or empty folder, it holds {what}, which would be lost; name another one, remove it"
        " yourself, or leave the name out" + (f"; to go on with it: bptt resume {path}" if what == "a run" else "")
    )


def _next_free(parent: Path, stem: str) -> Path:
    number = 1
    with writing(parent / f"{stem}-{number}"):
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            path = parent / f"{stem}-{number}"
            try:
                path.mkdir()
                return path
            except FileExistsError:
                number += 1


def locked(path: Path) -> Lock:
    """The lock of a run folder. Raises RunError where another process has it, or where there can be none."""
    try:
        return Lock(path).acquire()
    except LockedError as error:
        raise RunError(
            f"{path}: {error.strerror} is training this run; wait for it, stop it, or name another folder"
        ) from error
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written or locked: {error.strerror or error}; name a folder that you may write to,"
            " on a file system with locks"
        ) from error


def configure(path: Path, configuration: Mapping[str, Any]) -> None:
    """Write run.toml, which makes the folder a run."""
    content = toml({"format": FORMAT, **configuration})
    write(path / CONFIGURATION, f"# A run of bptt. Nothing in this folder is ever executed.\n{content}")


def tidy(path: Path) -> None:
    """Remove what a process that was killed had begun to write."""
    with writing(path):
        for left in path.glob(".*.tmp"):
            left.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """The versions that the bits of a run depend on."""
    found = {"bptt": __version__, "python": platform.python_version()}
    for package in ("numpy", "numba", "llvmlite"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def toml(table: Mapping[str, Any]) -> str:
    """A table of scalars, lists, and tables of these, as TOML."""
    plain = {k: v for k, v in table.items() if not isinstance(v, Mapping)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for name, inner in table.items():
        if isinstance(inner, Mapping):
            lines += ["", f"[{_key(name)}]", *(f"{_key(k)} = {_value(v)}" for k, v in inner.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise RunError(f"{CONFIGURATION}: a {type(value).__name__} cannot stand in a configuration: {value!r}")


# -- reading ------------------------------------------------------------------------------------------


def read_text(folder: Path, name: str, configuration: Mapping[str, Any]) -> str:
    """A text file of the run, held against its checksum in the configuration."""
    path = folder / name
    content = read(path)
    expected = configuration["checksums"].get(name)
    got = checksum(content)
    if got != expected:
        raise damaged(path, f"the checksum {str(expected)[:12]}… of {CONFIGURATION}", f"{got[:12]}…")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise damaged(path, "UTF-8", error) from error


def _path(run: Any) -> Path:
    if not isinstance(run, str | os.PathLike):
        mend = f"; give its folder, {run.folder}" if hasattr(run, "folder") else ""
        raise TypeError(f"expected the path of a run folder, got {type(run).__name__}{mend}")
    return Path(run)


def read_configuration(folder: str | Path) -> dict[str, Any]:
    """run.toml of a run folder. Raises RunError: no run, damaged, or of another version."""
    place = _path(folder)
    if place.is_dir():
        return read_configuration_file(place / CONFIGURATION)
    if not place.exists():
        raise RunError(f"{folder}: expected a run folder, there is none; bptt train makes one")
    inside = (place.parent / CONFIGURATION).is_file()
    mend = f"did you mean {place.parent}?" if inside else f"to train on it: bptt train {folder}"
    raise RunError(f"{folder}: expected a run folder, got a file; {mend}")


def read_configuration_file(path: Path) -> dict[str, Any]:
    """A file like run.toml. Raises RunError: none, damaged, or of another version."""
    content = read(path, "this folder is no run, or not a whole one: name one that bptt train made")
    try:
        found = parsed_toml(content)
    except ValueError as error:
        raise damaged(path, "TOML", error) from error
    form = found.get("format")
    if not isinstance(form, int) or isinstance(form, bool) or form < 1:
        raise damaged(path, f"format = {FORMAT}", f"format = {form!r}")
    if form != FORMAT:
        versions = found.get("versions")
        written = versions.get("bptt", "unknown") if isinstance(versions, dict) else "unknown"
        mend = (
            "upgrade it: pip install -U bptt"
            if form > FORMAT
            else f"train anew, or use it with the version that wrote it: pip install 'bptt=={written}'"
        )
        raise RunError(
            f"{path}: written by {'a newer' if form > FORMAT else 'an older'} bptt ({written}, format {form});"
            f" this one, {__version__}, reads format {FORMAT}; {mend}"
        )
    for table in ("network", "sizes", "settings", "data", "checksums", "versions"):
        if not isinstance(found.get(table), dict):
            raise damaged(path, f"a table [{table}]", f"{found.get(table)!r}")
    for name, size in found["sizes"].items():
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in _numbers(size)):
            raise damaged(path, f"a size of at least 1 for {name}", repr(size))
    return found


def _numbers(size: Any) -> list[Any]:
    return size if isinstance(size, list) else [size]


def read_json(folder: Path, name: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON file of the run, held against its checksum. Raises RunError where it is damaged."""
    text = read_text(folder, name, configuration)
    try:
        found = parsed_json(text)
    except ValueError as error:
        raise damaged(folder / name, "JSON", error) from error
    if not isinstance(found, dict):
        raise damaged(folder / name, "a JSON object", type(found).__name__)
    return found

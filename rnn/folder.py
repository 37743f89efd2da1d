"""Run folders: what a training run leaves behind, written so that it is whole at any moment.

    run.toml              configuration, sizes, versions, checksums of the two files below
    equations.txt         the network, as it was written
    vocabulary.json       the characters, in the order of their symbols
    weights.safetensors   the weights by name; "optimiser.…" and "carried.…" beside them; update in its header
    metrics.jsonl         one JSON object a line
    circuit.svg  unrolled.svg  loss.svg  sample.txt

Every file but the metrics, which only grow, is replaced as a whole: written beside its place, flushed to
disk, renamed. All that must fit together at one update is in one file. A folder belongs to one run: it is
claimed by creating run.toml, which fails where there is one. Reading a run executes nothing from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from .data import Vocabulary

FORMAT = 1
CONFIGURATION, EQUATIONS, VOCABULARY = "run.toml", "equations.txt", "vocabulary.json"
WEIGHTS, METRICS, SAMPLE = "weights.safetensors", "metrics.jsonl", "sample.txt"
CIRCUIT, UNROLLED, LOSS = "circuit.svg", "unrolled.svg", "loss.svg"


class RunError(ValueError):
    """A run folder that cannot be written, is missing, damaged, or of a newer version."""


# -- writing ------------------------------------------------------------------------------------------


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written: {error.strerror or error};"
            " what was there before is untouched. Make room, or name another folder with --run"
        ) from error


def write(path: Path, content: bytes | str) -> None:
    """Replace the file as a whole: it holds the old content or the new, whatever happens in between.

    Raises RunError where that fails (disk full, no permission); the old content is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _flush_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _flush_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def create(folder: str | Path | None, stem: str, configuration: Mapping[str, Any]) -> Path:
    """Claim a folder for a new run and write its run.toml; without a name, the next free runs/STEM-1, -2, ….

    Raises RunError where the named folder holds anything already: a run is never overwritten.
    """
    if folder is not None:
        path = Path(folder)
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: expected a folder for the new run, got a file; name another one")
        if path.is_dir() and any(path.iterdir()):
            what = "a run" if (path / CONFIGURATION).exists() else "other files"
            raise RunError(
                f"{path}: expected a new or empty folder, it holds {what}, which would be lost;"
                " name another one, remove it yourself, or leave the name out"
            )
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
    else:
        path = _next_free(Path("runs"), stem)
    return _claim(path, configuration)


def _next_free(parent: Path, stem: str) -> Path:
    number = 1
    with _writing(parent / f"{stem}-{number}"):
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            path = parent / f"{stem}-{number}"
            try:
                path.mkdir()
                return path
            except FileExistsError:
                number += 1


def _claim(path: Path, configuration: Mapping[str, Any]) -> Path:
    content = toml({"format": FORMAT, **configuration, "versions": versions()})
    try:
        with _writing(path / CONFIGURATION), open(path / CONFIGURATION, "xb") as file:
            file.write(f"# A run of bptt. Nothing in this folder is ever executed.\n{content}".encode())
            file.flush()
            os.fsync(file.fileno())
    except RunError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise RunError(f"{path}: another process has just begun a run here; name another one") from None
        raise
    return path


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
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise RunError(f"{CONFIGURATION}: a {type(value).__name__} cannot stand in a configuration: {value!r}")


def checksum(content: bytes | str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


# -- reading ------------------------------------------------------------------------------------------


def read(path: Path, mend: str = "restore it from a copy, or train anew") -> bytes:
    """The content of a file of a run. Raises RunError where there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{path}: expected a file of the run, got: {error.strerror or error}; {mend}"
        ) from error


def damaged(path: Path, expected: str, got: object) -> RunError:
    return RunError(f"{path}: damaged: expected {expected}, got {got}; restore it from a copy, or train anew")


def read_text(folder: Path, name: str, configuration: Mapping[str, Any]) -> str:
    """A text file of the run, held against its checksum in the configuration."""
    path = folder / name
    content = read(path)
    expected = configuration["checksums"].get(name)
    got = checksum(content)
    if got != expected:
        raise damaged(path, f"the checksum {str(expected)[:12]}… of {CONFIGURATION}", f"{got[:12]}…")
    return content.decode()


def read_configuration(folder: str | Path) -> dict[str, Any]:
    """run.toml. Raises RunError: no run, damaged, or of a newer version."""
    path = Path(folder) / CONFIGURATION
    if not Path(folder).is_dir():
        raise RunError(f"{folder}: expected a run folder, there is none; bptt train makes one")
    content = read(path, "this folder is no run, or not a whole one: name one that bptt train made")
    try:
        found = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise damaged(path, "TOML", error) from error
    form = found.get("format")
    if not isinstance(form, int) or isinstance(form, bool) or form < 1:
        raise damaged(path, f"format = {FORMAT}", f"format = {form!r}")
    if form > FORMAT:
        written = found.get("versions", {}).get("bptt", "unknown")
        raise RunError(
            f"{path}: written by a newer bptt ({written}, format {form}); this one, {__version__}, reads"
            f" formats up to {FORMAT}; upgrade it: pip install -U bptt"
        )
    for table in ("network", "sizes", "settings", "text", "checksums", "versions"):
        if not isinstance(found.get(table), dict):
            raise damaged(path, f"a table [{table}]", f"{found.get(table)!r}")
    for name, size in found["sizes"].items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise damaged(path, f"a size of at least 1 for {name}", repr(size))
    return found


def read_vocabulary(folder: Path, configuration: Mapping[str, Any]) -> Vocabulary:
    """vocabulary.json. Raises RunError where it is damaged."""
    try:
        characters = json.loads(read_text(folder, VOCABULARY, configuration))["characters"]
        return Vocabulary(tuple(characters))
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, RunError):
            raise
        raise damaged(folder / VOCABULARY, "a list of characters", error) from error


def vocabulary_file(vocabulary: Vocabulary) -> str:
    """The content of vocabulary.json."""
    return (
        json.dumps({"unseen": 0, "characters": list(vocabulary.characters)}, ensure_ascii=True, indent=0)
        + "\n"
    )


# -- metrics ------------------------------------------------------------------------------------------


def append_metrics(folder: Path, record: Mapping[str, Any]) -> None:
    """One more line of metrics.jsonl. Raises RunError where it cannot be written."""
    path = folder / METRICS
    with _writing(path), open(path, "ab") as file:
        file.write((json.dumps(record, allow_nan=False) + "\n").encode())


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last one that was cut short is left out. Raises RunError if damaged."""
    path = folder / METRICS
    lines = read(path).split(b"\n")
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise damaged(path, f"a JSON object in line {number}", error) from error
        if not isinstance(record, dict):
            raise damaged(path, f"a JSON object in line {number}", record)
        found.append(record)
    return found

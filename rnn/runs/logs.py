"""The logs of a run, metrics.jsonl and speed.jsonl: lines that are appended, cut back to the last save, and read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import damaged, flush, read, reading, writing
from .folder import METRICS
from .parsing import is_record, parsed_json


def plain(record: Any) -> Any:
    """A record as JSON has it: a number that is not finite is null."""
    if isinstance(record, Mapping):
        return {name: plain(value) for name, value in record.items()}
    return None if isinstance(record, float) and not math.isfinite(record) else record


def append(path: Path, record: Mapping[str, Any]) -> None:
    """One more line of metrics.jsonl or speed.jsonl. Raises RunError where it cannot be written."""
    with writing(path), open(path, "ab", buffering=0) as file:
        line = (json.dumps(plain(record), allow_nan=False, ensure_ascii=False) + "\n").encode()
        if file.write(line) != len(line):
            raise OSError("the disk is full")


def length(path: Path) -> int:
    """The bytes of a log, all on disk before this returns."""
    if not path.exists():
        return 0
    with writing(path):
        flush(path)
        return path.stat().st_size


def cut(path: Path, bytes_: int) -> None:
    """Cut a log back to its length at a save. Raises RunError where it is shorter."""
    if not path.exists() and not bytes_:
        return
    with reading(path):
        size = path.stat().st_size
    if size < bytes_:
        raise damaged(path, f"at least the {bytes_} bytes that it had at the last save", size)
    if size > bytes_:
        with writing(path):
            os.truncate(path, bytes_)


def cut_last_line(path: Path) -> None:
    """Remove a last line that was cut short."""
    if path.exists():
        content = read(path)
        cut(path, content.rfind(b"\n") + 1)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last one that was cut short is left out. Raises RunError if damaged."""
    path = folder / METRICS
    lines = read(path).split(b"\n")
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            record = parsed_json(line)
        except ValueError as error:
            raise damaged(path, f"a JSON object in line {number}", error) from error
        if not is_record(record):
            raise damaged(path, f"a JSON object of numbers in line {number}, an update among them", record)
        found.append(record)
    return found

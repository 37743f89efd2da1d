"""Which task data are for: by suffix and content, unless the settings say it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data import Cache, DataError
from ..data.pairs import are_pairs
from ..data.sentences import says_labels_and_texts
from ..data.series import number_of
from ..data.text import empty
from .base import Task
from .classifier import TABLES, Classifier
from .forecaster import Forecaster
from .language_model import LanguageModel
from .settings import TASKS, TaskSettings
from .tagger import Tagger
from .translator import Translator

LOOK = 1 << 16
"""Bytes at the beginning of a file that are looked at."""
_RESTORED = {
    "language_model": LanguageModel.restored,
    "tagger": Tagger.restored,
    "classifier": Classifier.restored,
    "forecaster": Forecaster.restored,
    "translator": Translator.restored,
}


def task_of(data: str | Path | None, settings: TaskSettings, cache: Cache | None) -> Task:
    """See ``Task.of``."""
    settings.check()
    path = None if data is None else Path(data)
    if path is not None and path.is_dir() and not settings.validation:
        path, settings = _two_files(path, settings)
    kind = settings.task or ("language_model" if path is None else kind_of(path, settings))
    if kind == "language_model":
        return LanguageModel.read(path, settings, cache)
    if path is None:
        raise DataError(f"expected data for a {kind}: a file or a folder; got none")
    if kind == "tagger":
        return Tagger.read(path, settings)
    if kind == "translator":
        return Translator.read(path, settings)
    return Classifier.read(path, settings) if kind == "classifier" else Forecaster.read(path, settings)


def restored(kept: Mapping[str, Any], settings: TaskSettings) -> Task:
    """See ``Task.restore``."""
    make = _RESTORED.get(str(kept.get("task"))) if isinstance(kept, Mapping) else None
    if make is None:
        raise DataError(f"expected a task that a run kept, one of {', '.join(TASKS)}; got {kept!r:.80}")
    return make(kept, settings)


def _two_files(folder: Path, settings: TaskSettings) -> tuple[Path, TaskSettings]:
    """The files to train on and to validate with in a folder, if it has just one of each."""
    names = sorted(p for p in folder.iterdir() if p.is_file())
    train = [p for p in names if "train" in p.name.lower()]
    valid = [p for p in names if re.search("dev|valid", p.name.lower())]
    if len(train) == len(valid) == 1 and train != valid:
        return train[0], replace(settings, validation=str(valid[0]))
    return folder, settings


def kind_of(path: Path, settings: TaskSettings) -> str:
    """The task that a file or folder looks like. Raises DataError where it cannot be read."""
    if path.is_dir():
        return "classifier"
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return "forecaster"
    if suffix in (".conllu", ".conll"):
        return "tagger"
    head = _head(path)
    if suffix in TABLES:
        if not path.stat().st_size:
            raise empty(path, 0, "a table of numbers, of labels and texts, or of two columns of texts")
        return _kind_of_table(head, suffix, settings)
    lines = [line for line in head if line.strip() and not line.startswith("#")]
    if lines and all(line.count("\t") == 9 for line in lines[:5]):
        return "tagger"
    return "classifier" if _labelled(lines) else "language_model"


def _head(path: Path) -> list[str]:
    """The first lines of a file, without the one that may be cut; bytes that are no UTF-8 are reported when all
    of it is read."""
    try:
        with open(path, "rb") as file:
            raw = file.read(LOOK)
    except OSError as error:
        raise DataError(f"{path}: expected a file or folder of data, got: {error.strerror or error}") from error
    lines = raw.decode("utf-8-sig", "replace").splitlines()
    return lines[:-1] if len(raw) == LOOK and len(lines) > 1 else lines


def _kind_of_table(head: Sequence[str], suffix: str, settings: TaskSettings) -> str:
    """Series of numbers, pairs of texts, or labels and texts: of a series more than half are cells without letters."""
    if settings.columns or settings.target:
        return "forecaster"
    if settings.label or settings.text:
        return "classifier"
    lines = [line for line in head if line.strip()]
    first = lines[0] if lines else ""
    separator = "\t" if suffix != ".csv" else ";" if ";" in first and "," not in first else ","
    cells = [cell for line in lines[1:21] or lines for cell in line.split(separator)]
    numbers = sum(number_of(cell) is not None or not any(c.isalpha() for c in cell) for cell in cells)
    if 2 * numbers > len(cells) and not says_labels_and_texts([line.split(separator) for line in lines]):
        return "forecaster"
    return "translator" if are_pairs([line.split(separator) for line in lines[:200]]) else "classifier"


def _labelled(lines: Sequence[str]) -> bool:
    """Whether every line is a whole number and a text, with two to twenty different numbers."""
    some = lines[:200]
    labels = {line.split(maxsplit=1)[0] for line in some}
    return (
        len(some) > 1
        and 2 <= len(labels) <= 20
        and all(re.fullmatch(r"-?\d+", label) for label in labels)
        and all(len(line.split(maxsplit=1)) == 2 for line in some)
    )

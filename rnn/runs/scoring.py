"""How well a run does on data that have their answers: a text for a language model, labelled data for every other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data import DataError, read_for
from ..tasks import Classifier, Forecaster, LanguageModel
from ..tasks.classifier import TABLES, read_labelled
from ..tasks.measures import Totals

if TYPE_CHECKING:
    from ..data import Batch
    from ..data.sentences import Labelled
    from ..running.generate import Score
    from .run import Run


@dataclass(frozen=True)
class Measured:
    """How well a network does on labelled data.

    measures  by name, as a validation has them: nats, bits and accuracy; of a forecaster mse, rmse, normalised_rmse
    items     how many words (sentences, lines, values) were measured; item: what they are, in the singular
    left_out  how many have a label or tag that the run does not know, and do not count
    unseen    how many symbols of the texts were read as the unknown one
    unit      what symbols are, in the singular: "word", "character"; "" of numbers
    baseline  of a forecaster: what taking each value for the next one comes to, by the same names; else {}
    """

    measures: Mapping[str, float]
    items: int
    item: str
    left_out: int = 0
    baseline: Mapping[str, float] | None = None
    unseen: int = 0
    unit: str = ""

    def __getattr__(self, name: str) -> float:
        if name in ("measures", "__setstate__") or name not in self.measures:
            raise AttributeError(f"a score has no {name}; there are measures, items, left_out, unseen, baseline")
        return self.measures[name]

    def __str__(self) -> str:
        from .report import written

        lines = [f"{written(self.measures, self.item)}; over {self.items} {self.item}s"]
        if self.baseline:
            lines.append(f"persistence, each value taken for the next one: {written(self.baseline, self.item)}")
        if self.left_out:
            lines.append(f"left out: {self.left_out} {self.item}s with a label that the run does not know")
        if self.unseen:
            lines.append(f"read as the unknown {self.unit}: {self.unseen} {self.unit}s")
        return "\n".join(lines)


def score(run: Run, given: str | bytes | Path, unknown: str = "") -> Score | Measured:
    """See ``Run.score``."""
    if isinstance(run.task, LanguageModel):
        from ..running.generate import score

        if isinstance(given, Path):
            return score(run, read_for(run.task.unit, given), unknown, str(given))
        return score(run, given, unknown)
    if not isinstance(given, str | Path):
        raise TypeError(f"expected the path of labelled data, got {type(given).__name__}")
    if unknown and not run.task.symbolic:
        raise DataError(f"unknown: it is for a run that reads symbols; {run.folder} is a {run.task.name}: leave it out")
    return _measured(run, Path(given), unknown)


def _measured(run: Run, path: Path, unknown: str) -> Measured:
    from ..analysis.samples import batches_of

    if not path.exists():
        kind = run.task.name
        raise DataError(f"{path}: expected a file of data such as the {kind} was trained on, there is no such file")
    bound, task = run.bound, run.task
    batches, unseen = batches_of(run, str(path), unknown)
    sums: Totals = {}
    same: Totals = {}
    left_out = 0

    def seen() -> Iterator[Batch]:
        nonlocal left_out
        for batch in batches:
            left_out += _unknown(batch)
            if isinstance(task, Forecaster):
                _add(same, task.persistence(batch.inputs["x"], batch.inputs["y"]))
            yield bound.fit(batch)

    for batch, values in bound.read(run.program, run.weights, seen()):
        _add(sums, bound.totals(batch, values))
    if not sums.get("items"):
        raise DataError(f"{path}: expected labels that {run.folder} knows, got none; it was trained on other data")
    baseline = task.measures(same) if same else None
    return Measured(bound.measures(sums), int(sums["items"]), task.item, left_out, baseline, unseen, task.unit)


def _add(sums: Totals, more: Totals) -> None:
    for name, value in more.items():
        sums[name] = sums.get(name, 0.0) + value


def _unknown(batch: Batch) -> int:
    """How many targets within the lengths are none that the run knows."""
    y = batch.inputs["y"]
    if y.dtype.kind not in "iu":
        return 0
    lengths = batch.lengths
    inside = np.ones(y.shape, bool) if y.ndim == 1 or lengths is None else np.arange(len(y))[:, None] < lengths
    return int(np.count_nonzero((y < 0) & inside))


# ---- labelled data in the place of texts -----------------------------------------------------------
def labelled(run: Run, given: str) -> list[Labelled] | None:
    """The texts and labels of a file in the format that a classifier was trained on; None for what is not labelled.

    All labels of a table have to be the run's; of lines that all begin with one, at least two.
    """
    task = run.task
    if not isinstance(task, Classifier) or not os.path.isfile(given):
        return None
    path = Path(given)
    source = Path(str(run.configuration["data"].get("source", "")))
    table = path.suffix.lower() in TABLES
    if source.is_dir() or table != (source.suffix.lower() in TABLES):
        return None
    try:
        found = read_labelled(path, run.settings.for_task())
    except DataError:  # texts alone, or a table of other columns
        return None
    known = all(one.label in task.labels for one in found)
    return found if known and len(found) > (0 if table else 1) else None

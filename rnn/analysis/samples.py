"""Inputs on which a network is looked at: random ones, some of a run's data, a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.expr import TIME_AXES, topological
from ..data import Batch, Buckets, DataError, Reading, one_row, read_conllu, read_for, read_series
from ..data.pairs import read_pairs
from ..running.generate import language_model
from ..runs.run import same_data
from ..tasks import Classifier, Forecaster, LanguageModel, Tagger, Task, Translator
from ..tasks.base import named
from ..tasks.classifier import read_labelled

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..runs.run import Run
    from ..runs.settings import Settings

    Array = np.ndarray[Any, Any]


def random_inputs(net: Circuit, steps: int = 50, batch: int = 4, seed: int = 0) -> dict[str, Array]:
    """Inputs for a network without data: standard normal numbers, and symbols with equal probabilities.

    Raises DataError for less than one step or sequence.
    """
    _check_sizes(steps, batch)
    random = np.random.default_rng(seed)
    sizes = {"t": steps, "s": steps, "b": batch}
    found: dict[str, Array] = {}
    for name, node in net.input_nodes.items():
        shape = tuple(sizes[a] for a in node.axes)
        if name in net.positions:
            found[name] = random.integers(1, steps + 1, shape)
        elif node.dtype == "i":
            found[name] = random.integers(0, net.symbols[name], shape)
        else:
            found[name] = random.normal(size=(*shape, *node.shape))
    return found


def untold_lengths(net: Circuit, steps: int = 50) -> dict[str, int]:
    """The numbers of steps that no input tells, as of a system that runs by itself."""
    axes = {a for n in topological(net.eqs.values()) for a in n.axes}
    told = {a for node in net.input_nodes.values() for a in node.axes}
    return {a: steps for a in TIME_AXES if a in axes - told}


def _check_sizes(steps: int, batch: int) -> None:
    for name, n in (("steps", steps), ("batch", batch)):
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise DataError(f"{name}: expected a whole number of at least 1, got {n!r}")


def run_batch(run: Run, steps: int = 50, batch: int = 4) -> Batch:
    """The first steps of the longest sequences of the data that a run is validated with.

    Raises DataError where its data are no longer there, or are others.
    """
    _check_sizes(steps, batch)
    task = same_data(run, "give data")
    found = longest(task.validation, steps, batch, cut=task.carried)
    return task.bind(run.net, dtype=run.settings.dtype).fit(found)


def data_batch(run: Run, path: str, steps: int = 50, batch: int = 4, unknown: str = "") -> Batch:
    """The same of data of the kind that a run was trained on, read with its vocabulary, labels and normalisation.

    unknown: what becomes of symbols that the vocabulary lacks, see ``Run.predict``. Labels and tags that the run does
    not have are no targets; a text is cut as ``text_batch`` does. Raises DataError for what is no such data.
    """
    _check_sizes(steps, batch)
    task = run.task
    if isinstance(task, LanguageModel):
        return text_batch(run, read_for(task.unit, path), steps, batch, unknown, path)
    batches, _ = batches_of(run, path, unknown)
    return run.bound.fit(longest(batches, steps, batch, cut=task.carried))


def batches_of(run: Run, path: str, unknown: str = "") -> tuple[Iterable[Batch], int]:
    """Data of the kind that a run was trained on, no texts, and how many symbols were read as the unknown one.

    Raises DataError for what is no such data, UnknownError for symbols that are refused.
    """
    task = run.task
    read = next((reads for kind, reads in READERS.items() if isinstance(task, kind)), None)
    if read is None:
        raise DataError(f"{run.folder} is a {task.name}: nothing says how it would read {path}")
    reading = task.reading(unknown)
    found = read(task, path, run.settings, reading)
    reading.check()
    return found, reading.unseen


def _tagged(task: Tagger, path: str, _: Settings, reading: Reading) -> Iterable[Batch]:
    return Buckets(task.sequences(read_conllu(path), reading, path), 64).in_order()


def _labelled(task: Classifier, path: str, settings: Settings, reading: Reading) -> Iterable[Batch]:
    return Buckets(task.sequences(read_labelled(Path(path), settings.for_task()), reading), 64).in_order()


def _numeric(task: Forecaster, path: str, settings: Settings, _: Reading) -> Iterable[Batch]:
    series = read_series(path, settings.columns)
    if series.columns != task.columns:
        raise DataError(f"{path}: expected the columns {', '.join(task.columns)}, got {', '.join(series.columns)}")
    with named(path):
        numbers = task.normalisation.apply(series.values)
    return one_row(numbers[:-1], targets=numbers[1:, [task.columns.index(name) for name in task.target]])


def _paired(task: Translator, path: str, _: Settings, reading: Reading) -> Iterable[Batch]:
    return Buckets(task.sequences(read_pairs(path), reading), 64).in_order()


READERS: dict[type[Task], Any] = {Tagger: _tagged, Classifier: _labelled, Forecaster: _numeric, Translator: _paired}
"""Task -> how its data are read for a network that has learnt it already."""


def longest(batches: Iterable[Batch], steps: int, batch: int, cut: bool = False) -> Batch:
    """Of the batch that has most of it, the first ``steps`` steps of the ``batch`` longest sequences.

    A batch holds sequences of like length. cut: a single row of many steps is taken as several pieces of ``steps``,
    one after the other. Raises DataError where there is no batch.
    """
    chosen, most = None, 0
    for found in batches:
        if found.fresh:
            found = _pieces(found, steps, batch) if cut and found.rows == 1 else found
            some = int(np.sort(np.minimum(_lengths(found), steps))[-batch:].sum())
            chosen, most = (found, some) if some > most else (chosen, most)
            if most >= steps * batch:
                break
    if chosen is None:
        raise DataError("expected data with at least one sequence, got none")
    rows = np.sort(np.argsort(-_lengths(chosen), kind="stable")[:batch])
    lengths = np.minimum(_lengths(chosen)[rows], steps)
    inputs = {name: a[rows] if a.ndim == 1 else a[: lengths.max(), rows] for name, a in chosen.inputs.items()}
    source = chosen.source
    if source is not None:  # a source is read whole
        source = source[rows]
        inputs["x"] = chosen.inputs["x"][: source.max(), rows]
    return replace(chosen, inputs=inputs, lengths=None if (lengths == lengths[0]).all() else lengths, source=source)


def _lengths(found: Batch) -> Array:
    return np.full(found.rows, found.steps) if found.lengths is None else found.lengths


def _pieces(found: Batch, steps: int, batch: int) -> Batch:
    """One row [T, 1, …] as rows of ``steps`` steps."""
    rows = min(batch, found.steps // steps)
    if rows < 2 or found.lengths is not None:
        return found
    inputs = {
        name: a[: rows * steps].reshape(rows, steps, *a.shape[2:]).swapaxes(0, 1).copy()
        for name, a in found.inputs.items()
    }
    return replace(found, inputs=inputs)


def text_symbols(run: Run, text: str | bytes, unknown: str = "", place: str = "the text") -> Array:
    """The symbols of a text, int64 [N + 1], after the one that stands before every text.

    Raises DataError for a run that is no language model and for an empty text, UnknownError for symbols that are
    refused.
    """
    task = language_model(run, "read a text")
    symbols = task.begun(text, place, task.reading(unknown))
    if len(symbols) < 2:
        raise DataError(f"expected a text, got {'one without words' if text else 'an empty one'}")
    return symbols


def text_batch(
    run: Run, text: str | bytes, steps: int = 50, batch: int = 4, unknown: str = "", place: str = "the text"
) -> Batch:
    """A text as a language model is trained on it: up to ``batch`` pieces of ``steps`` symbols, one after the other.

    A text shorter than that is one sequence. Raises DataError as ``text_symbols`` does.
    """
    _check_sizes(steps, batch)
    read = text_symbols(run, text, unknown, place)
    steps = min(steps, len(read) - 1)
    rows = min(batch, (len(read) - 1) // steps)
    x, y = (read[start : start + rows * steps].reshape(rows, steps).T for start in (0, 1))
    return run.bound.fit(Batch({"x": x.copy(), "y": y.copy()}, None, 1, None, x.size))

"""Inputs on which a network is looked at: random ones, some of a run's data, a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Batch, DataError
from ..generate import language_model
from ..runs.run import same_data

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..runs.run import Run

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


def _check_sizes(steps: int, batch: int) -> None:
    if steps < 1 or batch < 1:
        raise DataError(f"expected at least one step and one sequence, got steps={steps} and batch={batch}")


def run_batch(run: Run, steps: int = 50, batch: int = 4) -> Batch:
    """The first steps of the first sequences of the data that a run is validated with.

    Raises DataError where its data are no longer there, or are others.
    """
    _check_sizes(steps, batch)
    task = same_data(run, "give data")
    bound = task.bind(run.net, dtype=run.settings.dtype)
    return first_of(next(iter(bound.validation)), run.net, steps, batch)


def first_of(found: Batch, net: Circuit, steps: int, batch: int) -> Batch:
    """The first steps of the first sequences of a batch."""
    inputs = {}
    for name, array in found.inputs.items():
        axes = net.input_nodes[name].axes
        inputs[name] = array[tuple(slice(batch if a == "b" else steps) for a in axes)]
    lengths = None if found.lengths is None else np.minimum(found.lengths[:batch], steps)
    return replace(found, inputs=inputs, lengths=lengths, kept=None)


def text_symbols(run: Run, text: str) -> Array:
    """The symbols of a text, int64 [N]. Raises DataError for a run that is no language model and for an empty text."""
    symbols = language_model(run, "read a text").vocabulary.symbols(text).astype(np.int64)
    if not len(symbols):
        raise DataError(f"expected a text, got {'one without words' if text else 'an empty one'}")
    return symbols


def text_batch(run: Run, text: str, steps: int = 50, batch: int = 4) -> Batch:
    """A text as a language model is trained on it: up to ``batch`` pieces of ``steps`` symbols, one after the other.

    A text shorter than that is one sequence. Raises DataError as ``text_symbols`` does.
    """
    _check_sizes(steps, batch)
    symbols = text_symbols(run, text)
    read = np.concatenate([[language_model(run, "read a text").vocabulary.start], symbols])
    steps = min(steps, len(symbols))
    rows = min(batch, len(symbols) // steps)
    x, y = (read[start : start + rows * steps].reshape(rows, steps).T for start in (0, 1))
    return run.bound.fit(Batch({"x": x.copy(), "y": y.copy()}, None, 1, None, x.size))

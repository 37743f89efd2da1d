"""Updates, one after the other: a batch, loss and gradient, clipping, the optimiser's step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.cache import compilations
from ..graph.circuit import is_boundary_name, reachable
from ..graph.doors import require_circuit
from ..graph.errors import unknown
from ..graph.inputs import form
from .data import Array, Batch, Batches, DataError
from .optim import Adam, Arrays, Optimiser, clip_values
from .optim.base import above_zero, share
from .optim.clipping import Norm
from .optim.flat import alike, gathered
from .optim.schedules import Constant, Schedule
from .truncation import Truncated

if TYPE_CHECKING:
    from ..graph.circuit import Circuit


class TrainingError(RuntimeError):
    """A training run that cannot go on: its loss or gradient is not finite."""


@dataclass(frozen=True)
class Step:
    """One update.

    update  its number, from 1
    loss    before it, as the network's loss has it
    norm    the global norm of the gradient, before clipping
    rate    the learning rate
    items   how many items the batch counted (characters, words, sequences)
    """

    update: int
    loss: float
    norm: float
    rate: float
    items: int


class Trainer:
    """Makes updates: one's own training loop, with any network that has a loss, any batches, any optimiser.

    ::

        net = rnn.gru(x=3, h=16, o=2)
        trainer = rnn.Trainer(net, [{"x": x, "y": y}], optimiser=optim.SGD(0.1, momentum=0.9), clip=1.0)
        for _ in range(100):
            step = trainer.step()
        print(step.loss, step.norm, trainer.weights["V"])

    The state goes from each batch to the next wherever that goes on (``Batch.kept``).

    net          the network; its loss is the equation ``loss``
    batches      ``Batches``, or a list that is gone through again and again, of ``Batch`` or of inputs by name:
                 x [T, B, n] (symbols [T, B]), y, …; ``lengths`` [B] among them makes the rows ragged, of a network
                 with two indices {"t": …, "s": …}. One batch alone is a list of one
    weights      name -> array, changed in place; without them ``net.init(seed, dtype)``, side by side in one buffer
    optimiser    what changes the weights; without one, Adam
    schedule     the learning rate by update; without one, the optimiser's own
    clip         the largest global norm of a gradient, clip_values its largest entry; 0: any
    window       steps from one update to the next (k1), reach: steps that the gradient goes back (k2), where batches
                 are windows of longer sequences; None: the steps of each batch, whatever they are
    average      what one update adds to the running statistics of batch_norm, which are among the weights: they
                 become (1 − average) · running + average · batch
    target       "cpu", or "interpret": NumPy, without compiling
    seed         of the initial weights and of dropout

    ``update`` counts the updates made. ``gradient`` computes loss and gradient (a ``Truncated``).

    Raises DataError for batches that the network does not take, OptimiserError for an ``average`` outside of [0, 1)
    and limits below 0, TypeError for what is no optimiser, schedule, weights or batches.
    """

    def __init__(
        self,
        net: Circuit,
        batches: Batches | Sequence[Batch | Mapping[str, Any]] | Batch | Mapping[str, Any],
        *,
        weights: Arrays | None = None,
        optimiser: Optimiser | None = None,
        schedule: Schedule | None = None,
        clip: float = 0.0,
        clip_values: float = 0.0,
        window: int | None = None,
        reach: int | None = None,
        average: float = 0.1,
        loss: str = "L",
        target: str = "cpu",
        dtype: str = "float32",
        seed: int = 0,
    ) -> None:
        _check_types(net, weights, optimiser, schedule)
        self.net, self.loss, self.seed = net, loss, seed
        self.average = share("average", average)
        self.gradient = Truncated(net, window, reach, loss=loss, target=target, dtype=dtype)
        self.batches = _batches(reachable(net, [loss]), batches, dtype)
        self.weights = gathered(net.init(seed=seed, dtype=dtype)) if weights is None else weights
        self.optimiser = Adam(fixed=net.constants) if optimiser is None else optimiser
        self.schedule = Constant(self.optimiser.rate) if schedule is None else schedule
        for name, limit in (("clip", clip), ("clip_values", clip_values)):
            if limit:
                above_zero(name, limit)
        self.clip, self.clip_values = clip, clip_values
        self.target = target
        self._norm = Norm(target)
        self._gradients: Arrays | None = None
        self._compiled = 0
        self.state: Arrays | None = None
        self.update = 0

    @property
    def compilations(self) -> int:
        """How many kernels had to be compiled so far; those that were kept from before do not count."""
        return self.gradient.compilations + self._compiled

    def step(self) -> Step:
        """The next update.

        Raises TrainingError where loss or gradient is not finite, with the equation, step and sequence where the
        first such value arose; then all is left as it was.
        """
        batch = self.batches[self.update]
        found = self.gradient.step(self.weights, batch, self.state, seed=self._mask_seed(), grad=self._gradients)
        compiled = compilations()
        norm = self._norm(found.grad)
        if not (math.isfinite(found.loss) and math.isfinite(norm)):
            raise TrainingError(self._not_finite(batch, found.loss, norm, found.grad))
        rate, scale = self.schedule(self.update), self._clip(found.grad, norm)
        self.optimiser.step(self._trained(), found.grad, rate, scale=scale, target=self.target)
        self._compiled += compilations() - compiled
        if self._gradients is None:
            self._gradients = alike(found.grad)
        self._add(found.stats)
        self.state = found.state
        self.update += 1
        return Step(self.update, found.loss, norm, rate, batch.items)

    def _trained(self) -> Arrays:
        """The weights that the optimiser sees: constants only where it was told to leave them as they are."""
        spared = self.net.constants - self.optimiser.fixed
        return {n: w for n, w in self.weights.items() if n not in spared} if spared else self.weights

    def _add(self, statistics: Arrays) -> None:
        """Take a batch's statistics into the running ones, in place."""
        for name, found in statistics.items():
            running = self.weights.setdefault(name, found.copy())
            running += self.average * (found - running)

    def _clip(self, gradients: Arrays, norm: float) -> float:
        """Cut the entries of gradients of this norm, in place; what they are to be scaled by, so that none is longer
        than ``clip``."""
        if self.clip_values:
            clip_values(gradients, self.clip_values)
            if self.clip:
                norm = self._norm(gradients)
        return self.clip / norm if self.clip and norm > self.clip else 1.0

    def _mask_seed(self) -> int:
        """The seed of dropout in this update: another one for each update and for each seed of the run."""
        return (self.update + (self.seed << 32)) % 2**64

    def _not_finite(self, batch: Batch, loss: float, norm: float, gradients: Mapping[str, Any]) -> str:
        where = [name for name, gradient in gradients.items() if not np.isfinite(gradient).all()]
        which = f" (not finite: {', '.join(where)})" if where else ""
        return (
            f"update {self.update + 1}: the loss is {loss} and the gradient norm {norm}{which};"
            f" it was stopped before it reached the weights{self._first(batch)}"
            "try a smaller rate or a smaller clip"
        )

    def _first(self, batch: Batch) -> str:
        """Where the first value arose that is not finite, if it can be found."""
        from .finite import first_not_finite

        try:
            found = first_not_finite(self.gradient, self.weights, batch, self.state, seed=self._mask_seed())
        except (ValueError, MemoryError) as error:
            return f" (where it arose was not found: {error}); "
        return f".\n  first not finite: {found}\n  " if found else "; "


# ---- what was given ------------------------------------------------------------------------------
def _check_types(net: Any, weights: Any, optimiser: Any, schedule: Any) -> None:
    require_circuit(net, "rnn.Trainer")
    if not isinstance(optimiser, Optimiser | None):
        by_name = f"; by its name: optim.make({optimiser!r}, rate=0.01)" if isinstance(optimiser, str) else ""
        raise TypeError(f"optimiser: expected one such as optim.Adam(0.01), got {optimiser!r}{by_name}")
    if not isinstance(schedule, Schedule | None):
        raise TypeError(f"schedule: expected one such as schedules.Cosine(0.01, updates=900), got {schedule!r}")
    if weights is not None and not (
        isinstance(weights, Mapping) and all(isinstance(w, np.ndarray) for w in weights.values())
    ):
        raise TypeError("weights: expected name -> array, as net.init() gives: they are changed in place")


def _batches(net: Circuit, given: Any, dtype: str) -> Batches:
    """What was given as batches by number: a list is gone through again and again."""
    if isinstance(given, Batch | Mapping):
        given = [given]
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return _Again([b if isinstance(b, Batch) else _batch(net, b, dtype) for b in given])
    if isinstance(given, np.ndarray) or not (hasattr(given, "__getitem__") and hasattr(given, "__len__")):
        kind = type(given).__name__
        mend = ": make it a list first" if isinstance(given, Iterator) else ", such as [{'x': x, 'y': y}]"
        raise TypeError(f"batches: expected a list of batches of inputs by name, got {kind}{mend}")
    found: Batches = given
    return found


class _Again:
    """A list as batches: after the last the first comes again."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        if not batches:
            raise DataError("expected at least one batch, got an empty list")
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, update: int) -> Batch:
        return self._batches[update % len(self._batches)]


def _batch(net: Circuit, inputs: Any, dtype: str) -> Batch:
    """Inputs by name as a batch. Lists become arrays of the dtype; arrays stay as they are."""
    if not isinstance(inputs, Mapping):
        raise DataError(f"expected a batch as inputs by name, such as {{'x': x, 'y': y}}, got {type(inputs).__name__}")
    wanted = [name for name in net.inputs if not is_boundary_name(name)]
    for name in inputs:
        if name not in (*wanted, "lengths"):
            problem = f"the loss of {net.name} reads no input {name}"
            raise DataError(unknown(problem, name, [*wanted, "lengths"], "a batch has"))
    missing = [name for name in wanted if name not in inputs]
    if missing:
        raise DataError(
            f"expected a batch with the inputs {', '.join(wanted)} of {net.name}, {' and '.join(missing)} is missing:"
            f" got {', '.join(inputs) or 'none'}"
        )
    arrays = {name: _array(net, name, inputs[name], dtype) for name in wanted}
    steps, rows = _steps_and_rows(net, arrays)
    lengths = inputs.get("lengths")
    each = lengths if isinstance(lengths, Mapping) else {"t": lengths}
    ends, source = (None if each.get(a) is None else np.asarray(each[a], dtype=np.int64) for a in ("t", "s"))
    if ends is not None and ends.shape == (steps,) != (rows,):
        raise DataError(
            f"lengths are of {steps} sequences, the inputs of {rows} with {steps} steps: they have their batch first;"
            " time comes first, [T, B, …]: swap with x.swapaxes(0, 1)"
        )
    items = int(steps * rows if ends is None else ends.sum())
    return Batch(arrays, ends, items=items, source=source)


def _array(net: Circuit, name: str, given: Any, dtype: str) -> Array:
    node = net.input_nodes[name]
    try:
        array = np.asarray(given)
        if not isinstance(given, np.ndarray) and node.dtype == "f" and array.dtype.kind in "fiub":
            array = array.astype(dtype)
    except ValueError as error:  # lists of several lengths
        raise DataError(f"the input {name}: expected an array {form(node)}, got {error}") from error
    if array.ndim != len(node.axes) + len(node.shape):
        raise DataError(f"the input {name}: expected an array {form(node)}, got the shape {list(array.shape)}")
    return array


def _steps_and_rows(net: Circuit, arrays: Mapping[str, Array]) -> tuple[int, int]:
    """The steps and rows that all inputs have. Raises DataError where one seems to have its batch first."""
    first: tuple[str, tuple[int, ...]] | None = None
    for name, array in arrays.items():
        if net.input_nodes[name].axes[:2] != ("t", "b"):
            continue
        shape = array.shape[:2]
        first = first or (name, shape)
        if shape != first[1] and shape == first[1][::-1]:
            (one, other) = first
            raise DataError(
                f"{one} has {other[0]} steps of {other[1]} sequences, {name} has {shape[0]} steps of {shape[1]}: one of"
                f" them has its batch first; time comes first, [T, B, …]: swap the one with {one}.swapaxes(0, 1) or"
                f" {name}.swapaxes(0, 1)"
            )
    if first is None:
        raise DataError(f"no input of {net.name} has steps and sequences, [T, B, …]: there is nothing to train on")
    return first[1][0], first[1][1]

"""Updates, one after the other: a batch, loss and gradient, clipping, the optimiser's step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import Batch, Batches, DataError
from .optim import Adam, Arrays, Optimiser, clip, clip_values, global_norm
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
                 x [T, B, n] (symbols [T, B]), y, …; ``lengths`` [B] among them makes the rows ragged
    weights      name -> array, changed in place; without them ``net.init(seed, dtype)``
    optimiser    what changes the weights; without one, Adam
    schedule     the learning rate by update; without one, the optimiser's own
    clip         the largest global norm of a gradient, clip_values its largest entry; 0: any
    window       steps from one update to the next (k1), reach: steps that the gradient goes back (k2), where batches
                 are windows of longer sequences; None: the steps of each batch, whatever they are
    target       "cpu", or "interpret": NumPy, without compiling
    seed         of the initial weights and of dropout

    ``update`` counts the updates made. ``gradient`` computes loss and gradient (a ``Truncated``).
    """

    def __init__(
        self,
        net: Circuit,
        batches: Batches | Sequence[Batch | Mapping[str, Any]],
        *,
        weights: Arrays | None = None,
        optimiser: Optimiser | None = None,
        schedule: Schedule | None = None,
        clip: float = 0.0,
        clip_values: float = 0.0,
        window: int | None = None,
        reach: int | None = None,
        loss: str = "L",
        target: str = "cpu",
        dtype: str = "float32",
        seed: int = 0,
    ) -> None:
        self.net, self.loss, self.seed = net, loss, seed
        self.batches: Batches = _Again(batches) if isinstance(batches, Sequence) else batches
        self.weights = net.init(seed=seed, dtype=dtype) if weights is None else weights
        self.optimiser = Adam(fixed=net.constants) if optimiser is None else optimiser
        self.schedule = Constant(self.optimiser.rate) if schedule is None else schedule
        self.clip, self.clip_values = clip, clip_values
        self.gradient = Truncated(net, window, reach, loss=loss, target=target, dtype=dtype)
        self.state: Arrays | None = None
        self.update = 0

    @property
    def compilations(self) -> int:
        """How many kernels had to be compiled so far; those that were kept from before do not count."""
        return self.gradient.compilations

    def step(self) -> Step:
        """The next update.

        Raises TrainingError where loss or gradient is not finite, with the equation, step and sequence where the
        first such value arose; then all is left as it was.
        """
        batch = self.batches[self.update]
        found = self.gradient.step(self.weights, batch, self.state, seed=self._mask_seed())
        norm = self._clip(found.grad)
        if not (math.isfinite(found.loss) and math.isfinite(norm)):
            raise TrainingError(self._not_finite(batch, found.loss, norm, found.grad))
        rate = self.schedule(self.update)
        self.optimiser.step(self.weights, found.grad, rate)
        self.state = found.state
        self.update += 1
        return Step(self.update, found.loss, norm, rate, batch.items)

    def _clip(self, gradients: Arrays) -> float:
        """Clip the gradients, in place; their norm before. What is not finite stays so."""
        if self.clip and not self.clip_values:
            return clip(gradients, self.clip)
        norm = global_norm(gradients)
        if self.clip_values and math.isfinite(norm):
            clip_values(gradients, self.clip_values)
            if self.clip:
                clip(gradients, self.clip)
        return norm

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


class _Again:
    """A list as batches: after the last the first comes again."""

    def __init__(self, batches: Sequence[Batch | Mapping[str, Any]]) -> None:
        if not batches:
            raise DataError("expected at least one batch, got an empty list")
        self._batches = [b if isinstance(b, Batch) else _batch(b) for b in batches]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, update: int) -> Batch:
        return self._batches[update % len(self._batches)]


def _batch(inputs: Mapping[str, Any]) -> Batch:
    arrays = {name: np.asarray(a) for name, a in inputs.items() if name != "lengths"}
    first = arrays.get("x")
    if first is None or first.ndim < 2:
        raise DataError("expected a batch as inputs by name, x among them [T, B, …], such as {'x': x, 'y': y}")
    lengths = inputs.get("lengths")
    ends = None if lengths is None else np.asarray(lengths, dtype=np.int64)
    items = int(first.shape[0] * first.shape[1] if ends is None else ends.sum())
    return Batch(arrays, ends, items=items)



"""A task and a network that learns it: batches as the network reads them, and how well it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.carry import states
from ...graph.circuit import Circuit, reachable
from ...graph.inputs import Signature
from ..data import Again, Array, Batch, Batches, DataError
from .measures import Totals
from .scores import SYMBOL_LOSSES, Scores, scores_of

if TYPE_CHECKING:
    from ..running.decode import Decoder
    from .base import Task


class Bound:
    """A task and the network that learns it; made by ``Task.bind``.

    task      what is learnt
    net       the network; where its loss compares y with an expression that has no name, with one equation more
              that names it
    scores    the signal that is measured
    dtype     of the numbers that the network reads

    Symbols are given to a network as symbols, or, where its x is a vector, as vectors with one 1. A label of a whole
    sequence is given as a static y, or, where the network's y has a time index, as the target of the last step.
    """

    def __init__(self, task: Task, net: Circuit, dtype: str = "float32"):
        self.task, self.dtype = task, np.dtype(dtype)
        self._decoders: dict[str, Decoder] = {}
        self.scores: Scores = scores_of(net)
        for name in ("x", "y"):
            if name not in net.inputs:
                raise DataError(f"{net.name}: expected the inputs x and y, got {', '.join(net.inputs) or 'none'}")
        if len(net.inputs) > 2:
            others = ", ".join(name for name in net.inputs if name not in ("x", "y"))
            raise DataError(f"{net.name}: expected no inputs but x and y, got {others}: the data do not have them")
        self.net = self.scores.net
        self._check_indices()
        self._check_x()
        self._check_y()

    # ---- does it fit? -----------------------------------------------------------------------------
    def _check_indices(self) -> None:
        """x over the steps of the data, and scores that need nothing else where no symbol is written before them."""
        task, net = self.task, self.net
        kind, axes = task.name.replace("_", " "), net.input_nodes["x"].axes
        if task.over not in axes:
            got = next((f"x[{axis}]" for axis in ("t", "s") if axis in axes), "x without an index")
            why = "reads one sequence, step by step" if task.over == "t" else "reads a source and writes a target, y[t]"
            raise DataError(
                f"{net.name}: expected x[{task.over}], since a {kind} {why}; got {got}: take a cell that reads it"
                " so, or other data"
            )
        if task.name not in ("language_model", "translator") and self.reads_targets:
            raise DataError(
                f"{net.name}: expected {self.scores.name} to be computed from x alone, since a {kind} is given nothing"
                " else to predict from; got one that reads y"
            )

    def _check_x(self) -> None:
        """Symbols or one-hot vectors of the vocabulary, or as many numbers as the data have."""
        wanted, shape, symbols = self.task.reads, self.net.inputs["x"], self.net.symbols.get("x")
        if self.task.symbolic:
            if symbols != wanted and (symbols is not None or shape != (wanted,)):
                got = f"{symbols} symbols" if symbols is not None else f"numbers of shape {list(shape)}"
                raise DataError(
                    f"{self.net.name}: expected x to be symbols of {wanted} values, the vocabulary, or vectors of"
                    f" that size; got {got}: bind the sizes with x={wanted}"
                )
        elif symbols is not None or (shape != (wanted,) and not (wanted == 1 and shape == ())):
            got = f"{symbols} symbols" if symbols is not None else f"shape {list(shape)}"
            raise DataError(
                f"{self.net.name}: expected x to be {wanted} numbers a step, the columns of the data; got {got}"
            )

    def _check_y(self) -> None:
        """As many scores as there are labels or symbols, or as many numbers as are forecast."""
        wanted, scores = self.task.predicts, self.scores
        losses = SYMBOL_LOSSES if self.task.symbolic else ("mse",)
        if scores.loss not in losses:
            raise DataError(
                f"{self.net.name}: expected {' or '.join(losses)} in the loss of a {self.task.name}, got {scores.loss}"
            )
        if scores.size != wanted:
            raise DataError(
                f"{self.net.name}: expected {scores.name} to have {wanted} entries, one for each"
                f" {self.task.predicted}; got {scores.size}: bind the sizes with {scores.name}={wanted}"
            )
        at_each_step = "t" in self.net.input_nodes["y"].axes
        if not at_each_step and not self.task.static:
            raise DataError(f"{self.net.name}: expected a target at each step, y[t], got y, one for a whole sequence")

    @property
    def reads_targets(self) -> bool:
        """Whether the scores are computed from y as well, such as y[t-1]."""
        return "y" in Signature(reachable(self.net, [self.scores.name])).inputs

    # ---- batches as the network reads them --------------------------------------------------------
    @property
    def returns(self) -> tuple[str, ...]:
        """The signals that the reader has to return for ``totals``, ``validate`` and ``predict``."""
        return (self.scores.name,)

    @cached_property
    def training(self) -> Batches:
        """Batches of the training part by update."""
        return _Fitted(self.task.training, self)

    @cached_property
    def validation(self) -> Iterable[Batch]:
        """The batches of one pass over the validation part; can be iterated again and again."""
        source = self.task.validation
        return Again(lambda: map(self.fit, source))

    def fit(self, batch: Batch) -> Batch:
        """The batch as this network reads it."""
        inputs = {**batch.inputs, "x": self.fit_x(batch.inputs["x"]), "y": self._fit_y(batch)}
        return replace(batch, inputs=inputs)

    def fit_x(self, x: Array) -> Array:
        """Symbols [T, B] or numbers [T, B, n] as this network reads them."""
        if not self.task.symbolic:
            return np.ascontiguousarray(x.reshape((*x.shape[:2], *self.net.inputs["x"])), self.dtype)
        if "x" in self.net.symbols:
            return x
        return np.eye(self.task.reads, dtype=self.dtype)[x]

    def _fit_y(self, batch: Batch) -> Array:
        y = batch.inputs["y"]
        if not self.task.symbolic:
            return np.ascontiguousarray(y.reshape((*y.shape[:2], *self.net.inputs["y"])), self.dtype)
        if y.ndim == 1 and "t" in self.net.input_nodes["y"].axes:
            at_end = np.full((batch.steps, batch.rows), -1, dtype=np.int64)
            last = batch.steps - 1 if batch.lengths is None else batch.lengths - 1
            at_end[last, np.arange(batch.rows)] = y
            return at_end
        return y

    # ---- how well it does -------------------------------------------------------------------------
    def totals(self, batch: Batch, values: Mapping[str, Array]) -> Totals:
        """Sums over a batch of this network, from what the reader returned."""
        return self.task.totals(batch, values[self.scores.name], self.scores.loss)

    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        """Totals as they are reported, per item."""
        return self.task.measures(totals)

    def validate(self, reader: Any, weights: Mapping[str, Array]) -> dict[str, float]:
        """The measures over the validation part; state is carried where batches go on.

        reader   the network compiled for inference: returns ``returns``, training=False
        """
        sums: Totals = {}
        for batch, values in self.read(reader, weights, self.validation):
            for name, value in self.totals(batch, values).items():
                sums[name] = sums.get(name, 0.0) + value
        return self.measures(sums)

    def read(
        self, reader: Any, weights: Mapping[str, Array], batches: Iterable[Batch]
    ) -> Iterator[tuple[Batch, dict[str, Array]]]:
        """Each batch with what the reader gives for it; its rows go on where ``Batch.kept`` says so."""
        final: dict[str, Array] = {}
        for batch in batches:
            initial = None if batch.kept is None else self.rows_of(final, batch.kept)
            out = reader(weights, lengths=batch.ends, initial=initial, start=batch.start, **batch.inputs)
            final = out.final
            yield batch, out.value

    def rows_of(self, final: Mapping[str, Array], kept: Array) -> dict[str, Array]:
        """Some rows of a final state [B, n], or [k, B, n] for longer lags."""
        return {name: np.take(array, kept, axis=int(self.lags.get(name, 1) > 1)) for name, array in final.items()}

    def decoder(self, target: str = "cpu") -> Decoder:
        """The network run free, compiled once for each target."""
        from ..running.decode import Decoder

        if target not in self._decoders:
            self._decoders[target] = Decoder(self.net, target=target, dtype=str(self.dtype))
        return self._decoders[target]

    @cached_property
    def lags(self) -> dict[str, int]:
        """What is carried from window to window, with its longest lag.

        Raises CircuitError, naming the equation, where the network cannot be cut into windows.
        """
        return states(reachable(self.net, [self.scores.name]))

    def predict(self, reader: Any, weights: Mapping[str, Array], given: Any, **options: Any) -> Any:
        """What the network makes of something new: ``predict`` of the task says what it takes and gives."""
        return self.task.predict(self, reader, weights, given, **options)


@dataclass(frozen=True)
class _Fitted:
    """Batches of a task as a network reads them."""

    source: Batches
    bound: Bound

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, update: int) -> Batch:
        return self.bound.fit(self.source[update])

    def __str__(self) -> str:
        return str(self.source)

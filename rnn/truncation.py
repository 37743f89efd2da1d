"""Truncated backpropagation through time: an update every k1 steps, its gradient through the last k2 (k1 ≤ k2).

    Williams and Peng 1990, BPTT(h; h') with h = k2 and h' = k1; Sutskever 2013, section 2.8.6

Update j reads the window (j·k1 − k2, j·k1] of a long sequence, clipped at its first step. Its loss is that of its
newest k1 steps alone, as ``graph.truncate`` says it: a mean is the mean over those steps, a sum the sum over them, a
value at the last step that of the window's last step, a penalty on parameters is counted once an update, and the
result is averaged over the rows of the window. The state before the window is what the steps before it gave, and
its derivative is zero; with k1 = k2 that is plain training by windows with carried state.

So with weights that stay as they are and a k2 that covers the sequence (its T steps rounded up to whole windows: a last
window that is shorter begins where a whole one would), the gradients of all windows add up to that of the sequence
where the loss is a sum over its steps; where it is a mean of one row, weighted by the share of the steps that each
window counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.carry import states
from ..graph.circuit import Circuit, reachable
from ..graph.truncate import state_reader, truncate
from .data.batches import Array, Batch

if TYPE_CHECKING:
    from ..compiler.program import Program

Arrays = dict[str, Array]


@dataclass
class Window:
    """What one update has found.

    loss   of the newest steps, averaged over the rows
    grad   name -> array of the parameter's shape
    state  for the batch that follows; None where its rows begin at the first step, or nothing is carried
    stats  of batch_norm: name of the running statistic -> what this window adds to its average
    """

    loss: float
    grad: Arrays
    state: Arrays | None
    stats: Arrays = field(default_factory=dict)


class Truncated:
    """The loss and gradient of one window after the other, and the state that goes from each to the next.

    net      the network, with the equation ``loss``
    k1       the steps that each update counts; None: as many as its batch has
    k2       the steps that its gradient goes back, at least k1; None: k1
    options  of ``compiler.compile``: wrt, threads, checkpoint, plan

    ``program``, compiled from ``circuit``, computes loss and gradient; for k2 > k1 there is a second one, ``advance``,
    that carries the state over the steps that the next window does not reach.

    Raises CircuitError, naming the equation, where k1 is given and the network cannot be cut into windows; ValueError
    for k1 and k2 that make no sense.
    """

    def __init__(
        self,
        net: Circuit,
        k1: int | None = None,
        k2: int | None = None,
        *,
        loss: str = "L",
        target: str = "cpu",
        dtype: str = "float32",
        **options: Any,
    ) -> None:
        from .. import compiler

        self.net, self.loss, self.dtype = net, loss, dtype
        self.k1, self.k2 = _checked_steps(k1, k2)
        self.lags = self._carried() if k1 is not None else None
        self.counted: str | None = None
        self.advance: Program | None = None
        self.circuit = net
        if self.k1 != self.k2:
            self.circuit, self.counted = truncate(net, loss)
        self.program = compiler.compile(self.circuit, loss, target=target, dtype=dtype, **options)
        if self.counted is not None and self.lags:
            reader, name = state_reader(net, loss)
            kept = {option: v for option, v in options.items() if option in ("threads", "plan")}
            self.advance = compiler.compile(reader, None, returns=(name,), target=target, dtype=dtype, **kept)

    @property
    def compilations(self) -> int:
        """How many kernels had to be compiled so far; those that were kept from before do not count."""
        return sum(p.compilations for p in (self.program, self.advance) if p is not None)

    def _carried(self) -> dict[str, int]:
        """What goes from window to window, with its longest lag. Raises CircuitError where nothing can."""
        return states(reachable(self.net, [self.loss]))

    def step(
        self,
        weights: Mapping[str, Array],
        batch: Batch,
        state: Mapping[str, Array] | None = None,
        seed: int = 0,
        grad: Arrays | None = None,
    ) -> Window:
        """The loss of a batch's newest steps, its gradient, and the state for the batch after it.

        weights  name -> array; they are not changed
        batch    what this update reads; for k2 > k1 its first ``batch.before`` steps are there for the gradient only
        state    what the update before gave; not looked at where ``batch.kept`` is None: the rows begin there
        seed     of dropout and the like
        grad     arrays of another window's gradient, to be overwritten by this one's; None: new ones

        Raises ValueError for a batch that k1 and k2 do not fit and for a state that is missing, CircuitError for a
        batch that goes on where the network cannot be cut, and what the compiled program raises.
        """
        inputs, initial = self.call(batch, state)
        out = self.program.call(
            weights, inputs, lengths=batch.ends, initial=initial, start=batch.start, seed=seed, grad=grad
        )
        after = out.final or None if self.counted is None else self._after(weights, batch, initial, seed)
        return Window(float("nan") if out.loss is None else out.loss, out.grad, after, out.stats)

    def call(self, batch: Batch, state: Mapping[str, Array] | None) -> tuple[Arrays, Arrays | None]:
        """The inputs and initial state with which ``program`` is called for a batch. Raises as ``step`` does."""
        self._check(batch)
        initial = self._initial(batch, state)
        inputs = dict(batch.inputs)
        if self.counted is not None:
            newest = np.zeros(_extent(self.net, batch.inputs), self.dtype)
            newest[batch.before :] = 1.0
            inputs[self.counted] = newest
        return inputs, initial

    def _after(
        self, weights: Mapping[str, Array], batch: Batch, initial: Mapping[str, Array] | None, seed: int
    ) -> Arrays | None:
        """The state before the window that follows; None where that begins at the first step as well."""
        if self.advance is None or self.k1 is None or self.k2 is None:
            return None
        end = batch.start + _extent(self.net, batch.inputs)[0] - 1
        steps = max(1, end + self.k1 - self.k2 + 1) - batch.start
        if steps < 1:
            return None
        inputs = {name: _part(self.net, name, a, slice(steps)) for name, a in batch.inputs.items()}
        ends = None if batch.lengths is None else np.minimum(batch.lengths, steps)
        ends = replace(batch, lengths=ends).ends
        out = self.advance(weights, lengths=ends, initial=initial, start=batch.start, seed=seed, **inputs)
        return out.final

    def _initial(self, batch: Batch, state: Mapping[str, Array] | None) -> Arrays | None:
        """The rows of the state that go on in this batch."""
        if batch.kept is None:
            return None
        if self.lags is None:
            self.lags = self._carried()
        if not self.lags:
            return None
        if state is None:
            raise ValueError(
                f"the batch from step {batch.start} goes on where another ended, whose state is missing"
                "\n  mend: window = truncated.step(weights, batch, window.state)"
            )
        return {name: np.take(array, batch.kept, int(self.lags[name] > 1)) for name, array in state.items()}

    def _check(self, batch: Batch) -> None:
        if self.counted is None and batch.before:
            raise ValueError(
                f"the batch has {batch.before} steps before those that count, but the gradient goes back over the"
                " steps that count and no further\n  mend: Truncated(net, k1, k2) with the window and reach of the data"
            )
        if self.k1 is None or self.k2 is None or self.counted is None:
            return
        steps = _extent(self.net, batch.inputs)[0]
        if not (1 <= steps - batch.before <= self.k1 and steps <= self.k2):
            raise ValueError(
                f"the batch counts {steps - batch.before} of {steps} steps; expected 1 to k1 = {self.k1} of at most"
                f" k2 = {self.k2}"
            )


def _checked_steps(k1: int | None, k2: int | None) -> tuple[int | None, int | None]:
    for name, k in (("k1", k1), ("k2", k2)):
        if k is not None and (not isinstance(k, int) or isinstance(k, bool) or k < 1):
            raise ValueError(f"{name}={k!r}: expected a whole number of steps from 1, or None")
    if k2 is not None and (k1 is None or k2 < k1):
        raise ValueError(
            f"k2={k2}, k1={k1}: the gradient goes back over at least the k1 steps that an update counts: k2 >= k1"
        )
    return k1, k1 if k2 is None else k2


def windows(
    net: Circuit, inputs: Mapping[str, Array], k1: int, k2: int | None = None, lengths: Any = None
) -> Iterator[Batch]:
    """The batches of whole sequences, cut for truncated backpropagation: what ``Truncated(net, k1, k2)`` takes.

    inputs   name -> array with all steps, time first
    lengths  [B]: rows whose steps have all been counted drop out; None: all are full

    The last window counts what is left, at most k1 steps.
    """
    first, reach = _checked_steps(k1, k2)
    T, B = _extent(net, inputs)
    if first is None or reach is None:
        raise ValueError("windows: expected k1, the steps of a window")
    ends = np.full(B, T) if lengths is None else np.asarray(lengths)
    previous = np.arange(B)
    for low in range(0, int(ends.max()), first):
        high = min(low + first, T)
        begin = max(0, low + first - reach)
        rows = np.flatnonzero(ends > low)
        steps = np.minimum(ends[rows], high)
        yield Batch(
            {name: _part(net, name, np.asarray(a), slice(begin, high), rows) for name, a in inputs.items()},
            None if (steps == high).all() else steps - begin,
            begin + 1,
            np.searchsorted(previous, rows) if begin else None,
            int((steps - low).sum()),
            low - begin,
        )
        previous = rows


def _extent(net: Circuit, inputs: Mapping[str, Array]) -> tuple[int, int]:
    """The number of steps and of rows."""
    for name, array in inputs.items():
        axes = net.input_nodes[name].axes if name in net.input_nodes else ()
        if "t" in axes and "b" in axes:
            shape = np.shape(array)
            return int(shape[axes.index("t")]), int(shape[axes.index("b")])
    raise ValueError(f"no input of {net.name} with a time is given, which tells the number of steps and rows")


def _part(net: Circuit, name: str, array: Array, steps: slice, rows: Array | None = None) -> Array:
    """Some steps and rows of an input."""
    axes = net.input_nodes[name].axes
    if "t" in axes:
        array = array[steps]
    return array if rows is None or "b" not in axes else np.take(array, rows, axes.index("b"))

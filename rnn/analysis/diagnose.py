"""Where the gradient vanishes: how it changes on its way back through time, measured, and said in words.

    found = rnn.diagnose(net, params, x=x, y=y)
    print(found)                        # overall  vanishes: halves every 3.1 steps
    found.plot("gradient.png")
    found.draw("unrolled.svg")

For each state (a signal that depends on itself at another step) there are ‖∂L/∂h[t]‖ over t and ‖∂h[t]/∂h[s]‖ for
all s before t, both of total derivatives; the rate is that of an exponential fitted to the latter over the distance
t - s. Hochreiter 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.circuit import Circuit, reachable
from ...graph.errors import CircuitError, unknown
from ...graph.expr import Node, topological
from ...graph.inputs import Given, Signature
from ...graph.statistics import after_training
from .jacobians import NORMS, Norms, State, loss_gradients, norms, one_step, recurrent_states
from .recurrence import Condition, Matrix, recurrence
from .samples import random_inputs, run_batch, untold_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = np.ndarray[Any, Any]

KEPT = 10.0
"""A gradient is called kept if over all the steps it changes by less than this factor."""
FEWEST = 30
"""Of fewer steps it is asked by the line how much it would change over so many: five steps tell little of a factor."""
FAR = 0.9
"""A gradient that reaches so much of the longest distance does not end: beyond it there are few pairs of steps."""
MOST_SEQUENCES = 4
MOST_NUMBERS = 4_000_000
"""Numbers in the derivatives of one step for all t and sequences; fewer sequences are taken where they are more."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a gradient on its way back, by a line through its logarithm over the distance.

    word      "vanishes", "explodes", "is kept", or "ends": zero after ``steps`` steps
    rate      change of the natural logarithm a step; the gradient is multiplied by exp(rate)
    steps     the longest distance that it reaches (for "ends" the distance at which nothing is left)
    left      the factor at that distance by the line; exp(log) where it is too small or large for a number
    spread    nine of ten distances are within this factor of the line: 1 is an exponential exactly
    """

    word: str
    rate: float
    steps: int
    spread: float

    @property
    def period(self) -> float:
        """Steps in which the gradient halves (negative rate) or doubles."""
        return math.log(2) / abs(self.rate) if self.rate else math.inf

    @property
    def left(self) -> float:
        """The factor by which it has changed after ``steps``, by the line."""
        return math.exp(max(min(self.rate * self.steps, 700.0), -700.0))

    def __str__(self) -> str:
        over = counted(self.steps, "step")
        if self.word == "ends":
            return f"ends: nothing is left after {over}"
        pace = f"{'halves' if self.rate < 0 else 'doubles'} every {_number(self.period)} steps"
        if self.word != "is kept":
            return f"{self.word}: {pace}"
        by = f"over {over} it changes by a factor of {_number(self.left)}"
        return f"is kept: {by}" + (f" ({pace})" if self.period < 100 * self.steps else "")


def counted(n: int, what: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"1 {what}" if n == 1 else f"{n} {what}s"


def _number(x: float) -> str:
    """A positive number in a few characters."""
    if math.isinf(x):
        return "∞"
    if 0.01 <= x < 1000:
        return f"{x:.3g}" if x < 1 else f"{x:.1f}" if x < 100 else f"{x:.0f}"
    return f"{x:.1e}"


def fitted(distances: NDArray[np.int64], logs: NDArray[np.float64]) -> Verdict:
    """The verdict on logarithms of norms over their distances: a line by Theil and Sen, the median of all slopes.

    Of a single distance the line goes through 1 at the distance 0. Raises ValueError where there is no distance.
    """
    if not len(distances):
        raise ValueError("targets: expected steps that others lie before (after, for a state from the right), got none")
    there = np.isfinite(logs)
    steps = int(distances[-1])
    alive = int(distances[there][-1]) if there.any() else 0
    if alive < FAR * steps:
        return Verdict("ends", -math.inf, alive + 1, 1.0)
    steps = alive
    x, y = distances[there].astype(np.float64), logs[there]
    if len(x) == 1:
        x, y = np.append(0.0, x), np.append(0.0, y)
    i, j = np.triu_indices(len(x), 1)
    rate = float(np.median((y[j] - y[i]) / (x[j] - x[i])))
    offset = float(np.median(y - rate * x))
    spread = float(np.exp(np.quantile(np.abs(y - offset - rate * x), 0.9)))
    change = rate * steps
    word = "is kept" if abs(rate) * max(steps, FEWEST) < math.log(KEPT) else "vanishes" if change < 0 else "explodes"
    return Verdict(word, rate, steps, spread)


# ---- the diagnosis ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Diagnosis:
    """How gradients go back through time in a network at these weights and inputs.

    states       name -> the state: its time axis, size, and the states it forms a cycle with
    loss         name -> ‖∂L/∂h[t]‖ over t, the Euclidean norm over units and sequences; {} without a loss
    jacobians    name -> ‖∂h[t]/∂h[s]‖: ``targets`` t, ``logs`` [targets, T] natural logarithms, NaN where s > t
    matrices     the recurrent matrices, with spectral radius and largest singular value
    conditions   what the matrices alone say, for each cycle of states
    verdicts     name -> its verdict;  ``overall``: that of the state by which the gradient comes furthest
    """

    net: Circuit
    states: dict[str, State]
    loss: dict[str, NDArray[np.float64]]
    jacobians: dict[str, Norms]
    matrices: list[Matrix]
    conditions: list[Condition]
    verdicts: dict[str, Verdict]
    steps: dict[str, int]
    sequences: int
    norm: str = "operator"
    about: str = ""
    overall: Verdict = field(init=False)
    leading: str = field(init=False)

    def __post_init__(self) -> None:
        leading = max(self.verdicts, key=lambda name: self.verdicts[name].rate)
        object.__setattr__(self, "leading", leading)
        object.__setattr__(self, "overall", self.verdicts[leading])

    def __str__(self) -> str:
        from .diagnosis import report

        return report(self)

    def plot(self, path: str | Path) -> Path:
        """Norms over t and heat maps as a figure; the suffix of ``path`` says the format (svg, png, pdf)."""
        from .diagnosis import plot

        return plot(self, Path(path))

    def draw(self, path: str | Path, all_steps: bool = False) -> Path:
        """The unrolled network with ‖∂h[T]/∂h[t]‖ painted as width and opacity on the edges through time: how much of
        a gradient at the last step reaches step t, which the verdict is about. A legend gives the scale.

        all_steps: of more than eight steps too all are drawn, not only the first three and the last two. Raises
        RuntimeError when there is no Graphviz.
        """
        from .diagnosis import draw

        return draw(self, Path(path), all_steps)


def diagnose(
    net: Any,
    params: Mapping[str, Any] | None = None,
    /,
    lengths: Any = None,
    *,
    loss: str | None = "L",
    steps: int | None = None,
    targets: Sequence[int] | None = None,
    sequences: int | None = None,
    norm: str = "operator",
    target: str = "interpret",
    about: str = "",
    **inputs: Any,
) -> Diagnosis:
    """How gradients go back through time: norms, heat map, matrices and a verdict in words.

    ::

        found = diagnose(rnn.load("runs/python-1"))    # or diagnose(net, params, x=x, y=y)
        print(found)                                   # overall  vanishes: halves every 4.2 steps
        found.plot("gradient.svg")

    net        a circuit, or a run (what ``rnn.load`` gives), whose weights are then taken
    params     the weights by name; None: those of the run, or initial ones (seed 0)
    lengths    of the sequences, as a program takes them
    loss       the equation whose gradient is followed; None, or a name that is none: only ∂h[t]/∂h[s]
    steps      how many steps are looked at where no arrays tell it; None: 50, of shorter data all
    targets    the steps t of ∂h[t]/∂h[s]; None: all, or evenly spaced ones where all would take long
    sequences  the first so many of the batch are looked at for ∂h[t]/∂h[s]; None: up to 4, fewer of a large network
    norm       "operator" (the largest singular value) or "frobenius" (divided by √n): both are 1 for the identity
    target     what programs are compiled for: "interpret" starts at once, "cpu" is faster for large networks
    about      a line for the report: where weights and inputs come from
    inputs     arrays by name, time first, as a program takes them. None of them: for a run some of its validation
               data, for a circuit random ones (see ``samples``); ``about`` then says so

    All is computed in float64, dropout and the like at their means. Raises ValueError for a network without a state,
    or with one of two indices, for sequences of a single step, for options that do not exist, and for arrays that do
    not fit.
    """
    circuit, weights = _taken(net, params)
    if not inputs:
        inputs, found_lengths, about = _found(net, circuit, params, about, 50 if steps is None else steps)
        lengths = found_lengths if lengths is None else lengths
    elif steps is not None:
        name = next(iter(inputs))
        told = "the arrays that are given tell the number of steps"
        raise ValueError(f"steps={steps!r}: {told}; cut them, {name}[:{steps}]")
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r}: expected one of {', '.join(NORMS)}")
    circuit = after_training(circuit)
    states = recurrent_states(circuit)
    if not states:
        raise CircuitError(
            f"{circuit.name} has no state: no signal depends on itself at another step, and no gradient goes back "
            "through time"
        )
    weights = {n: np.asarray(w, dtype=np.float64) for n, w in weights.items()}
    arrays = {n: a if (a := np.asarray(x)).dtype.kind in "iub" else a.astype(np.float64) for n, x in inputs.items()}
    named = _checked_loss(circuit, loss)
    call = Signature(circuit if named else reachable(circuit, states)).given(weights, arrays, lengths)
    gradients: dict[str, NDArray[np.float64]] = {}
    if named:
        found = loss_gradients(circuit, named, list(states), weights, target, lengths=lengths, **arrays)
        gradients = {n: _norm_over_time(g) for n, g in found.items()}
    measured = _Cycles(circuit, weights, call, target, targets, sequences, norm)
    for cycle in dict.fromkeys(s.cycle for s in states.values()):
        measured.add([states[n] for n in cycle])
    return Diagnosis(
        circuit,
        states,
        gradients,
        {n: measured.jacobians[n] for n in states},
        list(measured.matrices.values()),
        measured.conditions,
        {n: fitted(*measured.jacobians[n].by_distance()) for n in states},
        {a: int(call.length(a).max()) for a in call.sizes if a != "b"},
        measured.sequences,
        norm,
        about,
    )


class _Cycles:
    """What is measured of cycles of states, one after the other."""

    def __init__(
        self,
        circuit: Circuit,
        weights: Mapping[str, Any],
        call: Given,
        target: str,
        targets: Sequence[int] | None,
        sequences: int | None,
        norm: str,
    ) -> None:
        self.circuit, self.weights, self.call, self.target = circuit, weights, call, target
        self.targets, self.most, self.norm = targets, sequences, norm
        self.jacobians: dict[str, Norms] = {}
        self.matrices: dict[str, Matrix] = {}
        self.conditions: list[Condition] = []
        self.sequences = 0

    def add(self, cycle: list[State]) -> None:
        """Norms of the derivatives, the matrices and the condition of a cycle."""
        call, axis = self.call, cycle[0].axis
        if call.length(axis).max() < 2:
            raise ValueError(
                f"{self.circuit.name}: the longest sequence has one step of {axis}, and no gradient goes back through "
                "time; give sequences of two steps or more"
            )
        numbers = call.sizes[axis] * sum(s.size for s in cycle) ** 2
        most = self.most or max(1, min(MOST_SEQUENCES, MOST_NUMBERS // numbers))
        self.sequences = max(self.sequences, min(most, call.sizes["b"]))
        part = reachable(self.circuit, [s.name for s in cycle])
        axes = {a for n in topological(part.eqs.values()) for a in n.axes}
        lengths = {a: call.length(a)[:most] for a in call.sizes if a in axes and a != "b"}
        inputs = {name: _first(array, self.circuit.input_nodes[name], most) for name, array in call.arrays.items()}
        step = one_step(self.circuit, cycle, self.weights, self.target, lengths, **inputs)
        self.jacobians |= norms(step, cycle, lengths[axis], self.targets, self.norm)
        found = recurrence(self.circuit, cycle, self.weights)
        self.matrices |= {m.name: m for m in found.matrices}
        self.conditions.append(found.condition)


def _first(array: Array, node: Node, most: int) -> Array:
    """The first sequences of an input."""
    return array[tuple(slice(most if a == "b" else None) for a in node.axes)]


def _taken(net: Any, params: Mapping[str, Any] | None) -> tuple[Circuit, Mapping[str, Any]]:
    """The circuit and the weights that are meant."""
    if isinstance(net, Circuit):
        return net, net.init(dtype="float64") if params is None else params
    circuit = getattr(net, "net", None)
    if not isinstance(circuit, Circuit):
        raise TypeError(f"expected a circuit (a cell becomes one by net = cell(x=…, h=…)) or a run, not {net!r}")
    return circuit, net.weights if params is None else params


def _found(
    net: Any, circuit: Circuit, params: Mapping[str, Any] | None, about: str, steps: int
) -> tuple[dict[str, Any], Any, str]:
    """Inputs where none were given: those arrays, the lengths, and where they come from."""
    if circuit is net:
        inputs, where = random_inputs(circuit, steps), "random inputs (seed 0)"
        weights = " and initial weights (seed 0)" if params is None else ""
        return inputs, untold_lengths(circuit, steps), about or where + weights
    batch = run_batch(net, steps)
    return dict(batch.inputs), batch.lengths, about or f"validation data of {net.folder}, update {net.update}"


def _checked_loss(circuit: Circuit, loss: str | None) -> str | None:
    if loss is None or (loss == "L" and loss not in circuit.eqs):
        return None
    if loss not in circuit.eqs:
        raise CircuitError(unknown(f"{circuit.name} has no equation {loss}", loss, circuit.eqs, "there are"))
    return loss


def _norm_over_time(gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(gradient.reshape(len(gradient), -1), axis=1))

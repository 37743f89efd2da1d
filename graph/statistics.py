"""Values that are those of the batch while training, and running averages afterwards: what batch_norm divides by.

    statistic(value, running)     ``value`` in training, ``running`` afterwards

``running`` is a constant of the circuit that batch_norm has declared, "mean.a" and "variance.a" of the first batch_norm
in the equation a. A training program returns what the batch adds to each, which the trainer averages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import build as b
from . import compose
from .expr import Node, substitute, topological

if TYPE_CHECKING:
    from .circuit import Circuit

MEAN, VARIANCE = "mean", "variance"


def running_name(kind: str, equation: str, ordinal: int) -> str:
    """The constant that a batch_norm reads after training: "mean.a", the second one of an equation "mean.a.2"."""
    # a value at one step, h[0], has its index in round brackets: in square ones it would be a boundary value's name
    base = equation.replace("[", "(").replace("]", ")")
    return f"{kind}.{base}" + (f".{ordinal}" if ordinal > 1 else "")


def running_constant(n: Node) -> Node | None:
    """The constant that a statistic reads after training; None in a derivative, which is zero then."""
    running = n.args[1]
    while running.op == "expand":
        running = running.args[0]
    return running if running.op == "param" else None


def value_name(running: str) -> str:
    """The equation that an adjoint has for the value of the batch: mean_a of "mean.a"."""
    return re.sub(r"\W+", "_", running).rstrip("_")


def batch_statistics(eqs: Mapping[str, Node]) -> dict[str, Node]:
    """The statistics that batch_norm takes: name of the running constant -> node."""
    found: dict[str, Node] = {}
    for n in topological(eqs.values()):
        running = running_constant(n) if n.op == "statistic" else None
        if running is not None:
            found.setdefault(running.attr, n)
    return found


def initial_statistics(eqs: Mapping[str, Node]) -> dict[str, float]:
    """Where running statistics start: means at 0, variances at 1."""
    return {name: float(name.startswith(VARIANCE)) for name in batch_statistics(eqs)}


def in_training(circuit: Circuit) -> Circuit:
    """Every statistic replaced by the value of the batch."""
    return _replaced(circuit, {n: n.args[0] for n in _statistics(circuit)})


def after_training(circuit: Circuit) -> Circuit:
    """The network as it is used after training: random masks at their mean, statistics at their running averages."""
    from .simplify import expected_masks

    return expected_masks(_replaced(circuit, {n: n.args[1] for n in _statistics(circuit)}))


def with_statistics(circuit: Circuit) -> tuple[Circuit, dict[str, str]]:
    """The circuit in training with what the batch adds to each running average: its name -> the equation.

    That is the mean, and the unbiased variance, over all that was normalised, also where each step was by itself
    (over=batch): then the variance of the steps' means is in it.
    """
    found = batch_statistics(circuit.eqs)
    names = {name: f"batch {name}" for name in found}
    eqs = {names[name]: _recorded(name, n, found) for name, n in found.items()}
    return in_training(circuit.with_eqs(circuit.eqs | eqs)), names


def _recorded(name: str, n: Node, found: dict[str, Node]) -> Node:
    """What a statistic adds to its running average: without time and batch."""
    axes = n.attr
    if name.startswith(MEAN):
        return _over_all(n.args[0], axes)
    mean = found[MEAN + name.removeprefix(VARIANCE)].args[0]
    among = b.power(b.sub(mean, _over_all(mean, axes)), 2) if mean.axes else 0.0
    variance = _over_all(b.add(n.args[0], among), axes)
    number = b.reduce(b.expand(b.lift(1.0), axes), axes)
    return b.mul(variance, b.div(number, b.maximum(b.sub(number, 1.0), 1.0)))


def _over_all(x: Node, axes: tuple[str, ...]) -> Node:
    """The mean over all that was normalised."""
    return compose.mean(b.expand(x, axes), axes) if x.axes else x


def _statistics(circuit: Circuit) -> list[Node]:
    return [n for n in topological(circuit.eqs.values()) if n.op == "statistic"]


def _replaced(circuit: Circuit, by: dict[Node, Node]) -> Circuit:
    """The circuit with statistics replaced, also those within others."""
    if not by:
        return circuit
    done: dict[Node, Node] = {}
    for n, value in by.items():  # those within others come first
        done[n] = substitute([value], done)[0]
    eqs = dict(zip(circuit.eqs, substitute(list(circuit.eqs.values()), done), strict=True))
    return circuit.with_eqs(eqs)

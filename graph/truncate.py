"""Truncated backpropagation through time: a loss that counts some steps of a window only.

The window of an update reaches back over steps whose loss earlier updates have counted: they are there so that the
gradient flows through them. So in the loss every reduction over t takes the steps that count and no others,

    sum(e, over=t)     ->  sum(where(counted[t] > 0, e, 0), over=t)       also over=(t, batch)
    T, a mean's count  ->  maximum(sum(where(counted[t] > 0, 1, 0), over=t), 1)

where ``counted`` is a new input of one number a step and sequence. What is not reduced over t stays as it is: a value
at the last step, ``h[T]``, and a penalty on parameters, which every update counts once.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import build as b
from . import expr
from .carry import states
from .circuit import Circuit, reachable
from .expr import Node, topological

COUNTED = "counted"
STATE = "state"


def truncate(circuit: Circuit, loss: str = "L") -> tuple[Circuit, str]:
    """The circuit whose ``loss`` counts the steps where a new input is above 0, and the name of that input.

    The input has one number a step and sequence, [T, B]. Equations that the loss does not need are left alone.
    A sequence without a step that counts has sums of 0; so have its means, whose counts are at least 1.

    Raises CircuitError, naming the equation, for a circuit that cannot be cut into windows, and for a ``loss`` that
    has no equation.
    """
    needed = reachable(circuit, [loss]).eqs
    states(reachable(circuit, [loss]))
    name = _unused(COUNTED, circuit)
    counted = expr.input_(name, ("t", "b"))
    chosen = _Selection(b.compare(">", counted, 0.0))
    order = topological(needed.values())
    for n in order:
        chosen.add(n)
    eqs = circuit.eqs | {n: chosen.done[e] for n, e in needed.items()}
    return circuit.with_eqs(eqs, input_nodes={**circuit.input_nodes, name: counted}), name


def state_reader(circuit: Circuit, loss: str = "L") -> tuple[Circuit, str]:
    """The circuit with an equation that reads all that a window of ``loss`` hands on, and the name of that equation.

    A program of that equation alone carries the same state as one of the loss, by fewer operations: it advances the
    state over steps whose loss nobody asks for.

    Raises CircuitError as ``truncate`` does.
    """
    lags = states(reachable(circuit, [loss]))
    longest: dict[str, Node] = {}
    for n in topological(reachable(circuit, [loss]).eqs.values()):
        if n.op == "delay" and n.attr[0] == "t" and n.attr[1] == lags[n.args[0].attr]:
            longest.setdefault(n.args[0].attr, n)
    values = [b.number(b.at(n, "t", True, 0)) for n in longest.values()]
    terms = [b.sum_all(b.reduce(v, [a for a in v.axes if a != "b"])) for v in values]
    name = _unused(STATE, circuit)
    total = b.add(*terms) if terms else b.like(0.0, ["b"], ())
    return circuit.with_eqs({**circuit.eqs, name: total}), name


class _Selection:
    """Nodes rewritten one after the other, arguments first."""

    def __init__(self, here: Node) -> None:
        self.here = here
        self.done: dict[Node, Node] = {}

    def add(self, n: Node) -> None:
        args = [self.done[a] for a in n.args]
        self.done[n] = self.rewritten(n, args)

    def rewritten(self, n: Node, args: list[Node]) -> Node:
        if n.op == "length" and n.attr == "t":
            return self.steps(["t"])
        if n.op == "count" and "t" in n.attr:
            return self.steps(n.attr)
        if n.op == "reduce" and "t" in n.attr:
            return b.reduce(self.within(args[0]), n.attr)
        if n.op == "statistic":  # of all that is normalised, whatever counts
            return n
        if n.op in ("contract", "scatter") and "t" in n.attr[1]:
            # linear in the first argument that varies: where it is zero, nothing is added
            i = next(i for i, a in enumerate(args) if "t" in a.axes)
            args[i] = self.within(args[i])
        return expr.rebuild(n, args)

    def within(self, x: Node) -> Node:
        """``x`` at the steps that count, zero at the rest."""
        return b.where(self.here, b.number(x), 0.0)

    def steps(self, over: Iterable[str]) -> Node:
        """How many steps count, at least 1."""
        return b.maximum(b.reduce(self.within(expr.const(1.0)), over), 1.0)


def _unused(name: str, circuit: Circuit) -> str:
    """A name that nothing has, by primes, which no name of the language has."""
    while name in circuit.names():
        name += "ʹ"
    return name

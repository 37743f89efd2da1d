"""State carried from window to window: initial values as inputs, final values as outputs.

A signal read at h[t-1] and h[t-2] needs two values before the window, ``h[0]`` and ``h[-1]``; its window
hands on ``h[T]`` and ``h[T-1]``. Delayed inputs are carried too. Where a sequence is shorter than a lag,
its final values reach back to its initial ones.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import build as b
from . import expr
from .circuit import Circuit, boundaries_read, boundary_name
from .errors import CircuitError, unknown
from .expr import Node, substitute, topological


def states(circuit: Circuit) -> dict[str, int]:
    """What has to be carried from one window to the next: delayed signals and inputs, with their longest lag.

    Raises CircuitError, naming the equation, for a circuit that cannot be cut: one whose signals read the
    future or a value of all steps (a sum over t, the last step, T), and one that reads a fixed step (``h[1]``)
    where a later window does not have it.
    """
    lags: dict[str, int] = {}
    for name, e in circuit.eqs.items():
        for n in topological([e]):
            if n.op == "delay" and n.attr[0] == "t":
                source, k = n.args[0].attr, n.attr[1]
                if k < 0:
                    raise CircuitError(_uncut(circuit, name, f"it reads the future, {source}[t+{-k}]"))
                lags[source] = max(lags.get(source, 0), k)
        for n in _beyond_first(e):
            if n.op == "at" and n.attr[0] == "t" and not n.attr[1]:
                raise CircuitError(_uncut(circuit, name, f"it reads {_fixed_step(n)}"))
    for name, value in _signals_of_whole_values(circuit):
        raise CircuitError(_uncut(circuit, name, f"at each step it reads {value}, for which all steps are needed"))
    return lags


def _fixed_step(at: Node) -> str:
    _, end, position = at.attr
    if end is None:  # as the derivative by a value before the start does
        return f"step {position} of a window, where it is not what it is at that of the whole sequence"
    return f"the step {position}, which only one window has"


def _uncut(circuit: Circuit, name: str, why: str) -> str:
    line = circuit.lines.get(name)
    where = f" (line {line})" if line else ""
    return f"{circuit.name} cannot be cut into windows: {name}{where}: {why}"


def _signals_of_whole_values(circuit: Circuit) -> list[tuple[str, str]]:
    """Equations with a value of all steps of t in what they compute at each: its name, or what it is."""
    whole: dict[Node, str] = {}
    named: dict[str, str] = {}
    orders = {name: topological([e]) for name, e in circuit.eqs.items()}
    while True:
        for order in orders.values():
            for n in order:
                # what batch_norm takes is that of the window: the batch is what is given
                if "t" not in n.axes and n not in whole and n.op != "statistic":
                    found = named.get(n.attr) if n.op == "ref" else _whole_value(n)
                    found = found or next((whole[a] for a in n.args if a in whole), None)
                    if found is not None:
                        whole[n] = found
        fresh = {name: name for name, e in circuit.eqs.items() if e in whole and name not in named}
        if not fresh:
            break
        named |= fresh
    return [
        (name, whole[a]) for name, order in orders.items() for n in order if "t" in n.axes for a in n.args if a in whole
    ]


def _whole_value(n: Node) -> str | None:
    """What a node is that is known only when all steps of t are; None where it is none of these."""
    if (n.op == "length" and n.attr == "t") or (n.op == "count" and "t" in n.attr):
        return "T"
    if n.op == "at" and n.attr[:2] == ("t", True):
        return "the last step"
    lost = n.op in ("reduce", "contract", "scatter", "amax") and any("t" in a.axes for a in n.args)
    return "a sum over t" if lost else None


def _beyond_first(root: Node) -> list[Node]:
    """The nodes of an expression that are needed at other steps than the first."""
    seen = {root}
    stack = [root]
    while stack:
        n = stack.pop()
        for a in n.args[1:] if n.op == "first" and n.attr == "t" else n.args:
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return list(seen)


def carried(circuit: Circuit) -> Circuit:
    """The circuit with its initial values as inputs ``h[0]``, … and its final ones as equations ``h[T]``, …

    Raises CircuitError for a circuit that cannot be cut: see ``states``.
    """
    return final_values(boundary_inputs(circuit))


def final_values(circuit: Circuit) -> Circuit:
    """The circuit with equations ``h[T]``, ``h[T-1]``, … for what it hands on to the next window.

    Raises CircuitError for a circuit that cannot be cut: see ``states``.
    """
    lags = states(circuit)
    longest: dict[str, Node] = {}
    for n in topological(circuit.eqs.values()):
        if n.op == "delay" and n.attr[0] == "t" and n.attr[1] == lags[n.args[0].attr]:
            longest.setdefault(n.args[0].attr, n)
    eqs = dict(circuit.eqs)
    for source, k in lags.items():
        signal, *bounds = longest[source].args
        for j in range(k):
            eqs[final_name(source, j)] = b.at(b.delay(signal, "t", j, bounds[:j]), "t", True, 0)
    return circuit.with_eqs(eqs)


def final_name(source: str, j: int) -> str:
    """The name of the final value at T - j: ``h[T]``, ``h[T-1]``."""
    return f"{source}[T-{j}]" if j else f"{source}[T]"


def boundary_inputs(circuit: Circuit, names: Iterable[str] | None = None) -> Circuit:
    """The circuit with boundary values as inputs of their names; None: all its initial values along t.

    They take the place of their equations.
    """
    found = list(names or ())
    if names is None:
        for n in topological(circuit.eqs.values()):
            if n.op == "delay" and n.attr[0] == "t" and n.attr[1] > 0:
                found += [boundary_name(n.args[0], "t", n.attr[1], j) for j in range(n.attr[1])]
    eqs = {n: e for n, e in _with_inputs(circuit, set(found)).items() if n not in found}
    # a symbol before the start has the values of the symbol
    symbols = {n: circuit.symbols[base] for n in found if (base := n.partition("[")[0]) in circuit.symbols}
    return circuit.with_eqs(eqs, symbols=circuit.symbols | symbols)


def opened(circuit: Circuit, boundary: str) -> Circuit:
    """The circuit with one boundary value, which has no equation, as an input of its name.

    Raises CircuitError where no signal is read at that place, and for an unfolded graph.
    """
    if circuit.unfolding is not None:
        raise CircuitError(
            f"{boundary} is no value of the unfolded graph; differentiate the circuit by it, then unfold"
        )
    found = circuit.with_eqs(_with_inputs(circuit, {boundary}))
    if boundary not in found.input_nodes:
        problem = f"{boundary} is no boundary value that {circuit.name} reads"
        read = dict.fromkeys(name for name, _ in boundaries_read(circuit.eqs.values()))
        raise CircuitError(unknown(problem, boundary, read, "it reads"))
    return found


def _input(signal: Node, axis: str, j: int, k: int = 1) -> Node:
    """The input for a boundary value of a signal."""
    axes = [a for a in signal.axes if a != axis]
    return expr.input_(boundary_name(signal, axis, k, j), axes, signal.shape, signal.dtype)


def _with_inputs(circuit: Circuit, boundaries: set[str]) -> dict[str, Node]:
    """The equations with these boundary values read from inputs of their names."""
    replace: dict[Node, Node] = {}
    for n in topological(circuit.eqs.values()):
        if n.op == "ref" and n.attr in boundaries:
            replace[n] = expr.input_(n.attr, n.axes, n.shape, n.dtype)
        elif n.op == "delay":
            axis, k = n.attr
            source, *bounds = n.args
            for j in range(abs(k)):
                if boundary_name(source, axis, k, j) in boundaries:
                    bounds[j] = _input(source, axis, j, k)
            if tuple(bounds) != n.args[1:]:
                replace[n] = b.delay(source, axis, k, bounds)
    return dict(zip(circuit.eqs, substitute(list(circuit.eqs.values()), replace), strict=True))

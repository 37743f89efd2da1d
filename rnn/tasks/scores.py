"""What a circuit compares with its target: read off its loss, so that every network can be measured."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from ...graph.expr import Node, topological
from ...graph.language import Term
from ..data import DataError

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ...graph.system import System

SYMBOL_LOSSES = ("cross_entropy", "nll")


@dataclass(frozen=True)
class Scores:
    """The signal that the loss compares with the target.

    net   the circuit, in which it has a name (one equation more than was given, where it had none)
    name  of the signal
    loss  cross_entropy (the signal holds logits), nll (probabilities) or mse (numbers)
    size  its number of entries
    """

    net: Circuit
    name: str
    loss: str
    size: int


def sized_by_targets(system: System, target: str = "y") -> str:
    """The name whose size is the number of labels, symbols or columns that are learnt: of the signal that the equations
    compare with the target (of several, o), or, where that has no name or none is found, the target itself."""
    found: dict[str, None] = {}
    stack = [statement.value for statement in reversed(system.statements())]
    while stack:
        term = stack.pop()
        if term.head == "call" and term.attr[0] in (*SYMBOL_LOSSES, "mse"):
            names = [_name(arg) for arg in term.args[:2]]
            if target in names:
                found |= dict.fromkeys(name for name in names if name != target)
        stack += reversed(term.args)
    if "o" in found:
        return "o"
    (name, *others) = found or [target]
    return target if others or name not in system.definitions else name


def _name(term: Term) -> str:
    """The signal, input or parameter that a term reads; "" where it is an expression."""
    read = term.args[0] if term.head == "index" else term
    return str(read.attr) if read.head == "name" else ""


def scores_of(net: Circuit, loss: str = "L", target: str = "y") -> Scores:
    """The first argument of cross_entropy, nll or mse whose other one is the target, somewhere in the loss.

    Of several, the one that is called o is taken. Raises DataError where there is none, or which is meant is
    open.
    """
    from ...graph.circuit import reachable

    if loss not in net.eqs:
        raise DataError(
            f"{net.name}: expected a loss {loss}, such as {loss} = mean(cross_entropy(o[t], {target}[t]), over=t), got"
            f" the equations of {', '.join(net.outputs)}"
        )
    found: dict[Node, str] = {}
    for expression in reachable(net, [loss]).eqs.values():
        for node in topological([expression]):
            compared = _compared(node, target)
            if compared is not None:
                found.setdefault(compared[0], compared[1])
    if len(found) > 1:
        found = {node: kind for node, kind in found.items() if node.op == "ref" and node.attr == "o"}
        if not found:
            raise DataError(f"{net.name}: {loss} compares {target} with several signals; call the one to measure o")
    if not found:
        raise DataError(
            f"{net.name}: expected a loss {loss} with cross_entropy(…, {target}[t]), nll(…, {target}[t]) or"
            f" mse(…, {target}[t]) in it: what is compared with {target} is what is measured; got none of these"
        )
    ((node, kind),) = found.items()
    return _named(net, node, kind)


def _compared(node: Node, target: str) -> tuple[Node, str] | None:
    """What a node compares with the target, and how."""
    if node.op in SYMBOL_LOSSES:
        return (node.args[0], node.op) if _is_input(node.args[1], target) else None
    if node.op == "power" and node.attr == 2.0 and node.args[0].op == "add" and len(node.args[0].args) == 2:
        a, b = node.args[0].args  # mse(a, b) is the mean of (a - b)**2
        for one, other in ((a, b), (b, a)):
            if other.op == "neg" and _is_input(other.args[0], target):
                return one, "mse"
            if one.op == "neg" and _is_input(other, target):
                return one.args[0], "mse"
    return None


def _is_input(node: Node, name: str) -> bool:
    return node.op == "input" and node.attr == name


def _named(net: Circuit, node: Node, kind: str) -> Scores:
    size = node.shape[0] if node.shape else 1
    if node.op == "ref":
        return Scores(net, str(node.attr), kind, size)
    taken = net.names()
    name = next(n for n in chain(["scores"], (f"scores_{i}" for i in count(2))) if n not in taken)
    return Scores(net.with_eqs({**net.eqs, name: node}), name, kind, size)

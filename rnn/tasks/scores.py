"""What a circuit compares with its target: read off its loss, so that every network can be measured."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from ...graph.expr import Node, topological
from ..data import DataError

if TYPE_CHECKING:
    from ...graph.circuit import Circuit

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

"""Rewrites of circuits."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from . import build as b
from .expr import Node, substitute, topological

if TYPE_CHECKING:
    from .circuit import Circuit


def losses_of_logits(eqs: Mapping[str, Node], keep: Container[str] = ()) -> dict[str, Node]:
    """nll(p, y) with p = softmax(o) becomes cross_entropy(o, y); not for the names ``p`` in ``keep``."""
    found: dict[str, Node] = {}
    for name, e in eqs.items():
        replace: dict[Node, Node] = {}
        for n in topological([e]):
            if n.op == "nll" and n.args[0].op == "ref" and n.args[0].attr not in keep:
                p = eqs[n.args[0].attr]
                if p.op == "softmax":
                    replace[n] = b.cross_entropy(p.args[0], n.args[1])
        found[name] = substitute([e], replace)[0] if replace else e
    return found


def without_masks(circuit: Circuit) -> Circuit:
    """Every random mask replaced by its mean: the network as it is used after training."""
    masks = [n for n in topological(circuit.eqs.values()) if n.op == "mask"]
    if not masks:
        return circuit
    mean = {n: b.like(n.attr[1], n.axes, n.shape) for n in masks}
    roots = substitute(list(circuit.eqs.values()), mean)
    return circuit.with_eqs(dict(zip(circuit.eqs, roots, strict=True)))

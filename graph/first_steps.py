"""``name[1] = …`` that reads another signal's first step, where that has an equation of its own.

    h[1] = U @ x[1];  c[1] = 2 * h[1]     →     c[1] = 2 * (U @ x[1])

At step 1 there is no loop between the two, but their equations for the other steps may form one.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import build
from .expr import Node, substitute, topological


def resolved(eqs: Mapping[str, Node]) -> dict[str, Node]:
    """The equations with such reads replaced by what they read, as far as that ends."""
    return {name: _resolved(eqs, e, (name,)) if e.op == "first" else e for name, e in eqs.items()}


def _resolved(eqs: Mapping[str, Node], e: Node, path: tuple[str, ...]) -> Node:
    at_first, rest = e.args
    replace: dict[Node, Node] = {}
    for n in topological([at_first]):
        if n.op == "at" and n.attr == (e.attr, False, 1) and n.args[0].op == "ref":
            name = n.args[0].attr
            other = eqs.get(name)
            if other is not None and other.op == "first" and other.attr == e.attr and name not in path:
                value = _resolved(eqs, other, (*path, name)).args[0]
                replace[n] = build.expand(value, n.axes)
    if not replace:
        return e
    return build.first(substitute([at_first], replace)[0], rest, e.attr)

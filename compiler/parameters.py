"""Parameters that are only read in parts become one parameter a part.

    split(W @ concat(h[t-1], x[t]) + b, 4)   reads W[0:4, 0:4], W[0:4, 4:7], …, b[0:4], …

so that four gates with one packed matrix are the same program as with eight of their own. The caller's array stays
whole: its parts are read from it and their gradients written to their places in its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.expr import Node, param, rebuild, topological

Ranges = tuple[tuple[int, int], ...]
Parts = dict[str, tuple[str, Ranges]]


def split_parameters(eqs: Mapping[str, Node]) -> tuple[dict[str, Node], Parts]:
    """The equations with parts as parameters of their own, and part name -> (parameter, ranges of its axes)."""
    nodes = topological(eqs.values())
    ranges: dict[Node, tuple[Node, Ranges]] = {}
    whole: set[Node] = {e for e in eqs.values() if e.op == "param"}
    for n in nodes:
        if n.op == "param":
            ranges[n] = (n, tuple((0, size) for size in n.shape))
        elif n.op == "slice" and n.args[0] in ranges:
            base, outer = ranges[n.args[0]]
            axis, lo, hi = n.attr
            start = outer[axis][0]
            ranges[n] = (base, (*outer[:axis], (start + lo, start + hi), *outer[axis + 1 :]))
    for n in nodes:
        for a in n.args:
            if a in ranges and n not in ranges:
                ranges.setdefault(a, ranges[a])
                if a.op == "param":
                    whole.add(a)
    final = {n: r for n, r in ranges.items() if n.op == "slice" and any(n in u.args and u not in ranges for u in nodes)}
    taken = {base for base, _ in final.values()} - whole
    taken = {p for p in taken if _disjoint([r for base, r in final.values() if base is p])}
    parts: Parts = {}
    done: dict[Node, Node] = {}
    for n in nodes:
        if n in final and final[n][0] in taken:
            base, r = final[n]
            name = f"{base.attr}[{','.join(f'{lo}:{hi}' for lo, hi in r)}]"
            parts[name] = (base.attr, r)
            done[n] = param(name, n.shape)
        else:
            done[n] = rebuild(n, [done[a] for a in n.args])
    return {name: done[e] for name, e in eqs.items()}, parts


def _disjoint(found: list[Ranges]) -> bool:
    boxes = list(dict.fromkeys(found))
    return not any(
        all(a[0] < b[1] and b[0] < a[1] for a, b in zip(one, two, strict=True))
        for i, one in enumerate(boxes)
        for two in boxes[:i]
    )

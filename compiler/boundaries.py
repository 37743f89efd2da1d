"""One boundary value a slot: a signal that is read with two different values before its start is copied.

    h[t-1] with h[0] = h0, and h[t-1] with zero before the start     →  h[t-1], hʺ[t-1] with hʺ[t] = h[t]

The first is what a text says; the second comes up in derivatives of derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import build
from ..graph.expr import Node, make, ref, substitute, topological

COPY = "ʺ"


def one_value_a_slot(eqs: Mapping[str, Node]) -> dict[str, Node]:
    """The equations with a copy of each signal for every further set of boundary values."""
    variants: dict[Node, list[dict[tuple[str, int], Node]]] = {}
    copies: dict[str, Node] = {}
    replaced: dict[Node, Node] = {}
    for n in topological(eqs.values()):
        if n.op != "delay":
            continue
        axis, k = n.attr
        source, *bounds = n.args
        slots = {(axis, -j if k > 0 else j + 1): bound for j, bound in enumerate(bounds)}
        known = variants.setdefault(source, [{}])
        fits = (i for i, v in enumerate(known) if all(v.get(slot, bound) is bound for slot, bound in slots.items()))
        chosen = next(fits, len(known))
        if chosen == len(known):
            known.append({})
        known[chosen].update(slots)
        if chosen:
            name = str(source.attr) + COPY * chosen
            while name in eqs:
                name += COPY
            copies[name] = make("copy", (source,))
            replaced[n] = build.delay(ref(name, source), axis, k, bounds)
    if not replaced:
        return dict(eqs)
    return dict(zip(eqs, substitute(list(eqs.values()), replaced), strict=True)) | copies

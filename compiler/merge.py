"""Sums rearranged so that what can leave a loop leaves it, and products that are only added become one.

    a + b + W @ h[t-1]          →  (a + b) + W @ h[t-1]       a, b stand outside the loop
    a + W @ h[t-1] + U @ x      →  a + (U @ x + W @ h[t-1])       the same where products are not hoisted: that of x
                                                           first, which a core computes while it waits for h[t-1]
    W @ h[t-1] + R @ h[t-2] + … →  (W @ h[t-1] + R @ h[t-2]) + …     one product over stacked operands
"""

from __future__ import annotations

from ..graph.expr import Node, make, rebuild, topological
from .network import Network, can_join, is_lone_product
from .schedule import components, is_cycle


def regroup_sums(net: Network, hoist: bool = True) -> Network:
    """The network with every sum split into what stands outside its loop, its products, and the rest.

    ``hoist``: products outside the loop stay there; if not, they are with those of the loop.
    """
    cycle: dict[Node, int] = {}
    after: dict[int, set[Node]] = {}
    for i, component in enumerate(components(net)):
        if is_cycle(net, component):
            cycle.update((n, i) for n in component)
            after[i] = set() if hoist else net.following(component)
    done: dict[Node, Node] = {}
    for name in net.eqs:
        for n in topological([net.eqs[name]]):
            if n not in done:
                args = [done[a] for a in n.args]
                split = _regrouped(net, n, args, cycle, after) if n.op == "add" and n in net.position else None
                done[n] = split or rebuild(n, args)
    return Network({name: done[e] for name, e in net.eqs.items()}, net.wanted)


def _regrouped(
    net: Network, node: Node, args: list[Node], cycle: dict[Node, int], after: dict[int, set[Node]]
) -> Node | None:
    """``node`` with its terms in groups, None where there is but one group.

    cycle  node -> the loop it is in;  after  loop -> all that follows from it: empty where its products stay outside
    """
    outside: list[Node] = []
    joined: list[Node] = []
    products: list[Node] = []
    rest: list[Node] = []
    for old, new in zip(node.args, args, strict=True):
        real = net.real(old)
        elsewhere = node in cycle and cycle.get(real) != cycle[node] and net.stripped(real).op != "const"
        joins = elsewhere and after[cycle[node]] and can_join(net, real, node, after[cycle[node]])
        if elsewhere:
            (joined if joins else outside).append(new)
        elif is_lone_product(net, real):
            products.append(new)
        else:
            rest.append(new)
    groups = [g for g in (outside, joined + products) if g]
    if len(groups) + len(rest) < 2 or all(len(g) == 1 for g in groups):
        return None
    terms = [g[0] if len(g) == 1 else make("add", g) for g in groups]
    return make("add", terms + rest)

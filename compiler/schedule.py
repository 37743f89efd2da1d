"""Circuit and adjoint together -> stages: loops over a time axis, free stages, and what has no time.

A strongly connected component with a cycle is a loop, up or down; everything else is free of order. Stages are
formed by list scheduling: as much as is ready goes into one stage; a value that a sum over steps ends in, or
that is read at another step, is ready only after its stage.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

from ..graph.errors import CircuitError
from ..graph.expr import Node
from .network import LEAVES, Network, can_join


@dataclass(frozen=True)
class Stage:
    """One pass. kind: loop | free | static; the nodes stand in an order in which they can be computed."""

    kind: str
    axis: str | None
    order: str
    batch: bool
    nodes: tuple[Node, ...]
    why: str = ""


@dataclass(frozen=True)
class _Unit:
    """A component: what must be scheduled together."""

    kind: str
    axis: str | None
    order: str
    batch: bool
    nodes: tuple[Node, ...]
    why: str

    @property
    def family(self) -> tuple[object, ...]:
        """Units of one family may share a stage; a loop shares with nobody."""
        return (self.nodes[0],) if self.kind == "loop" else (self.kind, self.axis, self.batch)


def components(net: Network) -> list[list[Node]]:
    """Strongly connected components, each before those that need it, their nodes in the network's order."""
    import networkx as nx

    graph = nx.DiGraph()
    for n in net.nodes:
        graph.add_node(n)
        graph.add_edges_from((a, n) for a, _ in net.reads(n))
    found = [sorted(c, key=net.position.__getitem__) for c in nx.strongly_connected_components(graph)]
    home = {n: i for i, c in enumerate(found) for n in c}
    # condensation order, ties by place
    waiting = [len({home[a] for n in c for a, _ in net.reads(n)} - {i}) for i, c in enumerate(found)]
    users = [{home[u] for n in c for u in net.users[n]} - {i} for i, c in enumerate(found)]
    ready = [(net.position[c[0]], i) for i, c in enumerate(found) if not waiting[i]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(found[i])
        for u in users[i]:
            waiting[u] -= 1
            if not waiting[u]:
                heapq.heappush(ready, (net.position[found[u][0]], u))
    return order


def is_cycle(net: Network, component: list[Node]) -> bool:
    """Whether its values depend on themselves at other steps."""
    return len(component) > 1 or any(a is component[0] for a, _ in net.reads(component[0]))


def _loop(net: Network, nodes: list[Node]) -> _Unit:
    inside = set(nodes)
    shifts = {
        a.attr
        for n in nodes
        for a in net.args(n)
        if a.op == "delay" and net.real(a.args[0]) in inside
    }
    names = [net.equation[n] for n in nodes if n in net.equation]
    order_in_step = _within_step(net, nodes)
    axes, signs = {axis for axis, _ in shifts}, {k > 0 for _, k in shifts}
    cycle = " → ".join(names)
    if len(axes) != 1 or len(signs) != 1:
        raise CircuitError(
            f"the equations {cycle} read each other at steps {sorted(shifts)}: within one cycle all shifts must be "
            "delays or all advances of one index; give one direction its own equations"
        )
    (axis,) = axes
    whole = [n for n in nodes if net.is_sum(n) and axis not in n.axes]
    if whole:
        raise CircuitError(f"the equations {cycle} need a value of all steps to compute one step ({whole[0].op})")
    order = "up" if signs.pop() else "down"
    lags = ", ".join(sorted({f"{axis}{-k:+d}" for _, k in shifts}))
    return _Unit("loop", axis, order, True, tuple(order_in_step), f"cycle {cycle} through {lags}")


def _within_step(net: Network, nodes: list[Node]) -> list[Node]:
    """The order within one step: what is read at another step does not count."""
    inside = set(nodes)
    waiting = {n: sum(1 for a, lagged in net.reads(n) if not lagged and a in inside) for n in nodes}
    order: list[Node] = []
    ready = [n for n in nodes if not waiting[n]]
    while ready:
        n = min(ready, key=net.position.__getitem__)
        ready.remove(n)
        order.append(n)
        for u in net.users[n]:
            if u in inside:
                for a, lagged in net.reads(u):
                    if a is n and not lagged:
                        waiting[u] -= 1
                        if not waiting[u]:
                            ready.append(u)
    if len(order) < len(nodes):
        stuck = [net.equation[n] for n in nodes if n in net.equation and n not in set(order)]
        raise CircuitError(f"a loop without a delay among the equations {', '.join(stuck)}")
    return order


def _unit(net: Network, component: list[Node]) -> _Unit:
    if is_cycle(net, component):
        return _loop(net, component)
    node = component[0]
    axis = net.axis_of(node)
    if axis is not None:
        return _Unit("free", axis, "free", True, (node,), "")
    return _Unit("static", None, "free", "b" in net.axes_of(node), (node,), "")


# loops first: what can run beside them afterwards then shares one stage
_RANK = {("static", None): 0, ("loop", "s"): 1, ("loop", "t"): 1, ("free", "s"): 2, ("free", "t"): 3}


def schedule(net: Network, hoist: bool = True) -> list[Stage]:
    """The stages, in the order in which they run. ``hoist``: no product is in a loop that could be before it.

    Raises CircuitError, naming equations, for a loop without a delay, for delays and advances in one cycle, and
    for a value of all steps within its own cycle.
    """
    units = [_unit(net, c) for c in components(net) if not (len(c) == 1 and c[0].op in LEAVES)]
    done: set[Node] = {n for n in net.nodes if n.op in LEAVES}
    pending = units
    stages: list[Stage] = []
    while pending:
        startable = [u for u in pending if _ready(net, u, done, set())]
        lead = min(startable, key=lambda u: _RANK[u.kind, u.axis])
        chosen: list[_Unit] = []
        here: set[Node] = set()
        for u in pending:
            if u.family == lead.family and _ready(net, u, done, here):
                chosen.append(u)
                here.update(u.nodes)
        pending = [u for u in pending if u not in chosen]
        done |= here
        nodes = tuple(n for u in chosen for n in u.nodes)
        stages.append(Stage(lead.kind, lead.axis, lead.order, lead.batch, nodes, lead.why))
    return _capture_in_loops(net, stages if hoist else _with_products(net, stages))


def _ready(net: Network, unit: _Unit, done: set[Node], here: set[Node]) -> bool:
    """Whether all it needs is done, or is computed on the same row of the stage being formed."""
    own = set(unit.nodes)
    for n in unit.nodes:
        for a, lagged in net.reads(n):
            if a in own or a in done:
                continue
            if a not in here or lagged or net.is_sum(a):
                return False
    return True


def _with_products(net: Network, stages: list[Stage]) -> list[Stage]:
    """Products that only a loop reads, at the same step, are computed in it: see ``Plan.hoist``."""
    home = {n: i for i, stage in enumerate(stages) if stage.kind == "loop" for n in stage.nodes}
    after = {i: net.following(stage.nodes) for i, stage in enumerate(stages) if stage.kind == "loop"}
    joined: dict[int, list[Node]] = {}
    for stage in stages:
        for n in stage.nodes if stage.kind == "free" else ():
            (reader,) = net.users[n] if len(net.users[n]) == 1 else (None,)
            same_step = reader in home and (n, False) in net.reads(reader)
            if reader is not None and same_step and can_join(net, n, reader, after[home[reader]]):
                joined.setdefault(home[reader], []).append(n)
    gone = {n for nodes in joined.values() for n in nodes}
    kept = (
        replace(stage, nodes=(*joined.get(i, ()), *(n for n in stage.nodes if n not in gone)))
        for i, stage in enumerate(stages)
    )
    return [stage for stage in kept if stage.nodes]


def _is_given(net: Network, node: Node) -> bool:
    """Whether it is a leaf, or one repeated."""
    node = net.stripped(node)
    while node.op in ("expand", "repeat"):
        node = net.real(node.args[0])
    return node.op in LEAVES


def _is_behind(source: Node, order: str) -> bool:
    """Whether a loop that runs in this order has been at the step that is read."""
    return source.op != "delay" or (source.attr[1] >= 0) == (order == "up")


def _capture_in_loops(net: Network, stages: list[Stage]) -> list[Stage]:
    """Values at one step of a loop's signal (h[T]) are taken within the loop: it need not keep the others."""
    home = {n: i for i, stage in enumerate(stages) if stage.kind == "loop" for n in stage.nodes}
    moved: dict[int, list[Node]] = {}
    for stage in stages:
        for n in stage.nodes:
            if n.op == "at" and stage.kind == "free":
                source = net.args(n)[0]
                i = home.get(net.real(source.args[0]) if source.op == "delay" else source)
                bounds = net.args(source)[1:] if source.op == "delay" else []
                fits = i is not None and stages[i].axis == n.attr[0] and _is_behind(source, stages[i].order)
                if i is not None and fits and all(_is_given(net, b) for b in bounds):
                    moved.setdefault(i, []).append(n)
    gone = {n for nodes in moved.values() for n in nodes}
    result = []
    for i, stage in enumerate(stages):
        nodes = tuple(n for n in stage.nodes if stage.kind == "loop" or n not in gone) + tuple(moved.get(i, ()))
        if nodes:
            result.append(Stage(stage.kind, stage.axis, stage.order, stage.batch, nodes, stage.why))
    return result

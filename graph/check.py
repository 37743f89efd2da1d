"""Whether equations are a circuit: names are defined, every cycle passes through a delay, one way only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .errors import CircuitError, unknown
from .expr import Node, time_axes, topological

if TYPE_CHECKING:
    from .circuit import Circuit

WHOLE = frozenset(("at", "reduce", "contract", "scatter", "amax"))
"""Operations whose value may need all steps."""


def check(circuit: Circuit) -> None:
    """Raises CircuitError where the equations are no circuit."""
    for name in circuit.eqs:
        if name in circuit.param_nodes or name in circuit.input_nodes:
            role = "a parameter" if name in circuit.param_nodes else "an input"
            raise CircuitError(f"{_place(circuit, name)}: {name} has an equation and is {role}; rename one of them")
    nodes = {name: topological([e]) for name, e in circuit.eqs.items()}
    for name, order in nodes.items():
        for n in order:
            if n.op == "ref":
                _resolves(circuit, name, n)
    same_step = {name: _reads(circuit.eqs[name], delayed=False) for name in circuit.eqs}
    loop = find_cycle(same_step)
    if loop:
        raise CircuitError(_loop_without_delay(circuit, loop))
    all_steps = {name: _reads(circuit.eqs[name], delayed=True) for name in circuit.eqs}
    for component in components(all_steps):
        if len(component) > 1 or component[0] in all_steps[component[0]]:
            _check_loop(circuit, component, nodes)


def _resolves(circuit: Circuit, name: str, n: Node) -> None:
    root = circuit.eqs.get(n.attr)
    where = _place(circuit, name)
    if root is None:
        problem = f"{where}: {name} reads {n.attr}, which has no equation"
        raise CircuitError(unknown(problem, n.attr, circuit.eqs, "there are"))
    if root.type != n.type:
        raise CircuitError(f"{where}: {name} reads {n.attr} as {tuple(n.type)}, but it is {tuple(root.type)}")


def _place(circuit: Circuit, name: str) -> str:
    line = circuit.lines.get(name)
    return f"{circuit.name}, line {line}" if line else circuit.name


def _reads(root: Node, delayed: bool) -> list[str]:
    """The equations that an expression reads; those behind a delay only if ``delayed``."""
    found: dict[str, None] = {}
    seen = {root}
    stack = [root]
    while stack:
        n = stack.pop()
        if n.op == "ref":
            found[n.attr] = None
        below = n.args if delayed or n.op != "delay" else n.args[1:]
        for a in below:
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return list(found)


# ---- the three errors of a loop --------------------------------------------------------------------
def _loop_without_delay(circuit: Circuit, loop: Sequence[str]) -> str:
    lines = [f"    {_equation(circuit, name)}" for name in loop]
    path = " -> ".join([*loop, loop[0]])
    return "\n".join([
        f"{circuit.name}: a loop without a delay: {path}",
        *lines,
        "  expected: every loop reads an earlier (or every a later) step somewhere",
        f"  mend: {_delayed_somewhere(circuit, loop)}",
    ])  # fmt: skip


def _delayed_somewhere(circuit: Circuit, loop: Sequence[str]) -> str:
    """How a loop gets its delay."""
    boundary = next((name for name in loop if "[" in name), None)
    if boundary is not None:
        return f"give {boundary} by parameters and inputs, not by the steps that begin with it"
    for name in loop:
        axes = time_axes(circuit.eqs[name])
        if axes:
            before = ", ".join([f"{a}-1" if a == axes[0] else a for a in axes])
            return f"read one of them at the step before, such as {name}[{before}]"
    return f"values without an index cannot need each other: write {loop[0]} by others, or as a signal {loop[0]}[t]"


def _equation(circuit: Circuit, name: str) -> str:
    """The equation as text, with its line where that is known."""
    from .show import text

    line = circuit.lines.get(name)
    try:
        shown = text(circuit.with_eqs({name: circuit.eqs[name]}))
    except (TypeError, KeyError):  # an adjoint's operation without a form in the language
        shown = f"{name} = {circuit.eqs[name]!r}"
    return f"line {line}: {shown}" if line else shown


def _check_loop(circuit: Circuit, component: Sequence[str], nodes: Mapping[str, list[Node]]) -> None:
    inside = set(component)
    shifts: dict[str, dict[int, tuple[str, str]]] = {}
    for name in component:
        for n in nodes[name]:
            if n.op == "delay" and n.args[0].op == "ref" and n.args[0].attr in inside:
                axis, k = n.attr
                shifts.setdefault(axis, {}).setdefault(1 if k > 0 else -1, (name, _shifted(n)))
    for axis, ways in shifts.items():
        if len(ways) == 2:
            (one, past), (other, future) = ways[1], ways[-1]
            raise CircuitError(
                f"{circuit.name}: {' and '.join(component)} read both the past and the future of each other: "
                f"{one} reads {past} and {other} reads {future}\n"
                f"  expected: all shifts along {axis} within one loop point one way\n"
                f"  mend: give each direction a signal of its own, and join them where neither is fed back"
            )
    for name in component:
        for n in nodes[name]:
            lost = _lost_axes(n) & set(shifts)
            if lost and any(inside.intersection(_reads(a, delayed=True)) for a in n.args):
                axis = sorted(lost)[0]
                mend = "read the step before, or keep a running sum as a signal of its own"
                if any(m.op == "statistic" for m in nodes[name]):
                    mend = "batch_norm(e, over=batch) takes the statistics of each step by itself"
                raise CircuitError(
                    f"{_place(circuit, name)}: {name} needs a value of all steps of {axis} to compute "
                    f"one of them (loop: {', '.join(component)})\n    {_equation(circuit, name)}\n"
                    f"  expected: sums over {axis}, the last step and fixed steps are read outside the loop\n"
                    f"  mend: {mend}"
                )


def _shifted(n: Node) -> str:
    axis, k = n.attr
    items = [f"{a}{-k:+d}" if a == axis else a for a in time_axes(n)]
    return f"{n.args[0].attr}[{', '.join(items)}]"


def _lost_axes(n: Node) -> set[str]:
    """Time axes over all of whose steps a node may look."""
    if n.op not in WHOLE:
        return set()
    return {a for x in n.args for a in time_axes(x)} - set(n.axes)


# ---- graphs of names -------------------------------------------------------------------------------
Graph = Mapping[str, Iterable[str]]


def components(graph: Graph) -> list[list[str]]:
    """Strongly connected components (Tarjan 1972), each in the graph's order; what is read comes first."""
    place = {n: i for i, n in enumerate(graph)}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: dict[str, None] = {}
    found: list[list[str]] = []
    for root in graph:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        open_[root] = None
        stack = [(root, iter(graph[root]))]
        while stack:
            n, rest = stack[-1]
            for m in rest:
                if m not in index:
                    index[m] = low[m] = len(index)
                    open_[m] = None
                    stack.append((m, iter(graph[m])))
                    break
                if m in open_:
                    low[n] = min(low[n], index[m])
            else:
                stack.pop()
                if stack:
                    above = stack[-1][0]
                    low[above] = min(low[above], low[n])
                if low[n] == index[n]:
                    found.append(_closed(open_, n, place))
    return found


def _closed(open_: dict[str, None], n: str, place: Mapping[str, int]) -> list[str]:
    """The names opened since ``n``: a finished component."""
    component = []
    while n in open_:
        component.append(open_.popitem()[0])
    return sorted(component, key=place.__getitem__)


def find_cycle(graph: Graph) -> list[str]:
    """The names of one cycle, each reading the next; [] if there is none."""
    for component in components(graph):
        if len(component) == 1 and component[0] not in set(graph[component[0]]):
            continue
        inside = set(component)
        path: dict[str, int] = {}
        n = component[0]
        while n not in path:
            path[n] = len(path)
            n = next(m for m in graph[n] if m in inside)
        return list(path)[path[n] :]
    return []

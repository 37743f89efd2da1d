"""What depends on what, over the names of a circuit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .expr import Node


def dependent(orders: Mapping[str, Sequence[Node]], targets: Iterable[str]) -> set[str]:
    """The equations that depend on these parameters, inputs or equations, at whatever step.

    ``orders`` has the nodes of each equation.
    """
    wanted = set(targets)
    users: dict[str, list[str]] = {}
    todo = [name for name in orders if name in wanted]
    for name, order in orders.items():
        for n in order:
            if n.op == "ref":
                users.setdefault(n.attr, []).append(name)
            elif n.op in ("param", "input") and n.attr in wanted:
                todo.append(name)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(users.get(name, ()))
    return found


def new_mark(mark: str, names: Iterable[str]) -> str:
    """``mark``, or ``mark2``, ``mark3``, …: the first with which no name begins."""
    taken = tuple(names)
    order, candidate = 1, mark
    while any(n.startswith(candidate) for n in taken):
        order += 1
        candidate = f"{mark}{order}"
    return candidate

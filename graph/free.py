"""The error for sizes that nothing determines: one name for each, and how to state it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import NOWHERE, FreeSizesError

if TYPE_CHECKING:
    from .shapes import Sizes
    from .unify import Size


def free_sizes(s: Sizes) -> FreeSizesError | None:
    """The error that names what is free, states first; None where every size is known."""
    system = s.system
    signals = [n for n in system.definitions if n not in system.states]
    order = [n for n in system.states if n in s.names]
    order += [*signals, *system.inputs, *system.parameters]
    shapeless = [n for n in order if s.names[n].dims is None]
    groups: dict[Size, list[str]] = {}
    for name in dict.fromkeys(order):
        sizes = list(s.names[name].dims or ())
        if name in system.symbols:
            sizes = [s.counts[name]]
        for size in sizes:
            if size.known is None:
                groups.setdefault(size.root(), []).append(name)
    # a symbol that is only compared, or names a position, may have any number of values
    groups = {size: names for size, names in groups.items() if not set(names) <= system.symbols}
    if not shapeless and not groups:
        return None
    representatives = list(dict.fromkeys(names[0] for names in groups.values()))
    problems = [_problem(s, size, names) for size, names in groups.items()]
    # a name whose shape follows from another unknown one is not named: one at a time
    if shapeless and not representatives:
        problems = [f"whether {shapeless[0]} is a scalar or a vector is not determined"]
    states = [f"{r}={_form(s, r)}" for r in representatives]
    if not representatives:
        states = [f"{shapeless[0]}=() for a scalar, {shapeless[0]}=4 for a vector"]
    first = (representatives or shapeless)[0]
    definition = system.definitions.get(first)
    use = {**system.inputs, **system.parameters}.get(first)
    where = definition.statement.where if definition else use.where if use is not None else NOWHERE
    call = f"{system.name}({', '.join(states)})" if representatives else f"{system.name}({states[0]})"
    expected = "every size stated or determined"
    as_on_paper = [n for n in (*system.definitions, *system.parameters) if n.endswith("_t") and not system.axes.get(n)]
    if as_on_paper:
        expected += f"; {as_on_paper[0]} is one name, and {as_on_paper[0][:-2]} at t is {as_on_paper[0][:-2]}[t]"
    error = FreeSizesError("; ".join(problems), where, expected=expected, mend=f"say {call}")
    error.free = {r: _dims(s, r) for r in representatives} or {first: (None,)}
    return error


def _problem(s: Sizes, size: Size, names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    name, others = unique[0], unique[1:6]
    what = "number of values" if name in s.system.symbols else "size"
    also = f" (it is also that of {', '.join(others)})" if others else ""
    return f"the {what} of {name} is free{also}"


def _dims(s: Sizes, name: str) -> tuple[int | None, ...]:
    """The sizes of a name, None where free; of a symbol the number of its values."""
    return (None,) if name in s.system.symbols else tuple(d.known for d in s.names[name].dims or ())


def _form(s: Sizes, name: str) -> str:
    dims = _dims(s, name)
    return "…" if len(dims) == 1 else f"({', '.join('…' if d is None else str(d) for d in dims)})"

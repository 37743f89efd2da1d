"""A layer with time running from the last step to the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...graph.indices import Moment, moment
from ...graph.language import Statement, Term, walk
from ...graph.system import System
from ...graph.terms import call, name, number, step
from .terms import NOW, changed, plain, same

LAST_STEP = Term("compare", (NOW, name("T")), "==")


def backwards(statements: Sequence[Statement], system: System) -> list[Statement]:
    """The statements with time running from the last step to the first: what was a delay is an advance, h[0] is
    h[T+1], t is T + 1 - t, and an equation of the first step, h[1], is one of the last, where(t == T, …, …), and the
    other way round."""
    first = {s.name: s for s in statements if _is_first(s, system)}
    found: list[Statement] = []
    for s in statements:
        if _is_first(s, system):
            continue
        last = _at_last(s.value) if plain(s) and "t" in system.axes[s.name] else None
        if last is not None:
            found.append(replace(s, items=(number(1),), value=reversed_term(last, system)))
            s = replace(s, value=s.value.args[2])
        found.append(_reversed(s, first.get(s.name) if s.items == () or _at_steps(s) else None, system))
    return found


def _at_last(value: Term) -> Term | None:
    """What ``where(t == T, …, …)`` is at the last step, if it is that and could be an equation of a first one."""
    if value.head != "call" or value.attr != ("where", ()) or not same(value.args[0], LAST_STEP):
        return None
    here = value.args[1]
    return None if any(n.head == "name" and n.attr == "t" for n in walk(here)) else here


def _at_steps(s: Statement) -> bool:
    moments = [moment(i) for i in s.items]
    return all(m is not None and m.kind == "step" for m in moments)


def _is_first(s: Statement, system: System) -> bool:
    found = [moment(i) for i in s.items]
    return any(m == Moment("fixed", None, 1) for m in found) and "t" in system.axes[s.name]


def _reversed(s: Statement, first: Statement | None, system: System) -> Statement:
    value = reversed_term(s.value, system)
    if first is not None:
        value = call("where", LAST_STEP, reversed_term(first.value, system), value)
    axes = system.axes[s.name]
    items = tuple(_other_way(i) if a == "t" else i for i, a in zip(s.items, axes, strict=True))
    return replace(s, items=items, value=value)


def reversed_term(term: Term, system: System) -> Term:
    """An expression of time that runs the other way."""

    def change(x: Term) -> Term | None:
        if x.head == "name":
            return Term("sub", (step("T", 1), NOW)) if x.attr == "t" else None
        if x.head == "call" and x.attr[1]:
            plain = len(x.args) - len(x.attr[1])
            options = [a if k == "over" else changed(a, change) for k, a in zip(x.attr[1], x.args[plain:], strict=True)]
            return Term("call", (*[changed(a, change) for a in x.args[:plain]], *options), x.attr)
        axes = system.axes.get(x.args[0].attr, ()) if x.head == "index" and x.args[0].head == "name" else ()
        if not axes:
            return None
        items = []
        for k, item in enumerate(x.args[1:]):
            timed = k < len(axes) and moment(item) is not None
            items.append((_other_way(item) if axes[k] == "t" else item) if timed else changed(item, change))
        return Term("index", (x.args[0], *items))

    return changed(term, change)


def _other_way(item: Term) -> Term:
    found = moment(item)
    if found is None:
        return item
    if found.kind == "step":
        return step("t", -found.offset)
    if found.kind == "last":
        return number(1 - found.offset)
    return step("T", 1 - found.offset)

"""Statements and terms that are renamed and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ...graph.language import Statement, Term, walk, written
from ...graph.terms import indexed, name

NOW = name("t")


def names_in(statements: Iterable[Statement]) -> list[str]:
    """The names that statements define or read, each once."""
    found: dict[str, None] = {}
    for s in statements:
        found[s.name] = None
        found |= dict.fromkeys(names_of(s.value))
    return list(found)


def names_of(term: Term) -> list[str]:
    """The names in a term."""
    return [n.attr for n in walk(term) if n.head == "name"]


def changed(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """The term with what ``change`` gives for its parts, from the outside in; None: look further inside."""
    new = change(term)
    if new is not None:
        return new
    if not term.args:
        return term
    return Term(term.head, tuple(changed(a, change) for a in term.args), term.attr, term.where)


def renamed(statements: Iterable[Statement], new: Mapping[str, str]) -> list[Statement]:
    """The statements with other names."""

    def change(term: Term) -> Term | None:
        return name(new[term.attr]) if term.head == "name" and term.attr in new else None

    return [
        replace(
            s,
            name=new.get(s.name, s.name),
            items=tuple(changed(i, change) for i in s.items),
            value=changed(s.value, change),
        )
        for s in statements
    ]


def read(signal: str) -> Term:
    """``h[t]``"""
    return indexed(signal, (NOW,))


def renamed_term(term: Term, new: Mapping[str, str]) -> Term:
    """The term with other names."""
    return renamed([Statement("L", (), term)], new)[0].value


def unused(wanted: str, taken: Iterable[str]) -> str:
    """A name like ``wanted`` that is not taken."""
    taken = set(taken)
    while wanted in taken:
        wanted += "_"
    return wanted


def same(a: Term, b: Term) -> bool:
    """Whether two terms are written alike."""
    return a.head == b.head and written(a) == written(b)


def at_zero(s: Statement) -> bool:
    """Whether it is the value before the start, ``h[0] = …``."""
    return len(s.items) == 1 and s.items[0].head == "number" and s.items[0].attr == 0


def plain(s: Statement) -> bool:
    """Whether it is the equation of every step, ``h[t] = …``."""
    return len(s.items) == 1 and same(s.items[0], name("t"))


def reads_one(x: Term, inputs: set[str]) -> bool:
    """Whether it is one of these names, read at some step."""
    return x.head == "index" and x.args[0].head == "name" and x.args[0].attr in inputs

"""Which names are symbols: what indexes a table, what a loss has as its target, and their aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import LanguageError
from .indices import Moment, shown
from .language import Statement, Term

if TYPE_CHECKING:
    from .system import System


def is_symbol(system: System, term: Term) -> bool:
    """Whether a term is a symbol: a name of one, argmax, where(c, a, b) of such."""
    if term.head == "name":
        return term.attr in system.symbols
    if term.head == "index":
        return term in system.moments and term.args[0].attr in system.symbols
    if term.head == "call" and term.attr[0] == "where":
        return any(is_symbol(system, a) for a in term.args[1:]) and all(
            is_symbol(system, a) or (a.head == "number" and isinstance(a.attr, int)) for a in term.args[1:]
        )
    return term.head == "call" and term.attr[0] == "argmax"


def find_symbols(
    system: System, indices: Mapping[str, Term], targets: Mapping[str, Term], numbers: Mapping[str, Term]
) -> None:
    """Fill ``system.symbols`` from the names used as indices, as targets of losses and as numbers.

    Raises LanguageError for a name that is a symbol and a number, and for a symbol that is read before its
    start (after its end) and has no value there.
    """
    wanted = list(indices)
    wanted += [n for n in targets if n in system.inputs]
    while wanted:
        name = wanted.pop()
        if name in system.symbols:
            continue
        if name in system.constants:
            use = system.parameters[name] if name in system.parameters else indices[name]
            raise LanguageError(f"{name} is in two roles: a constant and a symbol", use.where)
        if name in system.parameters:
            # only equations of symbols read it, so that it is one: a symbol for each sequence
            system.inputs[name] = system.parameters.pop(name)
        system.symbols.add(name)
        for s in _equations_of(system, name):
            wanted += _names_below(system, s.value, name, s)
    changed = True
    while changed:
        changed = False
        for name, d in system.definitions.items():
            if name not in system.symbols and is_symbol(system, d.value):
                system.symbols.add(name)
                changed = True
    for name in system.symbols:
        if name in numbers:
            raise LanguageError(
                f"{name} is in two roles: a symbol and a number",
                numbers[name].where,
                expected=f"{name} as an index, such as E[{numbers[name]}], or as a target",
                got=str(numbers[name]),
                mend=f"write onehot({numbers[name]}) for its vector, or give one of them another name",
            )
    for term, moments in system.moments.items():
        if term.args[0].attr in system.symbols:
            _refuse_unknown_bounds(system, term, moments)


def _equations_of(system: System, name: str) -> list[Statement]:
    d = system.definitions.get(name)
    own = [d.statement, *d.first.values()] if d else []
    return own + [b.statement for b in system.boundaries.get(name, ())]


def _names_below(system: System, value: Term, name: str, s: Statement) -> list[str]:
    """The names that are symbols because the equation of one says that it is them."""
    if value.head == "name" and value.attr in system.axes:
        return [value.attr]
    if value in system.moments:
        return [value.args[0].attr]
    if value.head == "call" and value.attr[0] == "where":
        return [n for a in value.args[1:] for n in _names_below(system, a, name, s)]
    if value.head == "call" and value.attr[0] == "argmax":
        return []
    if value.head == "number" and isinstance(value.attr, int):
        return []
    raise LanguageError(
        f"{name} is used as a symbol, and its equation gives a number",
        s.where,
        expected="an integer, an input, argmax(…) or where(c, a, b) of such",
        got=str(value)[:80],
        mend=f"take the largest, argmax(…), or use {name} as a number: W @ {name}[t] for E[{name}[t]]",
    )


def outside(moments: tuple[Moment, ...]) -> list[tuple[str, bool, int]]:
    """The values outside the steps that a bracket may read: (axis, end, offset) of boundary values."""
    found = []
    for m in moments:
        if m.kind == "fixed" and m.offset <= 0:
            found.append((str(m.axis), False, m.offset))
        elif m.offset < 0:
            found += [(str(m.axis), False, -j) for j in range(-m.offset)]
        elif m.kind == "last" and m.offset > 0:
            found.append((str(m.axis), True, m.offset))
        elif m.kind == "step" and m.offset > 0:
            found += [(str(m.axis), True, j) for j in range(1, m.offset + 1)]
    return found


def _refuse_unknown_bounds(system: System, term: Term, moments: tuple[Moment, ...]) -> None:
    name = term.args[0].attr
    for axis, end, offset in outside(moments):
        if system.boundary(name, axis, end, offset) is None:
            at = [Moment("last" if end else "fixed", axis, offset) if m.axis == axis else m for m in moments]
            label = shown(name, at, system.axes[name])
            value = -1 if end else 0
            raise LanguageError(
                f"{term} reads the symbol {label}, which has no value",
                term.where,
                expected=f"an equation for {label}",
                mend=f"write {label} = {value}"
                + (", no symbol" if end else f", the symbol {name} starts from"),
            )

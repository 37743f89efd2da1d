"""Terms to simpler terms, once roles are known.

w[t, y[t]]   ->  sum(where(s == y[t], w[t, s], 0), over=s)         the value at position y[t]
p[t, y[t]]   ->  p[t][y[t]]                                        an element of the vector p[t]
mean(cross_entropy(o[t], y[t]), over=t)
             ->  sum(…, over=t) / maximum(sum(y[t] >= 0, over=t), 1)   a target of -1 leaves the mean
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .calls import over_of
from .errors import LanguageError, errors_at
from .functions import LOSSES
from .indices import Moment, moment, shown
from .language import Statement, Term, walk
from .symbols import is_symbol

if TYPE_CHECKING:
    from .system import System


def rewrite_brackets(system: System) -> None:
    """Rewrite every equation of the system, and note what each bracket reads in ``system.moments``.

    Raises LanguageError for brackets that do not fit how their name is defined.
    """
    work = _Rewriting(system)
    for d in system.definitions.values():
        d.statement = work.statement(d.statement)
        d.first = {axis: work.statement(s) for axis, s in d.first.items()}
    for bounds in system.boundaries.values():
        for b in bounds:
            b.statement = work.statement(b.statement)


def leave_out_missing_targets(system: System) -> None:
    """Rewrite means of losses, once it is known which names are symbols."""
    means = _Means(system)
    for d in system.definitions.values():
        d.statement = replace(d.statement, value=means.term(d.statement.value))
        d.first = {axis: replace(s, value=means.term(s.value)) for axis, s in d.first.items()}


class _Rewriting:
    def __init__(self, system: System) -> None:
        self.system = system
        self.done: dict[Term, Term] = {}

    def statement(self, s: Statement) -> Statement:
        with errors_at(s.where):
            return replace(s, value=self.term(s.value))

    def term(self, term: Term) -> Term:
        if not term.args:
            return term
        found = self.done.get(term)
        if found is None:
            args = tuple([self.term(a) for a in term.args])
            same = all(a is b for a, b in zip(args, term.args, strict=True))
            found = term if same else Term(term.head, args, term.attr, term.where)
            if term.head == "index":
                found = self._index(found)
            self.done[term] = found
        return found

    def _index(self, term: Term) -> Term:
        base, *items = term.args
        axes = self.system.axes.get(base.attr, ()) if base.head == "name" else ()
        if not axes:
            return self._table(term)
        if len(items) < len(axes):
            raise self._wrong(term, axes)
        moments: list[Moment] = []
        positions: list[tuple[str, Term]] = []
        inner = list(items[: len(axes)])
        for i, axis in enumerate(axes):
            found = moment(inner[i], term)
            if found is None and inner[i].head == "all":
                raise self._wrong(term, axes)
            if found is None:
                if any(n.head == "name" and n.attr == axis for n in walk(inner[i])):
                    raise LanguageError(
                        f"{term} reads {base} at a step that changes with {axis} itself",
                        term.where,
                        expected=f"{axis}, {axis}-1, …, or a symbol without the index {axis}",
                        mend=f"with {base}[s] as a second sequence, write {base}[{inner[i]}]",
                    )
                positions.append((axis, inner[i]))
                self.system.positions.update((n.attr, axis) for n in walk(inner[i]) if n.head == "name")
                inner[i] = Term("name", (), axis, term.where)
                found = Moment("step", axis, 0)
            if found.kind != "fixed" and found.axis != axis:
                raise self._wrong(term, axes)
            moments.append(Moment(found.kind, axis, found.offset))
        extra = items[len(axes) :]
        if any((m := moment(i, term)) is not None and (m.kind != "fixed" or m.offset < 0) for i in extra):
            raise self._wrong(term, axes)
        whole = term if not positions and not extra else Term("index", (base, *inner), None, term.where)
        self._note(whole, base.attr, moments)
        for axis, symbol in positions:
            whole = _at_position(whole, axis, symbol)
        return Term("index", (whole, *extra), None, term.where) if extra else whole

    def _note(self, whole: Term, name: str, moments: list[Moment]) -> None:
        self.system.moments[whole] = tuple(moments)
        shifted = [m for m in moments if m.kind == "step" and m.offset]
        if shifted:
            self.system.states.setdefault(name)
        if len(shifted) > 1 or (shifted and any(m.kind != "step" for m in moments)):
            one = shown(name, [moments[0], Moment("step", moments[1].axis, 0)], ("t", "s"))
            raise LanguageError(
                f"{whole} shifts two indices at once",
                whole.where,
                mend=f"shift one in an equation of its own: k[t, s] = {one}",
            )

    def _table(self, term: Term) -> Term:
        base, *items = term.args
        for item in items:
            found = moment(item, term)
            if found is not None and found.kind != "fixed":
                raise LanguageError(
                    f"{base} has no time index and is read as {term}",
                    term.where,
                    expected=f"{base}, or {base}[t] = … as its equation",
                    got=str(term),
                    mend=f"write {base}, its one value for all steps",
                )
            if found is not None and found.offset < 0:
                raise LanguageError(
                    f"{term}: a symbol is at least 0",
                    item.where,
                    expected="the number of a row, from 0",
                    got=str(item),
                    mend=f"write {base}[0] for the first row",
                )
        return term

    def _wrong(self, term: Term, axes: tuple[str, ...]) -> LanguageError:
        name, axis = term.args[0], axes[0]
        return LanguageError(
            f"{term}: {name} is indexed by {' and '.join(axes)}",
            term.where,
            expected=f"{name}[{', '.join(axes)}], with lags such as {axis}-1, or {axis.upper()} at the end",
            got=str(term),
            mend=f"write {name}[{', '.join(axes)}], or its last step, {name}[{axis.upper()}], which has no {axis}",
        )


def _at_position(inner: Term, axis: str, symbol: Term) -> Term:
    here = symbol.where
    condition = Term("compare", (Term("name", (), axis, here), symbol), "==", here)
    chosen = Term("call", (condition, inner, Term("number", (), 0, here)), ("where", ()), here)
    return Term("call", (chosen, Term("name", (), axis, here)), ("sum", ("over",)), here)


class _Means:
    """Means of losses, in which a position without a target does not count."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.done: dict[Term, Term] = {}
        self.targets: dict[Term, Term | None] = {}

    def term(self, term: Term) -> Term:
        if not term.args or term.head == "index":
            return term
        found = self.done.get(term)
        if found is None:
            args = tuple([self.term(a) for a in term.args])
            same = all(a is b for a, b in zip(args, term.args, strict=True))
            found = term if same else Term(term.head, args, term.attr, term.where)
            if term.head == "call" and term.attr == ("mean", ("over",)) and -1 not in over_of(term):
                found = self._mean(found.args[0], found)
            self.done[term] = found
        return found

    def _mean(self, e: Term, mean: Term) -> Term:
        if e.head in ("add", "sub") and any(self.target(a) is not None or self._sums(a) for a in e.args):
            return Term(e.head, tuple([self._mean(a, mean) for a in e.args]), None, e.where)
        over, here = mean.args[1], mean.where
        target = self.target(e)
        if target is None:
            return Term("call", (e, over), mean.attr, here)
        valid = Term("compare", (target, Term("number", (), 0, here)), ">=", here)
        n = Term("call", (valid, over), ("sum", ("over",)), here)
        at_least_one = Term("call", (n, Term("number", (), 1, here)), ("maximum", ()), here)
        return Term("div", (Term("call", (e, over), ("sum", ("over",)), here), at_least_one), None, here)

    def _sums(self, e: Term) -> bool:
        return e.head in ("add", "sub") and any(self.target(a) is not None or self._sums(a) for a in e.args)

    def target(self, e: Term, level: int = 0) -> Term | None:
        """The symbol that says where the loss ``e`` counts, or None where it counts everywhere."""
        if e in self.targets:
            return self.targets[e]
        found = None
        if e.head == "call" and e.attr[0] in LOSSES:
            found = e.args[1] if is_symbol(self.system, e.args[1]) else None
        elif e.head == "neg" or (e.head == "div"):
            found = self.target(e.args[0], level)
        elif e.head == "mul":
            both = [k for a in e.args if (k := self.target(a, level)) is not None]
            found = both[0] if len(both) == 1 else None
        elif e.head in ("index", "name") and level < 50:
            found = self._of_equation(e, level)
        self.targets[e] = found
        return found

    def _of_equation(self, e: Term, level: int) -> Term | None:
        name = e.attr if e.head == "name" else e.args[0].attr
        definition = self.system.definitions.get(name)
        plain = all(m.kind == "step" and not m.offset for m in self.system.moments.get(e, ()))
        if definition is None or not plain or (e.head == "index" and e not in self.system.moments):
            return None
        self.targets[e] = None
        return self.target(definition.value, level + 1)

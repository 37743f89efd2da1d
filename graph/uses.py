"""Every use of a name in equations, by context: as a number, a symbol, a target of a loss, or either."""

from __future__ import annotations

from collections.abc import Mapping

from .calls import over_of
from .errors import LanguageError
from .functions import symbolic_arguments
from .indices import moment
from .language import LASTS, RESERVED, TIMES, Term, in_brackets


class Uses:
    """The first use of each name, by context.

    bare      without an index                    numbers   as a number
    indexed   with one (all such uses)            symbols   in a symbol index
    second    of the second index, s or S         targets   second in cross_entropy or nll

    ``axes`` are the indices of the names that are defined.
    """

    def __init__(self, axes: Mapping[str, tuple[str, ...]]) -> None:
        self.axes = axes
        self.bare: dict[str, Term] = {}
        self.indexed: dict[str, list[Term]] = {}
        self.numbers: dict[str, Term] = {}
        self.symbols: dict[str, Term] = {}
        self.targets: dict[str, Term] = {}
        self.second: Term | None = None

    def read(self, value: Term) -> None:
        """Note every use of a name. The context of a use is "number", "symbol", "target" or "either"."""
        seen: set[tuple[Term, str]] = set()
        stack = [(value, "either")]
        while stack:
            term, context = stack.pop()
            if (term, context) in seen:
                continue
            seen.add((term, context))
            stack.extend(reversed(self._below(term, context)))

    def _below(self, term: Term, context: str) -> list[tuple[Term, str]]:
        head, args = term.head, term.args
        if head == "name":
            self._use_name(term, context)
            return []
        if head == "index":
            return self._below_index(term, context)
        if head == "call":
            if "over" in term.attr[1] and "s" in over_of(term):
                self.second_index(term)
            if term.attr[0] == "where":
                inner = context if context in ("either", "symbol") else "number"
                return [(args[0], "number"), (args[1], inner), (args[2], inner)]
            contexts = symbolic_arguments(term)
            return [(a, c) for a, c in zip(args, contexts, strict=True) if c != "option"]
        if head == "compare":
            return [(a, "either") for a in args]
        if head == "tuple":
            raise LanguageError(
                "a tuple cannot stand here",
                term.where,
                expected="one value",
                got=str(term)[:60],
                mend="join vectors with concat(a, b); one number stands for all of a vector",
            )
        if head == "text":
            raise LanguageError(
                "a string cannot stand here",
                term.where,
                expected="names, numbers and functions of them",
                got=repr(term.attr)[:40],
                mend="write names without quotes",
            )
        if context == "symbol" and head not in ("number", "index", "name"):
            raise LanguageError(
                f"{term} is no symbol",
                term.where,
                expected="x[t], a declared input, an integer, argmax(…) or where(c, a, b) of such",
            )
        return [(a, "number") for a in args]

    def _use_name(self, term: Term, context: str) -> None:
        name = term.attr
        if name in TIMES or name in LASTS:
            if name in ("s", "S"):
                self.second_index(term)
            return
        if name == "batch":
            raise LanguageError(
                "batch stands only after over=", term.where, mend="mean(e, over=batch) is the mean over it"
            )
        self.bare.setdefault(name, term)
        self._use(name, term, context)

    def second_index(self, term: Term) -> None:
        if self.second is None:
            self.second = term

    def _use(self, name: str, term: Term, context: str) -> None:
        kept = {"number": self.numbers, "symbol": self.symbols, "target": self.targets}.get(context)
        if kept is not None:
            kept.setdefault(name, term)

    def _below_index(self, term: Term, context: str) -> list[tuple[Term, str]]:
        base, *items = term.args
        moments = [moment(i, term) for i in items]
        timed = [m for m in moments if m is not None and m.kind != "fixed"]
        if any(m.axis == "s" for m in timed):
            self.second_index(term)
        if base.head == "name" and base.attr in RESERVED - {"s"}:
            raise LanguageError(f"{term}: {base.attr} has no index", term.where)
        if base.head != "name":
            if timed:
                raise LanguageError(
                    f"{term}: only a name can be read at another time, not an expression",
                    term.where,
                    expected="a name before the bracket",
                    got=str(base),
                    mend=f"give it an equation, k[t] = {base}, and read k[{in_brackets(items[0])}]",
                )
            below = [(base, "number")]
        else:
            self.indexed.setdefault(base.attr, []).append(term)
            if timed or self.axes.get(base.attr):
                self._use(base.attr, term, context)
            below = []
        return below + [
            (i, "symbol") for i, m in zip(items, moments, strict=True) if m is None and i.head != "all"
        ]

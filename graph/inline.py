"""Calls: the functions of a text are written out where they are called; all others are checked.

After this pass a call names a function of the language (``graph/functions.py``), with its arguments in
order and its options by keyword, or an opaque one.
"""

from __future__ import annotations

from collections.abc import Mapping

from .calls import over_of
from .errors import LanguageError, did_you_mean
from .functions import FUNCTIONS, OTHER_NAMES, OUT_OF_SCOPE
from .indices import moment
from .language import DEEPEST, FunctionDefinition, Term, depth, in_brackets

MOST_CALLS = 20_000
"""Calls of a text's own functions that are written out; functions of functions can grow without measure."""


class Inliner:
    """Writes out the calls of a text's own functions.

    Raises LanguageError for unknown functions, wrong arguments, functions that call themselves.
    """

    def __init__(self, functions: Mapping[str, FunctionDefinition], opaque: frozenset[str]) -> None:
        self.functions = functions
        self.opaque = opaque
        self.calls = 0
        self.active: list[str] = []
        for f in functions.values():
            if f.name in FUNCTIONS or f.name in opaque:
                known = "a function of the language" if f.name in FUNCTIONS else "declared opaque"
                raise LanguageError(
                    f"{f.name} is {known} and is defined here", f.where, mend="give it another name"
                )

    def expand(self, term: Term) -> Term:
        """The term without calls of the text's own functions."""
        result = self._expand(term, {}, {}, 0)
        if depth(result) > DEEPEST:
            raise _too_deep(term)
        return result

    def _expand(self, term: Term, bound: dict[str, Term], done: dict[Term, Term], level: int) -> Term:
        if term.head in ("number", "text", "all"):
            return term
        if term.head == "name":
            return bound.get(term.attr, term) if bound else term
        if term in done:
            return done[term]
        if level > DEEPEST + 30:
            raise _too_deep(term)
        args = tuple(self._expand(a, bound, done, level + 1) for a in term.args)
        same = all(a is b for a, b in zip(args, term.args, strict=True))
        result = term if same else Term(term.head, args, term.attr, term.where)
        if term.head == "call":
            result = self._call(result, level)
        done[term] = result
        return result

    def _call(self, call: Term, level: int) -> Term:
        name, keywords = call.attr
        if name in self.functions:
            return self._written_out(call, self.functions[name], level)
        if name in self.opaque:
            if keywords:
                raise LanguageError(f"the opaque function {name} takes no keywords", call.where)
            return call
        function = FUNCTIONS.get(name)
        if function is None:
            raise self._unknown(call)
        ordered = function.arrange(call)
        if "over" in ordered.attr[1]:
            over_of(ordered)
        return ordered

    def _written_out(self, call: Term, function: FunctionDefinition, level: int) -> Term:
        _, keywords = call.attr
        plain = call.args[: len(call.args) - len(keywords)]
        values = dict(zip(function.parameters, plain, strict=False))
        values |= dict(zip(keywords, call.args[len(plain) :], strict=True))
        if len(plain) > len(function.parameters) or set(values) != set(function.parameters):
            raise LanguageError(
                f"{function.name} takes other arguments",
                call.where,
                expected=f"{function.name}({', '.join(function.parameters)})",
                got=str(call),
                mend="give it each of its arguments once",
            )
        if function.name in self.active:
            raise LanguageError(
                f"the function {function.name} calls itself",
                function.where,
                expected="a function of other ones",
                got=str(call)[:100],
                mend="what goes on from step to step is a signal: h[t] = f(h[t-1])",
            )
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise LanguageError(
                f"the functions of this text are called more than {MOST_CALLS:,} times",
                call.where,
                mend="give parts equations of their own",
            )
        self.active.append(function.name)
        try:
            return self._expand(function.value, values, {}, level + 1)
        finally:
            self.active.pop()

    def _unknown(self, call: Term) -> LanguageError:
        name = call.attr[0]
        if name in OUT_OF_SCOPE:
            return LanguageError(
                f"{name} is out of scope: {OUT_OF_SCOPE[name]}",
                call.where,
                mend=f'declare it, opaque=("{name}",), to draw, unfold and print the network',
            )
        if name in OTHER_NAMES or name.lower() in FUNCTIONS:
            return LanguageError(
                f"there is no function {name}",
                call.where,
                got=name,
                mend=f"write {OTHER_NAMES.get(name, name.lower() + '(…)')}",
            )
        near = did_you_mean(name, [*FUNCTIONS, *self.functions])
        define = f'define it, {name}(a) = …, or declare it, opaque=("{name}",)'
        if call.args and not call.attr[1] and all(a.head != "number" and _is_time(a) for a in call.args):
            define = f"an index stands in brackets: {name}[{', '.join(map(in_brackets, call.args))}]. Or {define}"
        return LanguageError(
            f"there is no function {name}",
            call.where,
            expected="a function of the language, or one that is defined in the text",
            got=name,
            mend=f"{near} Or {define}" if near else define,
        )


def _is_time(term: Term) -> bool:
    """Whether a term could be an index: t-1, T."""
    try:
        return moment(term) is not None
    except LanguageError:
        return False


def _too_deep(term: Term) -> LanguageError:
    return LanguageError(
        "this expression is nested too deeply",
        term.where,
        expected=f"at most {DEEPEST} levels",
        mend="give parts of it equations of their own",
    )

"""Calls of functions: their arguments in order, their options, and what an entry of the table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import LanguageError, did_you_mean
from .language import LASTS, Term

if TYPE_CHECKING:
    from .elaborate import Nodes
    from .expr import Node
    from .shapes import Sizes
    from .unify import Shape


@dataclass(frozen=True)
class Call:
    """A call with its arguments in order."""

    term: Term

    @property
    def args(self) -> tuple[Term, ...]:
        return self.term.args[: len(self.term.args) - len(self.term.attr[1])]

    def option(self, name: str) -> Term | None:
        """What was given for a keyword, if anything."""
        keywords = self.term.attr[1]
        return self.term.args[len(self.args) + keywords.index(name)] if name in keywords else None

    @property
    def over(self) -> tuple[str | int, ...]:
        """The axes in ``over=``: "t", "s", "b" and -1; () where it is not given."""
        return over_of(self.term)

    def number(self, i: int, kind: str = "a number") -> float:
        """An argument that has to be written as a number."""
        term = self.args[i]
        if term.head == "div" and all(a.head == "number" for a in term.args) and term.args[1].attr:
            return float(term.args[0].attr / term.args[1].attr)
        if term.head != "number":
            raise LanguageError(
                f"{self.term}: {kind} is needed, not {term}",
                term.where,
                expected="a number that is written out",
                got=str(term),
                mend=f"write it where {term} stands, such as 0.5",
            )
        return term.attr  # type: ignore[no-any-return]

    def fraction(self, i: int) -> float:
        """A probability below 1, written as a number."""
        p = self.number(i, "a probability")
        if not 0 <= p < 1:
            raise LanguageError(
                f"{self.term}: a probability is at least 0 and below 1",
                self.args[i].where,
                expected="a number from 0 to 1, 1 not among them",
                got=str(p),
                mend="write the share that is dropped, such as 0.5",
            )
        return p


def over_of(call: Term) -> tuple[str | int, ...]:
    """The axes in ``over=`` of a call. Raises LanguageError for anything but t, s, batch and -1."""
    keywords = call.attr[1]
    if "over" not in keywords:
        return ()
    value = call.args[len(call.args) - len(keywords) + keywords.index("over")]
    found: list[str | int] = []
    axes: dict[object, str | int] = {"t": "t", "s": "s", "batch": "b", -1: -1}
    for item in value.args if value.head == "tuple" else (value,):
        axis = axes.get(item.attr) if item.head in ("name", "number") else None
        if axis is None or axis in found:
            raise LanguageError(
                f"over={value} is no set of indices",
                value.where,
                expected="over=t, over=s, over=batch, over=(t, batch), or over=-1 for the last feature axis",
                got=f"over={value}",
                mend=_over_mend(item),
            )
        found.append(axis)
    return tuple(found)


def _over_mend(item: Term) -> str:
    """What to write for something that is no index to sum over."""
    word = item.attr if item.head in ("name", "text") else None
    if word in ("t", "s", "batch") and item.head == "text":
        return f"write over={word}, without quotes"
    if word in LASTS:
        return f"write over={LASTS[word]}: {word} is the last step"
    return "write over=t for a sum over the steps"


@dataclass(frozen=True)
class Function:
    """One function of the language.

    arguments   their names; ``*e`` stands for any number of them, at least one
    options     keywords that may be left out
    sizes       ``sizes(s, call)``: the shape of the call
    nodes       ``nodes(n, call)``: its node
    contexts    arguments that are no numbers: position -> "symbol", "target", "either", or "option" (a number
                or a string that has to be written out)
    pointwise   elementwise in all arguments, whose shapes join as in a sum
    """

    name: str
    arguments: tuple[str, ...]
    options: tuple[str, ...]
    sizes: Callable[[Sizes, Call], Shape]
    nodes: Callable[[Nodes, Call], Node]
    contexts: Mapping[int, str] = field(default_factory=dict)
    pointwise: bool = False

    @property
    def form(self) -> str:
        """How it is called: ``dropout(e, p, over=…)``."""
        return f"{self.name}({', '.join([*self.arguments, *(f'{o}=…' for o in self.options)])})"

    def arrange(self, call: Term) -> Term:
        """The call with its arguments in order and only options by keyword.

        Raises LanguageError for too few, too many or unknown arguments.
        """
        keywords = call.attr[1]
        plain = call.args[: len(call.args) - len(keywords)]
        if self.arguments[0].startswith("*"):
            fits = len(plain) >= 1 and set(keywords) <= set(self.options)
            ordered = plain
        else:
            given = dict(zip(self.arguments, plain, strict=False))
            given |= {
                k: v for k, v in zip(keywords, call.args[len(plain) :], strict=True) if k in self.arguments
            }
            named = [k for k in keywords if k in self.arguments]
            fits = set(given) == set(self.arguments) and len(plain) + len(named) == len(self.arguments)
            ordered = tuple(given[a] for a in self.arguments) if fits else ()
        unknown = [k for k in keywords if k not in self.options and k not in self.arguments]
        if unknown or not fits:
            problem = (
                f"{self.name} has no argument {unknown[0]}"
                if unknown
                else f"{self.name} takes other arguments"
            )
            raise LanguageError(
                problem,
                call.where,
                expected=self.form,
                got=str(call)[:100],
                mend=self._mend(call, plain, unknown),
            )
        options = [
            (k, v) for k, v in zip(keywords, call.args[len(plain) :], strict=True) if k in self.options
        ]
        values = (*ordered, *(v for _, v in options))
        return Term("call", values, (self.name, tuple(k for k, _ in options)), call.where)

    def _mend(self, call: Term, plain: tuple[Term, ...], unknown: list[str]) -> str:
        """What to write where the arguments are wrong."""
        if unknown:
            if unknown[0] in AXIS_WORDS and "over" in self.options:
                return "write over=t, s or batch for an index, over=-1 for the last axis of features"
            near = did_you_mean(unknown[0], self.options)
            if unknown[0] == "over" and not near:
                return f"write mean({self.name}(…), over=t), or sum(…, over=t)"
            return near or f"leave {unknown[0]} out"
        if self.name in PAIRS and len(plain) == 2:
            return f"write {PAIRS[self.name]}({plain[0]}, {plain[1]}) for the {PAIRS[self.name]} of two"
        given = {*self.arguments[: len(plain)], *call.attr[1]}
        missing = [a for a in self.arguments if a not in given]
        if missing:
            return f"give {' and '.join(missing)}" + (", the probability to drop" if missing == ["p"] else "")
        return f"give {len(self.arguments)} argument{'s' * (len(self.arguments) != 1)}"


AXIS_WORDS = frozenset(("axis", "dim", "axes", "dims"))
PAIRS = {"max": "maximum", "min": "minimum"}
"""Functions of one value -> those of two, elementwise."""

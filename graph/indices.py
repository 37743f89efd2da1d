"""What stands in brackets: a time (``t-1``, ``T``, ``3``), a symbol, or ``:``."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import LanguageError
from .language import LASTS, TIMES, Term, in_brackets


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in brackets.

    kind    "step" (t + offset), "last" (T + offset) or "fixed" (the step ``offset``)
    axis    "t", "s", or None for a fixed step, whose axis follows from the place in the brackets
    """

    kind: str
    axis: str | None
    offset: int


_SIMPLE = {name: Moment("step", name, 0) for name in TIMES} | {
    last: Moment("last", axis, 0) for last, axis in LASTS.items()
}


def moment(item: Term, whole: Term | None = None) -> Moment | None:
    """The time that ``item`` names, or None where it is a symbol or ``:``.

    ``whole``, the indexed term, is for the error. Raises LanguageError for arithmetic with t that is no
    ``t + integer`` (``2*t``, ``t-k``).
    """
    if item.head == "name":
        return _SIMPLE.get(item.attr)
    if item.head in ("index", "call", "all"):
        return None
    shape = _linear(item)
    if shape is None:
        if _mentions_time(item):
            raise bad_index(item, whole)
        return None
    names = {n: k for n, k in shape[0].items() if k}
    if not names:
        return Moment("fixed", None, shape[1])
    (name, factor), *more = names.items()
    if more or factor != 1:
        raise bad_index(item, whole)
    base = _SIMPLE[name]
    return Moment(base.kind, base.axis, shape[1])


def bad_index(item: Term, whole: Term | None) -> LanguageError:
    """The error for an index that is no time and no symbol."""
    unknown = [n.attr for n in _surface(item) if n.head == "name" and n.attr not in _SIMPLE]
    because = f": {unknown[0]} is no integer" if unknown else ""
    return LanguageError(
        f"{item if whole is None else whole} has a bad index{because}",
        item.where,
        expected="t, t-1, t+2, T, T-1, an integer (s and S for a second index), or a symbol such as x[t]",
        got=in_brackets(item),
        mend="write the lag as an integer" if unknown else "every other step: where(t % 2 == 0, …)",
    )


def _linear(item: Term) -> tuple[dict[str, int], int] | None:
    """``item`` as integers times t, s, T, S plus an integer, or None."""
    if item.head == "number":
        return ({}, item.attr) if isinstance(item.attr, int) else None
    if item.head == "name":
        return ({item.attr: 1}, 0) if item.attr in _SIMPLE else None
    if item.head == "neg":
        return _scaled(_linear(item.args[0]), -1)
    if item.head in ("add", "sub"):
        a, b = _linear(item.args[0]), _linear(item.args[1])
        b = _scaled(b, -1 if item.head == "sub" else 1)
        if a is None or b is None:
            return None
        return {n: a[0].get(n, 0) + b[0].get(n, 0) for n in {**a[0], **b[0]}}, a[1] + b[1]
    if item.head == "mul":
        a, b = _linear(item.args[0]), _linear(item.args[1])
        if a is None or b is None or (a[0] and b[0]):
            return None
        return _scaled(b, a[1]) if not a[0] else _scaled(a, b[1])
    return None


def _scaled(form: tuple[dict[str, int], int] | None, k: int) -> tuple[dict[str, int], int] | None:
    return None if form is None else ({n: k * c for n, c in form[0].items()}, k * form[1])


def _surface(item: Term) -> list[Term]:
    """The parts of an index that are not themselves inside brackets or calls."""
    found, stack = [], [item]
    while stack:
        top = stack.pop()
        found.append(top)
        if top.head not in ("index", "call"):
            stack.extend(reversed(top.args))
    return found


def _mentions_time(item: Term) -> bool:
    return any(n.head == "name" and n.attr in _SIMPLE for n in _surface(item))


def shown(name: str, moments: list[Moment] | tuple[Moment, ...], axes: tuple[str, ...]) -> str:
    """``h[T+1]``, ``w[0, s]``: a name at moments, as equations for boundary values are called."""
    return f"{name}[{', '.join(_moment_text(m, a) for m, a in zip(moments, axes, strict=True))}]"


def _moment_text(m: Moment, axis: str) -> str:
    if m.kind == "fixed":
        return str(m.offset)
    base = axis if m.kind == "step" else axis.upper()
    return base if m.offset == 0 else f"{base}{m.offset:+d}"

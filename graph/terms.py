"""Terms made by hand, for printing nodes: names, numbers, calls, steps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .expr import Node
from .language import Term


def name(word: str) -> Term:
    """A name."""
    return Term("name", (), word)


def number(value: float) -> Term:
    """A number, without a point where it is whole."""
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 2**53)
    return Term("number", (), int(value) if whole else value)


def call(function: str, *args: Term, **keywords: Term) -> Term:
    """A function of the language."""
    return Term("call", (*args, *keywords.values()), (function, tuple(keywords)))


def axes_term(axes: Sequence[str]) -> Term:
    """What stands behind ``over=``."""
    words = [name("batch" if a == "b" else a) for a in axes]
    return words[0] if len(words) == 1 else Term("tuple", tuple(words))


_MOMENT = re.compile(r"\s*([A-Za-z]*)\s*([+-]?\s*\d*)\s*")


def step(anchor: str, k: int) -> Term:
    """A step: ``t``, ``t-1``, ``T+1``."""
    return name(anchor) if k == 0 else Term("add" if k > 0 else "sub", (name(anchor), number(abs(k))))


def target(label: str, root: Node) -> tuple[str, tuple[Term, ...]]:
    """Name and index on the left of an equation: ``h`` and ``t``; of ``h[T+1]``: ``h`` and ``T+1``."""
    base, bracket, inside = label.partition("[")
    found = [_MOMENT.fullmatch(word) for word in inside.rstrip("]").split(",")]
    if not bracket or None in found:  # a part of a parameter, W[0:4,4:7], is a name as a whole
        return label, tuple(name(a) for a in root.axes if a != "b")
    items = []
    for match in filter(None, found):
        anchor, offset = match.groups()
        k = int(offset.replace(" ", "") or 0)
        items.append(step(anchor, k) if anchor else number(k))
    return base, tuple(items)


def indexed(label: str, items: Sequence[Term]) -> Term:
    """A name with an index, or without where there is none."""
    return Term("index", (name(label), *items)) if items else name(label)

"""What an optimiser does to one element, written once: NumPy runs it, and it is printed for the compiler."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "where": np.where,
}
"""What a rule may call."""


@dataclass(frozen=True)
class Rule:
    """Assignments, a line each, to ``w``, ``g``, slots and names of the rule's own.

    ::

        Rule("momentum", "v = momentum * v + g\nw = w - rate * v", ("v",), ("rate", "momentum"))

    text     the lines. They read ``w``, an element of a weight, ``g``, its gradient, the slots (what is kept for
             each element), the numbers, and FUNCTIONS. What is computed from numbers alone is a number of its own
    slots    names of what is kept
    numbers  names of what is the same for all elements, in the order in which they are given
    own      one of the numbers, which each weight has for itself; "": none

    Raises ValueError for a text that is no assignments, reads a name that there is not, or assigns to a number.
    """

    name: str
    text: str
    slots: tuple[str, ...]
    numbers: tuple[str, ...]
    own: str = ""

    def __post_init__(self) -> None:
        self._check(ast.parse(inspect.cleandoc(self.text)).body)

    def _check(self, body: Sequence[ast.stmt]) -> None:
        known = {"w", "g", *self.slots, *self.numbers, *FUNCTIONS}
        for line in body:
            if not isinstance(line, ast.Assign) or len(line.targets) != 1 or not isinstance(line.targets[0], ast.Name):
                raise ValueError(f"the rule of {self.name}: expected name = expression, got {ast.unparse(line)!r}")
            for node in ast.walk(line.value):
                if isinstance(node, ast.Name) and node.id not in known:
                    there = ", ".join(sorted(known - FUNCTIONS.keys()))
                    raise ValueError(f"the rule of {self.name} reads {node.id}; there are {there}")
            to = line.targets[0].id
            if to in (*self.numbers, *FUNCTIONS) or to.endswith("_"):
                mend = "assign to w, g, a slot, or a name of the rule's own that does not end in _"
                raise ValueError(f"the rule of {self.name} assigns to {to}; {mend}")
            known.add(to)

    @property
    def lines(self) -> list[str]:
        """One assignment each."""
        return [ast.unparse(line) for line in ast.parse(inspect.cleandoc(self.text)).body]

    @property
    def kept(self) -> tuple[str, ...]:
        """What an element has and the rule changes."""
        return ("w", *self.slots)

    def called(self) -> list[str]:
        """Those of FUNCTIONS that it calls."""
        names = {n.id for n in ast.walk(ast.parse(inspect.cleandoc(self.text))) if isinstance(n, ast.Name)}
        return [name for name in FUNCTIONS if name in names]


@cache
def rule_of(name: str, before: str, text: str, slots: tuple[str, ...], numbers: tuple[str, ...], own: str) -> Rule:
    """The rule with lines before those of ``text``; ``own`` is a number more, unless it is ""."""
    return Rule(name, before + inspect.cleandoc(text), slots, (*numbers, own) if own else numbers, own)


@cache
def of_arrays(rule: Rule) -> Callable[..., tuple[Any, ...]]:
    """The rule as a function of arrays, ``(w, g, *slots, *numbers)``, that gives w and the slots anew."""
    arguments = ", ".join(("w", "g", *rule.slots, *rule.numbers))
    lines = [f"def rule({arguments}):", *rule.lines, f"return ({', '.join(rule.kept)},)"]
    names: dict[str, Any] = dict(FUNCTIONS)
    exec("\n    ".join(lines), names)  # noqa: S102 the text of an optimiser's class, assignments alone
    found: Callable[..., tuple[Any, ...]] = names["rule"]
    return found

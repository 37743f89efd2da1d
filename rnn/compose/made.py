"""Equations of several cells that are put together, each with names of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...graph.errors import LanguageError
from ...graph.language import Equations, Statement, Term
from ...graph.terms import indexed, name
from ..define import Cell
from .parts import Composed, Part, again
from .terms import changed, read, renamed, unused


@dataclass
class Made:
    """Equations that are being put together."""

    parts: Sequence[Part]
    shared: Iterable[str]
    lines: list[Statement] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        inputs = [n for p in self.parts for n in p.system.inputs]
        owned = {n for p in self.parts for n in p.owned}
        self.taken = {*inputs, *(n for n in self.shared if n not in owned)}
        self.constants = {n for p in self.parts for n in p.system.constants}

    def names(self, part: Part, suffix: str) -> dict[str, str]:
        """New names of a layer; the rules by which its parameters start go with them."""
        while any(n + suffix in self.taken for n in part.owned):
            suffix = "_" + suffix
        new = {n: n + suffix for n in part.owned}
        self.taken |= set(new.values())
        self.rules |= {new.get(n, n): rule for n, rule in part.cell.init_rules.items()}
        self.units += [new[n] for n in part.units]
        self.constants |= {new[n] for n in part.system.constants if n in new}
        return new

    def another(self, part: Part, suffix: str) -> str:
        """A name for a signal that stands for a layer's input."""
        found = unused(f"{part.source}{suffix}", self.taken)
        self.taken.add(found)
        return found

    def cell(
        self,
        title: str,
        output: str,
        ends: Term | None = None,
        layers: Mapping[str, Sequence[str]] | None = None,
    ) -> Cell:
        whole = Equations()
        found: dict[str, Statement] = {}
        for s in self.lines:
            label = str(s).partition(" = ")[0]
            if label in found and str(found[label]) == str(s):
                continue  # the value before the start of an input that two layers share
            found[label] = s
            whole.add(s)
        cells = [p.cell for p in self.parts]
        made = again(whole, cells, title, self.rules, self.constants)
        return Composed(made, output, self.units, ends, layers)


def fed(part: Part, below: str, copy: str, stated: bool = False) -> list[Statement]:
    """The layer with the signal ``below`` for its input. Raises LanguageError where the layer takes symbols only.

    Outside the steps an input has values of its own, or zero: where the layer states some, or the signal below has
    some (``stated``), the input is a signal ``copy``.
    """
    source = part.source
    layer = [s for s in part.layer if s.name != source]
    if part.inline:
        return [replace(s, value=_as_matrix(part, s.value, below)) for s in layer]
    before = [s for s in part.layer if s.name == source]
    if before or stated:  # its values before the start are its own
        return renamed([*before, Statement(source, (name("t"),), read("\0")), *layer], {source: copy, "\0": below})
    return renamed(layer, {source: below})


def _as_matrix(part: Part, value: Term, below: str) -> Term:
    """``E[x[t]]`` with a vector for x: ``E @ h[t]``."""

    tables = {*part.system.parameters, *part.system.constants}

    def of_symbol(x: Term) -> bool:
        return x.head == "index" and x.args[0].head == "name" and x.args[0].attr == part.source

    def change(x: Term) -> Term | None:
        vector = [a for a in x.args if of_symbol(a)]
        if not vector:
            return None
        moved = indexed(below, vector[0].args[1:])
        if x.head == "call" and x.attr[0] == "onehot":
            return moved
        rest = [a for a in x.args[1:] if a.head != "all"]
        if x.head == "index" and len(rest) == 1 and x.args[0].head == "name" and x.args[0].attr in tables:
            return Term("matmul", (x.args[0], moved))
        raise LanguageError(
            f"{part.cell.name} reads the symbols {part.source} as {x}, which a layer below cannot give",
            expected=f"a row of a table that is a parameter, E[{part.source}[t]]",
            got=str(x),
            mend=f"give the symbols vectors in an equation of their own, e[t] = E[{part.source}[t]]",
        )

    return changed(value, change)

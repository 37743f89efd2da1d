"""Equations whose names have roles: what ``find_roles`` finds and every later pass reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from .indices import Moment
from .language import Statement, Term


@dataclass
class Boundary:
    """``name[0] = …``, ``name[T+1] = …``: a value before the start or after the end along one axis."""

    label: str
    axis: str
    end: bool
    offset: int
    statement: Statement


@dataclass
class Definition:
    """``name[axes] = value``; ``first`` holds ``name[1] = …``, by axis."""

    name: str
    axes: tuple[str, ...]
    statement: Statement
    first: dict[str, Statement] = field(default_factory=dict)

    @property
    def value(self) -> Term:
        return self.statement.value


@dataclass
class System:
    """Equations whose names have roles. Dicts are in the order of the text.

    moments    what the brackets of each term read: one moment an index, in the order of ``axes[name]``
    axes       the indices of each name as they stand in its brackets; () where it has none
    positions  input -> the axis in whose steps it counts, for ``y`` in ``w[t, y[t]]``
    order      names and labels of the equations, as they stand in the text
    """

    name: str
    definitions: dict[str, Definition] = field(default_factory=dict)
    boundaries: dict[str, list[Boundary]] = field(default_factory=dict)
    inputs: dict[str, Term] = field(default_factory=dict)
    parameters: dict[str, Term] = field(default_factory=dict)
    constants: frozenset[str] = frozenset()
    symbols: set[str] = field(default_factory=set)
    opaque: frozenset[str] = frozenset()
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    moments: dict[Term, tuple[Moment, ...]] = field(default_factory=dict)
    states: dict[str, None] = field(default_factory=dict)
    positions: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def statements(self) -> list[Statement]:
        """All equations: of each signal its boundary values, its own, that of its first step."""
        found = [b.statement for bounds in self.boundaries.values() for b in bounds]
        for d in self.definitions.values():
            found += [d.statement, *d.first.values()]
        return found

    def boundary(self, name: str, axis: str, end: bool, offset: int) -> Boundary | None:
        """What the text says of a value outside the steps, if it says anything."""
        for b in self.boundaries.get(name, ()):
            if (b.axis, b.end, b.offset) == (axis, end, offset):
                return b
        return None

"""Tables of systems: an entry is equations, a line about them, their source and small sizes for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..define import Cell, define


@dataclass(frozen=True)
class Recipe:
    """A system of equations: one line that says what it is, where it comes from, small sizes for tests."""

    text: str
    about: str
    source: str
    sizes: Mapping[str, int | tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def cell(self, name: str) -> Cell:
        """The cell with its sizes open."""
        return define(self.text, name=name, **self.options)


OUTPUT = """
    o[t] = V @ h[t] + d                             # scores
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
SMALL: dict[str, int | tuple[int, ...]] = {"x": 3, "h": 4, "o": 5}


class Table(dict[str, Recipe]):
    """Systems by name."""

    def add(
        self,
        name: str,
        text: str,
        about: str,
        source: str,
        sizes: Mapping[str, int | tuple[int, ...]] = SMALL,
        **options: Any,
    ) -> None:
        """One more system; ``options`` are those of ``define``."""
        self[name] = Recipe(text.strip("\n"), about, source, sizes, options)

"""The systems of the literature, as equations and nothing else.

``CELLS`` maps a name to its text, sizes for a small test and a source; ``cells.lstm`` (or ``rnn.lstm``) is
the cell, made when it is first asked for. Adding a system is one entry in one of the modules here.
"""

from __future__ import annotations

from ..define import Cell
from . import before, gated, patterns, recurrent, remedies
from .recipes import Recipe

__all__ = ["CELLS", "Recipe", "cell"]

CELLS: dict[str, Recipe] = {
    **before.TABLE,
    **recurrent.TABLE,
    **gated.TABLE,
    **patterns.TABLE,
    **remedies.TABLE,
}


def cell(name: str) -> Cell:
    """The cell of this name, the same object each time. Raises KeyError for one that is not in ``CELLS``."""
    found = _made.get(name)
    if found is None:
        found = _made[name] = CELLS[name].cell(name)
    return found


_made: dict[str, Cell] = {}


def __getattr__(name: str) -> Cell:
    if name not in CELLS:
        raise AttributeError(f"there is no cell {name!r}; there are {', '.join(CELLS)}")
    return cell(name)

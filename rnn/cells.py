"""The systems of the literature, as equations and nothing else.

``CELLS`` maps a name to its text, sizes for a small test and a source; ``cells.lstm`` (or ``rnn.lstm``) is
the cell, made when it is first asked for. Adding a system is one entry in ``recurrent.py`` or ``gated.py``.
"""

from __future__ import annotations

from . import gated, recurrent  # noqa: F401  they fill the table
from .define import Cell
from .recipes import CELLS, Recipe

__all__ = ["CELLS", "Recipe", "cell"]


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

"""A twin in torch of every system in ``bptt cells``, by family as in ``rnn/cells``."""

from __future__ import annotations

from functools import cache

from bptt import rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.cells import CELLS, cell

from . import before, gated, patterns, recurrent, remedies
from .case import Case, One, torch

__all__ = ["CASES", "Case", "One", "circuit", "torch"]

CASES: dict[str, Case] = {**before.CASES, **recurrent.CASES, **gated.CASES, **patterns.CASES, **remedies.CASES}


@cache
def circuit(name: str) -> Circuit:
    """The system of the table, with what the table leaves open."""
    case, recipe = CASES[name], CELLS[name]
    sizes = dict(case.sizes or recipe.sizes)
    if not case.more:
        return cell(name)(**sizes)
    if recipe.options.get("opaque"):
        return cell(name).given(case.more)(**sizes)
    return rnn.define(f"{recipe.text}\n{case.more}", name=name)(**sizes)

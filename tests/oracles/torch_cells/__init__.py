"""A twin in torch of every system in ``bptt cells``, by family as in ``rnn/cells``."""

from __future__ import annotations

from . import before, gated, patterns, recurrent, remedies
from .case import Case, One, torch

__all__ = ["CASES", "Case", "One", "torch"]

CASES: dict[str, Case] = {**before.CASES, **recurrent.CASES, **gated.CASES, **patterns.CASES, **remedies.CASES}

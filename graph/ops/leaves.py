"""Leaves: their types are given by their constructors in ``expr``; here is how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .table import op


def _given(args: Sequence[object], attr: Any) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    raise TypeError("a leaf has no arguments to infer its type from: use its constructor in graph.expr")


for _name in ("const", "param", "input", "ref", "count", "mask"):
    op(_name, "leaf", type=_given, cheap=True)
op("time", "leaf", type=_given, label="{axis}", latex="{axis}", cheap=True)
op("length", "leaf", type=_given, label="{AXIS}", latex="{AXIS}", cheap=True)

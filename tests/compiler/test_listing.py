"""A loop program as text."""

from __future__ import annotations

from pathlib import Path

import loop_programs as programs
import pytest
from bptt.compiler.listing import expression, listing
from bptt.compiler.loop import Here, Load, Number
from loop_programs import call, n, v

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["elman", "attention", "chunked"])
def test_listings_are_readable(name: str) -> None:
    text = listing(getattr(programs, name)())
    assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_expressions_have_no_redundant_brackets() -> None:
    product = call("mul", call("add", v("a"), Number(1.0)), n("b", 2))
    assert expression(product) == "(a + 1.0) * b[t-2]"
    assert expression(call("tanh", product)) == "tanh((a + 1.0) * b[t-2])"
    assert expression(Load("W", (), (1, 0))) == "W<1, 0>"
    assert expression(Here("t", True, -2)) == "(t is T-2)"
    assert expression(Here("t", False, 2)) == "(t is 2)"
    assert [expression(Here("t", None, k)) for k in (1, 3)] == ["(t is start)", "(t is start+2)"]

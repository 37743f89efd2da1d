"""The checker accepts what is right and names what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import loop_programs as programs
import pytest
from bptt.compiler.check import LoopError, check
from bptt.compiler.loop import Fill, Keep, Map, Number, Part, Product, Program, Rows, Sum
from loop_programs import TB, call, n, v, value

ALL = [
    programs.elman,
    programs.attention,
    programs.row_ops,
    programs.pointwise,
    programs.chunked,
    programs.unbatched,
]


@pytest.mark.parametrize("make", ALL)
def test_right_programs_pass(make: Any) -> None:
    loops = make()
    assert check(loops) is loops


def changed(loops: Program, stage: int, body: Any = None, sums: Any = None, **more: Any) -> Program:
    """The program with another body in one of its stages."""
    stages = list(loops.stages)
    rows = stages[stage]
    assert isinstance(rows, Rows)
    stages[stage] = replace(
        rows, body=rows.body if body is None else body, sums=rows.sums if sums is None else sums, **more
    )
    return replace(loops, stages=tuple(stages))


def valued(loops: Program, name: str, **more: Any) -> Program:
    return replace(loops, values=loops.values | {name: replace(loops.values[name], **more)})


def elman_body(stage: int) -> Any:
    return programs.elman().stages[stage].body  # type: ignore[union-attr]


WRONG: dict[str, tuple[Any, str]] = {
    "undefined": (lambda p: changed(p, 1, body=elman_body(1)[1:]), "u_ is read before it is defined"),
    "order": (lambda p: changed(p, 1, body=elman_body(1)[::-1]), "u_ is read before it is defined"),
    "twice": (lambda p: changed(p, 1, body=(*elman_body(1), elman_body(1)[1])), "u is defined twice"),
    "unfilled": (lambda p: changed(p, 0, body=()), "boundary value that nothing fills"),
    "lead": (lambda p: valued(p, "h", lead=0), "h has 0 slots before"),
    "direction": (
        lambda p: changed(p, 2, order="down"),
        "h is read +1 steps before the row's own in a stage that runs down",
    ),
    "free": (lambda p: changed(p, 2, order="free"), "in a stage that runs free"),
    "size": (lambda p: valued(p, "w", shape=(4,)), "W_ is 5 × 5"),
    "columns": (
        lambda p: changed(p, 2, body=(elman_body(2)[0], Map((5,), (("h", call("add", n("w"), v("u"))),)))),
        "w of (5,) in columns () of a map over (5,)",
    ),
    "kind": (lambda p: valued(p, "h", dtype="i"), "h is (5,) i"),
    "axes": (lambda p: valued(p, "l", axes=("t", "s", "b")), "l varies over"),
    "sum": (
        lambda p: changed(p, 3, sums=(*p.stages[3].sums, Sum("L", "reduce", ("t",), (n("l"),), ("t",)))),
        "L is defined twice",
    ),
    "too early": (
        lambda p: changed(p, 3, body=(*elman_body(3), Map((4,), (("z2", call("neg", v("δd"))),)))),
        "δd is read before it is defined",
    ),
    "sum's size": (lambda p: valued(p, "δV", shape=(4, 4)), "δV is (4, 4) f, what is stored in it (4, 5) f"),
    "ring": (lambda p: valued(p, "h", keep=Keep("ring", 2)), "is read in a later stage"),
    "small ring": (lambda p: valued(p, "δa", keep=Keep("ring", 1)), "too little for a lag of -1"),
    "result": (lambda p: replace(p, results=p.results | {"o": "o"}), "the result o is o"),
    "block outside": (
        lambda p: changed(p, 4, sums=(*p.stages[4].sums, Sum("h_2", "reduce", TB, (n("z"),), TB))),
        "there is no value h_2",
    ),
    "pack": (lambda p: changed(p, 2, body=(Product(("w",), (Part("X", n("h", 1)),)),)), "there is no pack X"),
    "fill twice": (
        lambda p: changed(p, 0, body=(*elman_body(0), Fill("h", "t", False, 0, None))),
        "filled twice",
    ),
    "not pointwise": (
        lambda p: changed(p, 2, body=(elman_body(2)[0], Map((5,), (("h", call("softmax", v("w"))),)))),
        "softmax is not pointwise",
    ),
    "input": (
        lambda p: changed(p, 1, body=(*elman_body(1), Map((3,), (("x", Number(1.0)),)))),
        "x is a input, a statement cannot define it",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_programs_are_named(name: str) -> None:
    change, text = WRONG[name]
    with pytest.raises(LoopError, match=None) as caught:
        check(change(programs.elman()))
    assert text in str(caught.value), caught.value


def test_the_error_has_the_statement_and_the_equation() -> None:
    with pytest.raises(LoopError) as caught:
        check(valued(programs.elman(), "h", lead=0))
    assert "in: fill h[0] = h[0]" in str(caught.value)
    assert "h[t] = tanh(W @ h[t-1] + U @ x[t] + c)" in str(caught.value)


def test_inner_sums_end_with_their_over() -> None:
    loops = programs.attention()
    rows = loops.stages[0]
    assert isinstance(rows, Rows)
    with pytest.raises(LoopError, match="a is read before it is defined"):
        check(changed(loops, 0, body=(rows.body[1], rows.body[0], *rows.body[2:])))
    loops.values["late"] = value("late", "block", "tb", ())
    with pytest.raises(LoopError, match="complete only after its stage"):
        check(changed(loops, 0, body=(*rows.body, Map((), (("late", call("neg", n("top"))),)))))

"""Loop programs of networks: a loop up and its adjoint down, sums over a second axis, chunks with rings."""

from __future__ import annotations

from typing import Any

from bptt.compiler.loop import (
    ALL,
    Block,
    Chunks,
    Count,
    Fill,
    Keep,
    Let,
    Map,
    Number,
    Over,
    Pack,
    Part,
    Product,
    Program,
    RowOp,
    Rows,
    Sum,
)

from .pieces import TB, TSB, call, n, program, v, value, whole


def elman(
    dtype: str = "float64", inputs: int = 3, units: int = 5, classes: int = 4, keep: Any = ALL
) -> Program:
    """h = tanh(W h' + U x + c), o = V h + d, L = Σ cross_entropy(o, y) over t, averaged over the batch."""
    I, H, O = inputs, units, classes  # noqa: E741
    values = [
        *(
            value(a, "param", "", s)
            for a, s in {"W": (H, H), "U": (H, I), "c": H, "V": (O, H), "d": O}.items()
        ),
        value("x", "input", "tb", I),
        value("y", "input", "tb", (), "i"),
        value("h[0]", "input", "b", H),
        value("u", "signal", "tb", H, note="U @ x[t] + c"),
        value("w", "block", "tb", H),
        value("h", "signal", "tb", H, lead=1, note="h[t] = tanh(W @ h[t-1] + U @ x[t] + c)"),
        value("z", "block", "tb", O),
        value("o", "block", "tb", O, note="o[t] = V @ h[t] + d"),
        value("l", "block", "tb", ()),
        value("L", "static", "b", ()),
        value("total", "static", "", ()),
        value("loss", "static", "", ()),
        value("p", "block", "tb", O),
        value("e", "block", "tb", O),
        value("δo", "block", "tb", O),
        value("v", "signal", "tb", H),
        value("q", "block", "tb", H),
        value("δa", "signal", "tb", H, trail=1, keep=keep),
        *(
            value("δ" + a, "static", "", s)
            for a, s in {"W": (H, H), "U": (H, I), "c": H, "V": (O, H), "d": O}.items()
        ),
        value("h_T", "static", "b", H),
        value("u_", "block", "tb", H),
    ]
    packs = [
        Pack("U_", (whole("U", H, I),)),
        Pack("W_", (whole("W", H, H),)),
        Pack("V_", (whole("V", O, H),)),
        Pack("V_T", (whole("V", O, H, True),)),
        Pack("W_T", (whole("W", H, H, True),)),
    ]
    stages = [
        Rows(None, "free", 1, (Fill("h", "t", False, 0, n("h[0]")), Fill("δa", "t", True, 1, None))),
        Rows(
            "t",
            "free",
            2,
            (
                Product(("u_",), (Part("U_", n("x")),)),
                Map((H,), (("u", call("add", v("u_"), v("c"))),)),
            ),
        ),
        Rows(
            "t",
            "up",
            1,
            (
                Product(("w",), (Part("W_", n("h", 1)),)),
                Map((H,), (("h", call("tanh", call("add", v("w"), v("u")))),)),
            ),
            why="h → h[t-1]",
        ),
        Rows(
            "t",
            "free",
            3,
            (
                Product(("z",), (Part("V_", n("h")),)),
                Map((O,), (("o", call("add", v("z"), v("d"))),)),
                RowOp("l", "cross_entropy", None, (n("o"), n("y"))),
                RowOp("p", "softmax", None, (n("o"),)),
                RowOp("e", "minus_onehot", None, (n("p"), n("y"))),
                Map((O,), (("δo", call("div", v("e"), Count(("b",)))),)),
                Product(("v",), (Part("V_T", n("δo")),)),
            ),
            (
                Sum("L", "reduce", ("t",), (n("l"),), ("t",)),
                Sum("δV", "contract", ("i,j->ij", TB), (n("δo"), n("h")), TB),
                Sum("δd", "reduce", TB, (n("δo"),), TB),
                Sum("h_T", "at", ("t", True, 0), (n("h"),), ("t",)),
            ),
        ),
        Rows(None, "free", 1, (), (Sum("total", "reduce", ("b",), (n("L"),), ("b",)),)),
        Rows(None, "free", 1, (Map((), (("loss", call("div", n("total"), Count(("b",)))),)),), batch=False),
        Rows(
            "t",
            "down",
            1,
            (
                Product(("q",), (Part("W_T", n("δa", -1)),)),
                Map(
                    (H,),
                    (
                        ("slope", call("add", Number(1.0), call("neg", call("power", v("h"), attr=2)))),
                        ("δa", call("mul", call("add", v("v"), v("q")), Let("slope"))),
                    ),
                ),
            ),
            (
                Sum("δW", "contract", ("i,j->ij", TB), (n("δa"), n("h", 1)), TB),
                Sum("δU", "contract", ("i,j->ij", TB), (n("δa"), n("x")), TB),
                Sum("δc", "reduce", TB, (n("δa"),), TB),
            ),
        ),
    ]
    results = ["loss", "L", "h", "δW", "δU", "δc", "δV", "δd", "h_T"]
    return program("elman", dtype, values, packs, stages, results)


def attention(dtype: str = "float64", size: int = 3) -> Program:
    """w = softmax(d[t] · e[s]) over s, z = Σ w e over s; and what comes back to e: a sum over t."""
    N = size
    values = [
        value("e", "input", "sb", N),
        value("d", "input", "tb", N),
        value("a", "signal", "tsb", ()),
        value("m", "block", "tb", ()),
        value("x", "block", "tsb", ()),
        value("g", "block", "tb", ()),
        value("w", "signal", "tsb", ()),
        value("z", "signal", "tb", N),
        value("k", "signal", "tsb", N),
        value("last", "block", "tb", N),
        value("f", "signal", "tb", N),
        value("norm", "block", "sb", ()),
        value("δe", "signal", "sb", N),
        value("top", "static", "b", ()),
        value("all", "static", "", ()),
        value("pairs", "static", "", (N, N)),
        value("E", "static", "", ()),
    ]
    e = call("exp", call("add", n("a"), call("neg", n("m"))))
    body = (
        Over(
            "s",
            (RowOp("a", "contract", ("i,i->", ()), (n("d"), n("e"))),),
            (
                Sum("m", "amax", ("s",), (n("a"),), ("s",)),
                Sum("top", "amax", ("t", "s"), (n("a"),), ("t", "s")),
            ),
        ),
        Over("s", (Map((), (("x", e),)),), (Sum("g", "reduce", ("s",), (n("x"),), ("s",)),)),
        Over(
            "s",
            (
                Map((), (("w", call("div", e, n("g"))),)),
                Map((N,), (("k", call("mul", n("w"), v("e"))),)),
            ),
            (
                Sum("z", "contract", (",i->i", ("s",)), (n("w"), n("e")), ("s",)),
                Sum("last", "at", ("s", True, 0), (n("e"),), ("s",)),
                Sum("δe", "contract", (",i->i", ("t",)), (n("w"), n("d")), ("t",)),
                Sum("pairs", "contract", ("i,j->ij", TSB), (n("k"), n("d")), TSB),
            ),
        ),
        Map((N,), (("f", call("add", v("last"), v("z"))),)),
    )
    stages = [
        Rows("t", "free", 2, body, (Sum("all", "reduce", TB, (n("g"),), TB),)),
        Rows(
            "s",
            "free",
            3,
            (RowOp("norm", "sum_feature", 0, (n("δe"),)),),
            (Sum("E", "reduce", ("s", "b"), (n("norm"),), ("s", "b")),),
        ),
    ]
    return program(
        "attention", dtype, values, [], stages, ["a", "w", "z", "f", "k", "δe", "top", "all", "pairs", "E"]
    )


def chunked(dtype: str = "float64", size: int = 2) -> Program:
    """A projection and a loop along s in chunks with a ring, and a loop down that sums an outer product."""
    N = 3
    values = [
        value("x", "input", "sb", N),
        value("U", "param", "", (N, N)),
        value("R", "param", "", (N, 2 * N)),
        value("u", "signal", "sb", N, keep=Keep("chunk", size)),
        value("u2", "block", "sb", N),
        value("r", "block", "sb", N),
        value("h", "signal", "sb", N, lead=2, keep=Keep("ring", 3)),
        value("y", "signal", "sb", N),
        value("last", "static", "b", N),
        value("rb", "block", "sb", N),
        value("rb2", "block", "sb", N),
        value("g", "signal", "sb", N, trail=1, keep=Keep("ring", 2)),
        value("δU", "static", "", (N, N)),
        value("g1", "static", "b", N),
    ]
    packs = [
        Pack("UU", (whole("U", N, N), Block("U", (0, N), (0, N), True))),
        Pack("RR", (Block("R", (0, N), (1, N + 1)),)),
        Pack("RT", (Block("R", (0, N), (1, N + 1), True),)),
        Pack("R2", (Block("R", (0, N), (N, 2 * N)),)),
    ]
    up = Chunks(
        "s",
        "up",
        size,
        (
            Rows("s", "free", size, (Product(("u", "u2"), (Part("UU", n("x")),)),)),
            Rows(
                "s",
                "up",
                1,
                (
                    Product(("r",), (Part("RR", n("h", 1, "s")), Part("R2", n("h", 2, "s")))),
                    Map((N,), (("h", call("tanh", call("add", v("r"), v("u")))), ("y", Let("h")))),
                ),
                (Sum("last", "at", ("s", True, 0), (n("h"),), ("s",)),),
            ),
        ),
    )
    down = Rows(
        "s",
        "down",
        1,
        (
            Product(("rb",), (Part("RT", n("g", -1, "s")),)),
            Map((N,), (("g", call("add", v("rb"), v("y"))),)),
        ),
        (
            Sum("δU", "contract", ("i,j->ij", ("s", "b")), (n("g"), n("x")), ("s", "b")),
            Sum("g1", "at", ("s", False, 1), (n("g"),), ("s",)),
        ),
    )
    fills = Rows(
        None,
        "free",
        1,
        (
            Fill("h", "s", False, 0, None),
            Fill("h", "s", False, -1, None),
            Fill("g", "s", True, 1, None),
        ),
    )
    return program("chunked", dtype, values, packs, [fills, up, down], ["y", "last", "δU", "g1"])

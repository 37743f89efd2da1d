"""Loop programs that hold every operation and every kind of expression."""

from __future__ import annotations

from typing import Any

from bptt.compiler.loop import (
    Count,
    Fill,
    Here,
    Length,
    Let,
    Load,
    Map,
    Number,
    Over,
    Pack,
    Part,
    Product,
    Program,
    Random,
    RowOp,
    Rows,
    Step,
    Sum,
)

from .pieces import TB, call, n, program, v, value, whole


def row_ops(dtype: str = "float64") -> Program:
    """Every operation of the table that is not pointwise, on the rows of a free stage."""
    N, M = 4, 3
    ops: list[tuple[str, Any, tuple[str, ...], Any, str]] = [
        ("softmax", None, ("x",), N, "f"),
        ("softmax", None, ("A",), (M, N), "f"),
        ("logsumexp", None, ("x",), (), "f"),
        ("logsumexp", None, ("A",), M, "f"),
        ("sum_feature", 0, ("x",), (), "f"),
        ("sum_feature", 0, ("A",), N, "f"),
        ("sum_feature", 1, ("A",), M, "f"),
        ("max_last", None, ("A",), M, "f"),
        ("argmax", None, ("x",), (), "i"),
        ("cumsum", False, ("x",), N, "f"),
        ("cumsum", True, ("A",), (M, N), "f"),
        ("repeat", (0, M), ("x",), (M, N), "f"),
        ("repeat", (1, M), ("x",), (N, M), "f"),
        ("transpose", None, ("A",), (N, M), "f"),
        ("concat", 0, ("x", "x", "z"), 2 * N + M, "f"),
        ("concat", 1, ("A", "A"), (M, 2 * N), "f"),
        ("slice", (0, 1, 3), ("x",), 2, "f"),
        ("slice", (1, 2, 4), ("A",), (M, 2), "f"),
        ("unslice", (0, 2, 7), ("x",), 7, "f"),
        ("unslice", (0, 1, 5), ("A",), (5, N), "f"),
        ("contract", ("ij,j->i", ()), ("A", "x"), M, "f"),
        ("contract", ("i,ij->j", ()), ("z", "A"), N, "f"),
        ("contract", ("i,j->ij", ()), ("x", "z"), (N, M), "f"),
        ("contract", ("ij,kj->ik", ()), ("A", "A"), (M, M), "f"),
        ("contract", ("i,->i", ()), ("x", "n"), N, "f"),
        ("contract", ("ij,j->i", ()), ("W", "x"), M, "f"),
        ("take", None, ("W", "y"), N, "f"),
        ("take", None, ("W", "y", "y2"), (), "f"),
        ("take", None, ("A", "y"), N, "f"),
        ("scatter", ((M,), ()), ("x", "y"), (M, N), "f"),
        ("pick", None, ("x", "y"), (), "f"),
        ("put", M, ("n", "y"), M, "f"),
        ("cross_entropy", None, ("x", "y"), (), "f"),
        ("nll", None, ("p", "y"), (), "f"),
        ("minus_onehot", None, ("p", "y"), N, "f"),
    ]
    values = [
        value("x", "input", "tb", N),
        value("z", "input", "tb", M),
        value("n", "input", "tb", ()),
        value("A", "input", "tb", (M, N)),
        value("p", "input", "tb", N),
        value("y", "input", "tb", (), "i"),
        value("y2", "input", "tb", (), "i"),
        value("W", "param", "", (M, N)),
    ]
    body: list[Any] = []
    for i, (op, attr, args, shape, dtype_) in enumerate(ops):
        values.append(value(f"{op}_{i}", "signal", "tb", shape, dtype_))
        body.append(RowOp(f"{op}_{i}", op, attr, tuple(n(a) for a in args)))
    values.append(value("counts", "static", "", (M, N)))
    values.append(value("firsts", "static", "b", N))
    values.append(value("own", "static", "b", (M, N)))
    values.append(value("high", "static", "", N))
    values.append(value("weighted", "static", "b", (N, M)))
    sums = (
        Sum("counts", "scatter", ((M,), TB), (n("x"), n("y")), TB),
        Sum("firsts", "at", ("t", False, 2), (n("x"),), ("t",)),
        Sum("own", "scatter", ((M,), ("t",)), (n("x"), n("y")), ("t",)),
        Sum("high", "amax", TB, (n("x"),), TB),
        Sum("weighted", "contract", ("i,j->ij", ("t",)), (n("x"), n("z")), ("t",)),
    )
    stages = [Rows("t", "free", 3, tuple(body), sums)]
    results = [x.name for x in values if x.role not in ("input", "param")]
    return program("row operations", dtype, values, [], stages, results)


def pointwise(dtype: str = "float64") -> Program:
    """Every pointwise operation, every kind of expression, vectors, matrices and numbers a row."""
    N, M = 4, 3
    unary = ["tanh", "sigmoid", "relu", "exp", "log", "sin", "cos", "sqrt", "abs", "sign", "step", "floor"]
    unary += ["softplus", "stop_gradient", "neg"]
    binary = ["mul", "div", "maximum", "minimum", "logaddexp", "mod"]
    lets: list[tuple[str, Any]] = [(f"{f}_", call(f, v("x"))) for f in unary]
    lets += [(f"{f}_", call(f, v("x"), v("z"))) for f in binary]
    lets += [(f"power_{i}", call("power", v("x"), attr=p)) for i, p in enumerate((2, 3, -1, 0.5, 1.5))]
    lets += [
        (f"compare_{i}", call("compare", v("x"), v("z"), attr=r)) for i, r in enumerate(("<", ">=", "!="))
    ]
    lets += [
        ("add_", call("add", v("x"), v("z"), n("k"), Number(0.25))),
        ("where_", call("where", Let("compare_0"), Step("t"), Length("t"))),
        ("number_", call("number", n("y"))),
        (
            "symbol_",
            call("where", call("compare", n("y"), Number(1, "i"), attr="=="), n("y"), Number(-1, "i")),
        ),
        (
            "here_",
            call("where", Here("t", False, 3), v("x"), call("where", Here("t", True, -1), v("z"), n("s"))),
        ),
        ("count_", call("mul", Count(TB), Count(("b",)))),
        ("mask_", Random(("h", 0), 0.75, TB)),
        ("mask_once", Random(("h", 1), 0.5, ("b",))),
    ]
    kinds = {"compare": "b", "symbol_": "i"}
    values = [
        value("x", "input", "tb", N, lead=1),
        value("z", "input", "tb", N, trail=2),
        value("k", "input", "b", ()),
        value("s", "input", "tb", ()),
        value("y", "input", "tb", (), "i", lead=1),
        value("W", "param", "", (M, N)),
        value("g", "param", "", ()),
        value("matrix_", "signal", "tb", (N, M)),
        value("lagged_", "signal", "tb", N),
        value("yesterday", "signal", "tb", (), "i"),
        value("scale", "static", "", (M, N)),
        value("own", "static", "b", N),
    ]
    for name, _ in lets:
        values.append(value(name, "signal", "tb", N, kinds.get(name, kinds.get(name.split("_")[0], "f"))))
    stages = [
        Rows(
            None,
            "free",
            1,
            (Map((M, N), (("scale", call("mul", Load("W", (), (0, 1)), n("g"))),)),),
            batch=False,
        ),
        Rows(
            None,
            "free",
            1,
            (
                Map((N,), (("own", call("mul", n("k"), Random(("own", 0), 0.5, ("b",)))),)),
                Fill("x", "t", False, 0, n("own")),
                Fill("z", "t", True, 1, None),
                Fill("z", "t", True, 2, n("own")),
                Fill("y", "t", False, 0, None),
            ),
        ),
        Rows(
            "t",
            "free",
            2,
            (
                Map((N,), tuple(lets)),
                Map(
                    (N, M),
                    (
                        ("twice", call("mul", Load("scale", (), (1, 0)), Load("x", (), (0,)))),
                        ("matrix_", call("add", Let("twice"), n("s"))),
                    ),
                ),
                Map((N,), (("lagged_", call("add", v("x", 1), v("z", -2))),)),
                Map((), (("yesterday", n("y", 1)),)),
            ),
        ),
    ]
    results = [x.name for x in values if x.role not in ("input", "param")]
    return program("pointwise operations", dtype, values, [], stages, results)


def unbatched(dtype: str = "float64") -> Program:
    """Rows that are steps and no sequences; sums over the batch at each step; pairs of steps."""
    N = 3
    values = [
        value("x", "input", "tb", N),
        value("W", "param", "", (N, N)),
        value("clock", "signal", "t", N, lead=1),
        value("m", "block", "t", N),
        value("total", "signal", "t", N),
        value("high", "signal", "t", N),
        value("all", "static", "", N),
        value("near", "signal", "ts", ()),
        value("reach", "block", "t", ()),
        value("d", "block", "ts", ()),
        value("span", "signal", "t", ()),
        value("noise", "signal", "tb", N),
    ]
    loop = (
        Product(("m",), (Part("WW", n("clock", 1)),)),
        Map((N,), (("clock", call("tanh", call("add", v("m"), Step("t")))),)),
        Over(
            "s",
            (
                Map((), (("d", call("abs", call("add", Step("t"), call("neg", Step("s"))))),)),
                Map((), (("near", call("exp", call("neg", n("d")))),)),
            ),
            (Sum("reach", "amax", ("s",), (n("d"),), ("s",)),),
        ),
        Map((), (("span", call("mul", n("reach"), Number(2.0))),)),
    )
    noise = call("mul", Random(("m", 2), 0.5, ("t",)), Random(("m", 3), 0.25, ()))
    stages = [
        Rows("t", "free", 2, (Map((N,), (("noise", noise),)),), batch=True),
        Rows(
            "t",
            "free",
            2,
            (),
            (
                Sum("total", "reduce", ("b",), (n("x"),), ("b",)),
                Sum("high", "amax", ("b",), (n("x"),), ("b",)),
            ),
        ),
        Rows(None, "free", 1, (Fill("clock", "t", False, 0, None),), batch=False),
        Rows(
            "t",
            "up",
            1,
            loop,
            (Sum("all", "contract", ("i,i->i", ("t",)), (n("clock"), n("total")), ("t",)),),
            batch=False,
        ),
    ]
    results = ["clock", "total", "high", "all", "near", "span", "noise"]
    return program("unbatched", dtype, values, [Pack("WW", (whole("W", N, N),))], stages, results)

"""Loop programs written by hand: what the passes produce, small enough to read."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt.compiler.loop import (
    ALL,
    Apply,
    Block,
    Chunks,
    Count,
    Fill,
    Here,
    Keep,
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
    Value,
)
from bptt.compiler.memory import Batch, storage_shape

TB = ("t", "b")


def value(name: str, role: str, axes: str = "", shape: Any = (), dtype: str = "f", **more: Any) -> Value:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return Value(name, role, dtype, tuple(axes), shape, **more)


def program(
    name: str, dtype: str, values: list[Value], packs: list[Pack], stages: list[Any], results: list[str]
) -> Program:
    return Program(
        name,
        dtype,
        {v.name: v for v in values},
        {p.name: p for p in packs},
        tuple(stages),
        {r: r for r in results},
    )


def v(name: str, lag: int = 0, axis: str = "t") -> Load:
    """A vector."""
    return Load(name, ((axis, lag),) if lag else (), (0,))


def n(name: str, lag: int = 0, axis: str = "t") -> Load:
    """A number a row, or a whole operand."""
    return Load(name, ((axis, lag),) if lag else ())


def call(op: str, *args: Any, attr: Any = None) -> Apply:
    return Apply(op, attr, args)


def whole(name: str, rows: int, columns: int, transposed: bool = False) -> Block:
    return Block(name, (0, rows), (0, columns), transposed)


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


TSB = ("t", "s", "b")


def given(loops: Program, batch: Batch, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Random arrays for all params and inputs; beyond the lengths and in boundary slots NaN, or -10**6."""
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for x in loops.values.values():
        if x.role not in ("param", "input"):
            continue
        if x.dtype == "i":
            array = random.integers(-1, 3, storage_shape(x, batch.sizes)).astype(np.int64)
        else:
            array = random.uniform(0.1, 1.5, storage_shape(x, batch.sizes)) * random.choice([1, -1])
            array = np.asarray(array, loops.dtype)
            if x.name == "p":
                array = np.abs(array) / np.abs(array).sum(-1, keepdims=True)
        if x.time is not None:
            axis = x.axes.index(x.time)
            steps = np.arange(array.shape[0]) - x.lead + 1
            outside = (steps[:, None] < 1) | (steps[:, None] > batch.lengths[x.time])
            array[outside] = np.nan if x.dtype == "f" else -(10**6)
            assert axis == 0
        arrays[x.name] = np.asarray(array)
    return arrays


def public(
    loops: Program, batch: Batch, arrays: dict[str, np.ndarray[Any, Any]]
) -> dict[str, np.ndarray[Any, Any]]:
    """The results inside their lengths, NaN elsewhere."""
    out = {}
    for name in loops.results.values():
        x = loops.values[name]
        array = np.array(arrays[name], copy=True)
        if x.role == "signal":
            array = array[x.lead : x.lead + batch.sizes[x.time or "t"]]
            for axis in (a for a in x.axes if a != "b" and "b" in x.axes):
                steps = np.arange(1, batch.sizes[axis] + 1)
                outside = steps[:, None] > batch.lengths[axis]
                if len(x.axes) == 3:
                    outside = outside[:, None, :] if axis == "t" else outside[None]
                    outside = np.broadcast_to(outside, array.shape[:3])
                array[outside] = {"f": np.nan, "i": -1, "b": False}[x.dtype]
        out[name] = array
    return out

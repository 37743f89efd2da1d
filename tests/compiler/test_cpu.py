"""Compiled kernels against the interpreter: every kind of statement, ragged, in both precisions."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import loop_programs as programs
import mpmath
import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler.cpu.names import RESERVED, Names
from bptt.compiler.cpu.rows import ROW_OPS
from bptt.compiler.cpu.source import print_program
from bptt.compiler.cpu.target import CpuTarget
from bptt.compiler.interpret import interpret
from bptt.compiler.memory import Batch
from bptt.graph.ops.table import TABLE, load_entries
from loop_programs import given, public

RAGGED = Batch.of([7, 5, 5, 3, 3, 1], [2, 4, 1, 3, 3, 2], start=2, seed=2**40 + 7)
BATCHES = [RAGGED, Batch.of(5, 3, rows=4), Batch.of(2, 6, rows=9), Batch.of([1], [1])]
MAKERS = {
    f.__name__: f
    for f in (
        programs.elman,
        programs.attention,
        programs.chunked,
        programs.row_ops,
        programs.pointwise,
        programs.unbatched,
    )
}
CASES = [(name, "float64") for name in MAKERS] + [("elman", "float32"), ("pointwise", "float32")]
SLOW = [pytest.param(n, "float32", marks=pytest.mark.slow) for n in ("attention", "chunked", "row_ops")]


@cache
def target(name: str, dtype: str) -> CpuTarget:
    return CpuTarget(MAKERS[name](dtype))


@pytest.mark.parametrize(("name", "dtype"), [*CASES, *SLOW])
def test_kernels_agree_with_the_interpreter(name: str, dtype: str) -> None:
    compiled = target(name, dtype)
    loops = compiled.program
    for batch in BATCHES:
        arrays = given(loops, batch, seed=batch.sizes["b"])
        expected = public(loops, batch, interpret(loops, batch, arrays))
        found = public(
            loops, batch, compiled.run(batch, {n: a.copy() for n, a in arrays.items()}, poison=True)
        )
        for key, array in expected.items():
            close = {"float64": (1e-12, 1e-12), "float32": (1e-4, 1e-5)}[dtype]
            np.testing.assert_allclose(found[key], array, *close, err_msg=f"{key} for {batch.sizes}")
    assert compiled.compilations <= len(compiled.source.kernels)


def test_the_same_bits_every_time_and_in_each_batch() -> None:
    """A row's numbers do not depend on the rows beside it; sums have one order in batches of one to three rows, one
    in those of four to seven, and one in larger ones."""
    few = Batch.of([7, 5, 1], [2, 4, 1], start=2, seed=2**40 + 7)
    loops = target("elman", "float32").program
    arrays = given(loops, few)
    whole = public(loops, few, target("elman", "float32").run(few, arrays))
    again = public(loops, few, target("elman", "float32").run(few, arrays))
    assert all(np.array_equal(whole[n], again[n], equal_nan=True) for n in whole)
    for r in range(3):
        alone = Batch.of(int(few.lengths["t"][r]), rows=1)
        n = alone.sizes["t"]
        mine = {k: arrays[k][:n, r : r + 1] for k in ("x", "y")} | {"h[0]": arrays["h[0]"][r : r + 1]}
        mine = {k: np.ascontiguousarray(a) for k, a in (arrays | mine).items()}
        out = target("elman", "float32").run(alone, mine)
        assert np.array_equal(out["h"][1 : n + 1, 0], whole["h"][:n, r])


def test_nothing_depends_on_lengths_or_batch_size() -> None:
    compiled = target("elman", "float32")
    compiled.run(RAGGED, given(compiled.program, RAGGED))
    before = compiled.compilations
    for t, b in ((1, 1), (3, 2), (20, 5)):
        batch = Batch.of(t, rows=b)
        compiled.run(batch, given(compiled.program, batch))
    assert compiled.compilations == before


def test_memory_is_as_predicted_and_reused() -> None:
    compiled = CpuTarget(programs.elman())
    big, small = Batch.of(30, rows=4), Batch.of(2, rows=3)
    compiled.run(big, given(compiled.program, big))
    taken = compiled.workspace.bytes
    compiled.run(small, given(compiled.program, small))
    assert compiled.workspace.bytes == taken
    assert taken == compiled.workspace.predicted(big.sizes, compiled.threads_for(big))


def test_every_operation_has_a_template() -> None:
    load_entries("add")
    row_wise = {n for n, e in TABLE.items() if e.kind in ("feature", "symbols")} - {"opaque"}
    assert row_wise == set(ROW_OPS)
    assert {n for n, e in TABLE.items() if e.kind == "pointwise" and e.scalar is None} == set()


def test_names_stay_apart() -> None:
    given_names = [
        "h",
        "h[0]",
        "h_0",
        "i",
        "row",
        "for",
        "δfʹ",
        "ﬁ",
        "fi",
        "t",
        "number",
        "x y",
        "1",
        "unit",
        "a\nb",
    ]
    names = Names(given_names)
    found = [names[n] for n in given_names]
    assert len(set(found)) == len(found)
    assert all(f.isidentifier() and f not in RESERVED for f in found)
    assert found[0] == "h"
    assert names["δfʹ"] == "δfʹ"


def test_the_source_has_the_users_equations_and_names() -> None:
    lines = [line.strip() for line in print_program(programs.elman("float32")).text.splitlines()]
    assert "# product [u_] = U_ @ x" in lines
    assert any(line.endswith("# U @ x[t] + c") for line in lines)
    assert any("= tanh(" in line and line.endswith("# h[t] = tanh(W @ h[t-1] + U @ x[t] + c)") for line in lines)
    assert not any(len(line) > 400 for line in lines)


def test_a_loss_and_the_softmax_of_its_derivative_are_computed_together() -> None:
    net = rnn.elman(x=3, h=4, o=5)
    training = compiler.compile(net).source
    assert "scored_row(" in training
    assert "softmax_row(" not in training
    assert "cross_entropy_row(" in compiler.compile(net, wrt=()).source


def test_the_source_is_the_same_every_time() -> None:
    for make in MAKERS.values():
        assert print_program(make()).text == print_program(make()).text


def test_names_and_notes_cannot_become_code() -> None:
    loops = programs.elman("float32")
    text = "h\n    import os  # "
    v = loops.values["h"]
    loops.values["h"] = type(v)(**{**v.__dict__, "note": text})
    loops = type(loops)(**{**loops.__dict__, "name": 'a"""\nimport os\n"""'})
    source = print_program(loops).text
    assert not any(line.strip().startswith("import") for line in source.splitlines())


# ---- scalar functions ----------------------------------------------------------------------------
SAMPLES = [0.0, -0.0, 1e-30, 1e-3, 0.3, 0.624, 0.626, 1.0, 2.5, 7.0, 20.0, 88.0, 200.0, math.inf]
SAMPLES += [-x for x in SAMPLES] + [math.nan]
EXACT = {
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_functions_are_accurate_everywhere(name: str, dtype: Any) -> None:
    from bptt.compiler.cpu import functions
    from bptt.compiler.cpu.jit import function

    f = getattr(functions, name)

    @function
    def apply(xs: Any, out: Any) -> None:
        for i in range(len(xs)):
            out[i] = f(xs[i])

    xs = np.array([*SAMPLES, *np.linspace(-30, 30, 301)], dtype)
    out = np.empty_like(xs)
    apply(xs, out)
    with mpmath.workdps(40):
        exact = np.array([float(EXACT[name](mpmath.mpf(float(x)))) for x in xs[np.isfinite(xs)]])
    finite = out[np.isfinite(xs)]
    spacing = np.maximum(np.spacing(np.abs(exact).astype(dtype)), np.finfo(dtype).tiny)
    assert (np.abs(finite.astype(np.float64) - exact) <= 4 * spacing).all()
    assert np.isnan(out[np.isnan(xs)]).all()
    limits = {"tanh": (1.0, -1.0), "sigmoid": (1.0, 0.0), "softplus": (math.inf, 0.0)}[name]
    assert tuple(out[np.isinf(xs)]) == limits

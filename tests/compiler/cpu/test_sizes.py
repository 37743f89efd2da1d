"""Whole training steps of cells at every edge of tiles, panels, lanes and chunks, on any number of threads."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler import Plan
from bptt.compiler.cpu import cost, target
from bptt.compiler.program import Program
from bptt.compiler.storage import full_rows
from bptt.graph.circuit import Circuit

#: products in the loops, those of symbols once a call; all before them, with sums every few rows; no buffer for maps
JOINED, APART, STORED = Plan(share="rows"), Plan(hoist=True, chunk=2, rows=11, tables=0), Plan(lines=False)
UNITS = Plan(share="units")
#: four gates stacked, a candidate by itself, two layers, an embedding, a softmax: all ways that products are printed
EQUATIONS = """
z[t] = sigmoid(W_z @ h[t-1] + U_z @ e[t] + b_z)
r[t] = sigmoid(W_r @ h[t-1] + U_r @ e[t] + b_r)
n[t] = tanh(W_n @ (r[t] * h[t-1]) + U_n @ e[t] + b_n)
h[t] = z[t] * h[t-1] + (1 - z[t]) * n[t]
i[t] = sigmoid(W_i @ k[t-1] + U_i @ h[t] + b_i)
f[t] = sigmoid(W_f @ k[t-1] + U_f @ h[t] + b_f)
o[t] = sigmoid(W_o @ k[t-1] + U_o @ h[t] + b_o)
g[t] = tanh(W_g @ k[t-1] + U_g @ h[t] + b_g)
c[t] = f[t] * c[t-1] + i[t] * g[t]
k[t] = o[t] * tanh(c[t])
e[t] = E[x[t]]
p[t] = V @ k[t] + d
L = mean(cross_entropy(p[t], y[t]), over=t)
"""
SIZES = [(5, 3), (17, 65)]
MORE = [(16, 32), (1, 1), (8, 15), (31, 33), (48, 80), (64, 16), (129, 100)]
BATCHES: list[tuple[int, int, list[int] | None]] = [
    (1, 1, None),
    (1, 9, None),
    (1, 300, None),  # three chunks, of which another thread sums one while the row is at the next
    (3, 2, None),
    (4, 5, [5, 1, 2, 5]),
    (7, 17, None),
    (13, 4, [1, 4, 2, 2, 3, 4, 1, 1, 4, 3, 2, 4, 1]),
]


@cache
def network(h: int, k: int) -> Circuit:
    return rnn.define(EQUATIONS, name="sizes")(x=7, e=6, h=h, k=k, p=7)


PROGRAMS: dict[tuple[Any, ...], Program] = {}


def program(h: int, k: int, dtype: str, target: str, threads: int, plan: Plan = JOINED) -> Program:
    options: dict[str, Any] = {"returns": ("h", "c"), "dtype": dtype, "target": target, "threads": threads}
    key = (h, k, str(plan), *options.values())
    if key not in PROGRAMS:
        PROGRAMS[key] = compiler.compile(network(h, k), "L", plan=plan, **options)
    return PROGRAMS[key]


def data(net: Circuit, B: int, T: int, dtype: str) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(B * 100 + T)
    params = {n: (rng.normal(size=s) / np.sqrt(max(s[-1], 1))).astype(dtype) for n, s in net.params.items()}
    return params, {"x": rng.integers(0, 7, (T, B)), "y": rng.integers(-1, 7, (T, B))}


def results(out: Any) -> dict[str, Any]:
    kinds = {"value": out.value, "grad": out.grad, "final": out.final}
    return {"loss": out.loss} | {f"{kind} {n}": a for kind, found in kinds.items() for n, a in found.items()}


CASES: list[Any] = [(SIZES[0], "float64", APART), (SIZES[1], "float32", JOINED)]
CASES += [pytest.param(s, d, JOINED, marks=pytest.mark.slow) for s in MORE for d in ("float64", "float32")]
CASES += [pytest.param(s, "float64", p, marks=pytest.mark.slow) for s in ((31, 33), (48, 80)) for p in (APART, STORED)]


@pytest.fixture(autouse=True)
def threads_for_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many threads as rows, however little they have to do."""
    monkeypatch.setattr(cost, "FEWEST_ROWS", 1)
    monkeypatch.setattr(cost, "WORTH", 1)
    monkeypatch.setattr(cost, "SUMS_WORTH", 1)


@pytest.mark.parametrize(("sizes", "dtype", "plan"), CASES)
def test_every_size_is_the_interpreters(sizes: tuple[int, int], dtype: str, plan: Plan) -> None:
    net = network(*sizes)
    for B, T, lengths in BATCHES:
        params, inputs = data(net, B, T, dtype)
        expected = results(program(*sizes, "float64", "interpret", 1)(
            {n: a.astype("float64") for n, a in params.items()}, **inputs, lengths=lengths))  # fmt: skip
        found = results(program(*sizes, dtype, "cpu", 2, plan)(params, **inputs, lengths=lengths))
        # float32: sums of up to 129 · 4 terms and a few hundred steps of rounding, relative to the largest number
        close = {"float64": 1e-12, "float32": 2e-5}[dtype]
        for name, array in expected.items():
            scale = max(1.0, float(np.abs(array).max()))
            np.testing.assert_allclose(found[name], array, 0, close * scale, err_msg=f"{name}, B={B}, T={T}")


@pytest.mark.parametrize("sizes", [(17, 65), pytest.param((129, 100), marks=pytest.mark.slow)])
def test_any_number_of_threads_gives_the_same_bits(sizes: tuple[int, int]) -> None:
    net = network(*sizes)
    for B, T, lengths in BATCHES:
        params, inputs = data(net, B, T, "float32")
        once = results(program(*sizes, "float32", "cpu", 1)(params, **inputs, lengths=lengths))
        for threads, plan in [(t, JOINED) for t in (2, 3, 4)] + [(t, UNITS) for t in (1, 2, 4)]:
            again = results(program(*sizes, "float32", "cpu", threads, plan)(params, **inputs, lengths=lengths))
            for name, array in once.items():
                words = f"{name}, {threads} threads that share {plan.share}, B={B}"
                np.testing.assert_array_equal(again[name], array, err_msg=words)


@pytest.mark.slow
@pytest.mark.parametrize(("checkpoint", "plan"), [(3, APART), (None, APART), (None, STORED), (2, JOINED)])
def test_units_shared_give_the_bits_of_rows_shared(checkpoint: int | None, plan: Plan) -> None:
    net = network(17, 65)
    options: dict[str, Any] = {"returns": ("h", "c"), "threads": 3, "checkpoint": checkpoint}
    by_rows, by_units = (compiler.compile(net, "L", plan=plan.but(share=s), **options) for s in ("rows", "units"))
    for B, T, lengths in BATCHES:
        params, inputs = data(net, B, T, "float32")
        once, again = (results(p(params, **inputs, lengths=lengths)) for p in (by_rows, by_units))
        for name, array in once.items():
            np.testing.assert_array_equal(again[name], array, err_msg=f"{name}, B={B}, T={T}")


def test_small_batches_get_kernels_of_their_own_where_that_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "STEP_WORTH", 1)
    monkeypatch.setattr(target, "MANY", 3)
    net = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])", name="few")(x=3, h=3)
    made = compiler.compile(net, None, returns="h", threads=2)
    assert "units, and then all threads" in made.explain()
    runs, params = made._variant(None).target, net.init(seed=0)
    assert isinstance(runs, target.CpuTarget)
    few = full_rows(9, 1, 1)
    fresh = target.CpuTarget(made.loops, 2)
    assert fresh.for_batch(full_rows(9, 1, 4)) is fresh is not fresh.for_batch(few)  # the first batch decides
    for rows in (4, 1, 1):
        made(params, x=np.ones((9, rows, 3), np.float32))
        assert runs.for_batch(few) is runs
    made(params, x=np.ones((9, 1, 3), np.float32))
    assert runs.for_batch(few) is not runs
    one, three = (made(params, x=np.ones((9, rows, 3), np.float32)).value["h"][:, 0] for rows in (1, 3))
    np.testing.assert_array_equal(one, three)

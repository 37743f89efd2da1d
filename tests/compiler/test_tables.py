"""Products with rows of a table as rows of a product: what is rewritten, and that the values stay the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler import Plan
from bptt.compiler.check import check
from bptt.compiler.cpu import cost
from bptt.compiler.cpu.target import CpuTarget
from bptt.compiler.memory import lone_blocks, predicted_bytes
from bptt.compiler.tables import with_tables
from bptt.graph.circuit import Circuit

REST = "\nL = mean(mse(h[t], z[t]), over=t)"
SIZES: dict[str, Any] = {"h": 3, "z": 3, "e": 5, "a": 5, "x": 6, "w": 6, "E": (6, 5), "F": (6, 5), "G": (5, 6)}
NETWORKS = {
    "in one equation": "h[t] = tanh(W @ h[t-1] + U @ E[x[t]])",
    "through an equation": "e[t] = E[x[t]]\nh[t] = tanh(W @ h[t-1] + U @ e[t])",
    "through two": "e[t] = E[x[t]]\na[t] = e[t]\nh[t] = tanh(W @ h[t-1] + U @ a[t])",
    "a transposed matrix": "e[t] = E[x[t]]\nh[t] = tanh(W @ h[t-1] + e[t] @ U)",
    "read by columns": "h[t] = tanh(W @ h[t-1] + U.T @ E[x[t]])",
    "columns of a table": "h[t] = tanh(W @ h[t-1] + U @ G[:, x[t]])",
    "a symbol before": "x[0] = 2\nh[t] = tanh(W @ h[t-1] + U @ E[x[t-1]])",
    "no symbol before": "x[0] = -1\nh[t] = tanh(W @ h[t-1] + U @ E[x[t-1]])",
    "other readers": "e[t] = E[x[t]]\nh[t] = tanh(W @ h[t-1] + U @ e[t] + V @ (e[t] * e[t]) + R @ e[t-1])",
    "two tables": "h[t] = tanh(W @ h[t-1] + U @ E[x[t]] + V @ F[w[t]])",
    "one table twice": "h[t] = tanh(W @ h[t-1] + U @ E[x[t]]) * (U @ E[w[t]])",
    "joined vectors": "h[t] = tanh(W @ concat(h[t-1], E[x[t]]) + b)",
    "four parts": """
        i[t], f[t], g[t] = split(W @ concat(h[t-1], E[x[t]]) + b, 3)
        h[t] = sigmoid(f[t]) * h[t-1] + sigmoid(i[t]) * tanh(g[t])""",
    "two matrices": "e[t] = R @ E[x[t]]\nh[t] = tanh(W @ h[t-1] + U @ e[t])",
    "a computed table": "A = tanh(E)\nh[t] = tanh(W @ h[t-1] + U @ A[x[t]])",
    "downwards": "h[t] = tanh(W @ h[t+1] + U @ E[x[t]])",
    "no loop": "h[t] = tanh(U @ E[x[t]])",
    "a choice": "h[t] = tanh(W @ h[t-1] + where(t > 2, U @ E[x[t]], b))",
}


def net_of(name: str) -> Circuit:
    cell = rnn.define(NETWORKS[name] + REST, name=name)
    words = {*re.findall(r"\w+", NETWORKS[name]), "z"}
    return cell(**{n: size for n, size in SIZES.items() if n in words}, **({"b": 9} if name == "four parts" else {}))


def call_of(net: Circuit, dtype: str = "float64") -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape).astype(dtype) for n, shape in net.params.items()}
    inputs: dict[str, Any] = {"z": rng.normal(size=(7, 4, 3)).astype(dtype)}
    inputs |= {n: rng.integers(0, 6, size=(7, 4)) for n in net.symbols}
    return params, inputs


def agree(name: str, plan: Plan, target: str = "interpret", dtype: str = "float64") -> None:
    net = net_of(name)
    params, inputs = call_of(net, dtype)
    program = compiler.compile(net, target=target, dtype=dtype, plan=plan)
    check(program.loops)
    adjoint = graph.grad(net, "L")
    atol = 1e-11 if dtype == "float64" else 2e-5
    for lengths in (None, [7, 1, 4, 5]):
        expected = graph.evaluate(adjoint, params, lengths=lengths, **inputs)
        found = program(params, lengths=lengths, **inputs)
        np.testing.assert_allclose(found.loss, np.mean(expected["L"]), atol=atol)
        for n, g in adjoint.grads.items():
            np.testing.assert_allclose(found.grad[n], expected[g], atol=atol, err_msg=n)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_the_reference(name: str) -> None:
    agree(name, Plan(tables=6))


def test_kernels_give_them_too() -> None:
    agree("other readers", Plan(tables=6, hoist=True), "cpu")


def test_kernels_of_large_tables_give_the_same_bits_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "WORTH", 1)
    text = "e[t] = E[x[t]]\nf[t] = sigmoid(e[t] @ R + F[w[t]])\nh[t] = tanh(W @ h[t-1] + U @ e[t]) * f[t]"
    net = rnn.define(text + REST)(h=19, z=19, x=70, w=70, e=37)
    rng = np.random.default_rng(0)
    params = net.init(seed=0)
    inputs: dict[str, Any] = {n: rng.integers(0, 70, (9, 6)) for n in "xw"}
    inputs["z"] = rng.normal(size=(9, 6, 19)).astype("float32")
    lengths = [9, 2, 9, 5, 1, 9]
    expected = compiler.compile(net, target="interpret", plan=Plan(tables=0))(params, lengths=lengths, **inputs)
    found = [compiler.compile(net, threads=k)(params, lengths=lengths, **inputs) for k in (1, 2, 5)]
    for n, g in expected.grad.items():
        np.testing.assert_allclose(found[0].grad[n], g, rtol=1e-4, atol=1e-6, err_msg=n)
        for other in found[1:]:
            np.testing.assert_array_equal(other.grad[n], found[0].grad[n], err_msg=n)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_table(name: str) -> None:
    loops = compiler.compile(net_of(name), target="interpret", plan=Plan(tables=6)).loops
    assert any(v.role == "static" and v.shape[:1] == (6,) and "_" in n for n, v in loops.values.items())


def test_a_product_with_a_row_is_a_row_of_a_product() -> None:
    assert graph.text(with_tables(net_of("through an equation"), 6)).splitlines()[:3] == [
        "E_U = E @ U.T",
        "e[t] = E[x[t]]",
        "h[t] = tanh(W @ h[t-1] + E_U[x[t]])",
    ]


def test_the_derivative_sums_rows_first() -> None:
    lines = graph.text(graph.grad(with_tables(net_of("in one equation"), 6), "L")).splitlines()
    assert "δU = δE_U.T @ E" in lines
    assert "δE = δE_U @ U" in lines
    assert sum("scatter" in line for line in lines) == 1


def test_names_that_are_taken_are_not_taken_again() -> None:
    text = "E_U[t] = U @ E[x[t]]\nh[t] = tanh(W @ h[t-1] + E_U[t])" + REST
    net = with_tables(rnn.define(text)(h=3, z=3, x=6, E=(6, 5)), 6)
    assert "E_Uʹ = E @ U.T" in graph.text(net)


@pytest.mark.parametrize(
    "text",
    [
        "e[0] = a\ne[t] = E[x[t]]\nh[t] = tanh(W @ h[t-1] + U @ e[t-1])",  # a value that is no row
        "h[t] = tanh(W @ h[t-1] + V[t] @ E[x[t]])\nV[t] = outer(h[t-1], k)",  # another matrix each step
        "h[t] = tanh(W @ h[t-1] + U @ tanh(E[x[t]]))",
    ],
)
def test_what_is_no_product_with_a_row_stays(text: str) -> None:
    net = rnn.define(text + REST)(h=3, z=3, x=6, E=(6, 5))
    assert with_tables(net, 6) is net


def test_a_large_table_stays() -> None:
    net = net_of("in one equation")
    assert with_tables(net, 5) is net


def test_a_program_without_gradients_has_no_table() -> None:
    net = net_of("in one equation")
    for options in ({"returns": ("h",)}, {"loss": "L", "wrt": ()}):
        assert "E_U" not in compiler.compile(net, target="interpret", plan=Plan(tables=6), **options).loops.values


def test_signals_that_are_differentiated_by_are_read_as_they_are() -> None:
    net = net_of("through an equation")
    params, inputs = call_of(net)
    for plan in (Plan(tables=0), Plan(tables=6)):
        found = compiler.compile(net, wrt=("e", "U"), target="interpret", dtype="float64", plan=plan)(params, **inputs)
        adjoint = graph.grad(net, "L", ("e", "U"))
        expected = graph.evaluate(adjoint, params, **inputs)
        for n, g in adjoint.grads.items():
            np.testing.assert_allclose(found.grad[n], expected[g], atol=1e-11, err_msg=n)


def test_products_that_are_added_once_hold_one_row() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + U @ E[x[t]]) * (V @ E[x[t]])" + REST)(h=3, z=3, x=6, E=(6, 5))
    loops = compiler.compile(net, target="interpret").loops
    assert {n for n in lone_blocks(loops) if loops.values[n].shape == (6, 5)} == {"δE_1", "δE_2"}
    layout = CpuTarget(loops).source.layout
    assert layout.shape(loops.values["δE_1"], {"t": 9, "s": 1, "b": 65})[0] == 1
    assert predicted_bytes(loops, 9, 1, 65) - predicted_bytes(loops, 9, 1, 64) < 700


def test_the_plan_says_so() -> None:
    program = compiler.compile(net_of("in one equation"), target="interpret", plan=Plan(tables=6))
    assert "tables 6" in str(program.plan)
    assert "E_U = E @ U.T" in program.explain()
    with pytest.raises(ValueError, match="tables is a whole number of rows from 0, not -1"):
        Plan(tables=-1)

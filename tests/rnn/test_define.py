"""Cells: equations whose sizes are open, and what they say where a circuit is needed."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn

CELL = rnn.lstm
BINDING = "lstm(h=…, o=…, x=…)"
DOORS: dict[str, Callable[[Any], object]] = {
    "grad": lambda cell: graph.grad(cell, "L"),
    "jvp": graph.jvp,
    "unfold": lambda cell: graph.unfold(cell, 3),
    "simplify": graph.simplify,
    "text": graph.text,
    "latex": graph.latex,
    "draw_circuit": graph.draw_circuit,
    "draw_unrolled": graph.draw_unrolled,
    "evaluate": lambda cell: graph.evaluate(cell, {}),
    "compile": compiler.compile,
}


@pytest.mark.parametrize("door", DOORS)
def test_where_a_circuit_is_needed_a_cell_says_which_sizes_are_open(door: str) -> None:
    with pytest.raises(TypeError) as caught:
        DOORS[door](CELL)
    assert f"{door} takes a circuit, and the sizes of the cell lstm are open" in str(caught.value)
    assert f"mend: a cell becomes a circuit when its sizes are bound: net = {BINDING}" in str(caught.value)


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_network_is_refused(door: str) -> None:
    with pytest.raises(TypeError, match=rf"{door} takes a circuit, not str 'h = 1'\n  mend: net = rnn.define"):
        DOORS[door]("h = 1")


@pytest.mark.parametrize("name", ["init", "params", "states", "outputs", "eqs", "constants"])
def test_what_only_a_circuit_has(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(CELL, name)
    assert f"the cell lstm has no {name}: a circuit has" in str(caught.value)
    assert f"net = {BINDING}" in str(caught.value)
    assert not hasattr(CELL, "zz")


BOUND = {
    "no sizes": ("s[t] = s[t-1] + 1", {}, "cell()"),
    "a matrix": ("h[t] = A @ h[t-1]\no[t] = B @ h[t]", {"name": "lds"}, "lds(h=…, o=…)"),
    "no name for Python": ("h[t] = W @ h[t-1]", {"name": "my net"}, "cell(h=…)"),
    "equations that clash": ("h[t] = h[t-1] + concat(h[t-1], x[t])", {"name": "odd"}, "odd(…)"),
}


@pytest.mark.parametrize("case", BOUND)
def test_the_call_that_binds(case: str) -> None:
    text, options, binding = BOUND[case]
    assert rnn.define(text, **options).binding() == binding


@pytest.mark.parametrize(
    ("text", "sizes", "expected"),
    [
        ("h[t] = tanh(W @ h[t-1] + U @ x[t])\no[t] = E[y[t]] + V @ h[t]", {}, {"x": 3, "y": 5, "h": 4, "o": 4}),
        ("h[t] = tanh(W @ h[t-1] + U @ x[t])", {"h": 7}, {"h": 7, "x": 3}),
        ("f[t], g[t], h[t] = split(x[t], 3)", {}, {"x": 3}),
        ("f[t], g[t], h[t] = split(W @ h[t-1], 3)", {}, {"h": 4}),
        ("e[t] = concat(a[t], b[t], c[t])\nf[t], g[t] = split(e[t], 2)", {}, {"a": 3, "b": 3, "c": 4}),
        ("h[t] = a * h[t-1]", {}, {"h": 4}),
    ],
)
def test_small_sizes_of_what_is_open(text: str, sizes: dict[str, int], expected: dict[str, Any]) -> None:
    cell = rnn.define(text)
    assert cell.small(sizes) == expected
    cell(**expected)


def test_sizes_that_nothing_fits_are_an_error() -> None:
    with pytest.raises(graph.LanguageError, match="has no name zz"):
        CELL.small({"zz": 3})
    with pytest.raises(graph.LanguageError, match=r"clash|do not"):
        rnn.define("h[t] = h[t-1] + concat(h[t-1], x[t])").small()


def test_small_sizes_of_every_network_bind() -> None:
    for name in rnn.cells.CELLS:
        cell = rnn.cells.cell(name)
        cell(**cell.small())
        cell(**cell.small(units=8))


def test_small_sizes_of_compositions_satisfy_the_ties_between_layers() -> None:
    cell = rnn.stack(rnn.residual(rnn.bidirectional(rnn.window_lm)), 2)  # of e four parts are joined, of both sides two
    assert cell(**cell.small()).eqs
    assert rnn.stack(rnn.lstm, 2).small({"h": 6}) == {"h_1": 6, "h_2": 6, "x": 3, "o": 4}
    with pytest.raises(graph.LanguageError) as caught:  # h has the size of x, and with the other side twice that
        rnn.stack(rnn.residual(rnn.bidirectional(rnn.sru)), 2).small({})
    assert "no sizes of stacked_residual_bidirectional_sru fit all its equations" in str(caught.value)
    assert "concat(h_fw" in str(caught.value)


def test_small_sizes_are_found_where_few_fit_and_the_error_says_what_was_tried() -> None:
    for parts, fits in ((7, True), (37, False)):
        targets = ", ".join(f"f{i}[t]" for i in range(parts))
        cell = rnn.define(f"k[t] = k[t-1] + concat(x[t], x[t], x[t])\n{targets} = split(k[t], {parts})")
        if fits:
            assert cell.small() == {"x": 7}
        else:
            with pytest.raises(graph.LanguageError, match=r"no small sizes of net fit[^$]*tried x of 1 to 32"):
                cell.small()


def test_small_sizes_are_near_those_that_are_wished_for_as_far_as_they_fit() -> None:
    assert rnn.sru.small(near={"h": 32, "x": 4}) == {"h": 32, "o": 4}
    assert rnn.sru.small({"x": 6}, near={"h": 32, "x": 4, "o": 5}) == {"x": 6, "o": 5}


def test_what_the_binding_names_is_enough() -> None:
    bound = 0
    for name, recipe in rnn.cells.CELLS.items():
        inside = rnn.cells.cell(name).binding().partition("(")[2].rstrip(")")
        named = [part.partition("=")[0].strip() for part in inside.split(", ") if "=" in part]
        sizes = {n: recipe.sizes[n] for n in named if n in recipe.sizes}
        if len(sizes) == len(named):
            assert rnn.cells.cell(name)(**sizes).eqs
            bound += 1
    assert bound >= 20


def test_cells_can_be_copied_and_pickled() -> None:
    cell = rnn.define("h[t] = tanh(W @ h[t-1])", init={"W": 0.5})
    for other in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert (other(h=2).init()["W"] == 0.5).all()


# ---- functions that have no definition yet ---------------------------------------------------------
def test_open_functions_are_given_a_definition() -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 3))
    cell = rnn.cells.driven.given("f(s, x) = tanh(W @ s + U @ x + b)", init={"b": 0.5})
    net = cell(x=3, s=4)
    same = rnn.define("s[0] = s_0\ns[t] = tanh(W @ s[t-1] + U @ x[t] + b)", init={"b": 0.5})(x=3, s=4)
    assert str(net) == str(same)
    weights = net.init(dtype="float64")
    assert (weights["b"] == 0.5).all()
    found = [graph.evaluate(n, weights, x=x, lengths=[5, 2])["s"] for n in (net, same)]
    np.testing.assert_array_equal(*found)


def test_one_function_at_a_time_and_more_equations() -> None:
    half = rnn.cells.abstract.given("R(s, x) = tanh(W @ s + U @ x)")
    assert half.system.opaque == {"O"}
    assert "f(" not in str(half)
    whole = half.given("O(s) = V @ s + d;  L = mean(mse(y[t], z[t]), over=t)")
    assert whole.inputs == ("x", "z")
    assert whole(x=3, s=4, y=2).eqs["L"].shape == ()
    static = rnn.define("s[t] = f(s[t-1]) + v", inputs=("v",), opaque=("f",)).given("f(s) = tanh(W @ s)")
    assert static.inputs == ("v",)


def test_what_is_no_open_function_is_not_defined() -> None:
    with pytest.raises(
        graph.LanguageError, match=r"g is no function of driven that is still open[^$]*expected: one of f"
    ):
        rnn.cells.driven.given("g(s) = s")
    with pytest.raises(graph.LanguageError, match="sigmoid is no function of lstm that is still open"):
        rnn.lstm.given("sigmoid(a) = a")
    for text in ("R = 3", "R[t] = s[t]"):
        with pytest.raises(graph.LanguageError, match=r"R is in two roles: an open function, R\(…\), and an equation"):
            rnn.cells.abstract.given(text)


@pytest.mark.parametrize(
    ("given", "sizes", "said"),
    [((3, 8, 2), {}, "elman(x=3, h=8, o=2)"), ((3,), {"h": 8}, "elman(x=3, o=…, h=8)"), ((3,), {"q": 8}, "elman(…)")],
)
def test_sizes_without_names_are_refused_with_the_call_that_was_meant(given: Any, sizes: Any, said: str) -> None:
    with pytest.raises(TypeError) as raised:
        rnn.elman(*given, **sizes)
    assert str(raised.value).endswith(f"expected sizes by their names, got {', '.join(map(str, given))}; say {said}")

"""What is asked of a program and cannot be is refused at once, by name; so is what a call gives that does not fit."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.plan import Plan
from bptt.graph.errors import CircuitError

T, B, S = 4, 2, 3


def lstm() -> Any:
    return rnn.lstm(x=3, h=4, o=5)


# ---- compile ---------------------------------------------------------------------------------------
ASKED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "loss": ({"loss": "hh"}, CircuitError, "lstm has no equation hh; it has f, i, q, g, c, h, o, L; did you mean h?"),
    "loss with features": ({"loss": "h"}, CircuitError, r"lstm: h is no loss: it has the shape \(4,\)"),
    "loss over time": ({"loss": "o"}, CircuitError, "o is no loss"),
    "nothing": ({"loss": None}, CircuitError, r'which signals to return, returns=\("f",\)'),
    "returns": ({"returns": ("g", "hh")}, CircuitError, "lstm has no equation hh; it has f, i, .*; did you mean h?"),
    "returns a parameter": ({"returns": ("W_f",)}, CircuitError, "lstm has no equation W_f"),
    "wrt": ({"wrt": ("W_ff",)}, CircuitError, "wrt: lstm has no parameter.* W_ff; it has .*, V, d, x, .* mean W_f?"),
    "wrt a symbol": ({"wrt": ("y",)}, CircuitError, "wrt: y is a symbol"),
    "wrt what is not read": ({"wrt": ("h[-1]",)}, CircuitError, r"no boundary value .*; it reads h\[0\], c\[0\]"),
    "plan of nothing": (
        {"plan": Plan(place={"hh": "keep"}), "returns": ()},
        ValueError,
        "the plan places hh, of which lstm has no equation; it has f, i, q, g, c, h, o, L; did you mean h?",
    ),
    "dtype": ({"dtype": "float16"}, ValueError, "dtype='float16' does not exist: it is one of float32, float64"),
    "target": ({"target": "gpu"}, ValueError, "target='gpu' does not exist: it is one of cpu, interpret"),
    "threads": ({"threads": 0}, ValueError, "threads=0: expected a whole number from 1"),
    "checkpoint": ({"checkpoint": 1.5}, ValueError, "checkpoint=1.5: expected a whole number from 1"),
    "plan": ({"plan": {"chunk": 3}}, TypeError, r"plan: expected a Plan, such as Plan\(chunk=4\)"),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_cannot_be_compiled_is_refused_at_once(name: str) -> None:
    asked, kind, text = ASKED[name]
    with pytest.raises(kind, match=text):
        _ = compiler.compile(lstm(), **{"target": "interpret", **asked}).loops


def test_a_cell_is_no_circuit() -> None:
    with pytest.raises(TypeError, match=r"a cell becomes a circuit when its sizes are bound: net = lstm"):
        compiler.compile(rnn.lstm, target="interpret")


def test_constants_are_not_differentiated_by() -> None:
    net = rnn.define("h[t] = tanh(A @ h[t-1] + x[t])\nL = sum(h[T])", constants=("A",))(h=2)
    with pytest.raises(CircuitError, match="wrt: A is a constant"):
        compiler.compile(net, wrt=("A",), target="interpret")
    out = compiler.compile(net, target="interpret")(net.init(), x=np.zeros((2, 1, 2), np.float32))
    assert out.grad == {}


def test_one_name_is_one_name() -> None:
    program = compiler.compile(lstm(), "L", wrt="W_f", returns="h", target="interpret")
    out = program(lstm().init(), **inputs())
    assert set(out.grad) == {"W_f"}
    assert set(out.value) == {"L", "h"}


# ---- a call ----------------------------------------------------------------------------------------
def test_inputs_are_given_by_name(program: compiler.Program) -> None:
    x, y = inputs().values()
    for unnamed in ((x, y), (x,)):
        with pytest.raises(TypeError, match=r"inputs are given by name.*\n  expected: prog\(params, x=x, y=y\)"):
            program(lstm().init(), *unnamed)
    with pytest.raises(TypeError, match=r"expected: evaluate\(net, params, x=x, y=y\)"):
        graph.evaluate(lstm(), lstm().init(), x, y)


def test_a_call_does_not_walk_the_circuit(program: compiler.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {n: np.zeros((B, 4), np.float32) for n in "hc"}
    before = program(lstm().init(), **inputs(), initial=state)

    def walked(*_: Any) -> None:
        raise RuntimeError("a call walked the circuit")

    for module in ("graph.inputs", "graph.carry", "compiler.initial"):
        monkeypatch.setattr(importlib.import_module(f"bptt.{module}"), "topological", walked)
    after = program(lstm().init(), **inputs(), initial=state)
    assert (before.loss, list(before.final)) == (after.loss, list(after.final))
    with pytest.raises(RuntimeError, match="walked"):
        graph.evaluate(lstm(), lstm().init(), **inputs())


def inputs(dtype: str = "float32") -> dict[str, Any]:
    return {"x": np.zeros((T, B, 3), dtype), "y": np.zeros((T, B), int)}


@pytest.fixture(scope="module")
def program() -> compiler.Program:
    return compiler.compile(lstm(), target="interpret")


Y = np.zeros((T, B), int)
GIVEN: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "float16": ({"x": np.zeros((T, B, 3), np.float16)}, TypeError, "the input x: expected .* float32, got float16"),
    "complex": ({"x": np.zeros((T, B, 3), complex)}, TypeError, "expected an array of float32, got complex128"),
    "text": ({"x": "abc"}, TypeError, "the input x: expected an array of float32"),
    "truth": ({"y": Y == 0}, TypeError, "the input y: expected symbols, .* got an array of bool"),
    "other T": ({"y": Y[:3]}, ValueError, r"the input y of lstm: expected .* T = 4, B = 2, .* got \(3, 2\)"),
    "other B": ({"y": Y[:, :1]}, ValueError, r"the input y of lstm: .* got \(4, 1\)"),
    "no step": ({"x": np.zeros((0, B, 3), np.float32), "y": Y[:0]}, ValueError, "at least one step"),
    "no row": ({"x": np.zeros((T, 0, 3), np.float32), "y": Y[:, :0]}, ValueError, "at least one step"),
    "target under -1": ({"y": Y - 2}, ValueError, r"from 0 to 4 \(or -1, no target\), got -2 at \[0, 0\]"),
    "huge symbol": ({"y": np.full((T, B), 2**64 - 1, np.uint64)}, ValueError, "expected symbols from 0 to 4"),
    "lengths of bool": ({"lengths": [True, True]}, ValueError, "lengths of t: expected whole numbers"),
    "lengths of text": ({"lengths": "ab"}, ValueError, "lengths of t: expected whole numbers"),
    "lengths in two axes": ({"lengths": [[1, 2]]}, ValueError, "lengths of t: expected whole numbers, one a seq"),
    "lengths of NaN": ({"lengths": [np.nan, 1]}, ValueError, "lengths of t: expected whole numbers"),
    "negative length": ({"lengths": [4, -1]}, ValueError, "expected 1 to T = 4, got -1"),
    "no lengths": ({"lengths": []}, ValueError, "lengths of t: expected"),
    "lengths of s": ({"lengths": {"s": [1, 1]}}, ValueError, "lstm has no index s; expected t"),
    "start of half": ({"start": 1.5}, ValueError, "start: expected"),
    "start of truth": ({"start": True}, ValueError, "start: expected"),
    "seed of half": ({"seed": 0.5}, ValueError, "seed: expected a whole number"),
    "seed too large": ({"seed": 2**64}, ValueError, r"seed: expected a whole number from 0 to 2\*\*64 - 1"),
    "initial of a list": ({"initial": [1]}, TypeError, "initial: expected state -> array"),
    "initial input": ({"initial": {"x": np.zeros((B, 3))}}, ValueError, "carries no x .*; it carries h, c"),
    "near name": ({"xx": np.zeros(3)}, ValueError, "lstm has no input xx; it has x, y; did you mean x?"),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_does_not_fit_is_named(program: compiler.Program, name: str) -> None:
    change, kind, text = GIVEN[name]
    with pytest.raises(kind, match=text):
        program(lstm().init(), **{**inputs(), **change})
    assert np.isfinite(program(lstm().init(), **inputs()).loss or np.nan)  # the program still works


PARAMS: dict[str, tuple[Any, type[Exception], str]] = {
    "none": (lambda p: None, TypeError, "params: expected name -> array, .* got NoneType"),
    "list": (lambda p: list(p.values()), TypeError, "params: expected name -> array, .* got list"),
    "missing": (lambda p: {n: a for n, a in p.items() if n != "V"}, ValueError, "the parameter V of lstm is missing"),
    "unknown": (lambda p: p | {"VV": p["V"]}, ValueError, "lstm has no parameter VV; .* did you mean V?"),
    "shape": (lambda p: p | {"V": p["V"].T}, ValueError, r"parameter V: expected the shape \(5, 4\), got \(4, 5\)"),
    "dtype": (lambda p: p | {"V": p["V"].astype(float)}, TypeError, "the parameter V: expected .* got float64"),
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_that_do_not_fit_are_named(program: compiler.Program, name: str) -> None:
    change, kind, text = PARAMS[name]
    with pytest.raises(kind, match=text):
        program(change(lstm().init()), **inputs())


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_symbols_and_lengths_of_any_whole_kind(program: compiler.Program, dtype: str) -> None:
    given = inputs() | {"y": np.array([[0, 4], [1, 3], [2, 2], [4, 0]])}
    expected = program(lstm().init(), **given, lengths=[4, 2])
    given["y"] = given["y"].astype(dtype)
    assert program(lstm().init(), **given, lengths=np.array([4, 2], dtype)).loss == expected.loss


def test_symbols_are_checked_within_the_lengths_only(program: compiler.Program) -> None:
    y = np.zeros((T, B), int)
    y[2:, 1] = 99
    program(lstm().init(), **inputs() | {"y": y}, lengths=[4, 2])
    with pytest.raises(ValueError, match=r"got 99 at \[2, 1\]"):
        program(lstm().init(), **inputs() | {"y": y}, lengths=[4, 3])


def test_symbols_read_from_a_table_have_no_minus_one() -> None:
    net = rnn.acceptor(x=6, h=4, o=3)
    program = compiler.compile(net, target="interpret")
    x, y = np.zeros((T, B), int), np.zeros(B, int)
    assert program(net.init(), x=x, y=y - 1).loss == 0.0  # no target in any sequence
    with pytest.raises(ValueError, match=r"the input x: expected symbols from 0 to 5, got -1 at \[0, 0\]"):
        program(net.init(), x=x - 1, y=y)
    with pytest.raises(ValueError, match=r"the input y: expected an array \[B\] of whole numbers"):
        program(net.init(), x=x, y=np.zeros((T, B), int))


def test_lengths_of_two_sequences() -> None:
    net = rnn.attention(x=6, e=4, d=3, o=5)
    program = compiler.compile(net, target="interpret")
    given: dict[str, Any] = {"params": net.init(), "x": np.zeros((S, B), int), "y": np.zeros((T, B), int)}
    params = given.pop("params")
    program(params, **given, lengths={"t": [1, 4], "s": [3, 2]})
    with pytest.raises(ValueError, match="lengths of s: expected 1 to S = 3, got 4"):
        program(params, **given, lengths={"s": [4, 1]})
    with pytest.raises(ValueError, match="lengths of s: expected 1 to S = 3, got 0"):
        program(params, **given, lengths={"t": [1, 1], "s": [1, 0]})


def test_an_unfolded_graph_compiles_to_its_loop() -> None:
    net = lstm()
    given = inputs() | {"x": np.random.default_rng(0).normal(size=(T, B, 3)).astype(np.float32)}
    of_loop = compiler.compile(net, target="interpret")
    of_graph = compiler.compile(graph.unfold(net, T), target="interpret")
    assert str(of_graph.loops) == str(of_loop.loops)
    assert of_graph(net.init(), **given).loss == of_loop(net.init(), **given).loss


def test_symbols_before_the_start_are_checked_too() -> None:
    net = rnn.define("x[0] = 2\nh[t] = tanh(W @ h[t-1] + E[x[t-1]])\nL = sum(h[T])")(h=3, x=4)
    program = compiler.compile(net, target="interpret")
    h, x = np.zeros((B, 3), np.float32), np.zeros((T, B), int)
    program(net.init(), x=x, initial={"h": h, "x": np.array([3, 0])})
    with pytest.raises(ValueError, match=r"x\[0\]: expected symbols from 0 to 3.*, got 4 at \[1\]"):
        program(net.init(), x=x, initial={"h": h, "x": np.array([0, 4])})

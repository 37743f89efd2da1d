"""The callable: arrays by name, lengths in any order, state carried between windows, errors that help."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.program import Output
from bptt.graph.errors import CircuitError
from bptt.rnn.optim.flat import alike

CELL = """
    f[t], g[t] = split(W @ h[t-1] + R @ h[t-2] + U @ x[t] + b, 2)
    h[t] = sigmoid(f[t]) * h[t-1] + tanh(g[t])
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
LENGTHS = [2, 6, 1, 4]
T, B = 6, 4


def net() -> Any:
    return rnn.define(CELL, name="two lags")(x=3, h=5, o=4)


def arguments(seed: int = 0, dtype: str = "float64") -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "params": net().init(seed=seed, dtype=dtype),
        "x": random.normal(size=(T, B, 3)).astype(dtype),
        "y": random.integers(0, 4, (T, B)).astype(np.int32),
    }


def call(program: Any, params: Any, **given: Any) -> Output:
    return program(params, **given)


@pytest.fixture(scope="module")
def program() -> Any:
    return compiler.compile(net(), "L", wrt=None, returns=("h",), target="interpret", dtype="float64")


def test_gradients_in_arrays_that_were_given(program: Any) -> None:
    """Parameters that are read in parts, W of two gates, too; nothing of the call before is left."""
    one, two = (arguments(seed) for seed in (0, 1))
    given = {name: np.zeros_like(p) for name, p in one["params"].items()}
    for arrays in (one, two):
        params = arrays.pop("params")
        out = program.call(params, arrays, lengths=LENGTHS, grad=given)
        expected = call(program, params, **arrays, lengths=LENGTHS)
        assert out.loss == expected.loss
        assert set(out.grad) == set(given)
        for name, array in given.items():
            assert np.shares_memory(out.grad[name], array)
            assert (array == expected.grad[name]).all()
            assert (out.grad[name] == array).all()


def test_a_ragged_batch_in_any_order(program: Any) -> None:
    given = arguments()
    out = call(program, **given, lengths=LENGTHS)
    expected = graph.evaluate(
        graph.grad(net(), "L"), given["params"], x=given["x"], y=given["y"], lengths=LENGTHS
    )
    assert isinstance(out, Output)
    assert np.isclose(out.loss, expected["L"].mean(), atol=1e-12)
    assert np.allclose(out.value["h"], expected["h"], atol=1e-12)
    assert np.allclose(out.value["L"], expected["L"], atol=1e-12)
    for name in given["params"]:
        assert out.grad[name].shape == given["params"][name].shape
        assert np.allclose(out.grad[name], expected[graph.grad(net(), "L").grads[name]], atol=1e-12), name
    for r, n in enumerate(LENGTHS):
        assert not out.value["h"][n:, r].any()
        assert np.array_equal(out.final["h"][-1, r], out.value["h"][n - 1, r])
    before = np.zeros(5)
    assert np.array_equal(out.final["h"][0, 2], before)  # a sequence of one step reaches back to its start


def test_padding_is_never_read(program: Any) -> None:
    given = arguments()
    clean = call(program, **given, lengths=LENGTHS)
    for r, n in enumerate(LENGTHS):
        given["x"][n:, r] = np.nan
        given["y"][n:, r] = -99
    dirty = call(program, **given, lengths=LENGTHS)
    assert clean.loss == dirty.loss
    assert all(np.array_equal(clean.grad[n], dirty.grad[n]) for n in clean.grad)


def test_lengths_shorter_than_the_array(program: Any) -> None:
    given = arguments()
    out = call(program, **given, lengths=[3, 2, 2, 1])
    short = program(given["params"], x=given["x"][:3], y=given["y"][:3], lengths=[3, 2, 2, 1])
    assert out.loss == short.loss
    assert out.value["h"].shape == (T, B, 5)
    assert np.array_equal(out.value["h"][:3], short.value["h"])
    assert not out.value["h"][3:].any()


def test_windows_are_one_long_run(program: Any) -> None:
    given = arguments()
    whole = call(program, **given)
    first = program(given["params"], x=given["x"][:4], y=given["y"][:4])
    assert first.final["h"].shape == (2, B, 5)
    second = program(given["params"], x=given["x"][4:], y=given["y"][4:], initial=first.final, start=5)
    pieces = np.concatenate([first.value["h"], second.value["h"]])
    assert np.allclose(pieces, whole.value["h"], atol=1e-14)
    assert np.allclose(second.final["h"], whole.final["h"], atol=1e-14)


def test_results_belong_to_the_caller(program: Any) -> None:
    given = arguments()
    first = call(program, **given)
    kept = {n: a.copy() for n, a in first.grad.items()}
    call(program, **arguments(seed=1))
    assert all(np.array_equal(first.grad[n], kept[n]) for n in kept)


def test_kernels_write_gradients_where_the_caller_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """New arrays in each call; those that were given, aligned or not, one of them in pieces; all without a trace of
    what was in them."""
    net = rnn.elman(x=16, h=16, o=3)
    params, rng = net.init(seed=1), np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(5, 4, 16)).astype("float32"), "y": rng.integers(0, 3, (5, 4))}
    program = compiler.compile(net, threads=2)
    monkeypatch.setenv("BPTT_CHECK", "1")
    first = program(params, **arrays).grad
    kept = {n: a.copy() for n, a in first.items()}
    given = {n: np.full(a.size + 1, 7, a.dtype)[1:].reshape(a.shape) for n, a in kept.items()}
    apart = {n: np.full((*a.shape, 2), 7, a.dtype)[..., 0] for n, a in kept.items()}
    for grad in (None, alike(kept), given, apart):
        out = program.call(params, arrays, grad=grad).grad
        for name, array in kept.items():
            assert grad is None or np.shares_memory(out[name], grad[name])
            assert not np.shares_memory(out[name], first[name])
            np.testing.assert_array_equal(out[name], array)
            np.testing.assert_array_equal(first[name], array)


def test_what_was_checked_before_is_checked_again_where_it_has_changed() -> None:
    """The same arrays are not looked at twice; others are, and so is what was changed in place."""
    net = rnn.elman(x=16, h=16, o=3)
    params, rng = net.init(seed=1), np.random.default_rng(0)
    program = compiler.compile(net, threads=2)
    expected = compiler.compile(net, target="interpret")

    def agree(**given: Any) -> None:
        found, wanted = program(params, **given), expected(params, **given)
        assert np.isclose(found.loss, wanted.loss, rtol=1e-5)
        for name, array in wanted.grad.items():
            np.testing.assert_allclose(found.grad[name], array, atol=1e-5, err_msg=name)

    x, y = rng.normal(size=(5, 4, 16)).astype("float32"), rng.integers(0, 3, (5, 4))
    agree(x=x, y=y)
    agree(x=x, y=y)
    agree(y=y, x=2 * x)  # another order, another array
    agree(x=3 * x, y=y)
    agree(x=x, y=y)
    agree(x=np.asfortranarray(x), y=y[::-1])
    agree(x=x[:3, :2], y=y[:3, :2])  # other sizes, which are no copies
    agree(x=x, y=y, lengths=[1, 5, 2, 2])
    agree(x=x, y=y, lengths=[5, 1, 2, 2])  # the same sizes, other rows
    agree(x=x, y=y)
    agree(x=x, y=y, initial={"h": np.ones((4, 16), np.float32)})
    agree(x=x, y=y)
    params["W"] *= 0.5  # the same array with other numbers
    agree(x=x, y=y)
    params["W"] = params["W"] * 0.5
    agree(x=x, y=y)

    def refused(kind: type[Exception], text: str, given: dict[str, Any], **changed: Any) -> None:
        with pytest.raises(kind, match=text):
            program(given, **{"x": x, "y": y, **changed})
        agree(x=x, y=y)

    refused(TypeError, "got float64", params, x=x.astype("float64"))
    refused(ValueError, "expected .T, B, 16.", params, x=x[..., :8])
    refused(ValueError, "that is the shape", params, x=x[:4])
    refused(ValueError, "expected symbols from 0 to 2", params, y=np.full((5, 4), 3))
    refused(ValueError, "got -2", params, y=np.full((5, 4), -2))
    refused(TypeError, "expected symbols", params, y=y.astype("float32"))
    refused(ValueError, "parameter b of elman is missing", {n: p for n, p in params.items() if n != "b"})
    refused(ValueError, "no parameter z", {**params, "z": x})
    whole = params["W"].shape
    params["W"].shape = (256,)
    with pytest.raises(ValueError, match="the parameter W: expected the shape"):
        program(params, x=x, y=y)
    params["W"].shape = whole
    agree(x=x, y=y)


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no input": ({"x": None}, ValueError, r"the input x of two lags is missing"),
    "dtype": ({"x": np.zeros((T, B, 3), np.float32)}, TypeError, "expected an array of float64, got float32"),
    "size": ({"x": np.zeros((T, B, 2))}, ValueError, r"the input x of two lags: expected \[T, B, 3\]"),
    "rank": ({"x": np.zeros((T, 3))}, ValueError, r"expected an array \[T, B, 3\], got the shape \(6, 3\)"),
    "symbols": ({"y": np.zeros((T, B))}, TypeError, "the input y: expected symbols"),
    "range": ({"y": np.full((T, B), 4)}, ValueError, "expected symbols from 0 to 3"),
    "zero length": ({"lengths": [0, 1, 2, 3]}, ValueError, "expected 1 to T = 6, got 0"),
    "long": ({"lengths": [7, 1, 2, 3]}, ValueError, "expected 1 to T = 6, got 7"),
    "fraction": ({"lengths": [1.5, 1, 2, 3]}, ValueError, "expected whole numbers"),
    "count": ({"lengths": [1, 2]}, ValueError, "expected one for each of the 4 sequences, got 2"),
    "seed": ({"seed": -1}, ValueError, "seed: expected a whole number"),
    "start": ({"start": 0}, ValueError, "start: expected the number of the first step"),
    "unknown": ({"z": np.zeros(3)}, ValueError, "has no input z"),
    "state": (
        {"initial": {"g": np.zeros((B, 5))}},
        ValueError,
        "carries no g from window to window; it carries h",
    ),
    "lags": ({"initial": {"h": np.zeros((B, 5))}}, ValueError, r"initial h: expected an array \[2, B, 5\]"),
    "state's dtype": ({"initial": {"h": np.zeros((2, B, 5), np.float32)}}, TypeError, "got float32"),
    "state's size": ({"initial": {"h": np.zeros((2, B + 1, 5))}}, ValueError, r"h\[0\]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(program: Any, name: str) -> None:
    change, kind, text = WRONG[name]
    given = {k: v for k, v in {**arguments(), **change}.items() if v is not None}
    with pytest.raises(kind, match=text):
        call(program, **given)


def test_what_reads_the_future_has_no_initial_state() -> None:
    text = "h[t] = tanh(W * h[t-1] + a[t+1])\na[t] = x[t] * 2\nL = sum(h[t], over=t)"
    both = rnn.define(text, name="ahead")(x=(), h=())
    out = compiler.compile(both, target="interpret", dtype="float64")
    given = {"params": both.init(dtype="float64"), "x": np.ones((3, 2))}
    assert call(out, **given).final == {}
    with pytest.raises(CircuitError, match=r"a\[t\+1\]"):
        call(out, **given, initial={"h": np.zeros(2)})


def test_the_interpreter_shows_its_loop_program(program: Any) -> None:
    assert program.source == str(program.loops)
    assert program.compilations == 0
    assert "two lags" in repr(program)


def test_compiled_and_interpreted_agree_and_a_second_process_compiles_nothing(program: Any) -> None:
    given = arguments()
    compiled = compiler.compile(net(), "L", returns=("h",), dtype="float64")
    out, expected = call(compiled, **given, lengths=LENGTHS), call(program, **given, lengths=LENGTHS)
    assert out.loss == pytest.approx(expected.loss, abs=1e-13)
    for name, array in expected.grad.items():
        assert np.allclose(out.grad[name], array, atol=1e-13), name
    count = compiled.compilations
    compiled(given["params"], x=given["x"][:2, :1], y=given["y"][:2, :1])
    assert compiled.compilations == count
    again = compiler.compile(net(), "L", returns=("h",), dtype="float64")
    assert call(again, **given, lengths=LENGTHS).loss == out.loss
    assert again.compilations == 0
    code = f"""
import numpy as np
from bptt import compiler, rnn
net = rnn.define({CELL!r}, name="two lags")(x=3, h=5, o=4)
program = compiler.compile(net, "L", returns=("h",), dtype="float64")
out = program(net.init(dtype="float64"), x=np.zeros((3, 2, 3)), y=np.zeros((3, 2), int))
print(program.compilations, compiler.cache.compilations())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["0", "0"], run.stderr


def test_importing_the_compiler_does_not_import_numba() -> None:
    code = "import sys, bptt.compiler.program, bptt.compiler.compile; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

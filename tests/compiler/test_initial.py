"""State from one program of a network to another, which may need more of it or less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph import build
from bptt.graph.expr import ref
from bptt.graph.truncate import truncate

T, B = 5, 2
# g needs three steps of h, two of u, one of itself; o one of h and of u; k two of h, one of u
NET = rnn.define(
    """
    h[t] = tanh(W @ h[t-1] + x[t])
    u[t] = tanh(U @ u[t-1] + x[t])
    o[t] = V @ h[t] + u[t]
    k[t] = h[t-2] + u[t]
    g[t] = tanh(x[t] + h[t-3] + u[t-2]) + g[t-1]
    """,
    name="lags",
)(x=3, h=3)
RANDOM = np.random.default_rng(0)


def compiled(*returns: str) -> compiler.Program:
    return compiler.compile(NET, returns=returns, target="interpret", dtype="float64")


def window(steps: int = T) -> Any:
    return RANDOM.normal(size=(steps, B, 3))


def test_the_newest_lags_are_taken_of_a_longer_state() -> None:
    params, first, second = NET.init(dtype="float64"), window(), window()
    handed = compiled("g", "k")(params, x=first).final
    assert {n: a.shape for n, a in handed.items()} == {"h": (3, B, 3), "u": (2, B, 3), "g": (B, 3)}
    both = np.concatenate([first, second])
    for names in (("o",), ("k",), ("k", "o"), ("g",)):
        program = compiled(*names)
        whole = program(params, x=both)
        out = program(params, x=second, initial=handed, start=T + 1)
        for name in names:
            assert np.allclose(out.value[name], whole.value[name][T:], atol=1e-14), name


def test_fewer_lags_than_are_needed_are_refused() -> None:
    params, handed = NET.init(dtype="float64"), compiled("o")(NET.init(dtype="float64"), x=window()).final
    assert handed["h"].shape == (B, 3)
    with pytest.raises(ValueError, match=r"initial h: expected an array \[3, B, 3\], the 3 steps before"):
        compiled("g")(params, x=window(), initial=handed)


WRONG = {
    "more than the network has": (
        ("k",),
        np.zeros((4, B, 3)),
        r"\[2, B, 3\], the 2 steps .*, or up to 3 such steps, of which the last 2 are taken, got the shape \(4, 2, 3\)",
    ),
    "more than the network has, of one": (("o",), np.zeros((4, B, 3)), r"\[B, 3\], or up to 3 such steps, .* is taken"),
    "an axis of one": (("o",), np.zeros((1, B, 3)), r"got the shape \(1, 2, 3\)"),
    "an axis too many": (("o",), np.zeros((2, 2, B, 3)), r"got the shape \(2, 2, 2, 3\)"),
    "an axis too few": (("o",), np.zeros(3), r"got the shape \(3,\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_could_be_something_else_is_refused(case: str) -> None:
    names, array, text = WRONG[case]
    with pytest.raises(ValueError, match=text):
        compiled(*names)(NET.init(dtype="float64"), x=window(), initial={"h": array})


def test_states_that_are_not_needed_are_left_alone_and_unknown_ones_are_not() -> None:
    params, x = NET.init(dtype="float64"), window()
    program = compiled("h")
    out = program(params, x=x, initial={"u": np.zeros((2, B, 3)), "g": None})
    assert np.array_equal(out.value["h"], program(params, x=x).value["h"])
    with pytest.raises(ValueError, match=r"lags carries no uu from window to window; it carries h$"):
        program(params, x=x, initial={"uu": np.zeros((B, 3))})


# ---- derivatives by a start ------------------------------------------------------------------------
LINKED = """
    h[t] = tanh(W @ h[t-1] + U @ h[t-2] + x[t] * t)
    g[t] = tanh(x[t-1] * h[t] + g[t-1])
    J = sum(sum(g[t]**2), over=t)
    L = J + sum(a * h[T] + b * h[T-1]) + sum(c * g[T]) + sum(d * x[T])
"""


def test_gradients_of_windows_chain_to_that_of_the_whole() -> None:
    """What is handed on is a function of the window before: its gradient is that window's by what it hands on."""
    net = rnn.define(LINKED, inputs=("a", "b", "c", "d"))(x=3, h=3)
    states = ["h[0]", "h[-1]", "g[0]", "x[0]"]
    program = compiler.compile(net, wrt=["W", "U", "x", *states], target="interpret", dtype="float64")
    params, nothing = net.init(1, "float64"), np.zeros((B, 3))
    x, none = window(7), {"a": nothing, "b": nothing, "c": nothing, "d": nothing}
    initial = {"h": RANDOM.normal(size=(2, B, 3)), "g": RANDOM.normal(size=(B, 3)), "x": RANDOM.normal(size=(B, 3))}
    whole = program(params, x=x, initial=initial, start=2, **none).grad
    before = program(params, x=x[:4], initial=initial, start=2, **none).final
    last = program(params, x=x[4:], initial=before, start=6, **none).grad
    # the loss is a mean over the batch, its sum over the rows B times that
    seeds = {n: B * last[state] for n, state in zip("abcd", states, strict=True)}
    first = program(params, x=x[:4], initial=initial, start=2, **seeds).grad
    assert all(np.abs(last[n]).max() > 1e-3 for n in states)
    for n in ("W", "U"):
        assert np.allclose(first[n] + last[n], whole[n], atol=1e-13), n
    for n in states:
        assert np.allclose(first[n], whole[n], atol=1e-13), n
    assert np.allclose(np.concatenate([first["x"], last["x"]]), whole["x"], atol=1e-13)


@pytest.mark.parametrize("counts", [False, True], ids=["whole loss", "truncated loss"])
def test_a_start_of_its_own_has_a_gradient_at_every_start(counts: bool) -> None:
    text = "h[0] = k;  h[t] = tanh(W @ h[t-1] + x[t]);  L = mean(sum(h[t]**2), over=t)"
    net = rnn.define(text)(x=3, h=3)
    circuit, name = truncate(net) if counts else (net, "")
    params, x = {"W": np.eye(3) / 2, "k": np.full(3, 0.3)}, window(4)
    more = {name: np.array([0.0, 0.0, 1.0, 1.0])[:, None].repeat(B, 1)} if counts else {}
    program = compiler.compile(circuit, target="interpret", dtype="float64")
    found = [program(params, x=x, start=start, **more) for start in (1, 6)]
    assert found[0].loss == found[1].loss  # no equation reads t
    for out in found:
        for i, step in enumerate(1e-6 * np.eye(3)):
            above, below = (program(params | {"k": params["k"] + s}, x=x, start=6, **more).loss for s in (step, -step))
            assert out.grad["k"][i] == pytest.approx((above - below) / 2e-6, rel=1e-6)


def test_second_derivatives_by_a_start_are_those_of_the_same_steps() -> None:
    """G = |gradient by h[0]|² of a window from step 6 on."""
    net = rnn.define("h[t] = tanh(W @ h[t-1] + x[t]);  L = mean(sum(h[t]**2), over=t)")(x=3, h=3)
    adjoint = graph.grad(net, "L", "h[0]")
    root = adjoint.eqs["δh[0]"]
    size = build.sum_all(build.power(ref("δh[0]", root), 2.0))
    both = adjoint.with_eqs({**adjoint.eqs, "G": build.reduce(size, ["b"])}, grads={}, order="")
    program = compiler.compile(both, "G", wrt=["W"], target="interpret", dtype="float64")
    params, x = {"W": np.eye(3) / 2}, window(4)
    first, later = (program(params, x=x, start=start) for start in (1, 6))
    assert first.loss == later.loss > 1e-3
    assert np.abs(later.grad["W"]).max() > 1e-3
    assert np.array_equal(first.grad["W"], later.grad["W"])

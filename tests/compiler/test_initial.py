"""State from one program of a network to another, which may need more of it or less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn

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

"""Sizes: what follows, what is assumed in which order, and what an error says of clashes and free sizes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from bptt.graph import LanguageError
from bptt.rnn import define

ELMAN = """
    h[t] = tanh(W @ h[t-1] + U @ x[t] + b)
    o[t] = V @ h[t] + c
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


def shapes(text: str, options: dict[str, Any] | None = None, **sizes: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of parameters, inputs and signals."""
    net = define(text, **(options or {}))(**sizes)
    return {**net.params, **net.inputs, **net.outputs}


def fails(text: str, options: dict[str, Any] | None = None, **sizes: Any) -> LanguageError:
    with pytest.raises(LanguageError) as caught:
        define(text, name="net", **(options or {}))(**sizes)
    return caught.value


def test_sizes_follow_from_a_few() -> None:
    found = shapes(ELMAN, x=3, h=4, o=5)
    assert found == {"W": (4, 4), "U": (4, 3), "b": (4,), "V": (5, 4), "c": (5,), "x": (3,), "y": (),
                     "h": (4,), "o": (5,), "L": ()}  # fmt: skip
    assert shapes(ELMAN, U=(4, 3), y=5) == found
    assert shapes(ELMAN, b=4, x=(3,), c=(5,)) == found


# text, sizes -> some of the shapes
FOLLOWS: dict[str, tuple[str, dict[str, Any], dict[str, tuple[int, ...]]]] = {
    "a bare name in a product is a matrix": ("h[t] = W @ x[t]", {"h": 2, "x": 3}, {"W": (2, 3)}),
    "an indexed one is a vector": ("h[t] = x[t] @ W", {"h": 2, "x": 3}, {"W": (3, 2)}),
    "a static input is a vector": ("h[t] = W @ v + x[t]", {"v": 2, "x": 3}, {"W": (3, 2)}),
    "products of matrices": ("h[t] = (A @ B) @ x[t]", {"x": 3, "h": 2, "A": (2, 5)}, {"B": (5, 3)}),
    "a stated vector in a product": ("k = W @ m\nh[t] = k + x[t]", {"x": 3, "m": 2}, {"W": (3, 2)}),
    "a scalar product": ("h[t] = w @ x[t]", {"h": (), "x": 3}, {"w": (3,)}),
    "beside a vector a vector": ("h[t] = a * x[t] + b", {"x": 3}, {"a": (3,), "b": (3,)}),
    "beside a scalar a scalar": ("h[t] = a * sum(x[t]) + b", {"x": 3}, {"a": (), "b": (), "h": ()}),
    "a number says nothing": ("h[t] = (1 - a) * x[t]", {"x": 3}, {"a": (3,)}),
    "a condition says nothing": ("h[t] = where(t % 2 == 0, a, x[t])", {"x": 3}, {"a": (3,)}),
    "a declared scalar": ("h[t] = a * x[t]", {"x": 3, "a": ()}, {"a": (), "h": (3,)}),
    "nested operations are one": ("h[t] = a * tanh(b + c * x[t])", {"x": 3}, {"a": (3,), "c": (3,)}),
    "a scalar by itself": ("k[t] = 0.9 * k[t-1] + 1\nh[t] = k[t] * x[t]", {"x": 3}, {"k": (), "h": (3,)}),
    "scalars by each other": ("k[t] = m[t-1] + 1\nm[t] = k[t] * 2", {}, {"k": (), "m": ()}),
    "a vector by its start": ("k[t] = 0.9 * k[t-1]\nk[0] = W @ v", {"W": (3, 2)}, {"k": (3,), "v": (2,)}),
    "a start of one number": ("h[t] = h[t-1] + x[t]\nh[0] = 1", {"x": 3}, {"h": (3,)}),
    "a parameter as start": ("h[t] = h[t-1] + x[t]\nh[0] = c", {"x": 3}, {"c": (3,)}),
    "its first use": ("A = softmax(k)\nh[t] = A @ x[t]", {"x": 3, "h": 2}, {"k": (2, 3)}),
    "a use as a start": ("c = v\nh[t] = F @ h[t-1]\nh[0] = c", {"h": 3}, {"v": (3,), "F": (3, 3)}),
    "softmax of a vector": ("p = softmax(k)\nL = cross_entropy(p, y)", {"y": 3}, {"k": (3,)}),
    "a number as a vector": ("h[t] = 1", {"h": 3}, {"h": (3,)}),
    "a row of a table": ("h[t] = W @ h[t-1] + E[x[t]]", {"h": 2, "x": 5}, {"E": (5, 2)}),
    "a table of two": ("o[t] = A[x[t], z[t]]", {"o": 2, "x": 3, "z": 4}, {"A": (3, 4, 2)}),
    "a column": ("h[t] = B[:, x[t]]", {"h": 2, "x": 5}, {"B": (2, 5)}),
    "an integer symbol": ("h[t] = E[2] + E[x[t]]", {"h": 2, "x": 5}, {"E": (5, 2)}),
    "an element": ("p = softmax(k)\nL = -log(p[y])", {"y": 5}, {"k": (5,), "L": ()}),
    "targets": ("L = mean(cross_entropy(o[t], y[t]), over=t)", {"y": 5}, {"o": (5,)}),
    "soft targets": ("q[t] = softmax(x[t])\nL[t] = cross_entropy(o[t], q[t])", {"x": 4}, {"o": (4,)}),
    "onehot": ("h[t] = onehot(y[t]) + softmax(x[t])", {"x": 4}, {"h": (4,)}),
    "argmax": ("k[t] = argmax(x[t])\nh[t] = E[k[t]]", {"x": 4, "h": 2}, {"E": (4, 2)}),
    "concat": ("h[t] = concat(x[t], y[t], x[t])", {"h": 7, "y": 3}, {"x": (2,)}),
    "several concats": ("h[t] = concat(a[t], b[t])\nk[t] = concat(a[t], a[t], b[t])", {"h": 5, "k": 8},
                        {"a": (3,), "b": (2,)}),
    "concat in a loop": ("z[t] = W @ concat(z[t-1], x[t])", {"z": 4, "x": 3}, {"W": (4, 7)}),
    "split": ("i[t], f[t] = split(W @ x[t], 2)", {"i": 3, "x": 2}, {"W": (6, 2), "f": (3,)}),
    "einsum": ("h[t] = einsum('ijk,k->ij', A, x[t])", {"A": (2, 3, 4)}, {"x": (4,), "h": (2, 3)}),
    "outer": ("C[t] = 0.9 * C[t-1] + outer(x[t], y[t])", {"x": 2, "y": 3}, {"C": (2, 3)}),
    "transposes": ("h[t] = W.T @ (W @ x[t])", {"x": 2, "W": (5, 2)}, {"h": (2,)}),
    "a diagonal": ("h[t] = diag(v) @ M @ x[t]", {"x": 2, "h": 3}, {"v": (3,), "M": (3, 2)}),
    "the log semiring": ("h[t] = logmatmul(A, x[t])", {"x": 2, "h": 3}, {"A": (3, 2)}),
    "the last axis": ("h = sum(M, over=-1)\nk[t] = M @ x[t]", {"x": 2, "k": 3}, {"M": (3, 2), "h": (3,)}),
    "all features": ("L = sum(M * M)\nk[t] = M @ x[t]", {"x": 2, "k": 3}, {"L": ()}),
    "a position": ("w[t, s] = x[t] @ M @ e[s]\nL = sum(w[t, y[t]], over=t)", {"x": 2, "e": 3}, {"y": ()}),
    "zoneout": ("h[t] = zoneout(x[t], h[t-1], 0.1)", {"x": 2}, {"h": (2,)}),
    "functions for two sizes": ("f(a) = tanh(a + a)\nh[t] = f(x[t])\nk[t] = f(y[t])", {"x": 2, "y": 3},
                                {"h": (2,), "k": (3,)}),
    "opaque": ("h[t] = f(h[t-1], x[t])", {"h": 3}, {"h": (3,), "x": ()}),
}  # fmt: skip
OPTIONS = {"a static input is a vector": {"inputs": ("v",)}, "a vector by its start": {"inputs": ("v",)},
           "a use as a start": {"inputs": ("v",)}, "opaque": {"opaque": ("f",)}}  # fmt: skip


@pytest.mark.parametrize("case", FOLLOWS)
def test_what_follows(case: str) -> None:
    text, sizes, expected = FOLLOWS[case]
    found = shapes(text, OPTIONS.get(case), **sizes)
    assert {n: found[n] for n in expected} == expected


def test_defaults_do_not_depend_on_what_is_stated_elsewhere() -> None:
    """A use never widens a name: k is a scalar by its own equation, whatever multiplies it."""
    text = "k[t] = 0.9 * k[t-1] + 1\n"
    assert shapes(text + "h[t] = k[t] + x[t]", x=3)["k"] == ()
    error = fails(text + "h[t] = W @ k[t]", h=3)
    assert "k is a scalar where a vector is needed" in str(error)
    assert "line 1: k[t] = 0.9 * k[t-1] + 1" in str(error)
    assert shapes(text + "h[t] = W @ k[t]", h=3, k=2)["W"] == (3, 2)


# ---- clashes -------------------------------------------------------------------------------------
def test_a_clash_names_the_equations_of_both_sizes() -> None:
    error = fails("h[t] = tanh(W @ h[t-1] + U @ x[t])\no[t] = V @ h[t]\np[t] = V @ x[t]", x=3, h=4)
    assert error.line == 3
    assert "the sizes 4 and 3 clash in V @ x[t]" in str(error)
    assert error.got == "4, by net(h=4); line 2: o[t] = V @ h[t]"
    assert error.expected == "3, by net(x=3)"


def test_a_clash_through_other_names() -> None:
    error = fails("a[t] = x[t] * 2\nb[t] = tanh(a[t])\nc[t] = b[t] + y[t]", x=3, y=4)
    assert error.line == 3
    for part in ("3", "4", "net(x=3)", "net(y=4)", "line 2: b[t] = tanh(a[t])", "line 1: a[t] = x[t] * 2"):
        assert part in str(error)


CLASHES: dict[str, tuple[str, dict[str, Any], str]] = {
    "only scalars broadcast": ("h[t] = x[t] + M", {"x": 3, "M": (3, 3)}, "the shapes clash"),
    "a matrix that does not fit": (ELMAN, {"x": 3, "h": 4, "o": 5, "W": (3, 4)}, "3 and 4 clash"),
    "@ of a scalar": ("h[t] = a @ x[t]", {"x": 3, "a": ()}, "a is a scalar"),
    "@ of three axes": ("h[t] = Q @ x[t]", {"x": 3, "Q": (2, 2, 3)}, "an array of 3 axes"),
    "a vector transposed": ("h[t] = v.T @ x[t]", {"x": 3, "v": 3}, "a vector where a matrix is needed"),
    "softmax of a scalar": ("h[t] = softmax(sum(x[t]))", {"x": 3}, "along the last axis"),
    "parts that are larger": ("h[t] = concat(x[t], y[t])", {"h": 3, "x": 3}, "do not add up"),
    "parts of different wholes": ("h[t] = concat(x[t], x[t])", {"h": 3}, "do not add up"),
    "cut unevenly": ("a[t], b[t] = split(x[t], 2)", {"x": 3}, "x[t] cannot be cut into 2 equal parts"),
    "no such symbol": ("h[t] = E[7] + E[x[t]]", {"h": 2, "x": 5}, "there is no symbol 7"),
    "no such start": ("h[t] = E[x[t-1]]\nx[0] = 5", {"h": 2, "x": 5}, "5 is no symbol of x"),
    "too many symbols": ("h[t] = B[x[t], x[t]]", {"h": (), "x": 5, "B": (5,)}, "2 indices"),
    "a table of another size": ("h[t] = E[x[t]]", {"x": 5, "E": (4, 2)}, "clash"),
    "vectors of different sizes": ("h[t] = dot(x[t], y[t])", {"x": 2, "y": 3}, "2 and 3 clash"),
    "a matrix for dot": ("h[t] = dot(M, x[t])", {"x": 2, "M": (2, 2)}, "the shapes clash"),
}


@pytest.mark.parametrize("case", CLASHES)
def test_what_clashes(case: str) -> None:
    text, sizes, part = CLASHES[case]
    assert part in str(fails(text, **sizes))


# ---- free sizes ----------------------------------------------------------------------------------
def test_free_sizes_have_one_representative_each_states_first() -> None:
    error = fails(ELMAN)
    assert error.mend == "say net(h=…, o=…, x=…)"
    assert "the size of h is free (it is also that of" in str(error)
    assert fails(ELMAN, h=4, o=5).mend == "say net(x=…)"
    assert fails(ELMAN, h=4, x=3).mend == "say net(o=…)"


def test_free_matrices_and_unknown_shapes() -> None:
    assert fails("h[t] = (A @ B) @ x[t]", x=3, h=2).mend == "say net(A=(2, …))"
    error = fails("h[t] = tanh(a * h[t-1])")
    assert "whether h is a scalar or a vector is not determined" in str(error)
    assert "h=() for a scalar" in str(error)
    assert "number of values of z" in str(fails("h[t] = E[z[t]]", h=2))


def test_sizes_that_are_none() -> None:
    for wrong in (0, -1, 2.5, "4", True, None, (3, 0), ("a",)):
        assert "is no size of h" in str(fails(ELMAN, h=wrong))
    assert "y is a symbol" in str(fails(ELMAN, y=(3, 4)))
    error = fails(ELMAN, hh=4)
    assert "net has no name hh" in str(error)
    assert "did you mean h?" in str(error)


def test_sizes_may_be_any_integers() -> None:
    import numpy as np

    assert shapes(ELMAN, x=np.int64(3), h=np.int32(4), o=[5])["V"] == (5, 4)


def test_binding_sizes_is_fast() -> None:
    """A few milliseconds from the text to the circuit of an LSTM; a wide margin, for slow machines."""
    gates = "".join(f"{g}[t] = sigmoid(W_{g} @ h[t-1] + U_{g} @ x[t] + b_{g})\n" for g in "ifqg")
    text = gates + "c[t] = f[t] * c[t-1] + i[t] * g[t]\nh[t] = q[t] * tanh(c[t])\no[t] = V @ h[t]"
    define(text)(x=64, h=256, o=96)
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        define(text)(x=64, h=256, o=96)
        best = min(best, time.perf_counter() - start)
    assert best < 0.1


def test_a_long_text_takes_linear_time() -> None:
    lines = [f"h{i}[t] = tanh(W{i} @ h{i}[t-1] + U{i} @ h{i - 1}[t] + b{i})" for i in range(1, 201)]
    sizes = {f"h{i}": 4 for i in range(1, 201)}
    net = define("\n".join(lines))(h0=4, **sizes)
    assert len(net.params) == 600

"""The Python form: the same language as the text; terms and how they are written."""

from __future__ import annotations

import numpy as np
from bptt.graph import (
    Equations,
    S,
    T,
    batch,
    concat,
    cross_entropy,
    evaluate,
    mean,
    s,
    softmax,
    split,
    sum,  # noqa: A004
    t,
    tanh,
    where,
)
from bptt.graph.language import depth, walk
from bptt.rnn import define


def test_the_python_form_is_the_same_language() -> None:
    text = """
        h[t] = tanh(W @ h[t-1] + U @ x[t] - b / 2)
        h[0] = 0.5
        i[t], f[t] = split(h[t], 2)
        w[t, s] = softmax(i[t] @ e[s], over=s)
        o[t] = V @ concat(i[t], f[t]) + where(t % 4 == 0, 1, -h[T]) + W.T @ h[t]
        k[t] = sum(w[t, s] * e[S], over=s)**2
        L = mean(cross_entropy(o[t], y[t]), over=(t, batch))
    """
    eq = Equations()
    h, x, o, y, w, i, f, e, k, W_, U, V, b = eq.names("h x o y w i f e k W U V b")
    h[t] = tanh(W_ @ h[t - 1] + U @ x[t] - b / 2)
    h[0] = 0.5
    i[t], f[t] = split(h[t], 2)
    w[t, s] = softmax(i[t] @ e[s], over=s)
    o[t] = V @ concat(i[t], f[t]) + where(t % 4 == 0, 1, -h[T]) + W_.T @ h[t]
    k[t] = sum(w[t, s] * e[S], over=s) ** 2
    eq["L"] = mean(cross_entropy(o[t], y[t]), over=(t, batch))
    one, other = define(text)(h=4, x=3), define(eq)(h=4, x=3)
    assert list(one.eqs) == list(other.eqs)
    assert all(one.eqs[n] is other.eqs[n] for n in one.eqs)


def test_terms_are_written_as_text() -> None:
    eq = Equations()
    a, b, c = eq.names("a b c")
    cases = {
        "(a + b) * c": (a + b) * c,
        "a - (b - c)": a - (b - c),
        "-a**2": -(a**2),
        "(-a)**2": (-a) ** 2,
        "a**(-1)": a**-1,
        "a @ (b @ c)": a @ (b @ c),
        "a[t-1] % 2 == 0": a[t - 1] % 2 == 0,
        "(a + b).T": (a + b).T,
        "a[:, b[t]]": a[:, b[t]],
        "softmax(a, over=(t, batch))": softmax(a, over=(t, batch)),
        "2 / a": 2 / a,
    }
    for text, term in cases.items():
        assert str(term) == text
    term = (a + b) * (a + b)
    assert depth(term) == 3
    assert len(list(walk(term))) == 5  # a and b once
    deep = a
    for _ in range(10_000):
        deep = deep + deep
    assert depth(deep) == 10_001
    assert str(deep).endswith("…")


def test_functions_that_double_a_sum_stay_small() -> None:
    doublings = "\n".join(["f0(a) = a + a", *(f"f{k}(a) = f{k - 1}(f{k - 1}(a))" for k in range(1, 6))])
    net = define(doublings + "\nh[t] = f5(x[t])")(x=2)
    assert evaluate(net, {}, x=np.ones((1, 1, 2)))["h"][0, 0, 0] == 2.0**32

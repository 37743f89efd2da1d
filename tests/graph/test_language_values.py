"""What equations mean: values of the language against plain NumPy, one sequence at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt.graph import evaluate
from bptt.rnn import define
from language_values import (
    BATCH,
    NUMBERS,
    STEPS,
    Array,
    E,
    F,
    K,
    M,
    Q,
    W,
    X,
    Y,
    a,
    cell_of,
    lse,
    rng,
    sigmoid,
    soft,
    u,
    v,
    value,
)

POINTWISE = {
    "tanh(x[t])": np.tanh(X),
    "sigmoid(x[t])": sigmoid(X),
    "relu(x[t])": np.maximum(X, 0),
    "exp(x[t])": np.exp(X),
    "log(exp(x[t]) + 1)": np.log(np.exp(X) + 1),
    "sin(x[t]) + cos(x[t])": np.sin(X) + np.cos(X),
    "sqrt(abs(x[t]))": np.sqrt(np.abs(X)),
    "sign(x[t]) * step(x[t])": np.sign(X) * (X > 0),
    "softplus(x[t])": np.log1p(np.exp(X)),
    "floor(3 * x[t])": np.floor(3 * X),
    "maximum(x[t], v)": np.maximum(X, v),
    "minimum(x[t], 0.1)": np.minimum(X, 0.1),
    "logaddexp(x[t], v)": np.logaddexp(X, v),
    "x[t] % 0.7": X % 0.7,
    "x[t]**2 - x[t]**3": X**2 - X**3,
    "x[t]**-1": 1 / X,
    "-x[t]**2": -(X**2),
    "abs(x[t])**(1/2)": np.abs(X) ** 0.5,
    "2 / x[t] - +x[t]": 2 / X - X,
    "where(x[t] > 0, x[t], a * x[t])": np.where(X > 0, X, a * X),
    "where((t > 1) * (t < 4), x[t], 0)": np.where((NUMBERS[..., None] > 1) & (NUMBERS[..., None] < 4), X, 0),
    "(x[t] > 0) + (x[t] <= v)": (X > 0) * 1.0 + (v >= X),
    "where(k[t] == 2, x[t], v) + 0 * sum(E[k[t]])": np.where(K[..., None] == 2, X, v),
    "x[t] * t + T": X * NUMBERS[..., None] + STEPS,
    "where(t % 2 == 0, x[t], -x[t])": np.where(NUMBERS[..., None] % 2 == 0, X, -X),
    "stop_gradient(x[t]) + a": X + a,
    "dropout(x[t], 0)": X,
    "zoneout(x[t], v, 0.0)": X,
}
FEATURES = {
    "sum(x[t]) + max(x[t])": X.sum(-1) + X.max(-1),
    "mean(x[t]) * a": X.mean(-1) * a,
    "sum(M) + mean(M) + max(M) + x[t]": M.sum() + M.mean() + M.max() + X,
    "sum(M, over=-1) + mean(M, over=-1) + max(M, over=-1) + x[t]": M.sum(-1) + M.mean(-1) + M.max(-1) + X,
    "softmax(x[t])": soft(X),
    "softmax(M) @ x[t]": X @ soft(M).T,
    "log_softmax(x[t])": np.log(soft(X)),
    "logsumexp(x[t])": lse(X),
    "logsumexp(M) + x[t]": lse(M) + X,
    "cumsum(x[t])": np.cumsum(X, -1),
    "layer_norm(x[t])": (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-5),
    "concat(x[t], y[t], v)": np.concatenate([X, Y, np.broadcast_to(v, X.shape)], -1),
    "onehot(k[t])": np.eye(4)[K],
    "onehot(argmax(x[t]))": np.eye(4)[X.argmax(-1)],
    "E[argmax(x[t])]": E[X.argmax(-1)],
    "ones(4) + zeros(4) * x[t]": np.ones((STEPS, BATCH, 4)),
    "ones(x[t]) * v + x[t]": X + v,
    "identity(4) @ x[t]": X,
    "mse(x[t], v)": ((X - v) ** 2).mean(-1),
}
PRODUCTS = {
    "W @ x[t]": X @ W.T,
    "y[t] @ W": Y @ W,
    "x[t] @ v": X @ v,
    "dot(x[t], v)": X @ v,
    "y[t] @ W @ x[t]": np.einsum("tbi,ij,tbj->tb", Y, W, X),
    "W.T @ y[t]": Y @ W,
    "x[t] @ W.T": X @ W.T,
    "transpose(W) @ y[t]": Y @ W,
    "(W @ M) @ x[t]": X @ (W @ M).T,
    "(W.T.T @ M.T) @ x[t]": X @ (W @ M.T).T,
    "outer(y[t], x[t]) @ v": np.einsum("tbi,tbj,j->tbi", Y, X, v),
    "diag(u) @ W @ x[t]": (X @ W.T) * u,
    "W @ diag(v) @ x[t]": (X * v) @ W.T,
    "diag(v) @ x[t]": X * v,
    "x[t] @ diag(v)": X * v,
    "y[t] @ (diag(u) @ W)": (Y * u) @ W,
    "(W @ diag(v)) @ x[t]": (X * v) @ W.T,
    "diag(v) @ diag(v)": np.diag(v * v),
    "einsum('ijk,k->ij', Q, x[t])": np.einsum("ijk,tbk->tbij", Q, X),
    "einsum('kji,j->ki', Q, y[t])": np.einsum("kji,tbj->tbki", Q, Y),
    "logmatmul(W, x[t])": lse(W + X[..., None, :]),
    "logmatmul(y[t], W)": lse(W.T + Y[..., None, :]),
    "maxmatmul(W, x[t])": (W + X[..., None, :]).max(-1),
}
SYMBOLS = {
    "E[k[t]]": E[K],
    "F[k[t], k[t]]": F[K, K],
    "W[:, k[t]]": W.T[K],
    "E[2] + E[k[t]]": E[2] + E[K],
    "v[k[t]]": v[K],
    "x[t][k[t]]": np.take_along_axis(X, K[..., None], -1)[..., 0],
    "x[t, k[t]]": np.take_along_axis(X, K[..., None], -1)[..., 0],
    "softmax(M)[k[t]]": soft(M)[K],
    "cross_entropy(x[t], k[t])": -np.log(np.take_along_axis(soft(X), K[..., None], -1)[..., 0]),
    "nll(softmax(x[t]), k[t])": -np.log(np.take_along_axis(soft(X), K[..., None], -1)[..., 0]),
    "nll(sigmoid(x[t]), k[t])": -np.log(np.take_along_axis(sigmoid(X), K[..., None], -1)[..., 0]),
    "cross_entropy(x[t], softmax(v))": -(soft(v) * np.log(soft(X))).sum(-1),
    "nll(softmax(x[t]), softmax(v))": -(soft(v) * np.log(soft(X))).sum(-1),
}


@pytest.mark.parametrize("expression", [*POINTWISE, *FEATURES, *PRODUCTS, *SYMBOLS])
def test_value_of_an_expression(expression: str) -> None:
    expected = {**POINTWISE, **FEATURES, **PRODUCTS, **SYMBOLS}[expression]
    found = (
        value("h = " + expression)
        if expression.startswith("diag(v) @ diag")
        else value("h[t] = " + expression)
    )
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-12, atol=1e-12)


def shifted(x: Array, k: int) -> Array:
    out = np.zeros_like(x)
    out[max(k, 0) : STEPS + min(k, 0)] = x[max(-k, 0) : STEPS - max(k, 0)]
    return out


TIMES = {
    "h[t] = x[t-1] + x[t-2]": shifted(X, 1) + shifted(X, 2),
    "h[t] = x[t+1] + 2 * x[t+3]": shifted(X, -1) + 2 * shifted(X, -3),
    "h[t] = x[1 + t - 2]": shifted(X, 1),
    "h = x[T]": X[-1],
    "h = x[T-1] + x[2]": X[-2] + X[1],
    "h = x[T-6]\nx[-1] = v": np.broadcast_to(v, (BATCH, 4)),
    "h[t] = x[t] + x[7]\nx[T+2] = v": X + v,
    "h[t] = x[t] + x[6] + x[5]\nx[T+2] = v": X + X[4],
    "h = x[0] + x[T+1]\nx[T+1] = v": np.broadcast_to(v, (BATCH, 4)),
    "h[t] = x[t+1]\nx[T+1] = 2": np.concatenate([X[1:], np.full_like(X[:1], 2)]),
    "h[t] = h[t-1] + x[t]": np.cumsum(X, 0),
    "h[t] = h[t+1] + x[t]": np.cumsum(X[::-1], 0)[::-1],
    "h[t] = h[t-1] + x[t]\nh[0] = v": np.cumsum(X, 0) + v,
    "h[t] = h[t-1] + x[t]\nh[0] = 3": np.cumsum(X, 0) + 3,
    "h[t] = h[t-2] + x[t]\nh[0] = v\nh[-1] = 1": np.stack(
        [X[0] + 1, X[1] + v, X[0] + X[2] + 1, X[1] + X[3] + v, X[0] + X[2] + X[4] + 1]
    ),
    "h[1] = 2 * x[1] + x[2]\nh[t] = h[t-1] + x[t]": np.cumsum(np.concatenate([2 * X[:1] + X[1:2], X[1:]]), 0),
    "h = sum(x[t], over=t)": X.sum(0),
    "h = mean(x[t], over=t)": X.mean(0),
    "h = max(x[t], over=t)": X.max(0),
    "h = mean(x[t], over=(t, batch))": X.mean((0, 1)),
    "h[t] = mean(x[t], over=batch)": X.mean(1, keepdims=True),
    "h = sum(sum(x[t]), over=(t, batch))": X.sum(),
    "h = sum(x[t], over=(t, -1))": X.sum((0, 2)),
    "h = mean(x[t], over=(-1, t))": X.mean((0, 2)),
    "h[t] = softmax(x[t], over=t)": soft(X, 0),
    "h[t] = log_softmax(x[t], over=t)": np.log(soft(X, 0)),
    "h = logsumexp(x[t], over=t)": lse(X, 0),
    "d(e) = e[t] - e[t-1]\nh[t] = d(x)": X - shifted(X, 1),
    "f(e, w) = tanh(w * e + g(e))\ng(e) = a * e\nh[t] = f(x[t], w=v) + f(v, v)": np.tanh(v * X + a * X)
    + np.tanh(v * v + a * v),
    "p[t], q[t] = split(x[t], 2)\nh[t] = concat(q[t], p[t])": np.concatenate([X[..., 2:], X[..., :2]], -1),
    "m[t] = x[t] > 0\nh[t] = where(m[t], x[t], t)": np.where(X > 0, X, NUMBERS[..., None]),
    "b = 2 * v\nh[t] = x[t] + b": X + 2 * v,
    "h = 3 * v": 3 * v,
}


@pytest.mark.parametrize("text", TIMES)
def test_value_at_other_times(text: str) -> None:
    found = value(text)
    expected = TIMES[text]
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-12, atol=1e-12)


def test_each_sequence_has_its_own_last_step() -> None:
    lengths = np.array([5, 2, 1])
    last = value("h = x[T] + 10 * x[T-1]", lengths=lengths)
    np.testing.assert_allclose(last, [X[4, 0] + 10 * X[3, 0], X[1, 1] + 10 * X[0, 1], X[0, 2]])
    after = value("h[t] = x[t+1]\nx[T+1] = 7", lengths=lengths)
    np.testing.assert_allclose(after[1, 1], 7)
    np.testing.assert_allclose(value("h = mean(x[t], over=t)", lengths=lengths)[1], X[:2, 1].mean(0))
    whole = value("h = mean(x[t], over=(t, batch))", lengths=lengths)
    np.testing.assert_allclose(whole, (X[:, 0].sum(0) + X[:2, 1].sum(0) + X[0, 2]) / 8)


# ---- losses --------------------------------------------------------------------------------------
LOSSES = {
    "in one": "h = mean(cross_entropy(x[t], k[t]), over=t)",
    "own equation": "l[t] = cross_entropy(x[t], k[t])\nh = mean(l[t], over=t)",
    "scaled": "l[t] = -cross_entropy(x[t], k[t]) / 2\nh = mean(-2 * l[t], over=t)",
    "nll": "p[t] = softmax(x[t])\nh = mean(nll(p[t], k[t]), over=t)",
    "with a penalty": "h = mean(cross_entropy(x[t], k[t]) + 0 * sum(x[t]), over=t)",
}


@pytest.mark.parametrize("form", LOSSES)
def test_missing_targets_leave_the_mean(form: str) -> None:
    k = K.copy()
    k[1, 0] = k[2, 0] = -1
    k[:, 2] = -1
    net = cell_of(LOSSES[form])
    h = evaluate(net, {}, returns="h", x=X, k=k)["h"]
    per_step = -np.log(np.take_along_axis(soft(X), np.maximum(k, 0)[..., None], -1)[..., 0]) * (k >= 0)
    np.testing.assert_allclose(h, per_step.sum(0) / np.maximum((k >= 0).sum(0), 1))


def test_missing_targets_leave_the_mean_of_the_batch() -> None:
    k = np.where(rng.random(K.shape) < 0.5, -1, K)
    net = cell_of("h = mean(cross_entropy(x[t], k[t]) + mean(x[t]), over=(t, batch))")
    h = evaluate(net, {}, returns="h", x=X, k=k)["h"]
    per_step = -np.log(np.take_along_axis(soft(X), np.maximum(k, 0)[..., None], -1)[..., 0]) * (k >= 0)
    np.testing.assert_allclose(h, per_step.sum() / (k >= 0).sum() + X.mean())


# ---- a second sequence ---------------------------------------------------------------------------
def test_a_decoder_looks_at_another_sequence() -> None:
    text = """
        e[s] = tanh(e[s-1] + z[s])
        w[t, s] = softmax(x[t] @ e[s], over=s)
        c[t] = sum(w[t, s] * e[s], over=s)
        last = e[S]
        p[t] = w[t, k[t]]
    """
    z = rng.normal(size=(6, BATCH, 4))
    k = rng.integers(1, 7, (STEPS, BATCH))
    found = evaluate(define(text)(x=4).check(), {}, x=X, z=z, k=k)
    e, state = [], np.zeros((BATCH, 4))
    for step in z:
        state = np.tanh(state + step)
        e.append(state)
    e = np.stack(e)
    w = soft(np.einsum("tbi,sbi->tsb", X, e), 1)
    np.testing.assert_allclose(found["w"], w)
    np.testing.assert_allclose(found["c"], np.einsum("tsb,sbi->tbi", w, e))
    np.testing.assert_allclose(found["last"], e[-1])
    np.testing.assert_allclose(found["p"], np.take_along_axis(w, k[:, None] - 1, 1)[:, 0])


def message(text: str, **sizes: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        define(text)(**sizes)
    return str(caught.value)


def test_a_table_of_two_times() -> None:
    text = "w[t, s] = w[t-1, s] + w[t, s-1] + x[t]\nw[0, s] = z[s]\nw[t, 0] = 1\nl = w[T, s]"
    assert "varies over s" in message(text.replace("l =", "l ="), x=4)
    z = rng.normal(size=(2, BATCH, 4))
    net = define(text.replace("l =", "l[s] ="))(x=4).check()
    found = evaluate(net, {}, x=X, z=z)
    w = np.zeros((STEPS + 1, 3, BATCH, 4))
    w[0, 1:] = z
    w[1:, 0] = 1
    for i in range(1, STEPS + 1):
        for j in (1, 2):
            w[i, j] = w[i - 1, j] + w[i, j - 1] + X[i - 1]
    np.testing.assert_allclose(found["w"], w[1:, 1:])
    np.testing.assert_allclose(found["l"], w[-1, 1:])


# ---- random masks --------------------------------------------------------------------------------
def test_dropout_keeps_the_mean_and_one_mask_over_time() -> None:
    x = np.ones((50, 20, 8))
    net = define("h[t] = dropout(x[t], 0.25)\ng[t] = dropout(x[t], 0.25, over=t)\nw = dropout(M, 0.25)")(
        x=8, M=(8, 8)
    )
    found = evaluate(net, {"M": np.ones((8, 8))}, x=x)
    for name in ("h", "g", "w"):
        values = np.unique(found[name])
        np.testing.assert_allclose(values, [0, 4 / 3])
    assert abs(found["h"].mean() - 1) < 0.05
    assert (found["g"] == found["g"][:1]).all()
    assert found["w"].shape == (8, 8)
    kept = evaluate(net, {"M": np.ones((8, 8))}, training=False, x=x)
    np.testing.assert_allclose(kept["h"], x)


def test_two_masks_of_one_equation_differ() -> None:
    net = define("h[t] = dropout(x[t], 0.5) - dropout(x[t], 0.5)")(x=64)
    assert np.abs(evaluate(net, {}, x=np.ones((1, 1, 64)))["h"]).max() == 2

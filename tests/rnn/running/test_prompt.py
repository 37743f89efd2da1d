"""Beginnings of different lengths: each row goes on as if alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.data import DataError
from free_running import LANGUAGE_MODEL, NETS, weights

CLOCK = LANGUAGE_MODEL.replace("E[x[t]]", "E[x[t]] + a * t / T")
LATE = "h[t] = tanh(W @ h[t-1] + U @ x[t-1])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)"
BEGUN: dict[str, tuple[Circuit, str, tuple[int, ...]]] = {
    "x[t]": (rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=4), "x", ()),
    "y[t-1]": (NETS["vector_to_sequence"][0], "y", ()),
    "vectors": (rnn.elman(x=4, h=3, o=4), "x", (4,)),
    "vectors of the step before": (rnn.define(LATE)(x=4, h=3, o=4), "x", (4,)),
    "the number of the step": (rnn.define(CLOCK)(x=4, h=3, o=4, a=3), "x", ()),
    "an input over t": (NETS["teacher_forcing"][0], "y", ()),
}
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beam": {"beam": 3, "stop": 0, "normalise": 0.5},
    "drawn": {"temperature": 1.3, "top_k": 3, "stop": 0, "seed": [7, 5, 3]},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BEGUN)
def test_each_row_goes_on_after_its_own_beginning_as_if_alone(name: str, way: str) -> None:
    net, feed, vector = BEGUN[name]
    rng, own, length = np.random.default_rng(3), [2, 5, 1], [4, 2, 6]
    params, B = weights(net, 2), 3
    prompt = rng.integers(0, 4, (5, B))
    given: dict[str, Any] = {feed: np.eye(4)[prompt] if vector else prompt}
    if name == "y[t-1]":
        given["v"] = rng.normal(size=(B, 3))
    if name == "an input over t":
        given["x"] = rng.normal(size=(8, B, 2))
    run = rnn.Decoder(net, target="interpret", dtype="float64", feed=feed)
    together = run(params, **given, prompt_lengths=own, length=length, **WAYS[way])
    for b in range(B):
        alone = {n: (a[b : b + 1] if n == "v" else a[:, b : b + 1]) for n, a in given.items()}
        alone[feed] = alone[feed][: own[b]]
        wish = {**WAYS[way], "seed": WAYS[way].get("seed", [0] * B)[b]}
        (expected,) = run(params, **alone, length=length[b], **wish)
        assert [h.symbols for h in together[b]] == [h.symbols for h in expected]
        np.testing.assert_allclose(
            [h.log_probability for h in together[b]], [h.log_probability for h in expected], 1e-9
        )


def test_a_row_may_begin_with_nothing_where_what_is_chosen_is_read_one_step_later() -> None:
    net = NETS["vector_to_sequence"][0]
    params, v = weights(net), np.random.default_rng(0).normal(size=(2, 3))
    whole = rnn.decode(net, params, v=v, length=5, target="interpret").symbols
    begun = rnn.decode(net, params, v=v, y=whole[:3], prompt_lengths=[0, 3], length=[5, 2], target="interpret")
    np.testing.assert_array_equal(begun.symbols[:, 0], whole[:, 0])
    np.testing.assert_array_equal(begun.symbols[:2, 1], whole[3:, 1])


def test_numbers_go_on_after_beginnings_of_different_lengths() -> None:
    net = rnn.forecaster(x=2, h=3, o=2)
    params, x = weights(net), np.random.default_rng(0).normal(size=(4, 2, 2))
    together = rnn.decode(net, params, x=x, prompt_lengths=[4, 2], length=[2, 3], target="interpret").values
    assert together is not None
    assert not together[2, 0].any()
    for b, (own, length) in enumerate(((4, 2), (2, 3))):
        alone = rnn.decode(net, params, x=x[:own, b : b + 1], length=length, target="interpret").values
        np.testing.assert_allclose(together[:length, b], alone[:, 0], 1e-9)


def test_rows_draw_by_numbers_of_their_own() -> None:
    net = rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=4)
    params, same = weights(net), np.ones((1, 6), int)
    wish = {"length": 9, "temperature": 1.0, "target": "interpret"}
    drawn = rnn.decode(net, params, x=same, seed=1, **wish).symbols
    assert len({tuple(row) for row in drawn.T}) > 3
    first = rnn.decode(net, params, x=same[:, :1], seed=1, **wish).symbols
    np.testing.assert_array_equal(drawn[:, :1], first)
    with pytest.raises(DataError, match="seed: expected a whole number of at least 0, or one for each of 6 rows"):
        rnn.decode(net, params, x=same, seed=[1, 2], **wish)


@pytest.mark.parametrize(("own", "message"), [
    ([1, 2, 3], "expected whole numbers from 1 to 4, one for each of 2 rows"),
    ([0, 3], "expected whole numbers from 1 to 4"),
    ([5, 3], "expected whole numbers from 1 to 4"),
    ([1.0, 2.0], "expected whole numbers from 1 to 4"),
    (None, "no beginning is given"),
])  # fmt: skip
def test_lengths_of_beginnings_that_make_no_sense(own: Any, message: str) -> None:
    net = rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=4)
    given: dict[str, Any] = {"x": np.ones((4, 2), int)} if own is not None else {}
    with pytest.raises(DataError, match=f"prompt_lengths: {message}"):
        rnn.decode(net, weights(net), prompt_lengths=own or [1], length=2, target="interpret", **given)

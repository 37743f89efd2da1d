"""Networks that run on what they chose: against whole evaluations of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from free_running import LANGUAGE_MODEL, NETS, greedy, log_p, weights


@pytest.mark.parametrize("name", NETS)
def test_greedy_is_the_most_probable_symbol_of_the_whole_network(name: str) -> None:
    net, kind = NETS[name]
    rng = np.random.default_rng(1)
    T, B = 5, 3
    given: dict[str, Any] = {}
    if "x" in kind:
        given = {"x": rng.integers(0, 4, kind["x"])}
    elif "v" in kind:
        given = {"v": rng.normal(size=(B, 3))}
    else:
        given = {"x": rng.normal(size=(T, B, 2))}
    params = weights(net)
    found = rnn.decode(net, params, length=T, target="interpret", **given)
    y = greedy(net, params, T, B, **given)
    np.testing.assert_array_equal(found.symbols, y)
    each = log_p(net, params, y, **given)
    np.testing.assert_allclose(found.log_probability, np.take_along_axis(each, y[..., None], 2).sum((0, 2)), 1e-9)


def test_ragged_sources_are_decoded_each_as_alone() -> None:
    net = NETS["attention"][0]
    params, x = weights(net), np.random.default_rng(2).integers(0, 4, (6, 3))
    run = rnn.Decoder(net, target="interpret", dtype="float64")
    together = run(params, x=x, lengths={"s": [6, 2, 4]}, length=[3, 5, 4], beam=2)
    for b, (S, T) in enumerate(zip([6, 2, 4], [3, 5, 4], strict=True)):
        alone = run(params, x=x[:S, b : b + 1], length=T, beam=2)
        assert [h.symbols for h in alone[0]] == [h.symbols for h in together[b]]
        assert together.lengths[b] == T


def test_lengths_alone_are_those_of_the_one_index_that_inputs_have() -> None:
    net = NETS["attention"][0]
    run = rnn.Decoder(net, target="interpret", dtype="float64")
    given = {"x": np.random.default_rng(2).integers(0, 4, (6, 3)), "length": 5}
    alone = run(weights(net), lengths=[6, 2, 4], **given)
    assert alone == run(weights(net), lengths={"s": [6, 2, 4]}, **given)
    assert alone != run(weights(net), **given)
    tags = rnn.elman(x=2, h=3, o=4)
    x = np.random.default_rng(2).normal(size=(5, 2, 2))
    found = rnn.decode(tags, weights(tags), x=x, lengths=[2, 5], target="interpret")
    np.testing.assert_array_equal(found.lengths, [2, 5])


def test_a_language_model_reads_what_it_wrote() -> None:
    net = rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=4)
    params, prompt = weights(net), np.array([[1, 2], [3, 0]])
    found = rnn.decode(net, params, x=prompt, length=4, target="interpret").symbols
    x = prompt
    for _ in range(4):
        o = graph.evaluate(net, params, x=x, returns=["o"])["o"][-1]
        x = np.vstack([x, o.argmax(-1)])
    np.testing.assert_array_equal(found, x[2:])


def test_a_beginning_is_given() -> None:
    net, _ = NETS["vector_to_sequence"]
    params, v = weights(net), np.random.default_rng(0).normal(size=(2, 3))
    whole = rnn.decode(net, params, v=v, length=6, target="interpret").symbols
    rest = rnn.decode(net, params, v=v, y=whole[:4], length=2, target="interpret").symbols
    np.testing.assert_array_equal(rest, whole[4:])


@pytest.mark.parametrize("text", [
    "h[t] = tanh(W @ h[t-1] + U @ x[t])\no[t] = V @ h[t]\nL = mean(mse(o[t], y[t]), over=t)",
    "h[t] = tanh(W @ h[t-1] + U @ y[t-1])\no[t] = V @ h[t]\nh[0] = h_0\nL = mean(mse(o[t], y[t]), over=t)",
    "o[t] = tanh(W @ o[t-1] + V @ o[t-2])\no[0] = k\nL = mean(mse(o[t], y[t]), over=t)",
])  # fmt: skip
def test_numbers_are_read_as_they_were_given(text: str) -> None:
    net = rnn.define(text)(o=2, **({"x": 2} if "x[t]" in text else {}), **({"h": 3} if "h[t]" in text else {}))
    params, rng = weights(net), np.random.default_rng(0)
    if "x[t]" in text:
        given: dict[str, Any] = {"x": rng.normal(size=(3, 1, 2))}
        found = rnn.decode(net, params, length=4, target="interpret", **given).values
        x = given["x"]
        for _ in range(4):
            x = np.concatenate([x, graph.evaluate(net, params, x=x, returns=["o"])["o"][-1:]])
        expected = x[3:]
    else:
        found = rnn.decode(net, params, length=4, target="interpret").values
        y = np.zeros((4, 1, 2))
        for t in range(4):
            y[t] = graph.evaluate(net, params, y=y, returns=["o"])["o"][t]
        expected = y
    np.testing.assert_allclose(found, expected, 1e-9)


def test_kernels_choose_as_the_interpreter() -> None:
    net = NETS["attention"][0]
    params, x = weights(net), np.random.default_rng(2).integers(0, 4, (6, 3))
    found = [rnn.decode(net, params, x=x, length=6, beam=3, stop=0, target=t) for t in ("cpu", "interpret")]
    assert [[h.symbols for h in some] for some in found[0]] == [[h.symbols for h in some] for some in found[1]]

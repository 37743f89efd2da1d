"""Networks that run on what they chose: against whole evaluations of the reference, and all sequences there are."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.data import DataError
from bptt.rnn.running.search import Beams, draw, largest

Array = np.ndarray[Any, Any]
LANGUAGE_MODEL = "h[t] = tanh(W @ h[t-1] + E[x[t]])\no[t] = V @ h[t] + d\nL = mean(cross_entropy(o[t], y[t]), over=t)"


def weights(net: Circuit, seed: int = 0) -> dict[str, Array]:
    """Weights under which what was chosen matters."""
    rng = np.random.default_rng(seed)
    return {n: rng.normal(0.0, 1.5, shape) for n, shape in net.params.items()}


def log_p(net: Circuit, params: dict[str, Array], y: Array, **given: Any) -> Array:
    """log p [T, B, n] of each step, by the reference."""
    found = graph.evaluate(net, params, y=y, returns=["o"], training=False, **given)["o"]
    return np.asarray(found - np.log(np.exp(found).sum(-1, keepdims=True)))


def greedy(net: Circuit, params: dict[str, Array], T: int, B: int, **given: Any) -> Array:
    """The most probable symbol at each step: the whole network computed anew for each."""
    y = np.zeros((T, B), int)
    for t in range(T):
        y[t] = log_p(net, params, y, **given)[t].argmax(-1)
    return y


# ---- the most probable symbol each time -------------------------------------------------------------
NETS: dict[str, tuple[Circuit, dict[str, Any]]] = {
    "attention": (rnn.attention(x=4, e=3, d=3, o=5), {"x": (6, 3)}),
    "seq2seq": (rnn.seq2seq(x=4, e=3, o=5), {"x": (6, 3)}),
    "vector_to_sequence": (rnn.vector_to_sequence(v=3, h=4, o=5), {"v": 3}),
    "teacher_forcing": (rnn.teacher_forcing(x=2, h=4, o=5), {"xt": 2}),
}


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


BOTH = """
    e[s] = E @ x[s]
    h[t] = tanh(W @ h[t-1] + U @ u[t] + e[S])
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


def test_lengths_that_are_those_of_nothing_are_refused() -> None:
    attention, model, v = NETS["attention"][0], rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=4), NETS["vector_to_sequence"][0]
    both = rnn.define(BOTH, name="both")(x=2, u=3, h=4, o=5)
    x, floats = np.zeros((2, 3), int), np.random.default_rng(0).normal
    cases: list[tuple[Circuit, Any, str, dict[str, Any]]] = [
        (both, [2, 2, 1], r"lengths of both: expected {'t': …, 's': …}", {"x": floats(size=(2, 3, 2))}),
        (v, [2, 2, 1], r"has steps; how many are chosen is length=…; how much of y", {"v": floats(size=(3, 3))}),
        (model, [2, 2, 1], "each row begins with is prompt_lengths=…", {"x": x}),
        (attention, {"t": [2, 2, 1]}, "no input that is given has steps of t; how many are chosen", {"x": x}),
        (attention, [2, 2], r"lengths of s: expected whole numbers from 1 to 2, one for each of 3 rows", {"x": x}),
        (attention, [2, 2, 3], r"lengths of s: expected whole numbers from 1 to 2, one for each of 3 rows", {"x": x}),
    ]
    for net, lengths, message, given in cases:
        more = {"u": floats(size=(4, 3, 3))} if net is both else {}
        with pytest.raises(DataError, match=message):
            rnn.decode(net, weights(net), length=2, lengths=lengths, target="interpret", **given, **more)
    parts = {"x": floats(size=(2, 3, 2)), "u": floats(size=(4, 3, 3))}
    found = rnn.decode(both, weights(both), lengths={"t": [4, 2, 1], "s": 2}, target="interpret", **parts)
    np.testing.assert_array_equal(found.lengths, [4, 2, 1])


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


# ---- beams ------------------------------------------------------------------------------------------
def every_sequence(n: int, T: int, stop: int | None) -> list[tuple[int, ...]]:
    found = []
    for k in range(1, T + 1):
        for s in itertools.product(range(n), repeat=k):
            if stop not in s[:-1] and (k == T or s[-1] == stop):
                found.append(s)
    return found


@pytest.mark.parametrize(("stop", "normalise"), [(None, 0.0), (1, 0.0), (1, 1.0), (2, 0.6)])
def test_a_wide_beam_finds_the_best_of_all_sequences(stop: int | None, normalise: float) -> None:
    net = rnn.seq2seq(x=4, e=3, o=3)
    params, x = weights(net, 3), np.array([[0, 3], [2, 1], [1, 1]])
    T = 4
    found = rnn.decode(net, params, x=x, length=T, beam=81, stop=stop, normalise=normalise, target="interpret")
    for b in range(2):
        scored = []
        for s in every_sequence(3, T, stop):
            each = log_p(net, params, np.array(s)[:, None], x=x[:, b : b + 1])[:, 0]
            log = sum(each[t, symbol] for t, symbol in enumerate(s))
            scored.append((log / len(s) ** normalise, log, s))
        scored.sort(reverse=True)
        best = scored[:81]
        np.testing.assert_allclose([h.score for h in found[b]], [score for score, _, _ in best], 1e-9)
        np.testing.assert_allclose([h.log_probability for h in found[b]], [log for _, log, _ in best], 1e-9)
        assert found[b][0].symbols == best[0][2]
        assert found[b][0].ended == (best[0][2][-1] == stop)


def test_a_narrow_beam_is_the_search_that_its_description_says() -> None:
    net = rnn.seq2seq(x=4, e=3, o=4)
    params, x = weights(net, 5), np.array([[0], [3], [2]])
    T, k, stop = 5, 3, 0
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    ended: list[tuple[tuple[int, ...], float]] = []
    for t in range(T):
        after = []
        for s, log in live:
            y = np.array([*s, 0])[:, None]
            after += [((*s, c), log + p) for c, p in enumerate(log_p(net, params, y, x=x)[t, 0])]
        after.sort(key=lambda one: -one[1])
        ended += [one for one in after[:k] if one[0][-1] == stop]
        live = [one for one in after if one[0][-1] != stop][:k]
    ended = sorted([*ended, *live], key=lambda one: -one[1])[:k]
    found = rnn.decode(net, params, x=x, length=T, beam=k, stop=stop, target="interpret")
    assert [h.symbols for h in found[0]] == [s for s, _ in ended]
    np.testing.assert_allclose([h.log_probability for h in found[0]], [log for _, log in ended], 1e-9)


@pytest.mark.parametrize("normalise", [0.0, 1.0])
def test_one_beam_ends_where_the_most_probable_symbol_stops(normalise: float) -> None:
    search = Beams(np.array([5]), k=1, stop=1, normalise=normalise)
    search.choose(np.log([[0.45, 0.55]]))
    assert search.done
    assert [h.symbols for h in search.found()[0]] == [(1,)]
    search = Beams(np.array([2]), k=1, stop=1, normalise=normalise)
    search.choose(np.log([[0.55, 0.45]]))
    search.choose(np.log([[0.01, 0.99]]))
    assert [h.symbols for h in search.found()[0]] == [(0, 1)]


def test_a_temperature_however_low_draws_the_most_probable_without_a_warning() -> None:
    logs = np.array([-2.0, -0.5, -math.inf, -1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(logs, 1e-310, np.random.default_rng(0)) == 1


def test_of_equals_the_first() -> None:
    assert largest(np.array([1.0, 3.0, 3.0, 0.0, 3.0, 2.0, *[-1.0] * 20]), 2).tolist() == [1, 2]
    assert largest(np.array([1.0, 3.0, 3.0]), 4).tolist() == [1, 2, 0]


def test_drawn_symbols_are_as_frequent_as_they_are_probable() -> None:
    net = rnn.define("o[t] = V @ onehot(y[t-1]) + d\ny[0] = 0\nL = mean(cross_entropy(o[t], y[t]), over=t)")(y=3)
    params = weights(net, 1)
    found = rnn.decode(net, params, y=np.zeros((0, 3000), int), length=2, temperature=1.0, seed=4, target="interpret")
    o = params["V"][:, 0] + params["d"]
    frequencies = np.bincount(found.symbols[0], minlength=3) / 3000
    np.testing.assert_allclose(frequencies, np.exp(o) / np.exp(o).sum(), atol=0.03)
    again = rnn.decode(net, params, y=np.zeros((0, 3000), int), length=2, temperature=1.0, seed=4, target="interpret")
    np.testing.assert_array_equal(found.symbols, again.symbols)
    one = rnn.decode(net, params, length=4, temperature=1.0, top_k=1, stop=2, never=[1], target="interpret")
    greedily = rnn.decode(net, params, length=4, stop=2, never=[1], target="interpret")
    assert one[0] == greedily[0]


# ---- beginnings of different lengths ------------------------------------------------------------------
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


# ---- the network's own output -------------------------------------------------------------------------
JORDAN = """
    h[t] = tanh(b + W @ p[t-1] + U @ x[t])
    o[t] = c + V @ h[t]
    p[t] = softmax(o[t])
    p[0] = p_0
    L = mean(nll(p[t], y[t]), over=t)
"""


def test_the_target_in_the_place_of_the_output() -> None:
    net = rnn.define(JORDAN, name="jordan")(x=2, h=3, o=4)
    forced = rnn.teacher_forced(net)
    assert forced.params == net.params
    assert forced.states == {"p_forced": (4,)}
    params, rng = weights(net), np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2, 2)), rng.integers(0, 4, (4, 2))
    before = np.concatenate([np.broadcast_to(params["p_0"], (1, 2, 4)), np.eye(4)[y[:-1]]])
    h = np.tanh(params["b"] + before @ params["W"].T + x @ params["U"].T)
    found = graph.evaluate(forced, params, x=x, y=y)
    np.testing.assert_allclose(found["h"], h)
    again = rnn.define(str(forced))(x=2, h=3, o=4)
    np.testing.assert_allclose(graph.evaluate(again, params, x=x, y=y)["L"], found["L"])


def test_what_was_chosen_in_the_place_of_the_output() -> None:
    net = rnn.define(JORDAN, name="jordan")(x=2, h=3, o=4)
    params, x = weights(net), np.random.default_rng(0).normal(size=(5, 2, 2))
    found = rnn.decode(net, params, x=x, feed="p", target="interpret").symbols
    forced = rnn.teacher_forced(net)
    y = np.zeros((5, 2), int)
    for t in range(5):
        y[t] = graph.evaluate(forced, params, x=x, y=y)["o"][t].argmax(-1)
    np.testing.assert_array_equal(found, y)
    itself = rnn.decode(net, params, x=x, target="interpret").symbols
    np.testing.assert_array_equal(itself, graph.evaluate(net, params, x=x, returns=["o"])["o"].argmax(-1))


def test_no_loop_is_left_where_only_the_output_fed_back() -> None:
    from bptt import compiler

    net = rnn.define(JORDAN)(x=2, h=3, o=4)
    programs = [compiler.compile(n, target="interpret").loops for n in (net, rnn.teacher_forced(net))]
    orders = [{rows.order for rows in loops.rows()} for loops in programs]
    assert {"up", "down"} & orders[0]
    assert orders[1] == {"free"}


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


# ---- wishes that make no sense --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "no input tells how many steps there are; say length="),
        ({"length": 0}, "length: expected a whole number of at least 1"),
        ({"length": 3, "beam": 0}, "beam: expected a whole number of at least 1, got 0"),
        ({"length": 3, "beam": 2, "temperature": 1.0}, "beam and temperature"),
        ({"length": 3, "normalise": -1.0}, "normalise: expected a finite number"),
        ({"length": 3, "z": np.zeros(3)}, "has no input z"),
        ({"length": 3, "x": None}, "the input x is missing"),
        ({"length": 3, "y": np.zeros(3)}, r"y: expected what it begins with, \[P, B\] of whole numbers"),
        ({"length": 3, "x": np.zeros(2, int)}, r"input x: expected an array \[S, B\] of whole numbers, got the shape"),
        ({"length": 3, "x": np.zeros((2, 1))}, r"input x: expected an array \[S, B\] of whole numbers, got an array"),
        ({"length": 3, "x": np.zeros((0, 1), int)}, "the input x: expected at least one of steps of s"),
        ({"length": 3, "y": np.zeros((1, 2), int)}, "expected as many sequences in x as in y, 2, got 1"),
        ({"length": "3"}, "length: expected a whole number of at least 1, or one for each row, got '3'"),
        ({"length": [3, 3]}, "length: expected one for each of 1 rows, got 2"),
        ({"length": [3, 3], "y": np.zeros((0, 1), int)}, r"length: .* or one for each of 1 rows, got \[3, 3\]"),
        ({"length": 3, "x": [[1], [1, 2]]}, "x: expected an array, got rows of unlike lengths"),
        ({"length": 3, "never": 1}, r"never: expected symbols, such as \[0, 1\], got 1"),
        ({"length": 3, "stop": 99}, "stop: expected a symbol from 0 to 4, of the 5 values of o, got 99"),
        ({"length": 3, "stop": -1}, "stop: expected a symbol from 0 to 4"),
        ({"length": 3, "never": [2, 5]}, "never: expected a symbol from 0 to 4, of the 5 values of o, got 5"),
        ({"length": 3, "feed": "x"}, "feed: expected an input over t, y, or a signal .* got 'x'"),
    ],
)
def test_wishes_that_make_no_sense(wish: dict[str, Any], message: str) -> None:
    net = NETS["attention"][0]
    given = {"x": np.zeros((2, 1), int), **wish}
    given = {n: v for n, v in given.items() if v is not None}
    with pytest.raises(DataError, match=message):
        rnn.decode(net, weights(net), target="interpret", **given)


def test_networks_that_cannot_write() -> None:
    reads = "o[t] = E[y[t]]\nL = mean(cross_entropy(o[t], y[t]), over=t)"
    with pytest.raises(DataError, match=r"o\[t\] reads y\[t\], which it is to predict"):
        rnn.Decoder(rnn.define(reads)(y=3))
    net = rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=4)
    with pytest.raises(DataError, match=r"reads x\[t\]: give x=…"):
        rnn.decode(net, weights(net), length=3, target="interpret")
    with pytest.raises(DataError, match="expected x to have the 5 values of o"):
        rnn.Decoder(rnn.define(LANGUAGE_MODEL)(x=4, h=3, o=5), feed="x")
    other = rnn.define(LANGUAGE_MODEL)(x=6, h=3, o=5)
    with pytest.raises(DataError, match=r"at most 2, .* got 5; what is chosen cannot be read as x: o has 5 values"):
        rnn.decode(other, weights(other), x=[[1], [2]], length=5, target="interpret")
    assert rnn.decode(other, weights(other), x=[[1], [2]], length=2, target="interpret").lengths.tolist() == [2]
    with pytest.raises(DataError, match="acceptor: o is one value for each sequence, and nothing is chosen"):
        rnn.Decoder(rnn.acceptor(x=4, h=3, o=2))
    sums = LANGUAGE_MODEL.replace("W @ h[t-1]", "W @ mean(h[t-1], over=batch)")
    with pytest.raises(graph.CircuitError, match="h sums over the batch"):
        rnn.Decoder(rnn.define(sums)(x=4, h=3, o=4))
    numbers = rnn.define("o[t] = W @ x[t]\nL = mean(mse(o[t], y[t]), over=t)")(x=2, o=2)
    with pytest.raises(DataError, match="gives numbers"):
        rnn.decode(numbers, weights(numbers), x=np.ones((1, 1, 2)), length=2, beam=2)
    with pytest.raises(graph.CircuitError, match="there is none"):
        rnn.teacher_forced(net)
    assert math.isinf(rnn.Decoded([[]]).log_probability[0])

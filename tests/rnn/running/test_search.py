"""The search for the best sequence: against all sequences there are; and what is drawn."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.running.search import Beams, draw, largest
from free_running import log_p, weights


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

"""What is given to networks that run free: wishes, lengths and networks that make no sense."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.data import DataError
from free_running import LANGUAGE_MODEL, NETS, weights

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

"""What crosses steps and rows: values by hand, full and ragged, and derivatives to second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, count, input_, length, make, param, ref, time
from bptt.graph.grad import grad
from derivatives import check_derivatives, numbers

T, B = 4, 3
X = input_("x", ("t", "b"))
BOUND = input_("x0", ("b",))
EARLIER = input_("x1", ("b",))
VALUES = np.array([[1.0, 10, 100], [2, 20, 200], [3, 30, 300], [4, 40, 400]])
LENGTHS = np.array([4, 1, 2])
BOUNDS = {"x0": np.array([-1.0, -2, -3]), "x1": np.array([-4.0, -5, -6])}


def evaluated(e: Node, lengths: Any = None, start: int = 1, x: Any = None) -> Any:
    net = Circuit({"e": e}, input_nodes={"x": X})
    inputs = {n: v for n, v in BOUNDS.items() if n in net.inputs}
    poisoned = VALUES.copy() if x is None else x
    for row, n in enumerate(() if lengths is None else lengths):
        poisoned[n:, row] = np.nan
    return graph.evaluate(net, {}, lengths=lengths, start=start, x=poisoned, **inputs)["e"]


def test_a_delay_reads_through_to_the_values_before_the_start() -> None:
    found = evaluated(b.delay(X, "t", 2, [BOUND, EARLIER]))
    np.testing.assert_array_equal(found[:, 0], [-4, -1, 1, 2])
    np.testing.assert_array_equal(found[:, 2], [-6, -3, 100, 200])


def test_a_delay_longer_than_the_sequence() -> None:
    found = evaluated(b.delay(X, "t", 2, [BOUND, EARLIER]), x=VALUES[:1].copy())
    np.testing.assert_array_equal(found, [[-4, -5, -6]])


def test_an_advance_reads_through_to_the_values_after_each_end() -> None:
    e = b.delay(X, "t", -2, [BOUND, EARLIER])
    np.testing.assert_array_equal(evaluated(e)[:, 0], [3, 4, -1, -4])
    found = evaluated(e, LENGTHS)
    np.testing.assert_array_equal(found[:, 1], [-5, 0, 0, 0])
    np.testing.assert_array_equal(found[:, 2], [-3, -6, 0, 0])


def test_the_last_step_is_that_of_each_sequence() -> None:
    np.testing.assert_array_equal(evaluated(b.at(X, "t", True, 0)), [4, 40, 400])
    np.testing.assert_array_equal(evaluated(b.at(X, "t", True, 0), LENGTHS), [4, 10, 200])
    np.testing.assert_array_equal(evaluated(b.at(X, "t", True, -1), LENGTHS), [3, 0, 100])


def test_a_fixed_step() -> None:
    np.testing.assert_array_equal(evaluated(b.at(X, "t", False, 2)), [2, 20, 200])
    np.testing.assert_array_equal(evaluated(b.at(X, "t", False, 2), LENGTHS), [2, 0, 200])
    np.testing.assert_array_equal(evaluated(b.at(X, "t", False, 9)), [0, 0, 0])


def test_fixed_steps_count_from_the_beginning_of_the_whole_sequence() -> None:
    np.testing.assert_array_equal(evaluated(b.at(X, "t", False, 6), start=5), [2, 20, 200])
    np.testing.assert_array_equal(evaluated(b.at(X, "t", False, 1), start=5), [0, 0, 0])
    np.testing.assert_array_equal(evaluated(b.first(BOUND, X), start=5), VALUES)
    np.testing.assert_array_equal(evaluated(b.mul(time("t"), X), start=5)[:, 0], [5, 12, 21, 32])


def test_steps_of_a_window_count_from_its_own_beginning() -> None:
    for start in (1, 5):
        np.testing.assert_array_equal(evaluated(b.at(X, "t", None, 2), start=start), [2, 20, 200])
        np.testing.assert_array_equal(evaluated(b.at(X, "t", None, 2), LENGTHS, start), [2, 0, 200])
        np.testing.assert_array_equal(evaluated(b.at(X, "t", None, 5), start=start), [0, 0, 0])
        np.testing.assert_array_equal(evaluated(b.place(BOUND, "t", None, 2), start=start)[:, 1], [0, -2, 0, 0])
    # of what is replaced at the step whose number is 1, the window has that step or another
    replaced = b.first(BOUND, X)
    assert b.at(replaced, "t", False, 1) is b.expand(BOUND, ["b"])
    np.testing.assert_array_equal(evaluated(b.at(replaced, "t", None, 1)), [-1, -2, -3])
    np.testing.assert_array_equal(evaluated(b.at(replaced, "t", None, 1), start=5), [1, 10, 100])


def test_place_is_zero_but_at_one_step() -> None:
    np.testing.assert_array_equal(evaluated(b.place(BOUND, "t", False, 2))[:, 1], [0, -2, 0, 0])
    found = evaluated(b.place(BOUND, "t", True, -1), LENGTHS)
    np.testing.assert_array_equal(found, [[0, 0, -3], [0, 0, 0], [-1, 0, 0], [0, 0, 0]])


def test_the_first_step_is_replaced() -> None:
    np.testing.assert_array_equal(evaluated(b.first(BOUND, X))[:, 0], [-1, 2, 3, 4])


def test_sums_select_what_is_within_the_lengths() -> None:
    np.testing.assert_array_equal(evaluated(b.reduce(X, ["t"]), LENGTHS), [10, 10, 300])
    np.testing.assert_array_equal(evaluated(b.reduce(X, ["t", "b"]), LENGTHS), 320)
    square = b.contract(X, X, ",->", ("t", "b"))
    np.testing.assert_array_equal(evaluated(square, LENGTHS), np.nansum(np.array([30, 100, 50000])))
    step = b.expand(b.reduce(X, ["b"]), ["t", "b"])
    np.testing.assert_array_equal(evaluated(step, LENGTHS)[:, 0], [111, 202, 3, 4])


def test_the_largest_over_steps_and_rows() -> None:
    np.testing.assert_array_equal(evaluated(b.amax(X, ["t"]), LENGTHS), [4, 10, 200])
    np.testing.assert_array_equal(evaluated(b.amax(b.neg(X), ["t", "b"]), LENGTHS), -1)


def test_lengths_and_counts_are_numbers() -> None:
    np.testing.assert_array_equal(evaluated(b.add(length("t"), BOUND), LENGTHS), [3, -1, -1])
    np.testing.assert_array_equal(evaluated(b.add(length("t"), BOUND)), [3, 2, 1])
    for lengths, expected in ((None, 12), (LENGTHS, 7)):
        assert evaluated(b.add(count(["t", "b"]), b.reduce(b.mul(X, 0.0), ["t", "b"])), lengths) == expected
    assert evaluated(b.mul(count(["b"]), 1.0)) == 3


def test_a_sum_of_what_does_not_vary_is_a_product() -> None:
    """The number of steps is known by itself: no loop adds up ones."""
    assert b.reduce(b.expand(BOUND, ["t", "b"]), ["t"]) is b.mul(BOUND, length("t"))
    assert b.reduce(b.expand(param("a", ()), ["t", "b"]), ["t", "b"]) is b.mul(param("a", ()), count(["t", "b"]))
    assert b.reduce(b.reduce(X, ["t"]), ["b"]) is b.reduce(X, ["t", "b"])


S = ref("s", X)
RECURRENT: dict[str, dict[str, Node]] = {
    "delays": {"s": b.unary("tanh", b.add(b.mul(param("pa", ()), b.delay(S, "t", 2, [BOUND, param("pb", ())])), X))},
    "advances": {"s": b.unary("tanh", b.mul(param("pa", ()), b.add(b.delay(S, "t", -1, [param("pb", ())]), X)))},
    "the last step": {"s": b.mul(param("pa", ()), X), "k": b.power(b.at(S, "t", True, 0), 2)},
    "a step from the end": {"s": b.mul(param("pa", ()), X), "k": b.power(b.at(S, "t", True, -1), 2)},
    "a fixed step": {"s": b.mul(param("pa", ()), X), "k": b.power(b.at(S, "t", False, 2), 2)},
    "a step before the last": {
        "s": b.mul(param("pa", ()), X), "k": b.power(b.at(b.delay(S, "t", 1, [param("pb", ())]), "t", True, 0), 2)
    },
    "a step of the window": {"s": b.mul(param("pa", ()), X), "k": b.power(b.at(S, "t", None, 2), 2)},
    "place": {"s": b.mul(X, b.place(param("pa", ()), "t", True, -1))},
    "place at a fixed step": {"s": b.mul(X, b.place(param("pa", ()), "t", False, 2))},
    "first": {
        "s": b.first(param("pb", ()), b.unary("sin", b.add(X, b.mul(param("pa", ()), b.delay(S, "t", 1, [0.0])))))
    },
    "first, and a start": {
        "s": b.first(BOUND, b.unary("sin", b.add(X, b.mul(param("pa", ()), b.delay(S, "t", 1, [param("pb", ())])))))
    },
    "sums over the batch": {
        "s": b.mul(X, b.expand(b.power(b.reduce(b.mul(param("pa", ()), X), ["b"]), 2), ["t", "b"]))
    },
}  # fmt: skip


@pytest.mark.parametrize("start", [1, 2, 6])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", RECURRENT)
def test_derivatives(name: str, ragged: bool, start: int) -> None:
    eqs = dict(RECURRENT[name])
    total = b.reduce(b.power(S, 2), ["t"])
    more = ref("k", eqs["k"]) if "k" in eqs else 0.0
    net = Circuit({**eqs, "L": b.add(total, more)}).check()
    values = {"x": numbers((T, B), 1), **BOUNDS, "pa": numbers((), 2), "pb": numbers((), 3)}
    if not ragged:
        check_derivatives(net, values, tolerance=2e-6, start=start)
        return
    adjoint = grad(net, "L")
    x = values["x"].copy()
    for row, n in enumerate(LENGTHS):
        x[n:, row] = np.nan
    inputs = {n: x if n == "x" else BOUNDS[n] for n in net.inputs}

    def loss(**params: Any) -> float:
        return float(graph.evaluate(net, params, lengths=LENGTHS, start=start, **inputs)["L"].mean())

    params = {n: values[n] for n in net.params}
    found = graph.evaluate(adjoint, params, lengths=LENGTHS, start=start, **inputs)
    for n in params:
        slope = (loss(**params | {n: params[n] + 1e-5}) - loss(**params | {n: params[n] - 1e-5})) / 2e-5
        np.testing.assert_allclose(found[adjoint.grads[n]], slope, rtol=1e-6, atol=1e-6)


def test_types_are_checked() -> None:
    with pytest.raises(TypeError, match="only a name can be read at another step"):
        b.delay(b.mul(X, X), "t", 1, [0.0])
    with pytest.raises(TypeError, match="is not indexed by s"):
        make("delay", (X, BOUND), ("s", 1))
    with pytest.raises(TypeError, match="2 boundary values"):
        make("delay", (X, BOUND), ("t", 2))
    with pytest.raises(TypeError, match="a value at one step needs a signal"):
        b.at(BOUND, "t", True, 0)

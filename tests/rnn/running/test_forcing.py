"""A network's own output: fed back, replaced by the target, or by what was chosen."""

from __future__ import annotations

import numpy as np
from bptt import graph, rnn
from free_running import weights

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

"""Where an attention network looks: the signal of two indices for one pair of sequences, and its map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.rnn.data import DataError


def test_the_weights_of_one_pair(tmp_path: Path) -> None:
    net = rnn.attention(x=4, e=3, d=3, o=5)
    params = net.init(seed=1)
    x, y = np.array([1, 0, 3, 2]), np.array([4, 2])
    found = rnn.alignment(net, params, x=x, y=y)
    whole = graph.evaluate(net, params, x=x[:, None], y=y[:, None], returns=["w"])["w"]
    np.testing.assert_allclose(found.values, whole[:, :, 0], atol=1e-12)
    assert found.values.shape == (2, 4)
    np.testing.assert_allclose(found.values.sum(1), 1.0)
    assert str(found).startswith("w of attention, the largest at s = ")
    one, same = (found.plot(tmp_path / name, "abcd", ["x", "y"]) for name in ("a.svg", "b.svg"))
    assert one.read_bytes() == same.read_bytes()
    assert found.plot(tmp_path / "c.png").stat().st_size > 1000
    with pytest.raises(DataError, match="source: expected 4 labels, one a step, got 2"):
        found.plot(tmp_path / "d.svg", "ab")


def test_what_cannot_be_aligned() -> None:
    net = rnn.attention(x=4, e=3, d=3, o=5)
    params = net.init()
    with pytest.raises(graph.CircuitError, match=r"no signal z\[t, s\]"):
        rnn.alignment(net, params, signal="z", x=[1], y=[1])
    with pytest.raises(DataError, match="the input x: expected one row"):
        rnn.alignment(net, params, x=np.zeros((3, 2), int), y=[1])
    with pytest.raises(graph.CircuitError, match="no signal of two indices"):
        rnn.alignment(rnn.seq2seq(x=4, e=3, o=5), {}, x=[1], y=[1])

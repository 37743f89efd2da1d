"""Checkpointing: the same values from less memory."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler.check import check
from bptt.compiler.loop import Chunks
from bptt.compiler.memory import predicted_bytes
from bptt.graph import Circuit
from bptt.rnn.cells import CELLS

WITH_LOSS = [n for n, r in CELLS.items() if "L" in r.cell(n)(**r.sizes).eqs]


def data(net: Circuit, sizes: dict[str, int]) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    params = {n: rng.normal(0, 0.6, shape) for n, shape in net.params.items()}
    inputs: dict[str, Any] = {}
    for name, node in net.input_nodes.items():
        shape = tuple(sizes[a] for a in node.axes)
        if node.dtype == "i":
            inputs[name] = rng.integers(0, net.symbols[name], shape)
        else:
            inputs[name] = rng.normal(size=shape + node.shape)
    return params, inputs


@pytest.mark.parametrize("name", WITH_LOSS)
def test_gradients_do_not_depend_on_checkpoints(name: str) -> None:
    net = CELLS[name].cell(name)(**CELLS[name].sizes)
    params, inputs = data(net, {"t": 7, "s": 4, "b": 3})
    lengths = {"t": [3, 7, 1], **({"s": [2, 4, 1]} if any("s" in x.axes for x in net.input_nodes.values()) else {})}
    plain = compiler.compile(net, target="interpret", dtype="float64")
    for k in (1, 3, 50):
        spare = compiler.compile(net, target="interpret", dtype="float64", checkpoint=k)
        check(spare.loops)
        for given in (None, lengths):
            expected = plain(params, lengths=given, **inputs)
            found = spare(params, lengths=given, **inputs)
            assert found.loss == pytest.approx(expected.loss, abs=1e-12)
            for p, g in expected.grad.items():
                np.testing.assert_allclose(found.grad[p], g, atol=1e-12, err_msg=p)


def test_memory_of_states_falls_with_the_distance_of_checkpoints() -> None:
    net = rnn.lstm(x=8, h=32, o=8)

    def a_step(k: int | None) -> int:
        """What one more step costs; parameters, packs and the chunk in work cost the same for any length."""
        loops = compiler.compile(net, target="interpret", checkpoint=k).loops
        return (predicted_bytes(loops, t=8192, b=4) - predicted_bytes(loops, t=4096, b=4)) // 4096

    assert a_step(8) < a_step(None) / 15
    assert a_step(16) == pytest.approx(a_step(8) / 2, rel=0.1)


@pytest.mark.parametrize("every", [None, 16, 64])
def test_a_program_allocates_what_it_says(every: int | None) -> None:
    """Without time indices in what is returned, a call leaves nothing behind but the program's own memory."""
    net = rnn.elman(x=4, h=32, o=4)
    program = compiler.compile(net, checkpoint=every, threads=2)
    params, inputs = data(net, {"t": 2, "b": 2})
    params = {n: a.astype("float32") for n, a in params.items()}

    def run(steps: int, rows: int) -> int:
        given = {n: np.zeros((steps, rows, *a.shape[2:]), "float32" if a.dtype.kind == "f" else a.dtype)
                 for n, a in inputs.items()}  # fmt: skip
        before = tracemalloc.get_traced_memory()[0]
        program(params, **given)
        return tracemalloc.get_traced_memory()[0] - before

    run(300, 16)  # compiles, for two threads too
    tracemalloc.start()
    try:
        gc.collect()
        first, last = run(3, 16), run(3000, 16)
    finally:
        tracemalloc.stop()
    assert first + last == pytest.approx(program.bytes(T=3000, rows=16), rel=0.1)


def test_sizes_of_memory_are_whole_numbers() -> None:
    with pytest.raises(ValueError, match="rows=0: expected a whole number from 1"):
        compiler.compile(rnn.elman(x=3, h=4, o=5), target="interpret").bytes(T=3, rows=0)


def test_what_is_returned_is_kept_whole() -> None:
    net = rnn.lstm(x=3, h=4, o=5)
    params, inputs = data(net, {"t": 9, "b": 2})
    spare = compiler.compile(net, target="interpret", dtype="float64", checkpoint=2, returns=("h",))
    plain = compiler.compile(net, target="interpret", dtype="float64", returns=("h",))
    np.testing.assert_array_equal(spare(params, **inputs).value["h"], plain(params, **inputs).value["h"])


def test_opposite_loops_keep_their_states_and_say_nothing_else() -> None:
    net = rnn.bidirectional_lstm(**CELLS["bidirectional_lstm"].sizes)
    spare = compiler.compile(net, target="interpret", checkpoint=4)
    assert not any(stage.restore for stage in spare.loops.stages if isinstance(stage, Chunks))
    plain = compiler.compile(net, target="interpret")
    assert predicted_bytes(spare.loops, 1000, 1, 4) < predicted_bytes(plain.loops, 1000, 1, 4) / 2


def test_what_is_kept_for_all_steps_may_be_computed_again_and_read_at_any_step() -> None:
    text = """
        f[t] = relu(W @ x[t] + R @ f[t-1] + g[t-1])
        g[t] = dropout(tanh(U @ f[t]), 0.3)
        k[t] = tanh(M @ f[t-2] + p[t] * tanh(q[t]))
        L = mean(cross_entropy(V @ k[t] + c, y[t]), over=t)
    """
    net = rnn.define(text, name="net")(x=3, f=3, g=3, k=3, y=3, q=3, p=3)
    params, inputs = data(net, {"t": 7, "b": 2})
    options: dict[str, Any] = {"target": "interpret", "dtype": "float64", "plan": compiler.Plan(fuse=False)}
    spare = compiler.compile(net, checkpoint=2, **options)
    check(spare.loops)
    expected = compiler.compile(net, **options)(params, **inputs)
    for name, g in spare(params, **inputs).grad.items():
        np.testing.assert_allclose(g, expected.grad[name], atol=1e-12, err_msg=name)


def test_a_distance_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        compiler.compile(rnn.lstm(x=3, h=4, o=5), checkpoint=0)

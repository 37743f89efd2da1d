"""The interpreter against plain NumPy, one sequence at a time."""

from __future__ import annotations

from typing import Any

import loop_programs as programs
import numpy as np
import pytest
from bptt.compiler.check import check
from bptt.compiler.interpret import interpret
from bptt.compiler.loop import Keep, Program
from bptt.compiler.memory import Batch
from loop_programs import given, public

Arrays = dict[str, np.ndarray[Any, Any]]
RAGGED = Batch.of([5, 3, 3, 1], [2, 4, 1, 3])


def run(loops: Program, batch: Batch, arrays: Arrays | None = None) -> Arrays:
    return public(check(loops), batch, interpret(loops, batch, arrays or given(loops, batch)))


def loss_of(p: Arrays, x: Any, y: Any, h: Any) -> float:
    total = 0.0
    for x_t, y_t in zip(x, y, strict=True):
        h = np.tanh(p["W"] @ h + p["U"] @ x_t + p["c"])
        o = p["V"] @ h + p["d"]
        total += np.log(np.exp(o).sum()) - o[y_t] if y_t >= 0 else 0.0
    return float(total)


def test_an_elman_step_and_its_gradients() -> None:
    loops = programs.elman()
    arrays = given(loops, RAGGED)
    out = run(loops, RAGGED, arrays)

    def loss(p: Arrays) -> float:
        rows = range(4)
        n = RAGGED.lengths["t"]
        return sum(loss_of(p, p["x"][: n[r], r], p["y"][: n[r], r], p["h[0]"][r]) for r in rows) / 4

    assert np.isclose(out["loss"], loss(arrays), atol=1e-12)
    for name in "WUcVd":
        numeric = np.empty_like(arrays[name])
        for i in np.ndindex(numeric.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = arrays[name].copy()
                moved[i] += step
                ends.append(loss(arrays | {name: moved}))
            numeric[i] = (ends[0] - ends[1]) / 2e-6
        assert np.allclose(out["δ" + name], numeric, atol=1e-7), name


def test_a_second_axis() -> None:
    loops = programs.attention()
    arrays = given(loops, RAGGED)
    out = run(loops, RAGGED, arrays)
    pairs, everything = np.zeros((3, 3)), 0.0
    for r in range(4):
        T, S = RAGGED.lengths["t"][r], RAGGED.lengths["s"][r]
        d, e = arrays["d"][:T, r], arrays["e"][:S, r]
        a = d @ e.T
        x = np.exp(a - a.max(1, keepdims=True))
        w = x / x.sum(1, keepdims=True)
        everything += x.sum()
        pairs += np.einsum("ts,si,tj->ij", w, e, d)
        assert np.allclose(out["w"][:T, :S, r], w)
        assert np.allclose(out["z"][:T, r], w @ e)
        assert np.allclose(out["f"][:T, r], w @ e + e[-1])
        assert np.allclose(out["δe"][:S, r], w.T @ d)
        assert np.isclose(out["top"][r], a.max())
    assert np.allclose(out["pairs"], pairs)
    assert np.allclose(out["all"], everything)


@pytest.mark.parametrize(
    "make", [programs.elman, programs.attention, programs.row_ops, programs.chunked, programs.pointwise]
)
def test_padding_changes_nothing(make: Any) -> None:
    """Each sequence of a ragged batch has what it has alone; what is summed over the batch is left out."""
    loops = make()
    arrays = given(loops, RAGGED)
    together = run(loops, RAGGED, arrays)
    for r in range(4):
        alone = Batch.of(int(RAGGED.lengths["t"][r]), int(RAGGED.lengths["s"][r]), rows=1)
        alone = Batch(alone.sizes, alone.lengths, np.array([r]))
        mine = {}
        for name, array in arrays.items():
            v = loops.values[name]
            if v.role == "input":
                n = alone.sizes[v.time] + v.lead + v.trail if v.time else None
                array = array[:n, r : r + 1] if v.time else array[r : r + 1]
            mine[name] = array
        single = run(loops, alone, mine)
        for name, array in together.items():
            v = loops.values[name]
            if "b" in v.axes and "count" not in name and not v.name.startswith("δ"):
                index = tuple(slice(r, r + 1) if a == "b" else slice(alone.sizes[a]) for a in v.axes)
                np.testing.assert_allclose(array[index], single[name], rtol=1e-12, err_msg=name)


def test_rings_and_chunks_hold_what_is_needed_and_no_more() -> None:
    batch = Batch.of(1, [7, 4, 4, 1])
    whole = run(programs.chunked(size=7), batch)
    for size in (1, 2, 3):
        out = run(programs.chunked(size=size), batch)
        assert all(np.allclose(out[n], whole[n], rtol=1e-13, equal_nan=True) for n in whole)
    loops = programs.chunked()
    h = loops.values["h"]
    loops.values["h"] = type(h)(**{**h.__dict__, "keep": Keep("ring", 1)})
    arrays = interpret(loops, batch, given(loops, batch))
    assert np.isnan(arrays["last"][0]).all()  # h[s-2] is gone before it is read


@pytest.mark.parametrize(
    "make", [programs.elman, programs.attention, programs.row_ops, programs.chunked, programs.pointwise]
)
def test_single_precision_stays_single(make: Any) -> None:
    double, single = make("float64"), make("float32")
    wide, narrow = run(double, RAGGED), run(single, RAGGED)
    for name, array in narrow.items():
        assert array.dtype in (np.float32, np.int64, np.bool_), name
        np.testing.assert_allclose(array, wide[name], rtol=2e-4, atol=2e-5, err_msg=name)


def test_the_number_of_the_first_step() -> None:
    batch = Batch(RAGGED.sizes, RAGGED.lengths, RAGGED.original, start=3)
    out = run(programs.pointwise(), batch)
    steps = np.broadcast_to(np.arange(3, 8)[:, None, None], (5, 4, 4))
    lengths = np.broadcast_to(RAGGED.lengths["t"][:, None], (5, 4, 4))
    expected = np.where(out["compare_0"], steps, lengths)
    inside = ~np.isnan(out["where_"])
    assert (out["where_"] == expected)[inside].all()


def test_rows_that_are_no_sequences() -> None:
    loops = programs.unbatched()
    arrays = given(loops, RAGGED)
    out = run(loops, RAGGED, arrays)
    clock, total = np.zeros(3), np.zeros((5, 3))
    for t in range(5):
        running = RAGGED.lengths["t"] > t
        total[t] = arrays["x"][t, running].sum(0)
        clock = np.tanh(arrays["W"] @ clock + t + 1)
        assert np.allclose(out["clock"][t], clock)
        assert np.allclose(out["high"][t], arrays["x"][t, running].max(0))
    assert np.allclose(out["total"], total)
    assert np.allclose(out["all"], (total * out["clock"]).sum(0))
    assert np.allclose(out["near"], np.exp(-np.abs(np.subtract.outer(np.arange(5), np.arange(4)))))
    assert np.allclose(out["span"], [6, 4, 4, 6, 8])
    assert (out["noise"][0, 0] == out["noise"][0]).all()

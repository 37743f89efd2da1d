"""Arithmetic, comparisons, choices and memory of vectors against NumPy, in both types."""

from __future__ import annotations

import operator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt.compiler.cache import load_kernels
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.vector.host import HOST
from bptt.compiler.cpu.vector.memory import address, load, load_first, store, store_first, view
from bptt.compiler.cpu.vector.types import count_lanes, first, fma, highest_lane, splat, total, where

Array = Any
DTYPES = ["float32", "float64"]
EDGES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, 3.5, 1e30]


@cache
def compiled(dtype: str) -> dict[str, Any]:
    """The functions under test: few, as each takes long to compile."""
    number: Any = np.dtype(dtype).type

    @function
    def arithmetic(a: Array, b: Array, out: Array) -> None:
        for k in range(0, a.shape[0], count_lanes(number)):
            x, y = load(a, k), load(b, (k,))
            sum_ = x + y
            sum_ += 0.1
            store(out, (0, k), sum_)
            store(out, (1, k), x - 0.1 * y)
            store(out, (2, k), -x / y)
            store(out, (3, k), fma(x, y, 1))
            store(out, (4, k), where((x < y) | (x == y), 1, 0))
            store(out, (5, k), where(~(x >= y) & (x != x), x, 2.0))
            store(out, (6, k), where(x > y, 1.0, where(x <= 0.5, 2.0, 3.0)))
            store(out, (7, k), where(k == 0, x, number(4)))
            store(out, (8, k), where((x != y) ^ (k == 0), 1, 0))

    @function
    def memory(a: Array, out: Array, row: int, unit: int, n: int) -> Any:
        x = load_first(a, (row, unit), n)
        store_first(out, (row, unit), x, n)
        store(out, (row + 1, unit), x)
        store(out, (row + 2, unit), where(first(n, number), 1.0, splat(number(2), x)))
        again = view(address(a, (row, 0)), (2, a.shape[1]), number)
        flat = view(address(a, (row, unit)), n + 1, number)
        return again[1, unit], flat[n], total(load(a, (row, unit))), highest_lane(load(a, (row, unit)))

    return {"arithmetic": arithmetic, "memory": memory}


def pairs(dtype: str) -> tuple[Array, Array]:
    x, y = (np.array(v, dtype).ravel() for v in np.meshgrid(EDGES, EDGES))
    n = -(-len(x) // 16) * 16
    rng = np.random.default_rng(0)
    fill = rng.normal(size=(2, n - len(x) + 16)).astype(dtype)
    return np.concatenate([x, fill[0]]), np.concatenate([y, fill[1]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic_is_that_of_numpy(dtype: str) -> None:
    x, y = pairs(dtype)
    out = np.full((9, len(x)), 7, dtype)
    compiled(dtype)["arithmetic"](x, y, out)
    number = np.dtype(dtype).type
    with np.errstate(all="ignore"):
        wide = x.astype(np.longdouble) * y + 1
        fused = wide.astype(dtype) if HOST.fused else x * y + number(1)
        lead = np.arange(len(x)) < HOST.lanes(dtype)
        expected = [
            (x + y) + number(0.1),
            x - number(0.1) * y,
            -x / y,
            fused,
            (x <= y) * 1,
            np.where(x != x, x, number(2)),
            np.where(x > y, 1, np.where(x <= 0.5, 2, 3)),
            np.where(lead, x, 4),
            (x != y) ^ lead,
        ]
    for found, array in zip(out, expected, strict=True):
        np.testing.assert_array_equal(found, array.astype(dtype))
        np.testing.assert_array_equal(np.signbit(found)[found == found], np.signbit(array)[found == found])


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_at_every_count(dtype: str) -> None:
    lanes = HOST.lanes(dtype)
    a = np.random.default_rng(1).normal(size=(4, 3 * lanes)).astype(dtype)
    for n in range(-1, lanes + 2):
        for unit in (0, 1, lanes):
            out = np.full_like(a, 9)
            k = min(max(n, 0), lanes)
            at, flat, sum_, top = compiled(dtype)["memory"](a, out, 0, unit, n)
            expected = np.full_like(a, 9)
            expected[0, unit : unit + k] = a[0, unit : unit + k]
            expected[1:3, unit : unit + lanes] = 0
            expected[1, unit : unit + k] = a[0, unit : unit + k]
            expected[2, unit : unit + lanes] = np.where(np.arange(lanes) < n, 1, 2)
            np.testing.assert_array_equal(out, expected)
            row = a[0, unit : unit + lanes]
            assert (at, top) == (a[1, unit], row.max())
            assert n < 0 or flat == a[0, unit + n]
            while len(row) > 1:
                row = row[: len(row) // 2] + row[len(row) // 2 :]
            assert sum_ == row[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_is_the_highest_lane(dtype: str) -> None:
    lanes = HOST.lanes(dtype)
    for lane in range(lanes):
        a = np.zeros((4, 3 * lanes), dtype)
        a[0, lane] = np.nan
        assert np.isnan(compiled(dtype)["memory"](a, np.zeros_like(a), 0, 0, 1)[3])


def test_the_machine_code_has_the_host_s_registers_and_no_call_of_a_library() -> None:
    arithmetic = compiled("float32")["arithmetic"]
    a = np.zeros(16, np.float32)
    arithmetic(a, a, np.zeros((9, 16), np.float32))
    (code,) = (arithmetic.inspect_asm(s) for s in arithmetic.signatures)
    assert "fmaf" not in code
    if HOST.name == "avx512":
        assert "zmm" in code
    if HOST.name in ("avx512", "avx2"):
        assert "vfm" in code


def test_where_of_numbers() -> None:
    chosen = function(lambda c, x, y: where(c, x, y))
    assert chosen(True, 1.5, 2.0) == 1.5
    assert chosen(False, 1.5, 2.0) == 2.0
    assert where(False, 1, 2) == 2


def test_vectors_of_different_types_do_not_mix() -> None:
    mixed = function(lambda a, b: total(load(a, 0) + load(b, 0)))
    with pytest.raises(Exception, match="No implementation of function"):
        mixed(np.zeros(16, np.float32), np.zeros(16))


@pytest.mark.parametrize("f", [splat, total, highest_lane, fma, load, store, address, view, first])
def test_only_in_compiled_code(f: Any) -> None:
    with pytest.raises(TypeError, match=f"{f.__name__} is of vectors"):
        f(*[None] * f.__code__.co_argcount)
    assert operator.attrgetter("__doc__")(f)


@function
def running_sums(at: Any, n: Any) -> Any:
    words = view(at, (n,), np.int64)
    for i in range(1, n):
        words[i] += words[i - 1]
    return words[n - 1] - view(address(words, (n - 1,)), 1, np.int64)[0]


def test_lists_of_words_are_read_and_written_in_their_place() -> None:
    words = np.array([3, -5, 2**40, 7], np.int64)
    assert running_sums(words.ctypes.data, 3) == 0
    assert words.tolist() == [3, -2, 2**40 - 2, 7]


KERNEL = """
from numpy import float32 as number
from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.vector.functions import sigmoid
from bptt.compiler.cpu.vector.memory import load, store, view
from bptt.compiler.cpu.vector.rows import highest_row


@entry
def gate(x_address, out_address, lanes):
    x, out = view(x_address, (3, 32), number), view(out_address, (3, 32), number)
    for row in range(x.shape[0]):
        for unit in range(0, x.shape[1], lanes):
            store(out, (row, unit), sigmoid(load(x, (row, unit)) * 2.0))
        out[row, 0] = sigmoid(highest_row(x, (row, 0), 3))
"""


def test_kernels_of_vectors_are_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPTT_CACHE", str(tmp_path / "kernels"))
    signatures = {"gate": "void(int64, int64, int64)"}
    assert load_kernels(KERNEL, signatures).compiled == 1
    again = load_kernels(KERNEL, signatures)
    assert again.compiled == 0
    x = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    out = np.empty_like(x)
    again.kernels["gate"].ctypes(x.ctypes.data, out.ctypes.data, HOST.lanes("float32"))
    np.testing.assert_allclose(out[:, 1:], 1 / (1 + np.exp(-2 * x[:, 1:])), 1e-6)
    np.testing.assert_allclose(out[:, 0], 1 / (1 + np.exp(-x[:, :3].max(axis=1))), 1e-6)

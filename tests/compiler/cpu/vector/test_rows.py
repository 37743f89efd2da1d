"""What is made of the first n numbers of a padded row: at every n, beside anything, in a fixed order."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.vector import rows
from bptt.compiler.cpu.vector.host import HOST

Array = Any
DTYPES = ["float32", "float64"]


@cache
def compiled() -> Any:
    @function
    def all_rows(x: Array, r: int, n: int, symbol: int, out: Array) -> Any:
        rows.softmax_row(x, (r, 0), out, (r, 0), n)
        return (
            rows.sum_row(x, (r, 0), n),
            rows.highest_row(x, (r, 0), n),
            rows.logsumexp_row(x, (r, 0), n),
            rows.cross_entropy_row(x, (r, 0), n, symbol),
        )

    return all_rows


@cache
def together() -> Any:
    @function
    def scored(x: Array, r: int, n: int, symbol: int, out: Array) -> Any:
        return rows.scored_row(x, (r, 0), out, (r, 0), n, symbol)

    return scored


def expected(x: Array, symbol: int) -> tuple[Array, Array]:
    """In a longer type: sum, highest, logsumexp and cross entropy; softmax."""
    x = x.astype(np.longdouble)
    top = x.max()
    e = np.exp(x - top)
    finite = top if np.isfinite(top) else np.longdouble(0)
    score = 0 if symbol < 0 else x[symbol] if symbol < len(x) else np.longdouble(0)
    entropy = top + np.log(e.sum()) - score if symbol >= 0 else np.longdouble(0)
    values = [x.sum(), top, finite + np.log(np.exp(x - finite).sum()), entropy]
    return np.array(values).astype(np.float64), (e / e.sum()).astype(np.float64)


def row(dtype: str, n: int, numbers: Array, fill: float) -> Array:
    lanes = HOST.lanes(dtype)
    x = np.full((2, -(-max(n, 1) // lanes) * lanes), fill, dtype)
    x[1, :n] = numbers
    return x


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_count(dtype: str) -> None:
    rng = np.random.default_rng(0)
    close = 4e-6 if dtype == "float32" else 1e-13
    for n in [*range(1, 70), 200, 1001]:
        numbers = rng.normal(size=n).astype(dtype) * 5
        found = []
        for fill in (np.nan, np.inf, 1e30):  # pads hold anything
            x = row(dtype, n, numbers, fill)
            out = np.full_like(x, 3)
            found.append((compiled()(x, 1, n, n // 2, out), out[1, :n].copy()))
            assert (out[1, n:] == 3).all()
            assert (out[0] == 3).all()
        values, softmax = expected(numbers, n // 2)
        np.testing.assert_allclose(found[0][0], values, close, close * 10)
        np.testing.assert_allclose(found[0][1], softmax, close * 2, 0)
        for other in found[1:]:
            assert other[0] == found[0][0]
            np.testing.assert_array_equal(other[1], found[0][1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_loss_and_a_softmax_together_are_the_same_bits(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 5, 16, 33, 65):
        for special in (0.0, np.nan, np.inf, -np.inf):
            numbers = rng.normal(size=n) * 5
            numbers[n // 3] += special
            for symbol in (-1, 0, n - 1, n):
                x = row(dtype, n, numbers, 1e30)
                out, alone = np.full_like(x, 3), np.full_like(x, 3)
                loss = compiled()(x, 1, n, symbol, alone)[3]
                np.testing.assert_array_equal(together()(x, 1, n, symbol, out), loss)
                np.testing.assert_array_equal(out, alone)
                np.testing.assert_array_equal(together()(x, 1, n, symbol, x), loss)  # in place
                np.testing.assert_array_equal(x[1, :n], alone[1, :n])


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_and_nan(dtype: str) -> None:
    for special in (np.nan, np.inf, -np.inf):
        for n in (1, 3, 16, 17, 40):
            for places in ([0], [n - 1], range(n)):
                numbers = np.linspace(-1, 1, n).astype(dtype)
                numbers[list(places)] = special
                x = row(dtype, n, numbers, 7.0)
                out = np.zeros_like(x)
                with np.errstate(all="ignore"):
                    values, softmax = expected(numbers, 0)
                np.testing.assert_allclose(compiled()(x, 1, n, 0, out), values, 1e-5)
                np.testing.assert_allclose(out[1, :n], softmax, 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_symbols_that_are_not_there(dtype: str) -> None:
    numbers = np.array([0.5, -1.0, 2.0], dtype)
    x = row(dtype, 3, numbers, np.nan)
    for symbol in (-1, -5, 3, 100):
        found = compiled()(x, 1, 3, symbol, np.zeros_like(x))[3]
        assert found == pytest.approx(float(expected(numbers, symbol)[0][3]), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sum_has_one_order_and_none_is_0(dtype: str) -> None:
    """Wherever the row is, and however it is aligned."""
    rng = np.random.default_rng(1)
    for n in (0, 5, 33, 130):
        numbers = rng.normal(size=n).astype(dtype)
        x = row(dtype, n, numbers, np.nan)
        found = sum_only()(x.ravel(), x.shape[1], n)
        if n == 0:
            assert found == 0
        shifted = np.concatenate([np.zeros(3, dtype), numbers, np.full(64, np.nan, dtype)])
        assert sum_only()(shifted, 3, n) == found


@cache
def sum_only() -> Any:
    return function(lambda x, at, n: rows.sum_row(x, at, n))

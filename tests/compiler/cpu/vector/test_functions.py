"""Functions of vectors: their errors over the whole range, special values, and independence of lanes."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.vector import functions as f
from bptt.compiler.cpu.vector.host import HOST
from bptt.compiler.cpu.vector.memory import load, store
from bptt.compiler.cpu.vector.types import count_lanes

Array = Any
DTYPES = ["float32", "float64"]
ONE = (
    "exp",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "sqrt",
    "sin",
    "cos",
    "relu",
    "step",
    "sign",
    "floor",
    "abs",
)
#: errors in ulp that the docstrings promise; those that are not here are exact
ULP = {
    "float32": {"exp": 1.1, "log": 0.9, "log1p": 0.9, "tanh": 2.5, "sigmoid": 2.5, "softplus": 1.8},
    "float64": {"exp": 0.9, "log": 0.9, "log1p": 0.9, "tanh": 1.9, "sigmoid": 1.7, "softplus": 1.8},
}
#: without a multiply-add
ROUNDED_TWICE = {"tanh": 2.5, "sigmoid": 2.5}
LIBRARY = {"sqrt": 0.5, "sin": 1.0, "cos": 1.0}


@cache
def compiled(dtype: str) -> Any:
    """All functions of one number, each in a row of ``out``."""
    number: Any = np.dtype(dtype).type

    @function
    def unary(a: Array, out: Array) -> None:
        for k in range(0, a.shape[0], count_lanes(number)):
            x = load(a, k)
            store(out, (0, k), f.exp(x))
            store(out, (1, k), f.log(x))
            store(out, (2, k), f.log1p(x))
            store(out, (3, k), f.tanh(x))
            store(out, (4, k), f.sigmoid(x))
            store(out, (5, k), f.softplus(x))
            store(out, (6, k), f.sqrt(x))
            store(out, (7, k), f.sin(x))
            store(out, (8, k), f.cos(x))
            store(out, (9, k), f.relu(x))
            store(out, (10, k), f.step(x))
            store(out, (11, k), f.sign(x))
            store(out, (12, k), f.floor(x))
            store(out, (13, k), abs(x))

    return unary


@cache
def compiled_binary(dtype: str) -> Any:
    number: Any = np.dtype(dtype).type

    @function
    def binary(a: Array, b: Array, out: Array) -> None:
        for k in range(0, a.shape[0], count_lanes(number)):
            x, y = load(a, k), load(b, k)
            store(out, (0, k), f.logaddexp(x, y))
            store(out, (1, k), f.maximum(x, y))
            store(out, (2, k), f.minimum(x, y))
            store(out, (3, k), f.mod(x, y))
            store(out, (4, k), f.power(x, y))
            store(out, (5, k), f.power(x, 3))
            store(out, (6, k), f.power(x, -1))
            store(out, (7, k), f.power(x, 5))
            store(out, (8, k), f.power(x, 0))
            store(out, (9, k), f.power(x, -2))
            store(out, (10, k), f.power(x, 0.5))
            store(out, (11, k), f.maximum(x, 0.25))

    return binary


@cache
def compiled_scalar() -> Any:
    @function
    def both(x: Array, y: Array, out: Array) -> None:
        for k in range(len(x)):
            out[0, k] = f.logaddexp(x[k], y[k])
            out[1, k] = f.maximum(x[k], y[k])
            out[2, k] = f.mod(x[k], y[k])
            out[3, k] = f.power(x[k], 3)
            out[4, k] = f.tanh(x[k])
            out[5, k] = f.sigmoid(x[k])
            out[6, k] = f.exp(x[k]) + f.sqrt(x[k])

    return both


def exact(name: str, x: Array) -> Array:
    """The function in a longer type."""
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1, e) / (1 + e)
    if name == "softplus":
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    if name == "relu":
        return np.where(x <= 0, 0, x)
    if name == "step":
        return np.where(x > 0, 1, np.where(x == x, 0, x))
    return getattr(np, name)(x)


def worst(found: Array, expected: Array) -> float:
    """The largest error in ulp of the type of ``found``; where no finite number is expected it must be the same."""
    info = np.finfo(found.dtype)
    with np.errstate(over="ignore"):
        rounded = expected.astype(found.dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(found[~finite], rounded[~finite])
    last = np.maximum(np.frexp(expected)[1] - info.nmant - 1, info.minexp - info.nmant)
    errors = np.abs(found.astype(expected.dtype) - expected) / np.ldexp(expected.dtype.type(1), last)
    return float(errors[finite].max(initial=0.0))


def edges(dtype: str) -> Array:
    """Where functions change their way, and both sides of it."""
    info = np.finfo(dtype)
    points = [0.0, 0.125, 0.25, 0.3466, 0.5, 0.6931472, 0.70710678, 1.0, 1.41421356, 2.0, 3.0, 10.0, 22.0, 44.0, 87.0]
    points += [88.72, 103.97, 104.5, 709.78, 745.13, 1e5, 1e10, 1e20, 1e-5, 1e-10, 1e-20, 1e-30, math.pi]
    points += [info.max, info.tiny, info.smallest_subnormal, info.eps, info.eps / 2, info.max / 2, info.tiny * 2]
    x = np.array(points, dtype)
    near = [x]
    for direction in (np.inf, 0):
        y = x
        for _ in range(8):
            with np.errstate(over="ignore"):
                y = np.nextafter(y, np.dtype(dtype).type(direction))
            near.append(y)
    whole = np.concatenate([*near, [np.inf, np.nan]]).astype(dtype)
    return padded(np.concatenate([whole, -whole]))


def padded(x: Array) -> Array:
    return np.concatenate([x, np.ones(-len(x) % 64, x.dtype)])


def check(dtype: str, x: Array, names: tuple[str, ...] = ONE) -> dict[str, float]:
    out = np.empty((len(ONE), len(x)), dtype)
    compiled(dtype)(x, out)
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64 if dtype == "float32" else np.longdouble)
        return {n: worst(row, exact(n, wide)) for n, row in zip(ONE, out, strict=True) if n in names}


def assert_within(dtype: str, found: dict[str, float]) -> None:
    bounds = LIBRARY | ULP[dtype] | ({} if HOST.fused else ROUNDED_TWICE)
    over = {name: error for name, error in found.items() if error > bounds.get(name, 0.0)}
    assert not over


def test_errors_of_float32() -> None:
    """An odd stride through all numbers, and the edges."""
    x = (np.arange(2**20, dtype=np.uint32) * np.uint32(4093)).view(np.float32)
    assert_within("float32", check("float32", x))
    assert_within("float32", check("float32", edges("float32")))


def test_errors_of_float64() -> None:
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.integers(-4, 4, 2**17)
    bits = rng.integers(0, 2**64, 2**15, dtype=np.uint64).view(np.float64)
    assert_within("float64", check("float64", padded(np.concatenate([rng.normal(size=2**17) * scales, bits]))))
    assert_within("float64", check("float64", edges("float64")))


@pytest.mark.slow
def test_errors_of_all_of_float32() -> None:
    """Minutes: all 2**32 numbers."""
    errors = dict.fromkeys(ULP["float32"], 0.0)
    for start in range(0, 2**32, 2**20):
        x = np.arange(start, start + 2**20, dtype=np.uint64).astype(np.uint32).view(np.float32)
        for name, error in check("float32", x, tuple(errors)).items():
            errors[name] = max(errors[name], error)
    assert_within("float32", errors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_of_zero_and_what_is_smallest(dtype: str) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x = padded(np.array([-0.0, 0.0, tiny, -tiny, 3 * tiny], dtype))
    out = np.empty((len(ONE), len(x)), dtype)
    compiled(dtype)(x, out)
    for name in ("tanh", "log1p"):
        np.testing.assert_array_equal(out[ONE.index(name), :5], x[:5])
        assert np.signbit(out[ONE.index(name), 0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_lane_does_not_depend_on_its_place_or_its_neighbours(dtype: str) -> None:
    lanes = HOST.lanes(dtype)
    x = edges(dtype)
    x = x[: len(x) // lanes * lanes]
    straight, alone = (np.empty((len(ONE), len(x)), dtype) for _ in range(2))
    compiled(dtype)(x, straight)
    for shift in range(1, lanes):
        turned = np.roll(x, shift)
        compiled(dtype)(turned, alone)
        np.testing.assert_array_equal(np.roll(alone, -shift, axis=1), straight)


def pairs(dtype: str) -> tuple[Array, Array]:
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -7.25, np.inf, -np.inf, np.nan, 1e-30, 80.0, -80.0, 1000.0]
    x, y = (padded(np.array(v, dtype).ravel()) for v in np.meshgrid(special, special))
    rng = np.random.default_rng(0)
    more = rng.normal(size=(2, 4096)) * 10.0 ** rng.integers(-2, 3, (2, 4096))
    more[1, :64] = more[0, :64]
    return np.concatenate([x, more[0]]).astype(dtype), np.concatenate([y, more[1]]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_two_numbers(dtype: str) -> None:
    x, y = pairs(dtype)
    out = np.empty((12, len(x)), dtype)
    compiled_binary(dtype)(x, y, out)
    wide = np.float64 if dtype == "float32" else np.longdouble
    with np.errstate(all="ignore"):
        found, expected = out[0].astype(wide), np.logaddexp(x.astype(wide), y.astype(wide))
        size = np.maximum(np.maximum(np.abs(x), np.abs(y)), 1)
        good = np.abs(found - expected) <= 3 * np.finfo(dtype).eps * size
        assert (good | (found == expected) | (np.isnan(found) & np.isnan(expected))).all()
        same(out[1], np.where((x >= y) | (x != x), x, y))
        same(out[2], np.where((x <= y) | (x != x), x, y))
        same(out[3], np.mod(x, y))
        powers = {4: y, 5: 3, 6: -1, 7: 5, 8: 0, 9: -2, 10: 0.5}
        for row, p in powers.items():  # NumPy takes one half for a root, which has other infinities
            expected = np.power(x.astype(wide), np.full(len(x), p, wide)).astype(dtype)
            np.testing.assert_allclose(out[row], expected, 6 * np.finfo(dtype).eps, 1e-44)
        same(out[11], np.where((x >= 0.25) | (x != x), x, 0.25).astype(dtype))


def same(found: Array, expected: Array) -> None:
    np.testing.assert_array_equal(found, expected)
    real = expected == expected
    np.testing.assert_array_equal(np.signbit(found)[real], np.signbit(expected)[real])


def test_the_same_names_of_numbers() -> None:
    x, y = pairs("float32")
    x, y = x[:300], y[:300]
    out = np.empty((7, 300), np.float32)
    compiled_scalar()(x, y, out)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(out[0], f64(np.logaddexp, x, y), 1e-6, 1e-6)
        same(out[1], np.where((x >= y) | (x != x), x, y))
        np.testing.assert_array_equal(out[2], np.mod(x, y))  # Numba has another sign of 0
        same(out[3], x * x * x)
        for row, name in ((4, "tanh"), (5, "sigmoid")):
            np.testing.assert_allclose(out[row], exact(name, wide).astype(np.float32), 3e-6, 1e-37)
        np.testing.assert_allclose(out[6], (np.exp(wide) + np.sqrt(wide)).astype(np.float32), 3e-6)
    assert f.sigmoid(0.0) == 0.5
    assert f.power(2.0, 3) == 8.0
    assert f.tanh(0.0) == 0.0


def f64(g: Any, *args: Array) -> Array:
    return g(*(a.astype(np.float64) for a in args)).astype(np.float32)


def test_float32_is_in_the_widest_registers() -> None:
    @function
    def g(a: Array, out: Array) -> None:
        store(out, 0, f.tanh(f.sigmoid(load(a, 0))))

    x, out = np.zeros(16, np.float32), np.zeros(16, np.float32)
    g(x, out)
    (code,) = (g.inspect_asm(s) for s in g.signatures)
    kernel = code.split(".size")[0]
    if HOST.name == "avx512":
        assert "zmm" in kernel
        assert "ymm" not in kernel
    assert "expf" not in code
    assert "tanhf" not in code

"""Functions of vectors: nanoseconds an element in cache, and the largest error found, on this machine.

    python benchmarks/vectors.py [--dtype float64]        BPTT_CPU=avx2 for a narrower machine

Each function goes over 2,048 numbers again and again; the functions take turns, and the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.vector import functions
from bptt.compiler.cpu.vector.host import HOST
from bptt.compiler.cpu.vector.memory import load, store
from bptt.compiler.cpu.vector.types import count_lanes

NAMES = ("exp", "log", "log1p", "tanh", "sigmoid", "softplus", "sqrt", "sin", "cos", "relu", "floor")
SIZE, REPEATS, ROUNDS = 2048, 50, 40


def compiled(name: str, dtype: str) -> Any:
    """The function over an array, ``repeats`` times."""
    f, number = getattr(functions, name), np.dtype(dtype).type

    @function
    def over(x: Any, out: Any, repeats: int) -> None:
        for _ in range(repeats):
            for k in range(0, x.shape[0], count_lanes(number)):
                store(out, k, f(load(x, k)))

    return over


def exact(name: str, x: Any) -> Any:
    """In a longer type."""
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1, e) / (1 + e)
    if name == "softplus":
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return np.maximum(x, 0) if name == "relu" else getattr(np, name)(x)


def error(f: Any, name: str, dtype: str) -> float:
    """The largest error in ulp among a million numbers of many sizes."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=2**20) * 10.0 ** rng.integers(-4, 3, 2**20)).astype(dtype)
    out = np.empty_like(x)
    f(x, out, 1)
    with np.errstate(all="ignore"):
        expected = exact(name, x.astype(np.float64 if dtype == "float32" else np.longdouble))
        rounded = expected.astype(dtype)
        off = np.abs(out.astype(expected.dtype) - expected) / np.spacing(np.abs(rounded)).astype(expected.dtype)
    return float(off[np.isfinite(rounded)].max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    dtype = parser.parse_args().dtype
    x = np.random.default_rng(0).normal(size=SIZE).astype(dtype)
    out = np.empty_like(x)
    table = {name: compiled(name, dtype) for name in NAMES}
    errors = {name: error(f, name, dtype) for name, f in table.items()}
    best = dict.fromkeys(NAMES, np.inf)
    for _ in range(ROUNDS):
        for name, f in table.items():
            began = time.perf_counter()
            f(x, out, REPEATS)
            best[name] = min(best[name], time.perf_counter() - began)
    print(f"{dtype}, {HOST.name}: {HOST.lanes(dtype)} lanes")
    for name in NAMES:
        print(f"{name:<10}{best[name] / REPEATS / SIZE * 1e9:8.3f} ns{errors[name]:8.2f} ulp")


if __name__ == "__main__":
    main()

"""Matrix products, weight gradients and packing on one core, as fractions of the multiply-add limit.

Usage: python benchmarks/products.py [--dtype float32] [--rounds 20] [--only product]

Everything runs in turn in each round, the limit too; the best round of each counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.products.layout import Part, plain
from bptt.compiler.cpu.products.library import call_product, library, outer_tiles, sets_for
from bptt.compiler.cpu.products.limit import limit, memory_limit
from bptt.compiler.cpu.products.outer import scratch_bytes
from bptt.compiler.cpu.vector.host import HOST

Array = np.ndarray[Any, Any]
Case = tuple[str, float, Callable[[], object]]
"""A line of the table: what it is, its multiply-adds and additions (0: bytes), and how to run it."""


@function
def products(times, address, rows, order, x, x_row, terms, runs, panels, out, out_row, lanes, size, sets):  # type: ignore[no-untyped-def]
    """A product again and again, as compiled code calls it."""
    for _ in range(times):
        for i in range(len(runs)):
            vectors, count, offset, step, first = runs[i]
            call_product(
                address, rows, order, x, x_row, terms, vectors, count, panels + offset * size, step,
                out + first * lanes * size, out_row, lanes, vectors * lanes, 0, sets,
            )  # fmt: skip


def aligned(shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers of a normal distribution, at the beginning of a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    array = raw[-raw.ctypes.data % 64 :][:size].view(dtype).reshape(shape)
    array[...] = np.random.default_rng(0).normal(size=shape)
    return array


def product_case(dtype: str, rows: int, terms: int, columns: int) -> Case:
    lanes, size = HOST.lanes(dtype), np.dtype(dtype).itemsize
    layout = plain([Part(0, 0, columns, terms, columns, False)], lanes)
    x, panels, out = (aligned(s, dtype) for s in ((rows, terms), (layout.numbers,), (rows, columns)))
    order = np.arange(rows)
    runs = np.array([(r.vectors, r.panels, r.offset, r.step, r.first) for r in layout.runs])
    sets = sets_for(rows, layout.runs[0].vectors)
    flops = 2.0 * rows * terms * columns
    times = max(1, int(4e7 / flops))
    places = [a.ctypes.data for a in (order, x, panels, out)]
    address = library(dtype).address("product")

    def run(keep: object = (order, x, panels, out)) -> None:
        at = places
        products(times, address, rows, at[0], at[1], terms, terms, runs, at[2], at[3], columns, lanes, size, sets)

    return f"product rows {rows:3} K {terms:3} N {columns:4} sets {sets}", times * flops, run


def outer_case(dtype: str, rows: int, inner: int, columns: int) -> Case:
    h, d, c = (aligned(s, dtype) for s in ((rows, inner), (rows, columns), (columns, inner)))
    listed, scratch = np.arange(rows), np.empty(scratch_bytes(HOST) + 64, np.uint8)
    rows_of = [[a.ctypes.data, n, listed.ctypes.data, n] for a, n in ((h, inner), (d, columns))]
    table = np.array([*rows_of, [c.ctypes.data, inner, 0, 0]])
    tiles = outer_tiles(HOST, dtype, [inner], [columns])
    outer = library(dtype).functions["outer"].ctypes
    at = scratch.ctypes.data + (-scratch.ctypes.data) % 64

    def run(keep: object = (h, d, c, scratch)) -> None:
        outer(0, tiles, rows, 1, 1, table.ctypes.data, at, 0)

    return f"outer rows {rows:4} a {columns:4} b {inner:3}", 2.0 * rows * inner * columns, run


def pack_case(dtype: str, terms: int, columns: int, transposed: bool) -> Case:
    shape = (columns, terms) if transposed else (terms, columns)
    matrix = aligned(shape, dtype)
    layout = plain([Part(0, 0, shape[1], terms, columns, transposed)], HOST.lanes(dtype))
    table, out, listed = layout.table(), aligned((layout.numbers,), dtype), np.array([matrix.ctypes.data])
    pack = library(dtype).functions["pack"].ctypes

    def run(keep: object = (matrix, out)) -> None:
        pack(0, len(table), table.ctypes.data, listed.ctypes.data, out.ctypes.data)

    return f"pack{' transposed' * transposed} {terms} by {columns}", -2.0 * matrix.nbytes, run


def cases(dtype: str) -> list[Case]:
    found = [product_case(dtype, r, k, 4 * k) for r in (16, 32, 64, 1, 4, 5) for k in (32, 64, 100, 128, 256, 512)]
    found += [outer_case(dtype, r, h, 4 * h) for r in (1000, 1600, 6400) for h in (32, 128, 256, 512)]
    return found + [pack_case(dtype, k, 4 * k, t) for k in (64, 100, 256) for t in (False, True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="cases whose names begin so")
    given = parser.parse_args()
    begin = time.perf_counter()
    made = library(given.dtype)
    seconds = time.perf_counter() - begin
    print(f"{HOST.name}, {given.dtype}: library of {made.compiled} compiled functions in {seconds:.2f} s")
    chosen = [c for c in cases(given.dtype) if c[0].startswith(given.only)]
    best = dict.fromkeys((c[0] for c in chosen), float("inf"))
    most = 0.0
    for _ in range(given.rounds):
        most = max(most, limit(given.dtype, repeats=2))
        for name, _, run in chosen:
            run()
            for _ in range(3):
                begin = time.thread_time()  # of this thread: others may share the core
                run()
                best[name] = min(best[name], time.thread_time() - begin)
    print(f"limit {most:.0f} GFLOP/s, {memory_limit() / 1e9:.1f} GB/s read")
    for name, work, _ in chosen:
        speed = abs(work) / best[name] / 1e9
        share = f"GFLOP/s {speed / most:5.0%}" if work > 0 else "GB/s read and written"
        print(f"{name:36} {speed:7.1f} {share}")


if __name__ == "__main__":
    main()

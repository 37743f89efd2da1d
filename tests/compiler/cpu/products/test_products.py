"""Products, weight gradients and packing against NumPy: at every edge of tiles, vectors and groups, on every host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.products.layout import Layout, Part, interleaved, plain
from bptt.compiler.cpu.products.library import Library, call_product, library, outer_tiles, sets_for
from bptt.compiler.cpu.products.limit import limit, memory_limit
from bptt.compiler.cpu.products.outer import GROUP, scratch_bytes
from bptt.compiler.cpu.products.tiles import most_rows, sets_of
from bptt.compiler.cpu.vector.host import HOST, HOSTS, able

Array = np.ndarray[Any, Any]
NAN, INF = float("nan"), float("inf")


def here() -> list[Any]:
    """The hosts that this machine can be, in both types; only its own is quick."""
    from llvmlite import binding
    from numba.core import codegen

    found = able(binding.get_process_triple(), codegen.get_host_cpu_features())
    quick = [pytest.param((HOST, "float32"), id=f"{HOST.name}-float32")]
    rest = [(h, d) for h in found for d in ("float32", "float64") if (h, d) != (HOST, "float32")]
    return quick + [pytest.param(p, id=f"{p[0].name}-{p[1]}", marks=pytest.mark.slow) for p in rest]


@pytest.fixture(scope="module", params=here())
def lib(request: pytest.FixtureRequest) -> Library:
    """The library, compiled once for each host and type."""
    host, dtype = request.param
    return library(dtype, host)


def lanes_of(lib: Library) -> int:
    return lib.host.lanes(lib.dtype)


def padded(n: int, lanes: int) -> int:
    return -(-n // lanes) * lanes


def normal(lib: Library, *shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(lib.dtype)


def close(got: Array, expected: Array) -> bool:
    size = 3e-5 if got.dtype == np.float32 else 1e-13
    return np.allclose(got, expected, rtol=size, atol=size * 10, equal_nan=True)


def multiply(lib: Library, x: Array, panels: Array, out: Array, order: Sequence[int], add: int, sets: int) -> None:
    """panels: [panel, term, vectors · lanes]; out: [row, panel, vectors · lanes]."""
    lanes, rows = lanes_of(lib), np.array(order, np.int64)
    count, terms, wide = panels.shape
    lib.functions["product"].ctypes(
        len(rows), rows.ctypes.data, x.ctypes.data, x.shape[1], terms, wide // lanes, count, panels.ctypes.data,
        terms * wide, out.ctypes.data, count * wide, lanes, wide, add, sets,
    )  # fmt: skip


@pytest.mark.parametrize("vectors", [1, 2, 3, 4])
def test_products_at_every_edge_of_tiles(lib: Library, vectors: int) -> None:
    lanes = lanes_of(lib)
    for terms in (*range(10), 100, 515):
        x, panels = normal(lib, 20, terms + 3), normal(lib, 2, terms, vectors * lanes)
        for rows in range(14):
            order = np.random.default_rng(rows).permutation(20)[:rows]
            for sets in sets_of(vectors):
                out = np.full((20, 2, vectors * lanes), 7, lib.dtype)
                add = (rows + sets) % 2
                expected = out.astype(np.float64)
                expected[order] = 7 * add + np.einsum("rk,pkv->rpv", x[order, :terms].astype(float), panels)
                multiply(lib, x, panels, out, list(order), add, sets)
                assert close(out, expected), f"rows {rows}, terms {terms}, sets {sets}"


def test_products_have_the_same_bits_for_any_split_of_rows_and_panels(lib: Library) -> None:
    lanes = lanes_of(lib)
    for vectors, sets, terms in ((4, 1, 37), (4, 1, 259), (4, 2, 259), (1, 8, 37), (2, 4, 37), (3, 2, 37)):
        x, panels = normal(lib, 13, terms), normal(lib, 3, terms, vectors * lanes)
        whole = np.zeros((13, 3, vectors * lanes), lib.dtype)
        multiply(lib, x, panels, whole, range(13), 0, sets)
        for step in (1, 2, 5, 7):
            out = np.zeros_like(whole)
            for first in range(0, 13, step):
                multiply(lib, x, panels, out, range(12 - first, max(12 - first - step, -1), -1), 0, sets)
            assert out.tobytes() == whole.tobytes(), f"rows {step} at a time"


def test_vectors_of_a_panel_go_to_places_apart(lib: Library) -> None:
    lanes = lanes_of(lib)
    x, panel, order = normal(lib, 5, 9), normal(lib, 1, 9, 3 * lanes), np.arange(5)
    out = np.zeros((3, 5, lanes), lib.dtype)
    lib.functions["product"].ctypes(
        5, order.ctypes.data, x.ctypes.data, 9, 9, 3, 1, panel.ctypes.data, 0,
        out.ctypes.data, lanes, 5 * lanes, 0, 0, 1,
    )  # fmt: skip
    assert close(out.transpose(1, 0, 2).reshape(5, -1), x.astype(float) @ panel[0])


def test_nan_and_infinity_stay_in_their_rows_and_columns(lib: Library) -> None:
    lanes = lanes_of(lib)
    x, panels = np.ones((8, 5), lib.dtype), np.ones((1, 5, 2 * lanes), lib.dtype)
    x[3, 2], x[5, 4], panels[0, 1, 1] = NAN, INF, -INF
    out = np.zeros((8, 1, 2 * lanes), lib.dtype)
    multiply(lib, x, panels, out, range(8), 0, 1)
    with np.errstate(invalid="ignore"):
        expected = np.einsum("rk,pkv->rpv", x, panels)
    assert np.array_equal(out, expected, equal_nan=True)
    assert np.isnan(out[3]).all()
    assert np.isinf(out[5, 0, 0])
    assert np.isnan(out[5, 0, 1])


def test_sets_depend_on_the_batch_and_keep_sums_in_registers() -> None:
    assert [sets_for(1, v) for v in (1, 2, 3, 4)] == [8, 4, 2, 2]
    assert [sets_for(64, v) for v in (1, 2, 3, 4)] == [2, 1, 1, 1]
    for host in HOSTS.values():
        for v in (1, 2, 3, 4):
            for s in sets_of(v):
                assert most_rows(host, v, s) == 1 or most_rows(host, v, s) * v * s < host.registers


Operand = tuple[Array, Array, int]
"""Rows padded to whole vectors, the list of those that count, and the columns."""


def run_outer(lib: Library, bs: Sequence[Operand], parts: Sequence[dict[str, Any]], pieces: int, add: int) -> None:
    lines = [[b.ctypes.data, b.shape[1], listed.ctypes.data, width] for b, listed, width in bs]
    for p in parts:
        lines.append([p["a"].ctypes.data, p["a"].shape[1], p["list"].ctypes.data, p["columns"]])
        lines += [[c.ctypes.data, c.shape[1], 0 if k else p["sums"].ctypes.data, 0] for k, c in enumerate(p["c"])]
    table = np.array(lines, np.int64)
    scratch = np.full(scratch_bytes(lib.host), 0xFF, np.uint8)
    count = outer_tiles(lib.host, lib.dtype, [width for *_, width in bs], [p["columns"] for p in parts])
    for i in range(pieces):
        first, last = count * i // pieces, count * (i + 1) // pieces
        lib.functions["outer"].ctypes(
            first, last, len(bs[0][1]), len(bs), len(parts), table.ctypes.data, scratch.ctypes.data, add
        )


def bs_of(lib: Library, widths: Sequence[int], rows: int) -> list[Operand]:
    rng = np.random.default_rng(9)
    return [(normal(lib, 300, padded(w, lanes_of(lib))), rng.integers(0, 300, rows), w) for w in widths]


def parts_of(lib: Library, columns: Sequence[int], widths: Sequence[int], rows: int) -> list[dict[str, Any]]:
    lanes = lanes_of(lib)
    made = []
    for i, c in enumerate(columns):
        listed = np.random.default_rng(i).integers(0, 300, rows)
        a, out = normal(lib, 300, padded(c, lanes) + i), [np.full((c, padded(w, lanes)), 3, lib.dtype) for w in widths]
        sums = np.full(padded(c, lanes), 2, lib.dtype)
        made.append({"a": a, "list": listed, "columns": c, "c": out, "sums": sums})
    return made


@pytest.mark.parametrize("rows", [0, 1, GROUP - 1, GROUP, GROUP + 1, 3 * GROUP + 5])
def test_weight_gradients_and_column_sums(lib: Library, rows: int) -> None:
    n = lanes_of(lib)
    for widths in ((1,), (n, n + 1), (5 * n + 3,), (8 * n, 1, 5 * n), (33 * n, 40 * n, 3)):
        bs = bs_of(lib, widths, rows)
        for columns in ((1,), (7, 3 * n + 1), (100,)):
            add = len(columns) - 1
            parts = parts_of(lib, columns, widths, rows)
            run_outer(lib, bs, parts, 1, add)
            for p in parts:
                a = p["a"][p["list"], : p["columns"]].astype(float)
                for (b, b_list, width), c in zip(bs, p["c"], strict=True):
                    expected = 3 * add + a.T @ b[b_list, :width]
                    assert close(c[:, :width], expected), f"width {width} of {widths}, {columns}"
                    if not add:
                        assert not c[:, width:].any()
                assert close(p["sums"][: p["columns"]], 2 * add + a.sum(0))


def test_weight_gradients_have_the_same_bits_for_any_split_and_company(lib: Library) -> None:
    widths, rows, columns = (10 * lanes_of(lib) - 1, 3, 2 * lanes_of(lib)), 2 * GROUP + 9, (100, 5, 50)
    bs = bs_of(lib, widths, rows)
    results = []
    for pieces in (1, 2, 3, 7, 1000):
        parts = parts_of(lib, columns, widths, rows)
        run_outer(lib, bs, parts, pieces, 0)
        results.append(b"".join(a.tobytes() for p in parts for a in (*p["c"], p["sums"])))
    assert len(set(results)) == 1
    for k, b in enumerate(bs):
        alone = parts_of(lib, columns, widths[k : k + 1], rows)
        run_outer(lib, [b], alone, 1, 0)
        assert all(np.array_equal(p["c"][k], q["c"][0]) for p, q in zip(parts, alone, strict=True))


def pack(lib: Library, layout: Layout, matrices: Sequence[Array]) -> Array:
    """Packed in two calls, into memory of NaN."""
    table, panels = layout.table(), np.full(layout.numbers, NAN, lib.dtype)
    listed = np.array([m.ctypes.data for m in matrices], np.int64)
    for first, last in ((0, len(table) // 2), (len(table) // 2, len(table))):
        lib.functions["pack"].ctypes(first, last, table.ctypes.data, listed.ctypes.data, panels.ctypes.data)
    return panels


@pytest.mark.parametrize("transposed", [False, True])
def test_packing_of_rectangles(lib: Library, transposed: bool) -> None:
    lanes = lanes_of(lib)
    for terms in (1, lanes - 1, lanes, 2 * lanes + 3):
        for columns in (1, lanes, 3 * lanes + 1, 7 * lanes):
            m = normal(lib, terms + 2, columns + 5)
            first, row = (2 * (terms + 2) + 1, terms + 2) if transposed else (columns + 5 + 2, columns + 5)
            part = Part(0, first, row, terms, columns, transposed)
            expected = np.zeros((terms, padded(columns, lanes)), lib.dtype)
            expected[:, :columns] = m[1 : terms + 1, 2 : columns + 2]
            given = np.ascontiguousarray(m.T) if transposed else m
            layout = plain([part], lanes)
            found = pack(lib, layout, [given])
            for r in layout.runs:
                for p in range(r.panels):
                    at = (r.first + p * r.vectors) * lanes
                    panel = found[r.offset + p * r.step :][: r.step].reshape(terms, r.vectors * lanes)
                    assert np.array_equal(panel, expected[:, at : at + r.vectors * lanes])


def test_a_packed_stack_of_gates_over_two_rectangles_multiplies(lib: Library) -> None:
    lanes, units, inputs = lanes_of(lib), 2 * lanes_of(lib) + 1, 5
    gates = [(normal(lib, units, inputs + g), normal(lib, units, units + 3 * g)) for g in range(6)]
    parts = [
        [Part(2 * g, 0, u.shape[1], inputs, units, True), Part(2 * g + 1, 0, w.shape[1], units, units, True)]
        for g, (u, w) in enumerate(gates)
    ]
    layout = interleaved(parts, lanes)
    assert [(r.vectors, r.panels, r.first) for r in layout.runs] == [(3, 3, 0), (3, 3, 3)]
    panels = pack(lib, layout, [m for pair in gates for m in pair])
    x, order = normal(lib, 4, inputs + units), np.arange(4)
    out = np.zeros((6, 4, padded(units, lanes)), lib.dtype)
    wide = padded(units, lanes)
    for r in layout.runs:
        lib.functions["product"].ctypes(
            4, order.ctypes.data, x.ctypes.data, inputs + units, inputs + units, r.vectors, r.panels,
            panels[r.offset :].ctypes.data, r.step, out[r.first].ctypes.data, wide, 4 * wide, lanes, 0, 1,
        )  # fmt: skip
    for g, (u, w) in enumerate(gates):
        expected = x[:, :inputs].astype(float) @ u[:, :inputs].T + x[:, inputs:].astype(float) @ w[:, :units].T
        assert close(out[g, :, :units], expected)
        assert not out[g, :, units:].any()


def test_layouts_name_what_does_not_fit() -> None:
    short, long, narrow = Part(0, 0, 8, 3, 8, False), Part(0, 0, 8, 4, 8, False), Part(0, 0, 8, 3, 7, False)
    with pytest.raises(ValueError, match=r"one number of terms; these have \[3, 4\]"):
        interleaved([[short], [long]], 16)
    with pytest.raises(ValueError, match=r"one number of columns; these have \[7, 8\]"):
        plain([short, narrow], 16)
    assert plain([Part(0, 0, 0, 3, 0, False)], 16).numbers == 0


@function
def through_the_address(address, order, x, panel, out):  # type: ignore[no-untyped-def]
    call_product(address, 3, order, x, 4, 4, 1, 1, panel, 0, out, 16, 0, 0, 0, 1)


def test_compiled_code_calls_by_address() -> None:
    lib = library("float32")
    x, panel, out = normal(lib, 3, 4), normal(lib, 4, lanes_of(lib)), np.zeros((3, 16), np.float32)
    order = np.arange(3)
    places = (a.ctypes.data for a in (order, x, panel, out))
    through_the_address(lib.address("product"), *places)
    assert close(out[:, : lanes_of(lib)], x.astype(float) @ panel)


def test_limits_are_measured() -> None:
    assert limit("float32", repeats=1) > 1
    assert limit("float32", 2, repeats=1) > 1
    assert memory_limit(repeats=1) > 1e8

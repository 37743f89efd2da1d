"""The library of matrix products: compiled once a machine for a type, kept on disk, called by address.

All sizes are known at run time only. Addresses are whole numbers, in bytes; rows, steps and offsets count numbers of
the type; lists of rows hold 64-bit whole numbers. A vector is as many numbers as the host has lanes. No function
allocates, and each number of a result is summed in an order that depends on the count of terms (and on ``sets``)
alone, so any split of the work over calls and threads gives the same bits.

product(rows, order*, x*, x_row, terms, vectors, panels, panel*, panel_step, out*, out_row, out_vector, out_panel,
        add, sets)
    out[r, p, v] = (0 | out[r, p, v]) + sum_k x[r, k] · panel[p][k, v] for each row number r of the list ``order``:
    r is at x + r·x_row, and at out + r·out_row + p·out_panel + v·out_vector. A panel has ``vectors`` vectors, 1 to 4,
    for each of ``terms`` k, and the next of ``panels`` of them is ``panel_step`` numbers on. ``add`` is 1 to go on
    from what is in out, else 0. ``sets`` of accumulators take terms in turn: 1, or more for few rows (``sets_for``).
outer(first, last, rows, bs, count, table*, scratch, add)
    C[i, j] = (0 | C[i, j]) + sum_n a[a_list[n], i] · b[b_list[n], j], one group of rows after another, for each of
    ``bs`` b and each of ``count`` a. The table has lines of four numbers: for each b its address, its row, its list*
    and its columns; then for each a the same of it, followed by a line for each b with C*, C's row and, in the first,
    sums*: where that is not 0, also sums[i] = (0 | sums[i]) + sum_n a[a_list[n], i]. Rows of a, b and C, and sums, are
    padded to whole vectors; columns of C from those of b on become 0 (NaN where a is not finite), those of sums
    anything. The work is ``outer_tiles`` tiles; this call does those from ``first`` to before ``last``. ``scratch`` is
    memory of ``scratch_bytes(host)`` bytes for this call alone.
pack(first, last, table*, matrices*, panels*)
    Copies from matrices, whose addresses are listed, to panels: those from ``first`` to before ``last`` of the
    table's, as ``Layout.table`` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ...cache import load_kernels
from ..vector.host import HOST, Host
from .emit import SIZES, WORD, Llvm, caller, emitted, word
from .outer import STRIP, strip_tiles
from .tiles import ACROSS, INDEPENDENT, VECTORS, row_tile, sets_of

ARGUMENTS = {
    "product": "rows order x x_row terms vectors panels panel panel_step out out_row out_vector out_panel add sets",
    "outer": "first last rows bs count table scratch add",
    "pack": "first last table matrices panels",
}


@dataclass(frozen=True)
class Library:
    """Compiled functions for a type.

    functions  name -> what has ``address``, and ``ctypes`` to be called from Python
    compiled   how many of them had to be compiled
    """

    host: Host
    dtype: str
    functions: Mapping[str, Any]
    compiled: int

    def address(self, name: str) -> int:
        return int(self.functions[name].address)


def library_source(host: Host, dtype: str) -> str:
    """The module that is compiled."""
    lines = [f'"""Matrix products in {dtype} for {host.name}."""', "", "from bptt.compiler.cpu.jit import entry"]
    lines += [f"from bptt.compiler.cpu.products.{name} import {name}_of" for name in ARGUMENTS]
    lines += ["from bptt.compiler.cpu.vector.host import Host", "", f"host = {host!r}"]
    lines += [f'{name} = entry({name}_of(host, "{dtype}"))' for name in ARGUMENTS]
    return "\n".join([*lines, ""])


@cache
def library(dtype: str, host: Host = HOST) -> Library:
    """The library for "float32" or "float64", from the cache or compiled now (about two seconds).

    Raises CacheError as ``load_kernels`` does.
    """
    signatures = {name: f"void({', '.join(['int64'] * len(words.split()))})" for name, words in ARGUMENTS.items()}
    loaded = load_kernels(library_source(host, dtype), signatures)
    return Library(host, dtype, loaded.kernels, loaded.compiled)


#: batches of so many rows, or more -> the rows that most of their tiles have, whatever part of them a thread has
LEAST_ROWS = {8: 6, 4: 3, 0: 1}


def sets_for(rows: int, vectors: int) -> int:
    """The sets of accumulators for a product with so many rows in all: enough sums at once to hide latency.

    rows  of the whole batch, not of a thread: the order of sums depends on sets
    """
    least = next(n for fewest, n in LEAST_ROWS.items() if rows >= fewest)
    return next((s for s in sets_of(vectors) if s * vectors * least >= INDEPENDENT), sets_of(vectors)[-1])


def outer_tiles(host: Host, dtype: str, widths: Sequence[int], columns: Sequence[int]) -> int:
    """How many tiles ``outer`` has for b's with so many columns each, and a's with so many each."""
    vectors = [-(-width // host.lanes(dtype)) for width in widths]
    panels = [-(-v // VECTORS) for v in vectors]
    if not sum(panels):
        return 0
    most, whole = strip_tiles(host, dtype, max(-(-v // p) for v, p in zip(vectors, panels, strict=True) if p))
    strip = STRIP * host.lanes(dtype)
    return sum(panels) * sum(c // strip * whole - (-(c % strip) // most) for c in columns)


def _describer() -> Any:
    """``describe(line, …)`` in compiled code: one line of the table of ``outer``, written at an address."""
    words = ["line", "address", "row", "listed", "columns"]

    def build(builder: Llvm, values: Sequence[Llvm]) -> None:
        line = builder.inttoptr(values[0], ir.PointerType(WORD))
        for k, value in enumerate(values[1:]):
            builder.store(value, builder.gep(line, [ir.Constant(WORD, k)], source_etype=WORD))

    return emitted("describe", words, build)


def _one_row() -> Any:
    """``one_row(x, terms, panel, panel_step, out, add, dtype, vectors, panels, sets)`` in compiled code: ``product``
    of one row by a few panels, whose last four arguments are literals, in the caller's own code: a call of the library
    takes as long as such a product."""

    def typed(context: Any, x: Any, terms: Any, panel: Any, panel_step: Any, out: Any, add: Any, dtype: Any,
              vectors: Any, panels: Any, sets: Any) -> Any:  # fmt: skip
        literals = [a.literal_value for a in (dtype, vectors, panels, sets)]
        name, wide, count, several = literals
        signature = types.void(*[types.int64] * 6, dtype, vectors, panels, sets)

        def instructions(target: Any, builder: Llvm, signature: Any, values: Sequence[Llvm]) -> Llvm:
            x, terms, panel, panel_step, out, add, *_ = values
            lanes, zero = HOST.lanes(name), builder.alloca(WORD)
            builder.store(word(0), zero)
            first = builder.ptrtoint(zero, WORD)
            each = max(1, ACROSS // wide)
            for p in range(0, count, each):
                tile = row_tile(builder.module, HOST, name, wide, several, 1, min(each, count - p))
                at = builder.add(panel, builder.mul(panel_step, word(p * SIZES[name])))
                to = builder.add(out, word(p * wide * lanes * SIZES[name]))
                builder.call(tile, [first, x, word(0), terms, at, panel_step, to, word(0), word(lanes), add])
            return target.get_dummy_value()

        return signature, instructions

    return intrinsic(prefer_literal=True)(typed)


describe = _describer()
one_row = _one_row()
call_product = caller("call_product", ARGUMENTS["product"].split())
call_outer = caller("call_outer", ARGUMENTS["outer"].split())
call_pack = caller("call_pack", ARGUMENTS["pack"].split())

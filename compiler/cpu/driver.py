"""The native loop that runs a program's kernels one after the other, on each of its threads.

Threads meet only where one needs what another has computed: between passes that are shared in different ways.
A list of steps says what to run, FIELDS numbers each:

    RUN,     address of the kernel, how threads share it (see ``parallel``), 1 to wait for all threads before it
    REPEAT,  number of steps in it, steps of a chunk, or minus the place in the table where they are, 1 for the last
             chunk first, place of the length in the table
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from llvmlite import ir

from ..cache import load_kernels
from .jit import function
from .native import Native
from .parallel import ROWS, SPLIT
from .products.emit import caller, emitted, entry_of
from .vector.numba_api import extending, types

RUN, REPEAT = 0, 1
FIELDS = 5
#: the state of a barrier, each in a line of the cache of its own: how many have come, how often all have
COME, TURN, BARRIER = 0, 8, 16
#: how often to look before the processor is offered to others
PATIENCE = 2000

_WORD = ir.IntType(64)


def _pointer(builder: Any, address: Any, index: Any) -> Any:
    return builder.gep(builder.inttoptr(address, _WORD.as_pointer()), [index])


@extending.intrinsic  # type: ignore[untyped-decorator]
def latest(context: Any, address: Any, index: Any) -> Any:
    """The whole number at a place of a list as other threads have written it, with all that they wrote before."""

    def instructions(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_pointer(builder, *values), "acquire", 8)

    return types.int64(types.int64, types.int64), instructions


@extending.intrinsic  # type: ignore[untyped-decorator]
def count_up(context: Any, address: Any, index: Any) -> Any:
    """Add one; the number before it."""

    def instructions(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, *values), ir.Constant(_WORD, 1), "acq_rel")

    return types.int64(types.int64, types.int64), instructions


def _publish(builder: Any, values: Sequence[Any]) -> None:
    builder.store_atomic(values[2], _pointer(builder, *values[:2]), "release", 8)


#: write a number for other threads, after all that was written before
publish = emitted("publish", ["address", "index", "value"], _publish)
#: run the kernel at an address; call a C function without arguments
call_kernel = caller("call_kernel", ["table", "who", "thread", "lo", "hi"])
call_plain = caller("call_plain", [])


@function
def meet(barrier: int, threads: int, give_way: int) -> None:
    """Go on when all threads have come."""
    turn = latest(barrier, TURN)
    if count_up(barrier, COME) == threads - 1:
        publish(barrier, COME, 0)
        publish(barrier, TURN, turn + 1)
        return
    looked = 0
    while latest(barrier, TURN) == turn:
        looked += 1
        if looked > PATIENCE:
            call_plain(give_way)


@function
def run_kernel(
    steps: int, at: int, table: int, thread: int, threads: int, barrier: int, give_way: int, lo: int, hi: int
) -> None:
    """One kernel on this thread, if it has a part in it."""
    if threads > 1 and entry_of(steps, at + 3):
        meet(barrier, threads, give_way)
    mode = entry_of(steps, at + 2)
    if mode == ROWS:
        call_kernel(entry_of(steps, at + 1), table, thread, thread, lo, hi)
    elif mode == SPLIT or thread == 0:
        call_kernel(entry_of(steps, at + 1), table, threads, thread, lo, hi)


@function
def run_steps(table: int, steps: int, count: int, thread: int, threads: int, barrier: int, give_way: int) -> None:
    """All steps of a program, as one of its threads."""
    k = 0
    while k < count:
        at = k * FIELDS
        if entry_of(steps, at) == RUN:
            run_kernel(steps, at, table, thread, threads, barrier, give_way, 0, 0)
            k += 1
            continue
        inside, size = entry_of(steps, at + 1), entry_of(steps, at + 2)
        if size < 0:
            size = entry_of(table, -size)
        length = entry_of(table, entry_of(steps, at + 4))
        chunks = (length + size - 1) // size
        for i in range(chunks):
            lo = (chunks - 1 - i if entry_of(steps, at + 3) else i) * size + 1
            for j in range(k + 1, k + 1 + inside):
                run_kernel(steps, j * FIELDS, table, thread, threads, barrier, give_way, lo, min(lo + size - 1, length))
        k += 1 + inside


_SOURCE = '''"""The loop over the kernels of a program."""

from bptt.compiler.cpu.driver import run_kernel, run_steps
from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.products.emit import entry_of


@entry
def run(table, steps, count, thread, threads, barrier, give_way):
    run_steps(table, steps, count, thread, threads, barrier, give_way)


@entry
def one(table, step, ends, thread, threads, barrier, give_way):
    run_kernel(step, 0, table, thread, threads, barrier, give_way, entry_of(ends, 0), entry_of(ends, 1))
'''


@cache
def driver() -> dict[str, Native]:
    """What threads run (see ``threads``), compiled or from the cache: all steps, or one kernel alone.

    run(table, steps, count, …);  one(table, step, first and last step of a chunk, …), addresses all but the count
    """
    kind = f"void({', '.join(['int64'] * 7)})"
    return load_kernels(_SOURCE, {"run": kind, "one": kind}).kernels


def encoded(steps: Sequence[Sequence[int]]) -> list[int]:
    """Steps as one list of numbers."""
    return [n for step in steps for n in (*step, *[0] * (FIELDS - len(step)))]

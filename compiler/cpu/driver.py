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

from ..cache import load_kernels
from .barrier import meet
from .jit import function
from .parallel import ALL, ROWS
from .products.emit import caller, entry_of

RUN, REPEAT = 0, 1
FIELDS = 5

#: run the kernel at an address
call_kernel = caller("call_kernel", ["table", "who", "thread", "lo", "hi"])


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
    elif mode != ALL or thread == 0:
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

from bptt.compiler.cpu.driver import run_steps
from bptt.compiler.cpu.jit import entry


@entry
def run(table, steps, count, thread, threads, barrier, give_way):
    run_steps(table, steps, count, thread, threads, barrier, give_way)
'''


@cache
def driver() -> Any:
    """``run(table, steps, count, thread, threads, barrier, give_way)``, compiled or from the cache, for ``ctypes``."""
    loaded = load_kernels(_SOURCE, {"run": f"void({', '.join(['int64'] * 7)})"})
    return loaded.kernels["run"].ctypes


def encoded(steps: Sequence[Sequence[int]]) -> list[int]:
    """Steps as one list of numbers."""
    return [n for step in steps for n in (*step, *[0] * (FIELDS - len(step)))]

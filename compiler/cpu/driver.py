"""The native loop that runs a program's kernels one after the other, on each of its threads.

Threads meet only where one needs what another has computed: between passes that are shared in different ways.
A list of steps says what to run, FIELDS numbers each:

    RUN,     address of the kernel, how threads share it (see ``parallel``), 1 to wait for all threads before it
    REPEAT,  number of steps in it, steps of a chunk, or minus the place in the table where they are, 1 for the last
             chunk first, place of the length in the table, 1 where threads without rows may be a chunk behind

Where the table has fewer threads for shared passes than there are, the first ones have all rows, and the others do
what is shared: of a repetition that allows it, for one chunk while the first ones are at the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..cache import load_kernels
from .barrier import meet
from .jit import function
from .names import SIZES
from .native import Native
from .parallel import ALL, ROWS
from .products.emit import caller, entry_of

RUN, REPEAT = 0, 1
FIELDS = 6
#: the place in the table of the threads that share passes
SHARING = SIZES.index("threads")

#: run the kernel at an address
call_kernel = caller("call_kernel", ["table", "who", "thread", "lo", "hi"])


@function
def run_kernel(
    steps: int, at: int, table: int, thread: int, threads: int, barrier: int, give_way: int, lo: int, hi: int
) -> None:
    """One kernel on this thread, if it has a part in it."""
    if threads > 1 and entry_of(steps, at + 3):
        meet(barrier, threads, give_way)
    call_part(steps, at, table, thread, threads, lo, hi)


@function
def call_part(steps: int, at: int, table: int, thread: int, threads: int, lo: int, hi: int) -> None:
    """A thread's part of a kernel."""
    mode, with_rows = entry_of(steps, at + 2), threads - entry_of(table, SHARING)
    if mode == ROWS:
        call_kernel(entry_of(steps, at + 1), table, thread, thread, lo, hi)
    elif mode == ALL:
        if thread == 0:
            call_kernel(entry_of(steps, at + 1), table, threads, thread, lo, hi)
    elif thread >= with_rows:
        call_kernel(entry_of(steps, at + 1), table, threads, thread - with_rows, lo, hi)


@function
def run_behind(
    steps: int, first: int, inside: int, table: int, thread: int, threads: int, barrier: int, give_way: int,
    size: int, length: int, down: int,
) -> None:  # fmt: skip
    """A repetition in which what is shared is a chunk behind what rows compute."""
    behind = 1 if thread >= threads - entry_of(table, SHARING) else 0
    chunks = (length + size - 1) // size
    for i in range(chunks + 1):
        meet(barrier, threads, give_way)
        k = i - behind
        if 0 <= k < chunks:
            lo = (chunks - 1 - k if down else k) * size + 1
            for j in range(first, first + inside):
                if (entry_of(steps, j * FIELDS + 2) != ROWS) == (behind != 0):
                    call_part(steps, j * FIELDS, table, thread, threads, lo, min(lo + size - 1, length))


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
        if threads > entry_of(table, SHARING) and entry_of(steps, at + 5):
            run_behind(
                steps, k + 1, inside, table, thread, threads, barrier, give_way, size, length, entry_of(steps, at + 3)
            )
            k += 1 + inside
            continue
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

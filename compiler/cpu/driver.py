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
def run_kernel(steps: int, at: int, table: int, thread: int, threads: int, lo: int, hi: int) -> None:
    """A thread's part of one kernel, if it has one."""
    mode, with_rows = entry_of(steps, at + 2), threads - entry_of(table, SHARING)
    if mode == ROWS:
        call_kernel(entry_of(steps, at + 1), table, thread, thread, lo, hi)
    elif (thread == 0 and mode == ALL) or (thread >= with_rows and mode != ALL):
        own = 0 if mode == ALL else with_rows
        call_kernel(entry_of(steps, at + 1), table, threads, thread - own, lo, hi)


@function
def run_steps(table: int, steps: int, count: int, thread: int, threads: int, barrier: int, give_way: int) -> None:
    """All steps of a program, as one of its threads."""
    k = 0
    while k < count:
        at = k * FIELDS
        inside, size, down, apart, first = 1, 1, 0, False, k
        length = 1
        if entry_of(steps, at) == REPEAT:
            inside, size, down = entry_of(steps, at + 1), entry_of(steps, at + 2), entry_of(steps, at + 3)
            size = entry_of(table, -size) if size < 0 else size
            length = entry_of(table, entry_of(steps, at + 4))
            apart = entry_of(steps, at + 5) != 0 and threads > entry_of(table, SHARING)
            first = k + 1
        chunks = (length + size - 1) // size
        behind = 1 if apart and thread >= threads - entry_of(table, SHARING) else 0
        for i in range(chunks + 1 if apart else chunks):
            if apart:
                meet(barrier, threads, give_way)
            chunk = i - behind
            lo = (chunks - 1 - chunk if down else chunk) * size + 1
            for j in range(first, first + inside):
                wait, rows = entry_of(steps, j * FIELDS + 3), entry_of(steps, j * FIELDS + 2) == ROWS
                if threads > 1 and wait and not apart:
                    meet(barrier, threads, give_way)
                if not apart or (0 <= chunk < chunks and rows == (behind == 0)):
                    run_kernel(steps, j * FIELDS, table, thread, threads, lo, min(lo + size - 1, length))
        k = first + inside


_SOURCES = {
    "run": '''"""The loop over the kernels of a program."""

from bptt.compiler.cpu.driver import run_steps
from bptt.compiler.cpu.jit import entry


@entry
def run(table, steps, count, thread, threads, barrier, give_way):
    run_steps(table, steps, count, thread, threads, barrier, give_way)
''',
    "one": '''"""One kernel of a program alone."""

from bptt.compiler.cpu.driver import run_kernel
from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.products.emit import entry_of


@entry
def one(table, step, ends, thread, threads, barrier, give_way):
    run_kernel(step, 0, table, thread, threads, entry_of(ends, 0), entry_of(ends, 1))
''',
}


@cache
def driver(name: str) -> Native:
    """What threads run (see ``threads``), compiled or from the cache: all steps, or one kernel alone.

    run(table, steps, count, …);  one(table, step, first and last step of a chunk, …), addresses all but the count
    """
    return load_kernels(_SOURCES[name], {name: f"void({', '.join(['int64'] * 7)})"}).kernels[name]


def encoded(steps: Sequence[Sequence[int]]) -> list[int]:
    """Steps as one list of numbers."""
    return [n for step in steps for n in (*step, *[0] * (FIELDS - len(step)))]

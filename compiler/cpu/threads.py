"""Threads that run compiled programs, natively: they sleep between calls, and know nothing of what they run.

Work is a C function void(a, b, c, thread, threads, barrier, give_way) of whole numbers: three of its own, which of how
many threads calls it, the state of a barrier (see ``barrier``), and the function that offers the processor to others.

To wake a thread that sleeps takes 40 to 100 microseconds; one that looks for work by itself finds it in less than one.
So a thread that has done its part goes on looking for as long as a few wakings take, and sleeps then; it sleeps at once
where looking has not been worth it lately, or where others want its processor. So calls that follow closely upon each
other, as in training, find it awake, and others do not keep a processor busy.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from llvmlite import ir

from ..cache import load_kernels
from ..memory import Array, aligned, at
from .barrier import BARRIER, PATIENCE, call_plain, count_up, latest, publish
from .jit import function, inlined
from .native import Native
from .products.emit import WORD, caller, emitted, entry_of
from .products.emit import function as external

#: nanoseconds for which a thread without work looks for it before it sleeps; and after which the processor was taken by
#: others when it was offered to them
LINGER, TAKEN = 500_000, 20_000
#: looking is worth it where this is above 0: what is added for a job that came while it would have been looked for, and
#: for another one, up to what, and what it is where others want the processor
SOON, LATE, MOST, CROWDED = 2, -1, 3, -16
BYTES = 8
#: what is done, in whole numbers: function (0: leave), its own numbers, threads; in lines of their own, how many of the
#: others have done it, and a barrier
WORK, A, B, C, THREADS, DONE, MEETING = 0, 1, 2, 3, 4, 8, 16
JOB = MEETING + BARRIER
#: what is a thread's own: how often it was given work, whether it sleeps, how long it looks for work, whether that is
#: worth it, and a time in seconds and nanoseconds; a mutex and a condition of the C library, of 64 bytes at most
TURN, ASLEEP, PATIENT, WORTH, TIME, MUTEX, CONDITION = 0, 1, 2, 3, 4, 8, 16
CLOCK = time.CLOCK_MONOTONIC
BOX = 24


def _calling(name: str, count: int) -> Any:
    """In compiled Python: a call of the C function of this name, of ``count`` words, without its result."""
    kind = ir.FunctionType(ir.IntType(32), [WORD] * count)

    def build(builder: Any, values: Sequence[Any]) -> None:
        builder.call(external(builder.module, name, kind), values)

    return emitted(name, [f"word_{k}" for k in range(count)], build)


_lock, _unlock = (_calling(f"pthread_mutex_{what}", 1) for what in ("lock", "unlock"))
_read_clock = _calling("clock_gettime", 2)
_signal, _wait = _calling("pthread_cond_signal", 1), _calling("pthread_cond_wait", 2)
_call_work = caller("call_work", ["a", "b", "c", "thread", "threads", "barrier", "give_way"])


@inlined
def hand_over(box: int) -> None:
    """Give a thread the job; wake it where it sleeps."""
    _lock(box + BYTES * MUTEX)
    publish(box, TURN, entry_of(box, TURN) + 1)
    sleeps = entry_of(box, ASLEEP)
    _unlock(box + BYTES * MUTEX)
    if sleeps:
        _signal(box + BYTES * CONDITION)


@inlined
def sleep(box: int, seen: int) -> None:
    """Until the thread is given a job."""
    _lock(box + BYTES * MUTEX)
    publish(box, ASLEEP, 1)
    while latest(box, TURN) == seen:
        _wait(box + BYTES * CONDITION, box + BYTES * MUTEX)
    publish(box, ASLEEP, 0)
    _unlock(box + BYTES * MUTEX)


@function
def now(box: int) -> int:
    """Nanoseconds from some moment on."""
    _read_clock(CLOCK, box + BYTES * TIME)
    found: int = entry_of(box, TIME) * 1_000_000_000 + entry_of(box, TIME + 1)
    return found


@inlined
def look(box: int, seen: int, begin: int, give_way: int) -> bool:
    """Look for a job; whether others want the processor."""
    end, last, before = begin + entry_of(box, PATIENT), begin, begin
    while latest(box, TURN) == seen and last < end and last - before < TAKEN:
        call_plain(give_way)
        before = last
        last = now(box)
    return last - before >= TAKEN


@inlined
def await_job(box: int, seen: int, give_way: int) -> None:
    """Look for a job, if that is worth it, then sleep until there is one."""
    begin, worth = now(box), entry_of(box, WORTH)
    if worth > 0 and look(box, seen, begin, give_way):
        worth = CROWDED
    if latest(box, TURN) == seen:
        sleep(box, seen)
    worth += SOON if now(box) - begin < entry_of(box, PATIENT) else LATE
    publish(box, WORTH, max(CROWDED, min(MOST, worth)))


@inlined
def part(job: int, thread: int, give_way: int) -> None:
    """What one thread does of a job."""
    _call_work(
        entry_of(job, WORK), entry_of(job, A), entry_of(job, B), entry_of(job, C),
        thread, entry_of(job, THREADS), job + BYTES * MEETING, give_way,
    )  # fmt: skip


@function
def serve_jobs(job: int, box: int, thread: int, give_way: int) -> None:
    """One part of every job that the thread is given, until it is told to leave."""
    seen, going = 0, True
    while going:
        await_job(box, seen, give_way)
        seen += 1
        going = entry_of(job, WORK) != 0
        if going:
            part(job, thread, give_way)
        count_up(job, DONE)


@function
def lead_job(
    job: int, boxes: int, work: int, a: int, b: int, c: int, threads: int, give_way: int
) -> None:
    """Give a job to other threads, do the first part, and wait for theirs."""
    publish(job, WORK, work)
    publish(job, A, a)
    publish(job, B, b)
    publish(job, C, c)
    publish(job, THREADS, threads)
    publish(job, DONE, 0)
    for k in range(threads - 1):
        hand_over(entry_of(boxes, k))
    if work != 0:
        part(job, 0, give_way)
    looked = 0
    while latest(job, DONE) < threads - 1:
        looked += 1
        if looked > PATIENCE:
            call_plain(give_way)


_SOURCE = '''"""Threads that wait for work, and the one that gives it to them."""

from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.threads import lead_job, serve_jobs


@entry
def serve(job, box, thread, give_way):
    serve_jobs(job, box, thread, give_way)


@entry
def lead(job, boxes, work, a, b, c, threads, give_way):
    lead_job(job, boxes, work, a, b, c, threads, give_way)
'''


@cache
def _native() -> dict[str, Native]:
    """``serve(job, box, thread, give_way)`` and ``lead(job, boxes, work, a, b, c, threads, give_way)``."""
    counts = {"serve": 4, "lead": 8}
    return load_kernels(_SOURCE, {name: f"void({', '.join(['int64'] * n)})" for name, n in counts.items()}).kernels


@cache
def give_way() -> int:
    """The address of the C function that offers the processor to others."""
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0


class _Worker:
    """One thread beside those that call; ``box`` is its own part of what it shares with them."""

    def __init__(self, job: Array, number: int) -> None:
        self.box = _words(BOX)
        self.box[PATIENT] = LINGER if number < available() else 0  # with too few processors it would be in the way
        c, begin = ctypes.CDLL(None), at(self.box)
        c.pthread_mutex_init(ctypes.c_void_p(begin + BYTES * MUTEX), None)
        c.pthread_cond_init(ctypes.c_void_p(begin + BYTES * CONDITION), None)
        serve, given = _native()["serve"].ctypes, (at(job), begin, number, give_way())
        self.thread = threading.Thread(target=serve, args=given, name=f"bptt {number}", daemon=True)
        self.thread.start()


class Team:
    """Workers beside the calling thread; one job at a time."""

    def __init__(self) -> None:
        self._job, self._process = _words(JOB), os.getpid()
        self._workers: list[_Worker] = []
        self._boxes = _words(0)
        self._lead: Callable[..., object] = bool  # the function, with the addresses of the two
        self._lock, self._give_way = threading.Lock(), give_way()
        atexit.register(self._dismiss)  # before the machine code goes that they are in

    def run(self, work: Native, a: int, b: int, c: int, threads: int) -> None:
        """The work here as thread 0, and at the same time as the threads after it; back when all have ended."""
        if threads == 1:
            work.ctypes(a, b, c, 0, 1, 0, 0)
            return
        with self._lock:
            if len(self._workers) < threads - 1:
                self._hire(threads - 1)
            self._lead(work.address, a, b, c, threads, self._give_way)

    def _hire(self, count: int) -> None:
        self._workers += [_Worker(self._job, k) for k in range(len(self._workers) + 1, count + 1)]
        self._boxes = np.array([at(w.box) for w in self._workers], np.int64)
        self._lead = partial(_native()["lead"].ctypes, at(self._job), at(self._boxes))

    def _dismiss(self) -> None:
        """At the end of the process: workers leave their loops. A forked one has none."""
        if os.getpid() != self._process:
            return
        with self._lock:
            leaving, self._workers = self._workers, []
            if leaving:
                self._lead(0, 0, 0, 0, len(leaving) + 1, self._give_way)
            for worker in leaving:
                worker.thread.join()


def _words(count: int) -> Array:
    words = aligned(BYTES * count).view(np.int64)
    words[:] = 0
    return words


@cache
def _team(process: int) -> Team:
    return Team()


def team() -> Team:
    """The workers of this process: a forked one has none of its parent's."""
    return _team(os.getpid())


def available() -> int:
    """How many threads this process may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""What the machine can do at best, measured on the spot: multiply-adds held in registers, and reading memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ...cache import load_kernels
from ..threads import team
from ..vector.host import HOST, Host
from .emit import Emitter, Llvm, emitted, word

#: turns of the loop of one measurement of multiply-adds, about 10 ms, as long as a step of some size; bytes that one
#: thread reads
TURNS, BYTES = 3_000_000, 1 << 26
SIGNATURES = {"multiply": "void(int64, int64)", "read": "void(int64, int64, int64)"}


def limit(dtype: str, threads: int = 1, repeats: int = 5) -> float:
    """Multiply-adds of vectors on so many threads at once, none waiting for another: GFLOP/s, the best of repeats.

    A multiply-add counts two; on a host without it, a multiplication and an addition.
    """
    multiply = _functions(HOST, dtype)["multiply"].ctypes
    memory = [_aligned(1 << 12) for _ in range(threads)]
    flops = 2 * sums(HOST) * HOST.lanes(dtype) * TURNS * threads
    work = [lambda m=m: multiply(TURNS, m.ctypes.data) for m in memory]
    return max(flops / _seconds(work) for _ in range(repeats)) / 1e9


def memory_limit(threads: int = 1, repeats: int = 5) -> float:
    """Bytes a second that so many threads read at once, each 64 MiB of its own: the best of repeats.

    Where the last cache is larger than that, it is what is measured: what weights and batches of this size see.
    """
    read = _functions(HOST, "float32")["read"].ctypes
    memory = [_aligned(BYTES + (1 << 12)) for _ in range(threads)]
    work = [lambda m=m: read(BYTES, m.ctypes.data, m.ctypes.data + BYTES) for m in memory]
    _seconds(work)
    return max(BYTES * threads / _seconds(work) for _ in range(repeats))


def sums(host: Host) -> int:
    """Sums that are held at once: enough to hide the latency of a multiply-add, few enough for the registers."""
    return 24 if host.registers >= 32 else 12


def _aligned(size: int) -> np.ndarray[Any, Any]:
    raw = np.zeros(size + 64, np.uint8)
    return raw[-raw.ctypes.data % 64 :][:size]


def _seconds(work: Sequence[Callable[[], object]]) -> float:
    """The time from the first start to the last end, each in a thread of its own: those that run programs, too."""
    times: list[tuple[float, float]] = []

    def run(thread: int) -> None:
        begin = time.perf_counter()
        work[thread]()
        times.append((begin, time.perf_counter()))

    team().run(run, len(work))
    return max(end for _, end in times) - min(begin for begin, _ in times)


@cache
def _functions(host: Host, dtype: str) -> Any:
    source = f'''"""The machine's limits in {dtype} for {host.name}."""

from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.products.limit import multiply_of, read_of
from bptt.compiler.cpu.vector.host import Host

host = {host!r}
_multiply = multiply_of(host, "{dtype}")
_read = read_of(host, "{dtype}")


@entry
def multiply(turns, memory):
    _multiply(turns, memory)


@entry
def read(size, memory, out):
    _read(size, memory, out)
'''
    return load_kernels(source, SIGNATURES).kernels


def multiply_of(host: Host, dtype: str) -> Any:
    """sum = sum · a + b for many sums, ``turns`` times: what memory holds is read first and written last."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        turns, memory = arguments
        e = Emitter(builder, host, dtype)
        places = [e.at(e.pointer(memory), i * e.lanes) for i in range(sums(host) + 2)]
        a, b, *values = (e.load(place) for place in places)

        def turn(_: Llvm, values: list[Llvm]) -> list[Llvm]:
            return [e.multiply_add(v, a, b) for v in values]

        for value, place in zip(e.loop(word(0), turns, 1, values, turn), places[2:], strict=True):
            e.store(value, place)

    return emitted("multiply", ["turns", "memory"], build)


def read_of(host: Host, dtype: str) -> Any:
    """The sums of ``size`` bytes of memory, eight vectors at a time."""

    def build(builder: Llvm, arguments: Sequence[Llvm]) -> None:
        size, memory, out = arguments
        e = Emitter(builder, host, dtype)
        memory, out = e.pointer(memory), e.pointer(out)
        count = builder.udiv(size, word(e.size))

        def turn(i: Llvm, values: list[Llvm]) -> list[Llvm]:
            line = e.at(memory, i)
            return [builder.fadd(v, e.load(e.at(line, n * e.lanes))) for n, v in enumerate(values)]

        for n, value in enumerate(e.loop(word(0), count, 8 * e.lanes, [e.zero] * 8, turn)):
            e.store(value, e.at(out, n * e.lanes))

    return emitted("read", ["size", "memory", "out"], build)

"""The CPU back end: a loop program's kernels, its memory, and one run of them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..cache import Loaded, load_kernels
from ..loop import Program
from ..memory import POISON, Array, Batch, Workspace
from .calls import COPY_FIELDS, SMALL
from .driver import BARRIER, REPEAT, RUN, driver, encoded
from .layout import steps_of_chunk
from .parallel import ROWS
from .products.library import library, sets_for
from .source import Repeat, Run, Source, print_program
from .threads import available, team

_ZERO = np.zeros(1, np.int64)
#: rows that a thread has at least: with fewer, waking it takes longer than it saves
FEWEST_ROWS = 2


class CpuTarget:
    """Runs a loop program. Kernels are compiled, or loaded, at the first run.

    threads  how many may run it; None: as many as the process may use
    """

    def __init__(self, program: Program, threads: int | None = None) -> None:
        self.program, self.threads = program, threads or available()

    @cached_property
    def source(self) -> Source:
        """The printed program."""
        return print_program(self.program)

    @property
    def text(self) -> str:
        return self.source.text

    @cached_property
    def workspace(self) -> Workspace:
        """All arrays of the program's own, panels of packs among them."""
        return Workspace(self.source.layout)

    @cached_property
    def _loaded(self) -> Loaded:
        signature = f"void({', '.join(['int64'] * 5)})"
        return load_kernels(self.source.text, {k.name: signature for k in self.source.kernels})

    @property
    def compilations(self) -> int:
        """How many kernels had to be compiled, so far."""
        return self._loaded.compiled if "_loaded" in self.__dict__ else 0

    @cached_property
    def _steps(self) -> Array:
        """The program as the driver reads it."""
        rows: list[list[int]] = []
        before = ROWS
        for item in self.source.order:
            runs: Sequence[Run] = (item,)
            if isinstance(item, Repeat):
                rows.append([REPEAT, len(item.runs), item.size, int(item.order == "down"),
                             self.source.layout.at(item.axis.upper())])  # fmt: skip
                runs = item.runs
            for i, run in enumerate(runs):
                kernel = self.source.kernels[run.kernel]
                # the first of a repetition also comes after its last
                last = {before, self.source.kernels[runs[-1].kernel].mode} if i == 0 else {before}
                wait = int(last != {ROWS} or kernel.mode != ROWS)
                rows.append([RUN, self._loaded.kernels[kernel.name].address, kernel.mode, wait])  # type: ignore[attr-defined]
                before = kernel.mode
        return np.array(encoded(rows), np.int64)

    @cached_property
    def _fixed(self) -> dict[str, int]:
        """Addresses that no call changes: functions of the library, the copies that fill panels, a list of row 0."""
        found = {name: library(self.program.dtype).address(name) for name in ("outer", "pack", "product")
                 if name in self.source.layout.place}  # fmt: skip
        return found | {"copies": self._copies.ctypes.data, "zero": _ZERO.ctypes.data}

    @cached_property
    def _copies(self) -> Array:
        return np.concatenate([*self.source.panels.copies, np.zeros((0, COPY_FIELDS), np.int64)])

    def run(self, batch: Batch, given: Mapping[str, Array], poison: bool = False) -> dict[str, Array]:
        """The arrays of all values after one run; those the program owns are overwritten by the next.

        ``given``: C-contiguous arrays of params and inputs in storage layout, in the program's types.
        ``poison``: fill all storage with NaN first, to see that nothing is read before it is written.
        """
        threads = max(1, min(self.threads, batch.sizes["b"] // FEWEST_ROWS))
        own = self.workspace.arrays(batch.sizes, threads)
        if poison:
            for name, array in own.items():
                array[...] = POISON[array.dtype.kind]
        arrays = {**own, **{n: self._padded(n, a) for n, a in given.items()}}
        steps = self._steps
        table, keep = self._table(batch, arrays, threads)
        barrier = np.zeros(BARRIER, np.int64)
        call, at = driver(), [a.ctypes.data for a in (table, steps)]
        count, meeting, give_way = len(steps) // 5, barrier.ctypes.data, _give_way()

        def work(thread: int) -> None:
            call(*at, count, thread, threads, meeting, give_way)

        team().run(work, threads)
        del keep
        return self._results(arrays)

    def _results(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays without what pads their rows; those of blocks are nobody's concern."""
        found = {}
        for name, v in self.source.program.values.items():
            if v.role != "block":
                a = arrays[name]
                found[name] = a[..., : v.shape[-1]] if v.shape else a.reshape(a.shape if v.axes else ())
        return found

    def _padded(self, name: str, array: Array) -> Array:
        """An input as kernels take it: the caller's array, or a copy whose rows are whole vectors."""
        v = self.source.program.values[name]
        wide = self.source.layout.features(v)
        if v.shape == wide:
            return array
        copy = np.zeros((*array.shape[: array.ndim - len(wide)], *wide), array.dtype)
        copy[..., : v.shape[-1]] = array
        return copy

    def _table(self, batch: Batch, arrays: Mapping[str, Array], threads: int) -> tuple[Array, list[Array]]:
        """What kernels read, and the arrays that it points to."""
        layout = self.source.layout
        lists = row_lists(batch, threads)
        table = np.zeros(len(layout.place) + 4 * len(lists), np.int64)
        sizes = {"T": batch.sizes["t"], "S": batch.sizes["s"], "B": batch.sizes["b"], "start": batch.start,
                 "seed_low": batch.seed & 0xFFFFFFFF, "seed_high": batch.seed >> 32,
                 "threads": threads, "lists": len(layout.place), "chunk": steps_of_chunk(batch.sizes)}  # fmt: skip
        indices = {"original": batch.original, "lengths_t": batch.lengths["t"], "lengths_s": batch.lengths["s"]}
        for name, k in layout.place.items():
            if name in sizes:
                table[k] = sizes[name]
            elif name in indices:
                table[k] = indices[name].ctypes.data
            elif name.startswith("count_"):
                table[k] = batch.count(tuple(name[6:]))
            elif name in self._fixed:
                table[k] = self._fixed[name]
            elif name.startswith("sets_"):
                table[k] = sets_for(min(batch.sizes["b"], SMALL) // SMALL * SMALL, int(name[5:]))
        for name, array in arrays.items():
            identifier = layout.names[name] if name in self.source.program.values else name
            table[layout.place[identifier]] = array.ctypes.data
        table[len(layout.place) :] = [a.ctypes.data for four in lists for a in four]
        return table, [a for four in lists for a in four]


def row_lists(batch: Batch, threads: int) -> list[tuple[Array, Array, Array, Array]]:
    """For each thread, and at last for all rows: how many rows run at each step of t, which; the same for s.

    Rows of one length are dealt in blocks, others in turn, so that threads have equal work.
    """
    whole = tuple(a for axis in ("t", "s") for a in (batch.running[axis], batch.order[axis]))
    if threads == 1:
        return [whole, whole]  # type: ignore[list-item]
    rows = batch.sizes["b"]
    even = batch.lengths["t"][0] == batch.lengths["t"][-1]
    thread_of = np.arange(rows) * threads // rows if even else np.arange(rows) % threads
    found = []
    for th in range(threads):
        four = []
        for axis in ("t", "s"):
            order = batch.order[axis][thread_of[batch.order[axis]] == th]
            lengths = batch.lengths[axis][order]
            running = (lengths[:, None] >= np.arange(batch.sizes[axis] + 2)).sum(0).astype(np.int64)
            four += [running, np.concatenate([order, np.full(rows - len(order), -1)]).astype(np.int64)]
        found.append(tuple(four))
    return [*found, whole]  # type: ignore[list-item]


def _give_way() -> int:
    """The address of the C function that offers the processor to others."""
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0

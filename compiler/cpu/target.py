"""The CPU back end: a loop program's kernels, its memory, and one run of them."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache import Loaded, load_kernels
from ..frames import pieces
from ..loop import Program
from ..memory import POISON, Array, Batch, Workspace, aligned, side_by_side
from ..plan import Plan
from .barrier import BARRIER
from .cost import Work
from .driver import FIELDS, REPEAT, RUN, driver, encoded
from .parallel import ALL, ROWS
from .products.library import library, sets_for
from .products.pack import FIELDS as COPY_FIELDS
from .products.tiles import VECTORS
from .source import Repeat, Run, Source, print_program
from .threads import available, team

if TYPE_CHECKING:
    from ..stepping import Wiring
    from .profile import Profile

_NOWHERE: Mapping[str, Array] = {}
#: small batches that are run by the kernels for large ones before they get their own
MANY = 20


@dataclass(frozen=True)
class _Ready:
    """What one run needs: its table, and the arrays in it: the program's own, given ones, fresh results."""

    threads: int
    table: Array
    own: Mapping[str, Array]
    given: Mapping[str, Array]
    fresh: Mapping[str, Array]


@dataclass(frozen=True)
class _Places:
    """Fresh results in one piece of memory of so many bytes.

    shapes   name -> its shape, and where it begins;  entries  their places in the table, in this order
    """

    shapes: dict[str, tuple[tuple[int, ...], int]]
    size: int
    entries: list[int]


@dataclass(frozen=True)
class _Lists:
    """What a table has of a batch: the rows of each thread (see ``row_lists``), and counts of them.

    entries    place in the table -> number;  addresses  of the lists, in the order of ``row_lists``
    """

    running: Mapping[str, Array]
    threads: int
    arrays: list[Array]
    entries: dict[int, int]
    addresses: list[int]


class CpuTarget:
    """Runs a loop program. Kernels are compiled, or loaded, at the first run.

    threads  how many may run it; None: as many as the process may use
    plan     the choices of the plan that are the target's own
    """

    def __init__(self, program: Program, threads: int | None = None, plan: Plan | None = None) -> None:
        self.program, self.threads, self.plan = program, threads or available(), plan or Plan()
        self._base: tuple[tuple[int, ...], Array] | None = None
        self._given: dict[str, Array] = {}  # the parameters whose addresses are in the base
        self._lists: _Lists | None = None
        self._found: tuple[Mapping[str, Array], dict[str, Array]] | None = None
        self._small = 0  # batches so far for which threads would better have shared units
        self._barrier = np.zeros(BARRIER, np.int64)  # between runs nobody waits at it

    def for_batch(self, batch: Batch) -> CpuTarget:
        """What runs a batch: itself, or the same program whose threads share the units of loops (see ``cost``)."""
        # a small batch now and then, after larger ones, is not worth a compilation
        worth = "_loaded" not in self.__dict__ or "_by_units" in self.__dict__ or self._small >= MANY
        return self._by_units if worth and self._prefers_units(batch) else self

    def _prefers_units(self, batch: Batch) -> bool:
        return self.plan.share is None and self._work.shares_units(batch, self.threads)

    @cached_property
    def _by_units(self) -> CpuTarget:
        return CpuTarget(self.program, self.threads, self.plan.but(share="units"))

    @cached_property
    def source(self) -> Source:
        """The printed program."""
        return print_program(self.program, self.plan)

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
        other = self._by_units.compilations if "_by_units" in self.__dict__ else 0
        return other + (self._loaded.compiled if "_loaded" in self.__dict__ else 0)

    @cached_property
    def _steps(self) -> Array:
        """The program as the driver reads it."""
        return self.listed(self.source.order)

    def listed(self, order: Sequence[Run | Repeat]) -> Array:
        """Kernels in an order, as the driver reads it."""
        rows: list[list[int]] = []
        before = ROWS
        for item in order:
            runs: Sequence[Run] = item.runs if isinstance(item, Repeat) else [item]
            if isinstance(item, Repeat):
                place = self.source.layout.place
                size = item.size or -place["chunk"]
                rows.append([REPEAT, len(item.runs), size, int(item.order == "down"), place[item.axis.upper()]])
            for i, run in enumerate(runs):
                kernel = self.source.kernels[run.kernel]
                # the first of a repetition also comes after its last
                last = {before, self.source.kernels[runs[-1].kernel].mode} if i == 0 else {before}
                wait = int(last != {ROWS} or kernel.mode != ROWS)
                rows.append([RUN, self._loaded.kernels[kernel.name].address, kernel.mode, wait])
                before = kernel.mode
        return np.array(encoded(rows), np.int64)

    @cached_property
    def _work(self) -> Work:
        return Work(self.program)

    @cached_property
    def _fixed(self) -> dict[str, int]:
        """Addresses that no call changes: functions of the library, copies that fill panels, rows listed in order."""
        found = {name: library(self.program.dtype).address(name) for name in ("outer", "pack", "product")
                 if name in self.source.layout.place}  # fmt: skip
        rows, barrier = at(self._numbers), at(self._barrier)
        more = {"copies": at(self._copies), "zero": rows, "numbers": rows, "barrier": barrier, "give_way": _give_way()}
        return found | more

    @cached_property
    def _numbers(self) -> Array:
        return np.arange(self.source.layout.numbers)

    @cached_property
    def _copies(self) -> Array:
        return np.concatenate([*self.source.panels.copies, np.zeros((0, COPY_FIELDS), np.int64)])

    @cached_property
    def fresh(self) -> frozenset[str]:
        """The results that a run does not keep: they are the caller's own."""
        return self.source.layout.fresh

    def run(
        self,
        batch: Batch,
        given: Mapping[str, Array],
        poison: bool = False,
        into: Mapping[str, Array] | None = None,
    ) -> dict[str, Array]:
        """The arrays of all results after one run; those that are not ``fresh`` are overwritten by the next.

        ``given``: C-contiguous arrays of params and inputs in storage layout, in the program's types.
        ``poison``: fill all storage with NaN first, to see that nothing is read before it is written.
        ``into``: where fresh results go, in aligned arrays; the others in new ones.
        """
        chosen = self.for_batch(batch)
        if chosen is not self:
            return chosen.run(batch, given, poison, into)
        self._small += self._prefers_units(batch)
        ready = self._ready(batch, given, poison, into or {})
        call, give_way, threads, table = driver(), _give_way(), ready.threads, at(ready.table)
        steps, count, meeting = at(self._steps), len(self._steps) // FIELDS, at(self._barrier)

        def work(thread: int) -> None:
            call(table, steps, count, thread, threads, meeting, give_way)

        team().run(work, threads)
        return self._results(ready)

    def step(
        self, batch: Batch, given: Mapping[str, Array], wiring: Wiring, poison: bool = False
    ) -> tuple[Array, Array, int, dict[str, Array]]:
        """A block of steps: see ``compiler/stepping``."""
        from .stepping import run_block

        return run_block(self, batch, given, wiring, poison)

    def _ready(
        self, batch: Batch, given: Mapping[str, Array], poison: bool = False, into: Mapping[str, Array] = _NOWHERE
    ) -> _Ready:
        """The table of one run, and the arrays that it points to."""
        threads = self.threads_for(batch)
        own = self.workspace.arrays(batch.sizes, threads)
        fresh, addresses = self._new(into)
        if poison:
            for array in (*own.values(), *fresh.values()):
                array[...] = POISON[array.dtype.kind]
        lists = self._lists_of(batch, threads)
        if self._pads:
            given = {**given, **{n: _padded(given[n], wide) for n, wide in self._pads.items()}}
        table = self._table(batch, threads, own, lists, given)
        if addresses:
            table[self._fresh_places.entries] = addresses
        return _Ready(threads, table, own, given, fresh)

    def _new(self, into: Mapping[str, Array]) -> tuple[dict[str, Array], list[int]]:
        """Arrays for fresh results: given ones, the others in one piece of memory; and their addresses, in order."""
        arrays, places = dict(into), self._fresh_places
        if len(arrays) == len(places.shapes):
            return arrays, [at(arrays[n]) for n in places.shapes]
        memory, addresses = aligned(places.size), []
        first = at(memory)
        for name, (shape, begin) in places.shapes.items():
            if name not in arrays:
                arrays[name] = np.ndarray(shape, self._item, memory, begin)
            addresses.append(first + begin if name not in into else at(into[name]))
        return arrays, addresses

    @cached_property
    def _fresh_places(self) -> _Places:
        layout, shapes = self.source.layout, {n: self.program.values[n].shape for n in sorted(self.fresh)}
        begins, size = side_by_side({n: prod(shape) * self._item.itemsize for n, shape in shapes.items()})
        entries = [layout.place[layout.names[n]] for n in shapes]
        return _Places({n: (shape, begins[n]) for n, shape in shapes.items()}, size, entries)

    @cached_property
    def _item(self) -> np.dtype[Any]:
        return np.dtype(self.program.dtype)

    def _lists_of(self, batch: Batch, threads: int) -> _Lists:
        """The rows of each thread; batches of full rows share what they are made of, and so these."""
        found = self._lists
        if found is None or found.running is not batch.running or found.threads != threads:
            place, arrays = self.source.layout.place, row_lists(batch, threads)
            entries = {place[f"lengths_{axis}"]: at(batch.lengths[axis]) for axis in ("t", "s")}
            entries[place["original"]] = at(batch.original)
            for name in place:
                if name.startswith("count_"):
                    entries[place[name]] = batch.count(tuple(name.removeprefix("count_")))
            found = self._lists = _Lists(batch.running, threads, arrays, entries, [at(a) for a in arrays])
        return found

    def timed(self, batch: Batch, given: Mapping[str, Array]) -> dict[str, float]:
        """Seconds that each kernel takes in one run, by name: each is run by itself, on all threads that share it."""
        ready = self._ready(batch, given)
        seconds = dict.fromkeys((k.name for k in self.source.kernels), 0.0)
        for item in self.source.order:
            if isinstance(item, Run):
                seconds[self.source.kernels[item.kernel].name] += self._time(item, ready, 0, 0)
                continue
            size = item.size or self.source.layout.steps_of_chunk(batch.sizes)
            for lo, hi in pieces(batch.sizes[item.axis], size, item.order):
                for run in item.runs:
                    seconds[self.source.kernels[run.kernel].name] += self._time(run, ready, lo, hi)
        return seconds

    def _time(self, run: Run, ready: _Ready, lo: int, hi: int) -> float:
        kernel, table, threads = self.source.kernels[run.kernel], at(ready.table), ready.threads
        call = self._loaded.kernels[kernel.name].ctypes

        def work(thread: int) -> None:
            if kernel.mode != ALL or thread == 0:
                call(table, thread if kernel.mode == ROWS else threads, thread, lo, hi)

        before = time.perf_counter()
        team().run(work, threads)
        return time.perf_counter() - before

    def bytes(self, batch: Batch) -> int:
        """What it holds for batches like this one."""
        chosen = self.for_batch(batch)
        if chosen is not self:
            return chosen.bytes(batch)
        threads, lists = self.threads_for(batch), row_lists(batch, self.threads_for(batch))
        lists_bytes = sum({id(a): a.nbytes for a in lists}.values())
        return self.workspace.predicted(batch.sizes, threads) + lists_bytes

    def threads_for(self, batch: Batch) -> int:
        """How many threads run a batch: see ``cost``."""
        return self._work.threads_for(batch, self.threads, self.plan.share == "units")

    def explain(self) -> list[str]:
        """How work is cut for threads and caches."""
        return self._work.explain(self.threads, self.plan)

    def profile(self, batch: Batch, given: Mapping[str, Array], repeats: int) -> Profile:
        """What each kernel takes, against the limits of the machine."""
        from .profile import profile

        return profile(self.for_batch(batch), batch, given, repeats)

    def _results(self, ready: _Ready) -> dict[str, Array]:
        """The arrays that were asked for, without what pads their rows: the same views while the workspace stays."""
        if self._found is None or self._found[0] is not ready.own:
            found = {}
            for name in set(self.program.results.values()) - self.fresh:
                v, a = self.source.program.values[name], ready.own[name]
                found[name] = a[..., : v.shape[-1]] if v.shape else a.reshape(a.shape if v.axes else ())
            self._found = (ready.own, found)
        return {**self._found[1], **ready.fresh}

    @cached_property
    def _parameters(self) -> list[str]:
        return [v.name for v in self.source.program.values.values() if v.role == "param"]

    @cached_property
    def _pads(self) -> dict[str, tuple[int, ...]]:
        """Inputs whose rows are not whole vectors -> their features as kernels take them."""
        values = (v for v in self.source.program.values.values() if v.role in ("param", "input"))
        return {v.name: wide for v in values if (wide := self.source.layout.features(v)) != v.shape}

    def _table(
        self, batch: Batch, threads: int, own: Mapping[str, Array], lists: _Lists, given: Mapping[str, Array]
    ) -> Array:
        """What kernels read: what calls of these sizes share, and what is this call's."""
        layout, key = self.source.layout, (*batch.sizes.values(), threads)
        if self._base is None or self._base[0] != key:
            self._base, self._given = (key, self._shared(batch, threads, own)), {}
        table, place, names = self._base[1], layout.place, layout.names
        for name, array in given.items():  # in training, parameters are the same arrays in every call
            if self._given.get(name) is not array:
                table[place[names[name]]] = at(array)
        self._given = {n: given[n] for n in self._parameters}
        table = table.copy()
        table[place["start"]] = batch.start
        table[place["seed_low"]], table[place["seed_high"]] = batch.seed & 0xFFFFFFFF, batch.seed >> 32
        for k, number in lists.entries.items():
            table[k] = number
        table[len(place) :] = lists.addresses
        return table

    def _shared(self, batch: Batch, threads: int, own: Mapping[str, Array]) -> Array:
        """The table without what belongs to one call."""
        layout, sizes = self.source.layout, batch.sizes
        table = np.zeros(len(layout.place) + 4 * (threads + 1 if threads > 1 else 2), np.int64)
        known = {"T": sizes["t"], "S": sizes["s"], "B": sizes["b"], "threads": threads, "lists": len(layout.place),
                 "chunk": layout.steps_of_chunk(sizes), "flat_bytes": layout.flat_bytes(sizes),
                 "terms_bytes": layout.terms_bytes}  # fmt: skip
        known |= self._fixed
        known |= {f"sets_{v}": sets_for(sizes["b"], v) for v in range(1, VECTORS + 1)}
        known |= {layout.names[n] if n in self.source.program.values else n: at(a) for n, a in own.items()}
        for name, k in layout.place.items():
            table[k] = known.get(name, 0)
        return table


def _padded(array: Array, wide: tuple[int, ...]) -> Array:
    """A copy whose rows are whole vectors."""
    copy = np.zeros((*array.shape[: array.ndim - len(wide)], *wide), array.dtype)
    copy[..., : array.shape[-1]] = array
    return copy


def at(array: Array) -> int:
    """The address of an array's first element."""
    found: int = array.__array_interface__["data"][0]
    return found


def row_lists(batch: Batch, threads: int) -> list[Array]:
    """For each thread, and at last for all rows: how many rows run at each step of t, which; the same for s.

    Rows of one length are dealt in blocks, others in turn, so that threads have equal work.
    """
    whole = [a for axis in ("t", "s") for a in (batch.running[axis], batch.order[axis])]
    if threads == 1:
        return whole * 2
    rows, lengths = batch.sizes["b"], batch.lengths["t"]
    even = lengths[0] == lengths[-1]
    thread_of = np.arange(rows) * threads // rows if even else np.arange(rows) % threads
    found = []
    for th in range(threads):
        for axis in ("t", "s"):
            order = batch.order[axis][thread_of[batch.order[axis]] == th]
            running = (batch.lengths[axis][order][:, None] >= np.arange(batch.sizes[axis] + 2)).sum(0)
            found += [running.astype(np.int64), np.ascontiguousarray(order)]
    return found + whole


@cache
def _give_way() -> int:
    """The address of the C function that offers the processor to others."""
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0

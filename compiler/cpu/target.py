"""The CPU back end: a loop program's kernels, its memory, and one run of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache import Loaded, load_kernels
from ..frames import pieces
from ..loop import Program
from ..memory import POISON, Array, Batch, Workspace, at, place_for, side_by_side
from ..plan import Plan
from .barrier import BARRIER
from .cost import Work
from .driver import FIELDS, REPEAT, RUN, driver, encoded
from .parallel import ROWS, SPLIT
from .products.library import library, sets_for
from .products.pack import FIELDS as COPY_FIELDS
from .products.tiles import VECTORS
from .source import Repeat, Run, Source, print_program
from .threads import available, give_way, team

if TYPE_CHECKING:
    from ..stepping import Wiring
    from .profile import Profile

_NOWHERE: Mapping[str, Array] = {}
#: small batches that are run by the kernels for large ones before they get their own
MANY = 20


@dataclass(frozen=True)
class _Ready:
    """What one run needs: its table, and the arrays in it that are not the program's own: given ones, all results."""

    threads: int
    table: int
    given: Mapping[str, Array]
    results: dict[str, Array]


@dataclass(frozen=True)
class _Places:
    """Fresh results in one piece of memory of so many bytes.

    shapes   name -> its shape, and where it begins;  entries  name -> its place in the table
    """

    shapes: dict[str, tuple[tuple[int, ...], int]]
    size: int
    entries: dict[str, int]


@dataclass
class _Laid:
    """The table for one batch after another of the same sizes.

    words    the table, to write its entries one by one;  address  where it is
    arrays   those of the program's own
    results  the results that are among them, without what pads their rows
    running  of the batch whose rows are in the table: batches of full rows share it;  lists  the rows of each thread
    given    the parameters, and ``into`` the fresh results, whose addresses are in the table: in training, these are
             the same arrays in every call
    """

    sizes: Mapping[str, int]
    threads: int
    address: int
    words: memoryview
    arrays: Mapping[str, Array]
    results: dict[str, Array]
    running: Mapping[str, Array] | None = None
    lists: list[Array] = field(default_factory=list)
    given: dict[str, Array] = field(default_factory=dict)
    into: Mapping[str, Array] | None = None


class CpuTarget:
    """Runs a loop program. Kernels are compiled, or loaded, at the first run.

    threads  how many may run it; None: as many as the process may use
    plan     the choices of the plan that are the target's own
    """

    def __init__(self, program: Program, threads: int | None = None, plan: Plan | None = None) -> None:
        self.program, self.threads, self.plan = program, threads or available(), plan or Plan()
        self._laid: _Laid | None = None
        self._small = 0  # batches so far for which threads would better have shared units
        self._barrier = np.zeros(BARRIER, np.int64)  # between runs nobody waits at it

    def for_batch(self, batch: Batch) -> CpuTarget:
        """What runs a batch: itself, or the same program whose threads share the units of loops (see ``cost``)."""
        return self._by_units if self._prefers_units(batch) and self._is_worth_it() else self

    def _is_worth_it(self) -> bool:
        """Whether to have kernels for small batches: for one now and then, after larger ones, they are not compiled."""
        return "_loaded" not in self.__dict__ or "_by_units" in self.__dict__ or self._small >= MANY

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

    @cached_property
    def _program_of_steps(self) -> tuple[int, int]:
        """Where it is, and how many steps it has."""
        return at(self._steps), len(self._steps) // FIELDS

    def listed(self, order: Sequence[Run | Repeat]) -> Array:
        """Kernels in an order, as the driver reads it."""
        rows: list[list[int]] = []
        before = ROWS
        for item in order:
            runs: Sequence[Run] = item.runs if isinstance(item, Repeat) else [item]
            if isinstance(item, Repeat):
                place = self.source.layout.place
                size = item.size or -place["chunk"]
                modes = {self.source.kernels[run.kernel].mode for run in runs}
                behind = int(item.size == 0 and modes == {ROWS, SPLIT})
                rows.append([REPEAT, len(runs), size, int(item.order == "down"), place[item.axis.upper()], behind])
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
        own = {"copies": self._copies, "numbers": self._numbers, "barrier": self._barrier}
        return found | {name: at(array) for name, array in own.items()} | {"give_way": give_way()}

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
        if self._prefers_units(batch):
            if self._is_worth_it():
                return self._by_units.run(batch, given, poison, into)
            self._small += 1
        ready = self._ready(batch, given, poison, into or _NOWHERE)
        address, count = self._program_of_steps
        team().run(driver("run"), ready.table, address, count, ready.threads)
        return ready.results

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
        laid = self._laid
        if laid is None or laid.running is not batch.running:
            laid = self._laid_for(batch)
        fresh = self._fresh_in(laid, into)
        if poison:
            for array in (*laid.arrays.values(), *fresh.values()):
                array[...] = POISON[array.dtype.kind]
        if self._pads:
            given = {**given, **{n: _padded(given[n], wide) for n, wide in self._pads.items()}}
        words, known = laid.words, laid.given
        for name, array in given.items():
            if known.get(name) is not array:
                words[self._entries[name]] = at(array)
                if name in self._parameters:
                    known[name] = array
        start, low, high = self._own_entries
        words[start], words[low], words[high] = batch.start, batch.seed & 0xFFFFFFFF, batch.seed >> 32
        return _Ready(laid.threads, laid.address, given, {**laid.results, **fresh})

    def _fresh_in(self, laid: _Laid, into: Mapping[str, Array]) -> Mapping[str, Array]:
        """Arrays for fresh results: given ones, the others in one piece of memory; their addresses are in the table."""
        places, words = self._fresh_places, laid.words
        if len(into) == len(places.shapes):
            if into is not laid.into:
                for name, entry in places.entries.items():
                    words[entry] = at(into[name])
            laid.into = into
            return into
        if not places.shapes:
            return into
        memory, offset, first = place_for(places.size)
        laid.into, arrays = None, dict(into)
        for name, (shape, begin) in places.shapes.items():
            if name in into:
                words[places.entries[name]] = at(into[name])
            else:
                arrays[name] = np.ndarray(shape, self._item, memory, offset + begin)
                words[places.entries[name]] = first + begin
        return arrays

    @cached_property
    def _fresh_places(self) -> _Places:
        layout, shapes = self.source.layout, {n: self.program.values[n].shape for n in sorted(self.fresh)}
        begins, size = side_by_side({n: prod(shape) * self._item.itemsize for n, shape in shapes.items()})
        entries = {n: layout.place[layout.names[n]] for n in shapes}
        return _Places({n: (shape, begins[n]) for n, shape in shapes.items()}, size, entries)

    @cached_property
    def _item(self) -> np.dtype[Any]:
        return np.dtype(self.program.dtype)

    @cached_property
    def _entries(self) -> dict[str, int]:
        """The places in the table of what is given."""
        layout, values = self.source.layout, self.source.program.values.values()
        return {v.name: layout.place[layout.names[v.name]] for v in values if v.role in ("param", "input")}

    @cached_property
    def _own_entries(self) -> tuple[int, int, int]:
        """The places of what is a call's own beside arrays."""
        place = self.source.layout.place
        return place["start"], place["seed_low"], place["seed_high"]

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
        step, ends = self.listed([run]), np.array([lo, hi])
        before = time.perf_counter()
        team().run(driver("one"), ready.table, at(step), at(ends), ready.threads)
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

    def _sharing(self, batch: Batch) -> int:
        """How many of them compute what all share."""
        return self._work.sharing(batch, self.threads_for(batch), self.plan.share == "units")

    def explain(self) -> list[str]:
        """How work is cut for threads and caches."""
        return self._work.explain(self.threads, self.plan)

    def profile(self, batch: Batch, given: Mapping[str, Array], repeats: int) -> Profile:
        """What each kernel takes, against the limits of the machine."""
        from .profile import profile

        return profile(self.for_batch(batch), batch, given, repeats)

    def _results(self, own: Mapping[str, Array]) -> dict[str, Array]:
        """The results among the program's own arrays, without what pads their rows."""
        found = {}
        for name in set(self.program.results.values()) - self.fresh:
            v, a = self.source.program.values[name], own[name]
            found[name] = a[..., : v.shape[-1]] if v.shape else a.reshape(a.shape if v.axes else ())
        return found

    @cached_property
    def _parameters(self) -> frozenset[str]:
        return frozenset(v.name for v in self.source.program.values.values() if v.role == "param")

    @cached_property
    def _pads(self) -> dict[str, tuple[int, ...]]:
        """Inputs whose rows are not whole vectors -> their features as kernels take them."""
        values = (v for v in self.source.program.values.values() if v.role in ("param", "input"))
        return {v.name: wide for v in values if (wide := self.source.layout.features(v)) != v.shape}

    def _laid_for(self, batch: Batch) -> _Laid:
        """The table without what belongs to one call."""
        threads, laid = self.threads_for(batch), self._laid
        if laid is None or (laid.sizes, laid.threads) != (batch.sizes, threads):
            laid = self._laid = self._begun(batch, threads)
        place, words = self.source.layout.place, laid.words
        laid.lists = [*row_lists(batch, threads), *batch.lengths.values(), batch.original]
        for axis in ("t", "s"):
            words[place[f"lengths_{axis}"]] = at(batch.lengths[axis])
        words[place["original"]] = at(batch.original)
        for name in self._counts:
            words[place[name]] = batch.count(tuple(name.removeprefix("count_")))
        for k, array in enumerate(laid.lists[: len(words) - len(place)]):
            words[len(place) + k] = at(array)
        laid.running = batch.running
        return laid

    @cached_property
    def _counts(self) -> list[str]:
        return [name for name in self.source.layout.place if name.startswith("count_")]

    def _begun(self, batch: Batch, threads: int) -> _Laid:
        """The table with what all batches of the same sizes share."""
        layout, sizes = self.source.layout, batch.sizes
        own, place = self.workspace.arrays(sizes, threads), layout.place
        known = {"T": sizes["t"], "S": sizes["s"], "B": sizes["b"], "threads": self._sharing(batch),
                 "lists": len(place), "chunk": layout.steps_of_chunk(sizes), "room": layout.room(sizes),
                 "flat_bytes": layout.flat_bytes(sizes), "terms_bytes": layout.terms_bytes}  # fmt: skip
        known |= self._fixed
        known |= {f"sets_{v}": sets_for(sizes["b"], v) for v in range(1, VECTORS + 1)}
        known |= {layout.names[n] if n in self.source.program.values else n: at(a) for n, a in own.items()}
        table = np.zeros(len(place) + 4 * (threads + 1 if threads > 1 else 2), np.int64)
        for name, k in place.items():
            table[k] = known.get(name, 0)
        return _Laid(sizes, threads, at(table), table.data, own, self._results(own))


def _padded(array: Array, wide: tuple[int, ...]) -> Array:
    """A copy whose rows are whole vectors."""
    copy = np.zeros((*array.shape[: array.ndim - len(wide)], *wide), array.dtype)
    copy[..., : array.shape[-1]] = array
    return copy


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


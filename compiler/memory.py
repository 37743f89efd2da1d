"""Storage of a loop program: which slots a value has, how large its array is, one workspace for all calls.

A signal over t is stored as ``[slots, (S), (B), *shape]``, time first. With ``keep all`` the slots are
1-lead … N+trail of the longest sequence, slot k at index ``lead - 1 + k``; a ring or a chunk of n holds
slot k at index ``(k - 1) % n``. The second time axis, where a value has both, has the slots 1 … S.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np

from .loop import Over, Program, Statement, Value, stores

Array = np.ndarray[Any, Any]

#: arrays start at multiples of this many bytes: a line of the cache, and the widest vector
ALIGNMENT = 64
#: bytes of a page, and of the large pages that large pieces of memory are made of
PAGE, LARGE_PAGE = 4096, 1 << 21
#: by how much the place of one array in its page differs from that of the next: a few lines of the cache
STAGGER = 5 * ALIGNMENT
#: what storage holds before it is written, wherever nothing ought to be read
POISON = {"f": np.nan, "i": -(10**6), "b": False, "u": 255}


@dataclass(frozen=True)
class Batch:
    """The sizes of one call, and which rows run at which step.

    sizes     steps of the longest sequence for t and s (1 where the program has no such axis), rows for b
    lengths   axis -> [B], of the rows as they are sorted: by falling length along t
    original  [B], the caller's number of each row: random numbers belong to it
    start     the absolute number of step 1 of t
    """

    sizes: Mapping[str, int]
    lengths: Mapping[str, Array]
    original: Array
    start: int = 1
    seed: int = 0
    order: dict[str, Array] = field(default_factory=dict, init=False)
    running: dict[str, Array] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        # kernels take whole numbers of one type, in arrays of their own
        object.__setattr__(self, "lengths", {a: np.array(n, np.int64) for a, n in self.lengths.items()})
        object.__setattr__(self, "original", np.array(self.original, np.int64))
        for axis in ("t", "s"):
            lengths = self.lengths[axis]
            # for t this is 0, 1, 2, …: the batch is sorted
            self.order[axis] = np.argsort(-lengths, kind="stable").astype(np.int64)
            steps = np.arange(self.sizes[axis] + 2)
            # running[axis][k]: how many rows have a step k; 1 … N count, 0 is not used
            self.running[axis] = (lengths[:, None] >= steps).sum(0).astype(np.int64)

    @classmethod
    def of(
        cls,
        t: int | Sequence[int] | Array = 1,
        s: int | Sequence[int] | Array = 1,
        rows: int | None = None,
        start: int = 1,
        seed: int = 0,
    ) -> Batch:
        """A batch from lengths, or from one length for ``rows`` sequences; those of t must fall."""
        if rows is None:
            rows = next((len(n) for n in (t, s) if not isinstance(n, int)), 1)
        lengths = {a: np.broadcast_to(np.asarray(n, np.int64), rows) for a, n in (("t", t), ("s", s))}
        sizes = {"b": rows, **{a: int(n.max()) for a, n in lengths.items()}}
        return cls(sizes, lengths, np.arange(rows), start, seed)

    def again(self, start: int, seed: int) -> Batch:
        """The same rows in another call; it shares all arrays with this one."""
        if start == self.start and seed == self.seed:
            return self
        found = object.__new__(Batch)
        found.__dict__.update(self.__dict__, start=start, seed=seed)
        return found

    def count(self, axes: Sequence[str]) -> int:
        """The number of valid positions over the axes: of sequences for b, of all their steps for (t, b)."""
        times = [a for a in axes if a != "b"]
        if "b" not in axes:
            return prod(self.sizes[a] for a in times)
        steps = np.ones(self.sizes["b"], np.int64)
        for a in times:
            steps = steps * self.lengths[a]
        return int(steps.sum())


def number_type(program: Program, dtype: str) -> np.dtype[Any]:
    """The NumPy type of "f", "i" and "b" values of a program."""
    return np.dtype({"f": program.dtype, "i": "int64", "b": "bool"}[dtype])


def slots(value: Value, n: int) -> int:
    """How many slots of a value are stored along its time axis of ``n`` steps."""
    if value.keep.kind == "every":
        return -(-n // value.keep.n) * value.lead
    return value.lead + n + value.trail if value.keep.kind == "all" else value.keep.n


def storage_shape(value: Value, sizes: Mapping[str, int], alone: bool = False) -> tuple[int, ...]:
    """The shape of a value's array. A block has one row a sequence, or one in all (``alone``)."""
    if value.role == "block":
        return value.shape if alone else (sizes["b"], *value.shape)
    extents = (slots(value, sizes[a]) if a == value.time else sizes[a] for a in value.axes)
    return (*extents, *value.shape)


def slot_offset(value: Value) -> int:
    """What to add to the number of a slot for its index (modulo n for rings and chunks)."""
    return value.lead - 1 if value.keep.kind == "all" else -1


def inner_blocks(program: Program) -> frozenset[str]:
    """The blocks that live inside Over: one row at a time."""
    names: set[str] = set()

    def inside(body: Sequence[Statement]) -> None:
        for statement in body:
            if isinstance(statement, Over):
                names.update(name for inner in statement.body for name in stores(inner))
                inside(statement.body)

    for stage in program.rows():
        inside(stage.body)
    return frozenset(n for n in names if n in program.values and program.values[n].role == "block")


def lone_blocks(program: Program) -> frozenset[str]:
    """The blocks of stages whose rows are no sequences: they hold one row."""
    stages = (rows for rows in program.rows() if not rows.batch)
    names = {name for rows in stages for item in rows.body for name in stores(item)}
    return frozenset(n for n in names if n in program.values and program.values[n].role == "block")


def owned(program: Program) -> list[Value]:
    """The values whose arrays are the program's own, not the caller's."""
    return [v for v in program.values.values() if v.role in ("static", "signal", "block")]


def predicted_bytes(program: Program, t: int = 1, s: int = 1, b: int = 1) -> int:
    """What the values and packs of a program take for sequences of ``t`` (and ``s``) steps and ``b`` rows.

    What a target needs beside them, and what it pads rows with, is not in it: see ``Workspace.predicted``.
    """
    sizes, alone = {"t": t, "s": s, "b": b}, inner_blocks(program) | lone_blocks(program)
    total = 0
    for v in owned(program):
        total += prod(storage_shape(v, sizes, v.name in alone)) * number_type(program, v.dtype).itemsize
    item = number_type(program, "f").itemsize
    return total + sum(rows * columns * item for rows, columns in map(pack_shape, program.packs.values()))


def pack_shape(pack: Any) -> tuple[int, int]:
    """Rows and columns of a pack."""
    return sum(block.size[0] for block in pack.blocks), pack.blocks[0].size[1]


class Shapes(Protocol):
    """How a target lays arrays out."""

    def arrays(self, sizes: Mapping[str, int], threads: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]: ...


class Workspace:
    """The arrays of a program in one piece of memory, kept from call to call; a larger one replaces it when needed.

    One piece, since a large one gets large pages from the system (NumPy asks for them): kernels go through dozens of
    arrays at once, more than the processor remembers small pages. Arrays begin at different places of a page: at the
    same one, the rows of all of them would share a few sets of the first cache.
    """

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._memory = np.empty(0, np.uint8)
        self._shaped: dict[str, Array] = {}
        self._sizes: dict[str, int] = {}

    def arrays(self, sizes: Mapping[str, int], threads: int = 1) -> dict[str, Array]:
        """One array for every value of the program's own, and for what else the target needs."""
        wanted = {**sizes, "threads": threads}
        if self._sizes != wanted:
            found = self._shapes.arrays(sizes, threads)
            places, size = _places(found)
            if self.bytes < size:
                self._shaped, self._memory = {}, np.empty(0, np.uint8)  # the old goes before the new comes
                self._memory = aligned(size)
            memory = self._memory
            self._shaped = {
                n: memory[places[n] : places[n] + _bytes(shape, dtype)].view(dtype).reshape(shape)
                for n, (shape, dtype) in found.items()
            }
            self._sizes = wanted
        return self._shaped

    def predicted(self, sizes: Mapping[str, int], threads: int = 1) -> int:
        """The bytes that arrays for these sizes take."""
        return _places(self._shapes.arrays(sizes, threads))[1]

    @property
    def bytes(self) -> int:
        """What is allocated now."""
        return self._memory.nbytes


def _places(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> tuple[dict[str, int], int]:
    return side_by_side({name: _bytes(*array) for name, array in arrays.items()}, STAGGER)


def side_by_side(sizes: Mapping[str, int], stagger: int = 0) -> tuple[dict[str, int], int]:
    """Where each of several pieces of so many bytes begins in one, and the bytes of all: each begins a line.

    stagger  by how much the places of large pieces in their pages differ from each other; 0: as it comes
    """
    places, end = {}, 0
    for k, (name, size) in enumerate(sizes.items()):
        if stagger and size >= PAGE:
            end += (k * stagger - end) % PAGE
        places[name] = end
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return places, end


def _bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return prod(shape) * dtype.itemsize


def at(array: Array) -> int:
    """The address of an array's first element."""
    found: int = array.__array_interface__["data"][0]
    return found


def aligned(size: int) -> Array:
    """``size`` bytes, aligned; at the beginning of a large page where that leaves little unused before it."""
    memory, offset, _ = place_for(size)
    return memory[offset : offset + size]


def place_for(size: int) -> tuple[Array, int, int]:
    """The same as a larger array, where they begin in it, and their address."""
    step = LARGE_PAGE if size >= 16 * LARGE_PAGE else ALIGNMENT
    memory = np.empty(size + step, np.uint8)
    begin = at(memory)
    offset = -begin % step
    return memory, offset, begin + offset

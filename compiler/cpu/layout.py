"""Where the arrays of a program lie: rows padded to whole vectors, and the table through which kernels find them.

Kernels take one table of 64-bit integers: sizes, then the addresses of arrays. So all kernels have one signature,
a call from Python hands over one number, and one native loop can run all of them, on several threads.

    0 …               sizes of the call (SIZES), addresses of INDICES and of every value
    …                 what kernels turn out to need: counts of valid positions, panels of packs
    lists + 4·w …     addresses of LISTS for the rows of the thread w; those of all rows come after the last thread
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..chunks import writes
from ..loop import Product, Program, Value, walk
from ..memory import ALIGNMENT, inner_blocks, lone_blocks, number_type, owned, slots
from ..plan import Plan
from .cost import TILE_ROWS, steps_of_chunk
from .names import INDICES, SIZES, Names
from .parallel import repeated
from .products.outer import FIELDS, scratch_bytes
from .vector.host import HOST

#: bytes of packed rows that each thread needs for weight gradients
SCRATCH = scratch_bytes(HOST)


@dataclass(frozen=True)
class Stack:
    """Vectors side by side in one array, named by the first: for each row one after the other, so that a product
    of all of them has one operand. A row takes an odd number of lines of the cache: rows that are a power of two apart
    would share a few sets of it."""

    names: tuple[str, ...]


class Layout:
    """Shapes of arrays as kernels see them, and the places of everything in the table."""

    def __init__(self, program: Program, names: Names, plan: Plan) -> None:
        self.program, self.names, self.plan = program, names, plan
        self.lanes = HOST.lanes(program.dtype)
        self.inner = inner_blocks(program)
        self.lone = lone_blocks(program)
        self.by_units = plan.share == "units"
        self.chunked = _chunked(program, self.by_units)
        self.stacks = _stacks(program, self)
        values = (names[n] for n in program.values)
        self.panels = 0  # numbers in all panels
        self.used: set[str] = set()  # values that kernels take from the table
        self.fresh = _fresh(program, self)
        self._lists: list[tuple[int, str]] = []
        self.terms_bytes = 0  # of the table of weight gradients of one thread
        self._line = 0  # numbers of a row in the buffer that products share with maps
        self._tiles: list[tuple[int, str]] = []
        self._flat: list[tuple[int, str]] = []
        self.numbers = 1  # of rows that are listed in order
        self.place = {name: k for k, name in enumerate((*SIZES, *INDICES, *values))}

    def at(self, name: str) -> int:
        """The place of a name in the table, made where it is new."""
        return self.place.setdefault(name, len(self.place))

    def stack(self, v: Value) -> Stack | None:
        """The array that a value shares with others, if it does."""
        return self.stacks.get(v.name)

    def step(self, v: Value) -> int:
        """How many numbers on the next row of a value is."""
        stack = self.stack(v)
        return (len(stack.names) * self.width(v) // self.lanes | 1) * self.lanes if stack else self.width(v)

    def first(self, v: Value) -> int:
        """Where a vector begins in the row of its stack."""
        stack = self.stack(v)
        return stack.names.index(v.name) * self.width(v) if stack else 0

    def width(self, v: Value) -> int:
        """The last feature axis of a value's array: whole vectors, but for parameters, the caller's own arrays."""
        n = v.shape[-1]
        own = v.role != "param" and v.dtype == "f"
        return -(-n // self.lanes) * self.lanes if own else n

    def features(self, v: Value) -> tuple[int, ...]:
        """The feature axes of a value's array."""
        return (*v.shape[:-1], self.width(v)) if v.shape else ()

    def shape(self, v: Value, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of a value's array; of a block inside Over that of one thread."""
        if v.role == "block":
            own = () if v.name in self.inner else (1 if v.name in self.lone else sizes["b"],)
            return (*own, *self.features(v))
        extents = (self.slots(v, sizes) if a == v.time else sizes[a] for a in v.axes)
        return (*extents, *((self.step(v),) if self.stack(v) else self.features(v)))

    def slots(self, v: Value, sizes: Mapping[str, int]) -> int:
        """How many slots of a value are stored along its time axis."""
        look = self.chunked.get(v.name)
        return slots(v, sizes[v.time or "t"]) if look is None else self.room(sizes) + look

    def steps_of_chunk(self, sizes: Mapping[str, int]) -> int:
        """How many steps are computed at a time, where a call chooses that."""
        return steps_of_chunk(sizes, self.plan)

    def room(self, sizes: Mapping[str, int]) -> int:
        """How many steps are stored of what is stored for a chunk: of one row for two, as sums may be one behind."""
        return self.steps_of_chunk(sizes) * (2 if sizes["b"] == 1 else 1)

    def modulus(self, v: Value) -> str:
        """After how many slots a ring or a chunk begins again."""
        look = self.chunked.get(v.name)
        return str(v.keep.n) if look is None else f"(room + {look})" if look else "room"

    def arrays(self, sizes: Mapping[str, int], threads: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """What the workspace holds: shape and type by name."""
        found = {}
        for v in owned(self.program):
            stack = self.stack(v)
            if (stack and stack.names[0] != v.name) or v.name in self.fresh:
                continue  # it has a place in the array of the first, or a new one in each run
            if v.role == "block" and v.name not in self.used:
                continue  # it lives in a tile
            dtype, shape = number_type(self.program, v.dtype), self.shape(v, sizes)
            if v.role == "block" and v.name in self.inner:  # one for each thread, and one for all rows
                shape = ((threads + 1) * self.inner_bytes(v) // dtype.itemsize,)
            found[v.name] = (shape or (1,), dtype)
        word, number = np.dtype(np.int64), number_type(self.program, "f")
        more = {
            "panels": ((self.panels,), number),
            "scratch": ((threads * SCRATCH,), np.dtype(np.uint8)),
            "terms": ((threads * self.terms_bytes // 8,), word),
            "tiles": ((sizes["b"] * self._line,), number),
            "flat_tiles": ((max(sizes["b"], TILE_ROWS) * self._longest(self._tiles, sizes),), number),
            "flat": ((threads * self.flat_bytes(sizes) // 8,), word),
            "row_lists": ((threads * sizes["b"] * self._longest(self._lists, sizes),), word),
        }
        return found | {n: a for n, a in more.items() if n in self.place}

    def flat_bytes(self, sizes: Mapping[str, int]) -> int:
        """How far the lists of rows of one thread are from those of the next, in all kernels."""
        return 8 * sizes["b"] * self._longest(self._flat, sizes)

    def _longest(self, needs: Sequence[tuple[int, str]], sizes: Mapping[str, int]) -> int:
        """The most numbers for one row of the batch: so many for each of "chunk", "T", "S", "" (one) or many steps."""
        steps = {"": 1, "chunk": self.steps_of_chunk(sizes), "T": sizes["t"], "S": sizes["s"]}
        return max((n * (steps[length] if length in steps else int(length)) for n, length in needs), default=0)

    def in_one_piece(self, v: Value) -> bool:
        """Whether the slots of a chunk of steps follow each other in memory."""
        return v.keep.kind in ("all", "chunk")

    def needs_lines(self, width: int) -> None:
        """A kernel has lines of so many numbers for the rows of a step."""
        self._line = max(self._line, width)

    def needs_tile(self, width: int, steps: str) -> None:
        """A kernel has tiles of so many numbers a row, for as many steps at once."""
        self._tiles.append((width, steps))

    def needs_flat(self, steps: str) -> None:
        """A kernel lists the rows of so many steps, for each thread."""
        self._flat.append((1, steps))

    def needs_numbers(self, count: int) -> None:
        """A kernel lists the numbers of so many rows of a matrix, in order."""
        self.numbers = max(self.numbers, count)

    def needs_terms(self, lines: int) -> None:
        """A kernel describes weight gradients in so many lines, for each thread."""
        self.terms_bytes = max(self.terms_bytes, -(-8 * FIELDS * lines // ALIGNMENT) * ALIGNMENT)

    def needs_lists(self, count: int, steps: str) -> None:
        """A kernel needs so many lists of rows for each thread, of "chunk", "T", "S", "" (one) or so many steps."""
        self._lists.append((count, steps))

    def inner_bytes(self, v: Value) -> int:
        """What a block inside Over takes for one thread, in whole lines of the cache."""
        size = prod(self.features(v)) * number_type(self.program, v.dtype).itemsize
        return -(-size // ALIGNMENT) * ALIGNMENT

    def shape_text(self, v: Value) -> str:
        """The same as Python; a single number is an array of one."""
        if v.role == "block":
            own = [] if v.name in self.inner else ["1" if v.name in self.lone else "B"]
        else:
            own = [self._slots_text(v, a) if a == v.time else a.upper() for a in v.axes]
        items = [*own, *map(str, (self.step(v),) if self.stack(v) else self.features(v))] or ["1"]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

    def _slots_text(self, v: Value, axis: str) -> str:
        n, keep = axis.upper(), v.keep
        if keep.kind == "every":
            return f"(({n} + {keep.n - 1}) // {keep.n}) * {v.lead}"
        if keep.kind != "all":
            return self.modulus(v)
        more = v.lead + v.trail
        return f"{n} + {more}" if more else n


def _fresh(program: Program, layout: Layout) -> frozenset[str]:
    """Results that are written where the caller wants them: of any length of sequences, and without pads."""
    uses = Counter(program.results.values())
    static = (v for v in owned(program) if v.role == "static" and v.shape and not v.axes and v.dtype == "f")
    return frozenset(v.name for v in static if uses[v.name] == 1 and layout.features(v) == v.shape)


def _chunked(program: Program, by_units: bool) -> dict[str, int]:
    """Signals that are stored for one chunk whose size a call chooses -> how many slots more they have."""
    found = {}
    for chunks in repeated(program, by_units):
        written = set().union(*(writes(rows) for rows in chunks.stages))
        for v in (v for n, v in program.values.items() if n in written):
            more = v.keep.n - chunks.size
            if v.role == "signal" and v.keep.kind in ("ring", "chunk") and v.time == chunks.axis and more >= 0:
                found[v.name] = more
    return found


def _stacks(program: Program, layout: Layout) -> dict[str, Stack]:
    """Signal -> its stack: the operands of a product of several parts, where their rows are whole vectors."""
    found: dict[str, Stack] = {}
    for product in (s for rows in program.rows() for s in walk(rows.body) if isinstance(s, Product)):
        loads = [part.operand for part in product.parts]
        values = [program.values[load.value] for load in loads]
        first = values[0]
        alike = all(
            v.role == "signal" and len(v.shape) == 1 and v.shape[0] % layout.lanes == 0 and "b" in v.axes
            and replace(v, name="", note="") == replace(first, name="", note="") for v in values
        )  # fmt: skip
        names = tuple(v.name for v in values)
        if len(set(names)) < 2 or len(set(names)) < len(names) or not alike or set(names) & set(found):
            continue
        if len({load.lags for load in loads}) == 1 and not set(names) & set(program.results.values()):
            found |= dict.fromkeys(names, Stack(names))
    return found

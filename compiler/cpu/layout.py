"""Where the arrays of a program lie: rows padded to whole vectors, and the table through which kernels find them.

Kernels take one table of 64-bit integers: sizes, then the addresses of arrays. So all kernels have one signature,
a call from Python hands over one number, and one native loop can run all of them, on several threads.

    0 …               sizes of the call (SIZES), addresses of INDICES and of every value
    …                 what kernels turn out to need: counts of valid positions, panels of packs
    lists + 4·w …     addresses of LISTS for the rows of the thread w; those of all rows come after the last thread
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from ..loop import Program, Value
from ..memory import ALIGNMENT, inner_blocks, number_type, owned, slots
from .names import INDICES, SIZES, Names
from .products.outer import FIELDS, scratch_bytes
from .vector.host import HOST



#: bytes of packed rows that each thread needs for weight gradients
SCRATCH = scratch_bytes(HOST)
#: how many weight gradients one call computes at most
MOST = 64


class Layout:
    """Shapes of arrays as kernels see them, and the places of everything in the table."""

    def __init__(self, program: Program, names: Names) -> None:
        self.program, self.names = program, names
        self.lanes = HOST.lanes(program.dtype)
        self.inner = inner_blocks(program)
        values = (names[n] for n in program.values)
        self.panels = 0  # numbers in all panels
        self._lists: list[tuple[int, int, str]] = []
        self._tile = 0
        self.place = {name: k for k, name in enumerate((*SIZES, *INDICES, *values))}

    def at(self, name: str) -> int:
        """The place of a name in the table, made where it is new."""
        return self.place.setdefault(name, len(self.place))

    def width(self, v: Value) -> int:
        """The last feature axis of a value's array: whole vectors, but for parameters, which are the caller's arrays."""
        n = v.shape[-1]
        own = v.role != "param" and v.dtype == "f"
        return -(-n // self.lanes) * self.lanes if own else n

    def features(self, v: Value) -> tuple[int, ...]:
        """The feature axes of a value's array."""
        return (*v.shape[:-1], self.width(v)) if v.shape else ()

    def shape(self, v: Value, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of a value's array; of a block inside Over that of one thread."""
        if v.role == "block":
            return self.features(v) if v.name in self.inner else (sizes["b"], *self.features(v))
        extents = (slots(v, sizes[a]) if a == v.time else sizes[a] for a in v.axes)
        return (*extents, *self.features(v))

    def arrays(self, sizes: Mapping[str, int], threads: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """What the workspace holds: shape and type by name."""
        found = {}
        for v in owned(self.program):
            dtype, shape = number_type(self.program, v.dtype), self.shape(v, sizes)
            if v.role == "block" and v.name in self.inner:  # one for each thread, and one for all rows
                shape = ((threads + 1) * self.inner_bytes(v) // dtype.itemsize,)
            found[v.name] = (shape or (1,), dtype)
        word = np.dtype(np.int64)
        more = {
            "panels": ((self.panels,), number_type(self.program, "f")),
            "scratch": ((threads * SCRATCH,), np.dtype(np.uint8)),
            "terms": ((threads * MOST * FIELDS,), word),
            "tile": ((sizes["b"] * self._tile,), number_type(self.program, "f")),
            "row_lists": ((threads * sizes["b"] * self._longest(sizes),), word),
        }
        return found | {n: a for n, a in more.items() if n in self.place}

    def needs_tile(self, width: int) -> None:
        """A kernel has tiles of so many numbers a row."""
        self._tile = max(self._tile, width)

    def needs_lists(self, count: int, chunk: int, axis: str | None) -> None:
        """A kernel needs so many lists of rows for each thread, of ``chunk`` steps, or (0) of all of the axis."""
        self._lists.append((count, chunk, axis or ""))

    def _longest(self, sizes: Mapping[str, int]) -> int:
        return max((n * (chunk or (sizes[axis] if axis else 1)) for n, chunk, axis in self._lists), default=0)

    def inner_bytes(self, v: Value) -> int:
        """What a block inside Over takes for one thread, in whole lines of the cache."""
        size = prod(self.features(v)) * number_type(self.program, v.dtype).itemsize
        return -(-size // ALIGNMENT) * ALIGNMENT

    def shape_text(self, v: Value) -> str:
        """The same as Python; a single number is an array of one."""
        if v.role == "block":
            own = [] if v.name in self.inner else ["B"]
        else:
            own = [_slots_text(v, a) if a == v.time else a.upper() for a in v.axes]
        items = [*own, *map(str, self.features(v))] or ["1"]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _slots_text(v: Value, axis: str) -> str:
    n, keep = axis.upper(), v.keep
    if keep.kind == "every":
        return f"(({n} + {keep.n - 1}) // {keep.n}) * {v.lead}"
    if keep.kind != "all":
        return str(keep.n)
    more = v.lead + v.trail
    return f"{n} + {more}" if more else n

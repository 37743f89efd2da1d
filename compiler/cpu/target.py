"""The CPU back end: a loop program's kernels, its workspace, and one run of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..cache import Loaded, load_kernels
from ..loop import Program
from ..memory import POISON, Array, Batch, Workspace, inner_blocks, pack_shape
from .names import INDICES
from .printer import Panel
from .source import Source, print_program

TYPES = {"f": "", "i": "int64", "b": "boolean"}


class CpuTarget:
    """Runs a loop program. Kernels are compiled, or loaded, at the first run."""

    def __init__(self, program: Program) -> None:
        self.program = program

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
        packs = self.program.packs
        panels = {i: (pack_shape(packs[p.pack])[1], p.hi - p.lo) for i, p in self.source.panels.items()}
        return Workspace(self.program, panels)

    @cached_property
    def _loaded(self) -> Loaded:
        return load_kernels(self.source.text, self.signatures())

    @property
    def compilations(self) -> int:
        """How many kernels had to be compiled, so far."""
        return self._loaded.compiled if "_loaded" in self.__dict__ else 0

    def signatures(self) -> dict[str, str]:
        """Kernel name -> the types of its arguments."""
        types = self._array_types()
        return {
            k.name: f"void({', '.join(types.get(a) or _plain_type(a) for a in k.arguments)})"
            for k in self.source.kernels
        }

    def _array_types(self) -> dict[str, str]:
        inner = inner_blocks(self.program)
        types = dict.fromkeys(self.source.panels, f"{self.program.dtype}[:, ::1]")
        for identifier, name in self.source.values.items():
            v = self.program.values[name]
            own = 0 if v.name in inner else 1
            rank = len(v.shape) + (own if v.role == "block" else len(v.axes))
            types[identifier] = _array_type(TYPES[v.dtype] or self.program.dtype, rank)
        return types

    def run(self, batch: Batch, given: Mapping[str, Array], poison: bool = False) -> dict[str, Array]:
        """The arrays of all values after one run; those the program owns are overwritten by the next.

        ``given``: C-contiguous arrays of params and inputs in storage layout, in the program's types.
        ``poison``: fill all storage with NaN first, to see that nothing is read before it is written.
        """
        own = self.workspace.arrays(batch.sizes)
        if poison:
            for name, array in own.items():
                array[...] = POISON[self.program.values[name].dtype if name in self.program.values else "f"]
        arrays = {**own, **given}
        numbers = _numbers(batch)
        ready: set[str] = set()
        for kernel in self.source.kernels:
            arguments: list[Any] = []
            for a in kernel.arguments:
                if a in self.source.values:
                    arguments.append(arrays[self.source.values[a]])
                elif a in self.source.panels:
                    if (
                        a not in ready
                    ):  # a pack may hold what an earlier kernel computed: not before it is read
                        self._fill(self.source.panels[a], arrays, own[a])
                        ready.add(a)
                    arguments.append(own[a])
                else:
                    arguments.append(batch.count(tuple(a[6:])) if a.startswith("count_") else numbers[a])
            self._loaded.kernels[kernel.name](*arguments)
        return arrays

    def _fill(self, panel: Panel, arrays: Mapping[str, Array], out: Array) -> None:
        """Copy rows of a pack, transposed, so that those of one operand's number are contiguous."""
        lo = 0
        for block in self.program.packs[panel.pack].blocks:
            matrix = np.atleast_2d(arrays[block.value])[slice(*block.rows), slice(*block.columns)]
            columns = matrix if block.transposed else matrix.T
            first, last = max(panel.lo - lo, 0), min(panel.hi - lo, block.size[0])
            if first < last:
                at = lo + first - panel.lo
                out[:, at : at + last - first] = columns[:, first:last]
            lo += block.size[0]


def _numbers(batch: Batch) -> dict[str, Any]:
    return {
        "T": batch.sizes["t"],
        "S": batch.sizes["s"],
        "B": batch.sizes["b"],
        "start": batch.start,
        "seed_low": batch.seed & 0xFFFFFFFF,
        "seed_high": batch.seed >> 32,
        "original": batch.original,
        **{f"{kind}_{a}": getattr(batch, kind)[a] for kind in ("running", "order", "lengths") for a in "ts"},
    }


def _plain_type(name: str) -> str:
    return "int64[::1]" if name in INDICES else "int64"


def _array_type(item: str, rank: int) -> str:
    return f"{item}[{', '.join([':'] * (rank - 1) + ['::1'])}]" if rank else f"Array({item}, 0, 'C')"

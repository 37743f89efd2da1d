"""The CPU back end: a loop program's kernels, its workspace, and one run of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..cache import Loaded, load_kernels
from ..loop import Pack, Program
from ..memory import POISON, Array, Batch, Workspace, inner_blocks
from .printer import INDICES, Source, print_program

TYPES = {"f": "", "i": "int64", "b": "boolean"}


class CpuTarget:
    """Runs a loop program. Kernels are compiled, or loaded, at the first run."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.workspace = Workspace(program)

    @cached_property
    def source(self) -> Source:
        """The printed program."""
        return print_program(self.program)

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
        names, inner = self.source.identifiers, inner_blocks(self.program)
        types = {names[p]: f"{self.program.dtype}[:, ::1]" for p in self.program.packs}
        for v in self.program.values.values():
            own = 0 if v.name in inner else 1
            rank = len(v.shape) + (own if v.role == "block" else len(v.axes))
            types[names[v.name]] = _array_type(TYPES[v.dtype] or self.program.dtype, rank)
        return types

    def run(self, batch: Batch, given: Mapping[str, Array], poison: bool = False) -> dict[str, Array]:
        """The arrays of all values after one run; those the program owns are overwritten by the next.

        ``given``: C-contiguous arrays of params and inputs in storage layout, in the program's types.
        ``poison``: fill all storage with NaN first, to see that nothing is read before it is written.
        """
        arrays = {**self.workspace.arrays(batch.sizes), **given}
        if poison:
            self._poison()
        numbers = self._numbers(batch)
        names = {identifier: name for name, identifier in self.source.identifiers.items()}
        packed: set[str] = set()
        for kernel in self.source.kernels:
            for name in kernel.packs:
                if name not in packed:
                    fill_pack(self.program.packs[name], arrays, arrays[name])
                    packed.add(name)
            run = self._loaded.kernels[kernel.name]
            run(*(arrays[names[a]] if a in names else _number(numbers, batch, a) for a in kernel.arguments))
        return arrays

    def _poison(self) -> None:
        for name, array in self.workspace.current.items():
            v = self.program.values.get(name)
            array[...] = POISON[v.dtype if v else "f"]

    def _numbers(self, batch: Batch) -> dict[str, Any]:
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


def _number(numbers: Mapping[str, Any], batch: Batch, name: str) -> Any:
    return batch.count(tuple(name.removeprefix("count_"))) if name.startswith("count_") else numbers[name]


def _plain_type(name: str) -> str:
    return "int64[::1]" if name in INDICES else "int64"


def _array_type(item: str, rank: int) -> str:
    return f"{item}[{', '.join([':'] * (rank - 1) + ['::1'])}]" if rank else f"Array({item}, 0, 'C')"


def fill_pack(pack: Pack, arrays: Mapping[str, Array], out: Array) -> None:
    """Copy the blocks of a pack into ``out``, transposed: [k, rows], so that rows are contiguous in a product."""
    lo = 0
    for block in pack.blocks:
        matrix = np.atleast_2d(arrays[block.value])[slice(*block.rows), slice(*block.columns)]
        hi = lo + block.size[0]
        out[:, lo:hi] = matrix if block.transposed else matrix.T
        lo = hi



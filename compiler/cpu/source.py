"""Loop program -> the source of a module: one kernel a pass, for all lengths, batch sizes and numbers of threads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..loop import Program, Rows
from ..plan import Plan
from .calls import Panels
from .fused import tiles_of
from .layout import Layout
from .names import ARRAYS, CALLS, FUNCTIONS_OF_NUMBERS, HELPERS, MATH, RANDOM, ROWS, VECTORS, WAITING, Names
from .parallel import SPLIT, TOGETHER, Loop, Pass, Step, apart, steps
from .printer import Kernel, PassPrinter


@dataclass(frozen=True)
class Run:
    """A kernel of a program, run by number."""

    kernel: int


@dataclass(frozen=True)
class Repeat:
    """Kernels that are run for one chunk of steps after the other; a size of 0 is chosen by each call."""

    axis: str
    order: str
    size: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Source:
    """A printed program: the text of its module, its kernels, in which order they run, and what they find where.

    program  the loop program as it is printed, sums over the batch apart
    """

    program: Program
    text: str
    kernels: tuple[Kernel, ...]
    order: tuple[Run | Repeat, ...]
    layout: Layout
    panels: Panels


def print_program(program: Program, plan: Plan | None = None) -> Source:
    """The Numba source of a loop program; the same program gives the same text."""
    program = apart(program)
    names = Names(program.values)
    layout = Layout(program, names, plan or Plan())
    panels = Panels(layout)
    printed = _Printed(layout, panels)
    printed.all(steps(program, layout.by_units))
    # the name is the user's: it must not end the text that it stands in
    name = " ".join(program.name.split()).replace("\\", "/").replace('"', "'")
    head = f'"""{name}, compiled for the CPU in {program.dtype}."""\n\n{_imports(program, printed.kernels)}\n'
    text = head + "\n\n".join(["", *(k.text for k in printed.kernels)])
    return Source(program, text, tuple(printed.kernels), tuple(printed.order), layout, panels)


class _Printed:
    """Kernels as they are printed one after the other."""

    def __init__(self, layout: Layout, panels: Panels) -> None:
        self.layout, self.panels = layout, panels
        self.tiles = tiles_of(layout.program, layout.lanes, layout.plan.lines)
        self.kernels: list[Kernel] = []
        self.order: list[Run | Repeat] = []

    def all(self, passes: Sequence[Step]) -> None:
        for step in passes:
            before = self.panels.lines
            runs = self._pass(step) if isinstance(step, Pass) else self._loop(step)
            if self.panels.lines > before:  # panels are filled just before they are first needed
                self.order.append(self._run(self._printer().packing(before, self.panels.lines)))
            self.order += runs

    def _printer(self) -> PassPrinter:
        return PassPrinter(self.layout, self.panels, self.tiles, f"stage_{len(self.kernels) + 1}")

    def _run(self, kernel: Kernel) -> Run:
        self.kernels.append(kernel)
        return Run(len(self.kernels) - 1)

    def _beginning(self, stages: Sequence[Rows]) -> list[Run]:
        kernel = self._printer().beginning(stages)
        return [] if kernel is None else [self._run(kernel)]

    def _pass(self, part: Pass) -> list[Run]:
        first = self._beginning(part.stages) if part.mode in (SPLIT, TOGETHER) else []
        return [*first, self._run(self._printer().kernel(part))]

    def _loop(self, loop: Loop) -> list[Run | Repeat]:
        chunks = loop.chunks
        first = self._beginning(chunks.stages)
        saving = self._printer().saving(chunks)
        runs = [] if saving is None else [self._run(saving)]
        free = not (chunks.save or chunks.restore)
        size = "chunk" if free else str(chunks.size)
        runs += [self._run(self._printer().kernel(part, size, chunks.order)) for part in loop.passes]
        return [*first, Repeat(chunks.axis, chunks.order, 0 if free else chunks.size, tuple(runs))]


def _imports(program: Program, kernels: Sequence[Kernel]) -> str:
    words = set(re.findall(r"\w+", "".join(k.text for k in kernels)))
    lines = []
    plain: dict[str, Sequence[str]] = {"math": MATH, "numpy": ("int64",)}
    for module, known in plain.items():
        used = [name for name in known if name in words]
        lines += [f"from {module} import {', '.join(used)}"] if used else []
    if "boolean" in words:
        lines.append("from numpy import bool_ as boolean")
    lines += [f"from numpy import {program.dtype} as number", ""]
    modules = {
        "barrier": WAITING,
        "functions": HELPERS,
        "products.library": CALLS,
        "vector.functions": FUNCTIONS_OF_NUMBERS,
        "vector.memory": ARRAYS,
        "vector.random": RANDOM,
        "vector.rows": ROWS,
        "vector.types": VECTORS,
    }
    for module, known in modules.items():
        called = [name for name in known if name in words]
        if called:
            lines += [f"from bptt.compiler.cpu.{module} import (", *(f"    {name}," for name in called), ")"]
    return "\n".join([*lines, "from bptt.compiler.cpu.jit import entry"])

"""Loop program -> the source of a module: one kernel a stage, for all lengths and batch sizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..loop import Program
from .names import HELPERS, MATH, Names
from .printer import Kernel, Panel, StagePrinter


@dataclass(frozen=True)
class Source:
    """A printed program: the text of its module, its kernels, and what their arguments stand for.

    values  identifier -> value;  panels  identifier -> panel of a pack
    """

    text: str
    kernels: tuple[Kernel, ...]
    values: dict[str, str]
    panels: dict[str, Panel]


def print_program(program: Program) -> Source:
    """The Numba source of a loop program; the same program gives the same text."""
    names = Names(program.values)
    panels: dict[Panel, str] = {}
    printers = [StagePrinter(program, names, panels, i, s) for i, s in enumerate(program.stages, 1)]
    kernels = tuple(printer.kernel() for printer in printers)
    # the name is the user's: it must not end the text that it stands in
    name = " ".join(program.name.split()).replace("\\", "/").replace('"', "'")
    head = f'"""{name}, compiled for the CPU in {program.dtype}."""\n\n{_imports(program, kernels)}\n'
    text = head + "\n\n".join(["", *(k.text for k in kernels)])
    values = {names[n]: n for n in program.values}
    return Source(text, kernels, values, {identifier: panel for panel, identifier in panels.items()})


def _imports(program: Program, kernels: Sequence[Kernel]) -> str:
    words = set(re.findall(r"\w+", "".join(k.text for k in kernels)))
    used = [name for name in MATH if name in words]
    called = [name for name in HELPERS if name in words]
    lines = [f"from math import {', '.join(used)}", ""] if used else []
    lines += [f"from numpy import {program.dtype} as number", ""]
    if called:
        lines += ["from bptt.compiler.cpu.functions import (", *(f"    {name}," for name in called), ")"]
    return "\n".join([*lines, "from bptt.compiler.cpu.jit import kernel"])

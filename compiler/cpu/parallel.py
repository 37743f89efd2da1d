"""What each thread computes for its own rows, and what needs all rows at once.

A thread takes its rows through all stages without waiting for the others. Sums over the batch come after them, in
passes of their own that are cut by what they compute, not by rows: so no sum depends on the number of threads.
What couples rows in any other way is computed by one thread.

Where rows are fewer than threads can use, the units of loops are shared instead (``Plan.share``): each thread computes
some panels of a product for all rows, and the map at some of its units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...graph.expr import sort_axes
from ..chunks import keep_of
from ..loop import ALL as KEEP_ALL
from ..loop import Chunks, Over, Program, Rows, Stage, Sum, Value, loads, stores, walk
from .factors import independent_products, is_of_products

#: every thread for its own rows; one thread for all rows; all threads, each a part of what is computed from all rows;
#: the same for each statement of a loop, after which they wait for each other
ROWS, ALL, SPLIT, TOGETHER = 0, 1, 2, 3


@dataclass(frozen=True)
class Pass:
    """Stages printed as one kernel, and how threads share it."""

    stages: tuple[Rows, ...]
    mode: int
    chunks: Chunks | None = None  # the kernel goes through their chunks by itself


@dataclass(frozen=True)
class Loop:
    """Passes that are run for one chunk of steps after the other."""

    chunks: Chunks
    passes: tuple[Pass, ...]


Step = Pass | Loop


def steps(program: Program, by_units: bool = False) -> tuple[Step, ...]:
    """The stages of a program whose sums stand apart (see ``apart``) as passes."""
    return tuple(_step(stage, program, by_units) for stage in program.stages)


def repeated(program: Program, by_units: bool = False) -> list[Chunks]:
    """The chunks that all threads go through together, and whose size is free: no states are kept before them."""
    loops = (step.chunks for step in steps(program, by_units) if isinstance(step, Loop))
    return [chunks for chunks in loops if not (chunks.save or chunks.restore)]


def _step(stage: Stage, program: Program, by_units: bool) -> Step:
    if isinstance(stage, Rows):
        return Pass((stage,), mode(stage, program, by_units))
    modes = [mode(rows, program, by_units) for rows in stage.stages]
    if len(set(modes)) == 1 and modes[0] in (ROWS, ALL):
        return Pass(stage.stages, modes[0], stage)
    return Loop(stage, tuple(Pass((rows,), m) for rows, m in zip(stage.stages, modes, strict=True)))


def mode(rows: Rows, program: Program, by_units: bool = False) -> int:
    """How threads share a stage."""
    if is_of_products(rows, program):
        return SPLIT
    if not rows.batch or couples_rows(rows, program):
        return ALL
    if rows.sums and all(sums_batch(s) for s in rows.sums):
        return SPLIT
    return TOGETHER if by_units and rows.axis is not None and rows.order != "free" else ROWS


def sums_batch(item: Sum) -> bool:
    """Whether a sum is over the sequences."""
    return "b" in item.over


def couples_rows(rows: Rows, program: Program) -> bool:
    """Whether the body of a stage lets one row know of another, or writes what rows share."""
    for item in walk(rows.body):
        if isinstance(item, Sum) and sums_batch(item):
            return True
        shared = (program.values[n] for n in stores(item) if n in program.values)
        if any(v.role in ("static", "signal") and "b" not in v.axes for v in shared):
            return True
    return False


# ---- sums over the batch, apart ------------------------------------------------------------------
def apart(program: Program) -> Program:
    """Stages that sum over the batch in two: what each row computes, and after it the sums; likewise products of
    matrices, and what is left of their stage.
    """
    values = dict(program.values)
    stages: list[Stage] = []
    for stage in program.stages:
        if isinstance(stage, Chunks):
            inner = [part for rows in stage.stages for part in _parts(rows, program, values, stage)]
            stages.append(replace(stage, stages=tuple(inner)))
        else:
            stages += _parts(stage, program, values, None)
    return replace(program, values=values, stages=tuple(stages))


def _parts(rows: Rows, program: Program, values: dict[str, Value], chunks: Chunks | None) -> list[Rows]:
    products = independent_products(rows, program)
    if products and len(products) < len(rows.body):
        rest = tuple(s for s in rows.body if s not in products)
        return [replace(rows, body=tuple(products), sums=()), replace(rows, body=rest)]
    shared = tuple(s for s in rows.sums if sums_batch(s))
    own = tuple(s for s in rows.sums if not sums_batch(s))
    if not rows.batch or not shared or couples_rows(rows, program):
        return [rows]
    if rows.axis is not None:
        _store(rows, shared, values, chunks)
    first = [replace(rows, sums=own)] if rows.body or own else []
    return [*first, replace(rows, body=(), sums=shared)]


def _store(rows: Rows, sums: Sequence[Sum], values: dict[str, Value], chunks: Chunks | None) -> None:
    """What the body writes and the sums read is kept for all steps that the body goes through before them."""
    written = {name for item in rows.body if not isinstance(item, Over) for name in stores(item)}
    for v in {load.value: values[load.value] for item in sums for load in loads(item)}.values():
        if v.name not in written:
            continue
        keep = keep_of(v, chunks.size) if chunks else KEEP_ALL
        if v.role == "block":
            values[v.name] = replace(v, role="signal", axes=sort_axes({rows.axis or "t", "b"}), keep=keep)
        elif v.role == "signal" and v.keep.kind == "ring" and (not chunks or v.keep.n < keep.n):
            values[v.name] = replace(v, keep=keep)

"""Checkpointing: of the states only every k-th step is kept, and the steps between are computed again.

    chunks up [a, loop, b]; …; chunks down [loop, gradients]
        →  chunks up [a, loop, b], states before each chunk saved; …;
           chunks down [states restored; a, loop up again; loop down, gradients]

Memory for states then falls with 1/k. Everything else that the backward pass reads is computed again from the
states whatever the loops' directions are (``place`` is asked to); where loops run both ways, states are kept
for all steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .chunks import keep_of, writes
from .loop import (
    Apply,
    Chunks,
    Expr,
    Keep,
    Let,
    Load,
    Map,
    Over,
    Product,
    Program,
    Row,
    RowOp,
    Rows,
    Stage,
    Statement,
    Sum,
    Value,
    loads,
    stores,
    walk,
)


def checkpointed(program: Program, k: int) -> Program:
    """The program with the states of its loops kept every ``k`` steps, where that is possible."""
    given = program
    program = replace(program, stages=tuple(_as_chunks(stage) for stage in program.stages))
    forward = _chunks_of(program, "up")
    backward = _chunks_of(program, "down")
    if len(forward) != 1 or len(backward) != 1 or forward[0].axis != backward[0].axis:
        return given
    first, last = forward[0], backward[0]
    states, chunked = _kept(program, first, last)
    if not states:
        return given
    again = _needed(first.stages, [*states, *chunked])
    values, renamed = _renamed_blocks(program, again, {*states, *chunked})
    saved = []
    for name in states:
        v = values[name]
        store = f"{name} every {k}"
        values[store] = replace(v, name=store, trail=0, keep=Keep("every", k), note="")
        values[name] = replace(v, keep=Keep("ring", k + v.lead))
        saved.append((name, store))
    for name in chunked:
        values[name] = replace(values[name], keep=Keep("chunk", k))
    pairs = tuple(saved)
    stages: list[Stage] = []
    for stage in program.stages:
        if stage is first:
            stages.append(replace(first, size=k, stages=_resized(first.stages, k), save=pairs))
        elif stage is last:
            inner = (*_resized(renamed, k), *_resized(last.stages, k))
            why = f"{', '.join(states)} computed again from every {k}-th step"
            stages.append(replace(last, size=k, stages=inner, restore=pairs, why=why))
        else:
            stages.append(stage)
    return _with_storage(replace(program, values=values, stages=tuple(stages)), k)


def _as_chunks(stage: Stage) -> Stage:
    """A loop by itself as Chunks of one stage."""
    if isinstance(stage, Chunks) or stage.axis is None or stage.order == "free":
        return stage
    return Chunks(stage.axis, stage.order, 1, (stage,), stage.why)


def _chunks_of(program: Program, order: str) -> list[Chunks]:
    return [s for s in program.stages if isinstance(s, Chunks) and s.order == order]


def _kept(program: Program, first: Chunks, last: Chunks) -> tuple[list[str], list[str]]:
    """What the backward chunks need of the forward ones: states, and values at their own step.

    What somebody else reads as well stays stored for all steps. States that only the second run reads are among
    them: it starts from them.
    """
    written = set().union(*(writes(r) for r in first.stages))
    outside = set(program.results.values())
    inside: set[str] = set()
    for stage in program.stages:
        names = {ld.value for r in (stage.stages if isinstance(stage, Chunks) else (stage,))
                 for item in walk(r.body, r.sums) for ld in loads(item)}  # fmt: skip
        if stage is last:
            inside = names
        elif stage is not first:
            outside |= names
    signals = [n for n, v in program.values.items() if n in written - outside and v.role == "signal" and not v.trail]
    states = [n for n in signals if n in inside and program.values[n].lead]
    chunked = [n for n in signals if n in inside and not program.values[n].lead]
    reads = {ld.value for r in _needed(first.stages, [*states, *chunked]) for s in walk(r.body) for ld in loads(s)}
    states += [n for n in signals if n not in inside and n in reads and program.values[n].lead]
    return states, chunked


def _needed(stages: Sequence[Rows], states: Iterable[str]) -> list[Rows]:
    """The passes without what only their sums and other results need."""
    needed = set(states)
    result: list[Rows] = []
    for rows in reversed(stages):
        body: list[Statement] = []
        for statement in reversed(rows.body):
            kept = _without_unused(statement, needed)
            if kept is not None:
                body.append(kept)
                needed |= {load.value for load in loads(kept)} | _lets(kept)
        if body:
            result.append(replace(rows, body=tuple(reversed(body)), sums=()))
    return result[::-1]


def _without_unused(statement: Statement, needed: set[str]) -> Statement | None:
    if not isinstance(statement, Map):
        return statement if set(stores(statement)) & needed else None
    lets, wanted = [], set(needed)
    for name, e in reversed(statement.lets):
        if name in wanted:
            lets.append((name, e))
            wanted |= {let.name for let in _let_reads(e)}
    return Map(statement.shape, tuple(reversed(lets))) if lets else None


def _lets(statement: Statement) -> set[str]:
    return {let.name for _, e in statement.lets for let in _let_reads(e)} if isinstance(statement, Map) else set()


def _let_reads(e: Expr) -> list[Let]:
    if isinstance(e, Let):
        return [e]
    return [let for a in e.args for let in _let_reads(a)] if isinstance(e, Apply) else []


# ---- the second run has blocks of its own --------------------------------------------------------
def _renamed_blocks(
    program: Program, stages: Sequence[Rows], same: set[str]
) -> tuple[dict[str, Value], list[Rows]]:
    values = dict(program.values)
    names: dict[str, str] = {}
    for rows in stages:
        for item in walk(rows.body):
            for name in stores(item):
                v = program.values.get(name)
                if name not in same and (v is None or v.role == "block" or not v.lead):
                    names[name] = f"{name} again"
                    if v is not None:
                        values[names[name]] = replace(v, name=names[name])
    return values, [replace(r, body=tuple(_statement(s, names) for s in r.body)) for r in stages]


def _load(load: Load, names: dict[str, str]) -> Load:
    return replace(load, value=names.get(load.value, load.value))


def _expr(e: Expr, names: dict[str, str]) -> Expr:
    if isinstance(e, Load):
        return _load(e, names)
    if isinstance(e, Row):
        return replace(e, symbols=tuple(_load(x, names) for x in e.symbols))
    if isinstance(e, Let):
        return Let(names.get(e.name, e.name))
    return replace(e, args=tuple(_expr(a, names) for a in e.args)) if isinstance(e, Apply) else e


def _statement(s: Statement, names: dict[str, str]) -> Statement:
    if isinstance(s, Map):
        return Map(s.shape, tuple((names.get(n, n), _expr(e, names)) for n, e in s.lets))
    if isinstance(s, Product):
        parts = tuple(replace(p, operand=_load(p.operand, names)) for p in s.parts)
        return Product(tuple(names.get(d, d) for d in s.dsts), parts)
    if isinstance(s, RowOp):
        return RowOp(names.get(s.dst, s.dst), s.op, s.attr, tuple(_load(a, names) for a in s.args))
    if isinstance(s, Sum):
        return _renamed(s, names)
    if isinstance(s, Over):
        sums = tuple(_renamed(x, names) for x in s.sums)
        return replace(s, body=tuple(_statement(x, names) for x in s.body), sums=sums)
    return s


def _renamed(s: Sum, names: dict[str, str]) -> Sum:
    return replace(s, dst=names.get(s.dst, s.dst), args=tuple(_load(a, names) for a in s.args))


def _resized(stages: Sequence[Rows], k: int) -> tuple[Rows, ...]:
    return tuple(replace(r, chunk=k) if r.order == "free" else r for r in stages)


def _with_storage(program: Program, k: int) -> Program:
    """What one stage passes to another within these chunks is stored for one chunk of the new size."""
    values = dict(program.values)
    for stage in program.stages:
        if not isinstance(stage, Chunks) or not (stage.save or stage.restore):
            continue
        for rows in stage.stages:
            others = [ld.value for r in stage.stages if r is not rows for s in walk(r.body, r.sums) for ld in loads(s)]
            for name in writes(rows) & set(others):
                v = values.get(name)
                if v is not None and v.keep.kind in ("chunk", "ring"):
                    values[name] = replace(v, keep=keep_of(v, k))
    return replace(program, values=values)

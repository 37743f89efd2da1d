"""Free stages and loops that feed each other step by step run chunk by chunk, while the data is in cache.

    free a; loop up b; free c     →  Chunks(up, [a, b, c])     where b, c read the others' values at their own step
    loop down d; free gradients   →  Chunks(down, [d, gradients])

A value that only the stages of one Chunks read is stored for one chunk (and as many steps as it is looked back).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..graph.expr import sort_axes
from .loop import Chunks, Fill, Keep, Over, Program, Rows, Stage, Statement, Sum, Value, loads, stores, walk
from .plan import Plan


def writes(rows: Rows) -> set[str]:
    """What a stage computes, boundary values apart."""
    return {name for item in walk(rows.body, rows.sums) if not isinstance(item, Fill) for name in stores(item)}


def _follows(rows: Rows, group: Sequence[Rows], values: dict[str, Value]) -> bool:
    """Whether a stage can run on a chunk as soon as the group has run on it."""
    orders = {g.order for g in (*group, rows)} - {"free"}
    if rows.axis is None or rows.axis != group[0].axis or len(orders) > 1 or rows.batch != group[0].batch:
        return False
    written = set().union(*(writes(g) for g in group))
    for item in walk(rows.body, rows.sums):
        for load in loads(item):
            if load.value in written:
                value = values.get(load.value)
                if value is None or value.time != rows.axis:
                    return False
                # what earlier chunks have computed may be read at another step
                if any(axis != rows.axis or ("up" if k > 0 else "down") not in orders for axis, k in load.lags):
                    return False
    return True


def _reads_from(rows: Rows, group: Iterable[Rows]) -> bool:
    written = set().union(*(writes(g) for g in group))
    return any(load.value in written for item in walk(rows.body, rows.sums) for load in loads(item))


def fuse(program: Program, plan: Plan) -> Program:
    """Neighbouring stages gathered into Chunks wherever their reads allow it."""
    if not plan.fuse:
        return program
    result: list[Stage] = []
    group: list[Rows] = []
    for rows in _parted(list(program.rows()), program.values):
        if group and rows.axis is None and not _reads_from(rows, group):
            result.append(rows)  # what has no time and does not wait for the group goes before it
            continue
        if group and _follows(rows, group, program.values) and _reads_from(rows, group):
            group.append(rows)
            continue
        result += _closed(group, plan)
        group = [rows] if rows.axis is not None else []
        if rows.axis is None:
            result.append(rows)
    result += _closed(group, plan)
    return _chunked_storage(replace(program, stages=tuple(result)))


def _parted(stages: Sequence[Rows], values: dict[str, Value]) -> list[Rows]:
    """Free stages in two where only a part of them feeds the next loop at its own step: the rest goes before.

    A sum that is needed before the loop, such as the number of targets, would keep its projections out of reach.
    """
    result: list[Rows] = []
    for i, rows in enumerate(stages):
        loop = next((r for r in stages[i + 1 :] if r.order in ("up", "down")), None)
        pieces = _pieces(rows) if rows.order == "free" and loop is not None and loop.axis == rows.axis else []
        feeding = [k for k, piece in enumerate(pieces) if loop is not None and _reads_from(loop, [piece])]
        if 0 < len(feeding) < len(pieces):
            result.append(_joined(rows, [p for k, p in enumerate(pieces) if k not in feeding]))
            result.append(_joined(rows, [pieces[k] for k in feeding]))
        else:
            result.append(rows)
    return result


def _pieces(rows: Rows) -> list[Rows]:
    """The parts of a stage that read nothing of each other, in order."""
    home: dict[str, int] = {}
    pieces: list[tuple[list[Statement], list[Sum]]] = []
    for item in (*rows.body, *rows.sums):
        reads = {home[load.value] for load in loads(item) if load.value in home}
        into = min(reads, default=len(pieces))
        if into == len(pieces):
            pieces.append(([], []))
        for other in sorted(reads - {into}, reverse=True):
            pieces[into][0].extend(pieces[other][0])
            pieces[into][1].extend(pieces[other][1])
            pieces[other] = ([], [])
            home.update((name, into) for name, k in home.items() if k == other)
        home.update((name, into) for name in stores(item))
        (pieces[into][1] if item in rows.sums else pieces[into][0]).append(item)  # type: ignore[arg-type]
    order = {id(item): k for k, item in enumerate((*rows.body, *rows.sums))}
    return [
        replace(rows, body=tuple(sorted(b, key=lambda x: order[id(x)])), sums=tuple(s)) for b, s in pieces if b or s
    ]


def _joined(rows: Rows, pieces: Sequence[Rows]) -> Rows:
    body = {id(item) for p in pieces for item in p.body}
    sums = {id(item) for p in pieces for item in p.sums}
    return replace(
        rows, body=tuple(x for x in rows.body if id(x) in body), sums=tuple(x for x in rows.sums if id(x) in sums)
    )


def _closed(group: Sequence[Rows], plan: Plan) -> list[Stage]:
    """A group as Chunks where it has a loop and something beside it."""
    orders = {g.order for g in group} - {"free"}
    if len(group) < 2 or not orders:
        return list(group)
    axis = group[0].axis
    (order,) = orders
    why = "what one stage passes to the next stays in cache"
    return [Chunks(axis or "t", order, plan.chunk, tuple(replace(g, chunk=plan.chunk) if g.order == "free" else g
                                                         for g in group), why)]  # fmt: skip


def _chunked_storage(program: Program) -> Program:
    """Signals that live within one Chunks are stored for one chunk."""
    values = dict(program.values)
    for stage in program.stages:
        if not isinstance(stage, Chunks):
            continue
        inside = set().union(*(writes(r) for r in stage.stages))
        outside: set[str] = set(program.results.values())
        for other in program.stages:
            if other is not stage:
                for rows in other.stages if isinstance(other, Chunks) else (other,):
                    outside |= {load.value for i in walk(rows.body, rows.sums) for load in loads(i)}
        for name in inside - outside:
            v = values.get(name)
            if v is not None and v.role == "signal" and v.time == stage.axis:
                values[name] = replace(v, keep=keep_of(v, stage.size))
    return replace(program, values=values)


def keep_of(v: Value, size: int) -> Keep:
    """What is stored of a signal for a chunk of so many steps: more where it is read at other steps."""
    look = max(v.lead, v.trail)
    return Keep("ring", size + look) if look else Keep("chunk", size)


def spill(program: Program) -> Program:
    """Blocks that one pass over the second axis leaves to a later one are stored for one step."""
    values, stages = dict(program.values), []
    for rows in program.rows():
        defined: dict[str, int] = {}
        spilled: set[str] = set()
        for i, statement in enumerate(rows.body):
            spilled |= {load.value for load in loads(statement) if defined.get(load.value, i) != i}
            if isinstance(statement, Over):
                defined.update((name, i) for name in stores(statement))
        crossing = [n for n in spilled if n in values and values[n].role == "block" and "s" in values[n].axes]
        for name in crossing:
            # along the stage's axis too, of which one step is stored: what varies over s alone is worked out anew
            axes = sort_axes({*values[name].axes, rows.axis or "t", *("b" if rows.batch else "")})
            values[name] = replace(values[name], role="signal", axes=axes, keep=Keep("ring", 1))
        stages.append(replace(rows, chunk=1) if crossing else rows)
    return replace(program, values=values, stages=tuple(stages))


def ring(program: Program) -> Program:
    """Signals that only their own loop reads keep as many steps as it looks back."""
    readers: dict[str, set[int]] = {}
    writers: dict[str, int] = {}
    stages = list(program.rows())
    for i, rows in enumerate(stages):
        for item in walk(rows.body, rows.sums):
            for load in loads(item):
                readers.setdefault(load.value, set()).add(i)
        writers.update((name, i) for name in writes(rows))
    values = dict(program.values)
    for name, v in values.items():
        if v.role != "signal" or name in program.results.values() or name not in writers:
            continue
        home = stages[writers[name]]
        if readers.get(name, set()) <= {writers[name]} and home.axis == v.time and home.order != "free":
            values[name] = replace(v, keep=Keep("ring", max(v.lead, v.trail) + 1))
    return replace(program, values=values)

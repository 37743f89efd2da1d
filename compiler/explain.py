"""What the compiler made of a network, in words: stage by stage, each equation once."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from .flops import of_stage
from .loop import Chunks, Fill, Map, Product, Program, Rows, loads, stores, walk
from .plan import Plan


def _computed(rows: Rows) -> list[str]:
    return [name for item in walk(rows.body, rows.sums) if not isinstance(item, Fill) for name in stores(item)]


def equations_by_stage(program: Program, equations: Mapping[str, str]) -> tuple[list[list[str]], list[str]]:
    """For each pass the equations that it computes first, and those that are computed nowhere.

    An equation may be computed again in later passes; the latter are names for a given value or for the value of
    another equation.
    """
    seen: set[str] = set()
    passes = []
    for rows in program.rows():
        computed = (program.again.get(n, n) for n in _computed(rows))
        names = [n for n in dict.fromkeys(computed) if n in equations and n not in seen]
        seen.update(names)
        passes.append(names)
    return passes, [n for n in equations if n not in seen]


def traffic(program: Program, rows: Rows) -> int:
    """Bytes of stored values that one row reads and writes."""
    item = 4 if program.dtype == "float32" else 8
    touched = {load.value for s in walk(rows.body, rows.sums) for load in loads(s)} | set(_computed(rows))
    kept = [program.values[n] for n in touched if n in program.values]
    return sum(item * prod(v.shape) for v in kept if v.role in ("signal", "input"))


def title(rows: Rows) -> str:
    """How a stage goes through its rows."""
    if rows.axis is None:
        return "once, for every sequence" if rows.batch else "once"
    if rows.order == "free":
        return f"all steps of {rows.axis}, {rows.chunk} at a time"
    return f"loop {rows.order} over {rows.axis}"


def _stage(program: Program, rows: Rows, names: list[str], equations: Mapping[str, str], known: set[str]) -> list[str]:
    lines = [f"{title(rows)}" + (f": {rows.why}" if rows.why else "")]
    lines += [f"    {equations[name]}" for name in names]
    again = [n for n in dict.fromkeys(program.again.get(n, "") for n in _computed(rows)) if n in known]
    if again:
        lines.append(f"    computed again: {', '.join(again)}")
    for s in walk(rows.body):
        if isinstance(s, Product) and (len(s.dsts) > 1 or len(s.parts) > 1):
            blocks = [b.value for part in s.parts for b in program.packs[part.pack].blocks]
            lines.append(f"    one product: {', '.join(dict.fromkeys(blocks))}")
        if isinstance(s, Map) and len(s.lets) > 1:
            lines.append(f"    fused: {', '.join(name for name, _ in s.lets)}")
    kept = [n for n in dict.fromkeys(_computed(rows)) if n in program.values and program.values[n].role == "signal"]
    if kept:
        lines.append("    kept: " + ", ".join(f"{n} ({program.values[n].keep})" for n in kept))
    flops, nested = of_stage(program, rows)
    more = f" + {nested:,} a step of s" if nested else ""
    lines.append(f"    a row: {flops:,}{more} FLOP, {traffic(program, rows):,} bytes of signals")
    return lines


def explain(program: Program, equations: Mapping[str, str], plan: Plan, written: Mapping[str, str]) -> str:
    """The stages with their equations (each exactly once), why they are loops, what was merged, fused and kept.

    equations  name -> its text, of circuit and adjoint as they were scheduled
    written    name -> its text, of the circuit as the user wrote it: what became part of others, or is not asked for,
               is listed at the end
    """
    passes, rest = equations_by_stage(program, equations)
    lines = [f"{program.name} in {program.dtype}", ""]
    known: set[str] = set()
    number = 0
    for stage in program.stages:
        inner = stage.stages if isinstance(stage, Chunks) else (stage,)
        indent = ""
        if isinstance(stage, Chunks):
            lines.append(f"chunks of {stage.size} steps, {stage.order} over {stage.axis}: {stage.why}")
            indent = "  "
        for rows in inner:
            text = _stage(program, rows, passes[number], equations, known)
            lines += [f"{indent}stage {number + 1}  {text[0]}", *(indent + line for line in text[1:])]
            known.update(passes[number])
            number += 1
        lines.append("")
    others = [n for n in written if n not in equations]
    if rest or others:
        lines.append("given, another name for a value above, rewritten into others, or not needed for what is asked:")
        lines += [f"    {equations[n]}" for n in rest] + [f"    {written[n]}" for n in others] + [""]
    lines += ["plan", *(f"    {line}" for line in str(plan).splitlines())]
    return "\n".join(lines)

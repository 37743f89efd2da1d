"""Loop programs as readable text: what ``print(program.loops)`` shows, and what golden tests compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..graph.ops.table import load_entries
from .loop import (
    Apply,
    Block,
    Chunks,
    Count,
    Expr,
    Fill,
    Here,
    Length,
    Let,
    Load,
    Map,
    Number,
    Over,
    Pack,
    Product,
    Program,
    Random,
    Row,
    RowOp,
    Rows,
    Statement,
    Step,
    Sum,
    Value,
)

INFIX = {"add": " + ", "mul": " * ", "div": " / ", "mod": " % "}


def listing(program: Program) -> str:
    """The whole program: values, packs, stages in order, results."""
    lines = [f"program {program.name}: {program.dtype}", ""]
    lines += [_value(v) for v in program.values.values()]
    lines += [f"pack {pack.name} = {_pack(pack)}" for pack in program.packs.values()]
    for stage in program.stages:
        lines.append("")
        if isinstance(stage, Chunks):
            lines.append(f"chunks {stage.axis} {stage.order}, {stage.size} steps at a time{_why(stage.why)}")
            for rows in stage.stages:
                lines += ["    " + line for line in _rows(program, rows)]
        else:
            lines += _rows(program, stage)
    lines.append("")
    lines += [f"result {public} = {name}" for public, name in program.results.items()]
    return "\n".join(lines) + "\n"


def _value(v: Value) -> str:
    index = f"[{', '.join(v.axes)}]" if v.axes else ""
    shape = f" ({', '.join(map(str, v.shape))})" if v.shape else ""
    kind = {"f": "", "i": " symbol", "b": " truth"}.get(v.dtype, f" {v.dtype}")
    slots = ""
    if v.role in ("input", "signal") and (v.lead or v.trail):
        end = (v.time or "").upper() + (f"+{v.trail}" if v.trail else "")
        slots = f", slots {1 - v.lead} … {end}"
    keep = f", keep {v.keep}" if v.keep.kind != "all" else ""
    note = f"    # {v.note}" if v.note else ""
    return f"{v.role:<6} {v.name}{index}{shape}{kind}{slots}{keep}{note}"


def _why(why: str) -> str:
    return f"    # {why}" if why else ""


def _pack(pack: Pack) -> str:
    return "[" + "; ".join(map(_block, pack.blocks)) + "]"


def _block(block: Block) -> str:
    (lo, hi), (left, right) = block.rows, block.columns
    return f"{block.value}[{lo}:{hi}, {left}:{right}]{'.T' if block.transposed else ''}"


def _rows(program: Program, stage: Rows) -> Iterator[str]:
    if stage.axis is None:
        head = "batch" if stage.batch else "once"
    else:
        chunk = f", {stage.chunk} steps at a time" if stage.order == "free" and stage.chunk > 1 else ""
        alone = "" if stage.batch else ", one row a step"
        head = f"rows {stage.axis} {stage.order}{chunk}{alone}"
    yield head + _why(stage.why)
    for statement in stage.body:
        yield from ("    " + line for line in statement_lines(program, statement))
    for item in stage.sums:
        yield "    " + sum_line(item)


def statement_lines(program: Program, statement: Statement) -> Iterator[str]:
    """One statement, over several lines where it has parts."""
    if isinstance(statement, Map):
        yield "map" + (f" ({', '.join(map(str, statement.shape))})" if statement.shape else "")
        for name, e in statement.lets:
            mark = "" if name in program.values else "let "
            yield f"    {mark}{name} = {expression(e)}"
    elif isinstance(statement, Product):
        parts = " + ".join(f"{part.pack} @ {expression(part.operand)}" for part in statement.parts)
        yield f"product [{'; '.join(statement.dsts)}] = {parts}"
    elif isinstance(statement, RowOp):
        args = [expression(a) for a in statement.args]
        yield f"row {statement.dst} = {call(statement.op, statement.attr, args)}"
    elif isinstance(statement, Over):
        yield f"over {statement.axis}"
        for inner in statement.body:
            yield from ("    " + line for line in statement_lines(program, inner))
        for item in statement.sums:
            yield "    " + sum_line(item)
    elif isinstance(statement, Fill):
        yield fill_line(statement)
    elif isinstance(statement, Sum):
        yield sum_line(statement)


def sum_line(item: Sum) -> str:
    """A sum over rows."""
    over = f" over {', '.join(item.over)}" if item.over else ""
    return f"sum {item.dst} += {call(item.op, item.attr, [expression(a) for a in item.args])}{over}"


def fill_line(fill: Fill) -> str:
    """A boundary value."""
    source = "0" if fill.source is None else expression(fill.source)
    return f"fill {fill.dst}[{position(fill.axis, fill.end, fill.position)}] = {source}"


def position(axis: str, end: bool | None, place: int) -> str:
    """A fixed step: ``1`` by its number, ``T-2`` counted from the end, ``start+1`` from the first of the call."""
    if end is False:
        return str(place)
    origin, shift = (axis.upper(), place) if end else ("start", place - 1)
    return origin + (f"{shift:+d}" if shift else "")


def call(op: str, attr: Any, args: list[str]) -> str:
    """An operation that is no pointwise one, with what its attribute says beyond the axes of a sum."""
    if op in ("reduce", "amax"):
        attr = None
    elif op in ("contract", "scatter"):
        attr = attr[0]
    elif op == "at":
        attr = position(*attr)
    shown = "" if attr is None else f"{{{attr}}}"
    return f"{op}{shown}({', '.join(args)})"


def expression(e: Expr) -> str:
    """An expression of a Map, without redundant brackets."""
    text = _expression(e)
    return text[1:-1] if isinstance(e, Apply) and (e.op in INFIX or e.op == "compare") else text


def _expression(e: Expr) -> str:
    if isinstance(e, Load):
        lags = ", ".join(f"{axis}{-k:+d}" if k else axis for axis, k in e.lags)
        return e.value + (f"[{lags}]" if lags else "") + _columns(e.columns)
    if isinstance(e, Row):
        return f"{e.table}[{', '.join(map(_expression, e.symbols))}]{_columns(e.columns)}"
    if isinstance(e, Let):
        return e.name
    if isinstance(e, Number):
        return repr(e.value)
    if isinstance(e, Step):
        return e.axis
    if isinstance(e, Length):
        return e.axis.upper()
    if isinstance(e, Count):
        return f"count({', '.join(e.axes)})"
    if isinstance(e, Here):
        return f"({e.axis} is {position(e.axis, e.end, e.position)})"
    if isinstance(e, Random):
        return f"random({e.key[0]} {e.key[1]}, {e.p!r}, over {' '.join(e.axes) or 'nothing'})"
    return _apply(e)


def _columns(columns: tuple[int, ...]) -> str:
    return f"<{', '.join(map(str, columns))}>" if columns != tuple(range(len(columns))) else ""


def _apply(e: Apply) -> str:
    args = [_expression(a) for a in e.args]
    if e.op in INFIX:
        return "(" + INFIX[e.op].join(args) + ")"
    if e.op == "neg":
        return "-" + args[0]
    if e.op == "compare":
        return f"({args[0]} {e.attr} {args[1]})"
    if e.op == "power":
        return f"{args[0]}**{e.attr!r}"
    if e.op == "where":
        return f"where({', '.join(expression(a) for a in e.args)})"
    if e.op in ("number", "stop_gradient"):
        return args[0]
    label = load_entries(e.op).label
    plain = [expression(a) for a in e.args]
    return label.format(*plain) if label is not None else call(e.op, e.attr, plain)

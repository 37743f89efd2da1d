"""Floating-point operations of a loop program, counted statement by statement.

A multiplication, an addition, a comparison and a function of one number count one each; a fused multiply-add
counts two.
"""

from __future__ import annotations

from math import prod

from ..graph.build import split_spec
from .loop import Apply, Expr, Load, Map, Over, Product, Program, RowOp, Rows, Statement, Sum, walk


def _expression(e: Expr) -> int:
    if not isinstance(e, Apply):
        return 0
    own = len(e.args) - 1 if e.op == "add" else 0 if e.op in ("copy", "number", "stop_gradient", "where") else 1
    return own + sum(_expression(a) for a in e.args)


def _shape(program: Program, load: Load) -> tuple[int, ...]:
    return program.values[load.value].shape


def _contraction(program: Program, attr: tuple[str, tuple[str, ...]], args: tuple[Load, ...]) -> int:
    a, b, _ = split_spec(attr[0])
    sizes = dict(zip(a, _shape(program, args[0]), strict=True)) | dict(zip(b, _shape(program, args[1]), strict=True))
    return 2 * prod(sizes.values())


def of_statement(program: Program, item: Statement | Sum) -> int:
    """Operations of one row; those inside an Over are counted for one step of its axis."""
    if isinstance(item, Map):
        return prod(item.shape) * sum(_expression(e) for _, e in item.lets)
    if isinstance(item, Product):
        rows = sum(prod(program.values[d].shape) for d in item.dsts)
        return sum(2 * rows * prod(_shape(program, part.operand)) for part in item.parts)
    if isinstance(item, RowOp | Sum):
        if item.op == "contract":
            return _contraction(program, item.attr, item.args)
        n = max((prod(_shape(program, a)) for a in item.args), default=1)
        if isinstance(item, Sum):
            return 0 if item.op == "at" else prod(_shape(program, item.args[0]))
        return {"softmax": 4, "logsumexp": 3, "cross_entropy": 4, "sum_feature": 1, "cumsum": 1, "minus_onehot": 1}.get(
            item.op, 0
        ) * n
    return 0


def by_axes(program: Program, rows: Rows) -> dict[tuple[str, ...], int]:
    """Operations of one position of axes, as a batch counts them: of the stage's rows, and of their steps of s."""
    axes = tuple(a for a in (rows.axis, "b" if rows.batch else None) if a is not None)
    plain, nested = of_stage(program, rows)
    return {axes: plain} | ({(*axes, "s"): nested} if nested else {})


def of_stage(program: Program, rows: Rows) -> tuple[int, int]:
    """Operations of one row: (without a second axis, for each step of the second axis)."""
    nested = [x for s in rows.body if isinstance(s, Over) for x in walk(s.body, s.sums)]
    plain = [x for x in (*rows.body, *rows.sums) if not isinstance(x, Over)]
    return sum(of_statement(program, x) for x in plain), sum(of_statement(program, x) for x in nested)

"""Which statements are products of two matrices that are the same for all rows, as the library computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ...graph.build import split_spec
from ..loop import Load, Program, RowOp, Rows, Statement, loads, stores

#: multiply-adds from which a call, and panels that are filled for it, cost less than plain loops
WORTH = 4096


@dataclass(frozen=True)
class MatrixProduct:
    """C[p, q] = Σ_k A · B.

    by_rows     whether A is [p, k], so that each row of it gives one of C; if not, it is [k, p], and B is [k, q]
    transposed  whether B is [k, q]; if not, it is [q, k]
    """

    dst: str
    a: Load
    b: Load
    by_rows: bool
    transposed: bool


def matrix_product(item: Statement, program: Program) -> MatrixProduct | None:
    """The product that a statement of a stage without rows is; None where it is none, or one of small matrices."""
    if not isinstance(item, RowOp) or item.op != "contract":
        return None
    left, right, out = split_spec(item.attr[0])
    values = [program.values[x.value] for x in item.args]
    if any(v.axes or v.dtype != "f" for v in values) or [len(left), len(right), len(out)] != [2, 2, 2]:
        return None
    summed = (set(left) & set(right)) - set(out)
    if len(summed) != 1 or sorted(left + right) != sorted([*out, *summed, *summed]):
        return None
    terms = values[0].shape[left.index(next(iter(summed)))]
    if terms * prod(program.values[item.dst].shape) < WORTH:
        return None
    (a, a_letters), (b, b_letters) = zip(item.args, (left, right), strict=True)
    if out[0] not in a_letters:
        (a, a_letters), (b, b_letters) = (b, b_letters), (a, a_letters)
    by_rows, transposed = a_letters[0] == out[0], b_letters[1] == out[1]
    return MatrixProduct(item.dst, a, b, by_rows, transposed) if by_rows or transposed else None


def independent_products(rows: Rows, program: Program) -> list[Statement]:
    """Those of a stage without rows that read nothing that it computes."""
    if rows.axis is not None or rows.batch:
        return []
    written = {name for item in rows.body for name in stores(item)}
    alone = (item for item in rows.body if not written & {load.value for load in loads(item)})
    return [item for item in alone if matrix_product(item, program) is not None]


def is_of_products(rows: Rows, program: Program) -> bool:
    """Whether a stage has nothing but products that read nothing of each other."""
    found: Sequence[Statement] = independent_products(rows, program)
    return bool(found) and len(found) == len(rows.body) and not rows.sums

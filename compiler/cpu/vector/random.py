"""Random numbers in lanes: Philox 4x32-10, the bits of ``random`` in ``compiler/cpu/functions.py``."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ....graph.random import MULTIPLIERS, ROUNDS, WEYL, WORD
from .emit import Emit, Value
from .numba_api import cgutils, extending, templates, types
from .types import Mask, NumbaType, is_number, of_like, only_compiled, typed

I64 = ir.IntType(64)


def random_lanes(k0: int, k1: int, p: float, t: int, s: int, row: int, unit: int, like: Any) -> Any:
    """The mask of the lanes whose random number in [0, 1) is below p: ``random`` of unit, unit + 1, … in the lanes.

    ``like`` names the vector: a vector or mask, or a class of numbers. Words are below 2**32.
    """
    return only_compiled("random_lanes")


def _type(*args: NumbaType) -> Any:
    *words, like = args
    kind = of_like(like)
    if kind is None or len(args) != 8 or not is_number(words[2]):
        return None
    if not all(isinstance(w, types.Integer) for w in (*words[:2], *words[3:])):
        return None
    i = types.int64
    return templates.signature(Mask(kind.dtype, kind.lanes), i, i, types.float64, i, i, i, i, like)


def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    kind = sig.return_type
    return random_mask(Emit(builder, kind.dtype, kind.lanes), *args[:7])


def random_mask(e: Emit, k0: Value, k1: Value, p: Value, t: Value, s: Value, row: Value, unit: Value) -> Value:
    """The mask, from words as i64 and p as a double."""
    b, words = e.builder, ir.VectorType(I64, e.lanes)

    def all_lanes(n: Value | int) -> Value:
        return e.splat(ir.Constant(I64, n) if isinstance(n, int) else n, words)

    word, half = all_lanes(WORD), all_lanes(32)
    c0, c1, c2 = all_lanes(t), all_lanes(s), all_lanes(row)
    c3 = b.add(all_lanes(unit), e.numbering(words))
    for _ in range(ROUNDS):
        # products of words of 32 bits, which LLVM sees by what they are masked with
        p0, p1 = (b.mul(b.and_(c, word), all_lanes(m)) for c, m in ((c0, MULTIPLIERS[0]), (c2, MULTIPLIERS[1])))
        c0, c1 = b.xor(b.xor(b.lshr(p1, half), c1), all_lanes(k0)), b.and_(p1, word)
        c2, c3 = b.xor(b.xor(b.lshr(p0, half), c3), all_lanes(k1)), b.and_(p0, word)
        k0, k1 = (
            b.and_(b.add(k, ir.Constant(I64, w)), ir.Constant(I64, WORD)) for k, w in ((k0, WEYL[0]), (k1, WEYL[1]))
        )
    return b.icmp_signed("<", c0, all_lanes(_threshold(b, p)))


def _threshold(b: Any, p: Value) -> Value:
    """The least whole number that is not below p * 2**32, which is exact; 0 for NaN."""
    number = ir.DoubleType()
    scaled = b.fmul(p, ir.Constant(number, 2.0**32))
    ceil = cgutils.get_or_insert_function(b.module, ir.FunctionType(number, [number]), "llvm.ceil.f64")
    whole = cgutils.get_or_insert_function(b.module, ir.FunctionType(I64, [number]), "llvm.fptosi.sat.i64.f64")
    return b.call(whole, [b.call(ceil, [scaled])])


typed(random_lanes, _type)
extending.lower_builtin(random_lanes, *[types.Any] * 8)(_lower)

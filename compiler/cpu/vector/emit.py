"""Expressions on vectors as LLVM instructions, one method an operation; no flag lets LLVM change a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from .host import AVX512, HOST
from .numba_api import cgutils, types

Value = Any  # llvmlite's values are not typed


class Emit:
    """Builds instructions on vectors of ``lanes`` numbers of one type, in the current block of ``builder``."""

    def __init__(self, builder: Any, dtype: Any, lanes: int) -> None:
        self.builder, self.dtype, self.lanes = builder, dtype, lanes
        self.single = dtype == types.float32
        self.bits = 32 if self.single else 64
        #: the bits of a number that are its fraction
        self.fraction = 23 if self.single else 52
        self.number = ir.FloatType() if self.single else ir.DoubleType()
        self.word = ir.IntType(self.bits)
        self.vector = ir.VectorType(self.number, lanes)
        self.words = ir.VectorType(self.word, lanes)
        self.mask = ir.VectorType(ir.IntType(1), lanes)

    # ---- constants ---------------------------------------------------------------------------------
    def number_of(self, x: float) -> Value:
        """A constant in every lane, rounded to the type."""
        if self.single:
            x = float(np.float32(x))
        return self._everywhere(self.vector, ir.Constant(self.number, x))

    def word_of(self, n: int) -> Value:
        """A whole number in every lane."""
        return self._everywhere(self.words, ir.Constant(self.word, n))

    @staticmethod
    def _everywhere(vector: Any, x: Value) -> Value:
        constant = ir.FormattedConstant(x.type, f"splat ({x.type} {x.get_reference()})")
        constant.type = vector  # a class of its own would be asked for a value a lane, and read them all
        return constant

    def either(self, x: Value) -> Value:
        return self.number_of(x) if isinstance(x, float | int) else x

    def splat(self, x: Value, vector: Any = None) -> Value:
        """One number, or word, or truth in every lane."""
        vector = vector or self.vector
        undefined, zero = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(undefined, x, zero)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        return self.builder.shuffle_vector(one, undefined, zeros)

    # ---- numbers -----------------------------------------------------------------------------------
    def call(self, name: str, *args: Value) -> Value:
        """LLVM's intrinsic on vectors, such as sqrt."""
        kind = ir.FunctionType(self.vector, [self.vector] * len(args))
        name = f"llvm.{name}.v{self.lanes}f{self.bits}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), args)

    def add(self, x: Value, y: Value) -> Value:
        return self.builder.fadd(self.either(x), self.either(y))

    def sub(self, x: Value, y: Value) -> Value:
        return self.builder.fsub(self.either(x), self.either(y))

    def mul(self, x: Value, y: Value) -> Value:
        return self.builder.fmul(self.either(x), self.either(y))

    def div(self, x: Value, y: Value) -> Value:
        return self.builder.fdiv(self.either(x), self.either(y))

    def neg(self, x: Value) -> Value:
        return self.builder.fneg(x)

    def abs(self, x: Value) -> Value:
        return self.call("fabs", x)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once where the machine can, else twice: never a call of a library."""
        x, y, z = (self.either(v) for v in (x, y, z))
        return self.call("fma", x, y, z) if HOST.fused else self.add(self.mul(x, y), z)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Horner's scheme, the coefficient of the highest power first."""
        total = self.number_of(coefficients[0])
        for c in coefficients[1:]:
            total = self.fma(total, x, c)
        return total

    # ---- choices -----------------------------------------------------------------------------------
    def compare(self, relation: str, x: Value, y: Value) -> Value:
        """A mask; as in NumPy, NaN differs from everything, and nothing else holds of it."""
        compare = self.builder.fcmp_unordered if relation == "!=" else self.builder.fcmp_ordered
        return compare(relation, self.either(x), self.either(y))

    def where(self, mask: Value, x: Value, y: Value) -> Value:
        return self.builder.select(mask, self.either(x), self.either(y))

    def at_least(self, x: Value, bound: float) -> Value:
        """What is below the bound becomes the bound; NaN stays."""
        return self.where(self.compare(">", bound, x), bound, x)

    def at_most(self, x: Value, bound: float) -> Value:
        """What is above the bound becomes the bound; NaN stays."""
        return self.where(self.compare("<", bound, x), bound, x)

    def maximum(self, x: Value, y: Value) -> Value:
        """The first of equals; NaN from either side."""
        first = self.builder.or_(self.compare(">=", x, y), self.compare("!=", x, x))
        return self.where(first, x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        """The first of equals; NaN from either side."""
        first = self.builder.or_(self.compare("<=", x, y), self.compare("!=", x, x))
        return self.where(first, x, y)

    # ---- bits --------------------------------------------------------------------------------------
    def as_words(self, x: Value) -> Value:
        return self.builder.bitcast(x, self.words)

    def as_numbers(self, n: Value) -> Value:
        return self.builder.bitcast(n, self.vector)

    def power_of_two(self, n: Value) -> Value:
        """2**n for words n within the exponents of normal numbers."""
        bias = (1 << (self.bits - self.fraction - 2)) - 1
        n = self.builder.add(n, self.word_of(bias))
        return self.as_numbers(self.builder.shl(n, self.word_of(self.fraction)))

    def nearest(self, x: Value, factor: float) -> tuple[Value, Value]:
        """The whole number nearest to x * factor, of a size below 2**21, as a number and as words."""
        moved = self.fma(x, factor, self.magic)
        words = self.builder.sub(self.as_words(moved), self.as_words(self.number_of(self.magic)))
        return self.sub(moved, self.magic), words

    def scale(self, x: Value, n: Value, whole: Value) -> Value:
        """x * 2**n for a whole number n, also as words, rounded once, subnormal results too."""
        if HOST == AVX512 and self.lanes * self.bits == 512:
            return self._scalef(x, n)
        half = self.builder.ashr(whole, self.word_of(1))
        rest = self.builder.sub(whole, half)
        return self.mul(self.mul(x, self.power_of_two(half)), self.power_of_two(rest))

    def _scalef(self, x: Value, n: Value) -> Value:
        """The instruction of AVX-512 for it."""
        short, i32 = ir.IntType(self.lanes), ir.IntType(32)
        kind = ir.FunctionType(self.vector, [self.vector, self.vector, self.vector, short, i32])
        name = f"llvm.x86.avx512.mask.scalef.p{'s' if self.single else 'd'}.512"
        f = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(f, [x, n, x, ir.Constant(short, -1), ir.Constant(i32, 4)])

    def ratio(self, x: Value, y: Value, rest: Value) -> Value:
        """x / (y + rest), all but rounded correctly, for y from 1 to 2**100 and a rest that rounding y left.

        The rest counts only where multiplication and addition are one instruction.
        """
        if not HOST.fused:
            return self.div(x, y)
        inverse = self.div(1.0, y)
        found = self.mul(x, inverse)
        left = self.fma(self.neg(found), rest, self.fma(self.neg(found), y, x))
        return self.fma(left, inverse, found)

    @property
    def magic(self) -> float:
        """Added to a small number, it leaves the nearest whole one in the lowest bits of the fraction."""
        return 1.5 * 2.0**self.fraction

    # ---- lanes -------------------------------------------------------------------------------------
    def numbering(self, vector: Any) -> Value:
        """0, 1, 2, … in the lanes, as whole numbers."""
        return ir.Constant(vector, list(range(self.lanes)))

    def first(self, n: Value) -> Value:
        """The mask of the first n (i64) lanes."""
        i32 = ir.IntType(32)
        numbers = ir.VectorType(i32, self.lanes)
        for relation, bound in (("<", self.lanes), (">", 0)):
            limit = ir.Constant(n.type, bound)
            n = self.builder.select(self.builder.icmp_signed(relation, n, limit), n, limit)
        count = self.splat(self.builder.trunc(n, i32), numbers)
        return self.builder.icmp_signed("<", self.numbering(numbers), count)

    def halves(self, x: Value) -> tuple[Value, Value]:
        """The lower and the upper half of the lanes of a vector, of which there are an even number."""
        n, i32 = x.type.count // 2, ir.IntType(32)
        undefined = ir.Constant(x.type, ir.Undefined)
        lower, upper = (ir.Constant(ir.VectorType(i32, n), [lo + i for i in range(n)]) for lo in (0, n))
        return self.builder.shuffle_vector(x, undefined, lower), self.builder.shuffle_vector(x, undefined, upper)

    def element(self, x: Value, lane: int) -> Value:
        return self.builder.extract_element(x, ir.Constant(ir.IntType(32), lane))

    # ---- memory ------------------------------------------------------------------------------------
    def masked_load(self, pointer: Value, mask: Value) -> Value:
        """The lanes of the mask from memory, the others 0."""
        i32 = ir.IntType(32)
        kind = ir.FunctionType(self.vector, [self.vector.as_pointer(), i32, self.mask, self.vector])
        f = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.masked.load.v{self.lanes}f{self.bits}.p0")
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        return self.builder.call(f, [pointer, ir.Constant(i32, self.bits // 8), mask, ir.Constant(self.vector, None)])

    def masked_store(self, x: Value, pointer: Value, mask: Value) -> None:
        """The lanes of the mask to memory."""
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [self.vector, self.vector.as_pointer(), i32, self.mask])
        f = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.masked.store.v{self.lanes}f{self.bits}.p0")
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        self.builder.call(f, [x, pointer, ir.Constant(i32, self.bits // 8), mask])

"""Vector instructions of one type and width, and functions of whole numbers and addresses made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..vector.host import Host

#: a module, builder, instruction or type of LLVM; llvmlite has no types
Llvm = Any

WORD = ir.IntType(64)
INDEX = ir.IntType(32)
POINTER = ir.PointerType()
SCALARS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
SIZES = {"float32": 4, "float64": 8}


def word(n: int) -> Llvm:
    """A whole number of 64 bits."""
    return ir.Constant(WORD, n)


class Emitter:
    """Instructions on vectors of a host, at the place where a builder stands."""

    def __init__(self, builder: Llvm, host: Host, dtype: str) -> None:
        self.builder = builder
        self.host = host
        self.lanes = host.lanes(dtype)
        self.size = SIZES[dtype]
        self.scalar = SCALARS[dtype]
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.name = f"v{self.lanes}f{8 * self.size}"

    @property
    def zero(self) -> Llvm:
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def pointer(self, address: Llvm) -> Llvm:
        """An address, a whole number, as a pointer."""
        return self.builder.inttoptr(address, POINTER)

    def at(self, pointer: Llvm, elements: Llvm) -> Llvm:
        """The place so many numbers after a pointer."""
        elements = word(elements) if isinstance(elements, int) else elements
        return self.builder.gep(pointer, [elements], source_etype=self.scalar)

    def number(self, pointer: Llvm, index: Llvm) -> Llvm:
        """The entry of a list of whole numbers."""
        index = word(index) if isinstance(index, int) else index
        place = self.builder.gep(pointer, [index], source_etype=WORD)
        return self.builder.load(place, typ=WORD, align=8)

    def load(self, pointer: Llvm) -> Llvm:
        return self.builder.load(pointer, typ=self.vector, align=self.size)

    def store(self, value: Llvm, pointer: Llvm) -> None:
        self.builder.store(value, pointer, align=self.size)

    def prefetch(self, pointer: Llvm, write: bool = False) -> None:
        """Have the line of a place brought to the first cache."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER, INDEX, INDEX, INDEX])
        called = function(self.builder.module, "llvm.prefetch.p0", kind)
        self.builder.call(called, [pointer, *(ir.Constant(INDEX, n) for n in (int(write), 3, 1))])

    def broadcast(self, pointer: Llvm) -> Llvm:
        """One number of memory in every lane."""
        one = self.builder.load(pointer, typ=self.scalar, align=self.size)
        return self.splat(one, self.vector)

    def splat(self, one: Llvm, vector: Llvm) -> Llvm:
        undefined = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(undefined, one, ir.Constant(INDEX, 0))
        zeros = ir.Constant(ir.VectorType(INDEX, vector.count), [0] * vector.count)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def first(self, count: Llvm) -> Llvm:
        """The mask of the lanes before a count."""
        vector = ir.VectorType(WORD, self.lanes)
        return self.builder.icmp_signed("<", ir.Constant(vector, list(range(self.lanes))), self.splat(count, vector))

    def load_first(self, pointer: Llvm, mask: Llvm) -> Llvm:
        """The lanes of a mask from memory, 0 in the others, whose memory is not read."""
        masks = ir.VectorType(ir.IntType(1), self.lanes)
        kind = ir.FunctionType(self.vector, [POINTER, INDEX, masks, self.vector])
        load = function(self.builder.module, f"llvm.masked.load.{self.name}.p0", kind)
        return self.builder.call(load, [pointer, ir.Constant(INDEX, self.size), mask, self.zero])

    def multiply_add(self, a: Llvm, b: Llvm, c: Llvm) -> Llvm:
        """a · b + c, rounded once where the host can, else twice."""
        if not self.host.fused:
            return self.builder.fadd(self.builder.fmul(a, b), c)
        fma = function(self.builder.module, f"llvm.fma.{self.name}", ir.FunctionType(self.vector, [self.vector] * 3))
        return self.builder.call(fma, [a, b, c])

    def loop(self, begin: Llvm, end: Llvm, step: int, carried: Sequence[Llvm], body: Body) -> list[Llvm]:
        """for i = begin, begin + step, … < end: the carried values after ``body(i, values) -> values``."""
        b = self.builder
        before = b.block
        inside, after = b.append_basic_block("inside"), b.append_basic_block("after")
        b.cbranch(b.icmp_signed("<", begin, end), inside, after)
        b.position_at_end(inside)
        i = b.phi(WORD)
        i.add_incoming(begin, before)
        values = [b.phi(v.type) for v in carried]
        for phi, v in zip(values, carried, strict=True):
            phi.add_incoming(v, before)
        changed = body(i, list(values))
        further = b.add(i, word(step))
        i.add_incoming(further, b.block)
        for phi, v in zip(values, changed, strict=True):
            phi.add_incoming(v, b.block)
        b.cbranch(b.icmp_signed("<", further, end), inside, after)
        last = b.block
        b.position_at_end(after)
        ends = [b.phi(v.type) for v in carried]
        for phi, v, w in zip(ends, carried, changed, strict=True):
            phi.add_incoming(v, before)
            phi.add_incoming(w, last)
        return ends


Body = Callable[[Llvm, list[Llvm]], list[Llvm]]
Build = Callable[[Llvm, Sequence[Llvm]], None]


def function(module: Llvm, name: str, kind: Llvm) -> Llvm:
    """The function of a module with this name, declared where it is not."""
    found = module.globals.get(name)
    return ir.Function(module, kind, name) if found is None else found


def subroutine(module: Llvm, name: str, count: int, build: Build) -> Llvm:
    """A function of ``count`` whole numbers that is not inlined: built once a module, as ``build`` says."""
    found = module.globals.get(name)
    if found is not None:
        return found
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), [WORD] * count), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    build(builder, made.args)
    builder.ret_void()
    return made


def emitted(name: str, arguments: Sequence[str], build: Build) -> Any:
    """What compiled Python calls with whole numbers, to have the instructions of ``build`` in that place."""
    count = len(arguments)

    def typed(context: Any, *_: Any) -> Any:
        signature = types.void(*[types.int64] * count)

        def instructions(target: Any, builder: Llvm, signature: Any, values: Sequence[Llvm]) -> Llvm:
            build(builder, values)
            return target.get_dummy_value()

        return signature, instructions

    typed.__name__ = name
    # Numba asks for it, and takes no *arguments here
    names = ["context", *arguments]
    places = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    typed.__signature__ = inspect.Signature(places)  # type: ignore[attr-defined]
    return intrinsic(typed)


def caller(name: str, arguments: Sequence[str]) -> Any:
    """In compiled Python, (address, …): a call of the C function at an address, of whole numbers, without a result."""
    kind = ir.FunctionType(ir.VoidType(), [WORD] * len(arguments))

    def build(builder: Llvm, values: Sequence[Llvm]) -> None:
        builder.call(builder.inttoptr(values[0], ir.PointerType(kind)), values[1:])

    return emitted(name, ["address", *arguments], build)


def _entry_of(context: Any, address: Any, index: Any) -> Any:
    def instructions(target: Any, builder: Llvm, signature: Any, values: Sequence[Llvm]) -> Llvm:
        pointer = builder.inttoptr(values[0], POINTER)
        place = builder.gep(pointer, [values[1]], source_etype=WORD)
        return builder.load(place, typ=WORD, align=8)

    return types.int64(types.int64, types.int64), instructions


def _put_entry(builder: Llvm, values: Sequence[Llvm]) -> None:
    place = builder.gep(builder.inttoptr(values[0], POINTER), [values[1]], source_etype=WORD)
    builder.store(values[2], place, align=8)


#: in compiled Python, (address, index, value): write a whole number to a place of the list that is at the address
put_entry: Any = emitted("put_entry", ["address", "index", "value"], _put_entry)

#: in compiled Python, (address, index): the whole number at a place of the list of them that is at the address
entry_of: Any = intrinsic(_entry_of)

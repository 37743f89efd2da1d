"""Vectors and masks as types of Numba: their arithmetic, comparisons and choices, lowered to LLVM directly.

A number beside a vector stands for that number in every lane, in the vector's type: ``0.5 * v`` of float32 stays
float32. Nothing is contracted or reordered; a multiplication and addition are one only in ``fma``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir

from ..jit import implement
from .emit import Emit, Value
from .host import HOST
from .numba_api import extending, models, templates, types

NumbaType = Any
Emitter = Callable[..., Value]
"""Called with an Emit and the values of the arguments: the value of the result."""


class Vector(types.Type):  # type: ignore[misc]
    """``lanes`` numbers of one type (float32 or float64)."""

    def __init__(self, dtype: NumbaType, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


class Mask(types.Type):  # type: ignore[misc]
    """A truth for each lane of a ``Vector(dtype, lanes)``."""

    def __init__(self, dtype: NumbaType, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Mask({dtype}, {lanes})")


@extending.register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Vector) -> None:
        number = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(number, kind.lanes))


@extending.register_model(Mask)
class _MaskModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Mask) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.lanes))


def vector(dtype: NumbaType) -> Vector:
    """The vector of this machine for float32 or float64."""
    return Vector(dtype, HOST.lanes(dtype))


def is_number(kind: NumbaType) -> bool:
    return isinstance(kind, types.Float | types.Integer | types.Boolean)


def of_like(like: NumbaType) -> Vector | None:
    """The vector that an argument ``like`` names: a vector's or mask's, or one of the numbers of a class."""
    if isinstance(like, Vector | Mask):
        return Vector(like.dtype, like.lanes)
    if isinstance(like, types.NumberClass) and like.instance_type in (types.float32, types.float64):
        return vector(like.instance_type)
    return None


# ---- numbers and truths become vectors and masks ---------------------------------------------------
def _number_to_vector(context: Any, builder: Any, kind: NumbaType, to: Vector, value: Value) -> Value:
    number = context.cast(builder, value, types.unliteral(kind), to.dtype)
    return Emit(builder, to.dtype, to.lanes).splat(number)


def _truth_to_mask(context: Any, builder: Any, kind: NumbaType, to: Mask, value: Value) -> Value:
    e = Emit(builder, to.dtype, to.lanes)
    return e.splat(context.cast(builder, value, kind, types.boolean), e.mask)


for _kind in (types.Float, types.Integer, types.Boolean):
    extending.lower_cast(_kind, Vector)(_number_to_vector)
extending.lower_cast(types.Boolean, Mask)(_truth_to_mask)


# ---- how a function is defined on them -------------------------------------------------------------
def typed(f: Callable[..., Any], by_types: Callable[..., Any], **attributes: Any) -> None:
    """In compiled code, a call of ``f`` has the signature that ``by_types`` makes of the types of its arguments.

    It says that it is of the CPU, as those of a target are tried before those of any: an operator has a hundred others.
    """
    template = type(
        f"Vector_{f.__name__}",
        (templates.AbstractTemplate,),
        {
            "key": f,
            "generic": lambda self, args, kws: None if kws else by_types(*args),
            "metadata": {"target": "cpu"},
            **attributes,
        },
    )
    templates.infer_global(f)(template)


def lowered(f: Callable[..., Any], kinds: tuple[Any, ...], emit: Emitter) -> None:
    """Calls of ``f`` with arguments of these kinds are what ``emit`` builds."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Value:
        like = next(k for k in (*sig.args, sig.return_type) if isinstance(k, Vector | Mask))
        return emit(Emit(builder, like.dtype, like.lanes), *args)

    extending.lower_builtin(f, *kinds)(lower)


def elementwise(f: Callable[..., Any], emit: Emitter, count: int, mask: bool = False) -> None:
    """``f`` of ``count`` vectors, or vectors and numbers, gives a vector, or a mask."""

    def by_types(*args: NumbaType) -> Any:
        like = next((a for a in args if isinstance(a, Vector)), None)
        if like is None or len(args) != count or not all(a == like or is_number(a) for a in args):
            return None
        return templates.signature(Mask(like.dtype, like.lanes) if mask else like, *[like] * count)

    typed(f, by_types)
    lowered(f, (Vector,) * count, emit)


def _logical(f: Callable[..., Any], emit: Emitter, count: int) -> None:
    """``f`` of ``count`` masks, or masks and truths, gives a mask."""

    def by_types(*args: NumbaType) -> Any:
        like = next((a for a in args if isinstance(a, Mask)), None)
        if like is None or len(args) != count or not all(a == like or isinstance(a, types.Boolean) for a in args):
            return None
        return templates.signature(like, *[like] * count)

    typed(f, by_types)
    lowered(f, (Mask,) * count, emit)


def _compared(relation: str) -> Emitter:
    return lambda e, x, y: e.compare(relation, x, y)


def _inverted(e: Emit, mask: Value) -> Value:
    return e.builder.not_(mask)


for _f, _emit in (
    (operator.add, Emit.add), (operator.iadd, Emit.add), (operator.sub, Emit.sub), (operator.isub, Emit.sub),
    (operator.mul, Emit.mul), (operator.imul, Emit.mul), (operator.truediv, Emit.div), (operator.itruediv, Emit.div),
):  # fmt: skip
    elementwise(_f, _emit, 2)
elementwise(operator.neg, Emit.neg, 1)
elementwise(operator.pos, lambda e, x: x, 1)
for _f, _relation in (
    (operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="), (operator.eq, "=="),
    (operator.ne, "!="),
):  # fmt: skip
    elementwise(_f, _compared(_relation), 2, mask=True)
for _f, _emit in (
    (operator.and_, lambda e, a, b: e.builder.and_(a, b)), (operator.iand, lambda e, a, b: e.builder.and_(a, b)),
    (operator.or_, lambda e, a, b: e.builder.or_(a, b)), (operator.ior, lambda e, a, b: e.builder.or_(a, b)),
    (operator.xor, lambda e, a, b: e.builder.xor(a, b)),
):  # fmt: skip
    _logical(_f, _emit, 2)
_logical(operator.invert, _inverted, 1)


# ---- functions -------------------------------------------------------------------------------------
def only_compiled(name: str) -> Any:
    raise TypeError(f"{name} is of vectors, which are only in compiled code")


def fma(x: Any, y: Any, z: Any) -> Any:
    """x * y + z of vectors, rounded once where the machine multiplies and adds in one instruction, else twice."""
    return only_compiled("fma")


def where(mask: Any, x: Any, y: Any) -> Any:
    """x where the mask (or truth) holds, else y. Lanes of x that it does not choose do not matter, NaN or not."""
    return x if mask else y


def splat(x: Any, like: Any) -> Any:
    """A vector with the number x in every lane. ``like``: a vector or mask, or the numbers' class, as numpy.float32."""
    return only_compiled("splat")


def first(n: int, like: Any) -> Any:
    """The mask of the first n lanes; none for n <= 0, all for n >= lanes."""
    return only_compiled("first")


def total(v: Any) -> Any:
    """The sum of the lanes: the upper half is added to the lower, until one is left."""
    return only_compiled("total")


def highest_lane(v: Any) -> Any:
    """The highest of the lanes; NaN if one is NaN."""
    return only_compiled("highest_lane")


def wide(v: Any) -> Any:
    """The same numbers in float64, as many lanes; arithmetic and ``total`` take it."""
    return only_compiled("wide")


def count_lanes(like: Any) -> int:
    """How many lanes such a vector has (int64)."""
    return cast(int, only_compiled("count_lanes"))


def _where_type(mask: NumbaType, x: NumbaType, y: NumbaType) -> Any:
    like = next((a for a in (x, y) if isinstance(a, Vector)), None)
    if like is None and isinstance(mask, Mask):
        like = Vector(mask.dtype, mask.lanes)
    if like is None or not all(a == like or is_number(a) for a in (x, y)):
        return None
    chosen = Mask(like.dtype, like.lanes)
    return templates.signature(like, chosen, like, like) if mask == chosen or isinstance(mask, types.Boolean) else None


def _where_of_numbers(mask: Any, x: Any, y: Any) -> Any:
    return x if mask else y


def _halved(combine: Callable[[Emit, Value, Value], Value]) -> Emitter:
    def emit(e: Emit, v: Value) -> Value:
        lanes = e.lanes
        while lanes > 1:
            lanes //= 2
            lower, upper = e.halves(v)
            v = combine(Emit(e.builder, e.dtype, lanes), lower, upper)
        return e.element(v, 0)

    return emit


def _splat_type(x: NumbaType, like: NumbaType) -> Any:
    kind = of_like(like)
    return templates.signature(kind, kind, like) if kind and (x == kind or is_number(x)) else None


def _first_type(n: NumbaType, like: NumbaType) -> Any:
    kind = of_like(like)
    return (
        templates.signature(Mask(kind.dtype, kind.lanes), types.int64, like)
        if kind and isinstance(n, types.Integer)
        else None
    )


def _lanes_type(v: NumbaType) -> Any:
    return templates.signature(v.dtype, v) if isinstance(v, Vector) else None


def _wide_type(v: NumbaType) -> Any:
    return templates.signature(Vector(types.float64, v.lanes), v) if isinstance(v, Vector) else None


def _wide(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    (v,) = sig.args
    double = ir.VectorType(ir.DoubleType(), v.lanes)
    return args[0] if v.dtype == types.float64 else builder.fpext(args[0], double)


def _count_type(like: NumbaType) -> Any:
    return templates.signature(types.int64, like) if of_like(like) else None


def _count(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    kind = cast(Vector, of_like(sig.args[0]))
    return ir.Constant(ir.IntType(64), kind.lanes)


elementwise(fma, Emit.fma, 3)
typed(where, _where_type)
lowered(where, (Mask, Vector, Vector), Emit.where)
implement(where, lambda mask, x, y: None if _where_type(mask, x, y) else _where_of_numbers)
typed(splat, _splat_type)
lowered(splat, (Vector, types.Any), lambda e, x, like: x)
typed(first, _first_type)
lowered(first, (types.Integer, types.Any), lambda e, n, like: e.first(n))
typed(total, _lanes_type)
typed(highest_lane, _lanes_type)
lowered(total, (Vector,), _halved(Emit.add))
lowered(highest_lane, (Vector,), _halved(Emit.maximum))
typed(wide, _wide_type)
extending.lower_builtin(wide, Vector)(_wide)
typed(count_lanes, _count_type)
extending.lower_builtin(count_lanes, types.Any)(_count)

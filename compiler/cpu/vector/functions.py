"""Functions of numbers and of vectors under the same names: in compiled code the argument's type chooses.

Of numbers they are those of ``compiler/cpu/functions.py`` and the mathematical library; of vectors, instructions of
``elementary.py``. A lane's result depends on what is in that lane alone. NaN comes out as NaN, infinities have their
limits, subnormal arguments count, and results that are too small become subnormal, then 0.

ulp: the largest error found, in units of the last place of the exact result: float32 of all 2**32 arguments against
float64, float64 of random and edge values against 80 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import functions as scalar
from ..jit import implement
from . import elementary
from .emit import Emit, Value
from .numba_api import extending, templates, types
from .types import Emitter, NumbaType, Vector, elementwise, is_number, lowered, typed

WHOLE = 16
"""``power`` multiplies for whole exponents up to this size, where they are written in the program."""


def exp(x: float) -> float:
    """Within 1.1 ulp in float32, 0.9 in float64; gradual underflow."""
    return math.exp(x)


def log(x: float) -> float:
    """Within 0.9 ulp in float32, 0.8 in float64; of 0 minus infinity, of what is less NaN."""
    return math.log(x)


def log1p(x: float) -> float:
    """log(1 + x), within 0.9 ulp in float32, 0.8 in float64, near 0 too."""
    return math.log1p(x)


def tanh(x: float) -> float:
    """Within 2.5 ulp in float32, 1.7 (2.5 without a multiply-add) in float64; of the smallest numbers themselves."""
    return math.tanh(x)


def sigmoid(x: float) -> float:
    """Within 2.5 ulp in float32, 1.5 (2.5 without a multiply-add) in float64, in the negative tail too; gradual
    underflow."""
    return scalar.sigmoid(x)


def softplus(x: float) -> float:
    """log(1 + exp(x)), within 1.8 ulp in float32, 1.7 in float64, in the negative tail too."""
    return scalar.softplus(x)


def logaddexp(x: float, y: float) -> float:
    """log(exp(x) + exp(y)), to a few ulp of the greater of x, y and 1."""
    return scalar.logaddexp(x, y)


def sqrt(x: float) -> float:
    """Rounded correctly; of what is less than 0 NaN."""
    return math.sqrt(x)


def sin(x: float) -> float:
    """The mathematical library's, one lane after another."""
    return math.sin(x)


def cos(x: float) -> float:
    """The mathematical library's, one lane after another."""
    return math.cos(x)


def relu(x: float) -> float:
    """0 for x <= 0."""
    return scalar.relu(x)


def step(x: float) -> float:
    """1 above 0, else 0."""
    return scalar.step(x)


def sign(x: float) -> float:
    """1, 0 or -1."""
    return scalar.sign(x)


def floor(x: float) -> float:
    """The whole number at or below x."""
    return scalar.floor(x)


def maximum(x: float, y: float) -> float:
    """The first of equals; NaN from either side."""
    return scalar.maximum(x, y)


def minimum(x: float, y: float) -> float:
    """The first of equals; NaN from either side."""
    return scalar.minimum(x, y)


def mod(x: float, y: float) -> float:
    """What is left of x, exactly, with the sign of y: the library's remainder, one lane after another."""
    return scalar.mod(x, y)


def power(x: float, p: float) -> float:
    """x**p: by multiplication for whole p up to WHOLE that stand in the program as whole numbers (an ulp or less for
    each), else the mathematical library's, one lane after another."""
    return scalar.power(x, p)


def _of_library(name: str) -> Emitter:
    return lambda e, *xs: e.call(name, *xs)


def _define(f: Callable[..., float], emit: Emitter, of_numbers: Callable[..., Any], count: int = 1) -> None:
    elementwise(f, emit, count)
    # the parameters of both must have the names of f's
    if count == 1:
        implement(f, lambda x: of_numbers if is_number(x) else None)
    else:
        implement(f, lambda x, y: of_numbers if is_number(x) and is_number(y) else None)


def _compiled(dispatcher: Any) -> Callable[..., Any]:
    """The Python of a function of numbers, for Numba to compile as part of another name."""
    python: Callable[..., Any] = dispatcher.py_func
    return python


_define(exp, elementary.exp, lambda x: math.exp(x))
_define(log, elementary.log, lambda x: math.log(x))
_define(log1p, elementary.log1p, lambda x: math.log1p(x))
_define(sqrt, _of_library("sqrt"), lambda x: math.sqrt(x))
_define(sin, _of_library("sin"), lambda x: math.sin(x))
_define(cos, _of_library("cos"), lambda x: math.cos(x))
_define(tanh, elementary.tanh, lambda x: scalar.tanh(x))
for _f, _emit in (
    (sigmoid, elementary.sigmoid), (softplus, elementary.softplus), (relu, elementary.relu), (step, elementary.step),
    (sign, elementary.sign), (floor, _of_library("floor")),
):  # fmt: skip
    _define(_f, _emit, _compiled(getattr(scalar, _f.__name__)))
for _g, _emit in (
    (logaddexp, elementary.logaddexp), (maximum, Emit.maximum), (minimum, Emit.minimum), (mod, elementary.mod),
):  # fmt: skip
    _define(_g, _emit, _compiled(getattr(scalar, _g.__name__)), 2)
elementwise(abs, Emit.abs, 1)


# ---- powers ----------------------------------------------------------------------------------------
def _power_type(x: NumbaType, p: NumbaType) -> Any:
    if not isinstance(x, Vector) or not (p == x or is_number(p)):
        return None
    if isinstance(p, types.IntegerLiteral) and abs(p.literal_value) <= WHOLE:
        return templates.signature(x, x, p)
    return templates.signature(x, x, x)


def _whole_power(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    kind, p = sig.args
    return elementary.whole_power(Emit(builder, kind.dtype, kind.lanes), args[0], p.literal_value)


typed(power, _power_type, prefer_literal=True)
lowered(power, (Vector, Vector), _of_library("pow"))
extending.lower_builtin(power, Vector, types.IntegerLiteral)(_whole_power)
implement(power, lambda x, p: _compiled(scalar.power) if is_number(x) and is_number(p) else None)

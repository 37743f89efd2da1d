"""Numba, in one place: how functions and kernels are compiled, with types that a checker can follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])

#: division by zero gives infinity or NaN, as in NumPy, and does not stop vectorisation; no fast-math of any
#: kind: NaN is preserved and sums keep their order
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}


def function(f: F) -> F:
    """A function that kernels call."""
    return cast(F, numba.njit(**OPTIONS)(f))


def kernel(f: F) -> F:
    """A kernel: compiled for one signature, kept on disk beside its module."""
    return cast(F, numba.njit(cache=True, **OPTIONS)(f))


def implement(f: Callable[..., Any], by_types: Callable[..., Callable[..., Any] | None]) -> None:
    """In compiled code, ``f`` is what ``by_types`` chooses from the types of its arguments."""
    overload(f, jit_options=cast(Any, OPTIONS), strict=False)(by_types)

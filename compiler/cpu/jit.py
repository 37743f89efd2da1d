"""Numba, in one place: how functions and kernels are compiled, with types that a checker can follow."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
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


def inlined(f: F) -> F:
    """The same, taken into what calls it before that is compiled: so it is compiled once, not by itself as well."""
    return cast(F, numba.njit(inline="always", **OPTIONS)(f))


def kernel(f: F) -> F:
    """A kernel: compiled for one signature, kept on disk beside its module."""
    return cast(F, numba.njit(cache=True, **OPTIONS)(f))


def implement(f: Callable[..., Any], by_types: Callable[..., Callable[..., Any] | None]) -> None:
    """In compiled code, ``f`` is what ``by_types`` chooses from the types of its arguments."""
    overload(f, jit_options=cast(Any, OPTIONS), strict=False)(by_types)


class Entry:
    """A kernel that is called through its C address, from other compiled code or through ``ctypes``.

    ``kernel`` and this look alike to what keeps kernels on disk: ``compile``, ``disable_compile``, ``stats``.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.function = f
        self.stats: Any = SimpleNamespace(cache_misses={})
        self._compiled: Any = None

    def compile(self, signature: str) -> None:
        """Compile for one signature, such as "void(int64, float32)", or load what is on disk beside the module."""
        self._compiled = numba.cfunc(signature, cache=True, **OPTIONS)(self.function)
        self.stats.cache_misses[signature] = int(not self._compiled.cache_hits)

    def disable_compile(self) -> None:
        """Nothing: an entry has the one signature that it was compiled for."""

    @property
    def address(self) -> int:
        """Where its machine code begins. Raises RuntimeError before ``compile``."""
        if self._compiled is None:
            name = getattr(self.function, "__name__", "an entry")
            raise RuntimeError(f"{name} has no address before it is compiled: call compile first")
        return int(self._compiled.address)

    @property
    def ctypes(self) -> Any:
        """The same for Python: called so, it runs without the interpreter's lock."""
        return self._compiled.ctypes


def entry(f: Callable[..., Any]) -> Entry:
    """A kernel with a C address: compiled for one signature, kept on disk beside its module."""
    return Entry(f)

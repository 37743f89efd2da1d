"""Numba, in one place: how functions and kernels are compiled, with types that a checker can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import compiler_lock, dispatcher, sigutils
from numba.core.compiler import Compiler
from numba.core.registry import cpu_target
from numba.extending import overload

from .native import Object
from .vector.numba_api import config

global_compiler_lock: Any = compiler_lock.global_compiler_lock
normalize_signature: Any = sigutils.normalize_signature
_FunctionCompiler: Any = vars(dispatcher)["_FunctionCompiler"]

F = TypeVar("F", bound=Callable[..., Any])

#: division by zero gives infinity or NaN, as in NumPy, and does not stop vectorisation; no fast-math of any
#: kind: NaN is preserved and sums keep their order. Nothing allocates, so that no arrays are counted
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False}


def function(f: F) -> F:
    """A function that kernels call."""
    return cast(F, numba.njit(**OPTIONS)(f))


def inlined(f: F) -> F:
    """The same, taken into what calls it before that is compiled: so it is compiled once, not by itself as well."""
    return cast(F, numba.njit(inline="always", **OPTIONS)(f))


def implement(f: Callable[..., Any], by_types: Callable[..., Callable[..., Any] | None]) -> None:
    """In compiled code, ``f`` is what ``by_types`` chooses from the types of its arguments."""
    overload(f, jit_options=cast(Any, OPTIONS), strict=False)(by_types)


class _Compiler(_FunctionCompiler):  # type: ignore[misc]
    """Numba's way to machine code, without the functions that it makes to be called by Python or by C."""

    def _customize_flags(self, flags: Any) -> Any:
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
        return flags


class Entry:
    """A kernel that is called through its C address, from other compiled code or through ``ctypes``.

    It raises nothing: an exception in compiled code ends it.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.function = f

    def compile(self, signature: str) -> Object:
        """Its object code for one signature, such as "void(int64, float32)"."""
        kinds, result = normalize_signature(signature)
        compiler = _Compiler(self.function, cpu_target, {"nopython": True, **OPTIONS}, {}, Compiler)
        context = cpu_target.target_context  # made before optimisation is put off: it keeps what it finds then
        with global_compiler_lock:
            with _optimised_at_last():
                made = compiler.compile(kinds, result)
                library, symbol = made.library, made.fndesc.llvm_cfunc_wrapper_name
                library.add_ir_module(_plain_call(context, made.fndesc, symbol))
            library.enable_object_caching()
            library.finalize()
            code = library._get_compiled_object()
        needs = [f.name for f in library._final_module.functions if f.is_declaration]
        needs = [n for n in needs if not n.startswith("llvm.")]
        return Object(code, symbol, tuple(needs), not library.has_dynamic_globals)


@contextmanager
def _optimised_at_last() -> Iterator[None]:
    """Numba optimises every part of a kernel by itself, and then all that it is made of: the last is enough."""
    before = config.OPT
    config.OPT = 0
    try:
        yield
    finally:
        config.OPT = before


def _plain_call(context: Any, described: Any, symbol: str) -> Any:
    """A module with a C function that calls Numba's, and does not look at what that says of exceptions.

    Numba's own C function reports them with functions of Python and of its own, so that all of it would have to be
    there wherever a kernel is.
    """
    module = context.create_module("entry")
    kind = context.call_conv.get_function_type(described.restype, described.argtypes)
    called = ir.Function(module, kind, described.llvm_func_name)
    arguments = [context.get_value_type(a) for a in described.argtypes]
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), symbol)
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    context.call_conv.call_function(
        builder, called, described.restype, described.argtypes, made.args, attrs=("noinline",)
    )
    builder.ret_void()
    return module


def entry(f: Callable[..., Any]) -> Entry:
    """A kernel with a C address, compiled for one signature."""
    return Entry(f)

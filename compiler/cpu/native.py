"""Machine code from object files: loaded by LLVM alone, as Numba's own start takes longer than all the rest.

The object code of an entry refers to nothing but C functions of the process, most of them of the mathematical library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llvmlite import binding

from .vector.host import target

_C = {"int64": ctypes.c_int64, "float32": ctypes.c_float, "float64": ctypes.c_double}
#: machine code stays as long as its engine
_engines: list[Any] = []


@dataclass(frozen=True)
class Object:
    """One compiled entry.

    code      an object file
    symbol    the name that the entry has in it
    needs     C functions that it calls by name
    kept      whether it means the same in another process: it has no addresses of this one
    """

    code: bytes
    symbol: str
    needs: tuple[str, ...] = ()
    kept: bool = True


class Native:
    """A C function without a result.

    signature  of Numba's form, such as "void(int64, float32)"
    """

    def __init__(self, address: int, signature: str) -> None:
        self.address, self.signature = address, signature

    @cached_property
    def ctypes(self) -> Callable[..., None]:
        """The same for Python: called so, it runs without the interpreter's lock."""
        return ctypes.CFUNCTYPE(None, *argument_types(self.signature))(self.address)


def argument_types(signature: str) -> list[Any]:
    """Those of ``ctypes``. Raises ValueError for a signature that is not void of words and numbers."""
    words = signature.removeprefix("void(").removesuffix(")")
    names = [w.strip() for w in words.split(",") if w.strip()]
    if signature != f"void({words})" or not set(names) <= set(_C):
        raise ValueError(f"{signature!r} is no signature of an entry: expected void(…) of {', '.join(_C)}")
    return [_C[n] for n in names]


def load_objects(objects: Mapping[str, Object], signatures: Mapping[str, str]) -> dict[str, Native]:
    """The functions of object files, by name, ready to be called.

    Raises OSError if one calls a C function that this process does not have.
    """
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())  # which finds C functions
    _require({name for o in objects.values() for name in o.needs})
    for o in objects.values():
        engine.add_object_file(binding.ObjectFileRef.from_data(o.code))
    engine.finalize_object()
    _engines.append(engine)
    return {name: Native(engine.get_function_address(o.symbol), signatures[name]) for name, o in objects.items()}


def _require(names: set[str]) -> None:
    """LLVM ends the process where a name has no address, so see to it first."""

    def missing() -> list[str]:
        return sorted(n for n in names if binding.address_of_symbol(n) is None)

    if missing():
        from numba.core.registry import cpu_target

        cpu_target.target_context.refresh()  # Numba's own functions have names from then on
        if missing():
            raise OSError(f"compiled kernels call C functions that this process lacks: {', '.join(missing())}")


def _machine() -> Any:
    """LLVM's description of this machine; an engine takes it for its own."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    triple, cpu, features = target()
    static = triple.startswith(("x86", "i386", "i686"))
    return binding.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, reloc="static" if static else "default", codemodel="jitdefault", jit=True
    )

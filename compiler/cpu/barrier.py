"""How the threads of a program wait for each other: actively, as what they wait for takes microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from .jit import function
from .products.emit import caller, emitted
from .vector.numba_api import extending, types

#: the state of a barrier, each in a line of the cache of its own: how many have come, how often all have
COME, TURN, BARRIER = 0, 8, 16
#: how often to look before the processor is offered to others
PATIENCE = 2000

_WORD = ir.IntType(64)


def _pointer(builder: Any, address: Any, index: Any) -> Any:
    return builder.gep(builder.inttoptr(address, _WORD.as_pointer()), [index])


@extending.intrinsic  # type: ignore[untyped-decorator]
def latest(context: Any, address: Any, index: Any) -> Any:
    """The whole number at a place of a list as other threads have written it, with all that they wrote before."""

    def instructions(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_pointer(builder, *values), "acquire", 8)

    return types.int64(types.int64, types.int64), instructions


@extending.intrinsic  # type: ignore[untyped-decorator]
def count_up(context: Any, address: Any, index: Any) -> Any:
    """Add one; the number before it."""

    def instructions(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, *values), ir.Constant(_WORD, 1), "acq_rel")

    return types.int64(types.int64, types.int64), instructions


def _publish(builder: Any, values: Sequence[Any]) -> None:
    builder.store_atomic(values[2], _pointer(builder, *values[:2]), "release", 8)


#: write a number for other threads, after all that was written before
publish = emitted("publish", ["address", "index", "value"], _publish)
#: call a C function without arguments
call_plain = caller("call_plain", [])


@function
def meet(barrier: int, threads: int, give_way: int) -> None:
    """Go on when all threads have come."""
    turn = latest(barrier, TURN)
    if count_up(barrier, COME) == threads - 1:
        publish(barrier, COME, 0)
        publish(barrier, TURN, turn + 1)
        return
    looked = 0
    while latest(barrier, TURN) == turn:
        looked += 1
        if looked > PATIENCE:
            call_plain(give_way)

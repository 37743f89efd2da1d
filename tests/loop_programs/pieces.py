"""What loop programs that are written by hand are made of."""

from __future__ import annotations

from typing import Any

from bptt.compiler.loop import Apply, Block, Load, Pack, Program, Value

TB = ("t", "b")
TSB = ("t", "s", "b")


def value(name: str, role: str, axes: str = "", shape: Any = (), dtype: str = "f", **more: Any) -> Value:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return Value(name, role, dtype, tuple(axes), shape, **more)


def program(
    name: str, dtype: str, values: list[Value], packs: list[Pack], stages: list[Any], results: list[str]
) -> Program:
    return Program(
        name,
        dtype,
        {v.name: v for v in values},
        {p.name: p for p in packs},
        tuple(stages),
        {r: r for r in results},
    )


def v(name: str, lag: int = 0, axis: str = "t") -> Load:
    """A vector."""
    return Load(name, ((axis, lag),) if lag else (), (0,))


def n(name: str, lag: int = 0, axis: str = "t") -> Load:
    """A number a row, or a whole operand."""
    return Load(name, ((axis, lag),) if lag else ())


def call(op: str, *args: Any, attr: Any = None) -> Apply:
    return Apply(op, attr, args)


def whole(name: str, rows: int, columns: int, transposed: bool = False) -> Block:
    return Block(name, (0, rows), (0, columns), transposed)

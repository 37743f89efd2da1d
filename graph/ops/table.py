"""The op table: what there is to know of an operation stands in one entry.

``graph/ops`` fills it, one call of ``op`` an operation. Adding an operation touches that one place
(and its test); the printers of the back ends read ``scalar`` for pointwise operations and have one
template a remaining operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ..expr import Node

    Array = np.ndarray[Any, Any]
    TypeRule = Callable[[Sequence[Node], Any], tuple[tuple[str, ...], tuple[int, ...], str]]
    Meaning = Callable[..., Array]
    Vjp = Callable[..., Sequence[Node | None]]
    Jvp = Callable[[Node, Node, Sequence[Node | None]], Node | None]


@dataclass(frozen=True)
class Op:
    """One operation.

    type      axes, shape and dtype of the result from the arguments and the attribute
    meaning   NumPy: ``meaning(attr, batched, *arrays)``. Arrays that are ``batched`` carry one leading
              axis (sequences, or the rows of a block), the others only their features; the result carries
              the leading axis where any argument does. Pointwise operations broadcast: features align at
              the right only after the caller has aligned ranks. None: the operation crosses steps and
              unfolding replaces it.
    vjp       ``vjp(node, out, g)``: the adjoint of each argument, as graph, from ``g``, that of the node;
              ``out`` stands for the node's own value. None for an argument that has none. Operations of
              the kind "time" get a fourth argument, ``steps`` (graph/steps.py), to read an adjoint at
              other steps.
    jvp       "pointwise" (sum of the vjp's factors), "linear" (the operation itself on the tangents),
              "multilinear" (linear in each argument) or a function; None: no tangent passes.
    scalar    code of one element from those of its arguments, for pointwise operations
    label     how it is written in the language: a format string over the arguments' texts, or None where
              the printer has a form of its own
    latex     the same for LaTeX
    cheap     computed again rather than kept, where it is used in another stage
    """

    name: str
    kind: str
    type: TypeRule
    meaning: Meaning | None = None
    vjp: Vjp | None = None
    jvp: str | Jvp | None = None
    scalar: str | Callable[[Any, Sequence[str]], str] | None = None
    label: str | None = None
    latex: str | None = None
    cheap: bool = False


TABLE: dict[str, Op] = {}


def op(name: str, kind: str, **entry: Any) -> None:
    """Enter an operation into the table."""
    if name in TABLE:
        raise ValueError(f"the operation {name} stands twice in the op table")
    TABLE[name] = Op(name, kind, **entry)


def load_entries(name: str) -> Op:
    """The entry of ``name``, with the table filled first (it imports what imports nodes)."""
    from . import feature, leaves, pointwise, symbols, time  # noqa: F401

    if name not in TABLE:
        raise TypeError(f"no operation {name} in the op table")
    return TABLE[name]

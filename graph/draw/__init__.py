"""Pictures of circuits and of unrolled networks.

The way of a picture: ``reading`` finds the signals, their roles and what they read; ``circuits``,
``operations`` and ``unrolled`` make a ``picture`` of them, vertices with a role and edges with a kind,
and give all of them places; ``render`` has Graphviz draw it, ``svg`` puts its SVG right. ``style`` holds
every look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .render import Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..circuit import Circuit

__all__ = ["Drawing", "draw_circuit", "draw_unrolled"]


def draw_circuit(net: Circuit, operations: bool = False) -> Drawing:
    """A circuit as the textbooks draw it: a black square is a delay of one step, a hollow one an advance.

    operations    every operation, with the affine maps in panels, instead of one node a signal

    Raises RuntimeError when there is no Graphviz to place it.
    """
    from .circuits import draw_signals
    from .operations import draw_operations
    from .reading import read

    return Drawing((draw_operations if operations else draw_signals)(read(net)), net.name)


def draw_unrolled(net: Circuit, steps: int | Mapping[str, int] = 4, grad: bool = False) -> Drawing:
    """An unrolled network; of more than eight steps the first three and the last two are drawn.

    steps    how many, for each time axis ({"t": 4, "s": 3}) or for all
    grad     with the gradient: every edge reversed, dashed; Wᵀ where it goes back in time

    Raises ValueError for less than one step or an axis that is none, RuntimeError when there is no Graphviz.
    """
    from .reading import read
    from .unrolled import draw_steps

    return Drawing(draw_steps(read(net), _numbers(steps), grad), net.name)


def _numbers(steps: int | Mapping[str, int]) -> dict[str, int]:
    """The number of steps of each axis."""
    numbers = {"t": 4, "s": 4} | dict(steps) if not isinstance(steps, int) else {"t": steps, "s": steps}
    for axis, number in numbers.items():
        if axis not in ("t", "s") or number < 1:
            raise ValueError(
                f"steps says {number} for {axis!r}; expected a number of at least 1 for t (and s)"
            )
    return numbers

"""Pictures of circuits and of unrolled networks.

The way of a picture: ``reading`` finds the signals, their roles and what they read; ``circuits``,
``operations`` and ``unrolled`` make a ``picture`` of them, vertices with a role and edges with a kind, and give
all of them places; ``render`` has Graphviz draw it, ``svg`` puts its SVG right. ``style`` holds every look.
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
    from .reading import read

    return Drawing(draw_signals(read(net)), net.name)

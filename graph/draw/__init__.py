"""Pictures of circuits and of unrolled networks.

The way of a picture: ``reading`` finds the signals, their roles and what they read; ``circuits``,
``operations`` and ``unrolled`` make a ``picture`` of them, vertices with a role and edges with a kind,
and give all of them places; ``render`` has Graphviz draw it, ``svg`` puts its SVG right. ``style`` holds
every look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..doors import require_circuit
from .norms import Norms
from .render import Drawing, graphviz_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from ..circuit import Circuit

__all__ = ["Drawing", "Norms", "draw_circuit", "draw_unrolled", "graphviz_version"]


def draw_circuit(net: Circuit, operations: bool = False) -> Drawing:
    """A circuit as the textbooks draw it: a black square is a delay of one step, a hollow one an advance.

    operations    every operation, with the affine maps in panels, instead of one node a signal

    ``draw_circuit(net).save("net.svg")`` writes a file (.svg, .png, .pdf, .dot); a notebook shows the drawing. Raises
    RuntimeError when there is no Graphviz to place it.
    """
    require_circuit(net, "draw_circuit")
    from .circuits import draw_signals
    from .operations import draw_operations
    from .reading import read

    return Drawing((draw_operations if operations else draw_signals)(read(net)), net.name)


def draw_unrolled(
    net: Circuit,
    steps: int | Mapping[str, int] = 4,
    grad: bool = False,
    *,
    operations: bool = False,
    ellipsis: bool = True,
    norms: Mapping[str, ArrayLike] | Norms | None = None,
) -> Drawing:
    """An unrolled network: ``draw_unrolled(net, steps=3, grad=True).save("net.svg")``.

    steps       how many, for each time axis ({"t": 4, "s": 3}) or for all
    grad        with the gradient: every edge reversed, dashed; Wᵀ where it goes back in time
    operations  every operation of each step, instead of one node a signal
    ellipsis    of more than eight steps draw the first three and the last two only; False: all
    norms       {"h": one value in 0..1 a step}: how large the gradient of this signal is, painted as width
                and opacity on the edges through time that enter the step; a legend says what width means. What
                the values are, and what 1 stands for, it says of ``Norms(values, title, unit)``

    Raises ValueError for less than one step, an axis that is none, norms of a signal that is not delayed or
    that are not one a step and in 0..1; RuntimeError when there is no Graphviz.
    """
    require_circuit(net, "draw_unrolled")
    from . import beside, gradients
    from .norms import paint
    from .reading import read
    from .rows import Shown
    from .stamped import draw_stamped
    from .unrolled import draw_steps

    reading, shown = read(net), Shown(_numbers(steps), ellipsis)
    picture = (draw_stamped if operations else draw_steps)(reading, shown)
    if grad:
        gradients.add_gradients(picture, reading)
    beside.settle(picture)
    if norms is not None:
        delayed = {r.source: shown.steps[r.axis] for r in reading.reads if r.lag}
        paint(picture, norms if isinstance(norms, Norms) else Norms(norms), delayed)
    return Drawing(picture, net.name)


def _numbers(steps: int | Mapping[str, int]) -> dict[str, int]:
    """The number of steps of each axis."""
    numbers = {"t": 4, "s": 4} | dict(steps) if not isinstance(steps, int) else {"t": steps, "s": steps}
    for axis, number in numbers.items():
        if axis not in ("t", "s") or number < 1:
            raise ValueError(
                f"steps says {number} for {axis!r}; expected a number of at least 1 for t (and s)"
            )
    return numbers

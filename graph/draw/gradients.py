"""The gradient on an unrolled network: the edges that it runs back along, and its norm over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..expr import topological
from . import labels, routes, style
from .picture import Edge, Picture
from .reading import Reading

_PASSES = ("state", "gate", "signal", "output", "loss", "op", "function", "product", "bus", "port", "dots")
_FORWARD = ("plain", "time", "rail", "skip", "wire")


def add_gradients(picture: Picture, reading: Reading) -> None:
    """Beside each edge that a gradient passes the same one back, bent and dashed; Wᵀ back in time.

    It goes on through a value before the start or after the end that is computed, or is a parameter.
    """
    computed = {name for name in picture.vertices if _is_computed(name, reading)}
    for edge in [e for e in picture.edges if e.kind in _FORWARD or e.tail in computed or e.head in computed]:
        ends = (edge.tail, edge.head)
        if all(name in computed or picture.vertices[name].role in _PASSES for name in ends):
            back_in_time = edge.kind in ("time", "skip") and edge.through is not None
            label = labels.transposed(edge.label) if edge.label and back_in_time else ""
            back = Edge(edge.head, edge.tail, "grad", label)
            routes.bend(back, *(picture.vertices[n] for n in reversed(ends)), picture.vertices.values())
            picture.edges.append(back)


def _is_computed(vertex: str, reading: Reading) -> bool:
    """Whether a vertex is a boundary value that depends on something that is differentiated."""
    signal, _, step = vertex.partition("|")
    for name in reading.boundaries if step.lstrip("-").isdigit() else ():
        base, _, inside = name.partition("[")
        at_end = inside[:1] in ("T", "S")
        if base == signal and ((at_end and int(step) > 0) or inside.rstrip("]").split(",")[0] == step):
            nodes = topological([reading.circuit.eqs[name]])
            return any(n.op == "param" or (n.op == "ref" and n.dtype == "f") for n in nodes)
    return False


# ---- norms ---------------------------------------------------------------------------------------
def paint(picture: Picture, norms: Mapping[str, ArrayLike], numbers: Mapping[str, int]) -> None:
    """Paint relative norms on the edges through time: the value of step t on the wires that enter step t.

    norms    signal -> one value in 0..1 for each step
    numbers  delayed signal -> the number of its steps

    Raises ValueError for a name without edges through time, another number of values, or one outside 0..1.
    """
    for name, given in norms.items():
        values = _checked(name, given, numbers)
        for edge in picture.edges:
            if edge.through is not None and edge.through[0] == name:
                step = edge.through[2]
                value = float(values[step - 1])
                edge.look |= style.norm_look(value)
                edge.look["tooltip"] = f"{name}[{step}]: {value:.3g}"


def _checked(name: str, given: ArrayLike, numbers: Mapping[str, int]) -> NDArray[np.float64]:
    if name not in numbers:
        known = ", ".join(numbers) or "none"
        raise ValueError(
            f"norms names {name!r}, which no delay reads; signals with edges through time: {known}"
        )
    values = np.asarray(given, dtype=np.float64)
    steps = numbers[name]
    if values.shape != (steps,):
        raise ValueError(
            f"norms[{name!r}] has shape {values.shape}; expected one value for each of the {steps} steps: ({steps},)"
        )
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if wrong.size:
        step = int(wrong[0]) + 1
        raise ValueError(
            f"norms[{name!r}] is {values[step - 1]} at step {step}; expected numbers in 0..1: divide by the largest"
        )
    return values

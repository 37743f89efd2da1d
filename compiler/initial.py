"""State that a caller hands over: ``Output.final`` of one window as the boundary values of the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.circuit import Circuit, boundary_name
from ..graph.errors import did_you_mean
from ..graph.expr import Node, topological

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


def boundary_arrays(
    net: Circuit, states: Mapping[str, int], initial: Mapping[str, Any], dtype: np.dtype[Any]
) -> dict[str, Array]:
    """``initial`` as inputs named "h[0]", "h[-1]", …

    initial  state -> [B, *shape], for a state of k lags [k, B, *shape] with the newest last. States that it does
             not name start from zero; one whose start the circuit states has to be named. States of the network
             that this program does not need are left alone.
    Raises TypeError for what is no mapping and for another kind of numbers; ValueError, naming the state, for one
    that the network does not carry, of another number of axes, or missing.
    """
    if not isinstance(initial, Mapping):
        raise TypeError(f"initial: expected state -> array, as Output.final has it, got {type(initial).__name__}")
    sources = _sources(net)
    for name, k in states.items():
        stated = [n for n in (boundary_name(sources[name], "t", k, j) for j in range(k)) if n in net.eqs]
        if stated and name not in initial:
            raise ValueError(
                f"initial: {name} is missing, and {net.name} states {stated[0]} itself\n"
                f"  expected: every state whose start is stated, as Output.final has it, or no initial at all"
            )
    found: dict[str, Array] = {}
    for name, value in initial.items():
        if name not in states and name in sources:
            continue  # another program of this network needs it
        if name not in states:
            near = did_you_mean(name, states)
            known = ", ".join(states) or "nothing"
            raise ValueError(
                f"initial: {net.name} carries no {name} from window to window; it carries {known}"
                + (f"; {near}" if near else "")
            )
        k, source = states[name], sources[name]
        array = np.asarray(value)
        if array.dtype.kind not in "iu" if source.dtype == "i" else array.dtype != dtype:
            kind = "whole numbers" if source.dtype == "i" else str(dtype)
            raise TypeError(f"initial {name}: expected {kind}, got {array.dtype}; mend: .astype(…)")
        rank = len(source.axes) - 1 + len(source.shape) + (k > 1)
        if array.ndim != rank or (k > 1 and len(array) != k):
            sizes = [
                *([str(k)] if k > 1 else []),
                *(a.upper() for a in source.axes[1:]),
                *map(str, source.shape),
            ]
            newest = f", the {k} steps before the first, the newest last" if k > 1 else ""
            raise ValueError(
                f"initial {name}: expected an array [{', '.join(sizes)}]{newest}, got the shape {array.shape}"
            )
        for j in range(k):
            found[boundary_name(source, "t", k, j)] = array[k - 1 - j] if k > 1 else array
    return found


def _sources(net: Circuit) -> dict[str, Node]:
    """Name -> the node that stands for a delayed signal or input."""
    return {
        n.args[0].attr: n.args[0]
        for n in topological(net.eqs.values())
        if n.op == "delay" and n.attr[0] == "t" and n.attr[1] > 0
    }

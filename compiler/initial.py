"""State that a caller hands over: ``Output.final`` of one window as the boundary values of the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.circuit import Circuit, boundary_name
from ..graph.errors import unknown
from ..graph.expr import Node, topological

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class State:
    """One signal, or input, that is carried from window to window.

    source      the node that is delayed
    lags        how many steps before the first this program needs
    most        how many the whole network needs: what another program of it hands over has at most these
    boundaries  the names of the values before the start, the newest first: "h[0]", "h[-1]"
    stated      the first of them that has an equation, if one has
    """

    name: str
    source: Node
    lags: int
    most: int
    boundaries: tuple[str, ...]
    stated: str | None

    @property
    def rank(self) -> int:
        """The number of axes of one step."""
        return len(self.source.axes) - 1 + len(self.source.shape)


class States:
    """What a program carries, found once: ``initial`` of its calls is checked against this.

    net     the whole network, of which the program may need a part
    states  what the program carries -> how many lags
    """

    def __init__(self, net: Circuit, states: Mapping[str, int]) -> None:
        self.net = net
        self.whole: dict[str, int] = {}
        sources: dict[str, Node] = {}
        for n in topological(net.eqs.values()):
            if n.op == "delay" and n.attr[0] == "t" and n.attr[1] > 0:
                source = n.args[0]
                sources[source.attr] = source
                self.whole[source.attr] = max(self.whole.get(source.attr, 0), n.attr[1])
        self.needed = {name: self._state(sources[name], name, k) for name, k in states.items()}

    def _state(self, source: Node, name: str, k: int) -> State:
        boundaries = tuple(boundary_name(source, "t", k, j) for j in range(k))
        stated = next((n for n in boundaries if n in self.net.eqs), None)
        return State(name, source, k, self.whole[name], boundaries, stated)

    def boundary_arrays(self, initial: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Array]:
        """``initial`` as inputs named "h[0]", "h[-1]", …

        initial  state -> [B, *shape], for a state of k lags [k, B, *shape] with the newest last. States that it
                 does not name start from zero; one whose start the circuit states has to be named. What another
                 program of the network hands over is taken as it is: of more lags than this program needs the
                 newest, and states that it does not need are left alone.
        Raises TypeError for what is no mapping and for another kind of numbers; ValueError, naming the state, for
        one that the network does not carry, of another number of axes, or missing.
        """
        if not isinstance(initial, Mapping):
            raise TypeError(f"initial: expected state -> array, as Output.final has it, got {type(initial).__name__}")
        for state in self.needed.values():
            if state.stated is not None and state.name not in initial:
                raise ValueError(
                    f"initial: {state.name} is missing, and {self.net.name} states {state.stated} itself\n"
                    f"  expected: every state whose start is stated, as Output.final has it, or no initial at all"
                )
        found: dict[str, Array] = {}
        for name, value in initial.items():
            if name in self.needed:
                found |= _boundary_arrays(self.needed[name], np.asarray(value), dtype)
            elif name not in self.whole:
                problem = f"initial: {self.net.name} carries no {name} from window to window"
                raise ValueError(unknown(problem, name, self.needed, "it carries"))
        return found


def _boundary_arrays(state: State, array: Array, dtype: np.dtype[Any]) -> dict[str, Array]:
    whole = state.source.dtype == "i"
    if array.dtype.kind not in "iu" if whole else array.dtype != dtype:
        kind = "whole numbers" if whole else str(dtype)
        raise TypeError(f"initial {state.name}: expected {kind}, got {array.dtype}; mend: .astype(…)")
    if array.ndim == state.rank and state.lags == 1:
        return {state.boundaries[0]: array}
    # an axis of lags can be told from the others: a step has as many axes as it has
    if array.ndim != state.rank + 1 or not max(state.lags, 2) <= len(array) <= state.most:
        raise ValueError(_expected(state, array))
    return {name: array[-1 - j] for j, name in enumerate(state.boundaries)}


def _expected(state: State, array: Array) -> str:
    k, most = state.lags, state.most
    step = ", ".join([*(a.upper() for a in state.source.axes[1:]), *map(str, state.source.shape)])
    form = f"[{k}, {step}], the {k} steps before the first, the newest last" if k > 1 else f"[{step}]"
    longer = f", or up to {most} such steps, of which the last {k} is taken" if most > k == 1 else ""
    if most > k > 1:
        longer = f", or up to {most} such steps, of which the last {k} are taken"
    return f"initial {state.name}: expected an array {form}{longer}, got the shape {array.shape}"

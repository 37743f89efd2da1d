"""What a call of a program gives, and what it says when it is asked for what it does not have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..graph.circuit import is_boundary_name
from ..graph.errors import CircuitError, UnknownNameError, listed, unknown

if TYPE_CHECKING:
    import numpy as np

    from .road import Road

    Array = np.ndarray[Any, Any]


KINDS = ("value", "grad", "final", "stats")


@dataclass
class Output:
    """What one call gives. Arrays are the caller's own; beyond lengths they are zero.

    loss   the mean over the batch; None for a program without one
    value  signal -> [T, B, *shape] (values without t: [B, *shape], or their shape alone)
    grad   what was differentiated by -> array of its shape
    final  what the next window needs: [B, *shape], for longer lags [k, B, *shape], the newest last
    stats  of batch_norm, in training: the constant that is read afterwards -> what this batch adds to its average

    A name that is not there is a KeyError that says which there are, and how to ask for it.
    """

    loss: float | None = None
    value: dict[str, Array] = field(default_factory=dict)
    grad: dict[str, Array] = field(default_factory=dict)
    final: dict[str, Array] = field(default_factory=dict)
    stats: dict[str, Array] = field(default_factory=dict)

    def __repr__(self) -> str:
        loss = "" if self.loss is None else f" loss {self.loss:.6g}"
        parts = [f"\n  {kind:6}{_shapes(a)}" for kind in KINDS if (a := getattr(self, kind))]
        return f"<output{':' if loss or parts else ''}{loss}{''.join(parts)}>"


@dataclass(frozen=True)
class Asked:
    """What was asked of a program and what could be, in words for messages.

    carries   what the program hands on; where it cannot, ``uncut`` says why
    """

    net: str
    loss: str | None
    wrt: tuple[str, ...] | None
    returns: tuple[str, ...]
    equations: tuple[str, ...]
    parameters: tuple[str, ...]
    inputs: tuple[str, ...]
    constants: frozenset[str]
    symbols: frozenset[str]
    carries: tuple[str, ...]
    uncut: str

    @classmethod
    def of(cls, road: Road) -> Asked:
        """Of what a road leads to."""
        net, request = road.whole, road.request
        try:
            carries, uncut = tuple(road.states), ""
        except CircuitError as error:
            carries, uncut = (), str(error)
        inputs = [n for n in net.input_nodes if not is_boundary_name(n)]
        nodes = {**net.eqs, **net.input_nodes}
        return cls(
            net=net.name,
            loss=request.loss,
            wrt=request.wrt,
            returns=request.returns,
            equations=tuple(net.eqs),
            parameters=tuple(net.param_nodes),
            inputs=tuple(inputs),
            constants=net.constants,
            symbols=frozenset(n for n, node in nodes.items() if node.dtype == "i"),
            carries=carries,
            uncut=uncut,
        )

    # ---- what is not there -----------------------------------------------------------------------
    def no_value(self, name: str) -> str:
        """Why a signal is not among the values, and how it gets there."""
        if name in self.equations:
            return f"{name} was not asked for\n  mend: compile(…, returns={_with(self.returns, name)})"
        return unknown(f"{self.net} has no equation {name}", name, self.equations)

    def no_grad(self, name: str) -> str:
        """Why there is no gradient by a name, and how it gets there."""
        differentiable = [n for n in (*self.parameters, *self.inputs, *self.equations) if n not in self.symbols]
        if name in self.constants:
            return f"{name} is a constant of {self.net}; make it a parameter to differentiate by it"
        if name in self.symbols:
            return f"{name} is a symbol, by which nothing can be differentiated"
        if name not in differentiable and not is_boundary_name(name):
            return unknown(f"{self.net} has no parameter, input or signal {name}", name, differentiable)
        if self.loss is None:
            loss = "L" if "L" in self.equations else "…"
            return f'this program has no loss and so no gradients\n  mend: compile(…, loss="{loss}")'
        trained = tuple(n for n in self.parameters if n not in self.constants)
        wrt = _with(trained if self.wrt is None else self.wrt, name)
        if self.wrt is None and not self.constants:
            wrt = f'(*net.params, "{name}")'
        return f"{name} is not among what was differentiated by\n  mend: compile(…, wrt={wrt})"

    def no_final(self, name: str) -> str:
        """Why a name is not among what is carried, and how to get its last value."""
        if self.uncut:
            return self.uncut
        every = f"\n  mend: compile(…, returns={_with(self.returns, name)}) returns all its steps"
        return f"the next window does not need {name}" + (every if name in self.equations else "")


    def no_statistic(self, name: str) -> str:
        """Why there is no statistic of a name, and where there are some."""
        if name in self.constants:
            return f"{name} is no running statistic that this program takes in training"
        return 'batch_norm has statistics in training, of the equation a "mean.a" and "variance.a"'


class Results(dict[str, "Array"]):
    """Arrays by name. A name that is not there is a KeyError that says what there is, and how to get it."""

    def __init__(self, kind: str, asked: Asked) -> None:
        self.kind, self.asked = kind, asked

    def __missing__(self, name: object) -> Array:
        asked = self.asked
        reasons = (asked.no_value, asked.no_grad, asked.no_final, asked.no_statistic)
        why = dict(zip(KINDS, reasons, strict=True))[self.kind]
        has = f"out.{self.kind} of {self.asked.net} has {listed(self)}"
        raise UnknownNameError(f"{has}, and no {name!r}: {why(str(name))}")

    def __repr__(self) -> str:
        return f"<{self.kind}: {_shapes(self)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Results, (self.kind, self.asked), None, None, iter(self.items())


def _with(names: tuple[str, ...], name: str) -> str:
    """The names and one more, as a tuple is written."""
    quoted = [f'"{n}"' for n in (*names, name)]
    return f"({', '.join(quoted)}{',' if len(quoted) == 1 else ''})"


def _shapes(arrays: dict[str, Array]) -> str:
    return ", ".join(f"{n} {list(a.shape)}" for n, a in arrays.items()) or "none"

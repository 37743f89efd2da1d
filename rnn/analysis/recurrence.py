"""The recurrent matrices of a circuit, and what they alone say of its gradients (Pascanu, Mikolov and Bengio 2013).

On the difficulty of training recurrent neural networks, ICML 2013, section 2: for a state that goes through one matrix
W and a nonlinearity whose derivative is at most γ (tanh 1, sigmoid 1/4), a largest singular value of W below 1/γ is
sufficient for gradients to vanish; above 1/γ is necessary for them to explode.

Here the same is done for any equations: a bound of ‖∂z[t]/∂z[t-1]‖ is found from the graph, γ for a nonlinearity, the
largest singular value for a matrix, the sum for a sum, the product for what is composed. For states that read each
other it is a matrix of bounds, and its spectral radius takes the place of the number. Where a state is multiplied
by a signal (a gate) there is no bound of this kind, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.circuit import Circuit
from ...graph.evaluate import evaluate
from ...graph.expr import Node, topological
from ...graph.show import text
from .jacobians import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOPES: dict[str, float] = {
    "tanh": 1.0,
    "sigmoid": 0.25,
    "relu": 1.0,
    "abs": 1.0,
    "sin": 1.0,
    "cos": 1.0,
    "softplus": 1.0,
    "softmax": 0.5,
}
"""γ: the largest derivative of a nonlinearity (of softmax: the largest singular value of its Jacobian)."""
PRODUCTS = {"ij,j->i": 0, "ji,j->i": 0, "i,ij->j": 1, "i,ji->j": 1}
"""Products of a matrix and a vector: which argument is the matrix."""
SAME = frozenset(("neg", "expand", "transpose", "number", "copy", "slice", "unslice"))
"""Operations through which no vector grows."""


@dataclass(frozen=True)
class Matrix:
    """A matrix on the way from a state to itself at another step.

    radius    the spectral radius, the largest absolute value of its eigenvalues; None where it is not square
    singular  the largest singular value
    """

    name: str
    shape: tuple[int, ...]
    radius: float | None
    singular: float


@dataclass(frozen=True)
class Condition:
    """What the matrices alone say of the gradient of the states of a cycle.

    states    of the cycle                     bound   of the factor by which it can grow in one step, or None
    gammas    nonlinearity -> γ                reason  why there is no bound, where there is none
    matrices  names of the matrices passed
    radius    the spectral radius where it decides alone: one square matrix and nothing else
    """

    states: tuple[str, ...]
    bound: float | None
    reason: str = ""
    gammas: Mapping[str, float] = field(default_factory=dict)
    matrices: tuple[str, ...] = ()
    radius: float | None = None

    @property
    def vanishes(self) -> bool:
        """Whether the sufficient condition for vanishing holds."""
        return self.bound is not None and self.bound < 1

    def __str__(self) -> str:
        names = " and ".join(self.states)
        if self.bound is None:
            return f"{names}: the conditions on the matrices do not apply: {self.reason}"
        if self.radius is not None:
            word = "vanish" if self.radius < 1 else "explode" if self.radius > 1 else "neither vanish nor explode"
            return (
                f"{names}: linear, so that the spectral radius of {self.matrices[0]} decides: {self.radius:.3g}, "
                f"gradients {word}"
            )
        if self.vanishes:
            verdict = "< 1, which is sufficient for gradients to vanish"
        else:
            verdict = ">= 1: they need not vanish, and may explode (the condition is necessary, not sufficient)"
        if len(self.matrices) == len(self.gammas) == 1 and len(self.states) == 1:
            (function, gamma), (matrix,) = *self.gammas.items(), self.matrices
            return (
                f"{names}: γ = {gamma:g} ({function}) times the largest singular value of {matrix} "
                f"is {self.bound:.3g} {verdict}"
            )
        through = ", ".join([*(f"γ = {g:g} ({f})" for f, g in self.gammas.items()), *self.matrices])
        return f"{names}: the bound of a step's Jacobian ({through or 'no matrix'}) is {self.bound:.3g} {verdict}"


class _NoBoundError(Exception):
    """A node through which no bound passes."""


@dataclass
class Recurrence:
    """The matrices and the condition of one cycle of states, at these parameters."""

    matrices: list[Matrix]
    condition: Condition


def recurrence(net: Circuit, cycle: Sequence[State], params: Mapping[str, Any]) -> Recurrence:
    """The recurrent matrices of a cycle of states, and what they alone say of its gradients."""
    return _Walk(net, cycle, params).result()


class _Walk:
    """From the equations of the states down to where they read each other at another step."""

    def __init__(self, net: Circuit, cycle: Sequence[State], params: Mapping[str, Any]) -> None:
        self.net, self.cycle, self.params = net, cycle, params
        self.names = tuple(s.name for s in cycle)
        self.found: dict[str, tuple[Node, NDArray[np.float64]]] = {}
        self.gammas: dict[str, float] = {}
        self.mixed = False  # whether anything but matrices and nonlinearities has been passed
        self.reads: dict[Node, bool] = {}
        self.bounds: dict[Node, dict[str, float]] = {}

    def result(self) -> Recurrence:
        reason, radius = "", None
        bound: float | None = None
        table = np.zeros((len(self.names), len(self.names)))
        try:
            for i, name in enumerate(self.names):
                for source, factor in self._bound(self.net.eqs[name]).items():
                    table[i, self.names.index(source)] = factor
            largest = float(np.abs(np.linalg.eigvals(table)).max())
        except _NoBoundError as error:
            reason = str(error)
        else:
            bound = largest
        self._all_matrices()
        matrices = [_measured(name, value) for name, (_, value) in self.found.items()]
        if bound is not None and not self.gammas and not self.mixed and len(matrices) == 1 and len(self.names) == 1:
            radius = matrices[0].radius
        condition = Condition(
            self.names, bound, reason, dict(self.gammas), tuple(self.found), radius
        )
        return Recurrence(matrices, condition)

    # ---- what depends on the past of the cycle ----
    def _depends(self, root: Node) -> bool:
        """Whether a node reads a state of the cycle at another step, through equations of its own step too."""
        stack = [root]
        while stack:
            n = stack[-1]
            if n in self.reads:
                stack.pop()
                continue
            if n.op == "delay":
                self.reads[n] = n.args[0].attr in self.names
                continue
            below = [self.net.eqs[n.attr]] if n.op == "ref" else list(n.args)
            missing = [a for a in below if a not in self.reads]
            if missing:
                stack.extend(missing)
            else:
                self.reads[n] = n.op != "stop_gradient" and any(self.reads[a] for a in below)
        return self.reads[root]

    # ---- bounds ----
    def _bound(self, n: Node) -> dict[str, float]:
        """State -> bound of the derivative of a node by its value at the other step."""
        if n not in self.bounds:
            self.bounds[n] = self._bound_of(n) if self._depends(n) else {}
        return self.bounds[n]

    def _bound_of(self, n: Node) -> dict[str, float]:
        if n.op == "delay":
            return {n.args[0].attr: 1.0}
        if n.op == "ref":
            return self._bound(self.net.eqs[n.attr])
        if n.op in ("add", "concat"):
            self.mixed |= sum(self._depends(a) for a in n.args) > 1
            return _total([self._bound(a) for a in n.args])
        if n.op in SAME:
            return self._bound(n.args[0])
        if n.op in SLOPES:
            self.gammas[n.op] = SLOPES[n.op]
            return _scaled(SLOPES[n.op], self._bound(n.args[0]))
        if n.op == "first":
            return self._bound(n.args[1])
        if n.op in ("mul", "div"):
            return self._product(n)
        if n.op == "contract" and n.attr[0] in PRODUCTS and not n.attr[1]:
            which = PRODUCTS[n.attr[0]]
            if not n.args[which].axes:
                return _scaled(self._singular(n.args[which]), self._bound(n.args[1 - which]))
        raise _NoBoundError(self._reason(n))

    def _product(self, n: Node) -> dict[str, float]:
        inner = [a for a in n.args if self._depends(a)]
        others = [a for a in n.args if a not in inner]
        factor = others[0] if len(inner) == 1 and others else None
        while factor is not None and factor.op in ("expand", "repeat"):
            factor = factor.args[0]
        if factor is None or factor.axes or (n.op == "div" and inner[0] is not n.args[0]):
            raise _NoBoundError(self._reason(n))
        size = np.abs(self._value(factor))
        self.mixed = True
        return _scaled(float(size.max() if n.op == "mul" else (1 / size).max()), self._bound(inner[0]))

    def _reason(self, n: Node) -> str:
        if n.op == "mul":
            # what is read at the other step itself, if that is one of the factors, by the other
            state, gate = sorted(n.args, key=lambda a: (a.op != "delay", not self._depends(a)))
            return f"{self._shown(state)} is multiplied by the signal {self._shown(gate)}"
        return f"it passes through {self._shown(n)}"

    def _shown(self, n: Node) -> str:
        line = text(self.net.with_eqs({"it": n}, grads={})).split(" = ", 1)[1]
        return line if len(line) <= 60 else line[:57] + "…"

    # ---- matrices ----
    def _singular(self, matrix: Node) -> float:
        return float(np.linalg.norm(self._noted(matrix), ord=2))

    def _noted(self, matrix: Node) -> NDArray[np.float64]:
        while matrix.op in ("expand", "transpose"):
            matrix = matrix.args[0]
        name = self._shown(matrix)
        if name not in self.found:
            self.found[name] = matrix, self._value(matrix)
        return self.found[name][1]

    def _value(self, n: Node) -> NDArray[np.float64]:
        """The value of an expression of parameters."""
        alone = self.net.with_eqs({**self.net.eqs, "it": n}, grads={})
        return np.asarray(evaluate(alone, self.params, returns="it")["it"], dtype=np.float64)

    def _all_matrices(self) -> None:
        """Note every fixed matrix on a way from the past of the cycle to its states, bound or not."""
        stack, seen = [self.net.eqs[name] for name in self.names], set[Node]()
        while stack:
            n = stack.pop()
            if n in seen or not self._depends(n) or n.op == "delay":
                continue
            seen.add(n)
            if n.op == "contract" and n.attr[0] in PRODUCTS:
                matrix = n.args[PRODUCTS[n.attr[0]]]
                if not matrix.axes:
                    self._noted(matrix)
            stack.extend([self.net.eqs[n.attr]] if n.op == "ref" else reversed(n.args))
        order = [self._shown(p) for e in self.net.eqs.values() for p in topological([e]) if p.op in ("param", "ref")]
        self.found = {n: self.found[n] for n in dict.fromkeys([*order, *self.found]) if n in self.found}


def _measured(name: str, value: NDArray[np.float64]) -> Matrix:
    square = value.shape[0] == value.shape[1]
    radius = float(np.abs(np.linalg.eigvals(value)).max()) if square else None
    return Matrix(name, value.shape, radius, float(np.linalg.norm(value, ord=2)))


def _total(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(p.get(name, 0.0) for p in parts) for name in dict.fromkeys(n for p in parts for n in p)}


def _scaled(factor: float, bound: Mapping[str, float]) -> dict[str, float]:
    return {name: factor * value for name, value in bound.items()}

"""A circuit: named equations over nodes. Adjoints and unfolded graphs are circuits too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .errors import CircuitError, unknown
from .expr import TIME_AXES, Node, topological

if TYPE_CHECKING:
    import numpy as np

    from .init import Rule

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Unfolding:
    """How an unfolded graph came about.

    circuit   what was unfolded
    sizes     the number of steps of each time axis
    ragged    whether sequences have lengths of their own
    start     the number of the first step
    leaves    "x[3]" -> ("x", (2,)): the input and the position in it of each unfolded input
    """

    circuit: Circuit
    sizes: dict[str, int]
    ragged: bool
    start: int
    leaves: dict[str, tuple[str, tuple[int, ...]]]


@dataclass(eq=False)
class Circuit:
    """Named equations: a network, its adjoint or its unfolding. ``rnn.lstm(x=64, h=256, o=96)`` is one.

    ``print(net)`` writes the equations; ``net.params``, ``net.inputs``, ``net.states`` and ``net.outputs`` are names
    with their shapes for one step of one sequence; ``net.init(seed=0)`` gives initial values of the parameters.

    eqs          name -> expression, in the order of the text; boundary values are "h[0]", "h[-1]", "h[T+1]"
    name         of the whole
    param_nodes  the parameters, also those that no equation reaches; those of the equations are added
    input_nodes  the inputs likewise
    symbols      input -> number of its values, for inputs that are symbols
    positions    input -> the axis whose steps it names, counted from 1
    constants    parameters that are never trained
    init_rules   parameter -> number, name of a rule or function: see ``init``
    notes        equation -> the comment it was given
    lines        equation -> its line in the text
    grads        after ``grad``: what was differentiated by -> the equation that holds the derivative
    order        after ``grad``: the mark of the adjoints' names
    unfolding    of an unfolded graph: where it comes from
    """

    eqs: dict[str, Node]
    name: str = "net"
    param_nodes: dict[str, Node] = field(default_factory=dict)
    input_nodes: dict[str, Node] = field(default_factory=dict)
    symbols: dict[str, int] = field(default_factory=dict)
    positions: dict[str, str] = field(default_factory=dict)
    constants: frozenset[str] = frozenset()
    init_rules: Mapping[str, Rule] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    grads: dict[str, str] = field(default_factory=dict)
    order: str = ""
    unfolding: Unfolding | None = None

    def __post_init__(self) -> None:
        self.eqs = dict(self.eqs)
        self.param_nodes = dict(self.param_nodes)
        self.input_nodes = dict(self.input_nodes)
        leaves = self.unfolding.leaves if self.unfolding else {}
        for n in topological(self.eqs.values()):
            if n.op == "param":
                self.param_nodes.setdefault(n.attr, n)
            elif n.op == "input" and n.attr not in leaves:
                self.input_nodes.setdefault(n.attr, n)

    # ---- what it takes and gives: name -> shape per step ------------------------------------------
    @property
    def params(self) -> dict[str, Shape]:
        """The parameters, constants among them."""
        return {n: p.shape for n, p in self.param_nodes.items()}

    @property
    def inputs(self) -> dict[str, Shape]:
        """The inputs; a symbol has the shape ()."""
        return {n: x.shape for n, x in self.input_nodes.items()}

    @property
    def states(self) -> dict[str, Shape]:
        """Signals and inputs that are read at earlier steps: what a window hands on to the next."""
        return {n.args[0].attr: n.shape for n in topological(self.eqs.values()) if n.op == "delay" and n.attr[1] > 0}

    @property
    def outputs(self) -> dict[str, Shape]:
        """Every signal and value that has an equation, boundary values apart."""
        return {n: e.shape for n, e in self.eqs.items() if "[" not in n}

    def init(self, seed: int = 0, dtype: str = "float32") -> dict[str, np.ndarray[Any, Any]]:
        """Initial values of the parameters: by ``init_rules``, else weights uniform within ±1/√n and biases zero.

        A weight is what multiplies, also a vector (``w * h[t-1]``), a bias what is added; see ``graph/init.py``.

        The values of a parameter depend on the seed, its name and its shape only. Raises CircuitError, naming
        the parameter, for a rule that is unknown or does not fit its shape.
        """
        from .init import initial_values

        return initial_values(self, seed, dtype)

    # ---- changes ----------------------------------------------------------------------------------
    def with_eqs(self, eqs: Mapping[str, Node], **changes: Any) -> Circuit:
        """The same circuit with other equations."""
        return replace(self, eqs=dict(eqs), **changes)

    def names(self) -> set[str]:
        """All names in use: equations, parameters, inputs, and the inputs of an unfolded graph."""
        leaves = self.unfolding.leaves if self.unfolding else {}
        return {*self.eqs, *self.param_nodes, *self.input_nodes, *leaves}

    # ---- checks -----------------------------------------------------------------------------------
    def check(self) -> Circuit:
        """The circuit itself, when it is legal.

        Raises CircuitError for a name without an equation or of another type, a loop without a delay, a loop
        that reads both its past and its future, and a value of all steps inside its own loop.
        """
        from .check import check

        check(self)
        return self

    def __str__(self) -> str:
        from .show import text

        return text(self)

    def __repr__(self) -> str:
        return f"<circuit {self.name}: {len(self.eqs)} equations, {len(self.param_nodes)} parameters>"


# ---- names ---------------------------------------------------------------------------------------
def step_name(name: str, at: Mapping[str, int | str]) -> str:
    """The name of a signal at a step: ``h[3]`` of ``h``, ``w[2, 1]`` of ``w``, ``w[0, 1]`` of ``w[0, s]``."""
    base, bracket, inside = name.partition("[")
    if not at:
        return name
    if not bracket:
        return f"{base}[{', '.join(str(at[a]) for a in TIME_AXES if a in at)}]"
    items = [item.strip() for item in inside.rstrip("]").split(",")]
    return f"{base}[{', '.join(str(at.get(item, item)) for item in items)}]"


def boundary_name(source: Node, axis: str, k: int, j: int) -> str:
    """The name of the boundary value ``j`` of a delay by ``k``: ``h[0]``, ``h[-1]``, ``h[T+1]``."""
    moment = str(-j) if k > 0 else f"{axis.upper()}+{j + 1}"
    return step_name(source.attr, {a: moment if a == axis else a for a in source.axes if a != "b"})


_OUTSIDE = re.compile(r"0|-\d+|[TS]\+[1-9]\d*")


def is_boundary_name(name: str) -> bool:
    """Whether a name is that of a value before the start or after the end: ``h[0]``, ``h[T+1]``."""
    _, bracket, inside = name.partition("[")
    return bool(bracket) and any(_OUTSIDE.fullmatch(item.strip()) for item in inside.rstrip("]").split(","))


# ---- parts ---------------------------------------------------------------------------------------
def references(roots: Iterable[Node]) -> list[str]:
    """The equations that expressions read, at whatever step, each once."""
    return list(dict.fromkeys(n.attr for n in topological(roots) if n.op == "ref"))


def boundaries_read(roots: Iterable[Node]) -> list[tuple[str, Node]]:
    """The names of the values before the start and after the end that expressions read, and these values."""
    return [
        (boundary_name(n.args[0], n.attr[0], n.attr[1], j), bound)
        for n in topological(roots)
        if n.op == "delay"
        for j, bound in enumerate(n.args[1:])
    ]


def reachable(circuit: Circuit, names: Iterable[str]) -> Circuit:
    """Only the equations that ``names`` need, in their order; parameters and inputs stay declared.

    Raises CircuitError for a name that has no equation.
    """
    wanted: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name in wanted:
            continue
        if name not in circuit.eqs:
            raise CircuitError(unknown(f"{circuit.name} has no equation {name}", name, circuit.eqs))
        wanted.add(name)
        stack.extend(references([circuit.eqs[name]]))
        # a symbol's value before the start is a number in its delay, not a reference
        stack.extend(n for n, bound in boundaries_read([circuit.eqs[name]]) if circuit.eqs.get(n) is bound)
    grads = {by: name for by, name in circuit.grads.items() if name in wanted}
    return circuit.with_eqs({n: e for n, e in circuit.eqs.items() if n in wanted}, grads=grads)

"""Forward mode: a circuit with the equations of its tangent.

The tangent of the equation ``h`` is the equation ``τh``; the direction of a parameter ``W`` is the
parameter ``τW``, that of an input ``x`` the input ``τx``. With directions v the equation ``τL`` is ⟨∇L, v⟩;
the tangents of an adjoint's equations are products of the Hessian with v.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import build as b
from . import expr
from .circuit import Circuit, is_boundary_name
from .dependence import dependent, new_mark
from .doors import require_circuit
from .errors import CircuitError, unknown
from .expr import Node, ref, topological
from .ops.table import TABLE


def jvp(circuit: Circuit, wrt: str | Iterable[str] | None = None) -> Circuit:
    """The circuit with its tangent: an equation ``τh`` for each ``h`` that depends on ``wrt``.

    wrt: parameters, inputs, and boundary values without an equation ("h[0]"); None: all parameters that are
    trained. Directions are declared as constants ``τW`` and inputs ``τx``. Where ``τ`` is taken (a second
    application) the mark is ``τ2``; ``result.order`` has it. What does not depend on ``wrt`` has no tangent
    equation.

    Raises CircuitError for a name in ``wrt`` that is none of these.
    """
    require_circuit(circuit, "jvp")
    wanted = [n for n in circuit.param_nodes if n not in circuit.constants] if wrt is None else wrt
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if is_boundary_name(name) and name not in circuit.names():
            from .carry import opened

            circuit = opened(circuit, name)
    return _Forward(circuit, names).result()


class _Forward:
    """One forward sweep. Tangents refer to each other by name, so the order of equations does not matter."""

    def __init__(self, circuit: Circuit, wanted: Sequence[str]) -> None:
        self.circuit = circuit
        self.mark = new_mark("τ", circuit.names())
        self.directions = {name: self._direction(name) for name in wanted}
        self.orders = {name: topological([e]) for name, e in circuit.eqs.items()}
        self.active = dependent(self.orders, wanted)
        self.zeros: dict[str, Node] = {}
        self.names = {e: ref(name, e) for name, e in reversed(circuit.eqs.items()) if e.args}

    def _direction(self, name: str) -> Node:
        """The leaf that holds the direction of a parameter or input."""
        circuit = self.circuit
        leaf = circuit.param_nodes.get(name) or circuit.input_nodes.get(name)
        if leaf is None or name in circuit.constants:
            problem = f"wrt: {circuit.name} has no parameter or input {name} that could have a direction"
            there = [n for n in (*circuit.param_nodes, *circuit.input_nodes) if n not in circuit.constants]
            raise CircuitError(unknown(problem, name, there))
        if leaf.dtype != "f":
            raise CircuitError(f"wrt: {name} is a symbol, by which nothing can be differentiated")
        label = self.mark + name
        return expr.param(label, leaf.shape) if leaf.op == "param" else expr.input_(label, leaf.axes, leaf.shape)

    def result(self) -> Circuit:
        """The circuit with its tangent equations."""
        circuit, found = self.circuit, {}
        for name, e in circuit.eqs.items():
            if name in self.active and e.dtype == "f":
                tangent = self._equation(self.orders[name])
                found[self.mark + name] = b.zeros(e) if tangent is None else tangent
        found |= {label: e for label, e in self.zeros.items() if label not in found}
        roots = expr.substitute(list(found.values()), self.names)
        eqs = {**circuit.eqs, **dict(zip(found, roots, strict=True))}
        params = {n.attr: n for n in self.directions.values() if n.op == "param"}
        return circuit.with_eqs(
            eqs,
            param_nodes={**circuit.param_nodes, **params},
            input_nodes={
                **circuit.input_nodes,
                **{n.attr: n for n in self.directions.values() if n.op == "input"},
            },
            constants=circuit.constants | set(params),
            grads={},
            order=self.mark,
        )

    def _equation(self, order: Sequence[Node]) -> Node | None:
        tangents: dict[Node, Node | None] = {}
        for n in order:
            tangents[n] = self._tangent(n, [tangents[a] for a in n.args])
        return tangents[order[-1]]

    def _tangent(self, n: Node, tangents: Sequence[Node | None]) -> Node | None:
        """The tangent of a node from those of its arguments; None where it is zero."""
        if n.op in ("param", "input"):
            return self.directions.get(n.attr)
        if n.op == "ref":
            return ref(self.mark + n.attr, n) if n.attr in self.active and n.dtype == "f" else None
        if n.dtype != "f" or all(t is None for t in tangents):
            return None
        entry = TABLE[n.op]
        out = self.names.get(n, n)
        if entry.jvp == "linear":
            return self._linear(n, tangents)
        if entry.jvp == "multilinear":
            factors = [(i, t) for i, t in enumerate(tangents) if t is not None]
            return b.add(*[b.rebuild(n, [*n.args[:i], t, *n.args[i + 1 :]]) for i, t in factors])
        if entry.jvp == "pointwise" and entry.vjp is not None:
            parts = [entry.vjp(n, out, t)[i] for i, t in enumerate(tangents) if t is not None]
            there = [p for p in parts if p is not None]
            return b.add(*there) if there else None
        return entry.jvp(n, out, tangents) if callable(entry.jvp) else None

    def _linear(self, n: Node, tangents: Sequence[Node | None]) -> Node:
        """The operation on the tangents."""
        if n.op == "add":
            return b.add(*[t for t in tangents if t is not None])
        args = [b.zeros(a) if t is None else t for a, t in zip(n.args, tangents, strict=True)]
        if n.op == "delay" and tangents[0] is None:
            # only its values outside have a tangent: that of the signal is zero, and needs a name
            label = self.mark + n.args[0].attr
            self.zeros[label] = args[0]
            args[0] = ref(label, args[0])
        return b.rebuild(n, args)

"""Reverse mode: a circuit, or an unfolded graph, with the equations of its adjoint.

The adjoint of the equation ``h`` is the equation ``δh``; in a derivative of a derivative ``δ2h``, and so
on. Parts of an adjoint that need a name are ``δhʹ``, ``δhʹʹ``: what is read at another step, and the
adjoint of a sum that is the argument of the equation's nonlinearity, where it is used more than once, and of
what batch_norm takes of all steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from . import branches, expr, provenance
from . import build as b
from .circuit import Circuit, is_boundary_name, references
from .dependence import dependent, new_mark
from .doors import require_circuit
from .errors import CircuitError, unknown
from .expr import Node, ref, topological
from .ops.table import TABLE
from .simplify import losses_of_logits
from .statistics import batch_statistics, value_name
from .steps import Steps

PRIME = "ʹ"


def grad(circuit: Circuit, loss: str, wrt: str | Iterable[str] | None = None) -> Circuit:
    """The circuit with its adjoint: ``result.grads`` maps what is differentiated by to its equation.

    ::

        adjoint = grad(net, "L")
        print(adjoint)                                 # δh[t] is the total derivative of L by h[t]
        evaluate(adjoint, params, x=x, y=y, returns=adjoint.grads["W"])

    loss  one value a sequence, then averaged over the batch, or one for the batch
    wrt   parameters, inputs, signals, boundary values ("h[0]"); None: all parameters that are trained. The derivative
          by what the loss does not reach is zero

    The result is a circuit as any other and can be differentiated again. A derivative has the shape of what it is by;
    those by signals and inputs are signals.

    Raises CircuitError for a loss with a time or with features, and for a name in ``wrt`` that is none of
    these.
    """
    require_circuit(circuit, "grad")
    circuit, wanted = differentiable(circuit, loss, wrt)
    return _Reverse(circuit, loss, wanted).result()


def differentiable(
    circuit: Circuit, loss: str, wrt: str | Iterable[str] | None = None
) -> tuple[Circuit, list[str]]:
    """What ``grad`` differentiates, and by which names: boundary values without an equation become inputs.

    Raises CircuitError as ``grad`` does.
    """
    wanted = _wanted(circuit, wrt)
    for name in wanted:
        if is_boundary_name(name) and name not in circuit.names():
            from .carry import opened

            circuit = opened(circuit, name)
        if _like(circuit, name).dtype != "f":
            raise CircuitError(f"wrt: {name} is a symbol, by which nothing can be differentiated")
    _check_loss(circuit, loss)
    return circuit, wanted


def _like(circuit: Circuit, name: str) -> Node:
    """The equation, parameter or input of this name."""
    if name in circuit.eqs:
        return circuit.eqs[name]
    unfolding = circuit.unfolding
    if unfolding and name in unfolding.leaves:
        n = circuit.input_nodes[unfolding.leaves[name][0]]
        return expr.input_(name, [a for a in n.axes if a == "b"], n.shape, n.dtype)
    return circuit.param_nodes.get(name) or circuit.input_nodes[name]


def _wanted(circuit: Circuit, wrt: str | Iterable[str] | None) -> list[str]:
    """The names to differentiate by; in an unfolded graph ``x`` stands for ``x[1]``, ``x[2]``, …"""
    if wrt is None:
        return [n for n in circuit.param_nodes if n not in circuit.constants]
    found: dict[str, None] = {}
    known = circuit.names()
    leaves = circuit.unfolding.leaves if circuit.unfolding else {}
    for name in [wrt] if isinstance(wrt, str) else wrt:
        steps = [n for n in (*circuit.eqs, *leaves) if n.startswith(f"{name}[") and not is_boundary_name(n)]
        if name in circuit.constants:
            raise CircuitError(
                f"wrt: {name} is a constant of {circuit.name}; make it a parameter to differentiate by it"
            )
        if circuit.unfolding and steps and (name not in known or name in circuit.input_nodes):
            found |= dict.fromkeys(steps)
        elif name in known or is_boundary_name(name):
            found[name] = None
        else:
            problem = f"wrt: {circuit.name} has no parameter, input, signal or boundary value {name}"
            # in their order: names() is a set
            there = (*circuit.param_nodes, *circuit.input_nodes, *circuit.eqs)
            raise CircuitError(unknown(problem, name, (n for n in there if n not in circuit.constants)))
    return list(found)


def _check_loss(circuit: Circuit, loss: str) -> None:
    root = circuit.eqs.get(loss)
    if root is None:
        raise CircuitError(unknown(f"{circuit.name} has no equation {loss} to differentiate", loss, circuit.eqs))
    if root.shape or set(root.axes) - {"b"} or root.dtype != "f":
        axes = ", ".join("batch" if a == "b" else a for a in root.axes) or "nothing"
        raise CircuitError(
            f"{circuit.name}: {loss} is no loss: it has the shape {root.shape} and varies over {axes}\n"
            f"  expected: one number a sequence (then averaged over the batch), or one for the batch\n"
            f"  mend: sum({loss}) over features, mean({loss}[t], over=t) over steps"
        )


class _Reverse:
    """One reverse sweep, from the last equation to the first, over those that the loss depends on."""

    def __init__(self, circuit: Circuit, loss: str, wanted: Sequence[str]) -> None:
        self.circuit = circuit
        self.loss = loss
        self.wanted = dict.fromkeys(wanted)
        self.eqs = losses_of_logits(circuit.eqs, keep=self.wanted)
        self.orders = {name: topological([e]) for name, e in self.eqs.items()}
        self.active = dependent(self.orders, self.wanted)
        self.mark = new_mark("δ", circuit.names())
        # the names that adjoints of equations will have are taken too: δ2 of δuʹ is not a part of δ2δu
        names = circuit.names()
        self.taken = names | {self.mark + n for n in names}
        # an expression that is an equation's root is referred to by its name
        self.names: dict[Node, Node] = {}
        for name, e in circuit.eqs.items():
            if e.args:
                self.names.setdefault(e, ref(name, e))
        self.terms: dict[str, dict[str, list[Node]]] = {}
        self.parts: dict[str, dict[str, Node]] = {}
        self.current = loss
        self.behalf = circuit.eqs[loss]
        self.notes: dict[str, str] = {}
        self.statistics = self._statistics()
        self.steps = Steps(self.name)

    def _statistics(self) -> dict[str, Node]:
        """Equations for what batch_norm takes of all steps, which the adjoint reads in many places."""
        found: dict[str, Node] = {}
        for running, n in batch_statistics(self.circuit.eqs).items():
            if not n.axes and n not in self.names:
                label = value_name(running)
                while label in self.taken:
                    label += PRIME
                self.taken.add(label)
                found[label], self.names[n] = n, ref(label, n)
                self.notes[label] = "what batch_norm takes of the batch"
        return found

    # ---- the sweep ----
    def result(self) -> Circuit:
        """The circuit with its adjoint equations."""
        position = {name: i for i, name in enumerate(self.eqs)}
        root = self.eqs[self.loss]
        seed = b.div(1.0, expr.count(["b"])) if root.axes else expr.const(1.0)
        self.terms[self.loss] = {"": [b.expand(seed, root.axes)]}
        waiting = [-position[self.loss]] if self.loss in self.active else []
        names, seen = list(self.eqs), {self.loss}
        while waiting:
            name = names[-heapq.heappop(waiting)]
            self._equation(name)
            for target in self.terms:
                if target not in seen:
                    seen.add(target)
                    if target in position:
                        heapq.heappush(waiting, -position[target])
        return self._assembled()

    def _equation(self, name: str) -> None:
        """The contributions of one equation to the adjoints of what it reads."""
        self.current = name
        order, root = self.orders[name], self.eqs[name]
        live = self._live(order)
        guards = branches.dead(order)
        adjoint: dict[Node, list[Node]] = {root: [ref(self.mark + name, root)]}
        for n in reversed(order):
            if n not in live or n not in adjoint:
                continue
            g = b.add(*adjoint.pop(n))
            if n.op in ("ref", "input", "param"):
                self.terms.setdefault(n.attr, {}).setdefault(name, []).append(g)
                continue
            self.behalf = root
            if n is not root and g.op != "ref" and (_is_whole(n) or (_is_preactivation(n, root, live) and g.axes)):
                g = self.name(g)
            self.behalf = n
            for a, da in zip(n.args, self._vjp(n, g, guards.get(n, ()), live), strict=True):
                if da is not None and a in live:
                    if da.type != a.type:
                        raise TypeError(f"the op table's vjp of {n.op} gives {da!r} for the argument {a!r}")
                    adjoint.setdefault(a, []).append(da)

    def _live(self, order: Sequence[Node]) -> set[Node]:
        """The nodes through which a derivative passes on to what is differentiated by."""
        live: set[Node] = set()
        for n in order:
            if n.op in ("ref", "input", "param"):
                if n.dtype == "f" and (n.attr in self.wanted or (n.op == "ref" and n.attr in self.active)):
                    live.add(n)
            elif n.dtype == "f" and TABLE[n.op].jvp is not None and any(a in live for a in n.args):
                live.add(n)
        return live

    def _vjp(self, n: Node, g: Node, guards: Sequence[branches.Guard], live: set[Node]) -> Sequence[Node | None]:
        entry = TABLE[n.op]
        if entry.vjp is None:
            raise TypeError(f"the operation {n.op} has no derivative in the op table")
        more = [self.steps] if entry.kind == "time" else []
        found = list(entry.vjp(n, self.names.get(n, n), g, *more))
        for guard in guards if entry.jvp != "linear" else ():
            # at that step the node may be NaN, and its adjoint is zero: nothing of it may reach a sum over steps
            summed = [da is not None and not branches.axes_of(guard) <= set(da.axes) for da in found]
            if any(a in live and over for a, over in zip(n.args, summed, strict=True)):
                alone = expr.make(n.op, [branches.zero_there(a, guard) for a in n.args], n.attr)
                others = entry.vjp(alone, branches.zero_there(self.names.get(n, n), guard), g, *more)
                found = [x if over else da for x, over, da in zip(others, summed, found, strict=True)]
            found = [da if da is None else branches.zero_there(da, guard) for da in found]
        return found

    # ---- names ----
    def name(self, x: Node) -> Node:
        """A ref to an equation that holds ``x``: one that there is, or a new one."""
        known = self.names.get(x)
        if known is not None:
            return known
        base, bracket, index = self.current.partition("[")
        primes = PRIME
        while (label := f"{self.mark}{base}{primes}{bracket}{index}") in self.taken:
            primes += PRIME
        self.taken.add(label)
        self.parts.setdefault(self.current, {})[label] = x
        self.notes[label] = provenance.of_part(self.current, self.circuit.eqs[self.current], self.behalf)
        self.names[x] = ref(label, x)
        return self.names[x]

    # ---- the result ----
    def _assembled(self) -> Circuit:
        found = dict(self.statistics)
        likes: dict[str, Node] = {}
        for name in reversed(self.eqs):
            if name in self.terms or name in self.wanted:
                likes[name] = self.eqs[name]
                found[self.mark + name] = self._total(name, self.eqs[name])
            found |= self.parts.get(name, {})
        for name in self.wanted:
            if name not in self.eqs:
                likes[name] = _like(self.circuit, name)
                found[self.mark + name] = self._total(name, likes[name])
        self._refer(found)
        for label in reversed(self.statistics):  # a variance reads its mean
            if label not in references(e for name, e in found.items() if name != label):
                del found[label]
        notes = {**self.circuit.notes, **self._notes(likes), **self.notes}
        grads = {name: self.mark + name for name in self.wanted}
        return self.circuit.with_eqs({**self.circuit.eqs, **found}, grads=grads, order=self.mark, notes=notes)

    def _notes(self, likes: Mapping[str, Node]) -> dict[str, str]:
        """What each adjoint is made of, as the comment of its equation."""
        reads = {name: provenance.readers(name, self.eqs[name]) for name in self.active}
        notes: dict[str, str] = {}
        for name, like in likes.items():
            sources = [source for source in reversed(self.eqs) if source in self.terms.get(name, {})]
            readers = [reader for source in sources for reader in reads[source].get(name, ())]
            written = [(self.circuit.eqs[source], self.eqs[source]) for source in sources]
            through = [n for pair in written for n in provenance.passed_through(*pair, name, self.circuit.eqs)]
            notes[self.mark + name] = (
                provenance.of_loss(name, like)
                if name == self.loss and not readers
                else provenance.of_total(name, like, readers, through)
            )
        return notes

    def _total(self, name: str, like: Node) -> Node:
        """The sum of the contributions to an adjoint, in the order of the equations that they come from."""
        terms = self.terms.get(name, {})
        ordered = [g for source in ("", *reversed(self.eqs)) for g in terms.get(source, ())]
        return b.expand(b.add(*ordered), like.axes) if ordered else b.zeros(like)

    def _refer(self, found: dict[str, Node]) -> None:
        """Roots of equations inside the adjoint replaced by their names; not an equation by itself."""
        own = {n.attr: x for x, n in self.names.items()}
        roots = [e.args if own.get(label) is e else (e,) for label, e in found.items()]
        replaced = iter(expr.substitute([x for group in roots for x in group], self.names))
        for (label, e), group in zip(list(found.items()), roots, strict=True):
            fresh = [next(replaced) for _ in group]
            found[label] = expr.rebuild(e, fresh) if group is e.args else fresh[0]


def _is_whole(n: Node) -> bool:
    """Whether ``n`` is a statistic of all steps: many nodes read it, and what they add up deserves a name."""
    return n.op == "statistic" and not n.axes


def _is_preactivation(n: Node, root: Node, live: set[Node]) -> bool:
    """Whether ``n`` is the sum inside an equation's nonlinearity, with an adjoint used several times."""
    nonlinear = TABLE[root.op].jvp not in ("linear", "multilinear") and len(root.args) == 1
    return nonlinear and n is root.args[0] and _uses(n, live) > 1


def _uses(n: Node, live: set[Node]) -> int:
    """How often the adjoint of a sum is used."""
    if n not in live:
        return 0
    return sum(_uses(a, live) for a in n.args) if n.op in ("add", "contract") else 1

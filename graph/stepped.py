"""A circuit cut into what is fixed and what is stepped, for a network that runs on what it chose itself.

While a network runs free, an input is known one step after the other: it is *fed*. What does not depend on it can be
computed once, before the first step: the encoder of an attention network, K @ e[s], A = softmax(A_logits). So

    d[t] = tanh(W @ d[t-1] + Y[y[t-1]] + C @ z[t]),    d[0] = tanh(M @ e[S]),    fed y

is cut into a circuit with ``e``, ``d_0 = tanh(M @ e[S])`` and one in which ``e`` and ``d[0]`` are inputs. The latter
looks at no step but earlier ones, so it can be computed in windows of one step with carried state (``carry``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from . import build as b
from . import expr
from .carry import states
from .circuit import Circuit, boundary_name, reachable
from .dependence import dependent
from .errors import CircuitError, unknown
from .expr import Node, topological

GIVEN = frozenset(("const", "param", "input", "time", "mask"))
"""Leaves that a step reads as they are. Lengths along t and counts are those of whole sequences: they are fixed."""
VIEWS = frozenset(("expand", "repeat", "transpose", "slice", "number"))
"""Operations that cost nothing: not worth an array of their own."""


@dataclass(frozen=True)
class Cut:
    """A circuit in two parts.

    fixed    what does not wait for what is fed
    stepped  the rest: what it reads of ``fixed`` are inputs (without a batch: parameters) of its own
    memory   these inputs, parameters and initial values ("d[0]") of ``stepped`` -> the equation of ``fixed``
    starts   other initial values that are not zero, and those of symbols: "y[0]" -> its number
    lags     what ``stepped`` carries from step to step, with its longest lag
    """

    fixed: Circuit
    stepped: Circuit
    memory: dict[str, str]
    starts: dict[str, float]
    lags: dict[str, int]


def stepped(circuit: Circuit, names: Iterable[str], fed: Collection[str] = ()) -> Cut:
    """``circuit``, as far as ``names`` need it, cut into what is fixed and what depends on the inputs ``fed``.

    What varies over t without depending on an input that is given for all steps (a network that runs by itself, a
    clock) is stepped: the number of its steps is open. Masks are left as they are.

    Raises CircuitError for names that are none, and for equations that no step can compute: that read the future of
    what is stepped, or all of it, or that begin with it.
    """
    wanted = list(names)
    needed = reachable(circuit, wanted)
    for name in fed:
        if name not in circuit.input_nodes:
            raise CircuitError(unknown(f"{circuit.name} has no input {name}", name, circuit.input_nodes))
    return _Cutting(needed, wanted, fed).cut()


def waiting(circuit: Circuit, fed: Collection[str]) -> set[str]:
    """The equations that depend on the inputs ``fed`` at the same step, not only through a delay."""
    users: dict[str, list[str]] = {}
    todo: list[str] = []
    for name, e in circuit.eqs.items():
        for n in _same_step(e):
            if n.op == "ref":
                users.setdefault(n.attr, []).append(name)
            elif n.op == "input" and n.attr in fed:
                todo.append(name)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(users.get(name, ()))
    return found


def _same_step(root: Node) -> list[Node]:
    """The nodes of an expression that are read at the step itself."""
    seen, stack = {root}, [root]
    while stack:
        n = stack.pop()
        for a in () if n.op == "delay" and n.attr[0] == "t" else n.args:
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return [n for n in seen if n.op in ("ref", "input")]


class _Cutting:
    def __init__(self, circuit: Circuit, wanted: list[str], fed: Collection[str]) -> None:
        self.circuit, self.wanted, self.fed = circuit, wanted, frozenset(fed)
        given = {n for n, x in circuit.input_nodes.items() if "t" in x.axes} - self.fed
        orders = {name: topological([e]) for name, e in circuit.eqs.items()}
        self.after_fed = self._nodes(orders, self.fed)
        self.after_given = self._nodes(orders, given)
        self.taken = circuit.names()
        self.fixed: dict[str, Node] = {}
        self.memory: dict[str, str] = {}
        self.starts: dict[str, float] = {}
        self.done: dict[Node, Node] = {}

    def _nodes(self, orders: Mapping[str, list[Node]], inputs: Collection[str]) -> set[Node]:
        """The nodes that depend on inputs, at whatever step."""
        names = dependent(orders, inputs)
        found: set[Node] = set()
        for order in orders.values():
            for n in order:
                leaf = (n.op == "ref" and n.attr in names) or (n.op == "input" and n.attr in inputs)
                if leaf or any(a in found for a in n.args):
                    found.add(n)
        return found

    def cut(self) -> Cut:
        eqs: dict[str, Node] = {}
        todo = list(self.wanted)
        while todo:
            name = todo.pop()
            if name not in eqs:
                eqs[name] = self._rewritten(name)
                todo.extend(n.attr for n in topological([eqs[name]]) if n.op == "ref")
        circuit = self.circuit
        rest = circuit.with_eqs({n: eqs[n] for n in circuit.eqs if n in eqs}, grads={}).check()
        whole = circuit.with_eqs(circuit.eqs | self.fixed, grads={})
        fixed = reachable(whole, dict.fromkeys(self.memory.values()))
        return Cut(fixed, rest, self.memory, self.starts, states(rest))

    # ---- one equation -----------------------------------------------------------------------------
    def _rewritten(self, name: str) -> Node:
        """The equation with inputs in place of what is fixed."""
        root = self.circuit.eqs[name]
        stack = [root]
        while stack:
            n = stack[-1]
            if n in self.done:
                stack.pop()
                continue
            leaf = self._leaf(n, name)
            if leaf is not None:
                self.done[n] = leaf
                continue
            shift = n.op == "delay" and n.attr[0] == "t"
            below = n.args[:1] if shift else n.args
            missing = [a for a in below if a not in self.done]
            if missing:
                stack.extend(reversed(missing))
                continue
            args = [self.done[a] for a in below]
            self.done[n] = self._delay(n, args[0]) if shift else expr.rebuild(n, args)
        return self.done[root]

    def _leaf(self, n: Node, name: str) -> Node | None:
        """What is read in the place of a node that is fixed; None where it is not, or is computed again."""
        if not self._is_fixed(n) or n.dtype == "b" or _is_view(n) or ("b" not in n.axes and n.axes):
            return None
        if (n.axes == () and n.dtype != "f") or {"t", "s"} <= set(n.axes):
            return None
        if n.op == "ref" and n.attr in self.wanted:
            return None
        own = n.op == "ref" and "[" not in n.attr
        found = str(n.attr) if own else self._named(n, name)
        self.memory[found] = found
        return expr.input_(found, n.axes, n.shape, n.dtype) if n.axes else expr.param(found, n.shape)

    def _is_fixed(self, n: Node) -> bool:
        return n not in self.after_fed and ("t" not in n.axes or n in self.after_given)

    def _named(self, n: Node, name: str) -> str:
        """A name for an expression of the equation ``name``, made an equation of what is fixed."""
        base, k = name.partition("[")[0], 1
        while f"{base}_{k}" in self.taken:
            k += 1
        found = f"{base}_{k}"
        self.taken.add(found)
        self.fixed[found] = n
        return found

    def _delay(self, n: Node, source: Node) -> Node:
        """A delay with its initial values as inputs of their names."""
        axis, k = n.attr
        bounds = list(n.args[1:])
        for j, bound in enumerate(bounds):
            start = boundary_name(n.args[0], axis, k, j)
            constant = b.constant_value(bound)
            if constant is not None:
                if constant or bound.dtype == "i":
                    self.starts[start] = constant
                continue
            if not self._is_fixed(bound):
                raise CircuitError(
                    f"{self.circuit.name} cannot be computed step by step: {start} depends on the steps that follow it"
                )
            if start not in self.memory:
                self.memory[start] = self._named(bound, start)
            bounds[j] = expr.input_(start, [a for a in n.axes if a != axis], n.shape, n.dtype)
        return b.delay(source, axis, k, bounds)


def _is_view(n: Node) -> bool:
    """Whether it is given, or given seen in another way."""
    while n.op in VIEWS:
        if n.op in ("expand", "repeat"):
            return True  # what is repeated is cut, not its repetition
        n = n.args[0]
    return n.op in GIVEN or (n.op == "length" and n.attr != "t")

"""Circuits as equations in the language: from nodes to terms, and from terms to text.

``statements_and_shapes`` walks the nodes once; its terms carry the precedence. ``text`` prints them here,
``latex`` in the file of that name. What is printed can be parsed again, and gives the same nodes wherever the
language has a form for them. Adjoints have operations that it lacks: they are written as what they mean,

    place       where(t == T, v, 0)
    unslice     concat(zeros(2), v, zeros(1))
    repeat      v * ones(3), where no other operand has the shape
    reversed running sum    sum(v) - cumsum(v) + v

and ``minus_onehot(p, y)`` as ``p - onehot(y)``, which is the same for every y ≥ 0. The derivative by a value before
the start reads the first steps of a call, whatever their numbers are; they are written as those of a call from step 1
on, ``δh[0] = W.T @ δa[1]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .circuit import is_boundary_name
from .doors import require_circuit
from .errors import CircuitError, unknown
from .expr import Node, substitute, topological
from .forms import FORMS, labelled
from .language import Statement, Term
from .ops.table import TABLE, load_entries
from .recognise import composed
from .terms import call, indexed, name, number, target

if TYPE_CHECKING:
    from .circuit import Circuit

Shape = tuple[int, ...]
TRANSPARENT = {"expand", "reduce", "at", "place", "first", "number"}
"""Operations that are written so that a scalar among their arguments stays a scalar."""
LARGEST = 100_000
"""An equation of more terms (functions of functions can grow without measure) prints as …"""
WIDEST = 72
"""Comments stand below each other, except behind longer equations."""


def text(circuit: Circuit, comments: bool = False, of: str | None = None) -> str:
    """The equations of a circuit (an adjoint, an unfolded graph), one a line.

    Those of a circuit and of its adjoint can be parsed again; those of an unfolded graph, h[1] = …, are to be read.

    comments  with the comments that the equations were given; those of an adjoint say which equations its terms
              come from, see ``graph/provenance.py``
    of        only this equation, with what it reads written out: s[3] = f(f(f(s[0], x[1]), x[2]), x[3]) for the
              third step of an unfolded graph

    Raises CircuitError for an ``of`` that has no equation, or that reads itself.
    """
    require_circuit(circuit, "text")
    if of is not None:
        circuit = circuit.with_eqs({of: written_out(circuit, of)})
    lines: list[tuple[str, str | None]] = []
    for group in joined(*statements_and_shapes(circuit)):
        value = group[0].value
        if len(group) > 1:
            value = call("split", value.args[0], number(len(group)))
        line = f"{', '.join(str(indexed(s.name, s.items)) for s in group)} = {value}"
        lines.append((line, group[0].note if comments else None))
    column = max((len(line) for line, note in lines if note and len(line) <= WIDEST), default=0)
    return "\n".join(f"{line:{column}}    # {note}" if note else line for line, note in lines)


def written_out(circuit: Circuit, name: str) -> Node:
    """The expression of an equation with the names that it reads replaced by theirs, boundary values apart."""
    if name not in circuit.eqs:
        raise CircuitError(unknown(f"{circuit.name} has no equation {name}", name, circuit.eqs))
    done: dict[str, Node] = {}
    open_: set[str] = set()
    stack = [name]
    while stack:
        top = stack[-1]
        refs = {n.attr: n for n in topological([circuit.eqs[top]]) if n.op == "ref" and not is_boundary_name(n.attr)}
        waiting = [r for r in refs if r not in done]
        if any(r in open_ for r in waiting) and top in open_:
            raise CircuitError(f"{name} reads itself through {top}: unfold the circuit and write out one of its steps")
        open_.add(top)
        if waiting:
            stack.extend(waiting)
        else:
            stack.pop()
            open_.discard(top)
            if top not in done:
                done[top] = substitute([circuit.eqs[top]], {n: done[r] for r, n in refs.items()})[0]
    return done[name]


def equations(circuit: Circuit) -> dict[str, str]:
    """Each equation by its name, as ``text`` prints it; one that has its own value at the first step is two lines."""
    return {name: text(circuit.with_eqs({name: e})) for name, e in circuit.eqs.items()}


def statements_and_shapes(circuit: Circuit) -> tuple[list[Statement], dict[Term, Shape]]:
    """The equations of a circuit as terms, in their order, and the feature sizes of these terms."""
    writer = Writer(circuit)
    written: list[Statement] = []
    for label, root in circuit.eqs.items():
        note = circuit.notes.get(label)
        base, items = target(label, root)
        if root.op == "first":
            at_first, rest = root.args
            written.append(Statement(base, items, writer.equation(label, rest), note=note))
            first_items = tuple(number(1) if i.attr == root.attr else i for i in items)
            written.append(Statement(base, first_items, writer.equation(label + "[1]", at_first)))
        else:
            written.append(Statement(base, items, writer.equation(label, root), note=note))
    return written, writer.shape


def joined(equations: list[Statement], shapes: Mapping[Term, Shape]) -> list[list[Statement]]:
    """The equations, those together that are all the equal parts of one vector, in order."""
    groups: list[list[Statement]] = []
    for s in equations:
        k, n, whole = part(s.value, shapes)
        last = groups[-1] if groups else []
        before = part(last[-1].value, shapes) if last else (0, 0, "")
        if k and len(last) == k and before == (k - 1, n, whole):
            last.append(s)
        else:
            groups.append([s])
    return [g for group in groups for g in ([group] if whole_vector(group, shapes) else [[s] for s in group])]


def part(value: Term, shapes: Mapping[Term, Shape]) -> tuple[int, int, str]:
    """Which of how many equal parts of what vector a term is; (0, 1, …) for what is no such part."""
    if value.head == "call" and value.attr[0] == "slice":
        vector, lo, hi = value.args
        size, (n,) = hi.attr - lo.attr, shapes[vector]
        if n % size == 0 and lo.attr % size == 0:
            return lo.attr // size, n // size, str(vector)
    return 0, 1, ""


def whole_vector(group: list[Statement], shapes: Mapping[Term, Shape]) -> bool:
    """Whether equations that follow each other as parts are all of them."""
    return len(group) == part(group[0].value, shapes)[1]


class Writer:
    """Nodes of one circuit as terms. ``shape`` has the feature sizes of each term as it is written."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.shape: dict[Term, Shape] = {}
        self.adjoint = False
        self._done: dict[Node, Term] = {}
        self.label = ""
        self._sizes: dict[Term, int] = {}

    def equation(self, label: str, root: Node) -> Term:
        """The right side of the equation ``label``."""
        # of any order: the marks are δ, δ2, δ3
        self.adjoint = bool(self.circuit.grads) and label.startswith(self.circuit.order.rstrip("0123456789"))
        self.label = label
        self._done.clear()  # a mask is written in another way outside its own equation
        term = self.term(root)
        if self._size(term) > LARGEST:
            return name("…")
        # a boundary value has the shape of the signal
        return term if "[" in label and term.head == "number" else self.solid(term, root)

    def _size(self, term: Term) -> int:
        """How many terms are printed; shared ones are printed again wherever they stand."""
        stack = [term]
        while stack:
            top = stack[-1]
            missing = [a for a in top.args if a not in self._sizes]
            stack += missing
            if not missing:
                self._sizes[top] = 1 + sum(self._sizes[a] for a in top.args)
                stack.pop()
        return self._sizes[term]

    def solid(self, term: Term, node: Node) -> Term:
        """The term with the shape that its node has."""
        if self.shape.get(term, node.shape) == node.shape:
            return term
        sizes = [number(n) for n in node.shape]
        if term.head == "number" and term.attr in (0, 1):
            return call("ones" if term.attr else "zeros", *sizes)
        return Term("mul", (term, call("ones", *sizes)))

    def _term(self, node: Node, args: tuple[Term, ...]) -> Term:
        pointwise = (TABLE.get(node.op) or load_entries(node.op)).kind == "pointwise"
        if pointwise or node.op in TRANSPARENT:
            shapes = [self.shape.get(a, n.shape) for a, n in zip(args, node.args, strict=True)]
            shape = max(shapes, key=len)
        elif node.op == "repeat" and not self.shape.get(args[0], node.args[0].shape):
            return args[0]
        else:
            args = tuple(self.solid(a, n) for a, n in zip(args, node.args, strict=True))
            shape = node.shape
        form = FORMS.get(node.op, labelled)
        found = composed(self, node)
        term = form(self, node, args) if found is None else found
        self.shape.setdefault(term, shape)
        return term

    def term(self, node: Node) -> Term:
        """The term of a node; it may have fewer features than the node, where the others are repetitions."""
        if node not in self._done:
            for part in topological([node]):
                if part not in self._done:
                    self._done[part] = self._term(part, tuple(self._done[a] for a in part.args))
        return self._done[node]

    def solid_term(self, node: Node) -> Term:
        """The term of a node, with its shape."""
        return self.solid(self.term(node), node)

    def bound(self, label: str) -> Node | None:
        """The equation of a boundary value, if the circuit has one."""
        found: Node | None = self.circuit.eqs.get(label)
        return found

"""Equations to a circuit: roles, then sizes, then axes, then nodes.

    find_roles      terms      ->  System     what each name is            (no sizes needed)
    infer_shapes    System     ->  Sizes      the shape of every term
    elaborate       System     ->  Circuit    typed nodes, one expression a name

Cycles go through refs, so each name's type is known before its expression is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import build as b
from . import expr
from .calls import Call
from .compose import scaled_columns, scaled_rows, truth
from .errors import LanguageError, errors_at
from .first_steps import resolved
from .functions import FUNCTIONS
from .indices import Moment
from .language import LASTS, TIMES, Statement, Term, walk
from .shapes import infer_shapes
from .statistics import MEAN, VARIANCE, initial_statistics, running_name
from .symbols import is_symbol, outside
from .system import Definition, System

if TYPE_CHECKING:
    from .circuit import Circuit
    from .expr import Node
    from .shapes import Sizes

InitRules = Mapping[str, Any]


def elaborate(system: System, sizes: Mapping[str, Any], init: InitRules | None = None) -> Circuit:
    """The circuit of a system of equations, with its sizes bound.

    Raises LanguageError for sizes that clash or stay free, for what varies over an index that its name does
    not have, and for operands that do not fit; CircuitError for equations that are no circuit, such as a loop
    without a delay.
    """
    from .circuit import Circuit

    shapes = infer_shapes(system, sizes)
    nodes = Nodes(system, shapes)
    eqs = nodes.equations()
    running = initial_statistics(eqs)
    return Circuit(
        eqs,
        name=system.name,
        param_nodes={n: nodes.leaf(n) for n in system.parameters},
        input_nodes={n: nodes.leaf(n) for n in system.inputs},
        symbols={n: k for n in system.inputs if n in system.symbols and (k := shapes.counts[n].known)},
        positions={n: a for n, a in system.positions.items() if n in system.inputs},
        constants=frozenset((*system.constants, *running)),
        init_rules=running | dict(init or {}),
        notes={n: s.note for n, s in nodes.statements.items() if s.note},
        lines={n: s.where.line for n, s in nodes.statements.items() if s.where.line},
    ).check()


class Nodes:
    """Nodes of terms and names. ``statements`` has the statement of each equation, boundary values too."""

    def __init__(self, system: System, shapes: Sizes) -> None:
        self.system = system
        self.shapes = shapes
        self.memo: dict[Term, Node] = {}
        self.leaves: dict[str, Node] = {}
        self.outer: dict[str, Node] = {}
        self.statements: dict[str, Statement] = {}
        self.equation = ""
        self.masks = self.norms = 0

    # ---- equations ----
    def equations(self) -> dict[str, Node]:
        """The expression of every equation, in the order of the text, boundary values before their signal."""
        system = self.system
        found: dict[str, Node] = {}
        for d in _values_first(system):
            found[d.name] = self._value(d) if not d.axes else self._signal(d)
        for name, bounds in system.boundaries.items():
            for bound in bounds:
                found[bound.label] = self._boundary(name, bound.label, bound.axis, bound.statement)
        order = [b.label for n, bounds in system.boundaries.items() if n in system.inputs for b in bounds]
        for d in system.definitions.values():
            order += [b.label for b in system.boundaries.get(d.name, ())]
            order.append(d.name)
            self.statements[d.name] = d.statement
        for bounds in system.boundaries.values():
            self.statements |= {b.label: b.statement for b in bounds}
        return resolved({n: found[n] for n in order})

    def _signal(self, d: Definition) -> Node:
        node = self._checked(d.name, d.statement, d.axes)
        for axis, statement in d.first.items():
            inner = tuple([a for a in d.axes if a != axis])
            at_first = self._checked(f"{d.name}[1]", statement, inner)
            node = self._fitted(statement, lambda v=at_first, e=node, a=axis: b.first(v, e, a))  # type: ignore[misc]
        return node

    def _value(self, d: Definition) -> Node:
        """A value without a time; it varies over the batch if anything in it does."""
        node = self._checked(d.name, d.statement, ())
        self.leaves[d.name] = expr.ref(d.name, node)
        return node

    def _boundary(self, name: str, label: str, axis: str, statement: Statement) -> Node:
        like = self.leaf(name)
        self._start(label)
        value = self.root(statement, like.dtype == "i")
        axes = [a for a in like.axes if a != axis]
        self._refuse_other_axes(value, axes, label, statement)
        return self._fitted(statement, lambda: b.like(value, axes, like.shape))

    def _checked(self, name: str, statement: Statement, axes: tuple[str, ...]) -> Node:
        """The value of an equation, brought to the type of its name."""
        self._start(name)
        base = statement.name
        symbol = base in self.system.symbols
        value = self.root(statement, symbol)
        target = (
            (*axes, "b") if axes or self.system.axes[base] else tuple([a for a in value.axes if a == "b"])
        )
        self._refuse_other_axes(value, target, name, statement)
        return self._fitted(statement, lambda: b.like(value, target, self.shapes.shape(base)))

    def _start(self, equation: str) -> None:
        self.equation, self.masks, self.norms = equation, 0, 0

    def root(self, statement: Statement, symbol: bool) -> Node:
        """The value of a statement, as symbols or as numbers."""
        value = statement.value
        return self._fitted(statement, lambda: self.symbol(value) if symbol else b.number(self.of(value)))

    def _fitted(self, statement: Statement, make: Callable[[], Node]) -> Node:
        with errors_at(statement.where):
            try:
                return make()
            except TypeError as error:
                raise LanguageError(f"{statement.name}: {error}", got=str(statement)[:120]) from error

    def _refuse_other_axes(
        self, value: Node, axes: tuple[str, ...] | list[str], name: str, s: Statement
    ) -> None:
        extra = [a for a in value.axes if a not in axes and a != "b"]
        if extra:
            base = s.name
            wanted = [a for a in TIMES if a in (*extra, *self.system.axes[base])]
            raise LanguageError(
                f"{name} varies over {' and '.join(extra)}",
                s.where,
                expected=f"a value without {' and '.join(extra)}",
                got=str(s)[:120],
                mend=f"write {base}[{', '.join(wanted)}] = …, or reduce with over={extra[0]}, "
                f"or read the last step with {extra[0].upper()}",
            )

    # ---- names ----
    def leaf(self, name: str) -> Node:
        """The node that a name is where it is read: a ref, an input or a parameter."""
        found = self.leaves.get(name)
        if found is None:
            found = self.leaves[name] = self._leaf(name)
        return found

    def _leaf(self, name: str) -> Node:
        system = self.system
        shape = self.shapes.shape(name)
        dtype = "i" if name in system.symbols else "f"
        if name in system.parameters:
            return expr.param(name, shape)
        axes = (*system.axes[name], "b")
        if name in system.inputs:
            return expr.input_(name, axes, shape, dtype)
        if not system.axes[name]:  # only in a cycle of values without a time, which the circuit refuses
            axes = ()
        return expr.ref(name, expr.input_(name, axes, shape, dtype))

    # ---- terms ----
    def of(self, term: Term) -> Node:
        """The node of a term."""
        found = self.memo.get(term)
        if found is None:
            try:
                found = self._node(term)
            except TypeError as error:
                raise LanguageError(str(error), term.where, got=str(term)[:120]) from error
            self.memo[term] = found
        return found

    def each(self, call: Call) -> list[Node]:
        """The nodes of all arguments."""
        return [self.of(a) for a in call.args]

    def _node(self, term: Term) -> Node:
        head, args = term.head, term.args
        if head == "number":
            return expr.const(term.attr)
        if head == "name":
            return self._named(term.attr)
        if head == "index":
            moments = self.system.moments.get(term)
            return self._table(term) if moments is None else self._read(term, moments)
        if head == "call":
            if term.attr[0] in self.system.opaque:
                return expr.make("opaque", self._together(args), (term.attr[0], self.shapes.term_shape(term)))
            return FUNCTIONS[term.attr[0]].nodes(self, Call(term))
        if head == "pow":
            return self._power(term)
        if head == "matmul":
            return self._product(args[0], args[1])
        if head == "part":
            k, n = term.attr
            whole = self.of(args[0])
            size = whole.shape[0] // n
            return b.slice_(whole, 0, k * size, (k + 1) * size)
        return self._arithmetic(term)

    def _arithmetic(self, term: Term) -> Node:
        xs = [self.of(a) for a in term.args]
        simple: dict[str, Callable[..., Node]] = {
            "add": b.add, "sub": b.sub, "mul": b.mul, "div": b.div, "mod": b.mod, "neg": b.neg,
            "transpose": b.transpose,
        }  # fmt: skip
        if term.head == "compare":
            return b.compare(term.attr, *xs)
        return simple[term.head](*xs)

    def _together(self, args: tuple[Term, ...]) -> list[Node]:
        return [self.symbol(a) if self.is_symbol(a) else b.number(self.of(a)) for a in args]

    def _named(self, name: str) -> Node:
        if name in TIMES:
            return expr.time(name)
        if name in LASTS:
            return expr.length(LASTS[name])
        return self.leaf(name)

    def _power(self, term: Term) -> Node:
        base, exponent = term.args
        if exponent.head == "number":
            return b.power(self.of(base), exponent.attr)
        value = b.constant_value(self.of(exponent))
        if value is None:
            raise LanguageError(
                f"{term}: the exponent has to be a number",
                exponent.where,
                got=str(exponent),
                mend=f"write exp({exponent} * log({base}))",
            )
        return b.power(self.of(base), value)

    # ---- products ----
    def _product(self, left: Term, right: Term) -> Node:
        """left @ right; a diagonal matrix is never made."""
        if _is_diag(left):
            v, other = self.of(left.args[0]), self.of(right)
            return b.mul(v, other) if len(other.shape) == 1 else scaled_rows(v, other)
        if _is_diag(right):
            other, v = self.of(left), self.of(right.args[0])
            return b.mul(other, v) if len(other.shape) == 1 else scaled_columns(other, v)
        if (
            left.head == "matmul"
            and len(self.shapes.term_shape(right)) == 1
            and any(map(_is_diag, left.args))
        ):
            # (diag(v) @ M) @ x = v * (M @ x)
            inner = self._product(left.args[1], right)
            if _is_diag(left.args[0]):
                return b.mul(self.of(left.args[0].args[0]), inner)
            return b.matmul(self.of(left.args[0]), inner)
        return b.matmul(self.of(left), self.of(right))

    # ---- reading at other times ----
    def _read(self, term: Term, moments: tuple[Moment, ...]) -> Node:
        name = term.args[0].attr
        node = self.leaf(name)
        for m in moments:
            node = self._at(name, node, m, moments)
        return node

    def _at(self, name: str, node: Node, m: Moment, moments: tuple[Moment, ...]) -> Node:
        axis, k = str(m.axis), m.offset
        bounds = [self._outside(name, a, end, at, moments) for a, end, at in outside((m,))]
        if m.kind == "step":
            return b.delay(node, axis, -k, bounds) if k else node
        if m.kind == "fixed":
            return self._fixed(name, node, m, moments) if k >= 1 else bounds[0]
        if k > 0:
            return bounds[0]
        # h[T-k] is h[t-k] at t = T: it reads through to the values before the start
        return b.at(b.delay(node, axis, -k, bounds), axis, True, 0)

    def _fixed(self, name: str, node: Node, m: Moment, moments: tuple[Moment, ...]) -> Node:
        """h[k] is h[t+k-1] at t = 1: where a sequence is shorter it reads through to the values after its end."""
        axis, k = str(m.axis), m.offset
        if all(self.system.boundary(name, axis, True, j) is None for j in range(1, k)):
            return b.at(node, axis, False, k)  # zero there
        after = [self._outside(name, axis, True, j, moments) for j in range(1, k)]
        return b.at(b.delay(node, axis, 1 - k, after), axis, False, 1)

    def _outside(self, name: str, axis: str, end: bool, offset: int, moments: tuple[Moment, ...]) -> Node:
        """The value of a name outside its steps: what the text says, else zero."""
        like = self.leaf(name)
        inner = [a for a in like.axes if a != axis]
        bound = self.system.boundary(name, axis, end, offset)
        kind = expr.input_(bound.label if bound else name, inner, like.shape, like.dtype)
        if bound is None:
            return b.zeros(kind)
        if like.dtype == "i" and bound.statement.value.head == "number":
            return b.like(expr.const(bound.statement.value.attr, "i"), inner, ())
        return expr.ref(bound.label, kind)

    # ---- symbols ----
    def is_symbol(self, term: Term) -> bool:
        return is_symbol(self.system, term)

    def symbol(self, term: Term) -> Node:
        """The node of a term that is a symbol."""
        if term.head == "number":
            return expr.const(term.attr, "i")
        if term.head == "call" and term.attr[0] == "where":
            branches = [self.symbol(a) for a in term.args[1:]]
            return b.where(truth(self.of(term.args[0])), *branches)
        return self.of(term)

    def branches(self, call: Call) -> list[Node]:
        """Both values of a where, as symbols if it is one."""
        as_symbol = self.is_symbol(call.term)
        return [self.symbol(a) if as_symbol else self.of(a) for a in call.args[1:]]

    def number_of_values(self, term: Term) -> int:
        """The number of values of a symbol. Raises LanguageError where nothing says it."""
        known = self.shapes.values(term).known
        if known is None:
            raise LanguageError(f"the number of values of {term} is not known", term.where, mend="state it")
        return known

    def _table(self, term: Term) -> Node:
        base, *items = term.args
        table = self.of(base)
        for item, size in zip(items, table.shape, strict=False):
            if item.head == "number" and item.attr >= size:
                raise LanguageError(
                    f"{term}: there is no symbol {item}",
                    item.where,
                    expected=f"0 to {size - 1}",
                    got=str(item),
                )
        kept = [i for i in items if i.head == "all"]
        symbols = [self.symbol(i) for i in items if i.head != "all"]
        if not symbols:
            return table
        if not kept:
            return self._chosen(table, symbols)
        if len(items) == 2 and len(table.shape) == 2:
            return b.take(table if items[1].head == "all" else b.transpose(table), *symbols)
        raise LanguageError(
            f"{term}: rows and columns are taken from a table of two axes",
            term.where,
            expected="B[:, x[t]] or B[x[t]]",
            got=f"a table of shape {table.shape}",
        )

    @staticmethod
    def _chosen(table: Node, symbols: list[Node]) -> Node:
        if len(table.shape) == 1 and table.axes:
            return b.pick(table, symbols[0])
        return b.take(table, *symbols)

    # ---- for the functions ----
    def shape(self, term: Term) -> tuple[int, ...]:
        """The inferred shape of a term."""
        return self.shapes.term_shape(term)

    def mask(self, p: float, axes: list[str] | tuple[str, ...], shape: tuple[int, ...]) -> Node:
        """A random mask of this equation."""
        self.masks += 1
        return expr.mask((self.equation, self.masks), p, axes, shape)


    def running_statistics(self, shape: tuple[int, ...]) -> tuple[Node, Node]:
        """The constants for the mean and the variance that a batch_norm of this equation reads after training."""
        self.norms += 1
        mean, variance = (
            expr.param(running_name(kind, self.equation, self.norms), shape) for kind in (MEAN, VARIANCE)
        )
        return mean, variance


def _is_diag(term: Term) -> bool:
    return term.head == "call" and term.attr[0] == "diag"


def _values_first(system: System) -> list[Definition]:
    """Values without a time, each after those it reads (their axes follow from them), then the signals."""
    values = {n: d for n, d in system.definitions.items() if not d.axes}
    reads = {
        n: [t.attr for t in walk(d.value) if t.head == "name" and t.attr in values and t.attr != n]
        for n, d in values.items()
    }
    order: list[Definition] = []
    state: dict[str, int] = {}
    for start in values:
        stack = [start]
        while stack:
            n = stack[-1]
            if state.get(n, 0) == 0:
                state[n] = 1
                stack += [m for m in reads[n] if state.get(m, 0) == 0]
                continue
            stack.pop()
            if state[n] == 1:
                state[n] = 2
                order.append(values[n])
    return order + [d for d in system.definitions.values() if d.axes]

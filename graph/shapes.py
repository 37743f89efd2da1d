"""Sizes of all names, by unification; where that stops, defaults, one at a time, in the order of the text.

    level 1   products: a bare name is a matrix, an indexed one a vector
    level 2   pointwise: beside a vector a vector, beside a known scalar a scalar
    level 3   a defined name has the smallest shape that its own equation allows
    level 4   what its equation leaves open has the shape of its first use, beside a vector a vector
    level 5   softmax and its like, rows of tables: of a vector
    level 6   what only opaque functions see: a scalar

What remains is an error that names one name for each size that is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .calls import Call
from .errors import LanguageError, did_you_mean, errors_at
from .functions import FUNCTIONS
from .indices import moment
from .language import LASTS, TIMES, Statement, Term
from .rules import ARITHMETIC, Last, Opaque, Pointwise, Product, Table
from .symbols import is_symbol
from .system import System
from .unify import Reason, Shape, Size, Unifier

SizeLike = int | Sequence[int]


def infer_shapes(system: System, sizes: Mapping[str, Any]) -> Sizes:
    """The shapes of all names of a system, given some sizes: an integer, or a tuple for a parameter.

    Raises LanguageError for sizes that clash (naming the equations of both), that belong to no name, and for
    those that stay free (naming one name for each, and how to state it).
    """
    s = Sizes(system)
    s.state(sizes)
    s.equations()
    s.solve()
    return s


class Sizes:
    """Shapes of terms and names while they are being inferred, and after."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.u = Unifier()
        self.statement: Statement | None = None
        self.memo: dict[Term, Shape] = {}
        self.uses: dict[str, list[Shape]] = {}
        self.names: dict[str, Shape] = {}
        self.counts: dict[str, Size] = {}
        self.joins: dict[str, list[Pointwise]] = {}
        nothing = Reason(None, None, "its role")
        for name in (*system.definitions, *system.inputs, *system.parameters):
            defined = name in system.definitions
            # a bare name is a matrix in a product, unless it is an input: those are one value a sequence
            vector = bool(system.axes.get(name)) or name in system.inputs
            shape = Shape("made" if defined else "free", vector, name)
            if name in system.symbols:
                shape.kind = "plain"
                self.u.known(shape, (), nothing)
                self.counts[name] = Size()
            self.names[name] = shape

    # ---- what the caller states ----
    def state(self, sizes: Mapping[str, Any]) -> None:
        """Bind stated sizes. Raises LanguageError for a name that does not occur or a size that is none."""
        for name, value in sizes.items():
            if name not in self.names:
                raise LanguageError(
                    f"{self.system.name} has no name {name}",
                    expected=f"one of {', '.join(self.names)}"[:300],
                    got=f"{self.system.name}({name}={value!r})",
                    mend=did_you_mean(name, self.names),
                )
            why = Reason(None, None, f"{self.system.name}({name}={value!r})")
            one = name in self.system.symbols
            dims = _stated(name, value, why.text, one)
            if one:
                self.u.state(self.counts[name], dims[0], why)
                continue
            shape = self.names[name]
            self.u.known(shape, tuple([Size(n, why) for n in dims]), why)

    # ---- equations ----
    def equations(self) -> None:
        """The relations between shapes that the equations state."""
        system = self.system
        for name, d in system.definitions.items():
            bounds = [b.statement for b in system.boundaries.get(name, ())]
            for s in (*bounds, d.statement, *d.first.values()):
                self._equation(name, s, "equation" if s is d.statement else "boundary")
        for name, known in system.boundaries.items():
            if name in system.inputs:
                for b in known:
                    self._equation(name, b.statement, "boundary")

    def _equation(self, name: str, statement: Statement, role: str) -> None:
        self.statement = statement
        if name in self.system.symbols:
            self._symbol_equation(name, statement)
            return
        with errors_at(statement.where):
            leaves = self.leaves(statement.value)
        rule = Pointwise(leaves, self.names[name], self.why(statement.value), role)
        self.joins.setdefault(name, []).append(rule)
        self.u.add(rule, self.names[name], *leaves)

    def _symbol_equation(self, name: str, statement: Statement) -> None:
        value = statement.value
        if value.head == "number":
            count = self.counts[name].known
            if count is not None and value.attr >= count:
                raise LanguageError(
                    f"{value} is no symbol of {name}",
                    statement.where,
                    expected=f"0 to {count - 1}, or -1 for none",
                )
            return
        self.of(value)
        self.u.equal(self.counts[name], self.values(value), self.why(value))

    # ---- the shape of a term ----
    def why(self, term: Term | None) -> Reason:
        return Reason(term, self.statement)

    def of(self, term: Term) -> Shape:
        """The shape of a term."""
        found = self.memo.get(term)
        if found is None:
            found = self.memo[term] = self._shape(term)
        return found

    def _shape(self, term: Term) -> Shape:
        head = term.head
        if head == "name":
            is_index = term.attr in TIMES or term.attr in LASTS
            return self.fixed((), "plain") if is_index else self._name(term.attr, term)
        if head == "index":
            if term in self.system.moments:
                return self._name(term.args[0].attr, term)
            return self._table(term)
        if head == "number":
            return self.fixed((), "plain")
        if head in ARITHMETIC:
            return self.pointwise(term)
        if head == "matmul":
            return self.product(term.args[0], term.args[1], term)
        if head == "transpose":
            return self.transposed(term.args[0], term)
        if head == "part":
            return self._part(term)
        name = term.attr[0]
        if name in self.system.opaque:
            args = [self.of(a) for a in term.args]
            out = Shape("free", True, str(term))
            self.u.add(Opaque([*args, out], self.why(term)), out)
            return out
        return FUNCTIONS[name].sizes(self, Call(term))

    def _name(self, name: str, term: Term) -> Shape:
        shape = self.names[name]
        if name not in self.system.definitions or shape.dims is not None:
            return shape
        use = Shape("use", bool(self.system.axes[name]), str(term))
        self.uses.setdefault(name, []).append(use)
        self.u.follow(use, shape, self.why(term))
        return use

    def _table(self, term: Term) -> Shape:
        base, *items = term.args
        table = self.of(base)
        out = Shape(table.kind, True, str(term))
        counts = [None if i.head == "all" else self.values(i) for i in items]
        self.u.add(Table(table, counts, out, self.why(term)), table, out)
        return out

    def _part(self, term: Term) -> Shape:
        vector = self.vector(term.args[0], term)
        part = self.fresh(1)
        self.u.sum_of([self.size_of(part, 0)] * term.attr[1], self.size_of(vector, 0), self.why(term))
        return part

    def leaves(self, term: Term) -> list[Shape]:
        """The shapes of the operands of nested pointwise operations."""
        found: list[Shape] = []
        stack = [term]
        seen: set[Term] = set()
        while stack:
            top = stack.pop()
            if top.head in ARITHMETIC or (top.head == "call" and self._is_pointwise(top)):
                if top not in seen:
                    seen.add(top)
                    stack.extend(reversed(top.args))
            else:
                found.append(self.of(top))
        return found

    def _is_pointwise(self, call: Term) -> bool:
        function = FUNCTIONS.get(call.attr[0])
        return function is not None and function.pointwise

    # ---- what the rules of functions are made of ----
    def pointwise(self, term: Term) -> Shape:
        """The join of all operands of a pointwise term: scalars broadcast, all others have one shape."""
        return self._join(self.leaves(term), term)

    def pointwise_of(self, terms: Sequence[Term], term: Term) -> Shape:
        """The join of some terms."""
        return self._join([shape for t in terms for shape in self.leaves(t)], term)

    def _join(self, leaves: list[Shape], term: Term) -> Shape:
        if len(leaves) == 1:
            return leaves[0]
        out = Shape("made", any(x.vector for x in leaves), str(term))
        self.u.add(Pointwise(leaves, out, self.why(term)), out, *leaves)
        return out

    def product(self, a: Term, b: Term, term: Term) -> Shape:
        """a @ b of vectors and matrices."""
        left, right = self.of(a), self.of(b)
        out = Shape("made", True, str(term))
        self.u.add(Product(left, right, out, self.why(term)), left, right, out)
        return out

    def last(self, shape: Shape, keep: bool, term: Term) -> Shape:
        """What works along the last axis, and keeps it or takes it away."""
        out = Shape("free" if shape.kind == "free" else "made", shape.vector, str(term))
        self.u.add(Last(shape, out, keep, self.why(term)), shape, out)
        return out

    def fixed(self, dims: tuple[int, ...], kind: str = "made") -> Shape:
        """A shape of known sizes."""
        shape = Shape(kind)
        why = self.why(None)
        shape.dims, shape.because = tuple([Size(n, why) for n in dims]), why
        return shape

    def fresh(self, rank: int) -> Shape:
        """A shape of unknown sizes."""
        return self.joined([Size() for _ in range(rank)])

    def joined(self, sizes: list[Size]) -> Shape:
        """A shape of these sizes."""
        shape = Shape()
        shape.dims, shape.because = tuple(sizes), self.why(None)
        return shape

    def vector(self, term: Term, whole: Term) -> Shape:
        """The shape of a term that has to be a vector."""
        shape = self.of(term)
        self.u.set_rank(shape, 1, self.why(whole))
        return shape

    def transposed(self, term: Term, whole: Term) -> Shape:
        """The shape of the transpose of a matrix. Raises LanguageError for what is none."""
        shape = self.of(term)
        self.u.set_rank(shape, 2, self.why(whole))
        return self.joined([self.size_of(shape, 1), self.size_of(shape, 0)])

    def equal(self, a: Shape, b: Shape, term: Term) -> None:
        self.u.unify(a, b, self.why(term))

    def same_size(self, a: Size, b: Size, term: Term) -> None:
        self.u.equal(a, b, self.why(term))

    def size_of(self, shape: Shape, axis: int) -> Size:
        """One size of a shape whose number of axes is known."""
        if shape.dims is None:
            raise TypeError("a size is asked for before its shape is known")
        return shape.dims[axis]

    def concatenated(self, parts: list[Size], term: Term) -> Shape:
        """The vector whose size is the sum of the parts'."""
        out = self.fresh(1)
        self.u.sum_of(parts, self.size_of(out, 0), self.why(term))
        return out

    def is_symbol(self, term: Term) -> bool:
        return is_symbol(self.system, term)

    def values(self, term: Term) -> Size:
        """The number of values of a symbol."""
        if term.head == "name" or (term.head == "index" and term in self.system.moments):
            name = term.attr if term.head == "name" else term.args[0].attr
            return self.counts[name]
        if term.head == "call" and term.attr[0] == "where":
            self.leaves(term.args[0])
            both = [self.values(a) for a in term.args[1:]]
            self.u.equal(both[0], both[1], self.why(term))
            return both[0]
        if term.head == "call" and term.attr[0] == "argmax":
            shape = self.vector(term.args[0], term)
            return self.size_of(shape, 0)
        if term.head == "number" or moment(term) is not None:
            return Size()
        raise LanguageError(f"{term} is no symbol", term.where, expected="x[t], an integer, argmax(…)")

    # ---- solving ----
    def solve(self) -> None:
        """Draw what follows, then assume defaults one at a time."""
        levels: list[Callable[[], bool]] = [
            lambda: self._default(1),
            lambda: self._default(2),
            self._smallest,
            self._first_use,
            lambda: self._default(4),
            lambda: self._default(5),
            lambda: self._default(6),
        ]
        self.u.settle()
        while self._unknown() and any(level() for level in levels):
            self.u.settle()
        self._refuse_free()

    def _unknown(self) -> bool:
        return bool(self.u.pending()) or any(shape.dims is None for shape in self.names.values())

    def _default(self, level: int) -> bool:
        return any(rule.default(self.u, level) for rule in self.u.pending())

    def _smallest(self) -> bool:
        """Scalars: the defined names whose equations need nothing else but each other."""
        names = self.names
        open_names = {n: None for n in self.system.definitions if names[n].dims is None}
        uses = {use: n for n, shapes in self.uses.items() for use in shapes}
        while True:
            inside = [
                n
                for n in open_names
                if all(
                    leaf.rank == 0 if leaf.dims is not None else uses.get(leaf) in open_names
                    for rule in self.joins.get(n, ())
                    for leaf in rule.leaves
                )
            ]
            if len(inside) == len(open_names):
                break
            open_names = dict.fromkeys(inside)
        for n in open_names:
            if names[n].dims is None:
                own = self.system.definitions[n].statement
                self.u.set_rank(names[n], 0, Reason(own.value, own))
        return bool(open_names)

    def _first_use(self) -> bool:
        for name, shapes in self.uses.items():
            shape = self.names[name]
            if shape.dims is None:
                for use in shapes:
                    if use.dims is not None and use.because is not None:
                        self.u.set_rank(shape, len(use.dims), use.because)
                        return True
        return False

    def _refuse_free(self) -> None:
        from .free import free_sizes

        error = free_sizes(self)
        if error is not None:
            raise error

    def shape(self, name: str) -> tuple[int, ...]:
        """The inferred shape of a name."""
        return tuple([d.known or 0 for d in self.names[name].dims or ()])

    def term_shape(self, term: Term) -> tuple[int, ...]:
        """The inferred shape of a term."""
        return tuple([d.known or 0 for d in self.of(term).dims or ()])


def _stated(name: str, value: object, call: str, one: bool) -> tuple[int, ...]:
    """A stated size as a tuple of integers. Raises LanguageError for anything else."""
    items: tuple[object, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    found = []
    for item in items:
        ok = hasattr(item, "__index__") and not isinstance(item, bool)
        n = int(item.__index__()) if ok else 0  # type: ignore[attr-defined]
        if not ok or n < 1:
            raise LanguageError(
                f"{value!r} is no size of {name}",
                expected="an integer of at least 1; () for a scalar, (3, 4) for a matrix",
                got=call,
            )
        found.append(n)
    if one and len(found) != 1:
        raise LanguageError(
            f"{name} is a symbol: its size is the number of its values", expected=f"{name}=50", got=call
        )
    return tuple(found)

"""The language, one level below its text: terms, and equations between them.

    from bptt.graph import Equations, cross_entropy, mean, t, tanh

    eq = Equations()
    h, x, o, y, W, U, V, b = eq.names("h x o y W U V b")
    h[t] = tanh(W @ h[t-1] + U @ x[t] + b)
    o[t] = V @ h[t]
    eq["L"] = mean(cross_entropy(o[t], y[t]), over=t)

A term only says what was written; roles, sizes and nodes are found by ``graph/elaborate.py``. The text form
(``bptt.rnn.define("…")``) builds the same terms. A term is (head, args, attr):

    number            attr: the number                text       attr: the string (in einsum)
    name              attr: the name                  all        the ``:`` of ``B[:, x[t]]``
    index base items  base[items]                     tuple      items
    call args         attr: (function, names of those last arguments that were given by keyword)
    part e            attr: (k, n), the k-th of the n equal parts of the vector e
    transpose neg add sub mul div mod pow matmul; compare: attr is the relation
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import NOWHERE, LanguageError, Position

DEEPEST = 120
"""How deep an expression may be nested; ordinary networks stay below twenty."""

LONGEST_WRITTEN = 100_000
"""Parts of a term that are written out."""

TIMES = ("t", "s")
LASTS = {"T": "t", "S": "s"}
RESERVED = frozenset({"t", "s", "T", "S", "batch"})
RUN_TIME = frozenset({"lengths", "initial", "start", "seed", "returns", "training"})

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "matmul": "@", "pow": "**"}
_STRENGTH = {"compare": 1, "add": 2, "sub": 2, "mul": 3, "div": 3, "mod": 3, "matmul": 3, "neg": 4, "pow": 5}


@dataclass(frozen=True, eq=False, slots=True)
class Term:
    """A piece of an equation as it was written: a name, a number, a call, an operator and its operands.

    Terms are made by ``Equations.names``, by brackets, ``h[t-1]``, by Python's operators and by the functions of
    ``bptt.graph``. ``==`` builds a comparison; identity is ``is``. ``str`` writes a term as the text form has it.
    """

    head: str
    args: tuple[Term, ...] = ()
    attr: Any = None
    where: Position = NOWHERE
    owner: Equations | None = field(default=None, repr=False)

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return written(self)

    def __bool__(self) -> bool:
        raise LanguageError(
            f"{self} has no truth value in Python",
            self.where,
            mend="write where(condition, a, b); multiply conditions, (t > 1) * (t < 9), to mean both",
        )

    def __iter__(self) -> Iterator[Term]:
        if self.head == "call" and self.attr[0] == "split" and len(self.args) == 2:
            n = self.args[1].attr
            if self.args[1].head == "number" and isinstance(n, int) and n >= 1:
                return iter([Term("part", (self.args[0],), (k, n), self.where) for k in range(n)])
        raise LanguageError(
            f"{self} has no parts", self.where, mend="cut a vector: i[t], f[t] = split(e[t], 2)"
        )

    def __getitem__(self, index: object) -> Term:
        return Term("index", (self, *_items(index)))

    def __setitem__(self, index: object, value: object) -> None:
        if self.head != "name" or self.owner is None:
            raise LanguageError(
                f"{self} cannot be defined",
                mend="make names with h, x = equations.names('h x') and set h[t] = …",
            )
        self.owner._define(self.attr, _items(index), as_term(value))

    @property
    def T(self) -> Term:  # noqa: N802
        """The transpose of a matrix."""
        return Term("transpose", (self,))

    def __add__(self, other: object) -> Term:
        return Term("add", (self, as_term(other)))

    def __radd__(self, other: object) -> Term:
        return Term("add", (as_term(other), self))

    def __sub__(self, other: object) -> Term:
        return Term("sub", (self, as_term(other)))

    def __rsub__(self, other: object) -> Term:
        return Term("sub", (as_term(other), self))

    def __mul__(self, other: object) -> Term:
        return Term("mul", (self, as_term(other)))

    def __rmul__(self, other: object) -> Term:
        return Term("mul", (as_term(other), self))

    def __truediv__(self, other: object) -> Term:
        return Term("div", (self, as_term(other)))

    def __rtruediv__(self, other: object) -> Term:
        return Term("div", (as_term(other), self))

    def __mod__(self, other: object) -> Term:
        return Term("mod", (self, as_term(other)))

    def __rmod__(self, other: object) -> Term:
        return Term("mod", (as_term(other), self))

    def __pow__(self, other: object) -> Term:
        return Term("pow", (self, as_term(other)))

    def __rpow__(self, other: object) -> Term:
        return Term("pow", (as_term(other), self))

    def __matmul__(self, other: object) -> Term:
        return Term("matmul", (self, as_term(other)))

    def __neg__(self) -> Term:
        return Term("neg", (self,))

    def __pos__(self) -> Term:
        return self

    def __eq__(self, other: object) -> Term:  # type: ignore[override]
        return Term("compare", (self, as_term(other)), "==")

    def __ne__(self, other: object) -> Term:  # type: ignore[override]
        return Term("compare", (self, as_term(other)), "!=")

    def __lt__(self, other: object) -> Term:
        return Term("compare", (self, as_term(other)), "<")

    def __le__(self, other: object) -> Term:
        return Term("compare", (self, as_term(other)), "<=")

    def __gt__(self, other: object) -> Term:
        return Term("compare", (self, as_term(other)), ">")

    def __ge__(self, other: object) -> Term:
        return Term("compare", (self, as_term(other)), ">=")


def shortened(text: str, longest: int = 60) -> str:
    """The beginning of a text that is too long for a message."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def as_term(value: object) -> Term:
    """A Python value as a term. Raises LanguageError for what is no number, name or expression."""
    if isinstance(value, Term):
        return value
    number = hasattr(value, "__float__") and not isinstance(value, bool)
    if not number or len(getattr(value, "shape", "")):
        raise LanguageError(
            f"{type(value).__name__} {shortened(repr(value))} cannot stand in an equation",
            expected="a number or an expression of names",
            got=type(value).__name__,
            mend="give an array a name, declare it with constants=(…) and pass it with the parameters",
        )
    if hasattr(value, "__index__"):
        return Term("number", (), int(value))
    return Term("number", (), float(value))  # type: ignore[arg-type]


def _items(index: object) -> tuple[Term, ...]:
    items = index if isinstance(index, tuple) else (index,)
    return tuple(Term("all") if isinstance(i, slice) and i == slice(None) else as_term(i) for i in items)


@dataclass(frozen=True, slots=True)
class Statement:
    """``name[items] = value``, with the comment that explains it."""

    name: str
    items: tuple[Term, ...]
    value: Term
    where: Position = NOWHERE
    note: str | None = None

    def __str__(self) -> str:
        target = f"{self.name}[{', '.join(map(written, self.items))}]" if self.items else self.name
        return f"{target} = {written(self.value)}"


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """``name(parameters) = value``."""

    name: str
    parameters: tuple[str, ...]
    value: Term
    where: Position = NOWHERE


class Equations:
    """Equations in the order in which they were written, and the functions defined among them: the Python form.

    ::

        eq = Equations()
        h, x, y, W, U = eq.names("h x y W U")
        h[t] = tanh(W @ h[t-1] + U @ x[t])
        h[0] = 0.5
        eq["L"] = mean(mse(h[t], y[t]), over=t)        # a value without an index
        net = rnn.define(eq)(x=3, h=4)

    ``str`` writes them as text, which ``rnn.define`` takes as well. Raises LanguageError for what cannot be defined.
    """

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.functions: dict[str, FunctionDefinition] = {}

    def name(self, name: str) -> Term:
        """A name: a signal, an input, a parameter; its uses say which. Raises LanguageError for no identifier."""
        if not name.isidentifier():
            raise LanguageError(f"{name!r} is no name", expected="letters, digits and _, not first a digit")
        return Term("name", (), name, NOWHERE, self)

    def names(self, names: str) -> tuple[Term, ...]:
        """Several names, separated by spaces."""
        return tuple(self.name(n) for n in names.split())

    def __setitem__(self, target: object, value: object) -> None:
        """``equations["L"] = …`` defines a value without an index; a term as target is taken as written."""
        if isinstance(target, str):
            target = self.name(target)
        if isinstance(target, Term) and target.head == "name":
            self._define(target.attr, (), as_term(value))
        elif isinstance(target, Term) and target.head == "index" and target.args[0].head == "name":
            self._define(target.args[0].attr, target.args[1:], as_term(value))
        else:
            raise LanguageError(f"{target} cannot be defined", expected="a name, or a name with an index")

    def _define(self, name: str, items: tuple[Term, ...], value: Term) -> None:
        frame = sys._getframe(2)
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).rstrip("\n")
        self.add(Statement(name, items, value, Position(frame.f_lineno, 0, source or None)))

    def add(self, statement: Statement | FunctionDefinition) -> None:
        """Take a statement in, as it is. Raises LanguageError for a function that is defined twice."""
        if isinstance(statement, Statement):
            self.statements.append(statement)
            return
        if statement.name in self.functions:
            raise LanguageError(
                f"the function {statement.name} is defined twice",
                statement.where,
                expected="one definition a function",
                got=f"another one in line {self.functions[statement.name].where.line}",
                mend="give one of them another name",
            )
        self.functions[statement.name] = statement

    def __str__(self) -> str:
        functions = [
            f"{f.name}({', '.join(f.parameters)}) = {written(f.value)}" for f in self.functions.values()
        ]
        return "\n".join([*functions, *(line for line, _ in self.lines())])

    def lines(self) -> Iterator[tuple[str, str | None]]:
        """The text of each equation and its comment; the parts of a vector that is cut stand in one line."""
        left = list(self.statements)
        while left:
            n = _parts_of_one(left)
            targets = ", ".join(str(s).partition(" = ")[0] for s in left[:n])
            value = left[0].value
            right = f"split({written(value.args[0])}, {n})" if n > 1 else written(value)
            yield f"{targets} = {right}", left[0].note
            del left[:n]


def _parts_of_one(statements: list[Statement]) -> int:
    """How many of the first statements are all the parts of one vector, in order; 1 where they are not."""
    first = statements[0].value
    if first.head != "part" or len(statements) < first.attr[1]:
        return 1
    n = first.attr[1]
    cut = [s.value for s in statements[:n]]
    parts = all(v.head == "part" and v.attr == (k, n) for k, v in enumerate(cut))
    return n if parts and len({str(v.args[0]) for v in cut}) == 1 else 1


def depth(term: Term) -> int:
    """How deep a term is nested; shared parts are looked at once."""
    levels: dict[Term, int] = {}
    stack = [term]
    while stack:
        top = stack[-1]
        missing = [a for a in top.args if a not in levels]
        if missing:
            stack += missing
            continue
        levels[top] = 1 + max((levels[a] for a in top.args), default=0)
        stack.pop()
    return levels[term]


def walk(term: Term) -> Iterator[Term]:
    """Every part of a term once, in the order of the text."""
    seen: set[Term] = set()
    stack = [term]
    while stack:
        top = stack.pop()
        if top in seen:
            continue
        seen.add(top)
        yield top
        stack.extend(reversed(top.args))


# ---- how a term is written -----------------------------------------------------------------------
def written(term: Term, strength: int = 0) -> str:
    """The term as text that can be parsed again; what is far too deep or too long ends in …"""
    return _Written().term(term, strength, DEEPEST)


def in_brackets(item: Term) -> str:
    """How a term is written as an index: ``t-1`` without spaces."""
    return _Written().item(item, DEEPEST)


class _Written:
    """Writes a term, of LONGEST_WRITTEN parts at most: shared parts can make a small term a huge text."""

    def __init__(self) -> None:
        self.parts = LONGEST_WRITTEN

    def term(self, term: Term, strength: int, left: int) -> str:
        self.parts -= 1
        if left <= 0 or self.parts <= 0:
            return "…"
        below = left - 1
        head, args = term.head, term.args
        if head in _STRENGTH:
            return self._operation(term, strength, below)
        if head in ("number", "text"):
            text = repr(term.attr)
            return f"({text})" if text.startswith("-") and strength > 4 else text
        if head == "name":
            return str(term.attr)
        if head == "all":
            return ":"
        if head == "transpose":
            return self.term(args[0], 9, below) + ".T"
        if head == "index":
            return f"{self.term(args[0], 9, below)}[{self._items(args[1:], below)}]"
        if head == "tuple":
            return f"({self._items(args, below)}{',' if len(args) == 1 else ''})"
        if head == "part":
            return f"split({self.term(args[0], 0, below)}, {term.attr[1]})[{term.attr[0]}]"
        function, keywords = term.attr
        plain = len(args) - len(keywords)
        parts = [self.term(a, 0, below) for a in args[:plain]]
        parts += [f"{k}={self.term(a, 0, below)}" for k, a in zip(keywords, args[plain:], strict=True)]
        return f"{function}({', '.join(parts)})"

    def _operation(self, term: Term, strength: int, below: int) -> str:
        head, args, own = term.head, term.args, _STRENGTH[term.head]
        if head == "neg":
            text = "-" + self.term(args[0], own, below)
        else:
            sign = term.attr if head == "compare" else _SYMBOLS[head]
            left, right = (own + 1, own) if head == "pow" else (own, own + 1)
            gap = "" if head == "pow" else " "
            text = f"{self.term(args[0], left, below)}{gap}{sign}{gap}{self.term(args[1], right, below)}"
        return f"({text})" if own < strength else text

    def _items(self, terms: Iterable[Term], left: int) -> str:
        return ", ".join(self.item(a, left) for a in terms)

    def item(self, item: Term, left: int) -> str:
        if item.head in ("add", "sub", "mul") and not any(a.args for a in item.args):
            return _SYMBOLS[item.head].join(str(a.attr) for a in item.args)
        return self.term(item, 0, left)

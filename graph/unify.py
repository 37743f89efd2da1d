"""Unification: shapes are unknown or lists of sizes, sizes are unknown or integers.

Every link between two sizes remembers why it was made, so that a clash can name the equations on both sides.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from .errors import NOWHERE, LanguageError, Position
from .language import Statement, Term


class Reason:
    """Why a size or a shape is what it is: a term of an equation, or what the caller stated."""

    __slots__ = ("statement", "term", "text")

    def __init__(self, term: Term | None, statement: Statement | None, text: str = "") -> None:
        self.term, self.statement, self.text = term, statement, text

    @property
    def where(self) -> Position:
        if self.term is not None and self.term.where.line:
            return self.term.where
        return self.statement.where if self.statement is not None else NOWHERE

    def __str__(self) -> str:
        if self.statement is None:
            return self.text
        line = self.statement.where.line
        return f"line {line}: {str(self.statement)[:90]}" if line else str(self.statement)[:90]


class Size:
    """One size; ``parent`` points to the size it is equal to, ``links`` say why."""

    __slots__ = ("links", "parent", "said", "value")

    def __init__(self, value: int | None = None, said: Reason | None = None) -> None:
        self.parent: Size | None = None
        self.value = value
        self.said = said
        self.links: list[tuple[Size, Reason]] = []

    def root(self) -> Size:
        top = self
        while top.parent is not None:
            top = top.parent
        while self.parent is not None:
            self.parent, self = top, self.parent
        return top

    @property
    def known(self) -> int | None:
        return self.root().value


class Shape:
    """The sizes of a term, or None while not even their number is known.

    kind      "free" (a parameter, an input, a row of a table), "use" (of a defined name), "plain" (a number,
              t, a symbol: it says nothing about its neighbours) or "made" (anything else)
    vector    whether products take it for a vector when nothing else is known
    text      how it is written
    """

    __slots__ = ("because", "dims", "kind", "links", "text", "vector", "waiting")

    def __init__(self, kind: str = "made", vector: bool = False, text: str = "") -> None:
        self.dims: tuple[Size, ...] | None = None
        self.kind = kind
        self.vector = vector
        self.text = text
        self.because: Reason | None = None
        self.links: list[tuple[Shape, Reason, bool]] = []
        self.waiting: list[Rule] = []

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)


class Rule:
    """A relation of shapes that is tried again whenever one of them becomes known."""

    __slots__ = ("done", "queued")

    def __init__(self) -> None:
        self.done = False
        self.queued = False

    def run(self, u: Unifier) -> bool:
        """Draw what follows for certain; whether nothing is left to draw."""
        raise NotImplementedError

    def default(self, u: Unifier, level: int) -> bool:
        """Assume what is usual at this level; whether anything was assumed."""
        return False


_RANKS = {0: "a scalar", 1: "a vector", 2: "a matrix"}


def called(rank: int | None) -> str:
    """a scalar, a vector, a matrix, …"""
    return "of unknown shape" if rank is None else _RANKS.get(rank, f"an array of {rank} axes")


class Unifier:
    """Shapes, sizes, and the rules that still wait."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.queue: deque[Rule] = deque()
        self.linear: list[tuple[dict[Size, int], Reason]] = []

    # ---- rules ----
    def add(self, rule: Rule, *shapes: Shape) -> None:
        """Take a rule in that waits for the shapes."""
        self.rules.append(rule)
        for s in shapes:
            if s.dims is None:
                s.waiting.append(rule)
        self._enqueue(rule)

    def _enqueue(self, rule: Rule) -> None:
        if not rule.queued and not rule.done:
            rule.queued = True
            self.queue.append(rule)

    def settle(self) -> None:
        """Draw everything that follows for certain."""
        while True:
            while self.queue:
                rule = self.queue.popleft()
                rule.queued = False
                rule.done = rule.done or rule.run(self)
            if not self._solve_linear():
                return

    def pending(self) -> list[Rule]:
        self.rules = [r for r in self.rules if not r.done]
        return self.rules

    # ---- shapes ----
    def known(self, shape: Shape, dims: tuple[Size, ...], why: Reason) -> None:
        """Give an unknown shape its sizes, and pass their number on to what is linked."""
        shape.dims, shape.because = dims, why
        stack = [shape]
        while stack:
            top = stack.pop()
            for rule in top.waiting:
                self._enqueue(rule)
            top.waiting = []
            for other, reason, forward in top.links:
                if other.dims is not None:
                    self.same(top, other, reason)
                elif forward and top.dims is not None:  # it was just given
                    other.dims, other.because = self.copies(top.dims, reason), reason
                    stack.append(other)

    def copies(self, dims: tuple[Size, ...], why: Reason) -> tuple[Size, ...]:
        """New sizes, each equal to one of ``dims`` for the reason ``why``."""
        return tuple([self._copy(d, why) for d in dims])

    def _copy(self, size: Size, why: Reason) -> Size:
        new = Size()
        self.equal(new, size, why)
        return new

    def same(self, a: Shape, b: Shape, why: Reason) -> None:
        """Two known shapes are equal. Raises LanguageError when the numbers of their axes differ."""
        if a.dims is None or b.dims is None:
            raise TypeError("shapes are compared before they are known")
        if len(a.dims) != len(b.dims):
            raise self._ranks_clash(a, b, why)
        for x, y in zip(a.dims, b.dims, strict=True):
            self.equal(x, y, why)

    def unify(self, a: Shape, b: Shape, why: Reason) -> None:
        """Two shapes are equal, now or as soon as one is known."""
        if a is b:
            return
        if a.dims is not None and b.dims is not None:
            self.same(a, b, why)
            return
        a.links.append((b, why, True))
        b.links.append((a, why, True))
        if a.dims is not None:
            self.known(b, self.copies(a.dims, why), why)
        elif b.dims is not None:
            self.known(a, self.copies(b.dims, why), why)

    def follow(self, use: Shape, definition: Shape, why: Reason) -> None:
        """A use of a name has the shape of its definition; what the use needs never widens the definition."""
        definition.links.append((use, why, True))
        use.links.append((definition, why, False))
        if definition.dims is not None:
            self.known(use, self.copies(definition.dims, why), why)

    def set_rank(self, shape: Shape, rank: int, why: Reason) -> None:
        """The number of axes of a shape. Raises LanguageError when it is known to be another."""
        if shape.dims is None:
            self.known(shape, tuple([Size() for _ in range(rank)]), why)
        elif len(shape.dims) != rank:
            other = Shape()
            other.dims, other.because = tuple([Size() for _ in range(rank)]), why
            raise self._ranks_clash(shape, other, why)

    def _ranks_clash(self, a: Shape, b: Shape, why: Reason) -> LanguageError:
        if b.text and not a.text:
            a, b = b, a
        name = a.text or "one side"
        first = f"{called(a.rank)}, by {a.because}" if a.because else called(a.rank)
        second = f"{called(b.rank)}, by {b.because or why}"
        return LanguageError(
            f"the shapes clash: {name} is {called(a.rank)} where {called(b.rank)} is needed"
            + (f", in {why.term}" if why.term is not None else ""),
            why.where,
            expected=second,
            got=first,
            mend="only scalars broadcast; state the shape where it is inferred wrongly: a=(), v=4, M=(3, 4)",
        )

    # ---- sizes ----
    def equal(self, a: Size, b: Size, why: Reason) -> None:
        """Two sizes are equal. Raises LanguageError, naming the equations of both, when they are not."""
        x, y = a.root(), b.root()
        if x is y:
            return
        if x.value is not None and y.value is not None and x.value != y.value:
            raise self._clash(a, b, why)
        a.links.append((b, why))
        b.links.append((a, why))
        if x.value is None:
            x.parent = y
        else:
            y.parent = x

    def state(self, size: Size, value: int, why: Reason) -> None:
        """A size is a number, for a reason."""
        self.equal(size, Size(value, why), why)

    def _clash(self, a: Size, b: Size, why: Reason) -> LanguageError:
        one, other = _origin(a, why), _origin(b, why)
        return LanguageError(
            f"the sizes {a.known} and {b.known} clash" + (f" in {why.term}" if why.term is not None else ""),
            why.where,
            expected=f"{b.known}, by {other}",
            got=f"{a.known}, by {one}",
            mend="make the two sizes equal, or put a matrix between them: W @ h[t]",
        )

    # ---- sums of sizes ----
    def sum_of(self, parts: list[Size], whole: Size, why: Reason) -> None:
        """The sizes of the parts add up to the whole."""
        terms: dict[Size, int] = {}
        for part in parts:
            terms[part] = terms.get(part, 0) + 1
        terms[whole] = terms.get(whole, 0) - 1
        self.linear.append((terms, why))

    def _solve_linear(self) -> bool:
        """Whether the linear equations gave a size; they are solved together where one alone does not do."""
        if not self.linear:
            return False
        rows = []
        for terms, why in self.linear:
            row: dict[Size, Fraction] = {}
            constant = Fraction(0)
            for size, k in terms.items():
                root = size.root()
                if root.value is None:
                    row[root] = row.get(root, Fraction(0)) + k
                else:
                    constant += k * root.value
            rows.append(({s: k for s, k in row.items() if k}, constant, why))
        found, zero = False, Fraction(0)
        for i, (row, constant, why) in enumerate(rows):
            if not row:
                if constant:
                    raise _does_not_add_up(why)
                continue
            pivot = next(iter(row))
            for j, (other, c, because) in enumerate(rows):
                if j != i and pivot in other:
                    times = other[pivot] / row[pivot]
                    mixed = {s: other.get(s, zero) - times * row.get(s, zero) for s in {**other, **row}}
                    rows[j] = ({s: v for s, v in mixed.items() if v}, c - times * constant, because)
        for row, constant, why in rows:
            if not row and constant:
                raise _does_not_add_up(why)
            if len(row) == 1:
                ((size, factor),) = row.items()
                value = -constant / factor
                if value.denominator != 1 or value < 1:
                    raise _does_not_add_up(why)
                self.state(size, int(value), why)
                found = True
        return found


def _does_not_add_up(why: Reason) -> LanguageError:
    if why.term is not None and why.term.head == "part":
        whole, n = why.term.args[0], why.term.attr[1]
        return LanguageError(
            f"{whole} cannot be cut into {n} equal parts",
            why.where,
            expected=f"a size that {n} divides",
            got=str(why),
        )
    return LanguageError(
        f"the parts do not add up in {why.term}",
        why.where,
        expected="sizes of the parts, at least 1 each, whose sum is the size of the whole",
        got=str(why),
    )


def _origin(size: Size, skip: Reason) -> str:
    """Where the value of a size comes from, with the equations that carried it here."""
    seen = {size}
    paths: deque[tuple[Size, tuple[Reason, ...]]] = deque([(size, ())])
    while paths:
        here, path = paths.popleft()
        if here.said is not None:
            steps = [
                r
                for r in (here.said, *reversed(path))
                if r.statement is not skip.statement or r.statement is None
            ]
            texts = list(dict.fromkeys(map(str, steps)))
            return "; ".join(texts[:3]) or str(here.said)
        for other, why in here.links:
            if other not in seen:
                seen.add(other)
                paths.append((other, (*path, why)))
    return str(skip)

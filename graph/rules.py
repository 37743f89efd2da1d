"""How the shapes of a term's parts and its own belong together: one rule for each kind of term."""

from __future__ import annotations

from .errors import LanguageError
from .unify import Reason, Rule, Shape, Size, Unifier, called

ARITHMETIC = frozenset({"add", "sub", "mul", "div", "mod", "pow", "neg", "compare"})


class Pointwise(Rule):
    """All leaves are scalars or have the shape of the result; an equation is one, with its name as result.

    role    "term"; "equation": the leaves alone say how large the name is; "boundary": a scalar value before
            the start is repeated over the features of its signal
    """

    __slots__ = ("joined", "leaves", "out", "role", "why")

    def __init__(self, leaves: list[Shape], out: Shape, why: Reason, role: str = "term") -> None:
        super().__init__()
        self.leaves, self.out, self.why, self.role = leaves, out, why, role
        self.joined: set[int] = set()

    def run(self, u: Unifier) -> bool:
        if self.out.rank == 0:
            for leaf in self.leaves:
                u.set_rank(leaf, 0, self.why)
            return True
        unknown = False
        for i, leaf in enumerate(self.leaves):
            if leaf.dims is None:
                unknown = True
            elif leaf.dims and i not in self.joined:
                self.joined.add(i)
                self._join(u, leaf)
        if unknown:
            return False
        if not self.joined:
            self._scalar(u)
        return True

    def _join(self, u: Unifier, leaf: Shape) -> None:
        if self.out.dims is None:
            u.known(self.out, u.copies(leaf.dims or (), self.why), self.why)
        else:
            u.same(leaf, self.out, self.why)

    def _scalar(self, u: Unifier) -> None:
        """All leaves are scalars. A number alone may stand for a vector that is stated elsewhere."""
        numbers_only = all(leaf.kind == "plain" for leaf in self.leaves)
        if self.role != "boundary" and (self.out.dims is None or not numbers_only):
            u.set_rank(self.out, 0, self.why)

    def default(self, u: Unifier, level: int) -> bool:
        if level not in (2, 4):
            return False
        kind = "free" if level == 2 else "use"
        free = [leaf for leaf in self.leaves if leaf.dims is None and leaf.kind == kind]
        if not free:
            return False
        if self.out.dims:
            u.known(free[0], u.copies(self.out.dims, self.why), self.why)
            return True
        if level == 4:
            return False
        others = [leaf for leaf in self.leaves if leaf.kind not in ("plain", "free") or leaf.dims is not None]
        evidence = [leaf for leaf in others if leaf.kind != "plain"]
        if evidence and all(leaf.rank == 0 for leaf in evidence):
            u.set_rank(free[0], 0, self.why)
            return True
        return False


class Product(Rule):
    """a @ b: the last axis of one and the first of the other go."""

    __slots__ = ("a", "b", "out", "why")

    def __init__(self, a: Shape, b: Shape, out: Shape, why: Reason) -> None:
        super().__init__()
        self.a, self.b, self.out, self.why = a, b, out, why

    def run(self, u: Unifier) -> bool:
        a, b, out = self.a, self.b, self.out
        for side in (a, b):
            if side.dims is not None and not 1 <= len(side.dims) <= 2:
                self._refuse(side)
        if out.dims is not None:
            total = len(out.dims) + 2
            if a.dims is not None and b.dims is None:
                u.set_rank(b, total - len(a.dims), self.why)
            elif b.dims is not None and a.dims is None:
                u.set_rank(a, total - len(b.dims), self.why)
        if a.dims is None or b.dims is None:
            return False
        for side in (a, b):
            if not 1 <= len(side.dims or ()) <= 2:
                self._refuse(side)
        u.equal(a.dims[-1], b.dims[0], self.why)
        dims = a.dims[:-1] + b.dims[1:]
        if out.dims is None:
            u.known(out, u.copies(dims, self.why), self.why)
        else:
            whole = Shape(text=out.text)
            whole.dims, whole.because = dims, self.why
            u.same(whole, out, self.why)
        return True

    def _refuse(self, side: Shape) -> None:
        scalar = side.rank == 0
        because = f", by {side.because}" if side.because is not None and str(side.because) else ""
        raise LanguageError(
            f"@ multiplies vectors and matrices, and {side.text or 'one side'} is {called(side.rank)}",
            self.why.where,
            expected="vectors and matrices on both sides of @",
            got=called(side.rank) + because,
            mend="write * for the product with a scalar, or state its size" if scalar else "write einsum",
        )

    def default(self, u: Unifier, level: int) -> bool:
        if level != 1:
            return False
        for side in (self.a, self.b):
            if side.dims is None:
                u.set_rank(side, 1 if side.vector else 2, self.why)
                return True
        return False


class Last(Rule):
    """What works along the last axis of a vector or a matrix; ``keep`` whether the result has that axis."""

    __slots__ = ("a", "keep", "out", "why")

    def __init__(self, a: Shape, out: Shape, keep: bool, why: Reason) -> None:
        super().__init__()
        self.a, self.out, self.keep, self.why = a, out, keep, why

    def run(self, u: Unifier) -> bool:
        if self.a.dims is None:
            if self.out.dims is None:
                return False
            u.set_rank(self.a, len(self.out.dims) + (not self.keep), self.why)
        dims = self.a.dims or ()
        if not dims:
            raise LanguageError(
                f"{self.why.term} works along the last axis, and {self.a.text or 'its argument'} is a scalar",
                self.why.where,
                expected="a vector or a matrix",
                got=f"a scalar, by {self.a.because}",
            )
        if not self.keep:
            dims = dims[:-1]
        if self.out.dims is None:
            u.known(self.out, u.copies(dims, self.why), self.why)
        else:
            whole = Shape(text=self.out.text)
            whole.dims, whole.because = dims, self.why
            u.same(whole, self.out, self.why)
        return True

    def default(self, u: Unifier, level: int) -> bool:
        if level != 5 or self.a.dims is not None:
            return False
        u.set_rank(self.a, 1, self.why)
        return True


class Table(Rule):
    """table[i, :, j]: symbols take the first axes, ``:`` keeps one. ``counts`` has None for ``:``."""

    __slots__ = ("counts", "out", "table", "why")

    def __init__(self, table: Shape, counts: list[Size | None], out: Shape, why: Reason) -> None:
        super().__init__()
        self.table, self.counts, self.out, self.why = table, counts, out, why

    def run(self, u: Unifier) -> bool:
        kept = self.counts.count(None)
        n = len(self.counts)
        if self.table.dims is None:
            if kept:
                u.set_rank(self.table, n, self.why)
            elif self.out.dims is not None and self.table.kind != "use":
                u.set_rank(self.table, n + len(self.out.dims), self.why)
            else:
                return False
        dims = self.table.dims or ()
        if len(dims) < n:
            raise LanguageError(
                f"{self.why.term} has {n} indices, and {self.table.text} is {called(len(dims))}",
                self.why.where,
                expected=f"a table with at least {n} axes",
                got=f"{called(len(dims))}, by {self.table.because}",
            )
        left = []
        for size, count in zip(dims, self.counts, strict=False):
            if count is None:
                left.append(size)
            else:
                u.equal(count, size, self.why)
        whole = (*left, *dims[n:])
        if self.out.dims is None:
            u.known(self.out, u.copies(whole, self.why), self.why)
        else:
            found = Shape(text=self.out.text)
            found.dims, found.because = whole, self.why
            u.same(found, self.out, self.why)
        return True

    def default(self, u: Unifier, level: int) -> bool:
        if level != 5 or self.table.dims is not None:
            return False
        u.set_rank(self.table, len(self.counts) + (0 if self.table.vector else 1), self.why)
        return True


class Opaque(Rule):
    """A function without a definition: nothing follows; what nobody states is taken for a scalar."""

    __slots__ = ("shapes", "why")

    def __init__(self, shapes: list[Shape], why: Reason) -> None:
        super().__init__()
        self.shapes, self.why = shapes, why

    def run(self, u: Unifier) -> bool:
        return all(s.dims is not None for s in self.shapes)

    def default(self, u: Unifier, level: int) -> bool:
        if level != 6:
            return False
        for s in self.shapes:
            if s.dims is None:
                u.set_rank(s, 0, self.why)
                return True
        return False

"""Where the terms of an adjoint come from: the comments of its equations.

    δc[t] = δh[t] * q[t] * (1 - tanh(c[t])**2) + δcʹ[t+1]    # from h[t] and c[t+1], which read c[t]
    δcʹ[t] = δc[t] * f[t]                                    # from c[t]: what it hands to c[t-1]
    δfʹ[t] = δf[t] * (f[t] * (1 - f[t]))                     # from f[t]: inside its sigmoid
    δW_f = sum(outer(δfʹ[t], h[t-1]), over=(t, batch))       # from f[t], where W_f stands

The adjoint of a signal has a term from every equation that reads it, at the step at which that equation reads
it; that of a parameter from every equation in which it stands. The readers are named in the order of the terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from .circuit import references
from .expr import Node
from .terms import step, target


class Name(NamedTuple):
    """A name in a comment, with its index: ``c`` at ``t+1``."""

    name: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.steps)}]" if self.steps else self.name

    def at(self, axis: str, step: str) -> Name:
        """The name with another step along a time axis."""
        return Name(self.name, tuple(step if i == axis else i for i in self.steps))


class Note(str):
    """A comment whose names are known as names, so that LaTeX can set them."""

    __slots__ = ("pieces",)
    pieces: tuple[str | Name, ...]

    def __new__(cls, *pieces: str | Name) -> Self:
        note = super().__new__(cls, "".join(map(str, pieces)))
        note.pieces = pieces
        return note

    def __reduce__(self) -> tuple[type[Note], tuple[str | Name, ...]]:
        return Note, self.pieces


class Reader(NamedTuple):
    """An equation that reads a name: at which step it stands there, and the one step of the name that it reads.

    where    the equation at the step at which it reads the name at t
    only     "t = T" where it reads one step alone, else ""
    """

    where: Name
    only: str = ""

    def at(self, axis: str, step: str) -> Reader:
        """The same at another step."""
        return self._replace(where=self.where.at(axis, step))

    def pieces(self) -> list[str | Name]:
        return [self.where, f" (where {self.only})"] if self.only else [self.where]


def named(label: str, root: Node) -> Name:
    """The name of an equation as it stands on its left side: ``h`` with the index t, ``h`` with 0."""
    base, items = target(label, root)
    return Name(base, tuple(str(i).replace(" ", "") for i in items))


def moment(axis: str, k: int) -> str:
    """A step: ``t``, ``t-1``, ``T+1``."""
    return str(step(axis, k)).replace(" ", "")


# ---- the comments ----------------------------------------------------------------------------------
def of_total(name: str, like: Node, readers: Sequence[Reader], through: Sequence[Name] = ()) -> Note:
    """The comment of an adjoint that collects the terms of all that read ``name`` (of type ``like``)."""
    read = named(name, like)
    if not readers:
        return Note("zero: the loss does not depend on ", read)
    if like.op == "param":
        return Note("from ", *_listed(readers), ", where ", read, " stands")
    reads = ", which reads " if len(readers) == 1 else ", which read "
    by = [piece for i, n in enumerate(through) for piece in (", " if i else " through ", n)]
    return Note("from ", *_listed(readers), reads, read, *by)


def of_loss(name: str, root: Node) -> Note:
    """The comment of the adjoint with which the sweep begins."""
    loss = named(name, root)
    return Note("from the mean of ", loss, " over the batch") if root.axes else Note(loss, " by itself")


def of_part(name: str, root: Node, n: Node) -> Note:
    """The comment of a part of the adjoint of the equation ``name`` that was given a name on behalf of ``n``."""
    here = named(name, root)
    if n.op == "delay":
        axis, k = n.attr
        source = named(n.args[0].attr, n.args[0])
        return Note("from ", here, ": what it hands to ", source.at(axis, moment(axis, -k)))
    if n.op in ("at", "place", "first"):
        return Note("from ", here, ": what it hands to a single step")
    return Note("from ", here, ": inside its ", root.op)


def _listed(readers: Sequence[Reader]) -> Iterator[str | Name]:
    """a, b and c"""
    last = len(readers) - 1
    for i, reader in enumerate(readers):
        if i:
            yield " and " if i == last else ", "
        yield from reader.pieces()


# ---- who reads what --------------------------------------------------------------------------------
def readers(name: str, root: Node) -> dict[str, list[Reader]]:
    """What the equation ``name`` reads: for each name the steps at which it does, in the order of the text."""
    found: dict[str, dict[Reader, None]] = {}
    stack: list[tuple[Node, Reader]] = [(root, Reader(named(name, root)))]
    seen = set(stack)
    while stack:
        n, reader = stack.pop()
        if n.op in ("ref", "input", "param"):
            found.setdefault(n.attr, {})[reader] = None
            continue
        for part in reversed(list(_parts(n, reader))):
            if part not in seen:
                seen.add(part)
                stack.append(part)
    return {read: list(steps) for read, steps in found.items()}


def _parts(n: Node, reader: Reader) -> Iterator[tuple[Node, Reader]]:
    """The arguments of a node, with the reader as it stands to them."""
    if n.op == "delay":
        axis, k = n.attr
        source, *bounds = n.args
        # what stands at t-k is read by the equation at t: what stands at t, by that at t+k
        yield source, reader.at(axis, moment(axis, k))
        for j, bound in enumerate(bounds):
            # the value at -j is read at step k - j, that at T + 1 + j at step T + 1 + j - |k|
            yield bound, reader.at(axis, str(k - j) if k > 0 else moment(axis.upper(), j + 1 + k))
    elif n.op == "first":
        at_first, rest = n.args
        yield at_first, reader.at(n.attr, "1")
        yield rest, reader
    elif n.op == "at":
        axis, end, position = n.attr
        inner = n.args[0]
        if inner.op == "delay" and inner.attr[0] == axis:
            inner, *bounds = inner.args
            k = n.args[0].attr[1]
            for j, bound in enumerate(bounds):
                # T + position - k is -j where the sequence is that short
                short = f"{axis.upper()} = {k - position - j}"
                yield bound, reader._replace(only=short) if end and k > 0 else reader
            position -= k
        only = moment(axis.upper(), position) if end else str(position)
        yield inner, reader._replace(only=f"{axis} = {only}")
    else:
        for a in n.args:
            yield a, reader


def passed_through(written: Node, rewritten: Node, name: str, eqs: Mapping[str, Node]) -> list[Name]:
    """The names through which an equation, as it is written, reads ``name``, which it reads itself when rewritten."""
    if written is rewritten or name in references([written]):
        return []
    between = [r for r in references([written]) if r in eqs and name in references([eqs[r]])]
    return [named(r, eqs[r]) for r in between]

"""What a loss reads: scores, which an output layer makes of the hidden output, or the hidden output itself.

A layer above, or another direction, has a meaning where an output layer stands between: its scores then read what is
composed. Where the loss reads a signal itself, that signal is what is compared with the targets: its features are the
classes (or the values that are wanted), and cannot be joined with others, nor read by another layer as features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...graph.language import Statement, Term, walk
from ...graph.terms import call, name
from .terms import changed, names_of, read, reads_one, same, unused

COMPARE = ("cross_entropy", "nll", "mse")
"""Functions that compare with a target."""
SCORE = ("cross_entropy", "nll", "log", "logsumexp", "max", "softmax", "log_softmax")
"""Functions of what is scores or probabilities."""


@dataclass(frozen=True)
class Compared:
    """A place where a loss reads a signal with no output layer between.

    by     the statement
    what   the signal that it reads: the one asked for, or what is made of it with no weights
    how    the functions that it is read through, from the outside in
    """

    by: Statement
    what: str
    how: tuple[str, ...]

    @property
    def scored(self) -> bool:
        """Whether it is read as scores or probabilities."""
        return any(f in SCORE for f in self.how)


def compared(
    signal: str, statements: Sequence[Statement], parameters: Iterable[str], targets: Iterable[str]
) -> Compared | None:
    """Where the statements, which need the signal, compare it with targets or take it for scores, no product with a
    parameter between; None: nowhere."""
    weights, wanted = set(parameters), set(targets)
    through: dict[str, tuple[str, ...]] = {signal: ()}
    waiting = [signal]
    while waiting:
        what = waiting.pop()
        for s in statements:
            for how in _ways(s.value, what, weights):
                more = (*through[what], *how)
                timed = any(reads_one(x, {what}) and same(x, read(what)) for x in walk(s.value))
                aims = timed and not wanted.isdisjoint(names_of(s.value))
                if aims or any(f in COMPARE for f in how) or (not s.items and any(f in SCORE for f in more)):
                    return Compared(s, what, more)
                if s.name not in through:
                    through[s.name] = more
                    waiting.append(s.name)
    return None


def _ways(value: Term, signal: str, weights: set[str]) -> list[tuple[str, ...]]:
    """The functions around each read of a signal that is not an operand of a product with a parameter."""
    found: list[tuple[str, ...]] = []
    stack: list[tuple[Term, tuple[str, ...]]] = [(value, ())]
    while stack:
        x, around = stack.pop()
        if x.head == "name" and x.attr == signal:
            found.append(around)
        if x.head == "matmul" and any(n in weights for n in names_of(x)):
            continue
        if x.head == "call":
            function = str(x.attr[0])
            if function in ("dot", "einsum", "outer") and any(n in weights for n in names_of(x)):
                continue
            around = (*around, function)
            # a target is not what is compared with it
            stack += [(a, around) for a in (x.args[:1] if function in COMPARE[:2] else x.args)]
        else:
            stack += [(a, around) for a in x.args]
    return found


def beneath(scores: str, values: Mapping[str, Term], signals: Iterable[str], parameters: Iterable[str]) -> str | None:
    """The hidden output that scores read by a product, ``o[t] = V @ h[t] + c``, also where they feed back."""
    defined, weights, seen = set(signals), set(parameters), {scores}
    while True:
        value = values[scores]
        reads = [x for x in walk(value) if x.head == "index" and x.args[0].head == "name" and x.args[0].attr in defined]
        below = {x.args[0].attr for x in reads}
        if len(below) != 1 or below & seen or not all(same(x, read(x.args[0].attr)) for x in reads):
            return None
        product = any(
            x.head == "matmul" and x.args[0].head == "name" and x.args[0].attr in weights and same(x.args[1], reads[0])
            for x in walk(value)
        )
        (scores,) = below
        if product:
            return scores
        seen |= below


def packed(value: Term, below: Sequence[str], usable: Iterable[str], taken: Iterable[str]) -> tuple[Term, Term] | None:
    """``V1 @ h1[t] + V2 @ h2[t] + d`` as one product: ``concat(h1[t], h2[t])`` and ``V @ concat(…) + d``.

    None where a signal is read in another way. usable: the matrices that nothing else reads.
    """
    free = set(usable)
    terms = _summands(value)
    products: list[Term] = []
    for signal in below:
        reading = [x for x in terms if signal in names_of(x)]
        if len(reading) != 1 or not _is_product(reading[0], signal, free):
            return None
        products.append(reading[0])
    matrices = [x.args[0].attr for x in products]
    if len(set(matrices)) < len(matrices):
        return None
    joined = call("concat", *[x.args[1] for x in products])
    matrix = unused("V", {*taken} - {*matrices})
    rest = [x for x in terms if not any(x is p for p in products)]
    total = Term("matmul", (name(matrix), joined))
    for x in rest:
        total = Term("add", (total, x))
    return joined, total


def _summands(x: Term) -> list[Term]:
    return [a for y in x.args for a in _summands(y)] if x.head == "add" else [x]


def _is_product(x: Term, signal: str, matrices: set[str]) -> bool:
    if x.head != "matmul" or x.args[0].head != "name":
        return False
    return x.args[0].attr in matrices and same(x.args[1], read(signal))


def without(value: Term, part: Term | None) -> Term:
    """The value with a name that is nothing in place of a part."""
    return value if part is None else changed(value, lambda x: name("\0") if same(x, part) else None)

"""Compositions of the language found again among nodes: what was ``layer_norm(h[t])`` prints as that.

Each finder guesses the arguments and builds the composition anew; it is one only if it is the same node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from . import build, compose
from .expr import Node, topological
from .language import Term
from .statistics import MEAN, running_constant, running_name
from .terms import axes_term, call, number

if TYPE_CHECKING:
    from .show import Writer

LOSSES = frozenset({"cross_entropy", "nll"})


def composed(w: Writer, n: Node) -> Term | None:
    """The term of a node that is a composition of the language, or None."""
    for find in FINDERS.get(n.op, ()):
        term = find(w, n)
        if term is not None:
            return term
    return None


def below(x: Node, *path: str) -> Node | None:
    """What lies below a chain of one-argument operations: ``below(x, "expand", "neg")``."""
    for op in path:
        if x.op != op:
            return None
        x = x.args[0]
    return x


def bare(x: Node) -> Node:
    """``x`` without repetitions over index axes and of scalars over features."""
    while x.op == "expand" or (x.op == "repeat" and not x.args[0].shape):
        x = x.args[0]
    return x


def _layer_norm(w: Writer, n: Node) -> Term | None:
    centred = n.args[0]
    for term in centred.args if centred.op == "add" else ():
        mean = below(term, "neg", "repeat") if term.op == "neg" else None
        total = mean.args[0] if mean is not None and mean.op == "div" else None
        if total is not None and total.op == "sum_feature" and compose.layer_norm(total.args[0]) is n:
            return call("layer_norm", w.solid_term(total.args[0]))
    return None


def _batch_norm(w: Writer, n: Node) -> Term | None:
    """In the equation whose running statistics it reads."""
    centred, scale = n.args[0], bare(n.args[1])
    of_batch = [bare(s) for s in (scale.args[0].args if scale.op == "sqrt" and scale.args[0].op == "add" else ())]
    variance = next((running_constant(s) for s in of_batch if s.op == "statistic"), None)
    for term in map(bare, centred.args if variance is not None and centred.op == "add" else ()):
        taken = bare(term.args[0]) if term.op == "neg" else term
        total = below(taken.args[0], "div") if taken.op == "statistic" else None
        mean = running_constant(taken) if total is not None and total.op == "reduce" else None
        if total is None or mean is None or variance is None or not _own(w, str(mean.attr)):
            continue
        x = total.args[0]
        if compose.batch_norm(x, total.attr, (mean, variance)) is n:
            options = {} if total.attr == x.axes else {"over": axes_term(total.attr)}
            return call("batch_norm", w.solid_term(x), **options)
    return None


def _own(w: Writer, name: str) -> bool:
    """Whether running statistics are those of the equation that is written: by its name they are found again."""
    stem = running_name(MEAN, w.label, 1)
    return stem in (name, name.rpartition(".")[0])


def _shifted(e: Node) -> tuple[Node, tuple[str, ...]] | None:
    """x and the axes of exp(x - max(x, over=axes))."""
    if e.op != "exp" or e.args[0].op != "add":
        return None
    for term in map(bare, e.args[0].args):
        largest = below(bare(term.args[0]), "stop_gradient") if term.op == "neg" else None
        if largest is not None and largest.op == "amax":
            return largest.args[0], largest.attr
    return None


def _softmax(w: Writer, n: Node) -> Term | None:
    found = _shifted(n.args[0])
    if found is None or compose.softmax(found[0], found[1]) is not n:
        return None
    return call("softmax", w.term(found[0]), over=axes_term(found[1]))


def _logsumexp(w: Writer, n: Node) -> Term | None:
    for term in n.args:
        e = below(term, "log", "reduce")
        found = _shifted(e) if e is not None else None
        if found is not None and compose.logsumexp(found[0], found[1]) is n:
            return call("logsumexp", w.term(found[0]), over=axes_term(found[1]))
    return None


def _log_softmax(w: Writer, n: Node) -> Term | None:
    for term in n.args:
        total = below(term, "neg", "repeat")
        if total is not None and total.op == "logsumexp" and compose.log_softmax(total.args[0], ()) is n:
            return call("log_softmax", w.solid_term(total.args[0]))
    return None


def _greatest(w: Writer, n: Node) -> Term | None:
    chosen = below(n.args[0], "reduce")
    if chosen is None or chosen.op != "where" or compose.greatest(chosen.args[1], n.args[0].attr) is not n:
        return None
    return call("max", w.term(chosen.args[1]), over=axes_term(n.args[0].attr))


def _mean(w: Writer, n: Node) -> Term | None:
    """A mean over index axes; of a loss, over the positions that have a target."""
    total, divisor = n.args[0], bare(n.args[1])
    if total.op != "reduce":
        return None
    x = total.args[0]
    if divisor.op == "maximum" and bare(x).op in LOSSES:
        valid = build.number(build.compare(">=", bare(x).args[1], 0))
        counted = build.reduce(build.expand(valid, [*total.attr, "b"]), total.attr)
        same = build.div(total, build.maximum(counted, 1.0)) is n
    else:
        same = compose.mean(x, total.attr) is n and not holds_loss(w, x)
    return call("mean", w.term(x), over=axes_term(total.attr)) if same else None


def _positioned(w: Writer, n: Node) -> Term | None:
    """``sum(where(s == y[t], w[t, s], 0), over=s)`` of a symbol that names a step: ``w[t, y[t]]``."""
    (axis,) = n.attr if len(n.attr) == 1 else ("",)
    chosen = n.args[0]
    if chosen.op != "where" or not build.is_constant(chosen.args[2], 0.0):
        return None
    condition = bare(chosen.args[0])
    here, symbol = (bare(a) for a in condition.args) if condition.op == "compare" else (chosen, chosen)
    symbol = symbol.args[0] if symbol.op == "number" else symbol
    source = symbol.args[0] if symbol.op == "delay" else symbol
    named = source.op == "input" and w.circuit.positions.get(source.attr) == axis
    if condition.attr != "==" or here.op != "time" or here.attr != axis or not named:
        return None
    value = w.term(chosen.args[1])
    steps = [k for k, item in enumerate(value.args) if str(item) == axis]
    if value.head != "index" or value.args[0].head != "name" or len(steps) != 1:
        return None
    items = [w.term(symbol) if k == steps[0] else item for k, item in enumerate(value.args)]
    return Term("index", tuple(items))


def _mean_feature(w: Writer, n: Node) -> Term | None:
    x = n.args[0]
    while x.op == "sum_feature":
        x = x.args[0]
    if x is n.args[0] or compose.mean(x, ()) is not n:
        return None
    return call("mean", w.solid_term(x))


def holds_loss(w: Writer, x: Node) -> bool:
    """Whether ``x`` comes from a loss with symbols as targets: a mean of it leaves out what has none."""
    seen: set[str] = set()
    stack = [x]
    while stack:
        for node in topological([stack.pop()]):
            if node.op in LOSSES:
                return True
            if node.op == "ref" and node.attr not in seen and node.attr in w.circuit.eqs:
                seen.add(node.attr)
                stack.append(w.circuit.eqs[node.attr])
    return False


def _semiring(function: str, gather: Callable[[Node], Node]) -> Callable[[Writer, Node], Term | None]:
    def find(w: Writer, n: Node) -> Term | None:
        parts: Sequence[Node] = n.args[0].args if n.args[0].op == "add" else ()
        for i, term in enumerate(parts):
            below_axes = term.args[0] if term.op == "expand" else term
            if below_axes.op != "repeat" or len(n.shape) != 1 or below_axes.attr[0] != 0:
                continue
            row = below_axes.args[0]
            matrix = build.add(*parts[:i], *parts[i + 1 :])
            if compose.semiring_product(matrix, row, gather) is n:
                return call(function, w.solid_term(matrix), w.solid_term(row))
        return None

    return find


def _dropped(w: Writer, n: Node) -> Term | None:
    """``x * (mask / keep)``, in the equation whose mask it is."""
    x, scaled = n.args[0], bare(n.args[1])
    mask = bare(scaled.args[0]) if scaled.op == "div" else scaled
    if mask.op != "mask" or mask.attr[0][0] != w.label:
        return None
    keep = mask.attr[1]
    over = [a for a in x.axes if a not in mask.axes]
    p = round(1.0 - keep, 12)
    if 1.0 - p != keep or build.mul(x, build.div(mask, keep)) is not n:
        return None
    options = {"over": axes_term(over)} if over else {}
    return call("dropout", w.solid_term(x), number(p), **options)


def _zoned(w: Writer, n: Node) -> Term | None:
    """``held * old + (1 - held) * new``, in the equation whose mask it is."""
    if len(n.args) != 2 or any(a.op != "mul" for a in n.args):
        return None
    held, old = n.args[0].args
    if held.op != "mask":
        held, old = old, held
    for value in n.args[1].args:
        same = held.op == "mask" and held.attr[0][0] == w.label
        if same and build.add(build.mul(held, old), build.mul(build.sub(1.0, held), value)) is n:
            return call("zoneout", w.term(value), w.term(old), number(held.attr[1]))
    return None


def _identity(w: Writer, n: Node) -> Term | None:
    square = not n.axes and len(n.shape) == 2 and n.shape[0] == n.shape[1]
    if square and compose.identity_matrix(n.shape[0]) is n:
        return call("identity", number(n.shape[0]))
    return None


FINDERS: dict[str, tuple[Callable[[Writer, Node], Term | None], ...]] = {
    "div": (_softmax, _mean, _mean_feature, _greatest, _layer_norm, _batch_norm),
    "add": (_logsumexp, _log_softmax, _zoned),
    "mul": (_dropped,),
    "reduce": (_positioned,),
    "logsumexp": (_semiring("logmatmul", build.logsumexp),),
    "max_last": (_semiring("maxmatmul", build.max_last),),
    "where": (_identity,),
}

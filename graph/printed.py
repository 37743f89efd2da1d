"""Functions that printed derivatives need, so that these can be read again.

scatter(e, x[t], over=(t, batch))    the table in which e is added up at the rows x[t]: adjoint of E[x[t]]
slice(e, lo, hi)                     the features lo to hi (exclusive) of a vector: adjoint of concat
put(e, argmax(M), n)                 each feature of e at its symbol's place among n zeros: adjoint of max
pick(M, argmax(N))                   the feature of each row of M that the symbol names: adjoint of put
mask('h.1', p, n, over=t)            the first mask of the equation h, each feature 1 with probability p
statistic(e, 'mean.a', over=(t, batch))    e in training, afterwards the running average; of a derivative 0 for the name
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import build as b
from . import expr
from .calls import Call, Function
from .errors import LanguageError
from .functions import FUNCTIONS
from .rules import Table
from .unify import Shape

if TYPE_CHECKING:
    from .elaborate import Nodes
    from .expr import Node
    from .shapes import Sizes

MOST_SYMBOLS = 6


def _scatter_sizes(s: Sizes, c: Call) -> Shape:
    """What has rows ``e`` at symbols: the rule of a table, the other way round."""
    row, out = s.of(c.args[0]), Shape(text=str(c.term))
    s.u.add(Table(out, [s.values(a) for a in c.args[1:]], row, s.why(c.term)), out, row)
    return out


def _scatter(n: Nodes, c: Call) -> Node:
    symbols = [n.symbol(a) for a in c.args[1:]]
    return b.scatter(n.of(c.args[0]), n.shape(c.term)[: len(symbols)], symbols, [str(a) for a in c.over])


def _bounds(c: Call) -> tuple[int, int]:
    lo, hi = (c.number(i, "an integer") for i in (1, 2))
    if not (isinstance(lo, int) and isinstance(hi, int) and 0 <= lo < hi):
        raise LanguageError(f"{c.term}: features are taken from lo to hi, with 0 <= lo < hi", c.term.where)
    return lo, hi


def _slice_sizes(s: Sizes, c: Call) -> Shape:
    s.vector(c.args[0], c.term)
    lo, hi = _bounds(c)
    return s.fixed((hi - lo,))


def _slice(n: Nodes, c: Call) -> Node:
    return b.slice_(n.of(c.args[0]), 0, *_bounds(c))


def _put_sizes(s: Sizes, c: Call) -> Shape:
    rows = s.vector(c.args[0], c.term)
    s.equal(rows, s.of(c.args[1]), c.term)
    values = s.fixed((int(c.number(2, "a size")),))
    return s.joined([s.size_of(rows, 0), s.size_of(values, 0)])


def _put(n: Nodes, c: Call) -> Node:
    return b.put(n.of(c.args[0]), n.symbol(c.args[1]), n.shape(c.term)[-1])


def _pick_sizes(s: Sizes, c: Call) -> Shape:
    s.of(c.args[0])
    return s.of(c.args[1])


def _pick(n: Nodes, c: Call) -> Node:
    return b.pick(n.of(c.args[0]), n.symbol(c.args[1]))


def _mask_sizes(s: Sizes, c: Call) -> Shape:
    return s.fixed(tuple([int(c.number(i, "a size")) for i in range(2, len(c.args))]))


def _mask(n: Nodes, c: Call) -> Node:
    text = c.args[0].attr if c.args[0].head == "text" else ""
    equation, _, ordinal = str(text).rpartition(".")
    base = equation.partition("[")[0]
    if not ordinal.isdigit() or base not in n.system.axes:
        expected = "the name of an equation and the number of its mask, 'h.1'"
        raise LanguageError(f"{c.term} names no mask", c.term.where, expected=expected, got=str(c.args[0]))
    axes = [a for a in (*n.system.axes[base], "b") if a not in c.over]
    return expr.mask((equation, int(ordinal)), c.number(1, "a probability"), axes, n.shape(c.term))


def _statistic_sizes(s: Sizes, c: Call) -> Shape:
    return s.of(c.args[0])


def _statistic(n: Nodes, c: Call) -> Node:
    value, after = n.of(c.args[0]), c.args[1]
    running = expr.param(after.attr, value.shape) if after.head == "text" else c.number(1)
    return b.statistic(value, running, [str(a) for a in c.over])


SYMBOLS = dict.fromkeys(range(1, MOST_SYMBOLS), "symbol")
OPTIONS = dict.fromkeys(range(MOST_SYMBOLS), "option")
LIMITS = {1: "option", 2: "option"}
FUNCTIONS["scatter"] = Function("scatter", ("*e",), ("over",), _scatter_sizes, _scatter, SYMBOLS)
FUNCTIONS["slice"] = Function("slice", ("e", "lo", "hi"), (), _slice_sizes, _slice, LIMITS)
FUNCTIONS["pick"] = Function("pick", ("e", "symbols"), (), _pick_sizes, _pick, {1: "symbol"})
FUNCTIONS["put"] = Function("put", ("e", "symbols", "n"), (), _put_sizes, _put, {1: "symbol", 2: "option"})
FUNCTIONS["statistic"] = Function(
    "statistic", ("e", "running"), ("over",), _statistic_sizes, _statistic, {1: "option"}
)
FUNCTIONS["mask"] = Function("mask", ("*e",), ("over",), _mask_sizes, _mask, OPTIONS)

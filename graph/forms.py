"""How each operation is written as a term of the language, where its label in the op table does not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import build
from .circuit import boundary_name
from .expr import Node
from .language import Term
from .ops.table import TABLE
from .recognise import bare
from .statistics import running_constant
from .terms import axes_term, call, indexed, name, number, step, target

if TYPE_CHECKING:
    from .show import Writer

Form = Callable[["Writer", Node, tuple[Term, ...]], Term]
WIDEST_SUM = 50
"""More terms than these are written in groups, so that a sum does not nest deeply."""


def labelled(w: Writer, node: Node, args: tuple[Term, ...]) -> Term:
    """An operation as the op table says that it is written."""
    label = TABLE[node.op].label
    if label == "{0}":
        return args[0]
    if label == "{0}.T":
        return Term("transpose", args)
    if label is None or "(" not in label:
        raise TypeError(f"no form for {node!r}: give the operation a label in the op table, or a form here")
    return call(label.partition("(")[0], *args)


# ---- leaves and time -----------------------------------------------------------------------------
def _const(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return number(n.attr + 0)


def _signal(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return indexed(*target(n.attr, n))


def _count(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return call("sum", number(1), over=axes_term(n.attr))


def _mask(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    (equation, ordinal), p, _ = n.attr
    drawn = [Term("text", (), f"{equation}.{ordinal}"), number(p), *map(number, n.shape)]
    own = w.circuit.eqs.get(equation.partition("[")[0])
    lacking = [a for a in own.axes if a not in n.axes] if own is not None else []
    return call("mask", *drawn, over=axes_term(lacking)) if lacking else call("mask", *drawn)


def _statistic(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    running = running_constant(n)
    after = number(0) if running is None else Term("text", (), running.attr)
    return call("statistic", args[0], after, over=axes_term(n.attr))


def _shifted(source: Node, axis: str, anchor: str, k: int) -> Term:
    """A name at another step of ``axis``."""
    base, items = target(source.attr, source)
    moved = (number(k) if not anchor else step(anchor, k)) if axis in source.axes else None
    return indexed(base, [moved if moved is not None and i.attr == axis else i for i in items])


def _same_step(axis: str, anchor: str, k: int) -> Term:
    return Term("compare", (name(axis), number(k) if not anchor else step(anchor, k)), "==")


def _delay(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    """h[t-1]; a boundary value that is not the one of that name is chosen where it is read."""
    axis, k = n.attr
    term = _shifted(n.args[0], axis, axis, -k)
    for j, (bound, value) in enumerate(zip(n.args[1:], args[1:], strict=True)):
        label = boundary_name(n.args[0], axis, k, j)
        named = w.bound(label)
        plain = bare(bound)
        if named is None and build.constant_value(bound) in (0.0, -1 if bound.dtype == "i" else 0.0):
            continue
        if plain.op in ("ref", "input") and plain.attr == label:  # an equation, or what the caller gives
            continue
        if named is not None and (bound is named or plain is named):
            continue
        here = _same_step(axis, "", k - j) if k > 0 else _same_step(axis, axis.upper(), j + 1 + k)
        term = call("where", here, value, term)
    return term


def _at(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    axis, end, position = n.attr
    source, anchor = n.args[0], axis.upper() if end else ""
    if source.op in ("ref", "input"):
        return _shifted(source, axis, anchor, position)
    if source.op == "delay" and source.attr[0] == axis and args[0].head == "index":
        return _shifted(source.args[0], axis, anchor, position - source.attr[1])
    chosen = call("where", _same_step(axis, anchor, position), args[0], number(0))
    return call("sum", chosen, over=name(axis))


def _place(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    axis, end, position = n.attr
    return call("where", _same_step(axis, axis.upper() if end else "", position), args[0], number(0))


def _first(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return call("where", _same_step(n.attr, "", 1), *args)


def _reduce(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    x, term = n.args[0], _truth(n.args[0], args[0])
    unread = [a for a in n.axes if a != "b" and a not in bare(x).axes]
    if "b" in n.attr and unread:  # among the sequences that still run: of what does not vary that has to be said
        here = Term("compare", (name(unread[0]), number(1)), ">=")
        term = here if build.is_constant(x, 1.0) else call("where", here, term, number(0))
    return call("sum", term, over=axes_term(n.attr))


def _amax(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return call("max", args[0], over=axes_term(n.attr))


# ---- pointwise -----------------------------------------------------------------------------------
def _negative(x: Term) -> Term:
    """Minus: -a * b is read as (-a) * b, which is the same."""
    if x.head == "mul":
        return Term("mul", (_negative(x.args[0]), x.args[1]))
    return number(-x.attr) if x.head == "number" else Term("neg", (x,))


def _signed(x: Term, minus: bool = False) -> tuple[bool, Term]:
    """Whether a term of a sum is taken away, and the term."""
    return (True, number(-x.attr)) if x.head == "number" and x.attr < 0 else (minus, x)


def _add(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    inner = [bare(x) for x in n.args]
    terms = [_signed(w.term(x.args[0]), True) if x.op == "neg" else _signed(w.term(x)) for x in inner]
    if terms[0][0] and not terms[-1][0] and terms[-1][1].head == "number":
        terms = [terms[-1], *terms[:-1]]  # 1 - z[t], not -z[t] + 1
    return _sum(terms)


def _sum(terms: list[tuple[bool, Term]]) -> Term:
    """A sum from the left; long ones in groups, so that they do not nest deeply."""
    while len(terms) > WIDEST_SUM:
        terms = [(False, _sum(terms[i : i + WIDEST_SUM])) for i in range(0, len(terms), WIDEST_SUM)]
    minus, total = terms[0]
    total = _negative(total) if minus else total
    for minus, x in terms[1:]:
        total = Term("sub" if minus else "add", (total, x))
    return total


def _neg(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return _negative(args[0])


def _binary(head: str) -> Form:
    return lambda w, n, args: Term(head, args)


def _mul(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    """A product; with a vector repeated to a matrix it is diag(v) @ M or M @ diag(v)."""
    for i, x in enumerate(n.args):
        x = x.args[0] if x.op == "expand" else x
        if x.op == "repeat" and len(x.shape) == 2 and bare(x.args[0]).shape:
            diagonal, other = call("diag", w.solid_term(x.args[0])), w.solid_term(n.args[1 - i])
            return _matmul(diagonal, other) if x.attr[0] == 1 else _matmul(other, diagonal)
    return Term("mul", tuple(_truth(x, a) for x, a in zip(n.args, args, strict=True)))


def _truth(x: Node, term: Term) -> Term:
    """A condition as the number 1 or 0 is written as the condition."""
    one_or_zero = x.op == "where" and build.is_constant(x.args[1], 1.0) and build.is_constant(x.args[2], 0.0)
    return term.args[0] if one_or_zero and term.head == "call" and term.args[0].head == "compare" else term


def _where(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    condition = n.args[0]
    product = condition.op == "compare" and condition.attr == "!=" and condition.args[0].op == "mul"
    if product and build.is_constant(condition.args[1], 0.0):
        return call("where", args[0].args[0], *args[1:])  # a number as condition holds where it is not zero
    return call("where", *args)


def _power(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return Term("pow", (args[0], number(n.attr)))


def _compare(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return Term("compare", args, n.attr)


# ---- features ------------------------------------------------------------------------------------
def _ones(*sizes: int) -> Term:
    return call("ones", *map(number, sizes))


def _zeros(*sizes: int) -> Term:
    return call("zeros", *map(number, sizes))


def _letters(n: int) -> str:
    return "ijklmn"[:n]


def _repeat(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    """A vector repeated to a matrix (a scalar needs no form)."""
    position, size = n.attr
    if len(n.shape) == 2:
        return call("outer", args[0], _ones(size)) if position else call("outer", _ones(size), args[0])
    letters = _letters(len(n.shape))
    inner = letters[:position] + letters[position + 1 :]
    return call("einsum", Term("text", (), f"{inner},{letters[position]}->{letters}"), args[0], _ones(size))


def _sum_feature(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    inner = n.args[0]
    if args[0].head == "call" and args[0].attr == ("sum", ("over",)) and inner.op == "sum_feature":
        return call("sum", args[0].args[0])
    if len(inner.shape) == 1:
        return call("sum", args[0])
    if n.attr == len(inner.shape) - 1:
        return call("sum", args[0], over=number(-1))
    if len(inner.shape) == 2:
        return call("sum", Term("transpose", args), over=number(-1))
    letters = _letters(len(inner.shape))
    spec = f"{letters},{letters[n.attr]}->{letters[: n.attr]}{letters[n.attr + 1 :]}"
    return call("einsum", Term("text", (), spec), args[0], _ones(inner.shape[n.attr]))


def _max_last(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return call("max", args[0]) if not n.shape else call("max", args[0], over=number(-1))


def _along(axis: int, build_term: Callable[..., Term], *parts: Term) -> Term:
    """A form that works along the first feature axis, for the second one too."""
    if axis == 0:
        return build_term(*parts)
    return Term("transpose", (build_term(*[Term("transpose", (p,)) for p in parts]),))


def _concat(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return _along(n.attr, lambda *parts: call("concat", *parts), *args)


def _slice(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    axis, lo, hi = n.attr
    return _along(axis, lambda x: call("slice", x, number(lo), number(hi)), *args)


def _unslice(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    axis, lo, size = n.attr
    shape = n.args[0].shape
    rest = shape[:axis] + shape[axis + 1 :]
    behind = size - lo - shape[axis]
    pad = [_zeros(k, *rest) if k else None for k in (lo, behind)]
    return _along(axis, lambda x: call("concat", *[p for p in (pad[0], x, pad[1]) if p is not None]), *args)


def _cumsum(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    x = args[0]
    if not n.attr:
        return call("cumsum", x)
    if len(n.shape) == 1:
        total = call("sum", x)
    else:
        total = call("outer", call("sum", x, over=number(-1)), _ones(n.shape[-1]))
    return Term("add", (Term("sub", (total, call("cumsum", x))), x))


def _opaque(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return call(n.attr[0], *args)


# ---- the product ---------------------------------------------------------------------------------
def _matmul(a: Term, b: Term) -> Term:
    return Term("matmul", (a, b))


def _t(a: Term) -> Term:
    return a.args[0] if a.head == "transpose" else Term("transpose", (a,))


def _diag(a: Term) -> Term:
    return call("diag", a)


def _times(a: Term, b: Term) -> Term:
    return Term("mul", (a, b))


PRODUCTS: dict[str, Callable[[Term, Term], Term]] = {
    **dict.fromkeys((",->", "a,->a", ",a->a", "a,a->a", "ab,->ab", ",ab->ab", "ab,ab->ab"), _times),
    "a,a->": lambda a, b: call("dot", a, b),
    "a,b->ab": lambda a, b: call("outer", a, b),
    "a,b->ba": lambda a, b: call("outer", b, a),
    "ab,b->a": _matmul,
    "ab,a->b": lambda a, b: _matmul(_t(a), b),
    "a,ab->b": _matmul,
    "a,ba->b": lambda a, b: _matmul(a, _t(b)),
    "ab,b->ab": lambda a, b: _matmul(a, _diag(b)),
    "ab,a->ab": lambda a, b: _matmul(_diag(b), a),
    "a,ab->ab": lambda a, b: _matmul(_diag(a), b),
    "a,ba->ba": lambda a, b: _matmul(b, _diag(a)),
    "ab,bc->ac": _matmul,
    "ab,cb->ac": lambda a, b: _matmul(a, _t(b)),
    "ab,ac->bc": lambda a, b: _matmul(_t(a), b),
    "ab,ca->bc": lambda a, b: _matmul(_t(a), _t(b)),
    "ab,bc->ca": lambda a, b: _matmul(_t(b), _t(a)),
    "ab,cb->ca": lambda a, b: _matmul(b, _t(a)),
    "ab,ac->cb": lambda a, b: _matmul(_t(b), a),
    "ab,ca->cb": lambda a, b: _matmul(b, a),
}
ADJOINTS: dict[str, Callable[[Term, Term], Term]] = {
    "a,ab->b": lambda a, b: _matmul(_t(b), a),
    "a,ba->b": lambda a, b: _matmul(b, a),
}
"""In an adjoint the vector is a column: V.T @ δo[t], where a user may have written v[t] @ M."""


def canonical(spec: str) -> str:
    """The same product with its letters in the order in which they come: "ji,j->i" is "ab,a->b"."""
    letters: dict[str, str] = {}
    return "".join(letters.setdefault(c, "abcdefgh"[len(letters)]) if c.isalpha() else c for c in spec)


def _contract(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    spec, axes = n.attr
    form = (ADJOINTS.get(canonical(spec)) if w.adjoint else None) or PRODUCTS.get(canonical(spec))
    term = form(*args) if form else call("einsum", Term("text", (), spec), *args)
    if not axes:
        return term
    w.shape[term] = n.shape
    return call("sum", term, over=axes_term(axes))


# ---- symbols -------------------------------------------------------------------------------------
def _take(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    table, *symbols = args
    if table.head == "transpose" and len(symbols) == 1:
        return Term("index", (table.args[0], Term("all"), *symbols))
    return Term("index", (table, *symbols))


def _pick(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return call("pick", *args) if n.shape else Term("index", args)


def _scatter(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    axes = n.attr[1]
    return call("scatter", *args, over=axes_term(axes)) if axes else call("scatter", *args)


def _put(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    value, symbol = args
    if n.args[0].shape:
        return call("put", value, symbol, number(n.attr))
    onehot = call("onehot", symbol)
    return onehot if value.head == "number" and value.attr == 1 else _times(value, onehot)


def _minus_onehot(w: Writer, n: Node, args: tuple[Term, ...]) -> Term:
    return Term("sub", (args[0], call("onehot", args[1])))


FORMS: dict[str, Form] = {
    "const": _const,
    "param": lambda w, n, args: name(n.attr),
    "input": _signal,
    "ref": _signal,
    "time": lambda w, n, args: name(n.attr),
    "length": lambda w, n, args: name(n.attr.upper()),
    "count": _count,
    "mask": _mask,
    "statistic": _statistic,
    "delay": _delay,
    "at": _at,
    "place": _place,
    "first": _first,
    "reduce": _reduce,
    "amax": _amax,
    "add": _add,
    "neg": _neg,
    "mul": _mul,
    "div": _binary("div"),
    "mod": _binary("mod"),
    "power": _power,
    "where": _where,
    "compare": _compare,
    "repeat": _repeat,
    "sum_feature": _sum_feature,
    "max_last": _max_last,
    "concat": _concat,
    "slice": _slice,
    "unslice": _unslice,
    "cumsum": _cumsum,
    "opaque": _opaque,
    "contract": _contract,
    "take": _take,
    "scatter": _scatter,
    "pick": _pick,
    "put": _put,
    "minus_onehot": _minus_onehot,
}

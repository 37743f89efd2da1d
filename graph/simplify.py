"""Rewrites of circuits: the same values in a form that differentiates and compiles better.

    nll(softmax(o), y)          cross_entropy(o, y), also where the softmax is another equation
    (W @ concat(a, b))          W[:, :n] @ a + W[:, n:] @ b
    slices                      move to rows of parameters and parts of a concat, if only slices read the whole
    onehot(y) * g               put(g, y)
    c * x / c                   x
    zero equations              disappear where they are read

With the second and third a cell that is written with one packed matrix and ``split`` has the same products as
one that is written with a matrix for each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping

from . import build as b
from .circuit import Circuit, reachable, references
from .doors import require_circuit
from .expr import Node, rebuild, substitute, topological
from .ops.table import TABLE


def simplify(circuit: Circuit, names: Iterable[str] | None = None, opaque: Collection[str] = ()) -> Circuit:
    """The circuit rewritten by all rules until none applies.

    names: the equations that are wanted; those that they do not need are dropped. None: all are.
    opaque: equations that no rule looks into: what reads them goes on reading them, so that the circuit can
    still be differentiated by them. They are wanted too.
    Raises CircuitError for a wanted name that has no equation.
    """
    require_circuit(circuit, "simplify")
    wanted = list(circuit.eqs) if names is None else list(dict.fromkeys([*names, *opaque]))
    circuit = reachable(circuit, wanted) if names is not None else circuit
    rewriter = _Rewriter(circuit.eqs, set(wanted), opaque=opaque)
    eqs = without_zeros({name: rewriter.rewritten(e) for name, e in circuit.eqs.items()}, opaque)
    result = circuit.with_eqs(eqs)
    return reachable(result, wanted) if names is not None else result


def canonical(circuit: Circuit, names: Iterable[str]) -> Circuit:
    """The equations in the order of a depth-first walk from ``names``, each after what it reads.

    The order does not depend on that of the text nor on what the equations are called. Equations that the
    walk does not meet stay at the end.
    """
    order: dict[str, None] = {}
    seen: set[str] = set()
    stack = [(name, False) for name in reversed(list(names))]
    while stack:
        name, done = stack.pop()
        if done:
            order[name] = None
        elif name not in seen:
            seen.add(name)
            stack.append((name, True))
            stack.extend((n, False) for n in reversed(references([circuit.eqs[name]])))
    return circuit.with_eqs({name: circuit.eqs[name] for name in [*order, *circuit.eqs]})


def expected_masks(circuit: Circuit) -> Circuit:
    """Every random mask replaced by its mean: the network as it is used after training."""
    masks = [n for n in topological(circuit.eqs.values()) if n.op == "mask"]
    if not masks:
        return circuit
    mean = {n: b.like(n.attr[1], n.axes, n.shape) for n in masks}
    eqs = dict(zip(circuit.eqs, substitute(list(circuit.eqs.values()), mean), strict=True))
    rewriter = _Rewriter(eqs, set(eqs), {"div": [_same_factor]})
    return circuit.with_eqs({name: rewriter.rewritten(e) for name, e in eqs.items()})


def losses_of_logits(eqs: Mapping[str, Node], keep: Container[str] = ()) -> dict[str, Node]:
    """nll(p, y) with p = softmax(o) becomes cross_entropy(o, y); not for the names ``p`` in ``keep``."""
    found: dict[str, Node] = {}
    for name, e in eqs.items():
        replace: dict[Node, Node] = {}
        for n in topological([e]):
            if n.op == "nll" and n.args[0].op == "ref" and n.args[0].attr not in keep:
                p = eqs[n.args[0].attr]
                if p.op == "softmax":
                    replace[n] = b.cross_entropy(p.args[0], n.args[1])
        found[name] = substitute([e], replace)[0] if replace else e
    return found


def without_zeros(eqs: Mapping[str, Node], opaque: Iterable[str] = ()) -> dict[str, Node]:
    """Equations that are zero are read as zeros, also those that become so; not the ``opaque`` ones."""
    found = dict(eqs)
    known: set[str] = set()
    read = set(opaque)
    while zero := {n for n, e in found.items() if e.dtype == "f" and b.is_constant(e, 0.0)} - known - read:
        known |= zero
        done: dict[Node, Node] = {}
        for n in topological(found.values()):
            if n.op == "ref" and n.attr in zero:
                done[n] = b.zeros(n)
            elif n.op == "delay" and done[n.args[0]] is not n.args[0]:
                bounds = [done[a] for a in n.args[1:]]
                nothing = all(b.is_constant(bound, 0.0) for bound in bounds)
                done[n] = b.zeros(n) if nothing else rebuild(n, [n.args[0], *bounds])
            else:
                done[n] = rebuild(n, [done[a] for a in n.args])
        found = {name: done[e] for name, e in found.items()}
    return found


# ---- the rewriter ----------------------------------------------------------------------------------
class _Rewriter:
    """Applies the rules to expressions until none applies; each node is rewritten once."""

    def __init__(
        self,
        eqs: Mapping[str, Node],
        wanted: set[str],
        rules: Mapping[str, list[Rule]] | None = None,
        opaque: Collection[str] = (),
    ):
        self.eqs = eqs
        self.opaque = opaque
        self.rules = RULES if rules is None else rules
        self.cut = _only_cut(eqs, wanted) if rules is None else set()
        self.done: dict[Node, Node] = {}

    def root(self, n: Node) -> Node:
        """The node, or what the equation that it refers to is, unless that is opaque."""
        while n.op == "ref" and n.attr not in self.opaque:
            n = self.eqs[n.attr]
        return n

    def rewritten(self, root: Node) -> Node:
        """The expression in its final form."""
        becomes: dict[Node, Node] = {}
        stack = [root]
        while stack:
            n = stack[-1]
            if n in self.done:
                stack.pop()
            elif n in becomes:
                if becomes[n] in self.done:
                    self.done[n] = self.done[becomes[n]]
                else:
                    stack.append(becomes[n])
            elif (changed := self._changed(n)) is not None:
                becomes[n] = changed
            elif missing := [a for a in n.args if a not in self.done]:
                stack.extend(reversed(missing))
            else:
                fresh = rebuild(n, [self.done[a] for a in n.args])
                if fresh is n:
                    self.done[n] = n
                else:
                    becomes[n] = fresh
        return self.done[root]

    def _changed(self, n: Node) -> Node | None:
        for rule in self.rules.get(n.op, ()):
            changed = rule(self, n)
            if changed is not None and changed is not n:
                return changed
        return None


Rule = Callable[[_Rewriter, Node], Node | None]


def _only_cut(eqs: Mapping[str, Node], wanted: set[str]) -> set[Node]:
    """Nodes whose value is read in slices only: by a slice, or by what passes slices on and is only cut."""
    users: dict[Node, list[Node]] = {}
    asked: set[Node] = set()
    for name, e in eqs.items():
        if name in wanted:
            asked.add(e)
    for n in topological(eqs.values()):
        for a in n.args:
            users.setdefault(a, []).append(n)
        if n.op == "ref":
            users.setdefault(eqs[n.attr], []).append(n)
    cut = {n for n in users if n not in asked}
    while True:
        whole = {n for n in cut if not all(u.op == "slice" or (u in cut and _passes(u)) for u in users[n])}
        if not whole:
            return cut
        cut -= whole


def _passes(n: Node) -> bool:
    """Whether a slice of it can be made from slices of its arguments."""
    return n.op in ("ref", "expand", "contract") or TABLE[n.op].kind == "pointwise"


# ---- rules -----------------------------------------------------------------------------------------
def _loss_of_logits(r: _Rewriter, n: Node) -> Node | None:
    """nll(p, y) -> cross_entropy(o, y) with p = softmax(o)."""
    p = r.root(n.args[0])
    return b.cross_entropy(p.args[0], n.args[1]) if p.op == "softmax" else None


def _slice_of_parts(r: _Rewriter, n: Node) -> Node | None:
    """slice(concat(a, b)) -> slices of a and b, put together."""
    axis, lo, hi = n.attr
    whole = r.root(n.args[0])
    if whole.op != "concat" or whole.attr != axis:
        return None
    parts, start = [], 0
    for part in whole.args:
        end = start + part.shape[axis]
        if max(lo, start) < min(hi, end):
            parts.append(b.slice_(part, axis, max(lo, start) - start, min(hi, end) - start))
        start = end
    return b.concat(*parts, axis=axis)


def _slice_of_unslice(r: _Rewriter, n: Node) -> Node | None:
    """slice(unslice(x)) -> the part of x that is in the slice, with zeros around it."""
    axis, lo, hi = n.attr
    whole = n.args[0]
    if whole.op != "unslice" or whole.attr[0] != axis:
        return None
    x, start = whole.args[0], whole.attr[1]
    end = start + x.shape[axis]
    first, last = max(lo, start), min(hi, end)
    if first >= last:
        return b.zeros(n)
    return b.unslice(b.slice_(x, axis, first - start, last - start), axis, first - lo, hi - lo)


def _slice_of_pointwise(r: _Rewriter, n: Node) -> Node | None:
    """slice(f(a, b)) -> f(slice(a), slice(b)), where only slices read f(a, b)."""
    whole = n.args[0]
    if whole.op == "ref" and whole in r.cut and r.root(whole) in r.cut and _worth_it(r, r.root(whole)):
        return b.slice_(r.root(whole), *n.attr)
    if whole not in r.cut or TABLE[whole.op].kind != "pointwise":
        return None
    return rebuild(whole, [b.slice_(a, *n.attr) for a in whole.args])


def _worth_it(r: _Rewriter, root: Node) -> bool:
    """Whether slices of an equation reach products or a concat."""
    return any(n.op in ("contract", "concat") for n in topological([root]))


def _slice_of_repeat(r: _Rewriter, n: Node) -> Node | None:
    """slice(repeat(x)) -> repeat(slice(x)), or fewer repetitions."""
    axis, lo, hi = n.attr
    whole = n.args[0]
    if whole.op != "repeat":
        return None
    position, size = whole.attr
    if position == axis:
        return b.repeat(whole.args[0], position, hi - lo)
    return b.repeat(b.slice_(whole.args[0], axis - (position < axis), lo, hi), position, size)


def _slice_of_product(r: _Rewriter, n: Node) -> Node | None:
    """slice(W @ h) -> (rows of W) @ h, where only slices read the product."""
    axis, lo, hi = n.attr
    product = n.args[0]
    if product.op != "contract" or product not in r.cut:
        return None
    spec, over = product.attr
    *letters, out = b.split_spec(spec)
    letter = out[axis]
    holders = [i for i in range(2) if letter in letters[i]]
    if not all(_is_fixed(product.args[i]) for i in holders) or not holders:
        return None
    args = list(product.args)
    for i in holders:
        args[i] = b.slice_(args[i], letters[i].index(letter), lo, hi)
    return b.contract(args[0], args[1], spec, over)


def _is_fixed(x: Node) -> bool:
    """Whether it is a parameter or a part of one."""
    while x.op in ("slice", "transpose"):
        x = x.args[0]
    return x.op == "param"


def _product_of_parts(r: _Rewriter, n: Node) -> Node | None:
    """W @ concat(a, b) -> W[:, :n] @ a + W[:, n:] @ b; W @ unslice(a) -> W[:, lo:hi] @ a."""
    spec, over = n.attr
    *letters, out = b.split_spec(spec)
    for i in range(2):
        matrix, x = n.args[1 - i], n.args[i]
        source = r.root(x)
        if not _is_fixed(matrix) or source.op not in ("concat", "unslice") or over:
            continue
        axis = source.attr if source.op == "concat" else source.attr[0]
        letter = letters[i][axis]
        if letter in out or letter not in letters[1 - i]:
            continue
        start = 0 if source.op == "concat" else source.attr[1]
        terms = []
        for part in source.args:
            end = start + part.shape[axis]
            block = b.slice_(matrix, letters[1 - i].index(letter), start, end)
            terms.append(b.contract(*((part, block) if i == 0 else (block, part)), spec, over))
            start = end
        return b.add(*terms)
    return None


def _put_times(r: _Rewriter, n: Node) -> Node | None:
    """onehot(y) * g -> put(g, y), for a number g a sequence."""
    for put, x in (n.args, n.args[::-1]):
        if put.op == "put" and x.op == "repeat" and x.attr[0] == len(x.shape) - 1:
            return b.put(b.mul(put.args[0], x.args[0]), put.args[1], put.attr)
    return None


def _same_factor(r: _Rewriter, n: Node) -> Node | None:
    """(c * x) / d -> (c / d) * x, for numbers c and d: exact where they are the same."""
    x, d = n.args
    c, below = b.constant_value(x.args[0]) if x.op == "mul" else None, b.constant_value(d)
    return b.mul(c / below, x.args[1]) if c is not None and below else None


RULES: dict[str, list[Rule]] = {
    "nll": [_loss_of_logits],
    "slice": [_slice_of_parts, _slice_of_unslice, _slice_of_repeat, _slice_of_pointwise, _slice_of_product],
    "contract": [_product_of_parts],
    "mul": [_put_times],
    "div": [_same_factor],
}

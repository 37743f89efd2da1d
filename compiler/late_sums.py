"""A sum over the batch for each t and s is taken together with the sums over t and s that follow it.

    sum(sum(δw[t, s] * e[s], over=batch) * f(t - s), over=(t, s))
      →  sum(δw[t, s] * e[s] * f(t - s), over=(t, s, batch))

The first is the adjoint of what is the same for all rows, such as ``f(t - s) * e[s]``. A body over t and s runs for one
row after the other, so it cannot know what the rows have in common for one t and s; a sum over all it can. The same
goes for what is summed over s and the batch for each t, or over t and the batch for each s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..graph import build
from ..graph.expr import AXES, Node, rebuild, topological
from ..graph.steps import LINEAR


@dataclass(frozen=True)
class _Late:
    """A sum that is still to be taken, and a rest that is none; either may be missing.

    each  over t, s and b: to be summed over those axes that the value itself does not have
    """

    each: Node | None
    rest: Node | None


def late_sums(eqs: Mapping[str, Node]) -> dict[str, Node]:
    """The equations with sums over the batch of what has two indices put off as far as they can be."""
    order = topological(eqs.values())
    if not any(_is_early(n) for n in order):
        return dict(eqs)
    work = _Work()
    for n in order:
        work.add(n)
    return {name: work.done[e] for name, e in eqs.items()}


def _sums_over(n: Node) -> tuple[str, ...]:
    return tuple(n.attr) if n.op == "reduce" else tuple(n.attr[1]) if n.op == "contract" else ()


def _is_early(n: Node) -> bool:
    """Whether it sums what has two indices over the batch, and one of them is left."""
    varying = {a for x in n.args for a in x.axes}
    return "b" in _sums_over(n) and varying >= set(AXES) and bool(n.axes)


class _Work:
    """Nodes rewritten one after the other, arguments first."""

    def __init__(self) -> None:
        self.done: dict[Node, Node] = {}
        self.late: dict[Node, _Late] = {}

    def add(self, n: Node) -> None:
        found = self._first(n) if _is_early(n) else self._further(n)
        if found is None:
            self.done[n] = rebuild(n, self._args(n))
        elif n.axes:
            self.late[n] = found
        if found is not None:
            self.done[n] = _whole(found, n.axes)

    def _args(self, n: Node) -> list[Node]:
        return [self.done[a] for a in n.args]

    def _first(self, n: Node) -> _Late:
        """A sum that is put off."""
        args = [build.expand(a, AXES) if a.axes else a for a in self._args(n)]
        return _Late(args[0] if n.op == "reduce" else build.contract(args[0], args[1], n.attr[0]), None)

    def _further(self, n: Node) -> _Late | None:
        """What becomes of sums that are put off: None where there are none, or ``n`` is not linear in them."""
        late = [a for a in n.args if a in self.late]
        if not late or "b" in n.axes:
            return None
        if n.op == "reduce":
            return self._summed(n, late[0])
        if n.op == "add":
            return _Late(_total(self._each(late)), _total([r for a in n.args if (r := self._rest(a)) is not None]))
        if n.op == "where" and n.args[0] not in self.late:
            return self._chosen(n)
        alone = len(late) == 1 and n.args.count(late[0]) == 1
        if n.op in ("mul", "contract") or (n.op == "div" and n.args[1] not in self.late):
            return self._applied(n, late[0]) if alone else None
        return self._applied(n, late[0]) if n.op in LINEAR and len(n.args) == 1 else None

    def _each(self, late: Iterable[Node]) -> list[Node]:
        return [each for a in late if (each := self.late[a].each) is not None]

    def _rest(self, a: Node) -> Node | None:
        return self.late[a].rest if a in self.late else self.done[a]

    def _summed(self, n: Node, a: Node) -> _Late:
        """A sum over t or s: of ``each`` it is still to be taken."""
        rest = self.late[a].rest
        return _Late(self.late[a].each, None if rest is None else build.reduce(rest, n.attr))

    def _chosen(self, n: Node) -> _Late:
        condition = self.done[n.args[0]]
        branches = n.args[1:]
        each = [self.late[a].each if a in self.late else None for a in branches]
        rest = [self._rest(a) for a in branches]
        here = build.expand(condition, AXES)
        return _Late(_where(here, each), _where(condition, rest))

    def _applied(self, n: Node, at: Node) -> _Late:
        """An operation that is linear in one of its arguments, on both parts of that."""
        each, rest = self.late[at].each, self.late[at].rest
        if rest is not None:
            rest = rebuild(n, [rest if a is at else self.done[a] for a in n.args])
        if each is not None:
            others = [build.expand(o, AXES) if o.axes else o for o in self._args(n)]
            args = [each if a is at else other for a, other in zip(n.args, others, strict=True)]
            each = build.contract(args[0], args[1], n.attr[0]) if n.op == "contract" else rebuild(n, args)
        return _Late(each, rest)


def _where(condition: Node, branches: Sequence[Node | None]) -> Node | None:
    if all(x is None for x in branches):
        return None
    a, b = (0.0 if x is None else x for x in branches)
    return build.where(condition, a, b)


def _total(terms: Sequence[Node]) -> Node | None:
    return build.add(*terms) if terms else None


def _whole(value: _Late, axes: Sequence[str]) -> Node:
    """The sum taken."""
    over = [a for a in AXES if a not in axes]
    terms = [] if value.each is None else [build.reduce(value.each, over)]
    return build.add(*terms, *([] if value.rest is None else [value.rest]))

"""Unfolding: t = 1..T substituted into a circuit gives an acyclic graph without time axes.

The equation ``h`` becomes ``h[1]``, …, ``h[T]``; steps are counted from the beginning of the window. In a
ragged unfolding T is the longest length, ``length`` stays a leaf, and every operator that looks across
steps or rows selects what is within the lengths. What stands beyond them is undefined and not read by what
is within.

(The gradient of a ragged unfolded graph is that of the equations as they stand, padding included: it is right
where the padding is finite. The unfolded gradient of a circuit is right whatever the padding holds.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

from . import build as b
from . import expr
from .branches import of_last
from .circuit import Circuit, Unfolding, step_name
from .doors import require_circuit
from .errors import CircuitError
from .expr import Node, const, time_axes, topological

Index = tuple[int, ...]
At = Mapping[str, int]


def unfold(circuit: Circuit, T: int, S: int | None = None, ragged: bool = False, start: int = 1) -> Circuit:
    """The acyclic graph of ``T`` steps (and ``S`` of a second sequence) of a circuit: ``h[1] = …``, ``h[2] = …``.

    ragged: sequences have lengths of their own, which ``evaluate`` is given. start: the number of the first step, in a
    window of a longer sequence. The result is a circuit without time axes, to be printed, evaluated, differentiated or
    compiled. Raises CircuitError for a number of
    steps below 1, for a circuit that has a second index when S is missing, and for what is no circuit (a loop
    without a delay).
    """
    require_circuit(circuit, "unfold")
    if circuit.unfolding is not None:
        raise CircuitError(f"{circuit.name} is unfolded already; unfold the circuit that it comes from")
    circuit.check()
    sizes = {"t": _steps("T", T)}
    needed = any("s" in n.axes for n in topological(circuit.eqs.values()))
    if S is not None:
        sizes["s"] = _steps("S", S)
    elif needed:
        raise CircuitError(f"{circuit.name} has a second index, s: say how many steps it has, unfold(…, S=…)")
    if start < 1:
        raise CircuitError(f"unfold: steps are counted from 1, not start={start}")
    unfolder = _Unfolder(sizes, ragged, start)
    eqs = unfolder.equations(circuit.eqs)
    origin = Unfolding(circuit, sizes, ragged, start, unfolder.leaves)
    grads = {
        step_name(wrt, at): step_name(name, at)
        for wrt, name in circuit.grads.items()
        for at in unfolder.steps(circuit.eqs[name])
    }
    return circuit.with_eqs(eqs, unfolding=origin, grads=grads)


def _steps(name: str, n: int) -> int:
    if not hasattr(n, "__index__") or isinstance(n, bool) or n < 1:
        raise CircuitError(f"unfold: {name} is a whole number of steps, at least 1, not {n!r}")
    return n


class _Unfolder:
    """Tables of the nodes that a node becomes, one for each combination of steps on its time axes."""

    def __init__(self, sizes: dict[str, int], ragged: bool, start: int) -> None:
        self.sizes = sizes
        self.ragged = ragged
        self.start = start
        self.leaves: dict[str, tuple[str, Index]] = {}
        self.tables: dict[Node, dict[Index, Node]] = {}
        self.rules: dict[str, Callable[[Node, At], Node]] = {
            "input": self._input, "ref": self._ref, "time": self._time, "length": self._length,
            "count": self._count, "mask": self._mask, "expand": self._expand, "delay": self._delay,
            "at": self._read, "place": self._place, "first": self._first, "where": self._where,
            "reduce": self._sum, "contract": self._sum, "scatter": self._sum, "amax": self._greatest,
        }  # fmt: skip

    def equations(self, eqs: Mapping[str, Node]) -> dict[str, Node]:
        """All equations at all steps."""
        for n in topological(eqs.values()):
            rule = self.rules.get(n.op, self._same)
            axes = time_axes(n)
            if not n.args and not axes and rule == self._same:
                self.tables[n] = {(): n}
            else:
                self.tables[n] = {i: rule(n, dict(zip(axes, i, strict=True))) for i in self._indices(axes)}
        return {step_name(name, at): self.get(e, at) for name, e in eqs.items() for at in self.steps(e)}

    def _indices(self, axes: Iterable[str]) -> Iterable[Index]:
        return product(*[range(1, self.sizes[a] + 1) for a in axes])

    def steps(self, n: Node) -> list[At]:
        """All combinations of steps of a node's time axes."""
        axes = time_axes(n)
        return [dict(zip(axes, i, strict=True)) for i in self._indices(axes)]

    def get(self, n: Node, at: At) -> Node:
        """What ``n`` has become at these steps."""
        return self.tables[n][tuple([at[a] for a in time_axes(n)])]

    def _same(self, n: Node, at: At) -> Node:
        return b.rebuild(n, [self.get(a, at) for a in n.args])

    # ---- leaves ----
    def _input(self, n: Node, at: At) -> Node:
        if not at:
            return n
        name = step_name(n.attr, at)
        self.leaves[name] = (n.attr, tuple(i - 1 for i in at.values()))
        return expr.input_(name, rest(n), n.shape, n.dtype)

    def _ref(self, n: Node, at: At) -> Node:
        return expr.leaf("ref", step_name(n.attr, at), rest(n), n.shape, n.dtype)

    def _number(self, axis: str, i: int) -> int:
        """The number of the i-th step."""
        return i + self.start - 1 if axis == "t" else i

    def _time(self, n: Node, at: At) -> Node:
        return const(float(self._number(n.attr, at[n.attr])))

    def _length(self, n: Node, at: At) -> Node:
        return n if self.ragged else b.expand(const(float(self.sizes[n.attr])), n.axes)

    def _count(self, n: Node, at: At) -> Node:
        if self.ragged or n.attr == ("b",):
            return n
        total = expr.count(["b"]) if "b" in n.attr else const(1.0)
        for a in n.attr:
            total = b.mul(total, float(self.sizes[a])) if a != "b" else total
        return total

    def _mask(self, n: Node, at: At) -> Node:
        key, p, _ = n.attr
        where = tuple((a, self._number(a, i)) for a, i in at.items())
        return expr.leaf("mask", (key, p, where), rest(n), n.shape)

    # ---- time ----
    def _valid(self, axis: str, i: int) -> Node | None:
        """Whether step ``i`` is within the length; None where it always is."""
        return b.compare(">=", expr.length(axis), float(i)) if self.ragged and i > 1 else None

    def _within(self, v: Node, other: Node, axes: Iterable[str], at: At) -> Node:
        """``v`` within the lengths of these axes, ``other`` beyond."""
        for a in axes:
            valid = self._valid(a, at[a]) if "b" in v.axes else None
            v = v if valid is None else b.where(valid, v, other)
        return v

    def _expand(self, n: Node, at: At) -> Node:
        return b.expand(self.get(n.args[0], at), rest(n))

    def _delay(self, n: Node, at: At) -> Node:
        axis, k = n.attr
        i, last = at[axis] - k, self.sizes[axis]
        if i < 1:
            return self._typed(n, self.get(n.args[1 - i], at))
        if k > 0 or not self.ragged:
            v = self.get(n.args[0], {**at, axis: i}) if i <= last else self.get(n.args[i - last], at)
            return self._typed(n, v)
        v = self.get(n.args[0], {**at, axis: i}) if i <= last else b.zeros(self.get(n.args[1], at))
        for j in range(1, -k + 1):
            if i - j >= 1:
                ends = b.compare("==", expr.length(axis), float(i - j))
                v = b.where(ends, self.get(n.args[j], at), v)
        return self._typed(n, v)

    def _read(self, n: Node, at: At) -> Node:
        axis, end, position = n.attr
        source = n.args[0]
        none = b.zeros(expr.ref("", expr.input_("", rest(n), n.shape, n.dtype)))
        if end and self.ragged:
            v = none
            for i in range(1, self.sizes[axis] + 1):
                here = b.compare("==", expr.length(axis), float(i - position))
                v = b.where(here, self.get(source, {**at, axis: i}), v)
            return self._typed(n, v)
        i = self._local(axis, end, position)
        if not 1 <= i <= self.sizes[axis]:
            return none
        v = self.get(source, {**at, axis: i})
        return self._typed(n, self._within(v, none, [axis], {axis: i}))

    def _local(self, axis: str, end: bool | None, position: int) -> int:
        """Which step of the window a position is."""
        if end:
            return self.sizes[axis] + position
        return position - self.start + 1 if axis == "t" and end is False else position

    def _place(self, n: Node, at: At) -> Node:
        axis, end, position = n.attr
        v = self.get(n.args[0], at)
        if end and self.ragged:
            here = b.compare("==", expr.length(axis), float(at[axis] - position))
            return self._typed(n, b.where(here, v, b.zeros(v)))
        return self._typed(n, v if at[axis] == self._local(axis, end, position) else b.zeros(v))

    def _first(self, n: Node, at: At) -> Node:
        chosen = n.args[0] if self._number(n.attr, at[n.attr]) == 1 else n.args[1]
        return self._typed(n, self.get(chosen, at))

    def _where(self, n: Node, at: At) -> Node:
        """Of ``where(t == T, …, …)`` the branch of this step; where lengths say which, the step is compared with them.

        The longest sequence ends at the last step, and beyond the end of a shorter one no value is read.
        """
        axis = of_last(n)
        if axis is None:
            return self._same(n, at)
        number = self._number(axis, at[axis])
        here, other = (self.get(a, at) for a in n.args[1:])
        if self.ragged and number < self.sizes[axis]:
            return self._typed(n, b.where(b.compare("==", float(number), expr.length(axis)), here, other))
        return self._typed(n, here if number == self.sizes[axis] else other)

    # ---- sums over index axes ----
    def _sum(self, n: Node, at: At) -> Node:
        """A sum over steps is a sum of terms; over the batch it stays, of the rows that still run."""
        over = n.attr if n.op == "reduce" else n.attr[1]
        batch = [a for a in over if a == "b"]
        terms = []
        for steps in self._indices([a for a in over if a != "b"]):
            full = {**at, **dict(zip([a for a in over if a != "b"], steps, strict=True))}
            args = [self._summand(x, full, over) for x in n.args]
            if n.op == "reduce":
                terms.append(b.reduce(args[0], batch))
            elif n.op == "contract":
                terms.append(b.contract(args[0], args[1], n.attr[0], batch))
            else:
                terms.append(b.scatter(args[0], n.attr[0], args[1:], batch))
        return self._typed(n, b.add(*terms))

    def _summand(self, x: Node, at: At, over: Sequence[str]) -> Node:
        v = self.get(x, at)
        return self._within(v, b.zeros(v), _summed(x, over), at) if x.dtype == "f" else v

    def _greatest(self, n: Node, at: At) -> Node:
        """The largest over steps, and over the rows of the batch that still run; no gradient passes."""
        x, over = n.args[0], [a for a in n.attr if a != "b"]
        best: Node | None = None
        for steps in self._indices(over):
            full = {**at, **dict(zip(over, steps, strict=True))}
            v = self.get(x, full)
            v = self._within(v, b.like(float("-inf"), v.axes, v.shape), _summed(x, n.attr), full)
            best = v if best is None else b.maximum(best, v)
        if best is None:
            raise CircuitError("the largest value of no steps")
        if "b" in n.attr:
            best = b.amax(best, ["b"])
        return self._typed(n, b.stop_gradient(best))

    @staticmethod
    def _typed(n: Node, v: Node) -> Node:
        return b.like(v, rest(n), n.shape)


def _summed(x: Node, over: Sequence[str]) -> list[str]:
    """The time axes whose lengths a sum asks: those summed over, and in a sum over the batch all."""
    return [a for a in time_axes(x) if a in over or "b" in over]


def rest(n: Node) -> list[str]:
    """The axes of a node that unfolding leaves."""
    return [a for a in n.axes if a == "b"]

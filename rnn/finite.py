"""Where a number that is not finite arose: the equation, the step and the sequence.

An update whose loss or gradient is not finite is computed once more by the interpreter, with every signal (and, where
the loss is finite, every adjoint) returned. From the loss, or the gradient, the search follows what is not finite back
through what reads what, to the values that are not finite although all that they read is. An infinity that does no
harm (a score of −inf under a softmax) is not on such a way.

What is summed over steps or sequences within an equation, as the terms of a loss, is looked at term by term; where all
terms are finite, it is the sum that overflows, from some step of some sequence on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..graph.carry import boundary_inputs, states
from ..graph.circuit import Circuit, reachable
from ..graph.expr import AXES, Node, rebuild, ref, topological
from ..graph.grad import PRIME, grad
from ..graph.show import equations
from ..graph.statistics import in_training
from .data.batches import Batch

if TYPE_CHECKING:
    from .truncation import Truncated

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """The first value that is not finite.

    equation  what it is a value of: an equation, a weight, an input, a state before the first step
    of        "loss": of the computation of the loss; "gradient": it is the derivative by ``equation`` (the user's
              name); "weight", "input", "state": it was given so
    step      the absolute t (s along a second sequence), from 1; None for a value without one
    sequence  the sequence of the batch, from 1, of so many ``sequences``; None for a value of no one sequence
    value     the first of its features that is not finite
    line      of the equation in the text, where it has one
    text      the equation
    reads     what the value was computed from: name at its step -> its least and greatest feature
    """

    equation: str
    of: str
    step: int | None
    sequence: int | None
    value: float
    line: int | None = None
    text: str = ""
    reads: tuple[tuple[str, float, float], ...] = ()
    sequences: int = 1

    def __str__(self) -> str:
        what = {"gradient": "the gradient by ", "weight": "the weight ", "input": "the input ", "state": "the state "}
        step = "" if self.step is None else f" at step {self.step}"
        row = "" if self.sequence is None else f" {'of' if step else 'in'} sequence {self.sequence} of {self.sequences}"
        line = f" (line {self.line}: {self.text})" if self.line else f" ({self.text})" if self.text else ""
        read = "; ".join(f"{name} = {_range(low, high)}" for name, low, high in self.reads)
        computed = f"\n  computed from {read}" if read else ""
        return f"{what.get(self.of, '')}{self.equation} is {self.value}{step}{row}{line}{computed}"


def _range(low: float, high: float) -> str:
    return f"{low:.6g}" if low == high else f"{low:.6g} … {high:.6g}"


def first_not_finite(
    truncated: Truncated,
    weights: Mapping[str, Array],
    batch: Batch,
    state: Mapping[str, Array] | None = None,
    seed: int = 0,
) -> Found | None:
    """The first value that is not finite in an update, in the order in which the values are computed.

    Takes what ``truncated.step`` took. First in the forward pass is the least step, in the backward pass the greatest.
    None where loss and gradient are finite here: at the edge of what the dtype holds, sums in another order are.
    """
    inputs, initial = truncated.call(batch, state)
    return first_in_call(
        truncated.circuit, weights, inputs,
        lengths=batch.ends, initial=initial, start=batch.start, seed=seed, loss=truncated.loss,
    )  # fmt: skip


def first_in_call(
    net: Circuit,
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    *,
    lengths: Any = None,
    initial: Mapping[str, Array] | None = None,
    start: int = 1,
    seed: int = 0,
    loss: str = "L",
) -> Found | None:
    """The same for what a compiled program of a network was called with, in its dtype; see ``compiler.Program``."""
    net = reachable(net, [loss])
    kinds = [np.asarray(a).dtype for a in (*weights.values(), *inputs.values())]
    dtype = next((kind for kind in kinds if kind.kind == "f"), np.dtype(np.float32)).name
    given: dict[str, Any] = dict(inputs)
    if initial is not None:
        from ..compiler.initial import States

        given |= States(net, states(net)).boundary_arrays(initial, np.dtype(dtype))
        net = boundary_inputs(net)
    net = in_training(net)
    call = {"lengths": lengths, "start": start, "seed": seed}
    terms = _Terms(net)
    found = _values(terms.net, dtype, weights, given, call)
    if not np.isfinite(found[loss]).all():
        return _Search(terms, found, weights, given, call).first([loss])
    terms = _Terms(grad(net, loss))
    found = _values(terms.net, dtype, weights, given, call)
    roots = [name for name in terms.net.grads.values() if not np.isfinite(found[name]).all()]
    return _Search(terms, found, weights, given, call).first(roots) if roots else None


def _values(
    net: Circuit, dtype: str, weights: Mapping[str, Array], given: Mapping[str, Any], call: Mapping[str, Any]
) -> dict[str, Array]:
    """Every equation's values, by the interpreter."""
    from .. import compiler

    names = [n for n, e in net.eqs.items() if e.dtype == "f"]
    program = compiler.compile(net, None, returns=names, target="interpret", dtype=dtype)
    with np.errstate(all="ignore"):
        return program(weights, **call, **given).value


class _Terms:
    """A circuit in which what is summed within an equation has an equation of its own.

    net      with these equations more;  whole: without them
    parents  the name of each -> the equation that sums it
    """

    def __init__(self, whole: Circuit) -> None:
        self.whole = whole
        self.parents: dict[str, str] = {}
        eqs: dict[str, Node] = {}
        for name, e in whole.eqs.items():
            done: dict[Node, Node] = {}
            for n in topological([e]):
                args = [done[a] for a in n.args]
                if n.op in ("reduce", "amax") and args[0].dtype == "f" and args[0].args:
                    term = f"{name} · {len(self.parents) + 1}"
                    self.parents[term], eqs[term] = name, args[0]
                    args = [ref(term, args[0])]
                done[n] = rebuild(n, args)
            eqs[name] = done[e]
        self.net = whole.with_eqs(eqs)


class _Search:
    """Marks [T, S, B] of what is not finite, followed from values to what they read.

    A mark has the size 1 along axes over which its value does not vary.
    """

    def __init__(
        self,
        terms: _Terms,
        values: Mapping[str, Array],
        weights: Mapping[str, Array],
        given: Mapping[str, Any],
        call: Mapping[str, Any],
    ) -> None:
        self.terms, net = terms, terms.net
        self.net, self.start = net, int(call["start"])
        leaves = [n for n in topological(net.eqs.values()) if n.op in ("param", "input") and n.dtype == "f"]
        self.leaves = {n.attr: n for n in leaves}
        self.nodes = self.leaves | {n: e for n, e in net.eqs.items() if n in values}
        arrays = {n: weights[n] if x.op == "param" else given.get(n) for n, x in self.leaves.items()}
        self.arrays = {n: np.asarray(a) for n, a in (arrays | dict(values)).items() if a is not None}
        self.sizes = self._sizes(given)
        self.lengths = self._lengths(call["lengths"])
        self.bad = {n: self._marks(n) for n in self.arrays}
        self.orders = {n: topological([e]) for n, e in net.eqs.items()}

    def _sizes(self, given: Mapping[str, Any]) -> dict[str, int]:
        sizes = dict.fromkeys(AXES, 1)
        every = [(n, np.shape(given[n.attr])) for n in self.net.input_nodes.values() if n.attr in given]
        for node, shape in [*every, *((self.nodes[n], a.shape) for n, a in self.arrays.items())]:
            sizes |= dict(zip(node.axes, shape, strict=False))
        return sizes

    def _lengths(self, lengths: Any) -> dict[str, Array]:
        each = lengths if isinstance(lengths, Mapping) else {"t": lengths}
        rows = self.sizes["b"]
        return {
            a: np.broadcast_to(self.sizes[a] if each.get(a) is None else np.asarray(each[a]), (rows,)) for a in "ts"
        }

    def _marks(self, name: str) -> Mask:
        """Where a value is not finite, within the lengths."""
        node, array = self.nodes[name], self.arrays[name]
        features = tuple(range(len(node.axes), array.ndim))
        bad = ~np.isfinite(array).all(axis=features)
        bad = bad.reshape([self.sizes[a] if a in node.axes else 1 for a in AXES])
        return np.asarray(bad & self._valid(node.axes))

    def _valid(self, axes: Sequence[str]) -> Mask:
        """The steps within the lengths."""
        valid = np.ones((1, 1, 1), np.bool_)
        for i, a in enumerate("ts"):
            if a in axes and "b" in axes:
                steps = np.arange(1, self.sizes[a] + 1).reshape([-1 if i == k else 1 for k in range(3)])
                valid = valid & (steps <= self.lengths[a])
        return valid

    # ---- the search ------------------------------------------------------------------------------
    def first(self, roots: Sequence[str]) -> Found | None:
        """The first value from which what is not finite in the roots comes."""
        wanted = {name: self.bad[name] for name in roots}
        waiting = list(roots)
        while waiting:
            name = waiting.pop()
            if name not in self.orders:
                continue
            for read, marks in self.read(name, wanted[name]):
                if read not in self.bad:
                    continue
                old = wanted.get(read, np.zeros((1, 1, 1), np.bool_))
                new = old | (marks & self.bad[read])
                if (new != old).any():
                    wanted[read] = new
                    if read not in waiting:
                        waiting.append(read)
        for name, place in self._ordered(wanted):
            one = np.zeros(self.bad[name].shape, np.bool_)
            one[place] = True
            reads = list(self.read(name, one)) if name in self.orders else []
            if not any((marks & self.bad[read]).any() for read, marks in reads if read in self.bad):
                return self._found(name, place, reads)
        return None

    def _ordered(self, wanted: Mapping[str, Mask]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """What is given; then signals and values by step and place in the text; then the adjoints, backwards."""
        mark = self.net.order
        places = list(self.net.eqs)

        def rank(item: tuple[str, tuple[int, ...]]) -> tuple[int, ...]:
            name, place = item
            if name in self.leaves:
                return 0, int(self.leaves[name].op == "input"), *place
            if mark and name.startswith(mark):
                return 2, -place[0], places.index(name), *place[1:]
            return 1, place[0], places.index(name), *place[1:]

        found = [(name, tuple(map(int, p))) for name, marks in wanted.items() for p in np.argwhere(marks)]
        yield from sorted(found, key=rank)

    def _found(self, name: str, place: tuple[int, ...], reads: Sequence[tuple[str, Mask]]) -> Found:
        node = self.nodes[name]
        index = tuple(place[AXES.index(a)] for a in node.axes)
        features = np.atleast_1d(self.arrays[name][index])
        value = float(features[~np.isfinite(features)].flat[0])
        parent = self.terms.parents.get(name, name)
        base, of = parent, "loss"
        if node.op == "param" and name in self.leaves:
            of = "weight"
        elif name in self.leaves:
            base, of = name.partition("[")[0], "state" if "[" in name else "input"
        elif self.net.order and name.startswith(self.net.order):
            base, of = parent.removeprefix(self.net.order).replace(PRIME, ""), "gradient"
        axes = node.axes
        if of == "loss":
            axes, place = self._overflow(node, place, reads)
        steps = [place[i] + (self.start if a == "t" else 1) for i, a in enumerate("ts") if a in axes]
        text = equations(self.terms.whole).get(parent, "") if parent in self.net.eqs else ""
        return Found(
            base, of, steps[0] if steps else None, place[2] + 1 if "b" in axes else None, value,
            self.net.lines.get(base) if of in ("loss", "gradient") else None, text,
            self._shown(self._of_terms(reads)), self.sizes["b"],
        )  # fmt: skip

    def _overflow(
        self, node: Node, place: tuple[int, ...], reads: Sequence[tuple[str, Mask]]
    ) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Where a value arose that sums finite terms: the axes, and the step and sequence from which on the sum is not
        finite, step by step and sequence by sequence; those of the value where it sums nothing."""
        for name, marks in reads:
            if name not in self.arrays:
                continue
            axes, array = self.nodes[name].axes, self.arrays[name]
            shape = [self.sizes[a] if a in axes else 1 for a in AXES]
            summed = np.broadcast_to(marks & self._valid(axes), shape)
            array = array.reshape((*shape, -1))
            places = np.argwhere(summed)
            with np.errstate(all="ignore"):
                sums = np.cumsum(array[tuple(places.T)], axis=0, dtype=array.dtype)
            bad = np.flatnonzero(~np.isfinite(sums).all(axis=1))
            if len(bad):
                return axes, tuple(map(int, places[bad[0]]))
        return node.axes, place

    def _of_terms(self, reads: Sequence[tuple[str, Mask]]) -> list[tuple[str, Mask]]:
        """What is read, with what terms read in their place: they have no name that anybody knows."""
        found: list[tuple[str, Mask]] = []
        for name, marks in reads:
            inner = name in self.terms.parents
            found += self._of_terms(list(self.read(name, marks))) if inner else [(name, marks)]
        return found

    def _shown(self, reads: Sequence[tuple[str, Mask]]) -> tuple[tuple[str, float, float], ...]:
        """The least and greatest of what a value was computed from."""
        shown: dict[str, tuple[float, float]] = {}
        for name, marks in reads:
            if name in self.arrays and marks.any():
                node = self.nodes[name]
                kept = np.broadcast_to(marks, self.bad[name].shape) & self._valid(node.axes)
                shape = [self.sizes[a] for a in node.axes]
                chosen = self.arrays[name][kept.reshape(shape)] if shape else self.arrays[name]
                if chosen.size:
                    at = {int(p[0]) for p in np.argwhere(kept)}
                    label = f"{name}[{at.pop() + self.start}]" if "t" in node.axes and len(at) == 1 else name
                    shown[label] = float(np.min(chosen)), float(np.max(chosen))
        return tuple((name, low, high) for name, (low, high) in shown.items())

    # ---- what reads what -------------------------------------------------------------------------
    def read(self, name: str, marks: Mask) -> Iterator[tuple[str, Mask]]:
        """The names that the marked values of an equation read, with marks of where."""
        order = self.orders[name]
        asked: dict[Node, Mask] = {order[-1]: marks}
        for n in reversed(order):
            here = asked.pop(n, None)
            if here is None or not here.any():
                continue
            if n.op in ("ref", "param", "input"):
                yield n.attr, here
                continue
            for a, found in zip(n.args, self._arguments(n, here), strict=True):
                found = self._fitted(found, a)
                asked[a] = asked[a] | found if a in asked else found

    def _fitted(self, marks: Mask, n: Node) -> Mask:
        """Marks with the axes of a node: any along those that it lacks, the same along those that are new."""
        for i, a in enumerate(AXES):
            if a not in n.axes:
                marks = _any(marks, i)
        return np.broadcast_to(marks, [self.sizes[a] if a in n.axes else 1 for a in AXES])

    def _arguments(self, n: Node, marks: Mask) -> list[Mask]:
        if n.op == "delay":
            return self._delayed(n, marks)
        if n.op == "at":
            return [marks & self._at(n.attr)]
        if n.op == "place":
            return [_any(marks & self._at(n.attr), AXES.index(n.attr[0]))]
        if n.op == "first":
            axis, start = n.attr, self.start if n.attr == "t" else 1
            one = self._steps(axis) + start - 1 == 1
            return [marks & one, marks & ~one]
        if n.op in ("reduce", "amax", "contract", "scatter"):
            return [marks & self._valid(a.axes) for a in n.args]
        return [marks] * len(n.args)

    def _steps(self, axis: str) -> NDArray[np.int64]:
        i = AXES.index(axis)
        return np.arange(1, self.sizes[axis] + 1).reshape([-1 if i == k else 1 for k in range(3)])

    def _at(self, attr: tuple[str, bool | None, int]) -> Mask:
        """The step that ``at`` reads, of each row."""
        axis, end, position = attr
        start = self.start if axis == "t" and end is False else 1
        step = self.lengths[axis] + position if end else position - start + 1
        return np.asarray(self._steps(axis) == step)

    def _delayed(self, n: Node, marks: Mask) -> list[Mask]:
        """Marks of what a delay, or an advance, reads, and of its boundary values."""
        axis, k = n.attr
        i = AXES.index(axis)
        moved = np.moveaxis(np.zeros(marks.shape, np.bool_), i, 0)
        source = np.moveaxis(marks, i, 0)
        if k > 0:
            moved[: max(len(source) - k, 0)] = source[k:]
        else:
            moved[-k:] = source[:k]
        bounds = []
        for j in range(1, abs(k) + 1):
            # the first bound of a delay is that of step 0, the first of an advance that of the step after the last
            step = k - j + 1 if k > 0 else self.lengths[axis] + k + j
            bounds.append(_any(marks & (self._steps(axis) == step), i))
        return [np.moveaxis(moved, 0, i), *bounds]


def _any(marks: Mask, axis: int) -> Mask:
    """Marks that are the same along an axis: where any along it was marked."""
    return np.asarray(marks.any(axis=axis, keepdims=True))

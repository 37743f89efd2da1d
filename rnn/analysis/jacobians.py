"""Derivatives through time, exactly: ∂L/∂h[t] of a loss, and ∂h[t]/∂h[s] of a state by itself at another step.

Both are total derivatives with respect to a signal: h[s] is moved and all that reads it follows, also within the
step. For the second, every read of a state at another step is cut (``stop_gradient``) and a zero input added to it.
One backward pass over a batch in which each row has the unit vector of another unit then gives, for all t at once,

    D(t) = ∂z[t]/∂z[t]      within the step: the identity, and what states of the same step do to each other
    K(t) = ∂z[t]/∂z[t-k]    by each lag k that is read

for the states z of one cycle together. From these follow, from each t back through all s,

    ∂z[t]/∂z[s] = R(t, s) D(s)    with    R(t, t) = 1,    R(t, s) = Σ_k R(t, s+k) K_k(s+k).

Only the circuit's own adjoint is used: lags, advances, several states and gates of any kind are no special cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph import build as b
from ...graph import expr
from ...graph.circuit import Circuit, reachable
from ...graph.dependence import dependent
from ...graph.errors import CircuitError
from ...graph.expr import Node, substitute, time_axes, topological
from .singular import largest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = np.ndarray[Any, Any]

NORMS = ("operator", "frobenius")
MOST_TARGETS = 64
"""Steps t of which norms are taken, unless others are asked for; fewer where that takes long."""
MOST_WORK = 3e8
"""Multiplications that norms may take: n³ for each pair of steps and sequence."""


@dataclass(frozen=True)
class State:
    """A signal that depends on itself at another step.

    axis     the index along which it does, t or s
    forward  whether it runs from the first step to the last (reads its past), else the other way
    cycle    the states on whose past it depends and that depend on its own, itself among them
    """

    name: str
    axis: str
    forward: bool
    shape: tuple[int, ...]
    cycle: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many units it has."""
        return int(np.prod(self.shape, dtype=np.int64))


def recurrent_states(net: Circuit) -> dict[str, State]:
    """The signals of a circuit that are read at another step by what they depend on, in the order of the text.

    Raises CircuitError for a cycle through a signal of two indices (``w[t-1, s]``).
    """
    orders = {name: topological([e]) for name, e in net.eqs.items()}
    reads = {name: {n.attr for n in order if n.op == "ref"} for name, order in orders.items()}
    shifts: dict[str, tuple[str, int]] = {}
    for order in orders.values():
        shifts |= {n.args[0].attr: n.attr for n in order if n.op == "delay" and n.args[0].op == "ref"}
    shifted = [name for name, e in net.eqs.items() if name in shifts and e.dtype == "f"]
    later = {name: dependent(orders, [name]) for name in shifted}
    cyclic = [name for name in shifted if reads[name] & later[name]]
    found = {}
    for name in cyclic:
        e, (axis, k) = net.eqs[name], shifts[name]
        if e.axes != (axis, "b"):
            raise CircuitError(
                f"{net.name}: {name} goes on along {axis} and has the index {', '.join(time_axes(e))}; the derivative "
                "of a state by its past is taken of states with one index"
            )
        cycle = tuple(n for n in cyclic if n in later[name] and name in later[n])
        found[name] = State(name, axis, k > 0, e.shape, cycle)
    return found


def loss_gradients(
    net: Circuit, loss: str, states: Sequence[str], params: Mapping[str, Any], target: str, **call: Any
) -> dict[str, NDArray[np.float64]]:
    """∂L/∂h[t] for each state, [T, B, *shape]: of the mean of L over the batch, as ``grad`` takes it."""
    from ... import compiler

    program = compiler.compile(net, loss=loss, wrt=list(states), target=target, dtype="float64", training=False)
    return program(params, **call).grad


# ---- one step --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Steps:
    """The derivatives of one step of the states of a cycle, ``N`` units in all, for every t and sequence.

    within  D(t), [T, B, N, N]             lags  k -> K_k(t), [T, B, N, N]; k < 0: by the step t - k, which comes after
    place   state -> its units among the N
    """

    within: NDArray[np.float64]
    lags: dict[int, NDArray[np.float64]]
    place: dict[str, slice]


def one_step(
    net: Circuit, cycle: Sequence[State], params: Mapping[str, Any], target: str, lengths: Any, **inputs: Array
) -> Steps:
    """D and K of the states of a cycle; ``inputs`` are float64 arrays and symbols [T, B, …]."""
    from ... import compiler

    cut = _Cut(net, cycle)
    program = compiler.compile(
        cut.circuit,
        loss=cut.loss,
        wrt=[s.name for s in cycle] + list(cut.moved),
        target=target,
        dtype="float64",
        training=False,
    )
    place, units = {}, 0
    for s in cycle:
        place[s.name] = slice(units, units + s.size)
        units += s.size
    sequences = next(iter(lengths.values())).shape[0]
    which = np.repeat(np.arange(sequences), units)  # each sequence once for every unit
    call: dict[str, Any] = {
        name: np.take(inputs[name], which, node.axes.index("b")) if "b" in node.axes else inputs[name]
        for name, node in cut.circuit.input_nodes.items()
        if name in inputs
    }
    steps = int(lengths[cycle[0].axis].max())
    for s in cycle:
        seeds = np.zeros((steps, sequences, units, s.size))
        seeds[:, :, place[s.name]] = np.eye(s.size)
        call[cut.seeds[s.name]] = seeds.reshape(steps, sequences * units, *s.shape)
    for name in cut.moved:
        node = cut.circuit.input_nodes[name]
        call[name] = np.zeros((steps, sequences * units, *node.shape))
    gradient = program(params, lengths={a: n[which] for a, n in lengths.items()}, **call).grad

    def rows(name: str) -> NDArray[np.float64]:
        return gradient[name].reshape(steps, sequences, units, -1)

    within = np.concatenate([rows(s.name) for s in cycle], -1)
    lags = {k: np.zeros_like(within) for k in dict.fromkeys(k for _, k in cut.moved.values())}
    for name, (source, k) in cut.moved.items():
        lags[k][..., place[source]] = rows(name)
    return Steps(within, lags, place)


class _Cut:
    """The circuit of a cycle whose steps are cut apart.

    circuit  with the equations that the cycle needs, and the loss Σ_t ⟨seed, state⟩
    seeds    state -> the input that weighs it in the loss
    moved    input that is added to a read at another step -> (what is read there, the lag)
    """

    def __init__(self, net: Circuit, cycle: Sequence[State]) -> None:
        names = [s.name for s in cycle]
        part = reachable(net, names)
        self.taken = net.names()
        self.moved: dict[str, tuple[str, int]] = {}
        replace: dict[Node, Node] = {}
        for n in topological(part.eqs.values()):
            if n.op == "delay" and n.args[0].attr in names:
                source, k = n.args[0].attr, n.attr[1]
                label = next((m for m, known in self.moved.items() if known == (source, k)), None)
                if label is None:
                    label = self._free(f"moved_{source}")
                    self.moved[label] = (source, k)
                replace[n] = b.add(b.stop_gradient(n), expr.input_(label, n.axes, n.shape))
        eqs = dict(zip(part.eqs, substitute(list(part.eqs.values()), replace), strict=True))
        self.seeds = {name: self._free(f"seed_{name}") for name in names}
        self.loss = self._free("loss")
        terms = []
        for name, label in self.seeds.items():
            e = net.eqs[name]
            terms.append(b.sum_all(b.mul(expr.input_(label, e.axes, e.shape), expr.ref(name, e))))
        eqs[self.loss] = b.add(*[b.reduce(x, x.axes) for x in terms])
        read = {n.attr: n for n in topological(eqs.values()) if n.op == "input"}
        symbols = {n: size for n, size in net.symbols.items() if n in read}
        self.circuit = part.with_eqs(eqs, input_nodes=read, symbols=symbols, grads={})

    def _free(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


# ---- products --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Norms:
    """‖∂h[t]/∂h[s]‖ of one state: ``logs`` [targets, T], row i for t = ``targets[i]``, column s - 1 for s.

    They are natural logarithms, so that nothing vanishes for being small; -inf is zero. Where s comes after t (for
    a state that runs from the right: before) it is NaN.
    """

    state: State
    targets: NDArray[np.int64]
    logs: NDArray[np.float64]

    def by_distance(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Distances |t - s| from 1 on, and for each the median of the logarithm over all pairs so far apart."""
        steps = np.arange(1, self.logs.shape[1] + 1)
        distance = np.abs(self.targets[:, None] - steps)
        known = ~np.isnan(self.logs) & (distance > 0)
        distances = np.unique(distance[known])
        return distances, np.array([_middle(self.logs[known & (distance == d)]) for d in distances])


def _middle(logs: NDArray[np.float64]) -> float:
    """The median, one of the values: between -inf and a number there is no mean."""
    return float(np.sort(logs)[(len(logs) - 1) // 2])


def norms(
    steps: Steps,
    cycle: Sequence[State],
    lengths: NDArray[np.int64],
    targets: Sequence[int] | None = None,
    norm: str = "operator",
) -> dict[str, Norms]:
    """‖∂h[t]/∂h[s]‖ for each state of a cycle, as the geometric mean over the sequences that reach so far.

    It is zero where it is zero in at least half of them; else those in which nothing is left do not count.

    targets  the steps t; None: all, or evenly spaced ones where all would be too many
    norm     "operator": the largest singular value; "frobenius": divided by √n, the root mean square of the factors by
             which the directions grow. Both are 1 for the identity
    """
    T, forward = len(steps.within), cycle[0].forward
    work = sum(s.size**3 for s in cycle) * T * len(lengths) / 2
    at = _targets(targets, T, forward, int(min(max(MOST_WORK / work, 16), MOST_TARGETS)))
    total = {s.name: np.zeros((len(at), T)) for s in cycle}
    count = np.zeros((len(at), T))
    alive = {s.name: np.zeros((len(at), T)) for s in cycle}
    for row, end in enumerate(lengths):
        for s, logs, blocks in products(steps, row, int(end), at, forward):
            meant = (at <= end) & (at >= s if forward else at <= s)
            count[:, s - 1] += meant
            there = np.isfinite(logs)
            for state in cycle:
                own, found = steps.place[state.name], np.full(len(at), -np.inf)
                square = np.ascontiguousarray(blocks[there][:, own, own])
                found[there] = logs[there] + _logs(square, norm)
                left = meant & np.isfinite(found)
                total[state.name][left, s - 1] += found[left]
                alive[state.name][left, s - 1] += 1
    return {s.name: Norms(s, at, _mean(total[s.name], alive[s.name], count)) for s in cycle}


def _mean(
    total: NDArray[np.float64], alive: NDArray[np.float64], count: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sums of logarithms as means; -inf where most sequences have none, NaN where there is no sequence."""
    mean = np.where(2 * alive > count, total / np.maximum(alive, 1), -np.inf)
    return np.where(count > 0, mean, np.nan)


def products(
    steps: Steps, row: int, end: int, at: NDArray[np.int64], forward: bool
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """For each s in the order of computation: s, and ∂z[t]/∂z[s] for all t of ``at``, exp(logs [t]) · blocks [t, N, N].

    The blocks are scaled so that their entries neither vanish nor overflow, however far t and s are apart. Where
    nothing leads from s to t, and where t is beyond ``end``, the logarithm is -inf.
    """
    N, reach = steps.within.shape[-1], max(map(abs, steps.lags))
    kept: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}  # s -> logs [t], R(t, s) [t, N, N]
    for s in range(end, 0, -1) if forward else range(1, end + 1):
        behind = {k: kept[s + k] for k in steps.lags if s + k in kept}
        scale = np.max([np.full(len(at), -np.inf), *(logs for logs, _ in behind.values())], 0)
        blocks = np.zeros((len(at), N, N))
        for k, (logs, later) in behind.items():
            some = np.flatnonzero(np.isfinite(logs))
            share = np.exp(logs[some] - scale[some])[:, None, None]
            matrix = steps.lags[k][s + k - 1, row]
            blocks[some] += share * (later[some].reshape(-1, N) @ matrix).reshape(-1, N, N)
        blocks[at == s], scale[at == s] = np.eye(N), 0.0
        size = np.abs(blocks).max((1, 2))
        odd = (size == 0) | ~np.isfinite(size)
        blocks /= np.where(odd, 1.0, size)[:, None, None]
        kept[s] = scale + np.log(np.where(odd, 1.0, size)), blocks
        kept.pop(s + reach if forward else s - reach, None)
        yield s, kept[s][0], _within(blocks, np.isfinite(kept[s][0]), steps.within[s - 1, row])


def _within(blocks: Array, there: Array, within: NDArray[np.float64]) -> NDArray[np.float64]:
    """The blocks, where they are ``there``, times D(s): of a state that no other of its step reads, the identity."""
    N = len(within)
    moved = np.flatnonzero((within != np.eye(N)).any(0))
    if not len(moved):
        return blocks
    some, found = np.flatnonzero(there), blocks.copy()
    found[np.ix_(some, np.arange(N), moved)] = (blocks[some].reshape(-1, N) @ within[:, moved]).reshape(
        len(some), N, len(moved)
    )
    return found


def _logs(blocks: NDArray[np.float64], norm: str) -> NDArray[np.float64]:
    """log ‖J‖ of each block of [s, n, n]."""
    if norm == "operator":
        sizes = largest(blocks)
    else:
        sizes = np.linalg.norm(blocks, axis=(1, 2)) / np.sqrt(blocks.shape[-1])
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(sizes))


def _targets(given: Sequence[int] | None, T: int, forward: bool, most: int) -> NDArray[np.int64]:
    """The steps t of which norms are taken, the one with the longest past among them."""
    if given is not None:
        at = np.unique(np.asarray(list(given), np.int64))
        if not len(at) or at[0] < 1 or at[-1] > T:
            raise ValueError(f"targets: expected steps from 1 to {T}, got {list(given)!r}")
        return at
    count = min(T, most)
    spaced = np.unique(np.rint(np.linspace(T / count, T, count)).astype(np.int64))
    return spaced if forward else T + 1 - spaced[::-1]

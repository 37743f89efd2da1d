"""The road from a circuit to a loop program, one pass after the other.

    circuit ─ windows ─ simplify ─ parts ─ tables ─ canonical ─ grad ─ simplify
                       ┌──────────────────────────────────────────────────┘
                       ├─ regroup ─ schedule ─ place ─ lower ─ fuse
                       └─ explain
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..graph import build
from ..graph.carry import carried, final_name, final_values, opened, states
from ..graph.circuit import Circuit, is_boundary_name, reachable
from ..graph.errors import CircuitError, unknown
from ..graph.expr import Node, count, make, ref, topological
from ..graph.grad import grad
from ..graph.simplify import canonical, simplify
from ..graph.statistics import after_training, in_training, with_statistics
from .boundaries import one_value_a_slot
from .checkpoint import checkpointed
from .chunks import fuse, ring
from .initial import States
from .late_sums import late_sums
from .loop import Program as LoopProgram
from .lower import lower
from .merge import regroup_sums
from .network import LEAVES, Network
from .parameters import Parts, split_parameters
from .place import place
from .plan import Plan
from .schedule import schedule
from .tables import with_tables


@dataclass(frozen=True)
class Request:
    """What is asked of a program: see ``compile``."""

    loss: str | None
    wrt: tuple[str, ...] | None
    returns: tuple[str, ...]
    dtype: str
    training: bool
    checkpoint: int | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """The equations that are wanted, gradients apart."""
        return (*([self.loss] if self.loss else []), *self.returns)


@dataclass(frozen=True)
class Compiled:
    """One loop program with what is needed to call it and to explain it.

    loops     its results are named "loss", "value:NAME", "grad:NAME", "final:NAME:LAG" and "stats:NAME"
    parts     parameter of the loop program -> (the caller's parameter, ranges), for those read in parts
    circuit   circuit and adjoint as they were scheduled
    initial   the boundary values that it takes as inputs, "h[0]" and the like
    """

    loops: LoopProgram
    parts: Parts
    circuit: Circuit
    initial: tuple[str, ...]


class Road:
    """The loop programs of one request: with the circuit's own initial values, and with the caller's.

    Both are built when they are first needed; where the circuit states no initial values there is but one.
    """

    def __init__(self, net: Circuit, request: Request, plan: Plan) -> None:
        # each node of an unfolded graph knows the equation and the step it comes from: the loop is there already
        self.whole = net.unfolding.circuit if net.unfolding else net
        # what is given, computed and carried is what is asked for needs
        self.net = reachable(self.whole, _needed(self.whole, request))
        self.request, self.plan = request, plan

    @cached_property
    def computed(self) -> Circuit:
        """``net`` in training, or as it is used afterwards: what a call's arrays are for."""
        return in_training(self.net) if self.request.training else after_training(self.net)

    @cached_property
    def states(self) -> dict[str, int]:
        """What a window hands to the next: name -> how many steps of it.

        Raises CircuitError, naming the equation, for a circuit that cannot be cut into windows.
        """
        return states(self.net)

    @cached_property
    def initial(self) -> States:
        """What a call's initial state is checked against. Raises CircuitError as ``states`` does."""
        return States(self.whole, self.states)

    @cached_property
    def can_be_cut(self) -> bool:
        """Whether state can be carried from one call to the next."""
        try:
            return bool(self.states)
        except CircuitError:
            return False

    @cached_property
    def has_own_initial_values(self) -> bool:
        """Whether the circuit states values before the start."""
        return any(is_boundary_name(n) and "+" not in n for n in self.net.eqs)

    @cached_property
    def own(self) -> Compiled:
        """The program that starts from the circuit's own initial values."""
        return self._compiled(self._windowed(given=False))

    @cached_property
    def given(self) -> Compiled:
        """The program that starts from values that the caller gives.

        Raises CircuitError, naming the equation, for a circuit that cannot be cut into windows.
        """
        _ = self.states
        return self._compiled(self._windowed(given=True))

    def _windowed(self, given: bool) -> Circuit:
        """The circuit with its final values as equations, and its initial values as inputs where they are given."""
        net = self.net
        if given:
            return carried(net)
        for name in self.request.wrt or ():
            if is_boundary_name(name) and name not in net.eqs and name not in net.input_nodes:
                net = opened(net, name)
        return final_values(net) if self.can_be_cut else net

    # ---- one loop program ------------------------------------------------------------------------
    def _compiled(self, net: Circuit) -> Compiled:
        request = self.request
        lags = self._final_lags(net)
        finals = {f"final:{n}:{j}": final_name(n, j) for n, k in lags for j in range(k)}
        net, statistics = with_statistics(net) if request.training else (after_training(net), {})
        wanted = [*request.asked, *finals.values(), *statistics.values()]
        sought = [n for n in request.wrt or () if n in net.eqs]
        net = simplify(net, wanted, opaque=sought)
        eqs, parts = split_parameters(net.eqs)
        net = net.with_eqs(eqs, param_nodes=_declared(net, parts))
        if request.loss and request.wrt != ():
            net = with_tables(net, self.plan.tables, opaque=sought)
        net = canonical(net, [*wanted, *sought])
        results = {f"value:{n}": n for n in dict.fromkeys(request.asked)} | finals
        results |= {f"stats:{n}": name for n, name in statistics.items()}
        if request.loss:
            net, gradients = self._differentiated(net, request.loss, parts)
            results = {"loss": _MEAN} | results | gradients
            net = simplify(net, list(dict.fromkeys(results.values())))
        loops = self._lowered(net, results)
        initial = tuple(n for n in net.input_nodes if is_boundary_name(n))
        return Compiled(loops, parts, net, initial)

    def _final_lags(self, net: Circuit) -> list[tuple[str, int]]:
        """What is carried, in the order of the graph: it must not depend on names or on the order of the text."""
        if not self.can_be_cut:
            return []
        place = _places(net, self.request.asked)
        return sorted(self.states.items(), key=lambda item: place.get(item[0], len(place)))

    def _differentiated(self, net: Circuit, loss: str, parts: Parts) -> tuple[Circuit, dict[str, str]]:
        """Circuit and adjoint with the mean loss, and result name -> equation of each gradient."""
        wrt = self._wrt(net, loss, parts)
        value = net.eqs[loss]
        adjoint = grad(net, loss, wrt) if wrt else net
        adjoint = adjoint.with_eqs(late_sums(adjoint.eqs))
        loss_ref = ref(loss, value)
        mean = build.div(build.reduce(loss_ref, ["b"]), count(["b"])) if value.axes else make("copy", (loss_ref,))
        adjoint = adjoint.with_eqs({**adjoint.eqs, _MEAN: mean})
        return adjoint, {f"grad:{n}": adjoint.grads[n] for n in wrt}

    def _wrt(self, net: Circuit, loss: str, parts: Parts) -> list[str]:
        """What to differentiate by, parameters that are read in parts as their parts."""
        asked = self.request.wrt
        names = [n for n in self.net.param_nodes if n not in self.net.constants] if asked is None else asked
        by_parameter: dict[str, list[str]] = {}
        for part, (whole, _) in parts.items():
            by_parameter.setdefault(whole, []).append(part)
        found = [part for n in names for part in by_parameter.get(n, [n])]
        place = _places(net, [loss])
        return sorted(dict.fromkeys(found), key=lambda n: place.get(n, len(place)))

    def _lowered(self, net: Circuit, results: dict[str, str]) -> LoopProgram:
        plan = self.plan
        eqs = {n: _computed(net, e) if n in results.values() else e for n, e in net.eqs.items()}
        network = Network(one_value_a_slot(eqs), list(dict.fromkeys(results.values())))
        hoist = plan.hoist is not False
        if plan.merge:
            network = regroup_sums(network, hoist)
        passes = schedule(network, hoist)
        every = self.request.checkpoint
        for name in plan.place:
            if name not in eqs and name not in self.whole.eqs:
                problem = f"the plan places {name}, of which {net.name} has no equation"
                raise ValueError(unknown(problem, name, self.whole.eqs))
        keep = place(network, passes, plan.place, sparing=every is not None)
        loops = lower(network, passes, keep, plan, net.name, self.request.dtype)
        loops = replace(loops, results={key: loops.results[n] for key, n in results.items()})
        loops = fuse(loops, plan)
        loops = ring(loops) if plan.rings else loops
        return loops if every is None else checkpointed(loops, every)


_MEAN = "mean loss"


def _needed(net: Circuit, request: Request) -> list[str]:
    """The equations that are asked for; for a boundary value without an equation those that read it."""
    found = [n for n in (*request.asked, *(request.wrt or ())) if n in net.eqs]
    for name in request.wrt or ():
        if is_boundary_name(name) and name not in net.eqs:
            signal = name.partition("[")[0]
            delays = {n: [d for d in topological([e]) if d.op == "delay"] for n, e in net.eqs.items()}
            found += [n for n, read in delays.items() if any(d.args[0].attr == signal for d in read)]
    return found


def _places(net: Circuit, names: Sequence[str]) -> dict[str, int]:
    """Parameters, inputs and equations -> where a walk from the names meets them first."""
    network = Network(net.eqs, names)
    place = {n: network.position[network.real(e)] for n, e in net.eqs.items() if network.real(e) in network.position}
    leaves = {n.attr: i for n, i in network.position.items() if n.op in ("param", "input")}
    return place | leaves


def _computed(net: Circuit, e: Node) -> Node:
    """An expression whose value is its own array: what is given is copied."""
    root = e
    while root.op == "ref":
        root = net.eqs[root.attr]
    return make("copy", (e,)) if root.op in LEAVES else e


def _declared(net: Circuit, parts: Parts) -> dict[str, Node]:
    """The parameters of the circuit, those that are read in parts as their parts."""
    split = {whole for whole, _ in parts.values()}
    return {n: p for n, p in net.param_nodes.items() if n not in split}

"""The regulariser of Pascanu, Mikolov and Bengio (2013, section 3.3): the gradient keeps its norm on its way back.

For a state h with the derivative ∂E/∂h[t] of the loss, δh[t],

    Ω = Σ_t ( ‖δh[t] ∂h[t]/∂h[t-1]‖ / ‖δh[t]‖ − 1 )²                      equation 9

Each term asks one step to keep the norm in the one direction that matters, that of the gradient. The circuit gets Ω as
equations: δh from its adjoint, and one step back of it. Ω can then be differentiated as any other loss,

    exactly         through δh and the states too: second derivatives
    immediate=True  within one step alone: δh[t], the states, and all that is read at other steps as if they were
                    constant: the immediate derivative of equation 10
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from ..graph import build as b
from ..graph import compose, expr
from ..graph.circuit import Circuit, reachable
from ..graph.dependence import new_mark
from ..graph.doors import require_circuit
from ..graph.errors import CircuitError, listed, unknown
from ..graph.expr import Node, input_, ref, substitute, topological
from ..graph.grad import grad

DATA_LOSS, PENALTY = "E", "Ω"


def norm_preserving(
    net: Circuit, state: str, weight: float = 1.0, *, immediate: bool = False, loss: str = "L"
) -> Circuit:
    """The network whose ``loss`` has ``weight`` · Ω added: what its gradient loses or gains in a step of ``state``.

    ::

        net = rnn.norm_preserving(rnn.elman(x=3, h=16, o=5), "h", 0.5)
        trainer = rnn.Trainer(net, batches)                       # step.loss is E + 0.5 · Ω

    state      a signal that is read one step before (or after) by what it is computed from; of several states each
               can be asked for, one call after the other: the others count as given
    weight     a finite number of at least 0
    immediate  how Ω is differentiated, see above

    Ω is of one sequence, as E is in the paper, and added to the loss of each: a loss that is a mean over the sequences
    gets the mean of their Ω, one that is a sum gets their sum. So what Ω weighs beside E does not depend on how many
    sequences a batch has.

    The loss without Ω is the equation E (with a prime where that is taken), Ω one value a sequence. Steps at which
    δh is zero, as where no target follows, count nothing. The adjoint reads the future, so the network can no longer
    be cut into windows with a carried state.

    Raises CircuitError for a ``state`` that is none, or whose one step cannot be differentiated, for what is no
    loss, and for one of the batch that is neither sum nor mean over its sequences; ValueError for a ``weight`` that is
    no such number.
    """
    require_circuit(net, "rnn.norm_preserving")
    _check_weight(weight)
    read = _read_before(net, state)
    data, penalty = _unused(DATA_LOSS, net.names()), _unused(PENALTY, net.names())
    adjoint = grad(_renamed(net, loss, data), data, [state])
    total = adjoint.grads[state]
    mark = new_mark("ν", adjoint.names())
    step = _step_back(adjoint, state, read, mark, immediate)
    direction = ref(total, adjoint.eqs[total])
    scaled = _scaled(b.stop_gradient(direction) if immediate else direction)
    back = f"{mark}{_before(adjoint, state)}"
    eqs = {**adjoint.eqs, mark + state: scaled, **step}
    lengths = [_squared(ref(name, eqs[name])) for name in (back, mark + state)]
    eqs[penalty] = compose.total(_lost(*lengths), [read.attr[0]])
    added = b.mul(weight, ref(penalty, eqs[penalty]))
    if not eqs[data].axes:  # one loss for the batch
        added = _over_batch(added, _copies(net, loss) or 0.0)
    eqs[loss] = b.add(ref(data, eqs[data]), added)
    notes = {
        **adjoint.notes,
        mark + state: f"{total}, the largest number 1: the direction of the gradient",
        back: f"one step back: {mark}{state} times ∂{state}[t]/∂{state}[t-1]",
        penalty: "how far each step is from keeping the gradient's norm",
    }
    names = [*net.outputs, data, penalty, loss]
    return reachable(adjoint.with_eqs(eqs, grads={}, order="", notes=notes), dict.fromkeys(names)).check()


def _check_weight(weight: Any) -> None:
    if isinstance(weight, bool) or not isinstance(weight, Real) or not (math.isfinite(weight) and float(weight) >= 0):
        problem = "a negative one would reward what the regulariser is against"
        raise ValueError(f"weight: expected a finite number of at least 0 ({problem}), got {weight!r}")


# ---- one step back -------------------------------------------------------------------------------
def _read_before(net: Circuit, state: str) -> Node:
    """The read of the state at the step before, or after. Raises CircuitError where there is none."""
    if state not in net.eqs:
        raise CircuitError(unknown(f"{net.name} has no signal {state}", state, net.outputs))
    reads = [n for n in topological(net.eqs.values()) if n.op == "delay" and abs(n.attr[1]) == 1]
    for n in reads:
        if n.args[0].op == "ref" and n.args[0].attr == state:
            return n
    states = [n for n in net.states if n in net.eqs]
    raise CircuitError(
        f"{net.name}: {state} is no state: nothing reads it one step before\n"
        f"  expected: one of {listed(states) or 'none, this network has no state'}"
    )


def _before(net: Circuit, state: str) -> str:
    return _unused(f"{state}_before", net.names())


def _step_back(net: Circuit, state: str, read: Node, mark: str, immediate: bool) -> dict[str, Node]:
    """The equations of ν[t] ∂h[t]/∂h[t-1], where all else that is read at other steps counts as given.

    One step by itself is a circuit without a loop: the reads at other steps are its inputs.
    """
    before, given = _before(net, state), f"{mark}{state}"
    within = _one_step(net, state)
    delays = {n: n for e in within.values() for n in topological([e]) if n.op == "delay"}
    inputs = [(n, before if n is read else f"given {i}") for i, n in enumerate(delays)]
    leaves = {n: input_(name, n.axes, n.shape, n.dtype) for n, name in inputs}
    eqs = dict(zip(within, substitute(list(within.values()), leaves), strict=True))
    direction = input_(given, net.eqs[state].axes, net.eqs[state].shape)
    inner = b.sum_all(b.mul(direction, ref(state, net.eqs[state])))
    loss = _unused("step", eqs)
    eqs[loss] = compose.total(inner, inner.axes)
    step = Circuit(eqs, f"one step of {net.name}", input_nodes={before: leaves.get(read, input_(before, read.axes))})
    found = grad(step, loss, [before])
    if read not in leaves or b.is_constant(found.eqs[found.grads[before]], 0.0):
        raise CircuitError(
            f"{net.name}: within one step {state} does not depend on {state} at the step before\n"
            f"  mend: name the state that carries the gradient"
        )
    reads = {leaf: n for n, leaf in leaves.items()}
    if not immediate:
        return _named(found, eqs, reads, direction, mark)
    return _steady(net, _named(found, eqs, reads, direction, mark), within)


def _one_step(net: Circuit, state: str) -> dict[str, Node]:
    """The equations that a state needs within one step."""
    found: dict[str, Node] = {}
    stack = [state]
    while stack:
        name = stack.pop()
        if name not in found:
            found[name] = net.eqs[name]
            stack += _same_step(net.eqs[name])
    return {name: e for name, e in net.eqs.items() if name in found}


def _same_step(e: Node) -> Iterable[str]:
    """The equations that an expression reads, apart from what it reads at other steps."""
    seen, stack = {e}, [e]
    while stack:
        n = stack.pop()
        if n.op == "ref":
            yield n.attr
        for a in () if n.op == "delay" else n.args:
            if a not in seen:
                seen.add(a)
                stack.append(a)


def _named(
    found: Circuit, forward: Mapping[str, Node], reads: Mapping[Node, Node], given: Node, mark: str
) -> dict[str, Node]:
    """The adjoint of one step as equations of the whole circuit: with marks of their own, inputs as what they read."""
    fresh = {name: e for name, e in found.eqs.items() if name not in forward}
    labels = {name: mark + name.removeprefix(found.order) for name in fresh}
    replace: dict[Node, Node] = dict(reads)
    for name, e in fresh.items():
        replace[ref(name, e)] = ref(labels[name], e)
    replace[given] = ref(given.attr, given)
    roots = substitute(list(fresh.values()), replace)
    named = dict(zip((labels[name] for name in fresh), roots, strict=True))
    return {name: e for name, e in named.items() if name != given.attr}


def _steady(net: Circuit, back: Mapping[str, Node], within: Mapping[str, Node]) -> dict[str, Node]:
    """The step back and copies of the equations that it reads within the step, with what is constant as such."""
    eqs = {**within, **back}
    replace: dict[Node, Node] = {}
    copies: dict[str, str] = {}
    for name, e in within.items():
        if "t" in e.axes or "s" in e.axes:
            copies[name] = _unused(f"{name}ʹ", (*net.names(), *eqs))
        steady = name in net.states or name not in copies
        if e.axes and e.dtype == "f":
            replace[ref(name, e)] = b.stop_gradient(ref(name, e)) if steady else ref(copies[name], e)
    for n in topological(eqs.values()):
        if n.op == "delay" and n.dtype == "f":
            replace[n] = b.stop_gradient(n)
    copied = [name for name in within if name in copies]
    roots = substitute([*back.values(), *(within[name] for name in copied)], replace)
    return dict(zip((*back, *(copies[name] for name in copied)), roots, strict=True))


# ---- the penalty ---------------------------------------------------------------------------------
def _scaled(x: Node) -> Node:
    """``x`` with its largest number at 1: the ratio stays, and squares of a small gradient do not vanish."""
    largest = compose.greatest(b.stop_gradient(b.unary("abs", x)), ())
    there = b.compare(">", largest, 0.0)
    return b.where(there, b.div(x, b.where(there, largest, 1.0)), 0.0)


def _squared(x: Node) -> Node:
    return b.sum_all(b.power(x, 2))


def _lost(after: Node, before: Node) -> Node:
    """(√(after / before) − 1)², and 0 where there is nothing to be kept."""
    there = b.compare(">", before, 0.0)
    ratio = b.unary("sqrt", b.div(after, b.where(there, before, 1.0)))
    return b.where(there, b.power(b.sub(ratio, 1.0), 2), 0.0)


# ---- of the whole batch --------------------------------------------------------------------------
def _over_batch(x: Node, power: float) -> Node:
    """One value for the batch of one a sequence: their mean, times a power of their number; to the first, their sum."""
    if power == 1:
        return compose.total(x, ["b"])
    found = compose.mean(x, ["b"])
    return b.mul(found, b.power(b.reduce(b.expand(expr.const(1.0), ["b"]), ["b"]), power)) if power else found


LINEAR = frozenset((
    "add", "neg", "where", "number", "copy", "stop_gradient", "abs", "relu", "expand", "reduce", "amax", "repeat",
    "sum_feature", "transpose", "concat", "slice", "max_last", "maximum", "minimum",
))  # fmt: skip
"""What grows with its arguments, where these grow alike."""


def _copies(net: Circuit, name: str, known: dict[str, float | None] | None = None) -> float | None:
    """By which power of k an equation of the whole batch grows where each of its sequences is there k times: 0 for a
    mean, 1 for a sum, None for what does not depend on the sequences, such as a penalty on parameters.

    Raises CircuitError where there is no such power.
    """
    known = {} if known is None else known
    known[name] = None
    found: dict[Node, float | None] = {}
    for n in topological([net.eqs[name]]):
        if "b" in n.axes:
            found[n] = 0.0
        elif n.op == "ref":
            found[n] = known[n.attr] if n.attr in known else _copies(net, n.attr, known)
        else:
            try:
                found[n] = _power(n, [found[a] for a in n.args])
            except ValueError as error:
                raise CircuitError(
                    f"{net.name}: {name} is neither a sum nor a mean over the sequences: nothing says how much the"
                    " regulariser of one sequence weighs in it\n"
                    f"  mend: a loss of each sequence, {name} = sum(…, over=t), or their sum or mean, over=(t, batch)"
                ) from error
    known[name] = found[net.eqs[name]]
    return known[name]


def _power(n: Node, args: list[float | None]) -> float | None:
    """``_copies`` of a node that has no axis of the batch, from those of its arguments. Raises ValueError for none."""
    some = [a for a in args if a is not None]
    if n.op == "count":
        return 1.0
    if n.op == "amax" and "b" in n.attr:
        return 0.0
    if n.op in ("reduce", "contract", "scatter") and "b" in (n.attr if n.op == "reduce" else n.attr[1]):
        return 1.0 + sum(some)
    if not some or n.op == "compare":
        return None
    if n.op in ("mul", "contract"):
        return sum(some)
    if n.op == "div":
        return (args[0] or 0.0) - (args[1] or 0.0)
    if n.op in ("power", "sqrt"):
        return some[0] * (0.5 if n.op == "sqrt" else float(n.attr))
    if len(set(some)) > 1 or (n.op not in LINEAR and some[0]):
        raise ValueError(n.op)
    return some[0]


# ---- names ---------------------------------------------------------------------------------------
def _unused(name: str, taken: Iterable[str]) -> str:
    there = set(taken)
    while name in there:
        name += "ʹ"
    return name


def _renamed(net: Circuit, old: str, new: str) -> Circuit:
    """The circuit with an equation called otherwise. Raises CircuitError where there is none of the old name."""
    if old not in net.eqs:
        raise CircuitError(unknown(f"{net.name} has no equation {old}", old, net.eqs))
    like = ref(old, net.eqs[old])
    roots = substitute(list(net.eqs.values()), {like: expr.ref(new, like)})
    names = [new if name == old else name for name in net.eqs]
    return net.with_eqs(dict(zip(names, roots, strict=True)))

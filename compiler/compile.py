"""A circuit becomes a program that a person calls: the public ``compile``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..graph.circuit import Circuit, reachable
from ..graph.doors import require_circuit
from ..graph.errors import CircuitError, unknown
from ..graph.expr import topological
from ..graph.grad import differentiable
from .plan import Plan
from .road import Request, Road

if TYPE_CHECKING:
    from .program import Program

DTYPES = ("float32", "float64")
TARGETS = ("cpu", "interpret")


class _Unsaid(str):
    """The loss where none is said: "L", if that is what is asked for."""


_LOSS = _Unsaid("L")


def compile(
    net: Circuit,
    loss: str | None = _LOSS,
    wrt: str | Sequence[str] | None = None,
    returns: str | Sequence[str] = (),
    target: str = "cpu",
    dtype: str = "float32",
    training: bool = True,
    threads: int | None = None,
    checkpoint: int | None = None,
    plan: Plan | None = None,
) -> Program:
    """Compile a circuit into a program that computes its loss, gradients and signals.

    loss      the equation to differentiate: one value a sequence (then averaged over the batch) or one for the
              batch. None: inference. Unsaid: "L", or inference where only ``returns`` are asked for or the circuit
              has no "L"
    wrt       what to differentiate by: parameters, inputs, signals, boundary values ("h[0]"). None: all
              parameters that are not constants; (): no gradients
    returns   signals whose values are returned, [T, B, n]
    target    "cpu" (Numba) or "interpret" (NumPy, slow: the oracle)
    dtype     "float32" or "float64": of all numbers, in and out
    training  True: batch_norm takes the statistics of the batch, and ``out.stats`` has what they add to the running
              averages, constants of the network. False: it reads these, dropout is off, zoneout takes its mean
    threads   how many threads may run it; None: as many as the process may use. Any number gives the same bits
    checkpoint  k: of the states only every k-th step is kept, and the steps between are computed again in the
              backward pass; where loops run both ways all steps of the states are kept, and only what follows
              from them is computed again. None: keep what is needed
    plan      how to lay out the program; None: the default Plan

    Kernels are compiled, or taken from the cache, when the program is first called. Lengths and batch size are
    arguments of the call: no new ones compile anything.

    Raises CircuitError for a circuit that is not legal and names that it does not have, ValueError for options
    that do not exist, TypeError for what is no circuit or no plan.
    """
    from .program import Program

    _check_types(net, plan)
    _check_option("target", target, TARGETS)
    _check_option("dtype", dtype, DTYPES)
    _check_count("threads", threads)
    _check_count("checkpoint", checkpoint)
    returned = _names(returns)
    if isinstance(loss, _Unsaid):
        loss = None if "L" not in net.eqs or (returned and wrt is None) else "L"
    names = [*([loss] if loss is not None else []), *returned]
    whole = net.unfolding.circuit if net.unfolding else net
    _check_names(whole, names)
    if not names:
        raise CircuitError(
            f'{net.name} has no equation "L": say which equation is the loss, loss="…", or which signals to '
            f'return, returns=("{next(iter(net.outputs), "h")}",)'
        )
    _check_opaque(whole, names)
    _check_two_indices(whole, names)
    if loss is not None:
        differentiable(whole, loss, wrt)  # raises for what cannot be differentiated, or by
    request = Request(loss, None if wrt is None else _names(wrt), returned, dtype, training, checkpoint)
    road = Road(net.check(), request, (plan or Plan()).for_target(target))
    if loss is not None and _varies_alike(road.net):
        _ = road.own  # a sum over the batch that its adjoint cannot take is refused here, not at the first call
    return Program(road, target, threads)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Names, each once; a text is one name."""
    return (given,) if isinstance(given, str) else tuple(dict.fromkeys(given))


def _check_types(net: object, plan: object) -> None:
    require_circuit(net, "compile")
    if plan is not None and not isinstance(plan, Plan):
        raise TypeError(f"plan: expected a Plan, such as Plan(chunk=4), got {plan!r}")


def _check_option(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name}={value!r} does not exist: it is one of {', '.join(known)}")


def _check_count(name: str, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"{name}={value!r}: expected a whole number from 1, or None")


def _check_opaque(net: Circuit, names: Sequence[str]) -> None:
    for name, e in reachable(net, names).eqs.items():
        for n in topological([e]):
            if n.op == "opaque":
                function = n.attr[0]
                raise CircuitError(
                    f"{net.name}: {name} applies {function}, which is opaque: it can be drawn, unfolded and printed, "
                    f"not compiled\n  mend: define it, {function}(…) = …"
                )


def _check_two_indices(net: Circuit, names: Sequence[str]) -> None:
    """What varies over t and s is computed for all s of a step of t at once: it cannot look along s, nor at other rows.

    Adjoints do not look along s either where the circuit itself does not: see ``graph/steps.py``.
    """
    for name, e in reachable(net, names).eqs.items():
        place = f"{net.name}, line {net.lines[name]}" if name in net.lines else net.name
        for n in topological([e]):
            if n.op == "delay" and n.attr[0] == "s" and "t" in n.axes:
                read, at = n.args[0].attr, f"s{-n.attr[1]:+d}"
                raise CircuitError(
                    f"{place}: {name} reads {read}[t, {at}]: a signal of two indices can be evaluated at other steps "
                    "of s, but not compiled\n"
                    "  expected: shifts along s of signals that have no t, along t of any\n"
                    f"  mend: shift what {read} is made of, e[{at}], before t comes in"
                )
            rows = n.op in ("reduce", "contract", "amax") and "b" not in n.axes and any("b" in a.axes for a in n.args)
            if rows and {"t", "s"} <= set(n.axes):
                raise CircuitError(
                    f"{place}: {name} sums over the batch what has two indices, which can be evaluated, but not "
                    "compiled\n"
                    "  mend: sum over s first, or over the batch in an equation with one index"
                )


def _varies_alike(net: Circuit) -> bool:
    """Whether anything varies over t and s and is the same for all rows: its adjoint is a sum over the batch."""
    return any(n.axes == ("t", "s") for n in topological(net.eqs.values()))


def _check_names(net: Circuit, names: Sequence[str]) -> None:
    for name in names:
        if name not in net.eqs:
            raise CircuitError(unknown(f"{net.name} has no equation {name}", name, net.eqs))

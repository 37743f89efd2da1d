"""Teacher forcing: a network whose output feeds back is trained with the target in the place of that output.

    h[t] = tanh(b + W @ p[t-1] + U @ x[t])     ->     h[t] = tanh(b + W @ p_forced[t-1] + U @ x[t])
                                                      p_forced[t] = onehot(y[t])

(Williams and Zipser 1989; Goodfellow et al. 2016, section 10.2.1). The parameters are those of the network itself,
which runs on its own output afterwards. Where the output was the only thing that fed back, no loop is left.
"""

from __future__ import annotations

from itertools import chain, count

from ...graph import build as b
from ...graph.circuit import Circuit, boundary_name, reachable
from ...graph.errors import CircuitError, unknown
from ...graph.expr import Node, ref, substitute, topological
from ..tasks.scores import Scores, scores_of


def teacher_forced(net: Circuit, output: str | None = None, *, loss: str = "L", target: str = "y") -> Circuit:
    """The network with the target in the place of its own earlier outputs, for training.

    output   the signal whose earlier values, output[t-1], become those of the target: the vector with a one at the
             symbol y[t-1], or the numbers y[t-1]; None: the scores that the loss compares with the target, or what
             is computed of them alone, such as p[t] = softmax(o[t])

    Initial values stay what they are. Raises CircuitError where no earlier output is read, or one of another size than
    the target; DataError for a loss that compares the target with nothing.
    """
    scores = scores_of(net, loss, target)
    net = scores.net
    name = output if output is not None else own_output(net, scores)
    if name is None:
        raise CircuitError(
            f"{net.name}: expected an output that is read at an earlier step, such as {scores.name}[t-1], there is none"
            "\n  mend: nothing is to be forced; where the target is read, y[t-1], the network is trained so already"
        )
    if name not in net.eqs or name not in net.states:
        read = [n for n in net.states if n in net.eqs]
        raise CircuitError(unknown(f"{net.name} reads no earlier {name}[t-1]", name, read, "of signals it reads"))
    return _forced(net, name, _given(net, name, target))


def own_output(net: Circuit, scores: Scores) -> str | None:
    """What feeds back of the scores: they themselves, or what is computed of them at the same step alone."""
    back = set(net.states)
    if scores.name in back:
        return scores.name
    for name, e in net.eqs.items():
        read = {n.attr for n in topological([e]) if n.op in ("ref", "input", "param")}
        if name in back and read == {scores.name} and e.axes == ("t", "b"):
            return name
    return None


def _given(net: Circuit, name: str, target: str) -> Node:
    """The target in the form of the output."""
    y, out = net.input_nodes[target], net.eqs[name]
    given = b.onehot(y, net.symbols[target]) if y.dtype == "i" else y
    if given.type != out.type:
        raise CircuitError(
            f"{net.name}: expected {name} to have the shape {list(given.shape)} of the target {target}, got"
            f" {list(out.shape)}"
        )
    return given


def _forced(net: Circuit, name: str, given: Node) -> Circuit:
    taken = net.names()
    forced = next(n for n in chain([f"{name}_forced"], (f"{name}_forced{i}" for i in count(2))) if n not in taken)
    replace: dict[Node, Node] = {}
    starts: dict[str, Node] = {}
    source = ref(forced, given)
    for n in topological(net.eqs.values()):
        if n.op == "delay" and n.args[0].op == "ref" and n.args[0].attr == name and n.attr[1] > 0:
            axis, k = n.attr
            bounds = list(n.args[1:])
            for j, bound in enumerate(bounds):
                old, new = boundary_name(n.args[0], axis, k, j), boundary_name(source, axis, k, j)
                if bound.op == "ref" and bound.attr == old:
                    starts[new] = net.eqs[old]
                    bounds[j] = ref(new, net.eqs[old])
            replace[n] = b.delay(source, axis, k, bounds)
    eqs = dict(zip(net.eqs, substitute(list(net.eqs.values()), replace), strict=True))
    notes = {**net.notes, forced: "the target, in the place of the output"}
    whole = net.with_eqs({forced: given, **starts, **eqs}, notes=notes)
    return reachable(whole, [n for n in eqs if "[" not in n]).check()

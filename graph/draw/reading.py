"""What a picture needs of a circuit: which signal reads which, how many steps apart, and their roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..circuit import Circuit, is_boundary_name
from ..expr import Node, time_axes, topological

_SEEN_THROUGH = ("expand", "repeat", "transpose", "neg", "reduce", "number")


@dataclass(frozen=True)
class Read:
    """One signal reads another.

    lag        0 the same step, k > 0 delayed by k steps, k < 0 an advance; along ``axis``
    moment     "step", or "end" / "start": one fixed step (``h[T]``), ``position`` steps from there
    parameter  the matrix or table that stands between them alone, if it is used nowhere else
    only       "first" / "later": in the equation of step 1, in the other one; "" in both
    term       whether the source itself is a term of the sum that the reader is (a residual connection)
    """

    reader: str
    source: str
    lag: int = 0
    axis: str = ""
    moment: str = "step"
    position: int = 0
    parameter: str = ""
    only: str = ""
    term: bool = False

    @property
    def own_step(self) -> bool:
        """Whether it is ``x[1]`` in the equation of step 1: there that is x of the same step."""
        return self.moment == "start" and self.position == 1 and self.only == "first"

    def made_at(self, t: int) -> bool:
        """Whether it is part of step ``t``'s equation."""
        return self.only != ("later" if t == 1 else "first")


@dataclass
class Reading:
    """A circuit as signals with roles that read each other.

    roles       signal -> input, state, gate, signal, output or loss; in the order of the text, inputs first
    axes        signal -> its time axes
    boundaries  values before the start or after the end: "h[0]" -> what it reads
    folded      pre-activation -> the signal that is its function and stands for both
    targets     inputs that only the loss reads at the same step
    """

    circuit: Circuit
    roles: dict[str, str]
    axes: dict[str, tuple[str, ...]]
    reads: list[Read]
    boundaries: dict[str, list[Read]] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()

    def of(self, *roles: str) -> list[str]:
        return [name for name, role in self.roles.items() if role in roles]

    def note(self, name: str) -> str:
        """What a tooltip says of a signal: its equations and the comments that they were given."""
        lines = []
        for part in (*(a for a, into in self.folded.items() if into == name), name):
            comment = self.circuit.notes.get(part, "")
            lines.append(f"{part}: {comment}" if comment else part)
        return "\n".join(lines)


def read(circuit: Circuit) -> Reading:
    """The signals of a circuit, their roles and what they read."""
    parameters = _derived_parameters(circuit)
    once = _used_once(circuit, parameters)
    equations = {n: e for n, e in circuit.eqs.items() if n not in parameters}
    reads: list[Read] = []
    boundaries: dict[str, list[Read]] = {}
    read_by_name = {n.attr for root in equations.values() for n in _read_nodes(root)}
    for name, root in equations.items():
        found = [
            r for r in _reads(name, root, once) if r.source in equations or r.source in circuit.input_nodes
        ]
        if is_boundary_name(name) and name not in read_by_name:
            boundaries[name] = found
        else:
            reads += found
    folded = _pre_activations(equations, reads)
    reads = _fold(reads, folded)
    signals = [n for n in equations if n not in boundaries and n not in folded]
    starts = {r.source for found in boundaries.values() for r in found}
    inputs = [n for n in circuit.input_nodes if n in starts or any(r.source == n for r in reads)]
    axes = {n: time_axes(circuit.input_nodes[n]) for n in inputs}
    axes |= {n: time_axes(equations[n]) for n in signals}
    roles = dict.fromkeys(inputs, "input") | _roles(circuit, signals, reads, starts)
    losses = {n for n, role in roles.items() if role == "loss"}
    targets = tuple(n for n in inputs if _readers(n, reads) and _readers(n, reads) <= losses)
    return Reading(circuit, roles, axes, reads, boundaries, folded, targets)


def _readers(name: str, reads: Iterable[Read]) -> set[str]:
    """The signals that read ``name`` at the same step."""
    return {r.reader for r in reads if r.source == name and r.lag == 0}


# ---- parameters ----------------------------------------------------------------------------------
def _derived_parameters(circuit: Circuit) -> set[str]:
    """Equations of parameters alone (``A = softmax(A_logits)``): they stand for parameters themselves."""
    derived: set[str] = set()
    for name, root in circuit.eqs.items():
        if "[" in name or root.axes or name in circuit.grads.values():
            continue
        nodes = topological([root])
        leaves = [n for n in nodes if n.op in ("ref", "input", "param")]
        if leaves and all(n.op == "param" or n.attr in derived for n in leaves):
            derived.add(name)
    return derived


def _used_once(circuit: Circuit, derived: set[str]) -> set[str]:
    """Parameters that stand in one place of one equation."""
    uses: Counter[str] = Counter()
    for root in circuit.eqs.values():
        for node in topological([root]):
            uses.update(a.attr for a in node.args if a.op == "param" or (a.op == "ref" and a.attr in derived))
    return {name for name, number in uses.items() if number == 1}


def _stripped(node: Node) -> Node:
    while node.op in _SEEN_THROUGH:
        node = node.args[0]
    return node


def _parameter_beside(parent: Node | None, node: Node, once: set[str]) -> str:
    """The parameter with which ``parent`` multiplies ``node``, or whose row it takes."""
    if parent is None or parent.op not in ("contract", "take", "mul", "pick"):
        return ""
    others = [_stripped(a) for a in parent.args if a is not node]
    names = [a.attr for a in others if a.op in ("param", "ref") and a.attr in once and not time_axes(a)]
    return names[0] if len(others) == len(names) == 1 else ""


def _only_scales(node: Node) -> bool:
    """Whether an expression is one other times numbers and masks, as ``dropout(h[t], 0.5)`` is."""
    others = [a for a in node.args if any(n.op in ("ref", "input", "param") for n in topological([a]))]
    return len(others) == 1 and (node.op == "mul" or (node.op == "div" and others[0] is node.args[0]))


def _read_nodes(root: Node) -> Iterator[Node]:
    """The references of an expression, those apart that only bound a delay."""
    arguments = (n.args[:1] if n.op == "delay" else n.args for n in topological([root]))
    return (n for args in [(root,), *arguments] for n in args if n.op == "ref")


# ---- reads ---------------------------------------------------------------------------------------
def _source(reader: str, node: Node) -> Read | None:
    """The read that a node is: of a name, now, delayed, or at a fixed step."""
    if node.op in ("ref", "input"):
        return Read(reader, node.attr)
    if node.op == "delay" and node.args[0].op in ("ref", "input"):
        return Read(reader, node.args[0].attr, node.attr[1], node.attr[0])
    if node.op == "at":
        inner = _source(reader, node.args[0])
        axis, end, position = node.attr
        if inner is not None:
            return replace(
                inner, axis=axis, moment="end" if end else "start", position=position - inner.lag, lag=0
            )
    return None


def _reads(name: str, root: Node, once: set[str]) -> Iterator[Read]:
    terms = {_stripped(a) for a in root.args} if root.op == "add" else set()
    if root.op == "first":
        yield from dict.fromkeys(replace(r, only="first") for r in _reads(name, root.args[0], once))
        yield from dict.fromkeys(replace(r, only="later") for r in _reads(name, root.args[1], once))
        return
    seen: set[tuple[Node, Node | None, Node]] = set()
    stack: list[tuple[Node, Node | None, Node]] = [(root, None, root)]
    while stack:
        node, parent, argument = entry = stack.pop()  # argument: that of the parent in which the node stands
        if entry in seen:
            continue
        seen.add(entry)
        found = _source(name, node)
        if found is not None:
            yield replace(found, parameter=_parameter_beside(parent, argument, once), term=node in terms)
        elif parent is not None and _only_scales(node):
            stack.extend((a, parent, argument) for a in reversed(node.args))
        else:
            stack.extend((a, node, a) for a in reversed(node.args))


# ---- folding -------------------------------------------------------------------------------------
def _pre_activations(equations: dict[str, Node], reads: list[Read]) -> dict[str, str]:
    """Signals of which only a state's nonlinearity is ever read: ``a`` in ``h[t] = tanh(a[t])``."""
    delayed = {r.source for r in reads if r.lag}
    readers: dict[str, set[tuple[str, int]]] = {}
    for r in reads:
        readers.setdefault(r.source, set()).add((r.reader, r.lag))
    folded: dict[str, str] = {}
    for name, root in equations.items():
        if root.op in ("tanh", "sigmoid", "relu") and name in delayed and root.args[0].op == "ref":
            before = root.args[0].attr
            if readers[before] == {(name, 0)} and before not in delayed:
                folded[before] = name
    return folded


def _fold(reads: list[Read], folded: dict[str, str]) -> list[Read]:
    """Reads with pre-activations as part of their state; of several between the same two one is kept."""
    kept: dict[Read, list[Read]] = {}
    for r in reads:
        if r.source not in folded:
            merged = replace(r, reader=folded.get(r.reader, r.reader))
            kept.setdefault(replace(merged, parameter="", term=False), []).append(merged)
    return [_one(alike) for alike in kept.values()]


def _one(alike: list[Read]) -> Read:
    parameters = {r.parameter for r in alike}
    return replace(alike[0], parameter=parameters.pop() if len(parameters) == 1 else "")


# ---- roles ---------------------------------------------------------------------------------------
def _roles(circuit: Circuit, signals: list[str], reads: list[Read], starts: set[str]) -> dict[str, str]:
    sources = {r.source for r in reads} | starts
    mine = {name: [r for r in reads if r.reader == name] for name in signals}
    adjoints = set(circuit.grads.values())
    losses = {
        name
        for name in signals
        if circuit.eqs[name].shape == ()
        and not time_axes(circuit.eqs[name])
        and circuit.eqs[name].dtype == "f"
        if name not in sources and name not in adjoints and mine[name]
    }
    delayed = {r.source for r in reads if r.lag}
    result: dict[str, str] = {}
    for name in signals:
        if name in losses:
            result[name] = "loss"
        elif (
            name not in starts
            and _readers(name, reads) <= losses
            and (name not in delayed or _fed_back(circuit, name, mine[name]))
        ):
            result[name] = "output"
        elif name in delayed:
            result[name] = "state"
        else:
            result[name] = "gate" if _stripped(circuit.eqs[name]).op == "sigmoid" else "signal"
    return result


def _fed_back(circuit: Circuit, name: str, reads: list[Read]) -> bool:
    """Whether a delayed signal is an output all the same: scores or probabilities of a hidden signal."""
    of_signals = any(r.lag == 0 and r.source in circuit.eqs for r in reads)
    outermost = _stripped(circuit.eqs[name]).op
    return of_signals and all(r.source != name for r in reads) and outermost in ("add", "contract", "softmax")

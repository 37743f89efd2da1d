"""Networks that run free: a compiled step on what was chosen before, with carried state.

The core of ``decode`` and ``generate``. What does not depend on what is fed is computed once (``graph/stepped``), the
rest in windows of one step. What is fed is an input that is known one step after the other:

    y, read as y[t-1]     a target: at step t the scores come first, then y[t] is chosen by them
    x, read as x[t]       an input: what is chosen at step t is x[t+1], as of a language model
    nothing               the network reads its own output, p[t-1], and runs by itself
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.circuit import Circuit, boundary_name
from ...graph.errors import CircuitError
from ...graph.expr import Node, topological
from ...graph.statistics import after_training
from ...graph.stepped import stepped, waiting
from ..data import Array, DataError
from ..tasks.scores import Scores
from .given import arrays_of, lengths_of

if TYPE_CHECKING:
    from ...compiler.program import Program
    from ...compiler.stepping import Choice, Chosen


class Running:
    """The programs of a network that runs free.

    scores  what is chosen by, with the network that has it (``scores_of``)
    feed    the input that gets what was chosen; "": none does
    after   whether a symbol is chosen before the step reads it (y, read as y[t-1]), not for the next step (x[t])

    Raises CircuitError for a network that cannot be computed step by step, or whose steps couple the rows of a batch.
    """

    def __init__(self, scores: Scores, feed: str = "", target: str = "cpu", dtype: str = "float32") -> None:
        net = after_training(scores.net)
        self.scores, self.feed, self.target, self.dtype = scores, feed, target, np.dtype(dtype)
        self.cut = stepped(net, [scores.name], [feed] if feed else [])
        self.reads = _inputs_of(self.cut.stepped)
        if feed not in self.reads:
            self.feed = ""
        late = waiting(self.cut.stepped, [self.feed]) if self.feed else set()
        self.after = bool(self.feed) and scores.name not in late
        self.late = sorted(late & self.cut.lags.keys()) if self.after else []
        _check_rows(self.cut.stepped)

    @property
    def net(self) -> Circuit:
        """The network that runs."""
        return self.scores.net

    @cached_property
    def fixed(self) -> Program:
        """What is computed once."""
        return self._compiled(self.cut.fixed, tuple(dict.fromkeys(self.cut.memory.values())))

    @cached_property
    def steps(self) -> Program:
        """A window of steps: the scores, and what is carried on."""
        return self._compiled(self.cut.stepped, (self.scores.name,))

    @cached_property
    def afterwards(self) -> Program:
        """What is carried on and depends on what was chosen at the step itself."""
        return self._compiled(self.cut.stepped, tuple(self.late))

    def _compiled(self, net: Circuit, returns: tuple[str, ...]) -> Program:
        from ... import compiler

        return compiler.compile(
            net, loss=None, returns=returns, target=self.target, dtype=str(self.dtype), training=False
        )

    # ---- what is given ----------------------------------------------------------------------------
    @property
    def given(self) -> list[str]:
        """The inputs that the caller gives, what is fed apart."""
        found = {**_inputs_of(self.cut.fixed), **self.reads}
        return [n for n in self.net.input_nodes if n in found and n != self.feed and n not in self.cut.memory]

    def over_time(self, name: str) -> bool:
        """Whether an input is given for all steps of t."""
        return "t" in self.net.input_nodes[name].axes

    def start(
        self,
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        lengths: Any = None,
        each: int = 1,
        rows: int | None = None,
        steps: int | Array | None = None,
    ) -> Rows:
        """Rows that are ready to run: what is fixed is computed, the state is that before the first step.

        inputs   those of ``given``, as a program takes them
        lengths  of rows, as ``lengths_of`` takes them: of t where an input is given for all steps, of s
        each     rows that run for each sequence that is given
        rows     sequences, where no input tells their number
        steps    the number of steps, for a network that reads it, T, where no input tells it

        Raises DataError for inputs and lengths that do not fit.
        """
        arrays = arrays_of(self, inputs, rows)
        return Rows(self, params, arrays, lengths_of(self, arrays, lengths), each, rows, steps)


class Rows:
    """Sequences that run side by side, one step after the other.

    position   the step that comes next, from 1;  size  how many rows there are
    steps      how many steps all inputs tell, None where the number is open;  lengths  those of each row
    in_blocks  whether many steps may run natively, as far as is known
    """

    def __init__(
        self,
        of: Running,
        params: Mapping[str, Any],
        inputs: dict[str, Array],
        lengths: dict[str, Array],
        each: int,
        rows: int | None,
        steps: int | Array | None,
    ) -> None:
        self.of, self.position = of, 1
        self.in_blocks = not of.late  # what depends on the choice at its own step is another program's
        axes = {n: of.net.input_nodes[n].axes for n in inputs}
        self.steps = next((len(inputs[n]) for n, a in axes.items() if a[:1] == ("t",)), None)
        batch = next((inputs[n].shape[a.index("b")] for n, a in axes.items() if "b" in a), rows or 1)
        self.size = batch * each
        self.lengths = None
        if self.steps is not None:
            self.lengths = np.repeat(lengths.get("t", np.full(batch, self.steps)), each)
        if steps is not None and np.shape(steps) not in ((), (batch,)):
            raise DataError(f"length: expected one for each of {batch} rows, got {np.size(steps)}")
        known = self._fixed(params, inputs, lengths, None if steps is None else np.broadcast_to(steps, (batch,)))
        reads, memory = of.reads, of.cut.memory
        arrays = {**inputs, **{leaf: known[name] for leaf, name in memory.items() if leaf in reads}}
        self.inputs = {n: _repeated(arrays[n], reads[n].axes, each) for n in reads if n != of.feed and "[" not in n}
        self.params = {n: known[memory[n]] if n in memory else params[n] for n in _parameters_of(of.cut.stepped)}
        self.lengths_s = None if "s" not in lengths else np.repeat(lengths["s"], each)
        sizes = {a: n for name in self.inputs for a, n in zip(reads[name].axes, self.inputs[name].shape, strict=False)}
        starts = {n: _repeated(known[e], reads[n].axes, each) for n, e in memory.items() if "[" in n and n in reads}
        self.state = self._initial(starts, {**sizes, "b": self.size})
        self._pending: tuple[dict[str, Array], dict[str, Array]] | None = None

    # ---- before the first step --------------------------------------------------------------------
    def _fixed(
        self, params: Mapping[str, Any], inputs: Mapping[str, Array], lengths: Mapping[str, Array], steps: Array | None
    ) -> dict[str, Array]:
        """What is computed once, by its equation."""
        circuit = self.of.cut.fixed
        if not self.of.cut.memory:
            return {}
        used = _inputs_of(circuit)
        given = {a: n for a, n in lengths.items() if a == "t" or _has_axis(circuit, a)}
        if _needs_steps(circuit) and self.steps is None:
            if steps is None:
                raise DataError(f"{self.of.net.name} reads the number of its steps, T: say length=…")
            given["t"] = steps
        elif not _needs_steps(circuit):
            given.pop("t", None)
        here = {n: params[n] for n in _parameters_of(circuit)}
        arrays: dict[str, Any] = {n: a for n, a in inputs.items() if n in used}
        return self.of.fixed(here, lengths=given or None, **arrays).value

    def _initial(self, starts: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        """The state before the first step: [rows, n], or [k, rows, n] with the newest last."""
        found: dict[str, Array] = {}
        for name, source in self._carried().items():
            k = self.of.cut.lags[name]
            shape = (*(sizes[a] for a in source.axes if a != "t"), *source.shape)
            whole = source.dtype == "i"
            kept: list[Array] = []
            for j in range(k):
                boundary = boundary_name(source, "t", k, j)
                value: Any = starts.get(boundary, self.of.cut.starts.get(boundary, -1 if whole else 0))
                kept.append(np.broadcast_to(np.asarray(value, np.int64 if whole else self.of.dtype), shape))
            found[name] = np.array(kept[0]) if k == 1 else np.stack(kept[::-1])
        return found

    def _carried(self) -> dict[str, Node]:
        """What is carried, as the node that is delayed."""
        order = topological(self.of.cut.stepped.eqs.values())
        return {n.args[0].attr: n.args[0] for n in order if n.op == "delay" and n.attr[0] == "t"}

    # ---- steps ------------------------------------------------------------------------------------
    def begin(self, prompt: Array | None = None) -> Array:
        """The scores [rows, n] by which the first free step is chosen.

        prompt  what is fed at the first steps, [P, rows] symbols or [P, rows, n]; an input x needs one step at least
        """
        if prompt is not None and len(prompt):
            out = self._window(self.of.steps, prompt, len(prompt))
            self.state, self.position = out.final, self.position + len(prompt)
            if self.of.feed and not self.of.after:
                return np.asarray(out.value[self.of.scores.name][-1])
        elif self.of.feed and not self.of.after:
            net, feed = self.of.net.name, self.of.feed
            raise DataError(f"{net} reads {feed}[t]: give {feed}=…, what it reads first, [1, B] or longer")
        return self._next(None)

    def step(self, chosen: Array) -> Array:
        """The scores of the next step, after ``chosen``: symbols [rows], or numbers [rows, n] (``as_read``)."""
        if not self.of.after:
            return self._next(self._fed(chosen) if self.of.feed else None)
        if self._pending is None:
            raise DataError(f"{self.of.net.name}: expected begin() before step(): its scores are chosen by first")
        before, self.state = self._pending
        if self.of.late:
            self.position -= 1
            late = self._window(self.of.afterwards, self._fed(chosen), 1, before).value
            self.position += 1
            for name in self.of.late:
                self._newest(name, late[name][0])
        if self.of.feed in self.state:
            self._newest(self.of.feed, self.as_read(chosen))
        return self._next(None)

    def _next(self, fed: Array | None) -> Array:
        """One step; where what is fed there is chosen by its scores, the state waits for it."""
        if self.of.feed and fed is None:
            fed = self._unfed()
        out = self._window(self.of.steps, fed, 1)
        self._pending = self.state, out.final
        self.state, self.position = out.final, self.position + 1
        return np.asarray(out.value[self.of.scores.name][0])

    def _window(self, program: Program, fed: Array | None, n: int, state: Mapping[str, Array] | None = None) -> Any:
        first = self.position - 1
        if self.steps is not None and first + n > self.steps:
            net = self.of.net.name
            raise DataError(f"{net}: its inputs have {self.steps} steps, and step {first + n} is asked for")
        inputs = self._read(first, n, fed)
        initial = self.state if state is None else state
        return program(self.params, lengths=self._lengths(n), initial=initial or None, start=self.position, **inputs)

    def _read(self, first: int, n: int, fed: Array | None) -> dict[str, Any]:
        """The inputs of n steps."""
        inputs: dict[str, Any] = {
            name: a[first : first + n] if self._over(name) else a for name, a in self.inputs.items()
        }
        return inputs if fed is None else {**inputs, self.of.feed: fed}

    def _over(self, name: str) -> bool:
        return "t" in self.of.reads[name].axes

    def _lengths(self, n: int) -> dict[str, Any]:
        lengths: dict[str, Any] = {"t": np.full(self.size, n)}
        if self.lengths_s is not None and _has_axis(self.of.cut.stepped, "s"):
            lengths["s"] = self.lengths_s
        return lengths

    def _unfed(self) -> Array:
        """What stands for one step of what is fed, before it is known."""
        node = self.of.reads[self.of.feed]
        return np.zeros((1, self.size, *node.shape), np.int64 if node.dtype == "i" else self.of.dtype)

    # ---- many steps at once -----------------------------------------------------------------------
    @property
    def room(self) -> int | None:
        """How many steps inputs have from here on; None: any number."""
        return None if self.steps is None else self.steps - self.position + 1

    def block(
        self, choice: Choice, scores: Array, left: Array, logs: Array | None, uniform: Array
    ) -> Chosen | None:
        """Choose and step natively, as ``Block`` in ``compiler/stepping`` says; None where that cannot be done."""
        from ...compiler.stepping import Block, run_block

        n, first, feed = len(uniform), self.position - 1, self.of.feed
        over = {name: a[first : first + n] for name, a in self.inputs.items() if self._over(name)}
        carried = self.of.after and feed in self.state
        read = feed if carried or not self.of.after else ""
        block = Block(choice, scores, left, logs, uniform, read, carried, over)
        inputs = self._read(first, 1, self._unfed() if feed else None)
        found = run_block(
            self.of.steps, self.params, inputs, block, lengths=self._lengths(1), initial=self.state or None,
            start=self.position,
        )  # fmt: skip
        self.in_blocks = found is not None
        if found is not None and found.output is not None:
            self._pending = self.state, found.output.final
            self.state, self.position = found.output.final, self.position + found.steps
        return found

    def as_read(self, chosen: Array) -> Array:
        """What was chosen in the form that the network reads: of symbols [rows] their vectors, if it reads vectors."""
        node = self.of.reads.get(self.of.feed)
        if node is None:
            return chosen
        if node.dtype == "f" and chosen.dtype.kind in "iu":
            return np.asarray(np.eye(node.shape[0], dtype=self.of.dtype)[chosen])
        if node.dtype == "f":
            return chosen.reshape(self.size, *node.shape).astype(self.of.dtype, copy=False)
        return chosen.astype(np.int64, copy=False)

    def _fed(self, chosen: Array) -> Array:
        """What was chosen as the one step that the network reads."""
        return self.as_read(chosen)[None]

    def _newest(self, name: str, value: Array) -> None:
        held = self.state[name]
        if self.of.cut.lags[name] > 1:
            held[-1] = value
        else:
            self.state[name] = value.astype(held.dtype, copy=False).reshape(held.shape)

    def keep(self, rows: Array) -> None:
        """Let row i go on from the state of row ``rows[i]``. What it reads of its inputs stays its own."""
        if self._pending is not None:
            self._pending = self._taken(self._pending[0], rows), self._taken(self._pending[1], rows)
        self.state = self._taken(self.state, rows)

    def _taken(self, state: Mapping[str, Array], rows: Array) -> dict[str, Array]:
        axes = {n: [a for a in source.axes if a != "t"].index("b") for n, source in self._carried().items()}
        return {n: np.take(a, rows, axes[n] + (self.of.cut.lags[n] > 1)) for n, a in state.items()}


# ---- circuits --------------------------------------------------------------------------------------
def _inputs_of(net: Circuit) -> dict[str, Node]:
    """The inputs that equations read."""
    return {n.attr: n for n in topological(net.eqs.values()) if n.op == "input"}


def _parameters_of(net: Circuit) -> list[str]:
    return [n.attr for n in topological(net.eqs.values()) if n.op == "param"]


def _has_axis(net: Circuit, axis: str) -> bool:
    return any(axis in n.axes or (n.op == "length" and n.attr == axis) for n in topological(net.eqs.values()))


def _needs_steps(net: Circuit) -> bool:
    order = topological(net.eqs.values())
    return any("t" in n.axes or (n.op in ("length", "count") and "t" in n.attr) for n in order)


def _check_rows(net: Circuit) -> None:
    for name, e in net.eqs.items():
        for n in topological([e]):
            sums = n.op in ("reduce", "contract", "amax", "scatter") and "b" not in n.axes
            if sums and any("b" in a.axes for a in n.args):
                raise CircuitError(f"{net.name}: {name} sums over the batch, so its rows cannot run by themselves")


def _repeated(array: Array, axes: tuple[str, ...], each: int) -> Array:
    return array if each == 1 or "b" not in axes else np.repeat(array, each, axes.index("b"))

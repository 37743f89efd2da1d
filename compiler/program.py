"""The callable that a user holds: arrays by name in, loss, signals, gradients and final state out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Never, Protocol, cast, runtime_checkable

import numpy as np

from ..graph.carry import boundary_inputs
from ..graph.errors import listed
from ..graph.inputs import Given, Signature
from ..graph.random import check_seed
from .check import asked, checked
from .interpret import interpret
from .listing import listing
from .loop import Program as LoopProgram
from .loop import Value
from .memory import Array, Batch, predicted_bytes
from .output import Asked, Output
from .returned import Returned
from .storage import batch_of, behaved, full_rows, is_whole, stored_input

if TYPE_CHECKING:
    from .cpu.profile import Profile
    from .plan import Plan
    from .road import Compiled, Road


class Target(Protocol):
    """What runs a loop program on arrays in storage layout; see ``interpret``."""

    @property
    def text(self) -> str: ...

    @property
    def compilations(self) -> int: ...

    @property
    def fresh(self) -> frozenset[str]: ...

    def run(
        self, batch: Batch, given: Mapping[str, Array], poison: bool = False, into: Mapping[str, Array] | None = None
    ) -> dict[str, Array]: ...

    def bytes(self, batch: Batch) -> int: ...


@runtime_checkable
class Timed(Protocol):
    """A target that says how it cuts its work, and where its time goes."""

    def explain(self) -> list[str]: ...

    def profile(self, batch: Batch, given: Mapping[str, Array], repeats: int) -> Profile: ...


class InterpretTarget:
    """The NumPy interpreter as a target."""

    compilations = 0

    def __init__(self, program: LoopProgram) -> None:
        self.program = program

    @property
    def text(self) -> str:
        return listing(self.program)

    @property
    def fresh(self) -> frozenset[str]:
        return frozenset()

    def run(
        self, batch: Batch, given: Mapping[str, Array], poison: bool = False, into: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        return interpret(self.program, batch, given)

    def bytes(self, batch: Batch) -> int:
        sizes = batch.sizes
        return predicted_bytes(self.program, sizes["t"], sizes["s"], sizes["b"])


def _cpu(program: LoopProgram, threads: int | None, plan: Plan) -> Target:
    from .cpu.target import CpuTarget

    return CpuTarget(program, threads, plan)


def _interpret(program: LoopProgram, threads: int | None, plan: Plan) -> Target:
    return InterpretTarget(program)


TARGETS: dict[str, Callable[[LoopProgram, int | None, Plan], Target]] = {"cpu": _cpu, "interpret": _interpret}


class Variant:
    """One loop program of a road, ready to run."""

    def __init__(self, compiled: Compiled, road: Road, target: str, threads: int | None) -> None:
        self.compiled = compiled
        self.loops = checked(compiled.loops)
        self.target = TARGETS[target](self.loops, threads, road.plan)
        # what a call is checked against: the part of the user's circuit that is computed, and all of it, with
        # the boundary values that are inputs here
        nets = road.computed, road.whole
        net, whole = (boundary_inputs(n, compiled.initial) if compiled.initial else n for n in nets)
        self.signature = Signature(net, whole)
        self._road = road
        self._given: tuple[Mapping[str, Array] | None, dict[str, Array], dict[str, Array]] = (None, {}, {})
        self._stored: tuple[Mapping[str, Array] | None, dict[str, Array]] = (None, {})

    @cached_property
    def poison(self) -> bool:
        """Whether storage is filled with NaN before each run: asked at the first."""
        return asked()

    def places(self, grad: Mapping[str, Array] | None) -> tuple[dict[str, Array], dict[str, Array]]:
        """Result -> where it goes in the arrays that the caller gave for gradients; value -> the same, of those that
        the target can write there itself. Found once for a mapping."""
        if self._given[0] is not grad:
            found: dict[str, Array] = {}
            for key, value in self.loops.results.items() if grad is not None else ():
                name = key.removeprefix("grad:")
                if name != key and not self.loops.values[value].axes:
                    whole, ranges = self.compiled.parts.get(name, (name, ()))
                    part: tuple[Any, ...] = (*(slice(lo, hi) for lo, hi in ranges), ...)
                    found[key] = cast(Mapping[str, Array], grad)[whole][part]
            values = self.loops.results
            itself = {values[k]: a for k, a in found.items() if values[k] in self.target.fresh and is_whole(a)}
            self._given = grad, found, itself
        return self._given[1:]

    @cached_property
    def returned(self) -> Returned:
        """Where its results go."""
        return Returned(self.compiled, self.target.fresh, self._road.net, Asked.of(self._road))

    def parameters(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """The parameters as the loop program has them; found once where the same are given again."""
        if self._stored[0] is not params:
            found = {}
            for v in self.loops.values.values():
                if v.role == "param":
                    whole, ranges = self.compiled.parts.get(v.name, (v.name, ()))
                    found[v.name] = params[whole][tuple(slice(lo, hi) for lo, hi in ranges)]
            alias = all(a.flags.carray for a in found.values())  # of a copy the next call would read old numbers
            found = {n: behaved(a) for n, a in found.items()}
            self._stored = (params if alias else None), found
        return self._stored[1]

    @cached_property
    def _inputs(self) -> list[Value]:
        return [v for v in self.loops.values.values() if v.role == "input"]

    def storage(self, call: Given, order: Array | None, batch: Batch) -> dict[str, Array]:
        """Params and inputs in storage layout."""
        found, full = self.parameters(call.params).copy(), not call.lengths
        for v in self._inputs:
            found[v.name] = stored_input(v, call.arrays[v.name], order, batch, full)
        return found


class Program:
    """A compiled network: ``prog(params, x=…, y=…)`` gives an ``Output``.

    ::

        prog = compiler.compile(net)
        out = prog(net.init(seed=0), x=x, y=y)         # x [T, B, n] of the program's dtype, symbols y [T, B]
        out.loss, out.grad["W"], out.final["h"]        # a number, the shape of W, [B, n]
        out.stats["mean.a"]                            # of batch_norm in the equation a: see ``compile``

    source        what runs: Numba source, or for the interpreter the loop program
    loops         the loop program;  plan  the choices made
    explain()     what became of each equation
    bytes(…)      what it holds for calls of given sizes
    profile(…)    what each kernel takes, against the limits of the machine
    compilations  how many kernels this program had to compile; those found in the cache do not count
    """

    def __init__(self, road: Road, target: str = "cpu", threads: int | None = None) -> None:
        self._road, self._target, self._threads = road, target, threads
        self._variants: dict[bool, Variant] = {}
        self._lock = Lock()  # one workspace: one call at a time

    # ---- what it is ------------------------------------------------------------------------------
    @property
    def plan(self) -> Plan:
        """The choices by which it is laid out."""
        return self._road.plan

    @property
    def target(self) -> str:
        """What runs it: "cpu" or "interpret"."""
        return self._target

    @property
    def loops(self) -> LoopProgram:
        """The loop program: what is stored, and what is computed in which order."""
        return self._variant(None).loops

    @property
    def source(self) -> str:
        """What runs, as text: Numba source, or for the interpreter the loop program."""
        return self._variant(None).target.text

    @property
    def compilations(self) -> int:
        """How many kernels it has compiled so far; those found in the cache do not count."""
        return sum(v.target.compilations for v in self._variants.values())

    def explain(self) -> str:
        """The stages with their equations, why they are loops, what was merged, fused and kept."""
        from ..graph.show import equations
        from .explain import explain

        compiled = self._variant(None).compiled
        finals = {name for key, name in compiled.loops.results.items() if key.startswith("final:")}
        known = {n: line for n, line in equations(compiled.circuit).items() if n not in finals}
        text = explain(compiled.loops, known, self.plan, equations(self._road.net))
        target = self._variant(None).target
        more = target.explain() if isinstance(target, Timed) else []
        return "\n".join([text, *(f"    {line}" for line in more)])

    def bytes(self, T: int, rows: int = 1, S: int = 1) -> int:
        """The bytes that the program holds for calls of so many steps and sequences, beside what is given and returned.

        They are kept between calls. Checkpoints make them fewer: see ``compile``. Raises ValueError for sizes
        below one.
        """
        for name, n in (("T", T), ("rows", rows), ("S", S)):
            if not isinstance(n, int) or isinstance(n, bool) or n < 1:
                raise ValueError(f"{name}={n!r}: expected a whole number from 1")
        return self._variant(None).target.bytes(full_rows(T, S, rows))

    def __repr__(self) -> str:
        request = self._road.request
        by = "parameters" if request.wrt is None else listed(request.wrt, 6)
        gradients = "" if request.wrt == () else f", gradients by {by}"
        asked = [f"loss {request.loss}{gradients}"] if request.loss else []
        asked += [f"returns {listed(request.returns, 6)}"] if request.returns else []
        return f"<program {self._road.net.name}: {'; '.join(asked)}; {request.dtype} on {self._target}>"

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self._road.request.dtype)

    def _variant(self, initial: Mapping[str, Any] | None) -> Variant:
        """The loop program for a call with, or without, initial values from the caller."""
        road = self._road
        if initial is not None:
            _ = road.states  # an error that names the equation where there can be none
        takes = road.can_be_cut and (initial is not None or not road.has_own_initial_values)
        if takes not in self._variants:
            self._variants[takes] = Variant(road.given if takes else road.own, road, self._target, self._threads)
        return self._variants[takes]

    # ---- a call ----------------------------------------------------------------------------------
    def __call__(
        self,
        params: Mapping[str, Any],
        /,
        *unnamed: Never,
        lengths: Any = None,
        initial: Mapping[str, Any] | None = None,
        start: int = 1,
        seed: int = 0,
        **inputs: Any,
    ) -> Output:
        """Run it once.

        params   name -> array of its shape and the program's dtype
        lengths  whole numbers from 1 to T, one a sequence; {"t": …, "s": …} for two indices
        initial  state before the first step, as ``Output.final`` of any program of this network has it: of more
                 lags than this one needs the newest are taken, states that it does not need are left alone, and
                 those that are not named start from zero
        start    the absolute number of the first step
        seed     of dropout and the like: the same seed gives the same masks
        inputs   by name: time-major arrays [T, B, n] of the program's dtype, symbols [T, B] of whole numbers

        Raises ValueError or TypeError that names the array, what was expected and what came; CircuitError for
        ``initial`` where the circuit cannot be cut.
        """
        if unnamed:
            raise Signature(self._road.net).unnamed("prog(", len(unnamed))
        return self.call(params, inputs, lengths=lengths, initial=initial, start=start, seed=seed)

    def call(
        self,
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        *,
        lengths: Any = None,
        initial: Mapping[str, Any] | None = None,
        start: int = 1,
        seed: int = 0,
        grad: Mapping[str, Array] | None = None,
    ) -> Output:
        """The same, of a mapping of inputs.

        grad  the ``grad`` of another call, or zeros like it: overwritten where what was differentiated by has neither
              steps nor rows, and the ``grad`` of this one. None: new arrays
        """
        variant, call, order, batch, arrays = self._prepared(params, inputs, lengths, initial, start, seed)
        with self._lock:
            into, itself = variant.places(grad)
            stored = variant.target.run(batch, arrays, variant.poison, itself)
            return variant.returned.output(stored, call, order, batch, into, itself, grad)

    def profile(self, params: Mapping[str, Any], /, *, lengths: Any = None, repeats: int = 5, **inputs: Any) -> Profile:
        """The least time of each kernel in several runs, with its rates against the limits of the machine.

        ``print`` shows it as a table; arguments are those of a call. Raises ValueError for a program that has no
        kernels, and what a call raises.
        """
        variant, _, _, batch, arrays = self._prepared(params, inputs, lengths, None, 1, 0)
        if not isinstance(variant.target, Timed):
            raise ValueError(f'target="{self._target}" has no kernels whose time could be taken: compile for "cpu"')
        with self._lock:
            return variant.target.profile(batch, arrays, repeats)

    def _prepared(
        self, params: Mapping[str, Any], inputs: Mapping[str, Any], lengths: Any, initial: Mapping[str, Any] | None,
        start: int, seed: int,
    ) -> tuple[Variant, Given, Array | None, Batch, dict[str, Array]]:  # fmt: skip
        """What is run, and on what: arguments checked and stored."""
        check_seed(seed)
        variant = self._variant(initial)
        if initial is not None:
            inputs = {**inputs, **self._road.initial.boundary_arrays(initial, self._dtype)}
        call = variant.signature.given(params, inputs, lengths, start, self._dtype)
        order, batch = batch_of(call, start, seed)
        return variant, call, order, batch, variant.storage(call, order, batch)

"""Definitions: equations with a name, whose sizes are bound by a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, Never

from ..graph.circuit import Circuit
from ..graph.doors import bind
from ..graph.elaborate import elaborate
from ..graph.errors import FreeSizesError, LanguageError, did_you_mean
from ..graph.language import Equations
from ..graph.roles import find_roles
from ..graph.shapes import infer_shapes
from ..graph.system import System
from .equations import parse

_Free = dict[str, tuple[int | None, ...]]
"""Names whose sizes are open, with their shapes."""

MOST_TRIED, LARGEST_TRIED = 300, 32
"""How many sizes a search for small ones tries before it gives up, and the largest of them."""


class Cell:
    """Equations whose sizes are open: ``lstm(x=64, h=256, o=96)`` is the circuit with sizes bound.

    A size is an integer for a vector, a tuple for any shape (``W=(3, 4)``, ``a=()`` for a scalar), and for a
    symbol the number of its values. Sizes that follow from others may be left out. What only a circuit has
    (``init``, ``params``, ``states``, …) is an AttributeError here that says which sizes to bind.
    """

    def __init__(self, equations: Equations, system: System, init: Mapping[str, Any]) -> None:
        self.equations = equations
        self.system = system
        self.init_rules = dict(init)

    @property
    def name(self) -> str:
        """What listings, pictures and messages call it."""
        return self.system.name

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what the caller gives."""
        return tuple(self.system.inputs)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, constants among them."""
        return tuple(self.system.parameters)

    @property
    def signals(self) -> tuple[str, ...]:
        """Names that are defined."""
        return tuple(self.system.definitions)

    @property
    def units(self) -> tuple[str, ...]:
        """The signals that have as many units as a task's setting ``hidden`` says: h and k, as far as it has them."""
        return tuple(n for n in ("h", "k") if n in self.system.definitions)

    def sizes_by_name(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """Sizes by the names that the equations have; a stack takes one for all its layers."""
        return dict(sizes)

    def __call__(self, /, *unnamed: Any, **sizes: Any) -> Circuit:
        """The circuit with these sizes.

        Raises LanguageError where they clash, stay free or name nothing, CircuitError for equations that are no
        circuit: a loop without a delay, or one that reads both its past and its future; TypeError for sizes without
        their names.
        """
        if unnamed:
            raise TypeError(self._by_name(unnamed, sizes))
        return elaborate(self.system, self.sizes_by_name(sizes), self.init_rules)

    def _by_name(self, given: tuple[Any, ...], sizes: Mapping[str, Any]) -> str:
        """That sizes have names, with the call that was likely meant: inputs first."""
        called = self.name if self.name.isidentifier() and self.name != "net" else "cell"
        got = ", ".join(map(repr, given))
        try:
            free = list(self._free(sizes))
        except LanguageError:
            free = []
        names = [n for n in self.inputs if n in free] + [n for n in self.signals if n in free]
        meant = [*zip(names, given, strict=False), *((n, "…") for n in names[len(given) :]), *sizes.items()]
        call = f"{called}({', '.join(f'{n}={value}' for n, value in meant)})" if names else f"{called}(…)"
        return f"{called}({got}): expected sizes by their names, got {got}; say {call}"

    def starting(self, init: Mapping[str, Any]) -> Cell:
        """The same equations with other initial values: those of ``init``, then its own.

        Raises LanguageError for a name that is no parameter.
        """
        for name in init:
            if name not in self.system.parameters:
                raise LanguageError(
                    f"init names {name}, which is no parameter of {self.name}",
                    expected=f"one of {', '.join(self.system.parameters)}",
                    got=name,
                    mend=did_you_mean(name, self.system.parameters),
                )
        other = copy(self)
        other.init_rules = {**self.init_rules, **init}
        return other

    def given(self, text: str, init: Mapping[str, Any] | None = None) -> Cell:
        """The same equations with definitions for functions that had none, and whatever else the text says.

        ::

            driven = define("s[t] = f(s[t-1], x[t])", opaque=("f",))
            net = driven.given("f(s, x) = tanh(W @ s + U @ x + b)")(x=3, s=4)

        init: initial values of the new parameters. Raises LanguageError for a text that defines none of the functions,
        or one that has a definition.
        """
        more, old = parse(text), self.equations
        opaque = self.system.opaque - set(more.functions)
        for name, function in more.functions.items():
            if name not in self.system.opaque:
                raise LanguageError(
                    f"{name} is no function of {self.name} that is still open",
                    function.where,
                    expected=f"one of {', '.join(sorted(self.system.opaque))}" if self.system.opaque else None,
                    got=name,
                    mend=did_you_mean(name, self.system.opaque),
                )
        whole = Equations()
        for function in (*old.functions.values(), *more.functions.values()):
            whole.add(function)
        for statement in (*old.statements, *more.statements):
            whole.add(statement)
        static = [name for name in self.inputs if not self.system.axes[name]]
        system = find_roles(whole, self.name, static, self.system.constants, opaque)
        return Cell(whole, system, self.init_rules).starting(init or {})

    def binding(self) -> str:
        """The call that binds its open sizes, one name for each: ``lstm(h=…, o=…, x=…)``."""
        name = self.name if self.name.isidentifier() and self.name != "net" else "cell"
        try:
            infer_shapes(self.system, {})
        except FreeSizesError as error:
            return name + (error.mend or "").removeprefix(f"say {self.name}")
        except LanguageError:
            return f"{name}(…)"
        return f"{name}()"

    def small(
        self, sizes: Mapping[str, Any] | None = None, units: int = 4, near: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """``sizes``, and small ones for all that they leave open: with these the cell can be called.

        units: of signals; inputs have 3, symbols 5 values. Where these do not fit each other, others are tried.
        near: sizes that are taken as far as they fit ``sizes`` and each other, the first of them first. Raises
        LanguageError where nothing fits, as for sizes that clash.
        """
        given = self.sizes_by_name(sizes or {})
        try:
            free = self._free(given)
        except LanguageError as error:
            raise error if given else _no_sizes(self.name, error) from error
        wished = dict(given)
        for name, value in (near or {}).items():
            if name not in given and self._fits(wished, name, value):
                wished[name] = value
        for start in (wished, given) if wished != given else (given,):
            search = _Search(self._free, self.system, units)
            found = search.filled(start, free if start is given else self._free(start))
            if found is not None:
                return found
        raise _no_sizes(self.name, search.clash, search.tried)

    def _fits(self, sizes: Mapping[str, Any], name: str, value: Any) -> bool:
        """Whether a size goes with others."""
        try:
            self._free({**sizes, name: value})
        except LanguageError:
            return False
        return True

    def _free(self, sizes: Mapping[str, Any]) -> _Free:
        """What is open at these sizes. Raises LanguageError where they clash."""
        try:
            infer_shapes(self.system, sizes)
        except FreeSizesError as error:
            return error.free
        return {}

    def __getattr__(self, name: str) -> Never:
        problem = f"a cell has no {name}"
        if name in _OF_CIRCUITS:
            problem = f"the cell {self.system.name} has no {name}: a circuit has, whose sizes are known\n  {bind(self)}"
        raise AttributeError(problem)

    def __str__(self) -> str:
        return str(self.equations)

    def __repr__(self) -> str:
        return f"<cell {self.name}: inputs {', '.join(self.inputs)}; signals {', '.join(self.signals)}>"


class _Search:
    """Small sizes for what is open, one name after the other; a choice that leaves another nothing is taken back.

    free: what sizes leave open, or LanguageError where they clash
    """

    def __init__(self, free: Callable[[Mapping[str, Any]], _Free], system: System, units: int) -> None:
        self.free, self.system, self.units = free, system, units
        self.left = MOST_TRIED
        self.tried: dict[str, list[int]] = {}
        self.clash: LanguageError | None = None

    def filled(self, sizes: Mapping[str, Any], free: _Free) -> dict[str, Any] | None:
        """``sizes`` and one for each that is free; None where none of those that are tried fit."""
        if not free:
            return dict(sizes)
        # inputs first: what is joined of several is larger than each
        name = next((n for n in free if n in self.system.inputs), next(iter(free)))
        first = 5 if name in self.system.symbols else 3 if name in self.system.inputs else self.units
        for n in dict.fromkeys((first, self.units, 4, 8, 12, 24, *range(1, LARGEST_TRIED + 1))):
            if not self.left:
                return None
            self.left -= 1
            self.tried.setdefault(name, []).append(n)
            dims = free[name]
            more = {**sizes, name: n if len(dims) == 1 else tuple(n if d is None else d for d in dims)}
            try:
                rest = self.free(more)
            except LanguageError as error:
                self.clash = self.clash or error
                continue
            if name not in rest and (found := self.filled(more, rest)) is not None:
                return found
        return None


def _no_sizes(cell: str, clash: LanguageError | None, tried: Mapping[str, list[int]] | None = None) -> LanguageError:
    """That no sizes fit, with the first equation that they did not fit."""
    names = ", ".join(f"{n} of {min(each)} to {max(each)}" for n, each in (tried or {}).items())
    problem = f"no {'small ' if tried else ''}sizes of {cell} fit all its equations"
    if clash is None:
        return LanguageError(problem, got=f"tried {names}", mend="state the sizes")
    return LanguageError(
        f"{problem}: {clash.problem}",
        clash.where,
        expected=clash.expected,
        got=f"{clash.got}" + (f"; tried {names}" if tried else ""),
        mend=f"{'state the sizes, or ' if tried else ''}put a matrix where two sizes meet that cannot be equal",
    )


_OF_CIRCUITS = frozenset(n for n in (*dir(Circuit), *Circuit.__dataclass_fields__) if not n.startswith("_"))


def define(
    equations: str | Equations,
    name: str = "net",
    inputs: Iterable[str] = (),
    constants: Iterable[str] = (),
    opaque: Iterable[str] = (),
    init: Mapping[str, Any] | None = None,
) -> Cell:
    """A network from its equations, as a text or in the Python form (``graph.Equations``); see docs/language.md.

    ::

        elman = define("h[t] = tanh(W @ h[t-1] + U @ x[t] + b);  L = mean(mse(h[t], y[t]), over=t)", name="elman")
        net = elman(x=3, h=4)                          # sizes are bound here; the rest is inferred

    name        what listings, pictures and messages call it
    inputs      names without a time index that are given, one value a sequence, [B, n]
    constants   names that are given once, with the parameters, and never trained
    opaque      functions that stay without a definition: such a network can be drawn, unfolded and printed
    init        initial values of parameters: name -> a number, a rule ("zeros", "ones", "identity", "uniform",
                "normal", "orthogonal", "glorot"), or a function of (shape, rng); without one, see ``Circuit.init``

    Raises LanguageError where the equations mean nothing, with the line, what was expected and the mend, TypeError for
    what is neither a text nor Equations.
    """
    parsed = parse(equations) if isinstance(equations, str) else equations
    if not isinstance(parsed, Equations):
        raise TypeError(f"a network is defined by a text or by Equations, not by {type(parsed).__name__}")
    system = find_roles(parsed, name, inputs, constants, opaque)
    return Cell(parsed, system, {}).starting(init or {})

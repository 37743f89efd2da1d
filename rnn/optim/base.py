"""What every optimiser is: weights and gradients by name, weight decay and its exclusions, a state that can be saved.

``optim`` has the optimisers themselves, and all names of this module that are for users.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.errors import did_you_mean, unknown
from .flat import Array as Array
from .flat import Arrays as Arrays
from .flat import gathered
from .rule import Rule, rule_of
from .stepped import OptimiserError as OptimiserError
from .stepped import Stepped, check_like

if TYPE_CHECKING:
    from ...graph.circuit import Circuit

TARGETS = ("cpu", "interpret")
Undecayed = Iterable[str] | Callable[[str, Array], bool]


def is_vector(name: str, weight: Array) -> bool:
    """Whether a weight has fewer than two axes: a bias, a gain, a vector of peepholes, an initial state."""
    return weight.ndim < 2


def tables(net: Circuit) -> tuple[str, ...]:
    """The parameters that are only read a row (or element) at a time by symbols, ``E[x[t]]``: embeddings.

    For ``undecayed``, whose default leaves out vectors alone: ``undecayed=lambda name, w: is_vector(name, w) or name
    in tables``. (Decay shrinks a row also while its symbol does not occur.)
    """
    from ...graph.expr import topological

    taken: dict[str, None] = {}
    multiplied: set[str] = set()
    for n in topological(net.eqs.values()):
        for i, a in enumerate(n.args):
            if a.op == "param" and n.op == "take" and i == 0:
                taken[a.attr] = None
            elif a.op == "param":
                multiplied.add(a.attr)
    return tuple(name for name in taken if name not in multiplied)


class Optimiser(ABC):
    """What every optimiser does; a subclass says what it keeps for an element (``slots``) and its ``rule``.

    ::

        class SignDescent(Optimiser):
            rule = "w = w - rate * sign(g)"

            def numbers(self, rate: float) -> dict[str, float]:
                return {"rate": rate}

    rate       the learning rate, above 0
    decay      weight decay: decay · w is added to the gradient (L2, half the square of its norm in the loss), but see
               AdamW
    undecayed  the weights that do not decay: names, or a function of (name, array). By default those of fewer than two
               axes, see ``is_vector``; () : all decay
    fixed      names of weights that never change, such as ``net.constants``: they need no gradient

    Raises OptimiserError for a number that makes no sense.
    """

    slots: tuple[str, ...] = ()
    rule: str
    """How an element changes: assignments, a line each, see ``Rule``. It reads the names of ``numbers`` too."""
    decoupled = False

    def __init__(
        self, rate: float, *, decay: float = 0.0, undecayed: Undecayed = is_vector, fixed: Collection[str] = ()
    ) -> None:
        self.rate = number("the learning rate", rate, "a finite number above 0", lambda v: 0 < v < math.inf)
        self.decay = number("the weight decay", decay, "a finite number of at least 0", lambda v: 0 <= v < math.inf)
        self.fixed = frozenset(_names(fixed))
        self.undecayed = undecayed if callable(undecayed) else frozenset(_names(undecayed))
        self.updates = 0
        self._kept: Arrays = {}
        self._stepped: Stepped | None = None

    @abstractmethod
    def numbers(self, rate: float) -> dict[str, float]:
        """What is the same for all elements in this update, which ``updates`` counts already."""

    def step(
        self,
        weights: Mapping[str, Array],
        gradients: Mapping[str, Array],
        rate: float | None = None,
        *,
        scale: float = 1.0,
        target: str = "interpret",
    ) -> None:
        """One update, in place. ``rate`` stands for this update in the place of the optimiser's own (a schedule's).

        weights    name -> array of float32 or float64, changed in place
        gradients  name -> array of the weight's shape and dtype, ``out.grad``; left as they are. Those of other names
                   are not looked at
        scale      what all gradients are multiplied by, to clip them
        target     "interpret": NumPy; "cpu": compiled, and the same bits

        Raises OptimiserError where a gradient is missing or its shape or dtype is not its weight's, or ``undecayed``
        or ``fixed`` name what is no weight, TypeError where the whole output was given for its gradients. Then
        nothing has changed.
        """
        if target not in TARGETS:
            raise OptimiserError(unknown(f"there is no target {target!r}", str(target), TARGETS, "there are"))
        _check_mapping(gradients)
        stepped = self._stepped
        if stepped is None or not stepped.holds(weights, self.fixed):
            self._check(weights)
            stepped = Stepped(weights, self.fixed)
        stepped.check(gradients)
        if stepped is not self._stepped:
            self._kept = stepped.keep(self._kept, self.slots)
            self._stepped = stepped
        rate = self.rate if rate is None else rate
        self.updates += 1
        numbers = {"scale": scale, **self.numbers(rate)}
        own = self._own(stepped.trained, rate)
        stepped.apply(self._rule(tuple(numbers)), gradients, numbers, own, target)

    def _rule(self, numbers: tuple[str, ...]) -> Rule:
        """The whole rule: before the subclass's own, gradients are scaled and weights decay."""
        lines = "g = scale * g\n"
        if self.decay:
            lines += "w = shrunk * w\n" if self.decoupled else "g = g + decay * w\n"
        own = ("shrunk" if self.decoupled else "decay") if self.decay else ""
        return rule_of(type(self).__name__, lines, self.rule, self.slots, numbers, own)

    def _own(self, weights: Arrays, rate: float) -> dict[str, float]:
        """The number of ``_rule`` that each weight has for itself."""
        without = 1.0 if self.decoupled else 0.0
        if not self.decay:
            return dict.fromkeys(weights, without)
        value = 1.0 - rate * self.decay if self.decoupled else self.decay
        return {name: value if self.decays(name, weight) else without for name, weight in weights.items()}

    def decays(self, name: str, weight: Array) -> bool:
        """Whether this weight decays."""
        spared = self.undecayed
        return self.decay > 0 and not (spared(name, weight) if callable(spared) else name in spared)

    # ---- checks ----------------------------------------------------------------------------------
    def _check(self, weights: Mapping[str, Array]) -> None:
        """What belongs to the weights, whatever their gradients are."""
        spared = () if callable(self.undecayed) else self.undecayed
        for option, names in (("undecayed", spared), ("fixed", self.fixed)):
            for name in sorted(names):
                if name not in weights:
                    near = did_you_mean(name, weights)
                    raise OptimiserError(f"{option} names {name}, which is no weight" + (f"; {near}" if near else ""))
        for name, weight in weights.items():
            if name in self.fixed:
                continue
            if not np.issubdtype(weight.dtype, np.floating):
                raise OptimiserError(f"weight {name}: expected floating point numbers, got {weight.dtype}")
            for slot in self.slots:
                check_like(slot, name, weight, self._kept.get(f"{slot}.{name}", weight))

    # ---- what is saved ---------------------------------------------------------------------------
    def state(self) -> Arrays:
        """All that is kept, by name: "updates", and "slot.weight" for each weight and slot; not copied."""
        return {"updates": np.array(self.updates, dtype=np.int64), **self._kept}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state()`` gave. Raises OptimiserError where that was another kind of optimiser."""
        rest = dict(state)
        updates = rest.pop("updates", None)
        if updates is None or updates.shape != () or int(updates) < 0:
            raise OptimiserError('the state of an optimiser holds its number of "updates"; it is missing')
        kept: dict[str, set[str]] = {}
        for key in rest:
            slot, _, name = key.partition(".")
            if slot not in self.slots or not name:
                keeps = " and ".join(self.slots) or "nothing"
                raise OptimiserError(f"{type(self).__name__} keeps {keeps}, but the state holds {key!r}")
            kept.setdefault(name, set()).add(slot)
        for name, slots in kept.items():
            if slots != set(self.slots):
                raise OptimiserError(f"the state of weight {name} lacks {', '.join(set(self.slots) - slots)}")
        self.updates, self._kept, self._stepped = int(updates), gathered(rest), None

    def __getstate__(self) -> dict[str, Any]:
        """To be copied or pickled: without what is compiled for these very arrays."""
        return {**self.__dict__, "_stepped": None}


# ---- numbers -------------------------------------------------------------------------------------
def number(what: str, value: Any, expected: str, holds: Callable[[float], bool]) -> float:
    """The value as a float. Raises OptimiserError where it is no number or does not hold."""
    if isinstance(value, bool) or not isinstance(value, Real) or not holds(float(value)):
        raise OptimiserError(f"{what}: expected {expected}, got {value!r}")
    return float(value)


def share(what: str, value: Any) -> float:
    """A number in [0, 1); see ``number``."""
    return number(what, value, "a number in [0, 1)", lambda v: 0 <= v < 1)


def above_zero(what: str, value: Any) -> float:
    """A number above 0; see ``number``."""
    return number(what, value, "a number above 0", lambda v: v > 0)


def _check_mapping(gradients: object) -> None:
    if not isinstance(gradients, Mapping):
        mend = "; mend: step(weights, out.grad)" if hasattr(gradients, "grad") else ""
        raise TypeError(f"step: expected gradients, name -> array, got {type(gradients).__name__}{mend}")


def _names(names: Iterable[str]) -> Iterable[str]:
    """Names; a text is one name."""
    return (names,) if isinstance(names, str) else names

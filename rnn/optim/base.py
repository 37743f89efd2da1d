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
from numpy.typing import NDArray

from ...graph.errors import did_you_mean

if TYPE_CHECKING:
    from ...graph.circuit import Circuit

Array = NDArray[Any]
Arrays = dict[str, Array]
Undecayed = Iterable[str] | Callable[[str, Array], bool]


class OptimiserError(ValueError):
    """Weights, gradients, numbers or a saved state that do not fit each other."""


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
    """What every optimiser does; a subclass says what it keeps a weight (``slots``) and its ``rule``.

    rate       the learning rate, above 0
    decay      weight decay: decay · w is added to the gradient (L2, half the square of its norm in the loss), but see
               AdamW
    undecayed  the weights that do not decay: names, or a function of (name, array). By default those of fewer than two
               axes, see ``is_vector``; () : all decay
    fixed      names of weights that never change, such as ``net.constants``: they need no gradient

    Raises OptimiserError for a number that makes no sense.
    """

    slots: tuple[str, ...] = ()
    decoupled = False

    def __init__(
        self, rate: float, *, decay: float = 0.0, undecayed: Undecayed = is_vector, fixed: Collection[str] = ()
    ) -> None:
        self.rate = number("the learning rate", rate, "a finite number above 0", lambda v: 0 < v < math.inf)
        self.decay = number("the weight decay", decay, "a finite number of at least 0", lambda v: 0 <= v < math.inf)
        self.fixed = frozenset(_names(fixed))
        self.undecayed = undecayed if callable(undecayed) else frozenset(_names(undecayed))
        self.updates = 0
        self._kept: dict[str, Arrays] = {}

    def step(self, weights: Mapping[str, Array], gradients: Mapping[str, Array], rate: float | None = None) -> None:
        """One update, in place. ``rate`` stands for this update in the place of the optimiser's own (a schedule's).

        weights    name -> array of float32 or float64, changed in place
        gradients  name -> array of the weight's shape and dtype, ``out.grad``; left as they are. Those of other names
                   are not looked at

        Raises OptimiserError where a gradient is missing or its shape or dtype is not its weight's, or ``undecayed``
        or ``fixed`` name what is no weight, TypeError where the whole output was given for its gradients. Then
        nothing has changed.
        """
        self._check(weights, gradients)
        rate = self.rate if rate is None else rate
        self.updates += 1
        for name, weight in weights.items():
            if name in self.fixed:
                continue
            kept = self._kept.get(name)
            if kept is None:
                kept = self._kept[name] = {slot: np.zeros_like(weight) for slot in self.slots}
            gradient = gradients[name]
            if self.decays(name, weight):
                if self.decoupled:
                    weight *= 1.0 - rate * self.decay
                else:
                    gradient = gradient + self.decay * weight
            self.rule(weight, gradient, kept, rate)

    def decays(self, name: str, weight: Array) -> bool:
        """Whether this weight decays."""
        spared = self.undecayed
        return self.decay > 0 and not (spared(name, weight) if callable(spared) else name in spared)

    @abstractmethod
    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        """Change one weight and what is kept for it, in place."""

    # ---- checks ----------------------------------------------------------------------------------
    def _check(self, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        _check_mapping(gradients)
        spared = () if callable(self.undecayed) else self.undecayed
        for option, names in (("undecayed", spared), ("fixed", self.fixed)):
            for name in sorted(names):
                if name not in weights:
                    near = did_you_mean(name, weights)
                    raise OptimiserError(f"{option} names {name}, which is no weight" + (f"; {near}" if near else ""))
        for name, weight in weights.items():
            if name not in self.fixed:
                self._check_one(name, weight, gradients.get(name))

    def _check_one(self, name: str, weight: Array, gradient: Array | None) -> None:
        if gradient is None:
            raise OptimiserError(
                f"weight {name} has no gradient; what is never trained, such as a constant, is named in fixed="
            )
        for what, array in (("gradient", gradient), *self._kept.get(name, {}).items()):
            if (array.shape, array.dtype) != (weight.shape, weight.dtype):
                raise OptimiserError(
                    f"{what} of weight {name}: expected {weight.dtype} {weight.shape}, got {array.dtype} {array.shape}"
                )
        if not np.issubdtype(weight.dtype, np.floating):
            raise OptimiserError(f"weight {name}: expected floating point numbers, got {weight.dtype}")

    # ---- what is saved ---------------------------------------------------------------------------
    def state(self) -> Arrays:
        """All that is kept, by name: "updates", and "slot.weight" for each weight and slot; not copied."""
        kept = {f"{slot}.{name}": a for name, slots in self._kept.items() for slot, a in slots.items()}
        return {"updates": np.array(self.updates, dtype=np.int64), **kept}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state()`` gave. Raises OptimiserError where that was another kind of optimiser."""
        rest = dict(state)
        updates = rest.pop("updates", None)
        if updates is None or updates.shape != () or int(updates) < 0:
            raise OptimiserError('the state of an optimiser holds its number of "updates"; it is missing')
        kept: dict[str, Arrays] = {}
        for key, array in rest.items():
            slot, _, name = key.partition(".")
            if slot not in self.slots or not name:
                keeps = " and ".join(self.slots) or "nothing"
                raise OptimiserError(f"{type(self).__name__} keeps {keeps}, but the state holds {key!r}")
            kept.setdefault(name, {})[slot] = np.array(array)
        for name, slots in kept.items():
            if set(slots) != set(self.slots):
                raise OptimiserError(f"the state of weight {name} lacks {', '.join(set(self.slots) - set(slots))}")
        self.updates, self._kept = int(updates), kept


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

"""Optimisers: they change a dict of weights, in place, by a dict of gradients of the same names.

Everything they keep is arrays by name, so that a run can be saved and go on with the same bits. The
arithmetic is NumPy's, elementwise, in the weights' dtype; names are taken in the order of the weights.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]


class OptimiserError(ValueError):
    """Weights, gradients or a saved state that do not fit each other."""


class Optimiser(ABC):
    """What every optimiser does; a subclass says what it keeps a weight (``slots``) and its ``rule``."""

    slots: tuple[str, ...] = ()

    def __init__(self, rate: float):
        if not (rate > 0 and math.isfinite(rate)):
            raise OptimiserError(f"the learning rate is a finite number above 0, got {rate}")
        self.rate = rate
        self.updates = 0
        self._kept: dict[str, Arrays] = {}

    def step(
        self, weights: Mapping[str, Array], gradients: Mapping[str, Array], rate: float | None = None
    ) -> None:
        """One update, in place. ``rate`` stands for this update in the place of the optimiser's own.

        Raises OptimiserError where a gradient is missing or its shape or dtype is not its weight's; then
        nothing has changed.
        """
        for name, weight in weights.items():
            self._check(name, weight, gradients.get(name))
        self.updates += 1
        for name, weight in weights.items():
            kept = self._kept.get(name)
            if kept is None:
                kept = self._kept[name] = {slot: np.zeros_like(weight) for slot in self.slots}
            self.rule(weight, gradients[name], kept, self.rate if rate is None else rate)

    @abstractmethod
    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        """Change one weight and what is kept for it, in place."""

    def _check(self, name: str, weight: Array, gradient: Array | None) -> None:
        if gradient is None:
            raise OptimiserError(f"weight {name} has no gradient")
        compared = [("gradient", gradient), *self._kept.get(name, {}).items()]
        for what, array in compared:
            if (array.shape, array.dtype) != (weight.shape, weight.dtype):
                raise OptimiserError(
                    f"{what} of weight {name}: expected {weight.dtype} {weight.shape},"
                    f" got {array.dtype} {array.shape}"
                )
        if not np.issubdtype(weight.dtype, np.floating):
            raise OptimiserError(f"weight {name}: expected floating point numbers, got {weight.dtype}")

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
                raise OptimiserError(
                    f"{type(self).__name__} keeps {' and '.join(self.slots)}, but the state holds {key!r}"
                )
            kept.setdefault(name, {})[slot] = np.array(array)
        for name, slots in kept.items():
            if set(slots) != set(self.slots):
                raise OptimiserError(
                    f"the state of weight {name} lacks {', '.join(set(self.slots) - set(slots))}"
                )
        self.updates, self._kept = int(updates), kept


class SGD(Optimiser):
    """Gradient descent with momentum: v ← momentum · v + g; w ← w − rate · v (Polyak 1964)."""

    slots = ("v",)

    def __init__(self, rate: float = 0.1, momentum: float = 0.0):
        super().__init__(rate)
        if not 0.0 <= momentum < 1.0:
            raise OptimiserError(f"momentum lies in [0, 1), got {momentum}")
        self.momentum = momentum

    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        v = kept["v"]
        v *= self.momentum
        v += gradient
        weight -= rate * v


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, algorithm 1): steps of bounded size along the mean gradient.

    m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  both divided by 1 − βⁿ after n updates, since they
    start at zero;  w ← w − rate · m̂ / (√v̂ + ε).
    """

    slots = ("m", "v")

    def __init__(self, rate: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8):
        super().__init__(rate)
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise OptimiserError(f"betas lie in [0, 1), got {betas}")
        if not epsilon > 0.0:
            raise OptimiserError(f"epsilon is above 0, got {epsilon}")
        self.betas, self.epsilon = betas, epsilon

    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        m, v = kept["m"], kept["v"]
        first, second = self.betas
        m *= first
        m += (1.0 - first) * gradient
        v *= second
        v += (1.0 - second) * (gradient * gradient)
        root = np.sqrt(v)
        root /= math.sqrt(1.0 - second**self.updates)
        root += self.epsilon
        weight -= (rate / (1.0 - first**self.updates)) * (m / root)


def global_norm(gradients: Mapping[str, Array]) -> float:
    """The Euclidean norm of all gradients together, summed in float64; not finite where one is not."""
    return math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients.values()))


def clip(gradients: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients, in place, so that their global norm is at most ``limit``; the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) Gradients that are not finite are left as they are:
    the norm that comes back is not finite either, and the caller decides.
    """
    if not limit > 0.0:
        raise OptimiserError(f"the limit of the gradient norm is above 0, got {limit}")
    norm = global_norm(gradients)
    if math.isfinite(norm) and norm > limit:
        for gradient in gradients.values():
            gradient *= limit / norm
    return norm


DECAYS = ("constant", "linear", "cosine")


def rate_at(update: int, updates: int, rate: float, decay: str = "constant") -> float:
    """The learning rate of update 0 … updates-1: constant, or falling from ``rate`` towards 0."""
    share = update / updates
    if decay == "constant":
        return rate
    if decay == "linear":
        return rate * (1.0 - share)
    if decay == "cosine":
        return rate * 0.5 * (1.0 + math.cos(math.pi * share))
    raise OptimiserError(f"the decay of the learning rate is one of {', '.join(DECAYS)}, got {decay!r}")

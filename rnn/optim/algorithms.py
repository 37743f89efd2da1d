"""Optimisers: they change a dict of weights, in place, by a dict of gradients of the same names.

Each step is torch.optim's of the same name. Everything an optimiser keeps is arrays by name, so that a run can be
saved and go on with the same bits. What happens to an element is written once, as a ``rule``, in the weights' dtype:
NumPy runs it, and compiled it gives the same bits.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from ...graph.errors import unknown
from .base import Optimiser, OptimiserError, Undecayed, above_zero, is_vector, share


class SGD(Optimiser):
    """Gradient descent, with momentum: v ← momentum · v + (1 − dampening) · g; w ← w − rate · v (Polyak 1964).

    v starts as the first gradient. nesterov: w ← w − rate · (g + momentum · v), the gradient as if it were taken a
    step ahead (Nesterov 1983, in the form of Sutskever et al. 2013).
    """

    def __init__(
        self,
        rate: float = 0.1,
        momentum: float = 0.0,
        nesterov: bool = False,
        dampening: float = 0.0,
        *,
        decay: float = 0.0,
        undecayed: Undecayed = is_vector,
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__(rate, decay=decay, undecayed=undecayed, fixed=fixed)
        self.momentum, self.dampening = share("momentum", momentum), share("dampening", dampening)
        self.nesterov = nesterov
        if nesterov and not (momentum > 0 and dampening == 0):
            raise OptimiserError(
                f"nesterov needs a momentum above 0 and no dampening, got momentum={momentum}, dampening={dampening}"
            )
        self.slots = ("v",) if momentum else ()
        step = "g + momentum * v" if nesterov else "v"
        self.rule = f"v = momentum * v + share * g\nw = w - rate * ({step})" if momentum else "w = w - rate * g"

    def numbers(self, rate: float) -> dict[str, float]:
        share = 1.0 if self.updates == 1 else 1.0 - self.dampening
        return {"rate": rate, "momentum": self.momentum, "share": share} if self.momentum else {"rate": rate}


class RMSProp(Optimiser):
    """Steps divided by the root of the mean square of the gradient (Tieleman and Hinton 2012, lecture 6.5).

    v ← α v + (1 − α) g²;  w ← w − rate · g / (√v + ε). centered: the mean gradient's square is taken off v (Graves
    2013, equations 38 to 45). momentum: b ← momentum · b + g / (√v + ε);  w ← w − rate · b.
    """

    def __init__(
        self,
        rate: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        decay: float = 0.0,
        undecayed: Undecayed = is_vector,
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__(rate, decay=decay, undecayed=undecayed, fixed=fixed)
        self.alpha, self.momentum = share("alpha", alpha), share("momentum", momentum)
        self.eps, self.centered = above_zero("eps", eps), centered
        self.slots = ("v", *(("m",) if centered else ()), *(("b",) if momentum else ()))
        self.rule = "\n".join([
            "v = alpha * v + rest * (g * g)",
            *(["m = m + rest * (g - m)"] if centered else []),
            # what rounding leaves below 0 is 0
            f"step = g / (sqrt({'maximum(v - m * m, 0.0)' if centered else 'v'}) + eps)",
            *(["b = momentum * b + step", "w = w - rate * b"] if momentum else ["w = w - rate * step"]),
        ])  # fmt: skip

    def numbers(self, rate: float) -> dict[str, float]:
        found = {"rate": rate, "alpha": self.alpha, "rest": 1.0 - self.alpha, "eps": self.eps}
        return {**found, "momentum": self.momentum} if self.momentum else found


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, algorithm 1): steps of bounded size along the mean gradient.

    m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  both divided by 1 − βⁿ after n updates, since they
    start at zero;  w ← w − rate · m̂ / (√v̂ + ε).
    """

    slots = ("m", "v")
    rule = """
        m = first * m + rest_of_first * g
        v = second * v + rest_of_second * (g * g)
        w = w - size * (m / (widening * sqrt(v) + eps))
    """

    def __init__(
        self,
        rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        decay: float = 0.0,
        undecayed: Undecayed = is_vector,
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__(rate, decay=decay, undecayed=undecayed, fixed=fixed)
        if not isinstance(betas, Sequence) or isinstance(betas, str) or len(betas) != 2:
            raise OptimiserError(f"betas are two numbers in [0, 1), got {betas!r}")
        first, second = betas
        self.betas = share("betas", first), share("betas", second)
        self.eps = above_zero("eps", eps)

    def numbers(self, rate: float) -> dict[str, float]:
        first, second = self.betas
        return {
            "first": first,
            "rest_of_first": 1.0 - first,
            "second": second,
            "rest_of_second": 1.0 - second,
            "widening": 1.0 / math.sqrt(1.0 - second**self.updates),
            "size": rate / (1.0 - first**self.updates),
            "eps": self.eps,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay: w ← (1 − rate · decay) · w before each step (Loshchilov and Hutter 2019)."""

    decoupled = True

    def __init__(
        self,
        rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        decay: float = 1e-2,
        undecayed: Undecayed = is_vector,
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__(rate, betas, eps, decay=decay, undecayed=undecayed, fixed=fixed)


# ---- by name -------------------------------------------------------------------------------------
OPTIMISERS: dict[str, Callable[..., Optimiser]] = {
    "sgd": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "nesterov": partial(SGD, momentum=0.9, nesterov=True),
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}
"""What ``make`` knows by name; "momentum" and "nesterov" are SGD with a momentum of 0.9, unless another is given."""


def numbers_of(name: str) -> tuple[str, ...]:
    """The numbers that an optimiser takes by name, such as "rate" and "betas". Raises OptimiserError as ``make``."""
    known = inspect.signature(_known(name)).parameters
    return tuple(n for n in known if n not in ("undecayed", "fixed"))


def make(name: str, **numbers: Any) -> Optimiser:
    """An optimiser by its name, for settings and the command line: ``make("adamw", rate=3e-3, decay=0.1)``.

    Raises OptimiserError for a name that there is not, for a number that this optimiser does not take, both with what
    there is, and for a number that makes no sense.
    """
    kind, known = _known(name), numbers_of(name)
    for number in numbers:
        if number not in (*known, "undecayed", "fixed"):
            raise OptimiserError(unknown(f"the optimiser {name} has no {number}", number, known))
    return kind(**numbers)


def _known(name: str) -> Callable[..., Optimiser]:
    found = OPTIMISERS.get(name.lower()) if isinstance(name, str) else None
    if found is None:
        raise OptimiserError(unknown(f"there is no optimiser {name!r}", str(name), OPTIMISERS, "there are"))
    return found

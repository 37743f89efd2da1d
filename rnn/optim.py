"""Optimisers: they change a dict of weights, in place, by a dict of gradients of the same names.

Each step is torch.optim's of the same name. Everything an optimiser keeps is arrays by name, so that a run can be
saved and go on with the same bits. The arithmetic is NumPy's, elementwise, in the weights' dtype; names are taken
in the order of the weights.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..graph.errors import did_you_mean

if TYPE_CHECKING:
    from ..graph.circuit import Circuit

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
    from ..graph.expr import topological

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
        self.rate = _number("the learning rate", rate, "a finite number above 0", lambda v: 0 < v < math.inf)
        self.decay = _number("the weight decay", decay, "a finite number of at least 0", lambda v: 0 <= v < math.inf)
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
        self.momentum, self.dampening = _share("momentum", momentum), _share("dampening", dampening)
        self.nesterov = nesterov
        if nesterov and not (momentum > 0 and dampening == 0):
            raise OptimiserError(
                f"nesterov needs a momentum above 0 and no dampening, got momentum={momentum}, dampening={dampening}"
            )
        self.slots = ("v",) if momentum else ()

    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        if not self.momentum:
            weight -= rate * gradient
            return
        v = kept["v"]
        v *= self.momentum
        v += gradient if self.updates == 1 else (1.0 - self.dampening) * gradient
        weight -= rate * (gradient + self.momentum * v if self.nesterov else v)


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
        self.alpha, self.momentum = _share("alpha", alpha), _share("momentum", momentum)
        self.eps, self.centered = _above_zero("eps", eps), centered
        self.slots = ("v", *(("m",) if centered else ()), *(("b",) if momentum else ()))

    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        v = kept["v"]
        v *= self.alpha
        v += (1.0 - self.alpha) * (gradient * gradient)
        if self.centered:
            m = kept["m"]
            m += (1.0 - self.alpha) * (gradient - m)
            # what rounding leaves below 0 is 0
            root = np.sqrt(np.maximum(v - m * m, 0.0))
        else:
            root = np.sqrt(v)
        root += self.eps
        if not self.momentum:
            weight -= rate * (gradient / root)
            return
        b = kept["b"]
        b *= self.momentum
        b += gradient / root
        weight -= rate * b


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, algorithm 1): steps of bounded size along the mean gradient.

    m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  both divided by 1 − βⁿ after n updates, since they
    start at zero;  w ← w − rate · m̂ / (√v̂ + ε).
    """

    slots = ("m", "v")

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
        self.betas = _share("betas", first), _share("betas", second)
        self.eps = _above_zero("eps", eps)

    def rule(self, weight: Array, gradient: Array, kept: Arrays, rate: float) -> None:
        m, v = kept["m"], kept["v"]
        first, second = self.betas
        m *= first
        m += (1.0 - first) * gradient
        v *= second
        v += (1.0 - second) * (gradient * gradient)
        root = np.sqrt(v)
        root /= math.sqrt(1.0 - second**self.updates)
        root += self.eps
        weight -= (rate / (1.0 - first**self.updates)) * (m / root)


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
            raise OptimiserError(f"the optimiser {name} has no {number}; it has {', '.join(known)}")
    return kind(**numbers)


def _known(name: str) -> Callable[..., Optimiser]:
    found = OPTIMISERS.get(name.lower()) if isinstance(name, str) else None
    if found is None:
        raise OptimiserError(f"there is no optimiser {name!r}; there are {', '.join(OPTIMISERS)}")
    return found


# ---- clipping ------------------------------------------------------------------------------------
def global_norm(gradients: Mapping[str, Array]) -> float:
    """The Euclidean norm of all gradients together, summed in float64; not finite where one is not."""
    return math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients.values()))


def clip(gradients: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients, in place, so that their global norm is at most ``limit``; the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) Gradients that are not finite are left as they are:
    the norm that comes back is not finite either, and the caller decides.
    """
    _above_zero("the limit of the gradient norm", limit)
    norm = global_norm(gradients)
    if math.isfinite(norm) and norm > limit:
        for gradient in gradients.values():
            gradient *= limit / norm
    return norm


def clip_values(gradients: Mapping[str, Array], limit: float) -> int:
    """Cut every entry of the gradients, in place, to −limit … limit (Mikolov 2012); how many were cut.

    What is not a number stays so.
    """
    _above_zero("the limit of a gradient's entries", limit)
    cut = 0
    for gradient in gradients.values():
        cut += int(np.count_nonzero(np.abs(gradient) > limit))
        np.clip(gradient, -limit, limit, out=gradient)
    return cut


# ---- numbers -------------------------------------------------------------------------------------
def _number(what: str, value: Any, expected: str, holds: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not holds(float(value)):
        raise OptimiserError(f"{what}: expected {expected}, got {value!r}")
    return float(value)


def _share(what: str, value: Any) -> float:
    return _number(what, value, "a number in [0, 1)", lambda v: 0 <= v < 1)


def _above_zero(what: str, value: Any) -> float:
    return _number(what, value, "a number above 0", lambda v: v > 0)


def _check_mapping(gradients: object) -> None:
    if not isinstance(gradients, Mapping):
        mend = "; mend: step(weights, out.grad)" if hasattr(gradients, "grad") else ""
        raise TypeError(f"step: expected gradients, name -> array, got {type(gradients).__name__}{mend}")


def _names(names: Iterable[str]) -> Iterable[str]:
    """Names; a text is one name."""
    return (names,) if isinstance(names, str) else names

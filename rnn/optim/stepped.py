"""Weights that an optimiser changes, and how a rule is applied to them: by NumPy, or compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import is_
from typing import TYPE_CHECKING

import numpy as np

from .flat import Array, Arrays, gathered
from .rule import Rule, of_arrays

if TYPE_CHECKING:
    from .compiled import Update


class OptimiserError(ValueError):
    """Weights, gradients, numbers or a saved state that do not fit each other."""


def check_like(what: str, name: str, weight: Array, array: Array) -> None:
    """Raises OptimiserError where an array has not the shape and dtype of its weight."""
    if array.shape != weight.shape or array.dtype != weight.dtype:
        raise OptimiserError(
            f"{what} of weight {name}: expected {weight.dtype} {weight.shape}, got {array.dtype} {array.shape}"
        )


class Stepped:
    """The weights of one step after another, as long as they are the same arrays.

    trained  those that change
    """

    def __init__(self, weights: Mapping[str, Array], fixed: frozenset[str]) -> None:
        self._weights, self._fixed = dict(weights), fixed
        self.trained: Arrays = {name: w for name, w in weights.items() if name not in fixed}
        self._checked: list[Array | None] = []
        self._slots: dict[str, list[Array]] = {}
        self._updates: dict[Rule, dict[tuple[str, ...], Update]] = {}

    def holds(self, weights: Mapping[str, Array], fixed: frozenset[str]) -> bool:
        """Whether these are the weights that it was made for."""
        same = self._fixed == fixed and len(self._weights) == len(weights)
        return same and all(weights.get(name) is w for name, w in self._weights.items())

    def check(self, gradients: Mapping[str, Array]) -> None:
        """Whether each weight has a gradient like it; those of the step before are not looked at again.

        Raises OptimiserError, naming the weight.
        """
        given = [gradients.get(name) for name in self.trained]
        if len(given) != len(self._checked) or not all(map(is_, given, self._checked)):
            for (name, weight), gradient in zip(self.trained.items(), given, strict=True):
                if gradient is None:
                    raise OptimiserError(
                        f"weight {name} has no gradient; what is never trained, such as a constant, is named in fixed="
                    )
                check_like("gradient", name, weight, gradient)
            self._checked = given

    def keep(self, kept: Arrays, slots: Sequence[str]) -> Arrays:
        """What is kept for all weights, "slot.weight", side by side: what is there already, for others zeros."""
        names = {f"{slot}.{name}": (slot, w) for name, w in self.trained.items() for slot in slots}
        missing = {key: np.zeros_like(w) for key, (_, w) in names.items() if key not in kept}
        found = gathered({**kept, **missing}) if missing else kept
        self._slots = {name: [found[f"{slot}.{name}"] for slot in slots] for name in self.trained}
        return found

    def apply(
        self, rule: Rule, gradients: Mapping[str, Array], numbers: Mapping[str, float], own: Mapping[str, float],
        target: str,
    ) -> None:  # fmt: skip
        """Change weights and slots, in place. ``own``: the number that each weight has for itself."""
        updates = self._compiled(rule) if target == "cpu" else {}
        for names, update in updates.items():
            update.run([gradients[n] for n in names], numbers, [own[n] for n in names])
        done = {name for names in updates for name in names}
        for name, weight in self.trained.items():
            if name not in done:
                given = {**numbers, rule.own: own[name]}
                changed = [weight, *self._slots[name]]
                found = of_arrays(rule)(weight, gradients[name], *changed[1:], *(given[n] for n in rule.numbers))
                for array, value in zip(changed, found, strict=True):
                    array[...] = value

    def _compiled(self, rule: Rule) -> dict[tuple[str, ...], Update]:
        """Names of weights that are changed in one pass -> that pass; weights that none can take are in none."""
        if rule not in self._updates:
            from .compiled import Update, takes

            taken = {name: w for name, w in self.trained.items() if takes(w)}
            groups: dict[str, list[str]] = {}
            for name, w in ({} if _overlap(taken) else taken).items():
                groups.setdefault(w.dtype.name, []).append(name)
            self._updates[rule] = {
                tuple(names): Update(rule, [self.trained[n] for n in names], [self._slots[n] for n in names])
                for names in groups.values()
            }
        return self._updates[rule]


def _overlap(arrays: Mapping[str, Array]) -> bool:
    """Whether two of the arrays share memory: a pass may not change them in any order."""
    places = sorted((a.__array_interface__["data"][0], a.nbytes) for a in arrays.values() if a.size)
    return any(at + size > after for (at, size), (after, _) in pairwise(places))

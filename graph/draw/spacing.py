"""Distances in unrolled networks: those of the style sheet for usual circles, and more where circles are larger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

USUAL = 26.0  # half of what a circle with a usual name is across at most, with two borders: rows have room for it
_BETWEEN = 8.0  # at least, of circles side by side


def beyond(halves: Iterable[float]) -> float:
    """How much further than a usual circle the largest of some vertices reaches, given half their sizes, in points."""
    return max((half - USUAL for half in halves if half > USUAL), default=0.0)


def apart(halves: Sequence[float], least: float) -> float:
    """The distance of two vertices side by side, given half their widths: ``least``, or as much as they need."""
    return max(least, sum(halves) + _BETWEEN)


def spread(centres: Sequence[float], halves: Sequence[float], least: float) -> list[float]:
    """Places at which vertices do not touch, around those wanted, which are in order; ``halves`` of their widths."""
    found: list[float] = []
    first = 0
    while first < len(centres):
        last = first + centres[first:].count(centres[first])
        ways = [apart(halves[k : k + 2], least) for k in range(first, last - 1)]
        x = centres[first] - sum(ways) / 2
        if found:
            x = max(x, found[-1] + apart(halves[first - 1 : first + 1], least))
        found.append(x)
        for way in ways:
            found.append(found[-1] + way)
        first = last
    return found

"""How fast the peers have been seen: one that does much worse in a run is not at its best there, and is to be examined.

Milliseconds at the shapes S, M, L, Z, W on two cores of a Zen 5 with AVX-512, the best of several runs with torch 2.13
and JAX. What is compared is the ratio to torch's fused LSTM at the same shape, which hardly depends on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .names import SHAPE_NAMES

SLACK = 1.15
SEEN: dict[tuple[str, str], tuple[float, ...]] = {
    ("lstm", "torch fused"): (2.83, 59.7, 249, 1.68, 33.3),
    ("lstm", "torch custom"): (11.5, 107, 424, 69, 146),
    ("lstm", "jax"): (5.3, 79.9, 266, 1.57, 52.1),
    ("gru_cudnn", "torch fused"): (8.5, 78, 312, 77, 120),
    ("gru_cudnn", "jax"): (3.8, 65.6, 195, 1.1, 32.1),
    ("gru", "torch custom"): (9.5, 77, 309, 78, 159),
    ("gru", "jax"): (4.0, 70.4, 209, 1.26, 35.1),
    ("peephole", "torch custom"): (14.2, 110, 452, 112, 164),
    ("peephole", "jax"): (5.6, 79.7, 264, 1.8, 54.0),
    ("elman", "torch fused"): (2.95, 29.9, 103, 20, 39),
    ("elman", "jax"): (1.2, 20.7, 78.4, 0.37, 7.7),
}


def slower(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each peer whose ratio to torch's LSTM is worse than seen by more than 15 %.

    Of JAX's ways the best counts. steps: what ``measured`` gave; shapes without torch's LSTM are not judged.
    """
    medians = {
        (s["cell"], s["shape"]): {n: v["seconds"]["median"] for n, v in s["summary"].items() if "seconds" in v}
        for s in steps
        if "summary" in s
    }
    lines = []
    for (cell, shape), seconds in medians.items():
        lstm = medians.get(("lstm", shape), {}).get("torch fused")
        if lstm is None or shape not in SHAPE_NAMES:
            continue
        jax = [v for n, v in seconds.items() if n.startswith("jax")]
        best = seconds | ({"jax": min(jax)} if jax else {})
        k = SHAPE_NAMES.index(shape)
        for peer, found in best.items():
            if (cell, peer) not in SEEN:
                continue
            ratio, seen = found / lstm, SEEN[cell, peer][k] / SEEN["lstm", "torch fused"][k]
            if ratio > SLACK * seen:
                lines.append(f"{peer}, {cell}, shape {shape}: {ratio:.2f} times torch's LSTM; {seen:.2f} has been seen")
    return lines

"""A state is all there is: what a network that was never trained still knows of what it read.

``no_output`` has a state and nothing else. Here its weights stay as they were drawn, and lines are fitted through its
states that give back the input of k steps before (Jaeger 2001, "Short term memory in echo state networks"): of 30 units
at most 30 numbers of the past can be had, all in all, and near ones better than far ones. A smaller recurrent matrix
forgets sooner.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn

UNITS, STEPS, DROPPED = 30, 1000, 100


def recalled(scale: float) -> list[float]:
    """r² of the line through the states that gives x[t-k], for k = 0, 1, …, on steps that it was not fitted to."""
    net = rnn.no_output(x=1, h=UNITS)
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(UNITS, UNITS))
    radius = np.abs(np.linalg.eigvals(drawn)).max()
    params = {"W": scale / radius * drawn, "U": 0.1 * rng.normal(size=(UNITS, 1)), "b": np.zeros(UNITS)}
    x = rng.uniform(-1, 1, (STEPS, 1, 1))
    h = compiler.compile(net, returns=("h",), target="interpret", dtype="float64")(params, x=x).value["h"][:, 0]
    half, found = STEPS // 2, []
    for k in range(40):
        states, past = h[DROPPED:], x[DROPPED - k : STEPS - k, 0, 0]
        line = np.linalg.lstsq(states[:half], past[:half], rcond=None)[0]
        found.append(float(np.corrcoef(states[half:] @ line, past[half:])[0, 1] ** 2))
    return found


def main() -> dict[str, float]:
    """How much of the past is in the state, by the largest eigenvalue of W."""
    figures = {}
    for scale in (0.5, 0.95):
        found = recalled(scale)
        figures[f"sum at {scale}"] = sum(found)
        figures[f"10 steps back at {scale}"] = found[10]
        print(f"largest |eigenvalue| {scale}: r² of the input of k steps before, {sum(found):.1f} in all")
        for k in range(0, 31, 3):
            print(f"  {k:2} {found[k]:.2f} {'■' * round(40 * found[k])}")
    return figures


if __name__ == "__main__":
    main()

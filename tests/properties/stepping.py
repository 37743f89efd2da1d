"""A cut circuit computed by the reference: what is fixed once, the rest in windows of one step."""

from __future__ import annotations

from typing import Any

import numpy as np
from bptt import graph
from bptt.graph.carry import carried, final_name
from bptt.graph.stepped import Cut

Array = np.ndarray[Any, Any]


def step_by_step(
    cut: Cut, names: list[str], params: dict[str, Any], inputs: dict[str, Any], T: int
) -> dict[str, Array]:
    """The values of ``names`` in windows of one step, by the reference."""
    circuit = cut.fixed
    given = {n: a for n, a in inputs.items() if n in circuit.input_nodes}
    once = list(dict.fromkeys(cut.memory.values()))
    fixed = graph.evaluate(circuit, params, returns=once, **given) if once else {}
    B = next(iter(inputs.values())).shape[1]
    windowed = carried(cut.stepped)
    known = {leaf: fixed[name] for leaf, name in cut.memory.items()}
    params = {n: known.get(n, params.get(n)) for n in windowed.params}
    arrays = {**inputs, **{n: a for n, a in known.items() if n in windowed.inputs}}
    state = {}
    for name, node in windowed.input_nodes.items():
        if "[" in name and name not in known:
            start = cut.starts.get(name, -1 if node.dtype == "i" else 0)
            state[name] = np.full((B, *node.shape), start, dtype=int if node.dtype == "i" else float)
    found: dict[str, list[Array]] = {n: [] for n in names}
    for t in range(T):
        step = {
            n: a[t : t + 1] if "t" in windowed.input_nodes[n].axes else a
            for n, a in {**arrays, **state}.items() if n in windowed.input_nodes
        }  # fmt: skip
        finals = {f"{n}[{-j}]": final_name(n, j) for n, k in cut.lags.items() for j in range(k)}
        now: dict[str, Any] = {"start": t + 1, "lengths": {"t": np.ones(B, int)}}
        values = graph.evaluate(windowed, params, returns=[*names, *finals.values()], **now, **step)
        for n in names:
            found[n].append(values[n])
        state |= {start: values[final] for start, final in finals.items()}
    return {n: np.concatenate(parts) for n, parts in found.items()}

"""What truncating backpropagation saves and what it costs: one long text, an LSTM, the gradient over its reach k2.

    [BPTT_DATA=…] python benchmarks/truncation.py [--steps T] [--hidden N] [--updates N] [--window k1] [--quick]

A text of T characters (of BPTT_DATA/tinyshakespeare/input.txt, else of the prose that CPython carries) is one row.
A few updates train the network, so that it is worth looking back; then the weights stay. For each k2 the gradient of
the whole text is put together from windows and compared with the full one:

    memory   what the compiled programs allocate, in KiB
    time     microseconds a step of the text, all windows together, the fastest of three
    error    ‖g − g*‖ / ‖g*‖, of all parameters together; g* is the full gradient
    cosine   of the angle between them
    W        the same of the recurrent matrices alone: the others see the newest step of each loss most

The first table has windows that do not overlap (k1 = k2): memory grows with k2, and the newest steps of a window look
back over nearly k2 steps, the oldest over none. Each step of the text is computed once, whatever k2 is; but a window is
a call, whose cost its k2 steps share, so that time falls with k2 until that cost no longer counts. The second table has
an update every k1 steps, from which the gradient goes back k2: each step looks back over at least k2 − k1, and is
computed about k2 / k1 times.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from bptt import rnn
from bptt.compiler.memory import predicted_bytes
from bptt.graph.circuit import Circuit
from bptt.rnn.data import Vocabulary, python_prose, read_text
from bptt.rnn.optim import Adam, clip
from bptt.rnn.truncation import Truncated, windows

Arrays = dict[str, Any]


def main() -> None:
    """Read, train a little, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000, help="T, the characters of the text")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--updates", type=int, default=300, help="of training before the weights stay")
    parser.add_argument("--window", type=int, default=64, help="k1 of the second table")
    parser.add_argument("--quick", action="store_true", help="256 steps, 16 units: under a minute")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.hidden, options.updates, options.window = 256, 16, 30, 16
    text = _text()
    vocabulary = Vocabulary.of(text)
    symbols = vocabulary.symbols(text)
    sizes = {"x": len(vocabulary), "e": 32, "h": options.hidden, "o": len(vocabulary)}
    net = rnn.rnn_lm(**sizes)
    weights = _trained(net, symbols, options.updates)
    T = options.steps
    inputs = {"x": symbols[:T, None], "y": symbols[1 : T + 1, None]}
    full, *_ = _gradient(net, weights, inputs, T, T)
    print(f"T = {T}, {options.hidden} units, {sum(w.size for w in weights.values()):,} weights\n")
    reaches = [2**k for k in range(math.ceil(math.log2(T)))] + [T]
    _table(net, weights, inputs, full, [(k, k) for k in reaches])
    _table(net, weights, inputs, full, [(options.window, k) for k in reaches if k >= options.window])


def _text() -> str:
    path = Path(os.environ.get("BPTT_DATA", "")) / "tinyshakespeare" / "input.txt"
    return read_text(path) if os.environ.get("BPTT_DATA") and path.exists() else python_prose()


def _trained(net: Circuit, symbols: Any, updates: int) -> Arrays:
    """Weights after some updates on the text, 16 rows in windows of 50."""
    rows, steps = 16, 50
    weights, optimiser, truncated = net.init(seed=0), Adam(0.01), Truncated(net, steps)
    length = min((len(symbols) - 1) // rows, updates * steps)
    x, y = (symbols[k : k + rows * length].reshape(rows, length).T for k in (0, 1))
    state = None
    for batch in windows(net, {"x": np.ascontiguousarray(x), "y": np.ascontiguousarray(y)}, steps):
        found = truncated.step(weights, batch, state)
        clip(found.grad, 1.0)
        optimiser.step(weights, found.grad)
        state = found.state
    return weights


def _gradient(net: Circuit, weights: Arrays, inputs: Mapping[str, Any], k1: int, k2: int) -> tuple[Arrays, float, int]:
    """The windows' gradients weighted by the steps that they count, seconds, and bytes."""
    truncated = Truncated(net, k1, k2)
    batches = list(windows(net, inputs, k1, k2))
    T = len(inputs["x"])
    best = math.inf
    total: Arrays = {}
    for _ in range(3):
        total = {name: np.zeros(w.shape) for name, w in weights.items()}
        state, began = None, perf_counter()
        for batch in batches:
            found = truncated.step(weights, batch, state)
            state = found.state
            for name, g in found.grad.items():
                total[name] += g * (batch.items / T)
        best = min(best, perf_counter() - began)
    taken = predicted_bytes(truncated.program.loops, t=min(k2, T), b=1)
    if truncated.advance is not None:
        taken += predicted_bytes(truncated.advance.loops, t=k1, b=1)
    return total, best, taken


def _table(net: Circuit, weights: Arrays, inputs: Mapping[str, Any], full: Arrays, rows: list[tuple[int, int]]) -> None:
    heads = f"{'k1':>6} {'k2':>6} {'memory':>12} {'time':>10}"
    print(f"{heads} {'error':>9} {'cosine':>9} {'W: error':>9} {'cosine':>9}")
    recurrent = [name for name in full if name.startswith("W_")]
    for k1, k2 in rows:
        found, seconds, taken = _gradient(net, weights, inputs, k1, k2)
        each = seconds / len(inputs["x"]) * 1e6
        compared = " ".join(_compared(found, full, names) for names in (list(full), recurrent))
        print(f"{k1:6} {k2:6} {taken / 1024:8,.0f} KiB {each:7.1f} µs {compared}", flush=True)
    print()


def _compared(found: Arrays, full: Arrays, names: list[str]) -> str:
    """Relative error and cosine of two gradients."""
    g, true = (np.concatenate([a[name].ravel() for name in names]) for a in (found, full))
    size = np.linalg.norm(true)
    return f"{np.linalg.norm(g - true) / size:9.2e} {g @ true / (np.linalg.norm(g) * size):9.6f}"


if __name__ == "__main__":
    main()

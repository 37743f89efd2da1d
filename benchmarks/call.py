"""What a call of a compiled program costs beyond its arithmetic: microseconds a call of tiny Elman steps.

    python benchmarks/call.py [--calls N]

The network is so small that nearly all of the time is that of the call: checks of what is given, storage, results.
Each row is the fastest of five repetitions of N calls.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np
from bptt import compiler, rnn


def microseconds(call: Any, calls: int) -> float:
    """The fastest of five means over ``calls`` calls."""
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        for _ in range(calls):
            call()
        best = min(best, perf_counter() - began)
    return best / calls * 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=1000)
    calls = options.parse_args().calls

    net = rnn.elman(x=2, h=2, o=2)
    params = net.init()
    x, y = np.zeros((1, 1, 2), np.float32), np.zeros((1, 1), np.int64)
    h = np.zeros((1, 2), np.float32)
    step = compiler.compile(net, returns=("o",))
    train = compiler.compile(net)
    rows = {
        "one step, inference": lambda: step(params, x=x),
        "one step, inference, state given": lambda: step(params, x=x, initial={"h": h}),
        "one step, gradients": lambda: train(params, x=x, y=y),
        "one step, gradients, lengths given": lambda: train(params, x=x, y=y, lengths=[1]),
    }
    for name, call in rows.items():
        call()  # compiles, or loads from the cache
        print(f"{name:36} {microseconds(call, calls):8.1f} µs a call")


if __name__ == "__main__":
    main()

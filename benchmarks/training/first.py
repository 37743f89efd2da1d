"""The first call in a process of its own: with an empty cache of kernels, from the cache, and of another size.

    python -m training.first CELL SEED B T I H THREADS      (in the folder benchmarks)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cells import Shape, data, equations, network, weights


def first_step(cell: str, seed: int, shape: Shape, threads: int) -> float:
    """Seconds from the compiler's first sight of the circuit to the end of its first training step."""
    import bptt.compiler.cpu.target  # noqa: F401  (the compiler's own imports do not count)
    from bptt import compiler

    net = network(equations(cell, seed), shape, cell)
    w, (x, y) = weights(net, shape.units), data(shape)
    begin = time.perf_counter()
    compiler.compile(net, threads=threads)(w, x=x, y=y)
    return time.perf_counter() - begin


def in_process(cell: str, seed: int, shape: Shape, threads: int, cache: str) -> dict[str, float]:
    """Seconds of the first step, and of a second network of the same cell with more units, in a new process."""
    numbers = (seed, shape.B, shape.T, shape.inputs, shape.units, threads)
    folder = str(Path(__file__).parents[1])
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "BPTT_CACHE": cache, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-m", "training.first", cell, *map(str, numbers)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the first call of {cell} in a process of its own failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def first_calls(cell: str, seed: int, shape: Shape, threads: int, times: int = 5) -> dict[str, Any]:
    """cold, another size (s); warm: the best of some fresh processes (s)."""
    with tempfile.TemporaryDirectory() as cache:
        cold = in_process(cell, seed, shape, threads, cache)
        warm = [in_process(cell, seed, shape, threads, cache)["first"] for _ in range(times)]
    return {"cold": cold["first"], "another size": cold["another size"], "warm": min(warm), "all warm": warm}


def main(arguments: Sequence[str]) -> None:
    cell, numbers = arguments[0], [int(n) for n in arguments[1:]]
    seed, threads = numbers[0], numbers[-1]
    shape = Shape(*numbers[1:-1])
    larger = Shape(shape.B, shape.T, shape.inputs, shape.units + 32)
    found = {"first": first_step(cell, seed, shape, threads), "another size": first_step(cell, seed, larger, threads)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])

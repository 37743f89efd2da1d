"""How long a picture takes: the LSTM unrolled, block by block and with every operation, over its steps.

    python benchmarks/drawing.py [steps …]

Prints for each number of steps: nodes, seconds until everything has its place, seconds until the SVG is there.
Both grow linearly; every operation of 200 steps is to take less than 3 s.
"""

from __future__ import annotations

import sys
import time

from bptt import graph, rnn


def main(steps: list[int]) -> None:
    net = rnn.lstm(x=8, h=8, o=8)
    _ = graph.draw_circuit(net).svg  # Graphviz starts
    print(f"{'steps':>6} {'what':>10} {'nodes':>7} {'placed':>8} {'SVG':>8}")
    for T in steps:
        for what, operations in (("signals", False), ("operations", True)):
            start = time.perf_counter()
            drawing = graph.draw_unrolled(net, steps=T, operations=operations, ellipsis=False)
            placed = time.perf_counter()
            _ = drawing.svg
            done = time.perf_counter()
            nodes = len(drawing.picture.vertices)
            print(f"{T:>6} {what:>10} {nodes:>7} {placed - start:>7.2f}s {done - start:>7.2f}s")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [25, 50, 100, 200])

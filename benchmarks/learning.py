"""Learning over long ranges, published figures and ours side by side: the median of five seeds.

    python benchmarks/learning.py                                    # all: about half an hour on two cores
    python benchmarks/learning.py --quick                            # one seed, no copying: some minutes
    python benchmarks/learning.py --problem adding --network gru --seeds 2

Embedded Reber grammar, adding problem, temporal order and copy memory (``rnn.data.problems``), each by a vanilla
network, an LSTM and a GRU: the equations of ``bptt cells`` (elman, lstm, gru), Adam, gradients of at most norm 1. A
problem is solved when a fixed set of test sequences is (see ``Problem.solved``), looked at every so many updates; a
run that has not solved it after ``limit`` updates has failed, and says how far it came. Copying is trained for a fixed
number of updates, and its loss reported beside that of a network without memory.

The exit status is 1 where a median is above 1.5 times the yardstick: the sequences that an LSTM or GRU in torch took.
Same machine, same figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bptt import compiler, rnn
from bptt.graph.circuit import Circuit
from bptt.rnn import Trainer, optim
from bptt.rnn.data import Batch, problems

SLACK = 1.5
READOUT = "o = V @ h[T] + d;  L = mse(o, y)"


@dataclass(frozen=True)
class Problem:
    """A problem, how it is trained, and when it is solved.

    sizes     of x, h and o; rows: sequences of an update
    keep      how open the gates of LSTM and GRU start: b_f = keep, b_u = −keep
    limit     updates after which a run has failed (or ended, where there is nothing to solve)
    every     updates from one test to the next; tested: sequences of the test
    measure   of a test batch and the scores, what is reported; unit: what it is
    solved    whether that is good enough
    published sequences until solved, by network, from the paper's table; yardstick: sequences in torch, by network
    chance    the measure of a network without memory
    """

    name: str
    make: Callable[..., Batch]
    sizes: dict[str, int]
    rows: int
    rate: float
    keep: float
    limit: int
    every: int
    tested: int
    measure: Callable[[Batch, Any], float]
    unit: str
    solved: Callable[[float], bool]
    chance: str
    source: str
    readout: str = ""
    options: dict[str, int] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)
    yardstick: dict[str, int] = field(default_factory=dict)


# ---- measures ------------------------------------------------------------------------------------
def strings_right(batch: Batch, scores: Any) -> float:
    """The share of strings at every step of which each symbol that may come scores higher than each that may not."""
    right = []
    for row, length in enumerate(np.asarray(batch.lengths)):
        symbols, o = batch.inputs["x"][:length, row].argmax(-1), scores[:length, row]
        legal = problems.reber_legal("".join(problems.REBER[i] for i in symbols))
        right.append((np.where(legal, o, np.inf).min(-1) > np.where(legal, -np.inf, o).max(-1)).all())
    return float(np.mean(right))


def square_error(batch: Batch, scores: Any) -> float:
    return float(((scores - batch.inputs["y"]) ** 2).mean())


def accuracy(batch: Batch, scores: Any) -> float:
    """The share of right answers where one is asked."""
    y = batch.inputs["y"]
    return float((scores.argmax(-1) == y)[y >= 0].mean())


def nats(batch: Batch, scores: Any) -> float:
    y = batch.inputs["y"]
    o = scores - scores.max(-1, keepdims=True)
    log_p = o - np.log(np.exp(o).sum(-1, keepdims=True))
    return float(-np.take_along_axis(log_p, y[..., None], -1).mean())


# ---- problems ------------------------------------------------------------------------------------
HS97 = "Hochreiter and Schmidhuber 1997"
PROBLEMS = {
    p.name: p
    for p in (
        Problem(
            "reber", problems.embedded_reber, {"x": 7, "h": 8, "o": 7}, rows=1, rate=0.01, keep=1.0,
            limit=15000, every=500, tested=256, measure=strings_right, unit="of strings right",
            solved=lambda v: v == 1.0, chance="0.5 without the second symbol", source=f"{HS97}, table 1",
            published={"elman": "> 200,000 (none solved)", "lstm": "8,440 (best of five)"},
            yardstick={"lstm": 6000},
        ),
        Problem(
            "adding", problems.adding, {"x": 2, "h": 32}, rows=32, rate=0.01, keep=1.0, limit=3000, every=100,
            tested=512, measure=square_error, unit="squared error", solved=lambda v: v < 1e-3, readout=READOUT,
            chance=f"{problems.ADDING_CHANCE:.3f}", source=f"{HS97}, table 7", options={"steps": 100},
            published={"lstm": "74,000"}, yardstick={"lstm": 32 * 2000, "gru": 32 * 1000},
        ),
        Problem(
            "order", problems.temporal_order, {"x": 8, "h": 16, "o": 4}, rows=32, rate=0.01, keep=3.0, limit=3000,
            every=100, tested=512, measure=accuracy, unit="right", solved=lambda v: v >= 0.998, chance="0.25",
            source=f"{HS97}, table 9", options={"steps": 100}, published={"lstm": "31,390"},
            yardstick={"lstm": 32 * 800},
        ),
        Problem(
            "copy", problems.copy_memory, {"x": 10, "h": 64, "o": 9}, rows=32, rate=0.005, keep=3.0, limit=1000,
            every=1000, tested=256, measure=nats, unit="nats a step", solved=lambda v: False,
            chance=f"{problems.copy_chance(100):.4f}", source="Arjovsky et al. 2016, figure 1 (T = 100)",
            options={"steps": 100}, published={"elman": "at chance", "lstm": "at chance"},
        ),
    )
}  # fmt: skip
NETWORKS = {"elman": rnn.elman, "lstm": rnn.lstm, "gru": rnn.gru}


def network(problem: Problem, name: str) -> Circuit:
    """The listed network, with the problem's readout, and gates that start open."""
    cell, init = NETWORKS[name], {"lstm": {"b_f": problem.keep}, "gru": {"b_u": -problem.keep}}.get(name, {})
    if problem.readout:  # one output at the end in place of one a step
        lines = [line for line in str(cell).splitlines() if not line.startswith(("o[t]", "p[t]", "L ="))]
        cell = rnn.define("\n".join([*lines, problem.readout]), name=name, inputs=("y",))
    return cell.starting(init)(**problem.sizes, **({"y": 1} if problem.readout else {}))


@dataclass(frozen=True)
class Result:
    """One run: the updates until the problem was solved, None where it was not; the last measure; seconds."""

    updates: int | None
    value: float
    seconds: float


def trained(problem: Problem, name: str, seed: int) -> Result:
    """Train until the problem is solved, at most ``limit`` updates."""
    net = network(problem, name)
    batches = problems.Generated(problem.make, problem.rows, seed=seed, **problem.options)
    test = problems.Generated(problem.make, problem.tested, seed=1 << 40, **problem.options)[0]
    trainer = Trainer(net, batches, optimiser=optim.Adam(problem.rate), clip=1.0, seed=seed)
    reader = compiler.compile(net, None, returns="o", training=False)
    begin, value = time.perf_counter(), float("nan")
    while trainer.update < problem.limit:
        trainer.step()
        if trainer.update % problem.every == 0:
            scores = reader(trainer.weights, x=test.inputs["x"], lengths=test.lengths).value["o"]
            value = problem.measure(test, scores)
            if problem.solved(value):
                return Result(trainer.update, value, time.perf_counter() - begin)
    return Result(None, value, time.perf_counter() - begin)


def line(problem: Problem, name: str, found: list[Result]) -> tuple[str, bool]:
    """The row of the table, and whether the yardstick is kept."""
    solved = sorted(r.updates * problem.rows for r in found if r.updates)
    limit, value = problem.yardstick.get(name), statistics.median(r.value for r in found)
    enough = 2 * len(solved) > len(found)  # the median run has solved it
    median = statistics.median_low(sorted([*solved, *[10**9] * (len(found) - len(solved))]))
    ours = f"{median:,} sequences" if enough else f"not after {problem.limit * problem.rows:,} sequences"
    if solved:
        ours += f" ({len(solved)} of {len(found)} runs: {solved[0]:,} to {solved[-1]:,})"
    good = limit is None or (enough and median <= SLACK * limit)
    goal = "" if limit is None else f"; torch {limit:,}: {'kept' if good else 'MISSED'}"
    published = problem.published.get(name, "–")
    seconds = sum(r.seconds for r in found)
    row = (
        f"{problem.name:7} {name:6} {published:24} {ours}{goal}; {value:.4g} {problem.unit}"
        f" (chance {problem.chance}); {seconds:.0f} s"
    )
    return row, good


def main() -> int:
    """Train, print the table; 0 if every yardstick is kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problem", choices=sorted(PROBLEMS), action="append", help="only this one; may be repeated")
    parser.add_argument("--network", choices=sorted(NETWORKS), action="append", help="only this one; may be repeated")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one seed, no copying")
    told = parser.parse_args()
    chosen = told.problem or [name for name in PROBLEMS if not (told.quick and name == "copy")]
    rows, kept = [], True
    for problem in (PROBLEMS[name] for name in chosen):
        for name in told.network or NETWORKS:
            found = []
            for seed in range(1 if told.quick else told.seeds):
                found.append(trained(problem, name, seed))
                print(f"  {problem.name} {name}, seed {seed}: {found[-1]}", file=sys.stderr, flush=True)
            row, good = line(problem, name, found)
            rows.append(row)
            kept &= good
            print(row, flush=True)
    print("\nproblem network published (sequences)    ours, median")
    print("\n".join(rows))
    print("\n".join(f"{PROBLEMS[name].name}: published in {PROBLEMS[name].source}" for name in chosen))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

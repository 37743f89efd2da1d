"""This project against itself: a FLOP of other cells and of awkward sizes, ragged batches, long sequences.

All pairs are interleaved, and their ratios are those within a round. Small batches meet the peers; that is the main
measurement at other shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from bptt import compiler
from bptt.compiler.cpu.vector.host import HOST
from bptt.graph.circuit import Circuit

from .cells import SHAPES, Array, Shape, data, equations, flops, mirrored, network, weights
from .cells import stacked as network_of_layers
from .participants import Task, ours
from .rounds import Range, Rounds, measure

Study = dict[str, Any]
Run = Callable[[], Any]

#: batches at shape M that are too small to fill the registers' rows
SMALL_BATCHES = {f"M{b}": replace(SHAPES["M"], B=b) for b in (1, 4, 5, 8)}
#: an awkward shape, and its neighbour with whole vectors, or an even batch
NEIGHBOURS = [
    (replace(SHAPES["S"], B=31), SHAPES["S"]),
    (replace(SHAPES["S"], B=33), SHAPES["S"]),
    (replace(SHAPES["M"], B=17), replace(SHAPES["M"], B=16)),
    (replace(SHAPES["M"], B=63), SHAPES["M"]),
    (replace(SHAPES["M"], B=65), SHAPES["M"]),
    (replace(SHAPES["S"], units=129), SHAPES["S"]),
    (replace(SHAPES["M"], units=257), SHAPES["M"]),
    (replace(SHAPES["S"], units=100), replace(SHAPES["S"], units=96)),
    (replace(SHAPES["S"], inputs=50, units=50), replace(SHAPES["S"], inputs=48, units=48)),
]


@dataclass(frozen=True)
class Options:
    """How the measurements are made: rounds that are to be clean, seconds a measurement, the random cell's seed."""

    threads: int
    rounds: int
    seconds: float
    seed: int

    def measure(self, runs: Mapping[str, Callable[[], Any]]) -> Rounds:
        return measure(runs, self.threads, self.rounds, self.seconds)

    def task(self, cell: str, shape: Shape) -> Task:
        return Task(cell, equations(cell, self.seed), shape, self.threads)


def work(task: Task, rows: int | None = None) -> int:
    """FLOPs of a training step of so many rows; None: of all T·B."""
    rows = task.shape.T * task.shape.B if rows is None else rows
    return flops(task.net.params, task.step.recurrent, rows)


def padding(units: int) -> float:
    """The lanes that hold no unit, as a share of the units."""
    lanes = HOST.lanes("float32")
    return -units % lanes / units


def _found(title: str, ratio: Range, rounds: Rounds, **more: Any) -> Study:
    return {"study": title, "ratio": asdict(ratio), **more, **rounds.json()}


def cells_a_flop(options: Options, cells: list[str], shape: Shape, name: str) -> list[Study]:
    """What a FLOP of each cell costs against one of the LSTM."""
    tasks = {cell: options.task(cell, shape) for cell in dict.fromkeys(["lstm", *cells])}
    rounds = options.measure({cell: ours(task).run for cell, task in tasks.items()})
    print(f"\na FLOP against one of the LSTM, shape {name}; {rounds.words()}")
    out = []
    for cell, task in tasks.items():
        if cell != "lstm":
            ratio = rounds.ratio(cell, "lstm").times(work(tasks["lstm"]) / work(task))
            print(f"    {cell:12} {ratio.text('.2f')}")
            out.append(_found("a FLOP against one of the LSTM", ratio, rounds, cell=cell, shape=name))
    return out


def neighbours(options: Options, cell: str) -> list[Study]:
    """A FLOP of odd batches and awkward sizes against their neighbours."""
    print(f"\n{cell}: a FLOP of awkward shapes against their neighbours")
    out = []
    for awkward, neighbour in NEIGHBOURS:
        tasks = {"awkward": options.task(cell, awkward), "neighbour": options.task(cell, neighbour)}
        rounds = options.measure({name: ours(task).run for name, task in tasks.items()})
        ratio = rounds.ratio("awkward", "neighbour").times(work(tasks["neighbour"]) / work(tasks["awkward"]))
        share = padding(awkward.units)
        print(f"    {awkward!s:34} against {neighbour!s:34} {ratio.text('.2f')}; padding {share:.0%}; {rounds.words()}")
        shapes = {"shape": str(awkward), "neighbour": str(neighbour), "padding": share}
        out.append(_found("a FLOP against the neighbour", ratio, rounds, cell=cell, **shapes))
    return out


def ragged(options: Options, cell: str) -> list[Study]:
    """Lengths uniform on 1..T at shape M: the cost against the share of active rows."""
    task = options.task(cell, SHAPES["M"])
    T, B = task.shape.T, task.shape.B
    lengths = np.random.default_rng(2).integers(1, T + 1, B)
    share = float(lengths.sum()) / (T * B)
    rounds = options.measure({"ragged": ours(task, lengths=lengths).run, "full": ours(task).run})
    ratio = rounds.ratio("ragged", "full").times(1 / share)
    print(f"\n{cell}, shape M, lengths uniform on 1..{T}: {share:.0%} of the rows are active")
    print(f"    cost against this share {ratio.text('.2f')}; {rounds.words()}")
    return [_found("ragged, against the share of active rows", ratio, rounds, cell=cell, share=share)]


def lengths(options: Options, cell: str, long: int = 10_000, short: int = 100) -> list[Study]:
    """What a step costs in a long sequence against a short one, with and without checkpoints."""
    print(f"\n{cell}: cost of a step at T = {long} against T = {short}")
    out = []
    for name in ("S", "M", "Z"):
        tasks = {T: options.task(cell, replace(SHAPES[name], T=T)) for T in (short, long)}
        for checkpoint in (None, 100):
            runs = {"short": ours(tasks[short]).run, "long": ours(tasks[long], checkpoint).run}
            rounds = options.measure(runs)
            ratio = rounds.ratio("long", "short").times(short / long)
            how = f"checkpoint={checkpoint}" if checkpoint else "all kept"
            print(f"    {name} {how:15} {ratio.text('.2f')}; {rounds.words()}")
            title = f"a step at T = {long} against T = {short}"
            out.append(_found(title, ratio, rounds, cell=cell, shape=name, checkpoint=checkpoint))
    return out


def stacked(options: Options, cell: str) -> list[Study]:
    """Two layers of both directions with residual connections, against four single layers one after the other.

    Single ones are compiled alone: for each direction one on x, and one on both directions of the layer below, which
    also gives the gradient by what it reads.
    """
    print(f"\n{cell}: two layers, both directions, residual connections, against their four single layers")
    out = []
    for name in ("S", "M"):
        run, singles = stacked_runs(equations(cell, options.seed), SHAPES[name], options.threads)
        rounds = options.measure({"stacked": run, "single layers": lambda singles=singles: [one() for one in singles]})
        ratio = rounds.ratio("stacked", "single layers")
        print(f"    {name} ratio {ratio.text('.2f')}; {rounds.words()}")
        out.append(_found("stacked, against single layers", ratio, rounds, cell=cell, shape=name))
    return out


def stacked_runs(text: str, shape: Shape, threads: int) -> tuple[Run, list[Run]]:
    """A training step of the whole network, and those of its layers, a direction each."""
    upper = replace(shape, inputs=2 * shape.units)
    _, y = data(shape)
    singles = []
    for inputs, directed in product((shape, upper), (text, mirrored(text))):
        net = network(directed, inputs)
        wrt = [*net.params, *(["x"] if inputs is upper else [])]
        singles.append(_run(net, inputs, y, threads, wrt))
    return _run(network_of_layers(text, shape), shape, np.concatenate([y, y], 2), threads), singles


def _run(net: Circuit, shape: Shape, y: Array, threads: int, wrt: list[str] | None = None) -> Run:
    program = compiler.compile(net, wrt=wrt, threads=threads)
    return partial(program, weights(net, shape.units), x=data(shape)[0], y=y)


STUDIES: dict[str, Callable[[Options, str], list[Study]]] = {
    "batches": neighbours,
    "ragged": ragged,
    "lengths": lengths,
    "stacked": stacked,
}

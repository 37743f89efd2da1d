"""The training step of this project and of its peers, side by side: loss and all gradients, forward and backward.

    python benchmarks/training_step.py [--shapes S,M] [--cells lstm,random] [--seed 0] [--threads 2] [--rounds 15]
    python benchmarks/training_step.py --quick                             # two minutes
    python benchmarks/training_step.py --batches --ragged --lengths --stacked    # studies instead of the table

Loss = mean (h[t] - y[t])², float32, gradients of all parameters and not of x. The peers: torch's fused modules where
it has the cell, and the cell in Python with its input projections hoisted and its matrices packed; JAX, lax.scan as
one writes it, with input projections hoisted, with four steps unrolled, and with the gradients of recurrent matrices
made after the loop. Each is compiled for its shapes; first calls are reported apart. A peer that is not installed is
left out.

Each shape goes like this:

1. Gradients of all are compared with float64; who is off by more than 2e-5 is reported and not timed.
2. Rounds: the machine's multiply-add limit is measured, then all take turns, each for 0.1 s at least. Rounds in which
   others took more than 3 % of the processors' time are dropped; it goes on until enough are clean or the time is over.
3. Medians with their 10 to 90 % range: of the time, of the ratio to this project in the same round, of the fraction of
   the limit in the same round. FLOPs are those of matrix products: forward, weight gradients, gradients by the state.

Peers that are further behind torch's LSTM than they have been seen to be are listed at the end.

What was measured is kept in benchmarks/results/, with machine, versions, date and load.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.names import CELL_NAMES, SHAPE_NAMES, limit_threads

QUICK = 60
"""Seconds after which --quick begins nothing new."""


def main(given: Sequence[str] | None = None) -> int:
    """Runs it; 1 where a participant's gradients are wrong."""
    options = _options(given)
    limit_threads(options.threads)  # before torch and JAX are loaded
    from training import expected, report, studies
    from training.cells import SHAPES
    from training.steps import first, measured

    begin = time.perf_counter()
    found: dict[str, Any] = {"machine": report.machine(options.threads), "seed": options.seed}
    found |= {"steps": [], "studies": []}
    print(_machine(found["machine"]))
    how = studies.Options(options.threads, options.rounds, options.limit, options.seed)
    chosen = [name for name in studies.STUDIES if getattr(options, name)]
    shapes = {name: SHAPES[name] for name in options.shapes} if not chosen else {}
    if options.batches:
        shapes = studies.SMALL_BATCHES
    wrong = 0
    for cell in options.cells:
        for name, shape in shapes.items():
            if options.quick and found["steps"] and time.perf_counter() - begin > QUICK:
                print(f"{cell}, shape {name}: left out, the time is over")
                continue
            task = how.task(cell, shape)
            step = measured(task, how, name)
            found["steps"].append(step)
            wrong += len(step["wrong"])
            _save(found, options, report)
        for study in chosen:
            found["studies"] += studies.STUDIES[study](how, cell)
            _save(found, options, report)
    if not chosen and not options.quick and len({*options.cells, "lstm"}) > 1:
        for name, shape in shapes.items():
            found["studies"] += studies.cells_a_flop(how, options.cells, shape, name)
    if not chosen and not options.no_first and not (options.quick and time.perf_counter() - begin > QUICK):
        cells = options.cells[:1] if options.quick else options.cells
        found["first calls"] = first(how, cells, options.shapes[0], times=2 if options.quick else 5)
    found["to be examined"] = expected.slower(found["steps"])
    for line in found["to be examined"]:
        print(f"to be examined: {line}")
    at = _save(found, options, report)
    if at:
        print(f"\nkept in {at}")
    return int(wrong > 0)


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shapes",
        type=lambda text: _chosen(parser, text, SHAPE_NAMES),
        help=f"of {', '.join(SHAPE_NAMES)}; default: all",
    )
    parser.add_argument(
        "--cells", type=lambda text: _chosen(parser, text, CELL_NAMES), help=f"of {', '.join(CELL_NAMES)}; default: all"
    )
    parser.add_argument("--seed", type=int, default=0, help="that the random cell is drawn from")
    parser.add_argument("--threads", type=int, default=2, help="of everybody")
    parser.add_argument("--rounds", type=int, help="clean ones, for each cell and shape; default: 15")
    parser.add_argument("--limit", type=float, help="seconds after which no more rounds begin; default: 180")
    parser.add_argument("--quick", action="store_true", help="LSTM and MUT3 at shape S, three rounds")
    parser.add_argument("--batches", action="store_true", help="small batches at M; odd batches, awkward sizes a FLOP")
    parser.add_argument("--ragged", action="store_true", help="lengths uniform on 1..T at M")
    parser.add_argument("--lengths", action="store_true", help="cost of a step at T = 10,000 against T = 100")
    parser.add_argument("--stacked", action="store_true", help="two layers, both directions, against single layers")
    parser.add_argument("--no-first", action="store_true", help="first calls of this project are not measured")
    parser.add_argument("--out", type=Path, help="the file of results; default: named by the date, with --quick none")
    options = parser.parse_args(given)
    quick, study = options.quick, options.batches or options.ragged or options.lengths or options.stacked
    options.cells = options.cells or (["lstm", "mut3"] if quick else ["lstm"] if study else list(CELL_NAMES))
    options.shapes = options.shapes or (["S"] if quick else list(SHAPE_NAMES))
    options.rounds = options.rounds or (3 if quick else 15)
    options.limit = options.limit or (8 if quick else 180)
    return options


def _chosen(parser: argparse.ArgumentParser, text: str, known: Sequence[str]) -> list[str]:
    names = text.split(",")
    unknown = [n for n in names if n not in known]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}: expected some of {','.join(known)}")
    return names


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{n} {v or 'missing'}" for n, v in machine["versions"].items())
    load = " ".join(f"{n:.1f}" for n in machine["load"])
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['vectors']}, load {load}\n{versions}; commit {machine['commit']}"
    )


def _save(found: dict[str, Any], options: argparse.Namespace, report: Any) -> Path | None:
    """After each cell and shape, so that a run that is ended leaves what it has."""
    return report.write(found, options.out) if options.out or not options.quick else None


if __name__ == "__main__":
    sys.exit(main())

"""What may be asked for, and what has to be said before NumPy, torch or JAX are loaded."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

SHAPE_NAMES = ("S", "M", "L", "Z", "W")
CELL_NAMES = ("elman", "lstm", "peephole", "gru", "gru_cudnn", "mut3", "renamed", "random")


def limit_threads(threads: int) -> None:
    """This process, and those that it starts, on as many cores; libraries read this when they are loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    allowed = sorted(os.sched_getaffinity(0))
    if threads < len(allowed):
        os.sched_setaffinity(0, allowed[:threads])


def measured_options(
    parser: argparse.ArgumentParser, threads: int, given: Sequence[str] | None = None
) -> argparse.Namespace:
    """What is given, with the options of all that is measured in rounds: how many, how long, on what, to where."""
    parser.add_argument("--threads", type=int, default=threads, help="of everybody")
    parser.add_argument("--rounds", type=int, help="clean ones; default: 15")
    parser.add_argument("--limit", type=float, help="seconds after which no more rounds begin; default: 120")
    parser.add_argument("--quick", action="store_true", help="three rounds, ten seconds")
    parser.add_argument("--out", type=Path, help="a file for the results, JSON")
    options = parser.parse_args(given)
    options.rounds = options.rounds or (3 if options.quick else 15)
    options.limit = options.limit or (10 if options.quick else 120)
    return options

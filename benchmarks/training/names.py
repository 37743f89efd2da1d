"""What may be asked for, and what has to be said before NumPy, torch or JAX are loaded."""

from __future__ import annotations

import os

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

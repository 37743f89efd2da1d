"""Small runs, which tests interrupt: in processes of their own, which can be killed, and of which nothing is left
but the folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bptt import rnn
from bptt.rnn.runs import folder

SHORT: dict[str, Any] = {
    "vector": 3,
    "hidden": 4,
    "batch": 2,
    "window": 5,
    "updates": 6,
    "report": 2,
    "validate": 3,
    "sample": 20,
    "target": "interpret",
}
TINY: dict[str, Any] = {
    **SHORT,
    "updates": 16,
    "report": 3,
    "validate": 4,
    "sample": 8,
    "seed": 5,
    "schedule": "plateau",
    "wait": 1,
    "cell": "lstm",
    "sizes": {"h": 3},
}
REPEATS = (folder.WEIGHTS, folder.PREVIOUS, folder.BEST, folder.METRICS, folder.CONFIGURATION, folder.SAMPLE)
"""The files that are the same bytes however often a run was killed."""


def begin(text: Path, place: Path, **changes: Any) -> rnn.Run:
    return rnn.fit(text, run=place, quiet=True, **{**TINY, **changes})


def begin_or_go_on(text: Path, place: Path) -> rnn.Run:
    if (place / folder.CONFIGURATION).exists():
        return rnn.resume(place, quiet=True)
    return begin(text, place)


def content(place: Path) -> dict[str, bytes]:
    return {name: (place / name).read_bytes() for name in REPEATS if (place / name).exists()}


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does the work; it ends with 0, or 1 after an error."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

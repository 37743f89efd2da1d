"""Threads that run compiled programs: they sleep between calls, and know nothing of what they run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache


class _Worker:
    """One thread; it waits to be given work."""

    def __init__(self, number: int) -> None:
        self._start, self._done = threading.Lock(), threading.Lock()
        self._start.acquire()
        self._done.acquire()
        self._work: Callable[[], object] = bool
        threading.Thread(target=self._run, name=f"bptt {number}", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._start.acquire()
            try:
                self._work()
            finally:
                self._done.release()

    def begin(self, work: Callable[[], object]) -> None:
        self._work = work
        self._start.release()

    def wait(self) -> None:
        self._done.acquire()


class Team:
    """Workers beside the calling thread; one piece of work at a time."""

    def __init__(self) -> None:
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()

    def run(self, work: Callable[[int], object], threads: int) -> None:
        """``work(0)`` here and ``work(1)``, … at the same time on as many threads; back when all have ended."""
        if threads == 1:
            work(0)
            return
        with self._lock:
            while len(self._workers) < threads - 1:
                self._workers.append(_Worker(len(self._workers) + 1))
            others = self._workers[: threads - 1]
            for number, worker in enumerate(others, 1):
                worker.begin(lambda number=number: work(number))  # type: ignore[misc]
            try:
                work(0)
            finally:
                for worker in others:
                    worker.wait()


@cache
def _team(process: int) -> Team:
    return Team()


def team() -> Team:
    """The workers of this process: a forked one has none of its parent's."""
    return _team(os.getpid())


def available() -> int:
    """How many threads this process may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

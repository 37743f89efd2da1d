"""Where the time of a program goes: stage by stage, against what the machine can do at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..explain import title, traffic
from ..flops import by_axes
from ..loop import Program, Rows, stores, walk
from ..memory import Array, Batch
from .cost import operations
from .products.limit import limit, memory_limit

if TYPE_CHECKING:
    from .printer import Kernel
    from .target import CpuTarget


@dataclass(frozen=True)
class StageTime:
    """One kernel of a program.

    name       of the kernel, as in ``program.source``
    what       the stages that it computes, in words
    seconds    the least time of several runs
    flops      floating-point operations;  bytes: of stored values that it reads and writes, each counted once
    """

    name: str
    what: str
    seconds: float
    flops: int
    bytes: int


@dataclass(frozen=True)
class Profile:
    """The stages of a program as they were timed; ``print`` shows them as a table.

    threads  how many ran
    flops    multiply-adds that so many threads do at best, counted as two operations: a second
    memory   bytes that they read at best, a second
    """

    stages: Sequence[StageTime]
    threads: int
    flops: float
    memory: float

    @property
    def seconds(self) -> float:
        """All stages together: a whole call takes as long and what Python does around it."""
        return sum(s.seconds for s in self.stages)

    def __str__(self) -> str:
        head = f"{'':10} {'ms':>9} {'share':>6} {'GFLOP/s':>8} {'of limit':>8} {'GB/s':>7} {'of limit':>8}"
        lines = [head, *(self._line(s) for s in self.stages)]
        whole = StageTime("all", "", self.seconds, sum(s.flops for s in self.stages), sum(s.bytes for s in self.stages))
        limits = f"limits of {self.threads} thread{'s' * (self.threads > 1)}, measured now: "
        limits += f"{self.flops / 1e9:.0f} GFLOP/s, {self.memory / 1e9:.0f} GB/s"
        return "\n".join([*lines, self._line(whole), limits])

    def _line(self, s: StageTime) -> str:
        rate, traffic = (n / s.seconds if s.seconds else 0.0 for n in (s.flops, s.bytes))
        share = s.seconds / self.seconds if self.seconds else 0.0
        numbers = f"{s.seconds * 1e3:9.3f} {share:6.1%} {rate / 1e9:8.1f} {rate / self.flops:8.1%}"
        return f"{s.name:10} {numbers} {traffic / 1e9:7.1f} {traffic / self.memory:8.1%}  {s.what}".rstrip()


def profile(target: CpuTarget, batch: Batch, given: Mapping[str, Array], repeats: int) -> Profile:
    """The program's kernels, each by itself: the least of ``repeats`` times, after a whole run."""
    target.run(batch, given)
    timed = [target.timed(batch, given) for _ in range(repeats)]
    stages = []
    for kernel in target.source.kernels:
        counts = [_work(target.program, rows, batch) for rows in kernel.stages]
        seconds = min(times[kernel.name] for times in timed)
        stages.append(
            StageTime(kernel.name, _words(kernel), seconds, sum(f for f, _ in counts), sum(b for _, b in counts))
        )
    threads = target.threads_for(batch)
    return Profile(stages, threads, limit(target.program.dtype, threads) * 1e9, memory_limit(threads))


def _work(program: Program, rows: Rows, batch: Batch) -> tuple[int, int]:
    """Operations and bytes of a stage."""
    counts = by_axes(program, rows)
    return operations(counts, batch), operations({next(iter(counts)): traffic(program, rows)}, batch)


def _words(kernel: Kernel) -> str:
    """What a kernel computes."""
    if not kernel.stages:
        return kernel.comment
    names = [n for rows in kernel.stages for item in walk(rows.body, rows.sums) for n in stores(item)]
    listed = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    return f"{title(kernel.stages[-1])}: {listed}"

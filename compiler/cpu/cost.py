"""How many threads run a batch, and how much they do between two sums over all rows: the cost model, in one place.

Waking a thread takes some ten microseconds, in which a core does about a million operations of kernels. So a thread is
worth it from that much work on, if it has two rows at least: with one row, weights are read once for each product and
a second core reads them again.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..flops import by_axes
from ..loop import Program
from ..memory import Batch
from ..plan import Plan

#: rows, and operations, that a thread has at least
FEWEST_ROWS, WORTH = 2, 1_000_000
#: rows of a tile: for fewer, several vectors of units are computed at once
TILE_ROWS = 16


class Work:
    """The floating-point operations of a program: how many for each position of axes."""

    def __init__(self, program: Program) -> None:
        self._counts: dict[tuple[str, ...], int] = {}
        for rows in program.rows():
            for axes, n in by_axes(program, rows).items():
                self._counts[axes] = self._counts.get(axes, 0) + n

    def operations(self, batch: Batch) -> int:
        """What a run of a batch computes."""
        return operations(self._counts, batch)

    def threads_for(self, batch: Batch, most: int) -> int:
        """How many of ``most`` threads run a batch."""
        if most == 1 or batch.sizes["b"] < 2 * FEWEST_ROWS:
            return 1
        return max(1, min(most, batch.sizes["b"] // FEWEST_ROWS, self.operations(batch) // WORTH))

    def explain(self, most: int, plan: Plan) -> list[str]:
        """The model in words, for this program."""
        first = -(-WORTH * 2 // max(self.operations(Batch.of(t=1, rows=1)), 1))
        threads = f"{most} at most: each takes {FEWEST_ROWS} rows and {WORTH:,} operations at least; "
        threads += f"two from {first:,} step{'s' * (first > 1)} of sequences on"
        return [
            f"threads {threads if most > 1 else '1'}",
            f"sums   over the batch after chunks of {plan.chunk} steps or {plan.rows:,} rows, the longer",
            f"tiles  of a step all units, of a chunk of steps one vector; of fewer than {TILE_ROWS} rows several",
        ]


def operations(counts: Mapping[tuple[str, ...], int], batch: Batch) -> int:
    """Those of all positions of a batch."""
    return sum(n * (batch.count(axes) if axes else 1) for axes, n in counts.items() if n)


def steps_of_chunk(sizes: Mapping[str, int], plan: Plan) -> int:
    """Steps of a chunk after which all threads sum over the batch: so many rows that waiting for each other is rare."""
    return min(max(plan.chunk, -(-plan.rows // sizes["b"])), max(sizes["t"], sizes["s"]))

"""How many threads run a batch, and how much they do between two sums over all rows: the cost model, in one place.

Waking a thread takes some ten microseconds, in which a core does about a million operations of kernels. So a thread is
worth it from that much work on, if it has two rows at least: with one row, weights are read once for each product and
a second core reads them again.

Threads with two rows or fewer share the units of loops instead, where a step has enough work for it, and so do those of
whom some would have two rows and some three: each reads its part of the weights, for all rows. They wait for each other
after each product and what reads it, which takes about half a microsecond with what they fetch from each other's
caches. Measured on two threads, 256 units and 128 inputs (time by rows over time by units): one row 1.5, two 1.5, four
1.1, five 1.15, eight .95; 128 units, one row: .8.

A single row with little work a step runs on one thread, and a second one computes the sums over the batch, weight
gradients, a chunk behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..flops import by_axes, of_statement
from ..loop import Program
from ..memory import Batch
from ..plan import Plan
from .parallel import sums_batch
from .products.outer import GROUP

#: rows, and operations, that a thread has at least
FEWEST_ROWS, WORTH = 2, 1_000_000
#: operations of sums over the batch for which a second thread is worth it that has no row
SUMS_WORTH = 4_000_000
#: operations of loops in a step that a thread has at least to share units
STEP_WORTH = 300_000
#: rows of a tile: for fewer, several vectors of units are computed at once
TILE_ROWS = 16


class Work:
    """The floating-point operations of a program: how many for each position of axes."""

    def __init__(self, program: Program) -> None:
        self._counts: dict[tuple[str, ...], int] = {}
        self._loops = self._sums = 0  # of a step of one row: in loops, in sums over the batch
        for rows in program.rows():
            self._sums += sum(of_statement(program, s) for s in rows.sums if sums_batch(s) and rows.axis == "t")
            for axes, n in by_axes(program, rows).items():
                self._counts[axes] = self._counts.get(axes, 0) + n
                if rows.order != "free" and set(axes) == {rows.axis, "b"}:
                    self._loops += n

    def operations(self, batch: Batch) -> int:
        """What a run of a batch computes."""
        return operations(self._counts, batch)

    def threads_for(self, batch: Batch, most: int, by_units: bool = False) -> int:
        """How many of ``most`` threads run a batch, sharing its rows or the units of its loops."""
        if batch.sizes["b"] == 1 and not by_units:
            return 2 if most > 1 and self._sums * batch.sizes["t"] >= SUMS_WORTH else 1
        if most == 1 or (batch.sizes["b"] < 2 * FEWEST_ROWS and not by_units):
            return 1
        rows = most if by_units else batch.sizes["b"] // FEWEST_ROWS
        return max(1, min(most, rows, self.operations(batch) // WORTH))

    def sharing(self, batch: Batch, threads: int, by_units: bool = False) -> int:
        """How many of the threads that run a batch compute what all share: of one row, those without it."""
        return threads - 1 if threads > 1 and batch.sizes["b"] == 1 and not by_units else threads

    def shares_units(self, batch: Batch, most: int) -> bool:
        """Whether ``most`` threads share the units of loops, not rows."""
        rows = batch.sizes["b"]
        few = rows <= FEWEST_ROWS * most or (rows < (FEWEST_ROWS + 1) * most and rows % most > 0)
        few = few and most > 1 and self._loops * rows >= STEP_WORTH * most
        return few and self.threads_for(batch, most, by_units=True) > 1

    def explain(self, most: int, plan: Plan) -> list[str]:
        """The model in words, for this program."""
        first = -(-WORTH * 2 // max(self.operations(Batch.of(t=1, rows=1)), 1))
        threads = f"{most} at most: each takes {FEWEST_ROWS} rows and {WORTH:,} operations at least; "
        threads += f"two from {first:,} step{'s' * (first > 1)} of sequences on"
        rows = -(-STEP_WORTH * most // max(self._loops, 1))
        uneven = f"of fewer than {(FEWEST_ROWS + 1) * most:,} that cannot be dealt evenly"
        sharing = f"rows; of {rows:,} to {FEWEST_ROWS * most:,}, and {uneven}, units, and then all threads take part"
        if most == 1 or rows > FEWEST_ROWS * most:
            sharing = "rows: a step has too little work to wait for each other"
        return [
            f"share  {sharing if plan.share is None else plan.share}",
            f"threads {threads if most > 1 else '1'}",
            f"sums   over the batch after chunks of {plan.chunk} steps or {plan.rows:,} rows, the longer",
            f"tiles  of a step all units, of a chunk of steps one vector; of fewer than {TILE_ROWS} rows several",
        ]


def operations(counts: Mapping[tuple[str, ...], int], batch: Batch) -> int:
    """Those of all positions of a batch."""
    return sum(n * (batch.count(axes) if axes else 1) for axes, n in counts.items() if n)


def steps_of_chunk(sizes: Mapping[str, int], plan: Plan) -> int:
    """Steps of a chunk after which all threads sum over the batch: so many rows that waiting for each other is rare.

    Of one row fewer, so that another thread can compute the sums of one chunk while the row is at the next.
    """
    rows = plan.rows if sizes["b"] > 1 else min(plan.rows, GROUP)
    return min(max(plan.chunk, -(-rows // sizes["b"])), max(sizes["t"], sizes["s"]))

"""A block of steps natively: choose, hand the state on, run the kernels; see ``compiler/stepping``.

What the loop needs is one record of whole numbers (NAMES: sizes, and addresses of arrays), and a list of moves, each of
MOVE numbers: address from, to, rows, bytes of a row, bytes from row to row there and here, and from step to step there.
One thread chooses and moves; all that the batch has run the kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from ..cache import load_kernels
from ..memory import Array, Batch
from ..stepping import Wiring
from .barrier import BARRIER, latest, meet, publish
from .choose import ROOM, drawn, log_probabilities, most_probable
from .driver import FIELDS, driver, run_steps
from .jit import function
from .products.emit import POINTER, WORD, emitted
from .products.emit import function as external
from .source import Repeat, Run, Source
from .threads import team
from .vector.memory import view

if TYPE_CHECKING:
    from .target import CpuTarget

NAMES = (
    "most", "chosen", "ran", "ended", "table", "start", "steps", "count", "moves", "handed", "each", "scores", "row",
    "double", "rows", "n", "probabilities", "top_k", "stop", "never", "nevers", "numbers", "left", "before", "uniform",
    "symbols", "logs", "scratch", "feed", "feed_row",
)  # fmt: skip
"""most: steps at most; chosen: symbols a row; ran: steps; ended: whether no more are run; start: its place in the
table; moves: of them ``handed`` from the last step, then, up to ``each``, of what each step has of its own; double:
whether numbers are float64, not float32; numbers: the temperature; feed_row: bytes from row to row of vectors, 0 where
whole numbers are read."""
(
    MOST, CHOSEN, RAN, ENDED, TABLE, START, STEPS, COUNT, MOVES, HANDED, EACH, SCORES, ROW, DOUBLE, ROWS, N,
    PROBABILITIES, TOP_K, STOP, NEVER, NEVERS, NUMBERS, LEFT, BEFORE, UNIFORM, SYMBOLS, LOGS, SCRATCH, FEED, FEED_ROW,
) = range(len(NAMES))  # fmt: skip
SIZE, MOVE = len(NAMES), 7


def _copy(builder: Any, values: Sequence[Any]) -> None:
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, WORD, ir.IntType(1)])
    to, source = (builder.inttoptr(v, POINTER) for v in values[:2])
    called = external(builder.module, "llvm.memcpy.p0.p0.i64", kind)
    builder.call(called, [to, source, values[2], ir.Constant(ir.IntType(1), 0)])


#: copy bytes from one place to another
copy_bytes = emitted("copy_bytes", ["to", "source", "bytes"], _copy)


@function
def move(moves: int, k: int, step: int) -> None:
    """One of the moves, as of a step."""
    m = view(moves, (k + 1, MOVE), np.int64)
    source = m[k, 0] + step * m[k, 6]
    for row in range(m[k, 2]):
        copy_bytes(m[k, 1] + row * m[k, 5], source + row * m[k, 4], m[k, 3])


@function
def copied(scores: Array, n: int, logs: Array) -> None:
    """Scores in float64."""
    for i in range(n):
        logs[i] = scores[i]


@function
def choose_row(w: Array, b: int, step: int) -> int:
    """The symbol of a row: 0 of one that has chosen all, −1 where there is none. Its log p is stored."""
    n = w[N]
    logs = view(w[SCRATCH], (n + ROOM,), np.float64)
    odds = view(w[SCRATCH] + 8 * (n + ROOM), (n + ROOM,), np.float64)
    scores = w[SCORES] + b * w[ROW]
    if w[DOUBLE]:
        copied(view(scores, (n,), np.float64), n, logs)
    else:
        copied(view(scores, (n,), np.float32), n, logs)
    if not log_probabilities(logs, n, w[PROBABILITIES], odds):
        return -1
    if view(w[LEFT], (w[ROWS],), np.int64)[b] <= 0:
        return 0
    never = view(w[NEVER], (w[NEVERS],), np.int64)
    for k in range(w[NEVERS]):
        logs[never[k]] = -np.inf
    temperature = view(w[NUMBERS], (1,), np.float64)[0]
    if temperature > 0.0:
        uniform = view(w[UNIFORM], (w[MOST], w[ROWS]), np.float64)[step, b]
        symbol = drawn(logs, n, temperature, w[TOP_K], uniform, odds)
    else:
        before = view(w[BEFORE], (w[ROWS],), np.float64)[b] if w[BEFORE] else 0.0
        symbol = most_probable(logs, n, before)
    if symbol >= 0:
        view(w[LOGS], (w[MOST], w[ROWS]), np.float64)[step, b] = logs[symbol]
    return symbol


@function
def choose_rows(w: Array, step: int) -> bool:
    """The symbols of all rows; whether there are, and a row has more to choose."""
    symbols = view(w[SYMBOLS], (w[MOST], w[ROWS]), np.int64)
    for b in range(w[ROWS]):
        symbols[step, b] = choose_row(w, b, step)
        if symbols[step, b] < 0:
            return False
    left, going = view(w[LEFT], (w[ROWS],), np.int64), False
    for b in range(w[ROWS]):
        if left[b] > 0:
            if w[BEFORE]:
                view(w[BEFORE], (w[ROWS],), np.float64)[b] += view(w[LOGS], (w[MOST], w[ROWS]), np.float64)[step, b]
            left[b] = 0 if symbols[step, b] == w[STOP] else left[b] - 1
            going = going or left[b] > 0
    w[CHOSEN] = step + 1
    return going


@function
def one_hot(vector: Array, n: int, symbol: int) -> None:
    """The vector with a one at the symbol."""
    for i in range(n):
        vector[i] = 0
    vector[symbol] = 1


@function
def feed_rows(w: Array, step: int) -> None:
    """Give what was chosen to what reads it: whole numbers, or vectors with a one."""
    if w[FEED] == 0:
        return
    symbols = view(w[SYMBOLS], (w[MOST], w[ROWS]), np.int64)
    for b in range(w[ROWS]):
        if w[FEED_ROW] == 0:
            view(w[FEED], (w[ROWS],), np.int64)[b] = symbols[step, b]
        elif w[DOUBLE]:
            one_hot(view(w[FEED] + b * w[FEED_ROW], (w[N],), np.float64), w[N], symbols[step, b])
        else:
            one_hot(view(w[FEED] + b * w[FEED_ROW], (w[N],), np.float32), w[N], symbols[step, b])


@function
def between(w: Array, step: int) -> None:
    """What the next step reads: the state of the last one, its own inputs, and what was chosen."""
    if step > 0:
        view(w[TABLE], (w[START] + 1,), np.int64)[w[START]] += 1
    for k in range(w[EACH]):
        if step > 0 or k >= w[HANDED]:
            move(w[MOVES], k, step)
    feed_rows(w, step)


@function
def step_block(record: int, thread: int, threads: int, barrier: int, give_way: int) -> None:
    """All steps of a block, as one of its threads."""
    w = view(record, (SIZE,), np.int64)
    for step in range(w[MOST]):
        if thread == 0:
            if choose_rows(w, step):
                between(w, step)
            else:
                publish(record, ENDED, 1)
        if threads > 1:
            meet(barrier, threads, give_way)
        if latest(record, ENDED):
            return
        run_steps(w[TABLE], w[STEPS], w[COUNT], thread, threads, barrier, give_way)
        if threads > 1:
            meet(barrier, threads, give_way)
        if thread == 0:
            w[RAN] = step + 1


_SOURCE = '''"""The loop over the steps of a program that reads what it chose."""

from bptt.compiler.cpu.stepping import step_block
from bptt.compiler.cpu.jit import entry


@entry
def steps(record, thread, threads, barrier, give_way):
    step_block(record, thread, threads, barrier, give_way)
'''


@cache
def stepper() -> Any:
    """``steps(record, thread, threads, barrier, give_way)``, compiled or from the cache, for ``ctypes``."""
    loaded = load_kernels(_SOURCE, {"steps": f"void({', '.join(['int64'] * 5)})"})
    return loaded.kernels["steps"].ctypes


def run_block(
    target: CpuTarget, batch: Batch, given: Mapping[str, Array], wiring: Wiring, poison: bool
) -> tuple[Array, Array, int, dict[str, Array]]:
    """See ``compiler/stepping.Stepped``."""
    from .target import _give_way, at

    ready = target._ready(batch, given, poison)
    stored, threads = target._results(ready), ready.threads
    barrier = np.zeros(BARRIER, np.int64)
    meeting, give_way, table = at(barrier), _give_way(), at(ready.table)
    packing, kernels = (target.listed(part) for part in _parts(target.source))
    block = _Arrays(target, wiring, stored, ready.given)
    record = block.record(
        table=table, start=target.source.layout.place["start"], steps=at(kernels), count=len(kernels) // FIELDS
    )
    first, steps = driver(), stepper()
    packs, count, words = at(packing), len(packing) // FIELDS, at(record)

    def work(thread: int) -> None:
        first(table, packs, count, thread, threads, meeting, give_way)
        steps(words, thread, threads, meeting, give_way)

    team().run(work, threads)
    chosen = int(record[CHOSEN])
    return block.symbols[:chosen], block.logs[:chosen], int(record[RAN]), stored


def _parts(source: Source) -> tuple[list[Run | Repeat], list[Run | Repeat]]:
    """What is run once for all steps, panels of parameters, and what is run for each."""
    program = source.program
    blocks = (block for pack in program.packs.values() for block in pack.blocks)
    if any(program.values[block.value].role != "param" for block in blocks):
        return [], list(source.order)
    kernels = source.kernels
    once = [item for item in source.order if isinstance(item, Run) and kernels[item.kernel].fills_panels]
    return list(once), [item for item in source.order if item not in once]


class _Arrays:
    """The arrays of one block.

    stored, given  the program's arrays of results, and of what it reads
    """

    def __init__(
        self, target: CpuTarget, wiring: Wiring, stored: Mapping[str, Array], given: Mapping[str, Array]
    ) -> None:
        block, values = wiring.block, target.program.values
        self.choice = block.choice
        self.scores = stored[wiring.scores][values[wiring.scores].lead]
        self.scores[...] = block.scores
        rows, n = self.scores.shape
        self.uniform = np.ascontiguousarray(block.uniform, np.float64)
        self.left = np.array(block.left, np.int64)
        self.before = None if block.logs is None else np.array(block.logs, np.float64)
        self.never = np.array([*self.choice.never, 0], np.int64)
        self.numbers = np.array([self.choice.temperature])
        self.symbols = np.zeros((len(self.uniform), rows), np.int64)
        self.logs = np.zeros((len(self.uniform), rows))
        self.scratch = np.zeros(2 * (n + ROOM))

        def place(name: str) -> Array:
            """One step of what is read, without what pads its rows."""
            v, array = values[name], given[name]
            array = array[..., : v.shape[-1]] if v.shape else array
            return array[v.lead] if v.time else array

        self.over = {name: np.ascontiguousarray(a, given[name].dtype) for name, a in block.over.items()}
        handed = [_move(stored[last], place(name)) for last, name in wiring.states.items()]
        own = [_move(a[0], place(name), a.strides[0]) for name, a in self.over.items()]
        self.handed = len(handed)
        self.moves = np.array([*handed, *own, [0] * MOVE], np.int64)
        self.feed = place(wiring.feed) if wiring.feed else None

    def record(self, **words: int) -> Array:
        """The record of the loop, with what the program adds."""
        from .target import at

        choice, (rows, n) = self.choice, self.scores.shape
        words |= {"most": len(self.uniform), "moves": at(self.moves), "handed": self.handed}
        words |= {"each": len(self.moves) - 1, "scores": at(self.scores), "row": self.scores.strides[0]}
        words |= {"double": int(self.scores.dtype == np.float64), "rows": rows, "n": n}
        words |= {"probabilities": int(choice.probabilities)}
        words |= {"top_k": choice.top_k, "stop": choice.stop, "nevers": len(choice.never)}
        arrays = ("never", "numbers", "left", "uniform", "symbols", "logs", "scratch")
        words |= {name: at(getattr(self, name)) for name in arrays}
        if self.before is not None:
            words["before"] = at(self.before)
        if self.feed is not None:
            words |= {"feed": at(self.feed), "feed_row": self.feed.strides[0] if self.feed.ndim > 1 else 0}
        return np.array([words.get(name, 0) for name in NAMES], np.int64)


def _move(source: Array, to: Array, step: int = 0) -> list[int]:
    """A move between arrays of one shape; ``step``: bytes from step to step at the source."""
    from .target import at

    if source.ndim == 0 or (source.flags.c_contiguous and to.flags.c_contiguous):
        return [at(source), at(to), 1, source.nbytes, 0, 0, step]
    # only the rows of a last axis are padded: whatever is before it follows in equal steps
    rows, bytes_ = prod(source.shape[:-1]), source.shape[-1] * source.itemsize
    from_row, to_row = (a.strides[-2] if a.ndim > 1 else 0 for a in (source, to))
    return [at(source), at(to), rows, bytes_, from_row, to_row, step]

"""The loop program run by NumPy: slow, plain, and the oracle for both back ends.

Statements take their meaning from the op table. Storage is never shared: every slot of every value has a
place of its own, NaN until it is written (a symbol far below 0), and a slot that a ring or a chunk would
overwrite is poisoned again. So what a back end could only get right by luck comes out as NaN here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph.ops.table import load_entries
from ..graph.random import mask_bits, mask_value
from .frames import Frame, aligned, complete_with_over, neutral, pieces
from .loop import (
    Apply,
    Chunks,
    Count,
    Expr,
    Fill,
    Length,
    Let,
    Load,
    Map,
    Number,
    Over,
    Pack,
    Product,
    Program,
    Random,
    Row,
    RowOp,
    Rows,
    Statement,
    Step,
    Sum,
    Value,
)
from .memory import POISON, Array, Batch, number_type, slots


class Interpreter:
    """One run of a loop program. ``given``: arrays of params and inputs in storage layout, by name."""

    def __init__(self, program: Program, batch: Batch, given: Mapping[str, Array]) -> None:
        self.program, self.batch = program, batch
        self.dtype = number_type(program, "f")
        self.store: dict[str, Array] = {}
        self.last: dict[str, Array] = {}  # of rings and chunks: the slot written last at each place
        for v in program.values.values():
            if v.role in ("param", "input"):
                array = np.asarray(given[v.name])
                # boundary slots of an input are filled, so the caller's own array is not used
                self.store[v.name] = array.copy() if v.role == "input" else array
            elif v.role != "block":
                extents = [self.extent(v, a) for a in v.axes]
                self.store[v.name] = self.poisoned((*extents, *v.shape), v.dtype)

    def extent(self, v: Value, axis: str) -> int:
        """The length of an axis of its array: every slot has a place, in checkpoints those saved."""
        n = self.batch.sizes[axis]
        if axis != v.time:
            return n
        return slots(v, n) if v.keep.kind == "every" else v.lead + n + v.trail

    def poisoned(self, shape: Sequence[int], dtype: str) -> Array:
        return np.full(shape, POISON[dtype], number_type(self.program, dtype))

    def run(self) -> dict[str, Array]:
        """Every stage in order; the arrays of all values but blocks, in storage layout with all slots."""
        for stage in self.program.stages:
            if isinstance(stage, Chunks):
                for rows in stage.stages:
                    self.zero(rows)
                for lo, hi in pieces(self.batch.sizes[stage.axis], stage.size, stage.order):
                    self.checkpoints(stage, lo)
                    for rows in stage.stages:
                        self.rows(rows, lo, hi)
            else:
                self.zero(stage)
                self.rows(stage, 1, self.batch.sizes[stage.axis] if stage.axis else 1)
        return self.store

    def checkpoints(self, chunks: Chunks, lo: int) -> None:
        """The slots before a chunk from ``lo``: saved, or put back (all others are forgotten then)."""
        for signal, store in (*chunks.save, *chunks.restore):
            v = self.program.values[signal]
            before = slice(lo - 1, lo - 1 + v.lead)  # slots lo - lead … lo - 1
            at = (lo - 1) // chunks.size * v.lead
            kept = slice(at, at + v.lead)
            if (signal, store) in chunks.save:
                self.store[store][kept] = self.store[signal][before]
            else:
                self.store[signal][...] = POISON[v.dtype]
                self.store[signal][before] = self.store[store][kept]

    # ---- stages --------------------------------------------------------------------------------
    def zero(self, stage: Rows) -> None:
        """Sums that are complete only after the stage start here."""
        inner = [s for statement in stage.body if isinstance(statement, Over) for s in statement.sums]
        for item in (*stage.sums, *inner):
            if item in stage.sums or not complete_with_over(self.program.values[item.dst], stage):
                self.store[item.dst][...] = neutral(item)

    def rows(self, stage: Rows, lo: int, hi: int) -> None:
        for frame in self.frames(stage, lo, hi):
            for statement in stage.body:
                self.statement(statement, frame, stage)
            for item in stage.sums:
                self.sum(item, frame)

    def frames(self, stage: Rows, lo: int, hi: int) -> Iterator[Frame]:
        batch = self.batch
        if stage.axis is None:
            rows = np.arange(batch.sizes["b"]) if stage.batch else None
            yield Frame(1 if rows is None else len(rows), {}, rows)
            return
        size = 1 if stage.order != "free" else max(stage.chunk, 1)
        for first, last in pieces(hi - lo + 1, size, "down" if stage.order == "down" else "up"):
            steps = np.arange(lo + first - 1, lo + last)
            if stage.batch:
                running = [batch.order[stage.axis][: batch.running[stage.axis][k]] for k in steps]
                numbers = np.repeat(steps, [len(r) for r in running])
                yield Frame(len(numbers), {stage.axis: numbers}, np.concatenate(running))
            else:
                yield Frame(len(steps), {stage.axis: steps}, None)

    def over(self, statement: Over, outer: Frame, stage: Rows) -> None:
        axis = statement.axis
        if outer.rows is None:
            counts = np.full(outer.size, self.batch.sizes[axis])
        else:
            counts = self.batch.lengths[axis][outer.rows]
        parent = np.repeat(np.arange(outer.size), counts)
        numbers = np.concatenate([np.arange(1, n + 1) for n in counts]) if len(counts) else np.zeros(0, int)
        steps = {a: k[parent] for a, k in outer.steps.items()} | {axis: numbers}
        rows = None if outer.rows is None else outer.rows[parent]
        frame = Frame(len(parent), steps, rows, outer=outer, parent=parent)
        for item in statement.sums:
            v = self.program.values[item.dst]
            if v.role == "block":
                outer.blocks[v.name] = np.full((outer.size, *v.shape), neutral(item), self.dtype_of(v))
            elif complete_with_over(v, stage):
                self.write(v, outer, np.full((outer.size, *v.shape), neutral(item), self.dtype_of(v)))
        for inner in statement.body:
            self.statement(inner, frame, stage)
        for item in statement.sums:
            self.sum(item, frame)

    # ---- statements ----------------------------------------------------------------------------
    def statement(self, statement: Statement, frame: Frame, stage: Rows) -> None:
        if isinstance(statement, Map):
            self.map(statement, frame)
        elif isinstance(statement, Product):
            self.product(statement, frame)
        elif isinstance(statement, RowOp):
            self.row_op(statement, frame)
        elif isinstance(statement, Over):
            self.over(statement, frame, stage)
        elif isinstance(statement, Sum):
            self.sum_of_step(statement, frame)
        elif isinstance(statement, Fill):
            self.fill(statement, frame)

    def row_op(self, statement: RowOp, frame: Frame) -> None:
        """An operation of the op table; those that do not take both kinds of operand get one row for each."""
        loaded = [self.load(a, frame) for a in statement.args]
        if statement.op not in ("take", "contract") and any(batched for _, batched in loaded):
            loaded = [(a if batched else np.broadcast_to(a, (frame.size, *a.shape)), True) for a, batched in loaded]
        arrays, flags = zip(*loaded, strict=True)
        out = load_entries(statement.op).meaning(statement.attr, flags, *arrays)  # type: ignore[misc]
        self.keep(statement.dst, frame, out if any(flags) else out[None])

    def sum_of_step(self, item: Sum, frame: Frame) -> None:
        """A sum over the sequences of each step; every one of them gets it."""
        arrays = [array if batched else np.broadcast_to(array, (frame.size, *array.shape))
                  for array, batched in (self.load(a, frame) for a in item.args)]  # fmt: skip
        v = self.program.values[item.dst]
        out = np.empty((frame.size, *v.shape), self.dtype_of(v))
        for step in np.unique(frame.steps[next(iter(frame.steps))]):
            rows = frame.steps[next(iter(frame.steps))] == step
            meaning = load_entries(item.op).meaning
            out[rows] = meaning(item.attr, (True,) * len(arrays), *(a[rows] for a in arrays))  # type: ignore[misc]
        self.keep(item.dst, frame, out)

    def map(self, statement: Map, frame: Frame) -> None:
        lets: dict[str, Array] = {}
        for name, e in statement.lets:
            lets[name] = self.expression(e, statement.shape, frame, lets)
            if name in self.program.values:
                self.keep(name, frame, lets[name])

    def product(self, statement: Product, frame: Frame) -> None:
        total: Any = 0
        for part in statement.parts:
            operand, batched = self.load(part.operand, frame)
            total = (
                total + (operand if batched else operand[None]) @ self.pack(self.program.packs[part.pack]).T
            )
        lo = 0
        for name in statement.dsts:
            hi = lo + self.program.values[name].shape[0]
            self.keep(name, frame, total[:, lo:hi])
            lo = hi

    def pack(self, pack: Pack) -> Array:
        blocks = []
        for block in pack.blocks:
            matrix = np.atleast_2d(self.store[block.value])[slice(*block.rows), slice(*block.columns)]
            blocks.append(matrix.T if block.transposed else matrix)
        return np.concatenate(blocks)

    def fill(self, fill: Fill, frame: Frame) -> None:
        v = self.program.values[fill.dst]
        slot: Array | int = fill.position
        if fill.end:
            slot = self.lengths(fill.axis, frame) + fill.position
        # along an axis that the rows do not have, every step has a boundary value
        others = [a for a in v.axes if a not in ("b", fill.axis) and a not in frame.steps]
        for step in range(1, self.batch.sizes[others[0]] + 1) if others else (0,):
            steps = frame.steps | {a: np.full(frame.size, step) for a in others}
            source: Array = np.zeros(())
            if fill.source is not None:
                source = self.load(fill.source, Frame(frame.size, steps, frame.rows, blocks=frame.blocks))[0]
            at = Frame(frame.size, steps | {fill.axis: np.broadcast_to(slot, frame.size)}, frame.rows)
            self.write(v, at, np.broadcast_to(source, (frame.size, *v.shape)))

    def sum(self, item: Sum, frame: Frame) -> None:
        v = self.program.values[item.dst]
        arrays = []
        for a in item.args:
            array, batched = self.load(a, frame)
            arrays.append(array if batched else np.broadcast_to(array, (frame.size, *array.shape)))
        where = self.target(v, frame)
        index = slice(None)
        values = arrays[0]
        if item.op == "at":
            axis, end, position = item.attr
            index = self.here(axis, end, position, frame)  # type: ignore[assignment]
            values = values[index]
        elif item.op == "contract":
            left, right = item.attr[0].split("->")[0].split(",")
            out = item.attr[0].split("->")[1]
            if not isinstance(where, tuple):  # one sum for all rows: as a product of two matrices
                where[...] += np.einsum(f"Z{left},Z{right}->{out}", *arrays, optimize=True)
                return
            values = np.einsum(f"Z{left},Z{right}->Z{out}", *arrays)
        elif item.op == "scatter":
            symbols = [np.broadcast_to(x, frame.size) for x in arrays[1:]]
            index = np.logical_and.reduce(
                [(x >= 0) & (x < n) for x, n in zip(symbols, item.attr[0], strict=True)]
            )
            values = values[index]
            if isinstance(where, tuple):
                array, place = where
                np.add.at(array, (*(i[index] for i in place), *(x[index] for x in symbols)), values)
            else:
                np.add.at(where, tuple(x[index] for x in symbols), values)
            return
        self.accumulate(item.op, where, index, values)

    def accumulate(
        self, op: str, where: Array | tuple[Array, tuple[Array, ...]], index: Any, values: Array
    ) -> None:
        if isinstance(where, tuple):
            array, place = where
            place = tuple(i[index] for i in place)
            if op == "at":
                array[place] = values
            else:
                {"amax": np.maximum, "reduce": np.add, "contract": np.add}[op].at(array, place, values)
        elif op == "at":
            if len(values):
                where[...] = values[0]
        elif op == "amax":
            where[...] = np.maximum(where, values.max(0))
        else:
            where[...] += values.sum(0)

    # ---- expressions ---------------------------------------------------------------------------
    def expression(self, e: Expr, shape: tuple[int, ...], frame: Frame, lets: Mapping[str, Array]) -> Array:
        """``e`` on rows × shape; axes of length one where it does not vary. Every result has all axes."""
        if isinstance(e, Let):
            return lets[e.name]
        if isinstance(e, Load):
            array, batched = self.load(e, frame)
            return aligned(array if batched else array[None], e.columns, len(shape))
        if isinstance(e, Row):
            symbols, flags = zip(*(self.load(x, frame) for x in e.symbols), strict=True)
            meaning = load_entries("take").meaning
            rows = meaning(None, (False, *flags), self.store[e.table], *symbols)  # type: ignore[misc]
            return aligned(rows if any(flags) else rows[None], e.columns, len(shape))
        if isinstance(e, Apply):
            args = [self.expression(a, shape, frame, lets) for a in e.args]
            entry = load_entries(e.op)
            out = entry.meaning(e.attr, (True,) * len(args), *args)  # type: ignore[misc]
            return np.asarray(out, self.dtype) if out.dtype.kind == "f" else np.asarray(out)
        if isinstance(e, Random):
            return self.random(e, shape, frame)
        per_row: Any
        if isinstance(e, Number):
            per_row = np.full(1, e.value, number_type(self.program, e.dtype))
        elif isinstance(e, Step):
            per_row = np.asarray(self.absolute(e.axis, frame), self.dtype)
        elif isinstance(e, Length):
            per_row = np.asarray(self.lengths(e.axis, frame), self.dtype)
        elif isinstance(e, Count):
            per_row = np.full(1, self.batch.count(e.axes), self.dtype)
        else:
            per_row = self.here(e.axis, e.end, e.position, frame)
        return np.reshape(per_row, (-1, *(1,) * len(shape)))

    def absolute(self, axis: str, frame: Frame) -> Array:
        return frame.steps[axis] + (self.batch.start - 1 if axis == "t" else 0)

    def lengths(self, axis: str, frame: Frame) -> Array:
        if frame.rows is None:
            return np.full(frame.size, self.batch.sizes[axis])
        return self.batch.lengths[axis][frame.rows]

    def here(self, axis: str, end: bool | None, position: int, frame: Frame) -> Array:
        if end:
            return np.asarray(frame.steps[axis] == self.lengths(axis, frame) + position)
        return np.asarray((frame.steps[axis] if end is None else self.absolute(axis, frame)) == position)

    def random(self, e: Random, shape: tuple[int, ...], frame: Frame) -> Array:
        index: dict[str, Array] = {a: np.zeros(1, np.int64) for a in ("t", "s", "b")}
        for a in e.axes:
            index[a] = self.batch.original[frame.rows] if a == "b" else self.absolute(a, frame)
        t, s, rows = (np.reshape(index[a], (-1, *(1,) * len(shape))) for a in ("t", "s", "b"))
        units = np.arange(int(np.prod(shape))).reshape((1, *shape))
        return np.asarray(mask_value(mask_bits(self.batch.seed, e.key, t, s, rows, units), e.p), self.dtype)

    # ---- storage -------------------------------------------------------------------------------
    def dtype_of(self, v: Value) -> np.dtype[Any]:
        return number_type(self.program, v.dtype)

    def place(self, v: Value, frame: Frame, lags: Sequence[tuple[str, int]] = ()) -> tuple[Array, ...]:
        """The index of each row's slot in the array of ``v``."""
        shift = dict(lags)
        index = []
        for a in v.axes:
            if a == "b":
                if frame.rows is None:
                    raise IndexError(f"{v.name} has one value a sequence; the rows of this stage are none")
                index.append(frame.rows)
                continue
            at = frame.steps[a] - shift.get(a, 0) - 1 + (v.lead if a == v.time else 0)
            if len(at) and (at.min() < 0 or at.max() >= self.store[v.name].shape[len(index)]):
                raise IndexError(
                    f"{v.name} has no slot {int(at.min()) + 1 - v.lead} … {int(at.max()) + 1 - v.lead}"
                )
            index.append(at)
        return tuple(index)

    def load(self, e: Load, frame: Frame) -> tuple[Array, bool]:
        """The operand's value for every row, and whether it has one a row."""
        v = self.program.values[e.value]
        if v.role == "block":
            return frame.block(v.name), True
        if not v.axes:
            return self.store[v.name], False
        return self.store[v.name][self.place(v, frame, e.lags)], True

    def keep(self, name: str, frame: Frame, array: Array) -> None:
        """Store what a statement computed for every row."""
        v = self.program.values[name]
        array = np.broadcast_to(array, (frame.size, *v.shape)).astype(self.dtype_of(v))
        if v.role == "block":
            frame.blocks[name] = array
        else:
            self.write(v, frame, array)

    def write(self, v: Value, frame: Frame, array: Array) -> None:
        if v.role == "block":
            frame.blocks[v.name] = np.array(array, self.dtype_of(v))
            return
        place = self.place(v, frame)
        if v.keep.kind != "all":
            self.forget(v, place)
        self.store[v.name][place or ...] = array if place else array[0]

    def forget(self, v: Value, place: tuple[Array, ...]) -> None:
        """Poison what is written over in a ring or a chunk: the slot written last at that place, and its neighbours."""
        slots, *rest = place
        n, store = v.keep.n, self.store[v.name]
        if v.name not in self.last:
            self.last[v.name] = np.full((n, *store.shape[1 : len(place)]), -1)
        at = (slots % n, *rest)
        for other in (slots - n, slots + n, self.last[v.name][at]):
            inside = (other >= 0) & (other < len(store))
            store[(other[inside], *(i[inside] for i in rest))] = POISON[v.dtype]
        self.last[v.name][at] = slots

    def target(self, v: Value, frame: Frame) -> Array | tuple[Array, tuple[Array, ...]]:
        """Where a sum goes: one array, or an array and for each row its place in it."""
        if v.role == "block":
            if frame.outer is None or frame.parent is None:
                raise KeyError(f"the sum {v.name} has no enclosing rows")
            return frame.outer.blocks[v.name], (frame.parent,)
        place = self.place(v, frame)
        return (self.store[v.name], place) if place else self.store[v.name]


def interpret(program: Program, batch: Batch, given: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of all values but blocks after one run, in storage layout with every slot stored.

    ``given`` has the array of every param and input by name; inputs with all their slots, the batch sorted as
    ``batch`` says. Slots that were never written hold NaN, or ``POISON`` for symbols.
    """
    with np.errstate(all="ignore"):
        return Interpreter(program, batch, given).run()

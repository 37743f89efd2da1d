"""The checker of loop programs: run after every pass in tests, and when ``BPTT_CHECK=1``.

It proves what printers rely on: every value is defined once and before it is read; shapes, kinds, columns and
axes fit; the slots that lags read exist, are filled, and are still held by a ring or a chunk.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from ..graph.expr import sort_axes
from ..graph.ops.table import load_entries
from .listing import expression, statement_lines, sum_line
from .loop import (
    Apply,
    Chunks,
    Expr,
    Fill,
    Here,
    Keep,
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
    walk,
)
from .reading import LoopError as LoopError
from .reading import Place, Reading, Stand

ROLES = {"param": "", "input": "t s b", "static": "b", "signal": "t s b", "block": "t s b"}
SUMS = ("contract", "reduce", "scatter", "at", "amax")


def check(program: Program) -> Program:
    """The program itself, when it is one. Raises LoopError, naming value, statement and equation."""
    _Checker(program).run()
    return program


def checked(program: Program) -> Program:
    """``check`` when it is asked for."""
    return check(program) if asked() else program


def asked() -> bool:
    """Whether the environment says ``BPTT_CHECK=1``."""
    return os.environ.get("BPTT_CHECK", "") not in ("", "0")


class _Checker(Reading):
    """Goes through a program in order."""

    def run(self) -> None:
        for name, v in self.values.items():
            self.value(name, v)
        for name, pack in self.program.packs.items():
            self.pack(name, pack)
        for stage in self.program.stages:
            self.stage(stage)
        self.where = ""
        for public, name in self.program.results.items():
            if name not in self.values:
                self.fail(f"the result {public} is no value: {name}")
            v = self.values[name]
            if name not in self.complete or v.role == "block" or v.keep.kind != "all":
                self.fail(f"the result {public} is {name}, which is not there, whole, at the end", name)

    # ---- declarations --------------------------------------------------------------------------
    def value(self, name: str, v: Value) -> None:
        if name != v.name or v.role not in ROLES or v.dtype not in ("f", "i", "b"):
            self.fail(f"value {name}: a name, a role or a kind that is none: {v}")
        if v.axes != sort_axes(v.axes) or not set(v.axes) <= set(ROLES[v.role].split()):
            self.fail(f"value {name}: a {v.role} has no axes {v.axes}", name)
        if any(n < 1 for n in v.shape) or v.lead < 0 or v.trail < 0:
            self.fail(
                f"value {name}: sizes below one: {v.shape}, {v.lead} slots before, {v.trail} after", name
            )
        if (v.lead or v.trail) and (v.role not in ("input", "signal") or v.time is None):
            self.fail(f"value {name}: a {v.role} over {v.axes} has no slots before or after", name)
        if v.keep.kind not in ("all", "ring", "chunk", "every") or (
            v.keep.kind != "all" and (v.keep.n < 1 or v.role != "signal")
        ):
            self.fail(f"value {name}: keeping {v.keep} is none of all, ring(n), chunk(n) of a signal", name)
        if v.role == "signal" and v.time is None:
            self.fail(f"value {name}: a signal varies over time, {v.axes} does not; make it static", name)

    def pack(self, name: str, pack: Pack) -> None:
        self.where = f"pack {name}"
        if name in self.values or name != pack.name:
            self.fail(f"two things are called {name}, or a pack has two names")
        for block in pack.blocks:
            v = self.values.get(block.value)
            if (
                v is None
                or v.axes
                or v.role not in ("param", "static")
                or v.dtype != "f"
                or len(v.shape) not in (1, 2)
            ):
                self.fail(
                    f"a pack holds matrices of params and statics without axes, not {block.value}",
                    block.value,
                )
                continue
            rows, columns = v.shape if len(v.shape) == 2 else (1, *v.shape)
            if not (
                0 <= block.rows[0] < block.rows[1] <= rows
                and 0 <= block.columns[0] < block.columns[1] <= columns
            ):
                self.fail(
                    f"no block {block.rows} × {block.columns} in {block.value} of {v.shape}", block.value
                )
            if block.size[1] != pack.blocks[0].size[1]:
                self.fail(
                    f"blocks of {block.size[1]} and {pack.blocks[0].size[1]} columns in one pack", block.value
                )
        if not pack.blocks:
            self.fail("an empty pack")
        self.where = ""

    # ---- stages --------------------------------------------------------------------------------
    def stage(self, stage: Rows | Chunks) -> None:
        chunks = stage if isinstance(stage, Chunks) else None
        stages = stage.stages if isinstance(stage, Chunks) else (stage,)
        if chunks and (
            chunks.axis not in ("t", "s") or chunks.order not in ("up", "down") or chunks.size < 1
        ):
            self.fail(f"chunks over {chunks.axis} {chunks.order}, {chunks.size} steps at a time")
        places = []
        for rows in stages:
            self.where = f"stage {self.number + 1}"
            if (
                rows.axis not in ("t", "s", None)
                or rows.order not in ("up", "down", "free")
                or rows.chunk < 1
            ):
                self.fail(f"rows over {rows.axis} {rows.order}, {rows.chunk} steps at a time")
            if chunks and rows.axis != chunks.axis:
                self.fail(f"a stage over {rows.axis} in chunks over {chunks.axis}")
            if rows.order != "free" and (rows.axis is None or rows.chunk != 1):
                self.fail("a loop goes along an axis, one step at a time; other stages are free")
            axes = sort_axes([a for a in (rows.axis, "b" if rows.batch else None) if a])
            places.append(Place(rows, self.number, chunks, axes))
            self.number += 1
        if chunks:
            self.checkpoints(chunks, places)
        self.writers = {n: p for p in places for item in walk(p.stage.body) for n in self.targets(item)}
        for place in places:
            self.body(place.stage.body, place)
            for item in place.stage.sums:
                self.sum(item, place)
        for place in places:
            for made in walk(place.stage.body, place.stage.sums):
                self.complete.update(n for n in self.targets(made) if self.values[n].role != "block")
                if isinstance(made, Over):
                    self.complete.update(s.dst for s in made.sums if self.values[s.dst].role != "block")
            for name in [n for n, p in self.defined.items() if p and self.values[n].role == "block"]:
                self.defined[name] = Place(place.stage, -1, None, ())  # its body is over
        self.writers = {}

    def targets(self, item: Statement | Sum) -> list[str]:
        if isinstance(item, Map):
            return [n for n, _ in item.lets if n in self.values]
        if isinstance(item, Product):
            return [n for n in item.dsts if n in self.values]
        return [item.dst] if isinstance(item, RowOp | Sum) and item.dst in self.values else []

    def checkpoints(self, chunks: Chunks, places: Sequence[Place]) -> None:
        """What is restored is computed once more in these chunks: it is not there as a whole any longer, unless all of
        it was kept, and the same is written again."""
        for signal, store in (*chunks.save, *chunks.restore):
            kept = self.values[store].keep if store in self.values else None
            if signal not in self.values or kept != Keep("every", chunks.size):
                self.fail(
                    f"{store} keeps no checkpoints of {signal} before every {chunks.size} steps", signal
                )
        if chunks.restore:
            for p in places:
                for name in (n for item in walk(p.stage.body) for n in self.targets(item)):
                    if name in self.complete and self.values[name].keep.kind == "all":
                        self.again.add(name)
                    self.defined.pop(name, None)
                    self.complete.discard(name)

    def body(self, body: Sequence[Statement], place: Place) -> None:
        for statement in body:
            if isinstance(statement, Over):
                self.over(statement, place)
                continue
            self.where = " ".join(line.strip() for line in statement_lines(self.program, statement))
            if isinstance(statement, Map):
                self.map(statement, place)
            elif isinstance(statement, Product):
                self.product(statement, place)
            elif isinstance(statement, RowOp):
                self.row_op(statement, place)
            elif isinstance(statement, Fill):
                self.fill(statement, place)
            elif isinstance(statement, Sum):
                self.sum_of_step(statement, place)

    def over(self, statement: Over, place: Place) -> None:
        if statement.axis not in ("t", "s") or statement.axis in place.axes:
            self.fail(f"over {statement.axis} inside rows of {place.axes}")
        inner = Place(place.stage, place.number, place.chunks, sort_axes((*place.axes, statement.axis)))
        self.body(statement.body, inner)
        for item in statement.sums:
            self.sum(item, inner, place)
        for inside in walk(statement.body):
            for name in self.targets(inside):
                if self.values[name].role == "block":
                    self.defined[name] = Place(place.stage, -1, None, ())

    # ---- statements ----------------------------------------------------------------------------
    def map(self, statement: Map, place: Place) -> None:
        lets: dict[str, str] = {}
        for name, e in statement.lets:
            if name in lets:
                self.fail(f"the let {name} stands twice")
            lets[name] = self.kind(e, statement.shape, lets, place)
        for name, kind in lets.items():
            if name in self.values:
                self.define(name, place, statement.shape, kind)

    def product(self, statement: Product, place: Place) -> None:
        rows = 0
        for name in statement.dsts:
            self.known(name)
            if len(self.values[name].shape) != 1:
                self.fail(f"a product gives vectors, {name} has the shape {self.values[name].shape}", name)
            rows += self.values[name].shape[0]
        for part in statement.parts:
            pack = self.program.packs.get(part.pack)
            if pack is None:
                self.fail(f"there is no pack {part.pack}")
                continue
            operand = self.load(part.operand, place)
            size = (sum(b.size[0] for b in pack.blocks), pack.blocks[0].size[1])
            if operand.shape != size[1:] or operand.dtype != "f" or size[0] != rows:
                self.fail(
                    f"{part.pack} is {size[0]} × {size[1]}: it takes {size[1]} numbers, not {operand.shape}, "
                    f"and gives {size[0]}, not the {rows} of {', '.join(statement.dsts)}",
                    part.operand.value,
                    *statement.dsts,
                )
            for block in pack.blocks:
                if block.value not in self.complete:
                    self.fail(f"{part.pack} holds {block.value}, which is not complete yet", block.value)
        if not statement.parts or not statement.dsts:
            self.fail("a product of nothing")
        for name in statement.dsts:
            self.define(name, place, self.values[name].shape, "f")

    def row_op(self, statement: RowOp, place: Place) -> None:
        self.known(statement.dst)
        args = [self.load(a, place) for a in statement.args]
        kind = self.type_of(statement.op, args, statement.attr)
        self.define(statement.dst, place, kind.shape, kind.dtype)

    def fill(self, fill: Fill, place: Place) -> None:
        self.known(fill.dst)
        v = self.values[fill.dst]
        if fill.axis != v.time or v.role not in ("input", "signal"):
            self.fail(f"{v.name} has no boundary values along {fill.axis}", v.name)
        inside = 1 <= fill.position <= v.trail if fill.end else 1 - v.lead <= fill.position <= 0
        if not inside:
            self.fail(
                f"{v.name} has {v.lead} slots before and {v.trail} after, none at {fill.position}", v.name
            )
        same_batch = ("b" in v.axes) == ("b" in place.axes)
        if fill.axis in place.axes or not set(place.axes) <= set(v.axes) or not same_batch:
            self.fail(
                f"the rows of the stage vary over {place.axes}, a boundary value of {v.name} does not", v.name
            )
        if (v.name, fill.end, fill.position) in self.filled:
            self.fail(f"the slot {fill.position} of {v.name} is filled twice", v.name)
        if fill.source is not None:
            # along a second axis there is a boundary value for every step
            axes = sort_axes({*place.axes, *v.axes} - {fill.axis})
            source = self.load(fill.source, replace(place, axes=axes))
            if (source.shape, source.dtype) != (v.shape, v.dtype):
                self.fail(
                    f"{v.name} is {v.shape} {v.dtype}, the value is {source.shape} {source.dtype}", v.name
                )
        self.filled.add((v.name, fill.end, fill.position))

    def sum_of_step(self, item: Sum, place: Place) -> None:
        """A sum over the sequences of each step, which every row gets."""
        self.known(item.dst)
        kind = self.summed(item, place)
        v = self.values[item.dst]
        if v.role != "block" or item.over != ("b",) or (*v.axes, "b") != place.axes:
            self.fail(
                f"{v.name} over {v.axes} is no sum over the sequences of each step of rows over {place.axes}", v.name
            )
        self.define(item.dst, place, kind.shape, kind.dtype)

    def summed(self, item: Sum, place: Place) -> Stand:
        """What a sum over these rows is."""
        if item.op not in SUMS:
            self.fail(f"{item.op} is no sum over rows; these are: {', '.join(SUMS)}")
        loaded = [self.load(a, place) for a in item.args]
        return self.type_of(item.op, [Stand(place.axes, a.shape, a.dtype) for a in loaded], item.attr)

    def sum(self, item: Sum, place: Place, outer: Place | None = None) -> None:
        """``outer``: the rows around Over, where the sum stands in one."""
        self.where = sum_line(item)
        self.known(item.dst)
        kind = self.summed(item, place)
        v = self.values[item.dst]
        if not set(v.axes) <= set(place.axes) or set(v.axes) & set(item.over):
            self.fail(f"{v.name} over {v.axes} is no sum over {item.over} of rows over {place.axes}", v.name)
        if v.role == "block" and (outer is None or v.axes != outer.axes):
            self.fail(f"a sum into the block {v.name} needs an Over, with its rows around it", v.name)
        if v.role not in ("block", "static", "signal"):
            self.fail(f"a sum into a {v.role}", v.name)
        self.store(item.dst, outer or place, kind.shape, kind.dtype)
        if outer is None or (v.role != "block" and not set(outer.axes) <= set(v.axes)):
            # complete only after the stage: not for the statements that follow
            self.defined[item.dst] = Place(place.stage, -2, None, ())

    # ---- expressions ---------------------------------------------------------------------------
    def kind(self, e: Expr, shape: tuple[int, ...], lets: dict[str, str], place: Place) -> str:
        if isinstance(e, Load):
            operand = self.load(e, place)
            self.columns(e, operand.shape, shape, e.value)
            return operand.dtype
        if isinstance(e, Row):
            return self.row(e, shape, place)
        if isinstance(e, Let):
            if e.name not in lets:
                self.fail(f"{e.name} is not among the lets before")
            return lets[e.name]
        if isinstance(e, Apply):
            kinds = [Stand((), (), self.kind(a, shape, lets, place)) for a in e.args]
            if load_entries(e.op).scalar is None:
                self.fail(f"{e.op} is not pointwise: it is a RowOp")
            return self.type_of(e.op, kinds, e.attr).dtype
        if isinstance(e, Step | Here) and e.axis not in place.axes:
            self.fail(f"the step of {e.axis} in rows over {place.axes}")
        if isinstance(e, Random) and not set(e.axes) <= set(place.axes):
            self.fail(f"random numbers over {e.axes} in rows over {place.axes}")
        if isinstance(e, Length) and "b" not in place.axes:
            self.fail(f"the length of {e.axis} in rows that are no sequences")
        if isinstance(e, Number):
            return e.dtype
        return "b" if isinstance(e, Here) else "f"

    def columns(self, e: Load | Row, features: tuple[int, ...], shape: tuple[int, ...], name: str) -> None:
        """What an operand has left of its features lies along those of the map that it says."""
        sizes = [shape[c] if 0 <= c < len(shape) else None for c in e.columns]
        if sizes != list(features) or len(set(e.columns)) != len(e.columns):
            self.fail(f"{expression(e)} of {features} in columns {e.columns} of a map over {shape}", name)

    def row(self, e: Row, shape: tuple[int, ...], place: Place) -> str:
        """A row of a table that is the same for all rows of the stage."""
        symbols = [self.load(x, place) for x in e.symbols]
        table = self.load(Load(e.table), place)
        if not symbols or any((x.shape, x.dtype) != ((), "i") for x in symbols):
            self.fail(f"{expression(e)}: what names a row is one symbol", *(x.value for x in e.symbols))
        if self.values[e.table].axes or len(table.shape) < len(symbols):
            self.fail(f"{e.table} over {self.values[e.table].axes} of {table.shape} is no table of rows", e.table)
        self.columns(e, table.shape[len(symbols) :], shape, e.table)
        return table.dtype

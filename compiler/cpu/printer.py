"""One pass as one kernel: Python for Numba, with the user's names and equations in it.

A kernel goes through the steps of its axis; each statement is a loop over the rows of its thread that run, or, for
products, a call. Sizes of features are literals, lengths and batch size are read from the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..frames import complete_with_over
from ..listing import fill_line, statement_lines, sum_line
from ..loop import (
    Chunks,
    Fill,
    Map,
    Over,
    Product,
    RowOp,
    Rows,
    Statement,
    Sum,
    Value,
    stores,
)
from .calls import CallPrinter, Panels, gradients
from .expressions import Expressions
from .fused import Fused, Tiles
from .layout import Layout
from .matrices import MatrixPrinter
from .names import FUNCTIONS, INDICES, LISTS, MEMORY, SIZES
from .parallel import ALL, SPLIT, TOGETHER, Pass, mode
from .rows import RowPrinter, Scored, with_scored
from .scope import UNITS, Reader, Scope, features
from .split import SplitPrinter
from .tiling import TilePrinter, flat_group
from .vectors import VectorExpressions, is_vectorisable
from .writer import Writer

TYPES = {"f": "number", "i": "int64", "b": "boolean"}


@dataclass(frozen=True)
class Kernel:
    """One printed function, how threads share it (see ``parallel``), and the stages that it computes."""

    name: str
    mode: int
    text: str
    stages: tuple[Rows, ...] = ()
    comment: str = ""

    @property
    def fills_panels(self) -> bool:
        """Whether it fills panels, and nothing else."""
        return self.mode == SPLIT and not self.stages


class PassPrinter:
    """Prints one pass as one function."""

    def __init__(self, layout: Layout, panels: Panels, tiles: Tiles, name: str) -> None:
        self.program, self.names, self.panels, self.layout = layout.program, layout.names, panels, layout
        self.name = name
        self.w = Writer()
        self.reader = Reader(layout, self.w)
        self.locals: dict[str, str] = {}
        self.known = tiles
        self.size = ""  # steps of a chunk, where the kernel goes through one

    # ---- whole functions -----------------------------------------------------------------------
    def kernel(self, part: Pass, size: str = "", order: str = "") -> Kernel:
        """The function of a pass. ``size``: its steps are so many from ``lo`` to ``hi`` at most, not all, and the next
        ones come after them ("up") or before ("down")."""
        looped = bool(size)
        self.size = size or (str(part.chunks.size) if part.chunks else "")
        lo, end = ("lo", "hi + 1") if looped else ("1", "")
        self.reader.shared = part.mode == TOGETHER
        if not looped and part.mode not in (SPLIT, TOGETHER):
            for rows in part.stages:
                self.zero(rows)
        if part.chunks is not None:
            with self.pieces(part.chunks):
                for rows in part.stages:
                    self.rows(rows, "lo", "hi + 1")
        else:
            (rows,) = part.stages
            if not looped and rows.axis:
                end = f"{self.w.use(rows.axis.upper())} + 1"
            if part.mode == SPLIT:
                SplitPrinter(self).stage(rows, lo, end, size, order)
            else:
                self.rows(rows, lo, end)
        whys = [part.chunks.why if part.chunks else part.stages[0].why]
        return self._kernel(part.mode, [w for w in whys if w], part.stages)

    def beginning(self, stages: Sequence[Rows]) -> Kernel | None:
        """What sums of the stages start from."""
        for rows in stages:
            self.zero(rows)
        return self._kernel(ALL, ["sums start here"]) if self.w.lines else None

    def packing(self, first: int, last: int) -> Kernel:
        """Panels filled from what they hold."""
        count, threads = last - first, self.w.use("threads")
        part = [f"{first} + {count} * {n} // {threads}" for n in ("thread", "(thread + 1)")]
        copies, panels = self.w.use("copies"), self.w.use("panels")
        self.w.line(f"call_pack({self.w.use('pack')}, {', '.join(part)}, {copies}, table_address, {panels})")
        return self._kernel(SPLIT, [f"{count} columns of panels"])

    def saving(self, chunks: Chunks) -> Kernel | None:
        """What is kept, or put back, before each chunk."""
        self.checkpoints(chunks)
        return self._kernel(ALL, ["states before the chunk"]) if self.w.lines else None

    def _kernel(self, mode: int, comments: Sequence[str], stages: Sequence[Rows] = ()) -> Kernel:
        lines = ["@entry", f"def {self.name}(table_address, who, thread, lo, hi):"]
        lines += [f"    # {' '.join(c.split())}" for c in comments]
        prologue = self._prologue()
        if prologue:
            lines += [f"    table = view(table_address, ({len(SIZES)},), int64)", *prologue]
        return Kernel(self.name, mode, "\n".join([*lines, *self.w.lines]) + "\n", tuple(stages), "; ".join(comments))

    def _prologue(self) -> list[str]:
        """What the body uses, taken from the table."""
        if self.reader.shares:
            self.w.use("threads")
        used, at = set(self.w.used), self.layout.at
        values = {self.names[n]: v for n, v in self.program.values.items() if self.names[n] in used}
        self.layout.used.update(v.name for v in values.values())
        for v in values.values():
            used |= {n for n in ("T", "S", "B", "room") if n in re.findall(r"\w+", self.layout.shape_text(v))}
        lines = [f"    {n} = table[{at(n)}]" for n in SIZES if n in used]
        more = sorted(n for n in used if n.startswith("count_") or n in FUNCTIONS or n in MEMORY)
        lines += [f"    {n} = table[{at(n)}]" for n in more]
        lines += [f"    {n} = view(table[{at(n)}], (table[{at('B')}],), int64)" for n in INDICES if n in used]
        for j, n in enumerate(LISTS):
            if n in used:
                size = f"table[{at('T' if n.endswith('t') else 'S')}] + 2" if j % 2 == 0 else f"table[{at('B')}]"
                lines.append(f"    {n} = view(table[table[{at('lists')}] + 4 * who + {j}], ({size},), int64)")
        for n, v in values.items():
            place = f"table[{at(n)}]"
            if v.role == "block" and v.name in self.layout.inner:
                own = "thread" if self.reader.shared else "who"
                place += f" + {own} * {self.layout.inner_bytes(v)}"
            lines.append(f"    {n} = view({place}, {self.layout.shape_text(v)}, {TYPES[v.dtype]})")
        for count in sorted(self.reader.shares):
            for name, k in zip(self.reader.share(count), ("thread", "(thread + 1)"), strict=True):
                lines.append(f"    {name} = {count} * {k} // threads")
        return lines

    @contextmanager
    def pieces(self, chunks: Chunks) -> Iterator[None]:
        end, size = self.w.use(chunks.axis.upper()), chunks.size
        # chunks begin at the same steps, whichever way they are run
        first = f"({end} - 1) // {size} * {size} + 1"
        head = f"range(1, {end} + 1, {size})" if chunks.order == "up" else f"range({first}, 0, -{size})"
        with self.w.block(f"for lo in {head}:"):
            self.w.line(f"hi = min(lo + {size - 1}, {end})")
            self.checkpoints(chunks)
            yield

    def checkpoints(self, chunks: Chunks) -> None:
        """The slots before the chunk: saved, or put back, for the rows of the thread."""
        for signal, store in (*chunks.save, *chunks.restore):
            v = self.program.values[signal]
            state, kept = self.reader.array(v), self.reader.array(self.program.values[store])
            wide = self.layout.features(v)
            rows, units = ["row"] if "b" in v.axes else [], UNITS[: len(wide)]
            there, here = ("".join(f", {i}" for i in (*rows, *u)) for u in (units, self.reader.inside(v, units)))
            with self.reader.loop(Scope((), chunks.axis, "b" in v.axes)):
                for k in range(v.lead):
                    slot = self.reader.slot(v, chunks.axis, "lo", k - v.lead)
                    pair = [f"{kept}[(lo - 1) // {chunks.size} * {v.lead} + {k}{there}]", f"{state}[{slot}{here}]"]
                    into, source = pair if (signal, store) in chunks.save else reversed(pair)
                    with self.w.blocks(*features(wide)):  # not a copy of slices, for which Numba may allocate
                        self.w.line(f"{into} = {source}")

    # ---- stages --------------------------------------------------------------------------------
    def zero(self, stage: Rows) -> None:
        """Sums that are complete after the stage start here, those of each row for the rows of the thread.

        Weight gradients start with their first chunk: see ``SplitPrinter``.
        """
        inner = [s for x in stage.body if isinstance(x, Over) for s in x.sums]
        sums: Sequence[Sum] = stage.sums
        if mode(stage, self.program) == SPLIT:
            _, sums = gradients(sums, self.program, self.layout.inner)
        for item in (*sums, *inner):
            v = self.program.values[item.dst]
            if item not in stage.sums and complete_with_over(v, stage):
                continue
            if v.role != "block" and "b" in v.axes:
                index = [":"] * v.axes.index("b") + ["row"]  # no sum is in a stack
                with self.reader.loop(Scope((), stage.axis, True)):
                    if v.axes == ("b",):  # in plain loops: an assignment to a slice takes long to compile
                        with self.w.blocks(*features(v.shape)):
                            place = ", ".join([*index, *UNITS[: len(v.shape)]])
                            self.w.line(f"{self.reader.array(v)}[{place}] = {neutral(item)}")
                    else:
                        self.w.line(f"{self.reader.array(v)}[{', '.join([*index, '...'])}] = {neutral(item)}")
            else:
                self.w.line(f"{self.reader.array(v)}[...] = {neutral(item)}")

    def rows(self, stage: Rows, lo: str, end: str) -> None:
        """All steps of a stage from ``lo`` to before ``end``."""
        scope = Scope((stage.axis,) if stage.axis else (), stage.axis, stage.batch)
        if stage.axis is None:
            self.body(stage.body, stage.sums, scope, stage)
            return
        group = flat_group(self, stage) if lo == "lo" else None
        if group is not None:
            TilePrinter(self).flat(stage, group, scope)
            return
        with self.each_step(stage, lo, end):
            self.body(stage.body, stage.sums, scope, stage)

    @contextmanager
    def each_step(self, stage: Rows, lo: str, end: str) -> Iterator[None]:
        """The loop over the steps of a stage, with what is worked out once a step."""
        t = stage.axis or "t"
        steps = f"range({end.removesuffix(' + 1')}, {'0' if lo == '1' else lo + ' - 1'}, -1)"
        with self.w.block(f"for {t} in {steps if stage.order == 'down' else f'range({lo}, {end})'}:"):
            if stage.batch:
                self.w.line(f"rows = {self.reader.running(t)}[{t}]")
            at, outer = len(self.w.lines), self.reader.places
            self.reader.places = {}
            yield
            self.w.insert(at, [f"{name} = {text}" for name, text in self.reader.places.items()])
            self.reader.places = outer

    def body(self, body: Sequence[Statement], sums: Sequence[Sum], scope: Scope, stage: Rows) -> None:
        together = self.known.groups(body) if scope.batch and not scope.single else body
        for statement in with_scored(tuple(together)):
            if isinstance(statement, Fused):
                TilePrinter(self).lines(statement, scope)
            elif isinstance(statement, Scored):
                self.w.comment("; ".join((*self.listed(statement.loss), *self.listed(statement.softmax))))
                with self.reader.loop(scope):
                    RowPrinter(self.reader, scope).scored(statement)
            else:
                self.statement(statement, scope, stage)
            self.wait(scope)
        for item in sums:
            self.sum(item, scope)
        if sums:
            self.wait(scope)

    def wait(self, scope: Scope) -> None:
        """Threads that share each statement go on when all have computed their part of one."""
        if self.reader.shared and not scope.single:
            self.w.line(f"meet({self.w.use('barrier')}, {self.w.use('threads')}, {self.w.use('give_way')})")

    def statement(self, statement: Statement, scope: Scope, stage: Rows) -> None:
        if isinstance(statement, Over):
            self.over(statement, scope, stage)
            return
        if not isinstance(statement, Map):
            text = fill_line(statement) if isinstance(statement, Fill) else "; ".join(self.listed(statement))
            self.w.comment(text)
        if isinstance(statement, Map):
            self.map(statement, scope)
        elif isinstance(statement, Product):
            self.product(statement, scope)
        elif isinstance(statement, RowOp):
            written = {name for item in stage.body for name in stores(item)}
            if MatrixPrinter(self.reader, self.panels, scope, written).product(statement):
                return
            with self.reader.loop(scope):
                RowPrinter(self.reader, scope).row_op(statement)
        elif isinstance(statement, Sum):
            self.sum_of_step(statement, scope)
        elif isinstance(statement, Fill):
            self.fill(statement, scope)

    def listed(self, statement: Statement) -> list[str]:
        """The statement as the listing has it, and the equations of what it computes."""
        dsts = statement.dsts if isinstance(statement, Product) else ()
        dst = (statement.dst,) if isinstance(statement, RowOp) else ()
        notes = [
            v.note for v in (self.program.values[n] for n in (*dsts, *dst)) if v.note and v.note != v.name
        ]
        return [*(line.strip() for line in statement_lines(self.program, statement)), *notes]

    # ---- statements ----------------------------------------------------------------------------
    def map(self, statement: Map, scope: Scope) -> None:
        units = UNITS[: len(statement.shape)]
        names = {name: self.local(name, scope) for name, _ in statement.lets}
        vectors = is_vectorisable(statement, self.program)
        kind = VectorExpressions if vectors else Expressions
        expressions = kind(self.reader, scope, statement.shape, units, names)
        with self.reader.loop(scope, whole=expressions.is_shared):
            expressions.begin(statement)
            with self.w.blocks(*expressions.loops()):
                self.lets(statement, expressions)

    def lets(self, statement: Map, expressions: Expressions) -> None:
        """What a map computes at one unit, or the lanes from one on."""
        stored = []
        for name, e in statement.lets:
            v = self.program.values.get(name)
            comment = "" if v is None or v.note in ("", name) else f"  # {' '.join(v.note.split())}"
            self.w.line(f"{expressions.lets[name]} = {expressions.text(e)}{comment}")
            if v is not None and not self.reader.is_local(v):
                stored.append(expressions.store(name))
        for line in stored:  # after all that is read, so that no load waits for a store
            self.w.line(line)

    def local(self, name: str, scope: Scope) -> str:
        """The variable that holds a let at one row and unit."""
        v = self.program.values.get(name)
        if v is not None and self.reader.is_local(v):
            return self.names[name]
        if name not in self.locals:
            self.locals[name] = self.names.fresh(
                f"{name}_{''.join(scope.axes)}" if scope.axes else f"{name}_"
            )
        return self.locals[name]

    def product(self, statement: Product, scope: Scope) -> None:
        CallPrinter(self.reader, self.panels, scope).product(statement)

    def over(self, statement: Over, outer: Scope, stage: Rows) -> None:
        axis = statement.axis
        self.w.comment(f"for each row, all steps of {axis}")
        inner = Scope((*outer.axes, axis), outer.axis, outer.batch, single=True)
        with self.reader.loop(outer):
            for item in statement.sums:
                v = self.program.values[item.dst]
                if complete_with_over(v, stage):
                    with self.w.blocks(*features(v.shape)):
                        self.w.line(
                            f"{self.reader.element(v.name, outer, UNITS[: len(v.shape)])} = {neutral(item)}"
                        )
            with self.w.block(f"for {axis} in range(1, {self.reader.length(axis, outer)} + 1):"):
                self.body(statement.body, (), inner, stage)
                for item in statement.sums:
                    self.w.comment(sum_line(item))
                    RowPrinter(self.reader, inner).sum(item)

    def fill(self, fill: Fill, scope: Scope) -> None:
        v = self.program.values[fill.dst]
        others = [a for a in v.axes if a not in ("b", fill.axis) and a not in scope.axes]
        with self.reader.loop(scope):
            step = self.reader.length(fill.axis, scope) if fill.end else "0"
            slot = (
                self.reader.slot(v, fill.axis, step, fill.position)
                if fill.end
                else self.constant_slot(v, fill)
            )
            self.w.line(f"slot = {slot}")  # once: a remainder takes longer than all else
            loops = [f"for {a} in range(1, {self.w.use(a.upper())} + 1):" for a in others]
            with self.w.blocks(*loops, *features(v.shape)):
                units = UNITS[: len(v.shape)]
                index = [
                    "slot" if a == fill.axis else i
                    for a, i in zip(v.axes, self.reader.index(v, scope), strict=True)
                ]
                source = "0" if fill.source is None else self.reader.element(fill.source, scope, units)
                self.w.line(f"{self.reader.array(v)}[{', '.join([*index, *self.reader.inside(v, units)])}] = {source}")

    def constant_slot(self, v: Value, fill: Fill) -> str:
        """The index of a slot before the start."""
        if v.keep.kind == "all":
            return str(v.lead - 1 + fill.position)
        modulus = self.layout.modulus(v)
        if modulus.isdigit():
            return str((fill.position - 1) % v.keep.n)
        self.w.use("room")
        return f"({fill.position - 1}) % {modulus}"

    def sum_of_step(self, item: Sum, scope: Scope) -> None:
        """A sum over the sequences of one step: gathered in the first row, then handed to all."""
        v = self.program.values[item.dst]
        units = UNITS[: len(v.shape)]
        self.w.line(f"first = {self.reader.order(scope)}[0]")
        total = self.reader.element(v.name, scope, units, "first")
        with self.w.blocks(*features(v.shape)):
            self.w.line(f"{total} = {neutral(item)}")
        with self.reader.loop(scope):
            RowPrinter(self.reader, scope).sum(item, "first")
        with self.reader.loop(scope), self.w.blocks(*features(v.shape)):
            self.w.line(f"{self.reader.element(v.name, scope, units)} = {total}")

    # ---- sums over rows ------------------------------------------------------------------------
    def sum(self, item: Sum, scope: Scope) -> None:
        self.w.comment(sum_line(item))
        v = self.program.values[item.dst]
        rows = RowPrinter(self.reader, scope)
        if item.op == "reduce" and not v.axes and not v.shape and scope.batch:
            # first over the rows of the step: small parts of a long sum stay exact
            self.w.line("total = number(0.0)")
            with self.reader.loop(scope):
                self.w.line(f"total += {self.reader.element(item.args[0], scope, ())}")
            self.w.line(f"{self.reader.element(item.dst, scope, ())} += total")
            return
        if item.op == "at" and item.attr == (scope.axis, True, 0) and scope.batch and not scope.single:
            # rows are sorted by their lengths: those that end here are the last that run
            t = scope.axis or "t"
            with self.reader.loop(scope, f"{self.reader.running(t)}[{t} + 1]"):
                rows.add(item)
            return
        with self.reader.loop(scope):
            rows.sum(item)


def neutral(item: Sum) -> str:
    """What a sum starts from."""
    return "-inf" if item.op == "amax" else "0"

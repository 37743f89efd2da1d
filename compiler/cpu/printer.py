"""One stage as one kernel: Python for Numba, with the user's names and equations in it.

A kernel goes through the steps of its axis; each statement is a loop over the rows that run, or, for
products, a call. Sizes of features are literals, lengths and batch size arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...graph.build import split_spec
from ..frames import complete_with_over
from ..listing import fill_line, statement_lines, sum_line
from ..loop import (
    Chunks,
    Fill,
    Map,
    Over,
    Product,
    Program,
    RowOp,
    Rows,
    Stage,
    Statement,
    Sum,
    Value,
)
from .expressions import Expressions
from .names import INDICES, NUMBERS, Names
from .rows import RowPrinter
from .scope import UNITS, Reader, Scope, features
from .writer import Writer


@dataclass(frozen=True)
class Kernel:
    """One printed function: its name and its arguments in order."""

    name: str
    arguments: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Panel:
    """Rows ``lo`` to ``hi`` of a pack, those of one destination; kernels read them transposed, [k, rows]."""

    pack: str
    lo: int
    hi: int


class StagePrinter:
    """Prints one stage as one function."""

    def __init__(
        self, program: Program, names: Names, panels: dict[Panel, str], number: int, stage: Stage
    ) -> None:
        self.program, self.names, self.panels, self.stage = program, names, panels, stage
        self.name = f"stage_{number}"
        self.w = Writer()
        self.reader = Reader(program, names, self.w)
        self.locals: dict[str, str] = {}

    def kernel(self) -> Kernel:
        """The function with the arguments that its body needs."""
        stages = self.stage.stages if isinstance(self.stage, Chunks) else (self.stage,)
        for rows in stages:
            self.zero(rows)
        if isinstance(self.stage, Chunks):
            with self.pieces(self.stage):
                for rows in stages:
                    self.rows(rows, "lo", "hi + 1")
        else:
            axis = self.stage.axis
            self.rows(self.stage, "1", f"{self.w.use(axis.upper())} + 1" if axis else "")
        counts = sorted(n for n in self.w.used if n.startswith("count_"))
        arrays = [*(self.names[n] for n in self.program.values), *self.panels.values()]
        known = [*NUMBERS, *counts, *INDICES, *arrays]
        arguments = tuple(n for n in known if n in self.w.used)
        head = self._head(arguments)
        return Kernel(self.name, arguments, "\n".join([*head, *self.w.lines]) + "\n")

    def _head(self, arguments: Sequence[str]) -> list[str]:
        lines, line = ["@kernel"], f"def {self.name}("
        for a in arguments:
            if len(line) + len(a) > 100:
                lines.append(line.rstrip())
                line = "    "
            line += a + ", "
        lines.append(line.removesuffix(", ") + "):")
        if self.stage.why:
            lines.append(f"    # {' '.join(self.stage.why.split())}")
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
        """The slots before the chunk: saved, or put back."""
        for signal, store in (*chunks.save, *chunks.restore):
            v = self.program.values[signal]
            state, kept = self.reader.array(v), self.reader.array(self.program.values[store])
            for k in range(v.lead):
                slot = self.reader.slot(v, chunks.axis, "lo", k - v.lead)
                pair = [f"{kept}[(lo - 1) // {chunks.size} * {v.lead} + {k}]", f"{state}[{slot}]"]
                self.w.line(" = ".join(pair if (signal, store) in chunks.save else reversed(pair)))

    # ---- stages --------------------------------------------------------------------------------
    def zero(self, stage: Rows) -> None:
        """Sums that are complete after the stage start here."""
        inner = [s for x in stage.body if isinstance(x, Over) for s in x.sums]
        for item in (*stage.sums, *inner):
            v = self.program.values[item.dst]
            if item in stage.sums or not complete_with_over(v, stage):
                self.w.line(
                    f"{self.reader.array(v)}[{'...' if v.axes or v.shape else '()'}] = {neutral(item)}"
                )

    def rows(self, stage: Rows, lo: str, end: str) -> None:
        """All steps of a stage from ``lo`` to before ``end``."""
        scope = Scope((stage.axis,) if stage.axis else (), stage.axis, stage.batch)
        if stage.axis is None:
            self.body(stage.body, stage.sums, scope, stage)
            return
        t = stage.axis
        steps = f"range({end.removesuffix(' + 1')}, {'0' if lo == '1' else lo + ' - 1'}, -1)"
        with self.w.block(f"for {t} in {steps if stage.order == 'down' else f'range({lo}, {end})'}:"):
            if stage.batch:
                self.w.line(f"rows = {self.reader.running(t)}[{t}]")
            at = len(self.w.lines)
            self.reader.places = {}
            self.body(stage.body, stage.sums, scope, stage)
            self.w.insert(at, [f"{name} = {text}" for name, text in self.reader.places.items()])

    def body(self, body: Sequence[Statement], sums: Sequence[Sum], scope: Scope, stage: Rows) -> None:
        for statement in body:
            self.statement(statement, scope, stage)
        for item in sums:
            self.sum(item, scope)

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
        expressions = Expressions(self.reader, scope, statement.shape, units, names)
        with self.reader.loop(scope), self.w.blocks(*features(statement.shape)):
            stored = []
            for name, e in statement.lets:
                v = self.program.values.get(name)
                comment = "" if v is None or v.note in ("", name) else f"  # {' '.join(v.note.split())}"
                self.w.line(f"{names[name]} = {expressions.text(e)}{comment}")
                if v is not None and not self.reader.is_local(v):
                    stored.append(f"{self.reader.element(name, scope, units)} = {names[name]}")
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
        lo = 0
        for name in statement.dsts:
            hi = lo + self.program.values[name].shape[0]
            for i, part in enumerate(statement.parts):
                call = "add_product" if i else "multiply"
                w = self.w.use(self.panel(Panel(part.pack, lo, hi)))
                x, out = self.reader.block(part.operand, scope), self.reader.block(name, scope)
                if x is not None and out is not None:
                    rows = f"{self.reader.order(scope)}, {self.reader.rows(scope)}"
                    self.w.line(f"{call}({rows}, {x}, {w}, {out})")
                    continue
                with self.reader.loop(scope):
                    x, out = self.reader.view(part.operand, scope), self.reader.view(name, scope)
                    self.w.line(f"{call}_row({x}, {w}, {out})")
            lo = hi

    def panel(self, panel: Panel) -> str:
        """Its identifier: the parameter's, where the panel is all of it."""
        if panel not in self.panels:
            lo, name = 0, panel.pack
            for block in self.program.packs[panel.pack].blocks:
                if (lo, lo + block.size[0]) == (panel.lo, panel.hi):
                    name = block.value + ("" if block.transposed else "_T")
                lo += block.size[0]
            self.panels[panel] = self.names.fresh(name)
        return self.panels[panel]

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
                else str(constant_slot(v, fill))
            )
            loops = [f"for {a} in range(1, {self.w.use(a.upper())} + 1):" for a in others]
            with self.w.blocks(*loops, *features(v.shape)):
                units = UNITS[: len(v.shape)]
                index = [
                    slot if a == fill.axis else i
                    for a, i in zip(v.axes, self.reader.index(v, scope), strict=True)
                ]
                source = "0" if fill.source is None else self.reader.element(fill.source, scope, units)
                self.w.line(f"{self.reader.array(v)}[{', '.join([*index, *units])}] = {source}")

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
        if item.op == "contract" and not v.axes and self.outer(item, scope):
            return
        if item.op == "reduce" and not v.axes and not v.shape and scope.batch:
            # first over the rows of the step: small parts of a long sum stay exact
            self.w.line("total = number(0.0)")
            with self.reader.loop(scope):
                self.w.line(f"total += {self.reader.element(item.args[0], scope, ())}")
            self.w.line(f"{self.reader.element(item.dst, scope, ())} += total")
            return
        with self.reader.loop(scope):
            rows.sum(item)

    def outer(self, item: Sum, scope: Scope) -> bool:
        """Whether the sum is one of outer products, and printed as such."""
        left, right, out = split_spec(item.attr[0])
        x, y = (self.reader.block(a, scope) for a in item.args)
        if x is None or y is None or len(left) != 1 or len(right) != 1 or left == right:
            return False
        if out == right + left:
            x, y = y, x
        elif out != left + right:
            return False
        target = self.reader.array(self.program.values[item.dst])
        self.w.line(f"add_outer({self.reader.order(scope)}, {self.reader.rows(scope)}, {x}, {y}, {target})")
        return True


def neutral(item: Sum) -> str:
    """What a sum starts from."""
    return "-inf" if item.op == "amax" else "0"


def constant_slot(v: Value, fill: Fill) -> int:
    """The index of a slot before the start."""
    slot = v.lead - 1 + fill.position
    return slot if v.keep.kind == "all" else (fill.position - 1) % v.keep.n

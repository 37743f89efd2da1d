"""The loop program: what CPU and CUDA printers print, and what the NumPy interpreter runs.

A body works on a block of rows. In a loop over t the block is one step with the sequences still running
(sorted by length, so that they are the first n(t)); in a free stage it is a chunk of steps; without a time
axis it is the batch, or one row. A body does not know how its rows are enumerated: there are no masks and no
work on padding, and both kinds of stage are written in one language.

    Program   (name, dtype, values, packs, stages, results)
    Value     (name, role, dtype, axes, shape, lead, trail, keep, note)
              role  param | input      the caller's arrays
                    static             one value, or one a sequence; also where sums over steps end
                    signal             kept over its time axes: slots 1-lead … N+trail a sequence
                    block              lives within one body
              keep  all | ring(n) | chunk(n)      which slots of a signal are stored at a time: for a ring and
                    for a chunk slot k lies at k mod n
                    every(n)             checkpoints: the ``lead`` slots before each chunk of n steps
    Pack      (name, blocks)           matrices stacked by rows: blocks of parameters or static values
    stage    := Rows(axis, order, chunk, body, sums, why) | Chunks(axis, order, size, stages, why, save, restore)
              axis  t | s | None       None: the rows are the batch, or one row where no value has a batch
              order up | down | free
    body     := statement*
    statement:= Map(shape, lets)       pointwise over rows × shape; a let whose name is a Value is stored
              | Product(dsts, parts)   [dst; dst; …] = Σ pack @ operand, a panel of packed rows
              | RowOp(dst, op, attr, args)         any other operation of the op table, row by row
              | Over(axis, body, sums)             for every row, all steps of a second axis
              | Sum(dst, op, attr, args, over=(b,))   over the sequences of each step; every row gets the sum
              | Fill(dst, axis, end, position, source)    the boundary value of a signal; None: zero
    sums     := Sum(dst, op, attr, args, over)     contract | reduce | scatter | at | amax over the rows
    expr     := Load(value, lags, columns) | Row(table, symbols, columns) | Let(name) | Number(value, dtype)
              | Step(axis) | Length(axis) | Count(axes) | Here(axis, end, position) | Random(key, p, axes)
              | Apply(op, attr, args)

``Load.lags`` are (axis, k): the slot k steps before (after, for k < 0) the row's own. ``columns`` are the
positions in the map's shape that index the operand's features: () for a number a row, (1,) for a vector along
the second axis of a matrix map, (1, 0) for a transposed matrix.
A ``Sum`` into a block or a signal that varies over the stage's axis is complete with the enclosing Over; one
into a static value, or into a signal over the other axis, is zero before its stage and complete after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Keep:
    """Which slots of a signal are stored: all, the last ``n`` (ring), one chunk of ``n``, or before every ``n``-th."""

    kind: str = "all"
    n: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "all" else f"{self.kind}({self.n})"


ALL = Keep()


@dataclass(frozen=True)
class Value:
    """One array of the program: who owns it, over what it varies, which slots it has."""

    name: str
    role: str
    dtype: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    lead: int = 0
    trail: int = 0
    keep: Keep = ALL
    note: str = ""

    @property
    def time(self) -> str | None:
        """The axis along which it has slots before and after: t, or s where it has no t."""
        return next((a for a in self.axes if a != "b"), None)


# ---- expressions of a Map ------------------------------------------------------------------------
@dataclass(frozen=True)
class Load:
    value: str
    lags: tuple[tuple[str, int], ...] = ()
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """What is left of a table without axes where symbols fix its first features; 0 where one names no row of it."""

    table: str
    symbols: tuple[Load, ...]
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Let:
    name: str


@dataclass(frozen=True)
class Number:
    value: float
    dtype: str = "f"


@dataclass(frozen=True)
class Step:
    """The absolute number of the row's step (``start`` is that of the first)."""

    axis: str


@dataclass(frozen=True)
class Length:
    axis: str


@dataclass(frozen=True)
class Count:
    """How many valid positions there are over the axes, in the whole batch."""

    axes: tuple[str, ...]


@dataclass(frozen=True)
class Here:
    """Whether the row is at a step: the one whose number is ``position`` (``end`` False), T + position of its own
    sequence (True), or the position-th of the call, counted from 1 whatever ``start`` is (None)."""

    axis: str
    end: bool | None
    position: int


@dataclass(frozen=True)
class Random:
    """0 or 1 from the counter (t, s, original row, unit), for those of the axes that are named."""

    key: tuple[str, int]
    p: float
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Apply:
    op: str
    attr: Any
    args: tuple[Expr, ...]


Expr = Load | Row | Let | Number | Step | Length | Count | Here | Random | Apply


# ---- statements ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Map:
    shape: tuple[int, ...]
    lets: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Block:
    """A matrix: a parameter or a static value, some of its rows and columns, perhaps transposed (after cutting)."""

    value: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    transposed: bool = False

    @property
    def size(self) -> tuple[int, int]:
        size = (self.rows[1] - self.rows[0], self.columns[1] - self.columns[0])
        return size[::-1] if self.transposed else size


@dataclass(frozen=True)
class Pack:
    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Part:
    """One product of a panel: the pack's rows are those of all destinations, its columns the operand's."""

    pack: str
    operand: Load


@dataclass(frozen=True)
class Product:
    dsts: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class RowOp:
    dst: str
    op: str
    attr: Any
    args: tuple[Load, ...]


@dataclass(frozen=True)
class Sum:
    dst: str
    op: str
    attr: Any
    args: tuple[Load, ...]
    over: tuple[str, ...]


@dataclass(frozen=True)
class Over:
    axis: str
    body: tuple[Statement, ...]
    sums: tuple[Sum, ...]


@dataclass(frozen=True)
class Fill:
    dst: str
    axis: str
    end: bool
    position: int
    source: Load | None


Statement = Map | Product | RowOp | Sum | Over | Fill


@dataclass(frozen=True)
class Rows:
    """One pass over the rows of an axis. ``batch``: whether its rows are those of sequences."""

    axis: str | None
    order: str
    chunk: int
    body: tuple[Statement, ...]
    sums: tuple[Sum, ...] = ()
    why: str = ""
    batch: bool = True


@dataclass(frozen=True)
class Chunks:
    """Stages run one after the other on ``size`` steps at a time, so that what they pass on stays in cache.

    save     (signal, its checkpoints): before each chunk, the slots that it looks back to are kept
    restore  before each chunk they are put back
    """

    axis: str
    order: str
    size: int
    stages: tuple[Rows, ...]
    why: str = ""
    save: tuple[tuple[str, str], ...] = ()
    restore: tuple[tuple[str, str], ...] = ()


Stage = Rows | Chunks


@dataclass(frozen=True)
class Program:
    """A whole loop program.

    dtype    that of its numbers
    results  public name -> value
    again    name in a pass -> the equation that this pass computes again instead of reading it
    """

    name: str
    dtype: str
    values: dict[str, Value]
    packs: dict[str, Pack]
    stages: tuple[Stage, ...]
    results: dict[str, str]
    again: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        from .listing import listing

        return listing(self)

    def __len__(self) -> int:
        """The number of statements and sums, nested ones included: it does not depend on any length."""
        return sum(1 for stage in self.rows() for _ in walk(stage.body, stage.sums))

    def rows(self) -> Iterator[Rows]:
        """Every pass over rows, those inside Chunks included."""
        for stage in self.stages:
            yield from stage.stages if isinstance(stage, Chunks) else (stage,)


def walk(body: Sequence[Statement], sums: Sequence[Sum] = ()) -> Iterator[Statement]:
    """All statements and sums of a body, those inside Over included."""
    for statement in body:
        yield statement
        if isinstance(statement, Over):
            yield from walk(statement.body, statement.sums)
    yield from sums


def loads(item: Statement | Expr) -> Iterator[Load]:
    """Every value that a statement, a sum or an expression reads, in order."""
    if isinstance(item, Load):
        yield item
    elif isinstance(item, Row):
        yield from (Load(item.table), *item.symbols)
    elif isinstance(item, Apply | RowOp | Sum):
        for a in item.args:
            yield from loads(a)
    elif isinstance(item, Map):
        for _, e in item.lets:
            yield from loads(e)
    elif isinstance(item, Product):
        for part in item.parts:
            yield part.operand
    elif isinstance(item, Over):
        for inner in walk(item.body, item.sums):
            yield from loads(inner)
    elif isinstance(item, Fill) and item.source is not None:
        yield item.source


def stores(item: Statement) -> tuple[str, ...]:
    """The names that a statement or a sum defines (for a Map also its local lets)."""
    if isinstance(item, Map):
        return tuple(name for name, _ in item.lets)
    if isinstance(item, Product):
        return item.dsts
    if isinstance(item, Over):
        return tuple(name for inner in walk(item.body, item.sums) for name in stores(inner))
    return (item.dst,)

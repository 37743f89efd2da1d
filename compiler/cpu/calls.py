"""Matrix products and weight gradients as calls of the library: which panels they need, and the lines that call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import numpy as np

from ...graph.build import split_spec
from ..loop import Block, Load, Product, Program, Sum, Value
from ..memory import Array
from .layout import SCRATCH, Layout
from .products.layout import FIELDS as COPY_FIELDS
from .products.layout import Layout as PanelLayout
from .products.layout import Part, Run, interleaved, side_by_side
from .products.library import LEAST_ROWS, outer_tiles, sets_for
from .products.outer import FIELDS
from .products.tiles import VECTORS
from .scope import Reader, Scope
from .vector.host import HOST

#: how the destinations of a product share panels: one after the other, or one vector of each
SIDE_BY_SIDE, INTERLEAVED = "side by side", "interleaved"
#: numbers in the panels of a product that is printed in the kernel for a batch of one row
ONE_ROW = 8192
#: operands of weight gradients, of each kind, in one call
MOST, MOST_TOGETHER = 64, 8


@dataclass
class Panels:
    """The panels of a program in one piece of memory, and the copies that fill them.

    places  (packs, destination or how all lie), or (a matrix by itself, how it lies) -> (layout, offset in numbers)
    copies  one row each, as the library's ``pack`` reads them
    """

    layout: Layout
    places: dict[tuple[tuple[str, ...], int | str], tuple[PanelLayout, int]] = field(default_factory=dict)
    copies: list[Array] = field(default_factory=list)
    numbers: int = 0

    @property
    def lines(self) -> int:
        """How many copies there are so far."""
        return sum(len(c) for c in self.copies)

    @property
    def program(self) -> Program:
        return self.layout.program

    def place(self, packs: Sequence[str], which: int | str) -> tuple[PanelLayout, int]:
        """The panels of one destination of packs, or of all, SIDE_BY_SIDE or INTERLEAVED; made where they are new.

        packs  their columns follow each other along the sum
        """
        key = (tuple(packs), which)
        if key not in self.places:
            blocks = [self.program.packs[p].blocks for p in packs]
            destinations = [which] if isinstance(which, int) else range(len(blocks[0]))
            parts = [[self._part(b[i]) for b in blocks] for i in destinations]
            self._enter(key, (interleaved if which == INTERLEAVED else side_by_side)(parts, self.layout.lanes))
        return self.places[key]

    def matrix(self, block: Block) -> tuple[PanelLayout, int]:
        """The panels of a matrix that is in no pack; made where they are new."""
        key = ((block.value,), "transposed" if block.transposed else "as it is")
        if key not in self.places:
            self._enter(key, side_by_side([[self._part(block)]], self.layout.lanes))
        return self.places[key]

    def _enter(self, key: tuple[tuple[str, ...], int | str], found: PanelLayout) -> None:
        table = found.table()
        table[:, COPY_FIELDS - 2] += self.numbers
        self.copies.append(table)
        self.places[key] = (found, self.numbers)
        self.numbers += found.numbers
        self.layout.panels = self.numbers

    def _part(self, block: Block) -> Part:
        v = self.program.values[block.value]
        (r0, r1), (c0, c1) = block.rows, block.columns
        row = self.layout.width(v)
        height, width = r1 - r0, c1 - c0
        terms, columns = (height, width) if block.transposed else (width, height)
        at = self.layout.at(self.layout.names[v.name])
        return Part(at, r0 * row + c0, row, terms, columns, not block.transposed)


@dataclass(frozen=True)
class _Terms:
    """What a product sums: so many terms, panels of so many vectors, the first one's address, and the next ones'."""

    count: int
    vectors: int | str
    panels: int | str
    first: str
    step: int
    sets: str


class CallPrinter:
    """Prints calls of the library for one scope. ``flat``: for the rows of all steps from ``lo`` to ``hi`` at once."""

    def __init__(self, reader: Reader, panels: Panels, scope: Scope, flat: bool = False) -> None:
        self.reader, self.panels, self.scope, self.flat = reader, panels, scope, flat
        self.w, self.layout = reader.writer, reader.layout

    # ---- products ------------------------------------------------------------------------------
    def parts(self, statement: Product) -> list[tuple[tuple[str, ...], Load]]:
        """Packs and operand of each call: operands that lie side by side are one."""
        loads = [part.operand for part in statement.parts]
        stack = self.layout.stack(self.reader.value(loads[0]))
        packs = tuple(part.pack for part in statement.parts)
        if stack and stack.names == tuple(load.value for load in loads):
            return [(packs, loads[0])]
        return [((pack,), load) for pack, load in zip(packs, loads, strict=True)]

    def product(self, statement: Product) -> None:
        """One call for each destination, each run of panels, each part."""
        for index, name in enumerate(statement.dsts):
            out, out_row = self.rows_of(Load(name))
            to = partial(self._after, out)
            self._runs(statement, index, to, out_row)

    def _after(self, address: str, numbers: int) -> str:
        return f"{address} + {self._bytes(numbers)}" if numbers else address

    def line(self, statement: Product, first: int, width: int) -> None:
        """All destinations one after the other, to the row's line of ``width`` numbers, from ``first`` on.

        Threads that share the units have panels of each destination, those of the units that are theirs.
        """
        dsts = statement.dsts
        if not self.reader.shared:
            self._runs(statement, SIDE_BY_SIDE, partial(_in_line, first), width, len(dsts))
            return
        for index, name in enumerate(dsts):
            before = first + index * -(-self.reader.value(name).shape[0] // self.layout.lanes) * self.layout.lanes
            self._runs(statement, index, partial(_in_line, before), width, len(dsts))

    def units(self, statement: Product) -> tuple[str, str]:
        """The units whose panels a thread has: the first, and the one after the last."""
        panels = self.panels.place(self.parts(statement)[0][0], 0)[0]
        begin, end = (panels.first_vector(p) for p in self.reader.share(panels.panels))
        return f"{begin} * {self.layout.lanes}", f"{end} * {self.layout.lanes}"

    def _runs(
        self, statement: Product, which: int | str, to: Callable[[int], str], out_row: int, beside: int = 1
    ) -> None:
        """One call for each run of panels, each part; ``to``: the address of what begins with a number.

        ``beside``: of how many destinations side by side the order of sums is, in whatever panels they are computed
        """
        lanes = self.layout.lanes
        for add, (packs, operand) in enumerate(self.parts(statement)):
            panels, offset = self.panels.place(packs, which)
            sets = self._sets(min(beside * panels.blocks, VECTORS))
            for run in panels.runs:
                first = f"{self.w.use('panels')} + {self._bytes(offset + run.offset)}"
                out, count = to(run.first * lanes), str(run.panels)
                if self.reader.shared and not self.scope.single:
                    begin, end = _of_run(panels, run, *self.reader.share(panels.panels))
                    first += f" + {begin} * {self._bytes(run.step)}"
                    out += f" + {begin} * {self._bytes(run.vectors * lanes)}"
                    count = f"{end} - {begin}"
                terms = _Terms(panels.terms, run.vectors, count, first, run.step, sets)
                to_all = f"{out}, {out_row}, {lanes}, {run.vectors * lanes}"
                if self.reader.shared or self.scope.single or run.step * run.panels > ONE_ROW:
                    self._call(operand, terms, to_all, add)
                    continue
                rows = self.reader.rows(self.scope) if self.scope.batch else "1"
                with self.w.block(f"if {self.w.use('B')} == 1 and {rows} == 1:"):  # other threads have no row
                    one = sets_for(1, min(beside * panels.blocks, VECTORS))
                    literals = f'"{self.layout.program.dtype}", {run.vectors}, {run.panels}, {one}'
                    x = self.rows_of(operand)[0]
                    self.w.line(f"one_row({x}, {panels.terms}, {first}, {run.step}, {out}, {min(add, 1)}, {literals})")
                with self.w.block("else:"):
                    self._call(operand, terms, to_all, add)

    def stack(self, statement: Product, tile: str, first: int, width: int, count: str) -> None:
        """One vector of each destination for ``count`` vectors of units from ``base`` on.

        They go to a tile of ``width`` numbers a row, from its vector ``first`` on; the rows of the next vector of units
        come after all rows.
        """
        lanes = self.layout.lanes
        for add, (packs, operand) in enumerate(self.parts(statement)):
            panels, offset = self.panels.place(packs, INTERLEAVED)
            for run in panels.runs:
                here = f"base * {self._bytes(run.step // lanes)}"
                at = f"{self.w.use('panels')} + {self._bytes(offset + run.offset)} + {here}"
                terms = _Terms(panels.terms, run.vectors, count, at, run.step, self._sets(run.vectors))
                to = f"address({tile}, (0, {(first + run.first) * lanes}))"
                self._call(operand, terms, f"{to}, {width}, {lanes}, tile_rows * {width}", add)

    def column(self, statement: Product, tile: str, first: int, width: int) -> None:
        """The ``vectors`` vectors of a panel, from the unit ``base`` on, to a tile as for ``stack``."""
        lanes = self.layout.lanes
        for add, (packs, operand) in enumerate(self.parts(statement)):
            panels, offset = self.panels.place(packs, 0)
            # all panels before it are whole: so the place follows from the unit
            at = f"{self.w.use('panels')} + {self._bytes(offset)} + base * {self._bytes(panels.terms)}"
            wide, *narrow = (self._sets(run.vectors) for run in panels.runs)
            if narrow and narrow[0] != wide:
                wide = f"{wide} if vectors == {panels.runs[0].vectors} else {narrow[0]}"
            terms = _Terms(panels.terms, "vectors", 1, at, 0, wide)
            self._call(operand, terms, f"address({tile}, (0, {first * lanes})), {width}, {lanes}, 0", add)

    def _call(self, operand: Load, terms: _Terms, out: str, add: int) -> None:
        x, x_row = self.rows_of(operand)
        t = terms
        panels = f"{t.count}, {t.vectors}, {t.panels}, {t.first}, {t.step}"
        operands = f"{self.w.use('product')}, {self.rows()}, {x}, {x_row}"
        self.w.line(f"call_product({operands}, {panels}, {out}, {min(add, 1)}, {t.sets})")

    def rows(self) -> str:
        """How many rows there are, and the address of their list."""
        if self.scope.single or not self.scope.batch:
            return f"1, {self.w.use('numbers')}"
        if self.flat:
            return "flat_rows, address(flat_list, (0,))"
        return f"{self.reader.rows(self.scope)}, address({self.reader.order(self.scope)}, (0,))"

    def rows_of(self, load: Load) -> tuple[str, int]:
        """The address of row 0 of an operand, and how many numbers on the next row is."""
        v = self.reader.value(load)
        every = self.scope.batch and not self.scope.single
        index = self.reader.index(v, self.scope, load.lags, "0" if every else "row", "lo" if self.flat else "")
        index += self.reader.inside(v, ["0"] * len(v.shape))
        own = every and ("b" in v.axes or (v.role == "block" and v.name not in self.reader.inner))
        return f"address({self.reader.array(v)}, ({', '.join(index)},))", self.layout.step(v) if own else 0

    def _sets(self, vectors: int) -> str:
        if self.scope.single or not self.scope.batch:
            return str(sets_for(1, vectors))
        found = {sets_for(rows, vectors) for rows in LEAST_ROWS}
        return self.w.use(f"sets_{vectors}") if len(found) > 1 else str(found.pop())

    def _bytes(self, numbers: int) -> int:
        return numbers * np.dtype(self.layout.program.dtype).itemsize


def _in_line(first: int, numbers: int) -> str:
    """The address of a number of row 0's line."""
    return f"address(line, (0, {first + numbers}))"


def _of_run(panels: PanelLayout, run: Run, begin: str, end: str) -> tuple[str, str]:
    """Of panels of all runs, from ``begin`` to before ``end``, those of one run, counted in it."""
    if run.panels == panels.panels:
        return begin, end
    before = sum(r.panels for r in panels.runs[: panels.runs.index(run)])
    return f"min(max({begin} - {before}, 0), {run.panels})", f"min(max({end} - {before}, 0), {run.panels})"


@dataclass(frozen=True)
class Gradient:
    """A sum of outer products: C[i, j] += a[i] · b[j]; ``bias`` is the sum of a where that is asked for too."""

    a: Load
    b: Load
    into: Value
    bias: Value | None
    item: Sum


@dataclass(frozen=True)
class Gradients:
    """Sums of outer products of each a with each b: a row for each a, in it one sum for each b."""

    rows: tuple[tuple[Gradient, ...], ...]

    def __iter__(self) -> Iterator[Gradient]:
        return chain.from_iterable(self.rows)


def gradients(sums: Sequence[Sum], program: Program, inner: frozenset[str]) -> tuple[list[Gradients], list[Sum]]:
    """The sums that the library's ``outer`` computes, those of several b with the same a together, and the others."""
    products = [g for s in sums if (g := _gradient(s, program, inner)) is not None]
    rest = [s for s in sums if _gradient(s, program, inner) is None]
    by_a: dict[tuple[Load, int], dict[Load, Gradient]] = {}
    for g in products:
        bias = next((s for s in rest if s.op == "reduce" and s.args == (g.a,) and _is_static(s, program)), None)
        if bias is not None:
            rest.remove(bias)
            g = replace(g, bias=program.values[bias.dst])
        again = sum(g.b in by_a.get((g.a, k), {}) for k in range(len(products)))  # the same product once more
        by_a.setdefault((g.a, again), {})[g.b] = g
    alike: dict[frozenset[Load], list[dict[Load, Gradient]]] = {}
    for row in by_a.values():
        alike.setdefault(frozenset(row), []).append(row)
    groups = []
    for found in alike.values():
        for first in range(0, len(found[0]), MOST_TOGETHER):
            bs = list(found[0])[first : first + MOST_TOGETHER]
            rows = [tuple(row[b] for b in bs) for row in found]
            groups += [Gradients(tuple(rows[k : k + MOST])) for k in range(0, len(rows), MOST)]
    return groups, rest


def _is_static(s: Sum, program: Program) -> bool:
    return not program.values[s.dst].axes


def _gradient(s: Sum, program: Program, inner: frozenset[str]) -> Gradient | None:
    into = program.values[s.dst]
    if s.op != "contract" or into.axes:
        return None
    left, right, out = split_spec(s.attr[0])
    if len(left) != 1 or len(right) != 1 or left == right:
        return None
    a, b = s.args if out == left + right else s.args[::-1]
    for load in (a, b):
        v = program.values[load.value]
        own = "b" in v.axes or (v.role == "block" and v.name not in inner)
        if not own or v.dtype != "f" or ("s" in v.axes and "t" in v.axes):
            return None
    return Gradient(a, b, into, None, s)


def call_outer_for(
    reader: Reader, lines: Sequence[str], part: tuple[str, str], rows: int | str, counts: tuple[int, int], further: str
) -> None:
    """Print the table of ``outer``, and the call of it.

    lines   of the table: see library.py
    part    the first of the thread's tiles, and the one after its last
    counts  of b and of a;  further  whether sums go on from what is there, 0 or 1
    """
    w, layout = reader.writer, reader.layout
    layout.needs_terms(len(lines))
    w.line(f"sums = {w.use('terms')} + thread * {w.use('terms_bytes')}")
    for k, line in enumerate(lines):
        w.line(f"describe(sums{f' + {k * FIELDS * 8}' if k else ''}, {line})")
    w.line(
        f"call_outer({w.use('outer')}, {part[0]}, {part[1]}, {rows}, {counts[0]}, {counts[1]}, sums, "
        f"{w.use('scratch')} + thread * {SCRATCH}, {further})"
    )


class GradientPrinter:
    """Prints the sums of a pass over all rows of its steps, each thread its share of tiles."""

    def __init__(self, reader: Reader, scope: Scope) -> None:
        self.reader, self.scope = reader, scope
        self.w, self.layout = reader.writer, reader.layout

    def lists(self, groups: Sequence[Gradients], lo: str, end: str, size: str) -> dict[str, str]:
        """Lists of rows for all steps: one for each way that operands lie; slot as text -> the list's name.

        size  how many steps there are at most, as text; none: all
        """
        axis = self.scope.axis
        slots: dict[str, str] = {}
        for g in (g for group in groups for g in group):
            for load in (g.a, g.b):
                slots.setdefault(self._slot(load), f"list{len(slots) + 1}")
        self.w.line("found = 0")
        steps = size or (axis.upper() if axis else "")
        self.layout.needs_lists(len(slots), steps)
        if steps.isidentifier():
            self.w.use(steps)
        size = f"{steps} * {self.w.use('B')}" if steps else self.w.use("B")
        for k, name in enumerate(slots.values()):
            place = f"{self.w.use('row_lists')} + (thread * {len(slots)} + {k}) * {size} * 8"
            self.w.line(f"{name} = view({place}, ({size},), int64)")
        heads = [f"for {axis} in range({lo}, {end}):"] if axis else []
        with self.w.blocks(*heads, f"for n in range({self.reader.running(axis or 't')}[{axis or '0'}]):"):
            self.w.line(f"row = {self.reader.order(self.scope)}[n]")
            for slot, name in slots.items():
                self.w.line(f"{name}[found] = ({slot}) * B + row" if slot else f"{name}[found] = row")
            self.w.line("found += 1")
        return slots

    def _slot(self, load: Load) -> str:
        v = self.reader.value(load)
        index = self.reader.index(v, self.scope, load.lags)
        slot = index[0] if len(index) > 1 else ""
        return self.reader.places.get(slot, slot)

    def outer(self, group: Gradients, slots: dict[str, str], further: str) -> None:
        """One call for all sums of a group. ``further``: whether they go on from what is there, 0 or 1."""
        first = group.rows[0]
        lines = [self._rows(g.b, slots) for g in first]
        for row in group.rows:
            lines.append(self._rows(row[0].a, slots))
            bias = next((self.reader.array(g.bias) for g in row if g.bias), "")
            for g in row:
                sums = f"address({bias}, (0,))" if bias and g is row[0] else "0"
                lines.append(f"address({self.reader.array(g.into)}, (0, 0)), {self.layout.width(g.into)}, {sums}, 0")
        widths = [self.reader.value(g.b).shape[-1] for g in first]
        columns = [self.reader.value(row[0].a).shape[-1] for row in group.rows]
        part = self.reader.share(outer_tiles(HOST, self.layout.program.dtype, widths, columns))
        call_outer_for(self.reader, lines, part, "found", (len(first), len(group.rows)), further)

    def _rows(self, load: Load, slots: dict[str, str]) -> str:
        """Where an operand is, its row, the list of its rows, and its columns."""
        v = self.reader.value(load)
        return f"{self._start(v)}, {self.layout.step(v)}, address({slots[self._slot(load)]}, (0,)), {v.shape[-1]}"

    def _start(self, v: Value) -> str:
        rows = ["0"] * (1 if v.role == "block" else len(v.axes))
        index = [*rows, *self.reader.inside(v, ["0"] * len(v.shape))]
        return f"address({self.reader.array(v)}, ({', '.join(index)},))"

"""Row operations and sums as Python: one template an operation of the op table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ...graph.build import split_spec
from ..loop import Load, RowOp, Sum
from .expressions import Expressions
from .scope import UNITS, Reader, Scope, features

Item = TypeVar("Item")

ROW_OPS: dict[str, Callable[[RowPrinter, RowOp], None]] = {}


class RowPrinter:
    """Prints one operation for one row; loops over rows are around it."""

    def __init__(self, reader: Reader, scope: Scope) -> None:
        self.reader, self.scope, self.w = reader, scope, reader.writer

    def get(self, load: Load, units: Sequence[str] = ()) -> str:
        return self.reader.element(load, self.scope, units)

    def shape(self, load: Load | str) -> tuple[int, ...]:
        return self.reader.value(load).shape

    def row_op(self, op: RowOp) -> None:
        ROW_OPS[op.op](self, op)

    def put(self, op: RowOp, units: Sequence[str], text: str) -> None:
        self.w.line(f"{self.reader.element(op.dst, self.scope, units)} = {text}")

    def symbols(self, args: Sequence[Load]) -> list[str]:
        """Variables that hold the symbols: a loop over units does not read them again, and can run on vectors."""
        names = [f"symbol{k}" for k in range(1, len(args) + 1)]
        for name, x in zip(names, args, strict=True):
            self.w.line(f"{name} = {self.get(x)}")
        return names

    @staticmethod
    def inside(symbols: Sequence[str], sizes: Sequence[int]) -> str:
        """Whether the symbols are rows of a table; below 0 is none."""
        return " and ".join(f"0 <= {x} < {n}" for x, n in zip(symbols, sizes, strict=True))

    def scored(self, both: Scored) -> None:
        """A loss and a softmax."""
        x, symbol = both.loss.args
        to = self.reader.place(both.softmax.dst, self.scope)
        places = f"{self.reader.place(x, self.scope)}, {to}, {self.shape(x)[-1]}"
        self.put(both.loss, (), f"scored_row({places}, {self.get(symbol)})")

    # ---- sums ----------------------------------------------------------------------------------
    def sum(self, item: Sum, into: str = "row") -> None:
        """Add what one row gives to the sum, of the row ``into`` where there is one for every row."""
        if item.op == "at":
            with self.w.block(f"if {Expressions(self.reader, self.scope, (), (), {}).here(*item.attr)}:"):
                self.add(item, into)
        else:
            self.add(item, into)

    def add(self, item: Sum, into: str = "row") -> None:
        """The same of a row that is known to have something for it."""
        v = self.reader.value(item.dst)

        def target(units: Sequence[str] = ()) -> str:
            return self.reader.element(item.dst, self.scope, units, into)

        if item.op == "scatter":
            sizes = item.attr[0]
            shape = self.shape(item.args[0])
            symbols = self.symbols(item.args[1:])
            with self.w.blocks(f"if {self.inside(symbols, sizes)}:", *features(shape)):
                units = UNITS[: len(shape)]
                self.w.line(f"{target([*symbols, *units])} += {self.get(item.args[0], units)}")
            return
        if item.op == "contract":
            self.contraction(item.attr[0], item.args, lambda units, text: f"{target(units)} += {text}")
            return
        with self.w.blocks(*features(v.shape)):
            units = UNITS[: len(v.shape)]
            place, text = target(units), self.get(item.args[0], units)
            if item.op == "amax":
                self.w.line(f"{place} = maximum({place}, {text})")
            else:
                self.w.line(f"{place} {'=' if item.op == 'at' else '+='} {text}")

    def contraction(self, spec: str, args: Sequence[Load], put: Callable[[Sequence[str], str], str]) -> None:
        """Loops over all letters; innermost the one that runs along the most operands' last features."""
        left, right, out = split_spec(spec)
        size = dict(zip(left, self.shape(args[0]), strict=True)) | dict(
            zip(right, self.shape(args[1]), strict=True)
        )
        letters = sorted(
            size, key=lambda c: (sum(term[-1:] == c for term in (left, right, out)), out[-1:] == c)
        )
        unit = dict(zip(letters, UNITS, strict=False))
        with self.w.blocks(*(f"for {unit[c]} in range({size[c]}):" for c in letters)):
            x, y = (self.get(a, [unit[c] for c in term]) for a, term in zip(args, (left, right), strict=True))
            self.w.line(put([unit[c] for c in out], f"{x} * {y}"))


@dataclass(frozen=True)
class Scored:
    """The loss of scores and, for its derivative, their softmax: computed together."""

    loss: RowOp
    softmax: RowOp


def with_scored(body: Sequence[Item]) -> Iterator[Item | Scored]:
    """The statements of a body, losses with the softmax of the same scores that comes after them."""
    moved: list[Item] = []
    for k, item in enumerate(body):
        if item in moved:
            continue
        found = None
        if isinstance(item, RowOp) and item.op == "cross_entropy":
            same = (x for x in body[k + 1 :] if isinstance(x, RowOp) and x.op == "softmax" and x.args == item.args[:1])
            found = next(same, None)
        if isinstance(item, RowOp) and isinstance(found, RowOp):
            moved.append(found)
            yield Scored(item, found)
        else:
            yield item


def template(
    *names: str,
) -> Callable[[Callable[[RowPrinter, RowOp], None]], Callable[[RowPrinter, RowOp], None]]:
    """Enter a template for operations of the op table."""

    def enter(f: Callable[[RowPrinter, RowOp], None]) -> Callable[[RowPrinter, RowOp], None]:
        ROW_OPS.update(dict.fromkeys(names, f))
        return f

    return enter


@template("softmax")
def _softmax(p: RowPrinter, op: RowOp) -> None:
    shape = p.shape(op.dst)
    with p.w.blocks(*features(shape[:-1])):
        units = UNITS[: len(shape) - 1]
        x, out = (p.reader.place(a, p.scope, units) for a in (op.args[0], op.dst))
        p.w.line(f"softmax_row({x}, {out}, {shape[-1]})")


@template("cumsum")
def _cumsum(p: RowPrinter, op: RowOp) -> None:
    lead = p.shape(op.dst)[:-1]
    with p.w.blocks(*features(lead)):
        units = UNITS[: len(lead)]
        x, out = p.reader.view(op.args[0], p.scope, units), p.reader.view(op.dst, p.scope, units)
        p.w.line(f"{'cumsum_reversed' if op.attr else 'cumsum'}({x}, {out})")


@template("argmax", "nll")
def _to_number(p: RowPrinter, op: RowOp) -> None:
    """A number from each last axis (and a symbol)."""
    lead = p.shape(op.dst)
    with p.w.blocks(*features(lead)):
        units = UNITS[: len(lead)]
        symbols = [p.get(a, units) for a in op.args[1:]]
        p.put(op, units, f"{op.op}({', '.join([p.reader.view(op.args[0], p.scope, units), *symbols])})")


@template("logsumexp", "max_last", "cross_entropy")
def _to_number_by_vectors(p: RowPrinter, op: RowOp) -> None:
    """The same, all lanes at once."""
    lead = p.shape(op.dst)
    with p.w.blocks(*features(lead)):
        units = UNITS[: len(lead)]
        name = {"max_last": "highest"}.get(op.op, op.op) + "_row"
        symbols = [p.get(a, units) for a in op.args[1:]]
        x = p.reader.place(op.args[0], p.scope, units)
        p.put(op, units, f"{name}({', '.join([x, str(p.shape(op.args[0])[-1]), *symbols])})")


@template("sum_feature")
def _sum_feature(p: RowPrinter, op: RowOp) -> None:
    shape, position = p.shape(op.args[0]), op.attr % len(p.shape(op.args[0]))
    lead = shape[:position] + shape[position + 1 :]
    with p.w.blocks(*features(lead)):
        units = list(UNITS[: len(lead)])
        if position == len(lead):
            p.put(op, units, f"sum_row({p.reader.place(op.args[0], p.scope, units)}, {shape[-1]})")
            return
        p.w.line("total = number(0.0)")
        u = UNITS[len(lead)]
        with p.w.block(f"for {u} in range({shape[position]}):"):
            p.w.line(f"total += {p.get(op.args[0], [*units[:position], u, *units[position:]])}")
        p.put(op, units, "total")


@template("repeat")
def _repeat(p: RowPrinter, op: RowOp) -> None:
    position = op.attr[0] % len(p.shape(op.dst))
    with p.w.blocks(*features(p.shape(op.dst))):
        units = UNITS[: len(p.shape(op.dst))]
        p.put(op, units, p.get(op.args[0], units[:position] + units[position + 1 :]))


@template("transpose")
def _transpose(p: RowPrinter, op: RowOp) -> None:
    with p.w.blocks(*features(p.shape(op.dst))):
        units = UNITS[: len(p.shape(op.dst))]
        p.put(op, units, p.get(op.args[0], units[::-1]))


@template("concat")
def _concat(p: RowPrinter, op: RowOp) -> None:
    lo = 0
    for a in op.args:
        shape = p.shape(a)
        axis = op.attr % len(shape)
        units = list(UNITS[: len(shape)])
        with p.w.blocks(*features(shape)):
            place = [f"{lo} + {u}" if i == axis and lo else u for i, u in enumerate(units)]
            p.put(op, place, p.get(a, units))
        lo += shape[axis]


@template("slice")
def _slice(p: RowPrinter, op: RowOp) -> None:
    axis, lo, _ = op.attr
    shape = p.shape(op.dst)
    units = list(UNITS[: len(shape)])
    with p.w.blocks(*features(shape)):
        p.put(
            op,
            units,
            p.get(op.args[0], [f"{lo} + {u}" if i == axis and lo else u for i, u in enumerate(units)]),
        )


@template("unslice")
def _unslice(p: RowPrinter, op: RowOp) -> None:
    axis, lo, _ = op.attr
    for source, shape in ((None, p.shape(op.dst)), (op.args[0], p.shape(op.args[0]))):
        units = list(UNITS[: len(shape)])
        with p.w.blocks(*features(shape)):
            place = [f"{lo} + {u}" if i == axis and source and lo else u for i, u in enumerate(units)]
            p.put(op, place, p.get(source, units) if source else "0")


@template("contract")
def _contract(p: RowPrinter, op: RowOp) -> None:
    out = p.shape(op.dst)
    with p.w.blocks(*features(out)):
        p.put(op, UNITS[: len(out)], "number(0.0)")
    p.contraction(op.attr[0], op.args, lambda u, text: f"{p.reader.element(op.dst, p.scope, u)} += {text}")


@template("take")
def _take(p: RowPrinter, op: RowOp) -> None:
    table, shape = op.args[0], p.shape(op.dst)
    units, symbols = list(UNITS[: len(shape)]), p.symbols(op.args[1:])
    head = f"if {p.inside(symbols, p.shape(table)[: len(symbols)])}:"
    with p.w.blocks(head, *features(shape)):
        p.put(op, units, p.get(table, [*symbols, *units]))
    with p.w.blocks("else:", *features(shape)):
        p.put(op, units, "0")


@template("scatter")
def _scatter(p: RowPrinter, op: RowOp) -> None:
    value, sizes = op.args[0], op.attr[0]
    with p.w.blocks(*features(p.shape(op.dst))):
        p.put(op, UNITS[: len(p.shape(op.dst))], "0")
    shape = p.shape(value)
    units = list(UNITS[: len(shape)])
    symbols = p.symbols(op.args[1:])
    with p.w.blocks(f"if {p.inside(symbols, sizes)}:", *features(shape)):
        p.put(op, [*symbols, *units], p.get(value, units))


@template("pick")
def _pick(p: RowPrinter, op: RowOp) -> None:
    vector, symbol = op.args
    lead = p.shape(op.dst)
    units = list(UNITS[: len(lead)])
    with p.w.blocks(*features(lead)):
        chosen = p.get(symbol, units)
        with p.w.block(f"if 0 <= {chosen} < {p.shape(vector)[-1]}:"):
            p.put(op, units, p.get(vector, [*units, chosen]))
        with p.w.block("else:"):
            p.put(op, units, "0")


@template("put")
def _put(p: RowPrinter, op: RowOp) -> None:
    value, symbol = op.args
    shape = p.shape(op.dst)
    units = list(UNITS[: len(shape)])
    with p.w.blocks(*features(shape)):
        here = f"{units[-1]} == {p.get(symbol, units[:-1])}"
        p.put(op, units, f"{p.get(value, units[:-1])} if {here} else number(0.0)")


@template("minus_onehot")
def _minus_onehot(p: RowPrinter, op: RowOp) -> None:
    vector, symbol = op.args
    (size,), unit, (chosen,) = p.shape(op.dst), UNITS[0], p.symbols([symbol])
    with p.w.blocks(f"for {unit} in range({size}):"):
        p.put(op, [unit], f"{p.get(vector, [unit])} if {chosen} >= 0 else number(0.0)")
    with p.w.block(f"if {p.inside([chosen], [size])}:"):
        p.put(op, [chosen], f"{p.get(vector, [chosen])} - number(1.0)")

"""Cells of cells of one sequence: stacks, both directions, residual connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from ...graph.errors import LanguageError
from ...graph.indices import moment
from ...graph.language import Statement, Term, walk
from ...graph.terms import call, indexed, name, number
from ..define import Cell
from .checks import check_added, check_below, check_from_right, check_joined
from .doors import of_cells
from .made import Made, fed
from .parts import Composed, Part, part_of
from .reverse import backwards, reversed_term
from .terms import changed, names_in, plain, read, renamed, renamed_term, same, unused


@of_cells
def stack(*cells: Cell | int, input: str | None = None, output: str | None = None) -> Cell:
    """Layers one upon the other: ``stack(cell, 3)``, or ``stack(a, b, …)`` from below.

    The second layer reads the hidden output of the first where it would read its input; a table of symbols in it
    becomes a matrix. One layer is the cell itself. Inputs that are not the layer's (targets, static ones) keep their
    names and are shared. input, output: those of every cell, where its equations do not show them. Raises LanguageError
    where they cannot be told, where a layer below the last has no hidden output but scores or probabilities, or where
    a layer cannot read vectors, TypeError for what is no cell.
    """
    given = _layers(cells)
    parts = [part_of(c, input, output) for c in given]
    if len(parts) == 1:
        if parts[0].cell is not given[0]:
            return given[0]  # its hidden output has no name of its own
        return Composed(parts[0].cell, parts[0].output, parts[0].units, parts[0].ends)
    for part in parts[:-1]:
        check_below(part)
    last = parts[-1]
    made = Made(parts, shared=[*names_in(parts[0].front), *names_in(last.head)])
    named = _one_above_another(made, parts)
    made.lines += renamed(last.head, named[-1])
    layers: dict[str, list[str]] = {}
    for new in named:
        for n, m in new.items():
            layers.setdefault(n, []).append(m)
    same_name = len({p.cell.name for p in parts}) == 1
    title = f"stacked_{last.cell.name}" if same_name else "_".join(p.cell.name for p in parts)
    return made.cell(title, named[-1][last.output], _ends(last, named[-1]), layers)


@of_cells
def bidirectional(
    cell: Cell,
    backward: Cell | None = None,
    input: str | None = None,
    output: str | None = None,
) -> Cell:
    """One cell from each side: ``h[t] = concat(h_fw[t], h_bw[t])``, where h is the hidden output of ``cell``.

    The one from the right is ``backward`` (the same cell if that is not given) with time reversed: delays become
    advances, h[0] becomes h[T+1], t becomes T + 1 - t, and an equation of the first step is one of the last. Where the
    output layer reads h[T], it reads what each side has at its own end, ``concat(h_fw[T], h_bw[1])``. Raises
    LanguageError where input or output cannot be told, where the inputs of the two differ, where the loss reads the
    hidden output itself, where scores are fed back, or where the layer reads the targets.
    """
    left, right = part_of(cell, input, output), part_of(cell if backward is None else backward, input, output)
    made = Made([left, right], shared=[*names_in(left.front), *names_in(left.head), left.source])
    check_joined(left)
    if backward is not None:
        check_below(right)
        check_from_right(right)
    forward, back = made.names(left, "_fw"), made.names(right, "_bw")
    other = replace(right, layer=tuple(backwards(right.layer, right.system)))
    made.lines += left.front
    if left.inline != right.inline:
        raise LanguageError(
            f"{left.cell.name} and {right.cell.name} do not read the same: of one the input are symbols, of the other "
            "vectors",
            mend="give the symbols vectors in an equation of their own, e[t] = E[x[t]]",
        )
    # symbols need a value at every end that is read, and so state their own
    apart = not left.inline and (_meets(left, other) or _meets(other, left))
    for part, suffix, new in ((left, "_fw", forward), (other, "_bw", back)):
        source = made.another(part, suffix) if apart else left.source
        made.lines += renamed(part.layer, {**new, part.source: source})
        if apart:
            made.lines.append(Statement(source, (name("t"),), read(left.source), note="with ends of its own"))
    out = unused(left.output, made.taken)
    turned = reversed_term(at_last(right), right.system)
    ends = call("concat", renamed_term(at_last(left), forward), renamed_term(turned, back))
    made.lines.append(
        Statement(out, (name("t"),), call("concat", *map(read, (forward[left.output], back[right.output]))))
    )
    made.lines += renamed(_with_ends(left, ends), {n: out if n == left.output else forward[n] for n in forward})
    title = left.cell.name if left.cell.name == right.cell.name else f"{left.cell.name}_{right.cell.name}"
    return made.cell(f"bidirectional_{title}", out, ends)


@of_cells
def residual(
    cell: Cell,
    project: bool = False,
    input: str | None = None,
    output: str | None = None,
) -> Cell:
    """The hidden output with the input added: ``r[t] = h[t] + x[t]``, which the output layer reads.

    Input and hidden output have the same size; with ``project=True`` the input passes through a matrix, P @ x[t], and
    they may differ. Symbols that the layer looks up itself have a table of their own, P[x[t]]; where an equation makes
    them vectors (e[t] = E[x[t]]), e is what is added. Where the output layer reads the ends of both directions, it
    reads the sum at both: what is of the forward side from r[T], what is of the backward side from r[1]. Raises
    LanguageError where input or output cannot be told, where the output is probabilities, or where scores are fed back.
    """
    part = part_of(cell, input, output)
    check_added(part)
    made = Made([part], shared=[])
    known = [*part.system.axes]
    added = read(part.source)
    if project or part.inline:
        matrix = name(unused("P", known))
        added = Term("index", (matrix, added)) if part.inline else Term("matmul", (matrix, added))
    sums = unused("r", known)
    made.lines += [*part.front, *part.layer]
    made.lines.append(
        Statement(sums, (name("t"),), Term("add", (read(part.output), added)), note="passes the layer by")
    )
    ends = None if part.ends is None else _at_both_ends(sums, part.ends)
    head = _with_ends(part, indexed(sums, (name("T"),)) if ends is None else ends)
    made.lines += renamed(head, {part.output: sums})
    made.rules |= part.cell.init_rules
    made.units += part.units
    return made.cell(f"residual_{part.cell.name}", sums, ends)


# ---- pieces --------------------------------------------------------------------------------------------
def _layers(cells: Sequence[Cell | int]) -> list[Cell]:
    """``(cell, n)`` or cells. Raises TypeError for anything else."""
    if len(cells) == 2 and isinstance(cells[0], Cell) and isinstance(cells[1], int):
        if cells[1] < 1:
            raise LanguageError(f"a stack has at least one layer, not {cells[1]}")
        return [cells[0]] * cells[1]
    found = [c for c in cells if isinstance(c, Cell)]
    if not found or len(found) < len(cells):
        raise TypeError(
            f"expected stack(cell, 2) or stack(a, b, …), of cells as rnn.define makes them; got {cells!r:.80}"
        )
    return found


def _meets(part: Part, other: Part) -> bool:
    """Whether a layer would read, beyond an end of their input, what the other says of its own input there."""
    axes = part.system.axes
    reads: set[bool] = set()
    for x in (x for s in part.layer for x in walk(s.value) if x.head == "index" and same(x.args[0], name(part.source))):
        for m in (moment(i) for i, axis in zip(x.args[1:], axes[part.source], strict=True) if axis == "t"):
            if m is not None:
                reads |= {True} if m.offset > (1 if m.kind == "fixed" else 0) else set()
                reads |= {False} if m.offset < (1 if m.kind == "fixed" else 0) else set()
    stated = (moment(s.items[0]) for s in other.layer if s.name == other.source and not plain(s))
    return any((m.kind == "last") in reads for m in stated if m is not None)


def _one_above_another(made: Made, parts: Sequence[Part]) -> list[dict[str, str]]:
    """The equations of all layers, and for each of them the names that it has there, by its own."""
    named = [made.names(parts[0], "_1")]
    made.lines += renamed(parts[0].front, named[0])
    made.lines += renamed(parts[0].layer, named[0])
    for k, (lower, part) in enumerate(pairwise(parts), 2):
        below, end = named[-1][lower.output], f"_{k}"
        named.append(made.names(part, end))
        stated = any(s.name == below and not plain(s) for s in made.lines)
        made.lines += renamed(fed(part, below, made.another(part, end), stated), named[-1])
    return named


def _ends(part: Part, new: dict[str, str]) -> Term | None:
    return None if part.ends is None else renamed_term(part.ends, new)


def at_last(part: Part) -> Term:
    """What a layer has when it has read all."""
    return indexed(part.output, (name("T"),)) if part.ends is None else part.ends


def _with_ends(part: Part, ends: Term) -> list[Statement]:
    """The head, reading ``ends`` for what the layer has at its end."""
    own = indexed(part.output, (name("T"),))

    def change(x: Term) -> Term | None:
        return ends if same(x, own) or (part.ends is not None and same(x, part.ends)) else None

    return [replace(s, value=changed(s.value, change)) for s in part.head]


def _at_both_ends(signal: str, ends: Term) -> Term:
    """Of a signal that is as long as ``ends``: each part at the step at which it stands there, T or 1.

    ``concat(h_fw[T], h_bw[1])`` gives ``where(concat(ones(h_fw[T]), zeros(h_bw[1])), r[T], r[1])``.
    """
    return call("where", _is_last(ends), indexed(signal, (name("T"),)), indexed(signal, (number(1),)))


def _is_last(ends: Term) -> Term:
    """A vector with ones where ``ends`` is of the last step and zeros where it is of the first."""
    if ends.head == "call" and ends.attr[0] == "concat":
        return call("concat", *map(_is_last, ends.args))
    if ends.head == "call" and ends.attr[0] == "where":
        condition, a, b = ends.args[0], *map(_is_last, ends.args[1:])
        return condition if a.attr[0] == "ones" and b.attr[0] == "zeros" else call("where", condition, a, b)
    at = moment(ends.args[1])
    return call("ones" if at is not None and at.kind == "last" else "zeros", ends)

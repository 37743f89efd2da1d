"""Cells of cells: stacks, both directions, residual connections, encoder and decoder. All work on the equations.

    rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), 3)        # a stacked bidirectional LSTM, residual

What is composed is a cell like any: its equations can be printed and read, its sizes are open, names carry the layer
(h_1, W_f_2), the direction (h_fw, h_bw) or the side (h_enc, h_dec) that they belong to. What is a cell's input, its
hidden output and its output layer is read off its equations (``rnn/parts.py``); ``input=`` and ``output=`` say it
where they do not show it. The output layer and the loss are those of the last cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..graph.errors import LanguageError, listed
from ..graph.indices import moment
from ..graph.language import Equations, Statement, Term, walk
from ..graph.terms import call, indexed, name, number, step
from .define import Cell
from .parts import (
    Composed,
    Part,
    again,
    backwards,
    changed,
    names_in,
    part_of,
    read,
    renamed,
    reversed_term,
    same,
    unused,
)


def stack(*cells: Cell | int, input: str | None = None, output: str | None = None) -> Cell:
    """Layers one upon the other: ``stack(cell, 3)``, or ``stack(a, b, …)`` from below.

    The second layer reads the hidden output of the first where it would read its input; a table of symbols in it
    becomes a matrix. One layer is the cell itself. Inputs that are not the layer's (targets, static ones) keep their
    names and are shared. input, output: those of every cell, where its equations do not show them. Raises LanguageError
    where they cannot be told or a layer cannot read vectors, TypeError for what is no cell.
    """
    parts = [part_of(c, input, output) for c in _layers(cells)]
    if len(parts) == 1:
        return Composed(parts[0].cell, parts[0].output, parts[0].units, parts[0].ends, None, parts[0].instead)
    last = parts[-1]
    made = _Made(parts, shared=[*names_in(parts[0].front), *names_in(last.head)])
    below: str | None = None
    layers: dict[str, list[str]] = {}
    for k, part in enumerate(parts):
        new = made.names(part, f"_{k + 1}")
        stated = any(s.name == below and not _plain(s) for s in made.lines)
        layer = list(part.layer) if below is None else fed(part, below, made.another(part, f"_{k + 1}"), stated)
        if k == 0:
            made.lines += renamed(part.front, new)
        made.lines += renamed(layer, new)
        below = new[part.output]
        for n, m in new.items():
            layers.setdefault(n, []).append(m)
    made.lines += renamed(last.head, new)
    assert below is not None  # there are at least two layers
    same_name = len({p.cell.name for p in parts}) == 1
    title = f"stacked_{last.cell.name}" if same_name else "_".join(p.cell.name for p in parts)
    return made.cell(title, below, _ends(last, new), layers, last.instead)


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
    LanguageError where input or output cannot be told, or where the inputs of the two differ.
    """
    left, right = part_of(cell, input, output), part_of(cell if backward is None else backward, input, output)
    made = _Made([left, right], shared=[*names_in(left.front), *names_in(left.head), left.source])
    forward, back = made.names(left, "_fw"), made.names(right, "_bw")
    other = replace(right, layer=tuple(backwards(right.layer, right.system)))
    made.lines += left.front
    made.lines += renamed(left.layer, forward)
    if left.inline != right.inline:
        raise LanguageError(
            f"{left.cell.name} and {right.cell.name} do not read the same: of one the input are symbols, of the other "
            "vectors",
            mend="give the symbols vectors in an equation of their own, e[t] = E[x[t]]",
        )
    made.lines += renamed(other.layer, {**back, right.source: left.source})
    out = unused(left.output, made.taken)
    turned = reversed_term(_at_last(right), right.system)
    ends = call("concat", _renamed(_at_last(left), forward), _renamed(turned, back))
    instead = left.instead or right.instead
    made.lines.append(
        Statement(out, (name("t"),), call("concat", *map(read, (forward[left.output], back[right.output]))))
    )
    head = _with_ends(replace(left, instead=instead), ends)
    made.lines += renamed(head, {n: out if n == left.output else forward[n] for n in forward})
    title = left.cell.name if left.cell.name == right.cell.name else f"{left.cell.name}_{right.cell.name}"
    return made.cell(f"bidirectional_{title}", out, ends, instead=instead)


def residual(
    cell: Cell,
    project: bool = False,
    input: str | None = None,
    output: str | None = None,
) -> Cell:
    """The hidden output with the input added: ``r[t] = h[t] + x[t]``, which the output layer reads.

    Input and hidden output have the same size; with ``project=True`` the input passes through a matrix, P @ x[t], and
    they may differ. Symbols that the layer looks up itself have a table of their own, P[x[t]]; where an equation makes
    them vectors (e[t] = E[x[t]]), e is what is added. Raises LanguageError where input or output cannot be told, and
    where what both directions have at their ends is read: each has its own input there, which ``bidirectional`` of a
    residual cell adds.
    """
    part = part_of(cell, input, output)
    if part.ends is not None:
        part = replace(part, instead="bidirectional(residual(cell, project=True)), each direction with its own input")
    made = _Made([part], shared=[])
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
    head = _with_ends(part, indexed(sums, (name("T"),)))
    made.lines += renamed(head, {part.output: sums})
    made.rules |= part.cell.init_rules
    made.units += part.units
    return made.cell(f"residual_{part.cell.name}", sums, instead=part.instead)


def encoder_decoder(encoder: Cell, decoder: Cell, attention: bool = False) -> Cell:
    """One sequence read, another one written: the encoder over x[s], the decoder over the targets y[t].

    The decoder's input is the target before, as a vector (Y[y[t-1]]; y[t-1] itself where the targets are numbers),
    joined with what the encoder has at its end, or, with ``attention``, with what the decoder looks at:
    ``w[t, s] = softmax(dot(d[t-1], K @ e[s]), over=s)``. Where both have the same states, those of the encoder's end
    are where the decoder starts; else its hidden output starts at ``tanh(M @ e[S])``, or, where no step reads the
    hidden output of an earlier one, each of its states, with a matrix of its own. The output layer and the loss are
    the decoder's. Raises LanguageError where inputs, outputs or the targets cannot be told, where one of the two has
    two indices itself, or where the decoder reads later steps: they hold the targets.
    """
    return _Pair(part_of(encoder), part_of(decoder), attention).cell()


# ---- pieces --------------------------------------------------------------------------------------------
@dataclass
class _Made:
    """Equations that are being put together."""

    parts: Sequence[Part]
    shared: Iterable[str]
    lines: list[Statement] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        inputs = [n for p in self.parts for n in p.system.inputs]
        owned = {n for p in self.parts for n in p.owned}
        self.taken = {*inputs, *(n for n in self.shared if n not in owned)}
        self.constants = {n for p in self.parts for n in p.system.constants}

    def names(self, part: Part, suffix: str) -> dict[str, str]:
        """New names of a layer; the rules by which its parameters start go with them."""
        while any(n + suffix in self.taken for n in part.owned):
            suffix = "_" + suffix
        new = {n: n + suffix for n in part.owned}
        self.taken |= set(new.values())
        self.rules |= {new.get(n, n): rule for n, rule in part.cell.init_rules.items()}
        self.units += [new[n] for n in part.units]
        self.constants |= {new[n] for n in part.system.constants if n in new}
        return new

    def another(self, part: Part, suffix: str) -> str:
        """A name for a signal that stands for a layer's input."""
        found = unused(f"{part.source}{suffix}", self.taken)
        self.taken.add(found)
        return found

    def cell(
        self,
        title: str,
        output: str,
        ends: Term | None = None,
        layers: Mapping[str, Sequence[str]] | None = None,
        instead: str | None = None,
    ) -> Cell:
        whole = Equations()
        found: dict[str, Statement] = {}
        for s in self.lines:
            label = str(s).partition(" = ")[0]
            if label in found and str(found[label]) == str(s):
                continue  # the value before the start of an input that two layers share
            found[label] = s
            whole.add(s)
        cells = [p.cell for p in self.parts]
        made = again(whole, cells, title, self.rules, self.constants)
        return Composed(made, output, self.units, ends, layers, instead)


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


def fed(part: Part, below: str, copy: str, stated: bool = False) -> list[Statement]:
    """The layer with the signal ``below`` for its input. Raises LanguageError where the layer takes symbols only.

    Outside the steps an input has values of its own, or zero: where the layer states some, or the signal below has
    some (``stated``), the input is a signal ``copy``.
    """
    source = part.source
    layer = [s for s in part.layer if s.name != source]
    if part.inline:
        return [replace(s, value=_as_matrix(part, s.value, below)) for s in layer]
    before = [s for s in part.layer if s.name == source]
    if before or stated:  # its values before the start are its own
        return renamed([*before, Statement(source, (name("t"),), read("\0")), *layer], {source: copy, "\0": below})
    return renamed(layer, {source: below})


def _as_matrix(part: Part, value: Term, below: str) -> Term:
    """``E[x[t]]`` with a vector for x: ``E @ h[t]``."""

    def of_symbol(x: Term) -> bool:
        return x.head == "index" and x.args[0].head == "name" and x.args[0].attr == part.source

    def change(x: Term) -> Term | None:
        vector = [a for a in x.args if of_symbol(a)]
        if not vector:
            return None
        moved = indexed(below, vector[0].args[1:])
        if x.head == "call" and x.attr[0] == "onehot":
            return moved
        rest = [a for a in x.args[1:] if a.head != "all"]
        if x.head == "index" and len(rest) == 1 and x.args[0].head == "name":
            return Term("matmul", (x.args[0], moved))
        raise LanguageError(
            f"{part.cell.name} reads the symbols {part.source} as {x}, which a layer below cannot give",
            expected=f"a row of a table, E[{part.source}[t]]",
            got=str(x),
            mend=f"give the symbols vectors in an equation of their own, e[t] = E[{part.source}[t]]",
        )

    return changed(value, change)


def _ends(part: Part, new: dict[str, str]) -> Term | None:
    return None if part.ends is None else _renamed(part.ends, new)


def _renamed(term: Term, new: Mapping[str, str]) -> Term:
    return renamed([Statement("L", (), term)], new)[0].value


def _at_last(part: Part) -> Term:
    """What a layer has when it has read all."""
    return indexed(part.output, (name("T"),)) if part.ends is None else part.ends


def _with_ends(part: Part, ends: Term) -> list[Statement]:
    """The head, reading ``ends`` for the output at the last step. Raises LanguageError where there is no such thing."""
    own = indexed(part.output, (name("T"),))

    def change(x: Term) -> Term | None:
        if not same(x, own) and (part.ends is None or not same(x, part.ends)):
            return None
        if part.instead is not None:
            raise _lost(part, x)
        return ends

    return [replace(s, value=changed(s.value, change)) for s in part.head]


def _lost(part: Part, read_there: Term) -> LanguageError:
    return LanguageError(
        f"{part.cell.name}: {read_there} is read for what both directions have at their ends, which lie at different "
        "steps, and a residual connection around both adds the input of one step",
        expected="an output that is read at each step",
        mend=f"take {part.instead}",
    )


# ---- two sequences -------------------------------------------------------------------------------------
class _Pair:
    """An encoder and a decoder that become one system."""

    def __init__(self, encoder: Part, decoder: Part, attention: bool) -> None:
        self.encoder, self.decoder, self.attention = encoder, decoder, attention
        for part in (encoder, decoder):
            if any("s" in axes for axes in part.system.axes.values()):
                raise LanguageError(
                    f"{part.cell.name} has two indices itself",
                    expected="a cell of one sequence, over t",
                    mend="write the second sequence out: e[s] = …",
                )
        self._reads_the_past_only()
        self.target = self._target()
        shared = [*names_in(decoder.head), *names_in(encoder.front), *names_in(decoder.front)]
        self.made = _Made([encoder, decoder], shared=shared)
        self.enc = self._named(encoder, "_enc")
        self.dec = self._named(decoder, "_dec")

    def _reads_the_past_only(self) -> None:
        """What reads later steps of the decoder reads the targets that it is to predict."""
        part, axes = self.decoder, self.decoder.system.axes
        statements = [*part.front, *part.layer, *part.head]
        needed = {*names_in(part.front), *names_in(part.layer)}
        needed |= {s.name for s in part.head if axes[s.name] == ("t",) and s.name in part.system.definitions}
        for _ in statements:  # what those need, at most as deep as there are equations
            needed |= {n for s in statements if s.name in needed for n in names_in([s])}
        for s in statements:
            later = _later(s.value, axes) if s.name in needed else None
            if later is not None:
                raise LanguageError(
                    f"{part.cell.name}: the decoder reads later steps, and with them the targets that it is to "
                    f"predict: {s.name} reads {later}",
                    expected="a decoder that reads its own step and earlier ones",
                    mend="take a cell of one direction for the decoder; both directions may be the encoder's",
                )

    def _named(self, part: Part, suffix: str) -> dict[str, str]:
        """New names of the layer and of what stands in front of it."""
        own = [n for n in names_in(part.front) if n in part.system.definitions or n in part.system.parameters]
        new = self.made.names(part, suffix)
        more = {n: unused(n + suffix, self.made.taken) for n in own if n not in new}
        self.made.taken |= set(more.values())
        self.made.rules |= {more[n]: rule for n, rule in part.cell.init_rules.items() if n in more}
        return new | more

    def _target(self) -> str:
        part = self.decoder
        found = [n for n in part.system.inputs if n in names_in(part.head) and part.system.axes[n] == ("t",)]
        if len(found) != 1:
            raise LanguageError(
                f"{part.cell.name}: the targets of the decoder cannot be told: its output layer and loss read "
                f"{listed(found) or 'no input over t'}",
                expected="a loss that compares scores with one input, cross_entropy(o[t], y[t])",
            )
        return found[0]

    def cell(self) -> Cell:
        made, target = self.made, self.target
        made.lines += self._encoder()
        ends = self._at_end()
        hidden = self.dec[self.decoder.output]
        made.lines += self._starts(ends, hidden)
        context = self._looked_at(hidden) if self.attention else ends
        symbols = target in self.decoder.system.symbols
        if symbols:
            made.lines.append(Statement(target, (number(0),), number(0), note="what stands before the first target"))
        before: Term = indexed(target, (step("t", -1),))
        if symbols:
            before = self._vector(before)
        source = unused("u", made.taken)
        made.taken.add(source)
        made.lines.append(Statement(source, (name("t"),), call("concat", before, context)))
        copy = made.another(self.decoder, "_dec")
        new = {**self.dec, "\0": source, copy: copy}
        made.lines += renamed(fed(self.decoder, "\0", copy), new)
        made.lines += renamed(self.decoder.head, self.dec)
        title = f"{self.encoder.cell.name}_to_{self.decoder.cell.name}"
        return made.cell(f"{title}_with_attention" if self.attention else title, hidden)

    def _vector(self, before: Term) -> Term:
        """The target before as a vector: by the decoder's own equation of its symbols, or by a table."""
        front = [s for s in self.decoder.front if s.name == self.decoder.input and _plain(s)]
        if front:
            own = renamed(front, self.dec)[0].value
            symbols = set(self.decoder.system.inputs)
            return changed(own, lambda x: before if _reads_one(x, symbols) else None)
        table = unused("Y", self.made.taken)
        self.made.taken.add(table)
        return Term("index", (name(table), before))

    def _encoder(self) -> list[Statement]:
        part = self.encoder
        lines = renamed([*part.front, *part.layer], self.enc)
        return renamed(lines, {"t": "s", "T": "S"})

    def _at_end(self) -> Term:
        """What the encoder has when it has read all."""
        ends = _at_last(self.encoder)
        if self.encoder.instead is not None:
            raise _lost(self.encoder, ends)
        return _renamed(_renamed(ends, self.enc), {"t": "s", "T": "S"})

    def _starts(self, ends: Term, hidden: str) -> list[Statement]:
        """Where the decoder starts; what it says itself is left out."""
        states = {_state_of(p) for p in (self.encoder, self.decoder)}
        own = self.decoder
        recur = [self.dec[n] for n in own.system.definitions if n in _state_of(own)]
        started = [hidden] if hidden in recur else [*recur, *([hidden] if self.attention else [])]
        if len(states) == 1:
            names = [n for n in own.system.definitions if n in next(iter(states))]
            values = {self.dec[n]: indexed(self.enc[n], (name("S"),)) for n in names}
        else:
            values = {n: self._from(ends, n, len(started)) for n in started}
        stated = [s for s in own.layer if self.dec.get(s.name) in values and _at_zero(s)]
        self.decoder = replace(own, layer=tuple(s for s in own.layer if not any(s is x for x in stated)))
        return [Statement(n, (number(0),), value) for n, value in values.items()]

    def _from(self, ends: Term, state: str, states: int) -> Term:
        """``tanh(M @ e[S])``, a matrix for each state that starts so."""
        matrix = unused("M" if states == 1 else f"M_{state}", self.made.taken)
        self.made.taken.add(matrix)
        return call("tanh", Term("matmul", (name(matrix), ends)))

    def _looked_at(self, hidden: str) -> Term:
        made, e = self.made, self.enc[self.encoder.output]
        k, w, z, matrix = (unused(n, made.taken) for n in ("k", "w", "z", "K"))
        made.taken |= {k, w, z, matrix}
        of_s = (name("s"),)
        key = Term("matmul", (name(matrix), indexed(e, of_s)))
        weight = call("dot", indexed(hidden, (step("t", -1),)), indexed(k, of_s))
        both = (name("t"), name("s"))
        seen = Term("mul", (indexed(w, both), indexed(e, of_s)))
        made.lines += [
            Statement(k, of_s, key),
            Statement(w, both, call("softmax", weight, over=name("s")), note="where to look"),
            Statement(z, (name("t"),), call("sum", seen, over=name("s")), note="what is seen"),
        ]
        return read(z)


def _state_of(part: Part) -> frozenset[str]:
    """The layer's own signals that are read at an earlier step."""
    found = set()
    own = {s.name for s in part.layer if s.name in part.system.definitions}
    for s in part.layer:
        for x in walk(s.value):
            if not _reads_one(x, own):
                continue
            moments = [moment(i) for i in x.args[1:]]
            if any(m is not None and m.kind == "step" and m.offset < 0 for m in moments):
                found.add(x.args[0].attr)
    return frozenset(found)


def _later(value: Term, axes: Mapping[str, Sequence[str]]) -> Term | None:
    """What an equation of step t reads of later steps, or of all."""
    for x in walk(value):
        if x.head == "call" and x.attr[0] != "dropout" and "over" in x.attr[1]:
            over = x.args[len(x.args) - len(x.attr[1]) + x.attr[1].index("over")]
            if any(n.head == "name" and n.attr == "t" for n in walk(over)):
                return x
        known = axes.get(x.args[0].attr, ()) if x.head == "index" and x.args[0].head == "name" else ()
        for axis, item in zip(known, x.args[1:], strict=False):
            at = moment(item) if axis == "t" else None
            if at is not None and (at.kind == "last" or at.offset > (1 if at.kind == "fixed" else 0)):
                return x
    return None


def _at_zero(s: Statement) -> bool:
    return len(s.items) == 1 and s.items[0].head == "number" and s.items[0].attr == 0


def _plain(s: Statement) -> bool:
    return len(s.items) == 1 and same(s.items[0], name("t"))


def _reads_one(x: Term, inputs: set[str]) -> bool:
    return x.head == "index" and x.args[0].head == "name" and x.args[0].attr in inputs

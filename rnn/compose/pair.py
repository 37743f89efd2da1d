"""An encoder and a decoder: cells of two sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...graph.errors import LanguageError, listed
from ...graph.indices import moment
from ...graph.language import Statement, Term, walk
from ...graph.terms import call, indexed, name, number, step
from ..define import Cell
from .checks import check_below, check_decoder
from .doors import of_cells
from .layers import at_last
from .made import Made, fed
from .parts import Part, part_of
from .terms import at_zero, changed, names_in, plain, read, reads_one, renamed, renamed_term, unused


@of_cells
def encoder_decoder(encoder: Cell, decoder: Cell, attention: bool = False) -> Cell:
    """One sequence read, another one written: the encoder over x[s], the decoder over the targets y[t].

    The decoder's input is the target before, as a vector (Y[y[t-1]]; y[t-1] itself where the targets are numbers),
    joined with what the encoder has at its end, or, with ``attention``, with what the decoder looks at:
    ``w[t, s] = softmax(dot(d[t-1], K @ e[s]), over=s)``. Where both have the same states, those of the encoder's end
    are where the decoder starts; else its hidden output starts at ``tanh(M @ e[S])``, or, where no step reads the
    hidden output of an earlier one, each of its states, with a matrix of its own. The output layer and the loss are
    the decoder's. Raises LanguageError where inputs, outputs or the targets cannot be told, where one of the two has
    two indices itself, where the encoder has no hidden output but scores, or where the decoder reads later steps, which
    hold the targets, or feeds its scores back.
    """
    return _Pair(part_of(encoder), part_of(decoder), attention).cell()


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
        check_below(encoder)
        check_decoder(decoder)
        self.target = self._target()
        shared = [*names_in(decoder.head), *names_in(encoder.front), *names_in(decoder.front)]
        self.made = Made([encoder, decoder], shared=shared)
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
        front = [s for s in self.decoder.front if s.name == self.decoder.input and plain(s)]
        if front:
            own = renamed(front, self.dec)[0].value
            symbols = set(self.decoder.system.inputs)
            return changed(own, lambda x: before if reads_one(x, symbols) else None)
        table = unused("Y", self.made.taken)
        self.made.taken.add(table)
        return Term("index", (name(table), before))

    def _encoder(self) -> list[Statement]:
        part = self.encoder
        lines = renamed([*part.front, *part.layer], self.enc)
        return renamed(lines, {"t": "s", "T": "S"})

    def _at_end(self) -> Term:
        """What the encoder has when it has read all."""
        return renamed_term(renamed_term(at_last(self.encoder), self.enc), {"t": "s", "T": "S"})

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
        stated = [s for s in own.layer if self.dec.get(s.name) in values and at_zero(s)]
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
            if not reads_one(x, own):
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

"""What a cell is made of: what reads the symbols, the layer, and what reads the layer; and equations that are moved.

The loss reads the scores, and the scores read the hidden output: going back from the loss, through signals that each
read one other signal and do not recur, the first one that recurs, or that reads several, is the *output*. All that it
needs is the *layer*, all else the *head*. Scores that feed back are not the output, but what they read by a product
is; where scores read several signals, each by a product or all by one, the output is those joined. The *input* is what
the layer reads over time and the head does not. Where the input are symbols that one equation turns into vectors, each
step's by itself, ``e[t] = E[x[t]]``, that equation stands in *front* of the layer, and the layer's input is e.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...graph.errors import LanguageError, listed
from ...graph.inline import Inliner
from ...graph.language import Equations, Statement, Term, walk
from ...graph.system import System
from ..define import Cell, define
from .scores import Compared, beneath, compared, packed, without
from .terms import NOW, changed, names_in, names_of, plain, read, same, unused


@dataclass(frozen=True)
class Part:
    """A cell, cut.

    output   the signal that the head and a layer above read
    input    what the layer reads of what is below it, or None where it reads nothing
    inline   whether the input are symbols that the layer looks up itself: E[x[t]]
    ends     what the layer has at its last step, where that is not output[T]
    """

    cell: Cell
    front: tuple[Statement, ...]
    layer: tuple[Statement, ...]
    head: tuple[Statement, ...]
    output: str
    input: str | None
    inline: bool = False
    ends: Term | None = None

    @property
    def system(self) -> System:
        return self.cell.system

    @property
    def owned(self) -> list[str]:
        """The layer's own names: its signals, and the parameters that stand in it and not in front of it."""
        known = {*self.system.definitions, *self.system.parameters} - set(names_in(self.front))
        return [n for n in names_in(self.layer) if n in known]

    @property
    def units(self) -> list[str]:
        """The hidden outputs of the cells that the layer is made of."""
        known = [n for n in self.cell.units if n in self.owned]
        values = [s.value for s in self.layer if s.name == self.output and plain(s)]
        joined = [n for v in values if v.head == "call" and v.attr[0] == "concat" for n in names_of(v)]
        return known or [n for n in joined if n in self.system.definitions] or [self.output]

    @property
    def compared(self) -> Compared | None:
        """Where the loss reads the output itself, with no output layer between."""
        inside = {*names_in(self.layer), *names_in(self.front)}
        targets = [n for n in self.system.inputs if n not in inside]
        return compared(self.output, self.head, self.system.parameters, targets)

    @property
    def beside(self) -> list[str]:
        """The layer's signals that the head reads beside the output: scores that are fed back, or other states."""
        own = {s.name for s in self.layer if s.name in self.system.definitions and self.system.axes[s.name]}
        there = {n for s in self.head for n in names_of(without(s.value, self.ends))}
        return [n for n in self.system.definitions if n in (own & there) - {self.output}]

    @property
    def reads_output(self) -> bool:
        """Whether the head reads the output; without a loss, a head is whatever stands above."""
        own = {s.name for s in self.head if s.name in self.system.definitions}
        return not own or any(self.output in names_of(s.value) or _has(s.value, self.ends) for s in self.head)

    @property
    def source(self) -> str:
        """The input. Raises LanguageError where there is none."""
        if self.input is None:
            raise LanguageError(
                f"{self.cell.name} reads no input over time that a layer below could give",
                mend="say which of its inputs it is, input=…",
            )
        return self.input


class Composed(Cell):
    """A cell made of others.

    output   the signal that is its output
    ends     what it has at its last step, where that is not output[T]
    layers   name in one layer -> its names in all layers: a size that is stated for h is that of h_1, h_2, …
    units    the hidden outputs of the cells that it is made of
    """

    def __init__(
        self,
        cell: Cell,
        output: str,
        units: Iterable[str],
        ends: Term | None = None,
        layers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(cell.equations, cell.system, cell.init_rules)
        self.output = output
        self.ends = ends
        self.layers = dict(layers or {})
        self._units = tuple(units)

    @property
    def units(self) -> tuple[str, ...]:
        return self._units

    def sizes_by_name(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        known = self.system.axes
        found = {n: size for n, size in sizes.items() if n in known or n not in self.layers}
        for n, size in sizes.items():
            if n not in found:
                found |= {m: size for m in self.layers[n] if m not in sizes}
        return found


def part_of(cell: Cell, given: str | None = None, output: str | None = None) -> Part:
    """The cell, cut at its output; ``given`` and ``output`` say what its equations leave open.

    Raises LanguageError where no output, or more than one input, is found, TypeError for what is no cell.
    """
    if not isinstance(cell, Cell):
        raise TypeError(f"expected a cell, as rnn.define makes it, before its sizes are bound; got {cell!r:.80}")
    return _Cut(cell, given, output).part()


def _has(value: Term, part: Term | None) -> bool:
    return part is not None and any(same(x, part) for x in walk(value))


# ---- finding the parts -------------------------------------------------------------------------------
class _Cut:
    def __init__(self, cell: Cell, given: str | None, output: str | None) -> None:
        self.cell, self.system = cell, cell.system
        inliner = Inliner(cell.equations.functions, cell.system.opaque)
        self.statements = [replace(s, value=inliner.expand(s.value)) for s in cell.equations.statements]
        self.reads: dict[str, set[str]] = {}
        for s in self.statements:
            self.reads.setdefault(s.name, set()).update(names_of(s.value))
        self.given = given
        self.wanted = output or (cell.output if isinstance(cell, Composed) else None)
        whole = isinstance(cell, Composed) and output in (None, cell.output)
        self.ends = cell.ends if isinstance(cell, Composed) and whole else None

    def part(self) -> Part:
        output = self._output()
        inside = self._whole(self._needed(output))
        layer = [s for s in self.statements if s.name in inside]
        head = [s for s in self.statements if s.name in self.system.definitions and s.name not in inside]
        read_there = {n for s in head for n in names_of(s.value)}
        head = [s for s in self.statements if s.name in self.system.inputs and s.name in read_there] + head
        source = self._input(inside)
        symbols = source in self.system.symbols
        readers = [n for n in self.system.definitions if n in inside and source in self.reads[n]]
        of_inputs = [s for s in self.statements if s.name in self.system.inputs and s.name in names_in(layer)]
        front: list[Statement] = []
        if symbols and len(readers) == 1 and self._embeds(readers[0], source, output):
            front = [s for s in layer if s.name == readers[0]]
            layer = [s for s in layer if s.name != readers[0]]
            source, symbols = readers[0], False
            front, of_inputs = of_inputs + front, []
        cut = tuple(front), tuple(of_inputs + layer), tuple(head)
        return Part(self.cell, *cut, output, source, symbols, self.ends)

    def _needed(self, signal: str) -> set[str]:
        """The signals that a signal needs, itself among them."""
        found, stack = {signal}, [signal]
        while stack:
            for n in self.reads[stack.pop()] - found:
                if n in self.system.definitions:
                    found.add(n)
                    stack.append(n)
        return found

    def _whole(self, inside: set[str]) -> set[str]:
        """All parts of the vectors of which some part is inside: they are cut in one line."""
        cut = {str(s.value.args[0]) for s in self.statements if s.name in inside and s.value.head == "part"}
        return inside | {s.name for s in self.statements if s.value.head == "part" and str(s.value.args[0]) in cut}

    def _recurs(self, signal: str) -> bool:
        return any(signal in self._needed(n) for n in self.reads[signal] if n in self.system.definitions)

    def _output(self) -> str:
        defined = self.system.definitions
        if self.wanted is not None:
            if self.wanted not in defined or self.system.axes[self.wanted] != ("t",):
                over_time = [n for n in defined if self.system.axes[n] == ("t",)]
                raise LanguageError(
                    f"{self.cell.name} has no signal {self.wanted} over time",
                    expected=f"one of {listed(over_time)}",
                    got=f"output={self.wanted!r}",
                )
            return self.wanted
        at = "L" if "L" in defined else self._last()
        while not self._recurs(at):
            below = [n for n in defined if n in self.reads[at] and n != at]
            if len(below) == 1:
                at = below[0]
            elif len(below) > 1 and (joined := self._joined(at, below)):
                return joined
            else:
                break
        if self.system.axes[at] == ("t",) and (hidden := self._fed_back(at)):
            return hidden
        if self.system.axes[at] != ("t",):
            raise LanguageError(
                f"{self.cell.name}: what its hidden output is, its equations do not show: {at} "
                f"reads {listed(sorted(self.reads[at] & set(defined))) or 'no signal'}",
                expected="a loss that reads scores, which read one signal over t",
                mend='say it: output="h"',
            )
        return at

    def _fed_back(self, scores: str) -> str | None:
        """What scores read that are themselves part of a loop: it, not they, is the hidden output."""
        head = [s for s in self.statements if s.name not in self._needed(scores) and s.name in self.system.definitions]
        values = {s.name: s.value for s in self.statements if plain(s)}
        if scores not in values or compared(scores, head, self.system.parameters, ()) is None:
            return None
        timed = [n for n in self.system.definitions if self.system.axes[n] and n in values]
        return beneath(scores, values, timed, self.system.parameters)

    def _last(self) -> str:
        """The signal that nothing else reads, in a cell without a loss."""
        unread = [n for n in self.system.definitions if not any(n in r for m, r in self.reads.items() if m != n)]
        if len(unread) == 1:
            return unread[0]
        found = unread or list(self.system.definitions)
        raise LanguageError(
            f"{self.cell.name} has no loss L, and its hidden output may be {listed(found)}",
            mend=f'say it: output="{found[0]}"',
        )

    def _joined(self, scores: str, below: list[str]) -> str | None:
        """``o[t] = V @ concat(h[t], k[t]) + d`` becomes two equations, of which the first is the output; so does
        ``V_1 @ h[t] + V_2 @ k[t] + d``."""
        where, own = next((i, s) for i, s in enumerate(self.statements) if s.name == scores)
        products = [
            p.args[1] for p in walk(own.value)
            if p.head == "matmul" and p.args[0].head == "name" and p.args[0].attr in self.system.parameters
            and set(below) <= set(names_of(p.args[1]))
        ]  # fmt: skip
        if self.system.axes[scores] != ("t",) or not plain(own):
            return None
        new = unused("joined", [*self.system.axes])
        if len(products) == 1:
            joined = products[0]
            value = changed(own.value, lambda x: read(new) if x is products[0] else None)
        else:
            elsewhere = {n for s in self.statements if s is not own for n in names_of(s.value)}
            free = [n for n in self.system.parameters if n not in elsewhere and n not in self.cell.init_rules]
            known = [*self.system.axes, *self.system.parameters]
            found = packed(own.value, below, free, known)
            if found is None:
                return None
            joined, whole_value = found
            value = changed(whole_value, lambda x: read(new) if x is joined else None)
        self.statements[where : where + 1] = [Statement(new, (NOW,), joined), replace(own, value=value)]
        whole = Equations()
        for s in self.statements:
            whole.add(s)
        self.cell = again(whole, [self.cell], self.cell.name, self.cell.init_rules, self.system.constants)
        self.system = self.cell.system
        self.reads[new], self.reads[scores] = set(names_of(joined)), set(names_of(value))
        return new

    def _input(self, inside: set[str]) -> str | None:
        needed = set().union(*(self.reads[n] for n in inside))
        found = [n for n in self.system.inputs if n in needed and "t" in self.system.axes[n]]
        if self.given is not None:
            if self.given not in found:
                raise LanguageError(
                    f"{self.cell.name} does not read {self.given} in its layer",
                    expected=f"one of {listed(found)}" if found else None,
                    got=f"input={self.given!r}",
                )
            return self.given
        after = self._needed("L") - inside if "L" in self.system.definitions else set()
        targets = {n for m in after for n in self.reads[m]}
        own = [n for n in found if n not in targets]
        if len(own) > 1:
            raise LanguageError(
                f"{self.cell.name} reads {listed(own)} at each step: which is its input is open",
                mend=f'say it: input="{own[0]}"',
            )
        return own[0] if own else None

    def _embeds(self, signal: str, source: str | None, output: str) -> bool:
        """Whether a signal is a vector of the symbol of its step, and nothing else."""
        others = self.reads[signal] & set(self.system.definitions)
        read_there = [x for s in self.statements if s.name == signal for x in walk(s.value) if x.head == "index"]
        if any(not same(x, read(x.args[0].attr)) for x in read_there if x.args[0].attr == source):
            return False  # other steps are the layer's to read: they lie the other way where time is reversed
        return not others and signal != output and self.system.axes[signal] == ("t",)


def again(
    equations: Equations, cells: Iterable[Cell], title: str, init: Mapping[str, object], constants: Iterable[str]
) -> Cell:
    """The cell of these equations, read from their text, so that errors show the line as it stands here; static
    inputs and open functions are those of ``cells``."""
    cells = list(cells)
    text = "\n".join(f"{line}    # {note}" if note else line for line, note in equations.lines())
    present = set(names_in(equations.statements))
    static = [n for c in cells for n in c.inputs if not c.system.axes[n] and n in present]
    called = {t.attr[0] for s in equations.statements for t in walk(s.value) if t.head == "call"}
    return define(
        text,
        name=title,
        inputs=dict.fromkeys(static),
        constants=sorted(set(constants) & present),
        opaque=sorted({n for c in cells for n in c.system.opaque} & called),
        init={n: rule for n, rule in init.items() if n in present},
    )

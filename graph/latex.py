"""Circuits as LaTeX, from the terms of ``show``; the step of ``h[t-1]`` is a superscript in brackets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .doors import require_circuit
from .expr import TIME_AXES
from .language import Statement, Term
from .ops.table import TABLE
from .provenance import Name, Note
from .show import joined, statements_and_shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .circuit import Circuit
    from .show import Shape

_GREEK_NAMES = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"""
GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", _GREEK_NAMES.split(), strict=True))
SPELLED = frozenset(GREEK.values())
PRIME = "ʹ"
RELATIONS = {"==": "=", "!=": r"\neq", "<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq"}
STRENGTH = {"compare": 1, "add": 2, "sub": 2, "neg": 2, "mod": 3, "mul": 3, "div": 9, "matmul": 4, "pow": 5}
"""How strongly a head binds; a fraction brackets itself, and products of matrices bind more than ⊙."""
SIGNS = {"sum": r"\sum", "max": r"\max", "mean": r"\operatorname{mean}"}
TALL = re.compile(r"\\frac|\\sum|\\begin|\\sqrt|\^|_")


def latex(circuit: Circuit, comments: bool = False) -> str:
    """The equations of a circuit as an ``aligned`` environment (needs amsmath).

    Names stay what the user called them: ``W_f`` has a subscript, ``alpha`` and ``δ`` are Greek letters,
    ``h1`` has the index 1. ``comments``: with the comments that the equations were given, at the
    right; those of an adjoint say which equations its terms come from.
    """
    require_circuit(circuit, "latex")
    equations, shapes = statements_and_shapes(circuit)
    printer = Printer(circuit, shapes)
    lines = []
    for group in joined(equations, shapes):
        left = r",\; ".join(printer.target(s) for s in group)
        if len(group) > 1:
            whole = printer.write(group[0].value.args[0])
            right = rf"\operatorname{{split}}{brackets(whole)}"
        else:
            right = printer.write(group[0].value)
        note = group[0].note if comments else None
        lines.append(f"{left} &= {right}" + (f" && {comment(note)}" if note else ""))
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def binding(term: Term) -> int:
    """How strongly a term binds: a sum over steps takes the product behind it, not what follows a plus."""
    over_steps = term.head == "call" and term.attr[0] in SIGNS and term.attr[1] == ("over",)
    if over_steps and term.args[-1].head != "number":
        return STRENGTH["add"]
    indicator = term.head == "call" and term.attr[0] == "where"
    return STRENGTH["mul"] if indicator else STRENGTH.get(term.head, 9)


class Printer:
    """Terms of one circuit as LaTeX."""

    def __init__(self, circuit: Circuit, shapes: dict[Term, Shape]) -> None:
        self.circuit = circuit
        self.shapes = shapes
        self._heads: dict[str, Callable[[Term], str]] = {
            "number": self._number,
            "name": lambda term: identifier(term.attr),
            "text": lambda term: rf"\text{{{escaped(term.attr)}}}",
            "all": lambda term: ":",
            "tuple": lambda term: ", ".join(map(self.write, term.args)),
            "index": self._index,
            "call": self._call,
            "transpose": lambda term: rf"{self.inside(term.args[0], 6)}^\top",
            "neg": lambda term: "-" + self.inside(term.args[0], 3),
            "add": lambda term: f"{self.inside(term.args[0], 2)} + {self.inside(term.args[1], 2)}",
            "sub": lambda term: f"{self.inside(term.args[0], 2)} - {self.inside(term.args[1], 3)}",
            "mul": self._mul,
            "mod": lambda term: rf"{self.inside(term.args[0], 3)} \bmod {self.inside(term.args[1], 4)}",
            "div": lambda term: rf"\frac{{{self.write(term.args[0])}}}{{{self.write(term.args[1])}}}",
            "matmul": lambda term: rf"{self.inside(term.args[0], 4)}\, {self.inside(term.args[1], 5)}",
            "pow": lambda term: rf"{self.inside(term.args[0], 6)}^{{{self.write(term.args[1])}}}",
            "compare": self._compare,
        }

    def write(self, term: Term) -> str:
        """The term as LaTeX."""
        return self._heads[term.head](term)

    def inside(self, term: Term, strength: int) -> str:
        """The term, in brackets where it binds less than ``strength``."""
        shown = self.write(term)
        negative = term.head == "number" and term.attr < 0
        scripted = strength == 6 and (term.head == "index" or PRIME in shown or "^" in shown)
        loose = binding(term) < strength or (negative and strength > 2) or scripted
        if strength == 6 and term.head in ("div", "call"):
            loose = True
        return brackets(shown) if loose else shown

    def target(self, equation: Statement) -> str:
        """The left side."""
        if not equation.items:
            return identifier(equation.name)
        return identifier(equation.name, superscript=self._listed(equation.items))

    def _listed(self, items: tuple[Term, ...]) -> str:
        return ", ".join(map(self._step, items))

    def _step(self, item: Term) -> str:
        return self.write(item).replace(" - ", "-").replace(" + ", "+")

    def _number(self, term: Term) -> str:
        mantissa, _, exponent = repr(term.attr).partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa

    def _index(self, term: Term) -> str:
        base, *items = term.args
        steps = all(i.head in ("name", "add", "sub", "number") for i in items)
        if base.head == "name" and steps and base.attr not in self.circuit.params:
            return identifier(base.attr, superscript=self._listed(tuple(items)))
        listed = ", ".join(map(self.write, items))
        if base.head == "name":
            return identifier(base.attr, subscript=listed)
        return f"{brackets(self.write(base))}_{{{listed}}}"

    def _mul(self, term: Term) -> str:
        a, b = term.args
        left, right = self.inside(a, 3), self.inside(b, 4)
        if a.head == "number" and b.head == "number":
            return rf"{left} \cdot {right}"
        scalar = not self.shapes.get(a, ()) or not self.shapes.get(b, ())
        return rf"{left}\, {right}" if scalar else rf"{left} \odot {right}"

    def _compare(self, term: Term) -> str:
        return f"{self.inside(term.args[0], 2)} {RELATIONS[term.attr]} {self.inside(term.args[1], 2)}"

    def _call(self, term: Term) -> str:
        function, keywords = term.attr
        if keywords == ("over",) and function in SIGNS and term.args[-1].head != "number":
            return self._over(function, *term.args)
        if not keywords and function in FUNCTIONS:
            return FUNCTIONS[function](self, *term.args)
        args = list(map(self.write, term.args[: len(term.args) - len(keywords)]))
        entry = TABLE.get(function)
        if entry and entry.latex and not keywords and not entry.latex.startswith(r"\operatorname"):
            template = entry.latex
            if any(TALL.search(a) for a in args):
                template = template.replace("({0}", r"\left({0}").replace("})", r"}\right)")
            return template.format(*args)
        given = zip(keywords, term.args[len(args) :], strict=True)
        options = [rf"\text{{{k}}}={self._axes(v)}" for k, v in given]
        return rf"\operatorname{{{escaped(function)}}}{brackets(', '.join([*args, *options]))}"

    def _axes(self, axes: Term) -> str:
        """What stands behind ``over=``."""
        if axes.head == "tuple":
            return f"({', '.join(map(self._axes, axes.args))})"
        upright = axes.head == "name" and axes.attr not in TIME_AXES
        return rf"\text{{{axes.attr}}}" if upright else str(axes.attr)

    def _over(self, function: str, inner: Term, axes: Term) -> str:
        return f"{SIGNS[function]}_{{{self._axes(axes).strip('()')}}} {self.inside(inner, 3)}"


def _cases(p: Printer, condition: Term, a: Term, b: Term) -> str:
    if b.head == "number" and b.attr == 0 and condition.attr == "==":
        factor = "" if a.head == "number" and a.attr == 1 else rf"\, {p.inside(a, 4)}"
        return rf"\mathbb{{1}}[{p.write(condition)}]{factor}"
    rows = rf"{p.write(a)} & \text{{if }} {p.write(condition)} \\ {p.write(b)} & \text{{else}}"
    return rf"\begin{{cases}} {rows} \end{{cases}}"


FUNCTIONS: dict[str, Callable[..., str]] = {
    "where": _cases,
    "dot": lambda p, a, b: rf"{p.inside(a, 6)}^\top {p.inside(b, 5)}",
    "outer": lambda p, a, b: rf"{p.inside(a, 5)}\, {p.inside(b, 6)}^\top",
    "diag": lambda p, a: rf"\operatorname{{diag}}{brackets(p.write(a))}",
}


def comment(note: str) -> str:
    """A comment as text; the names in one that ``grad`` wrote are set as in the equations."""
    if not isinstance(note, Note):
        return rf"\text{{{escaped(note)}}}"
    parts = [
        f"${identifier(piece.name, superscript=', '.join(piece.steps))}$" if isinstance(piece, Name) else escaped(piece)
        for piece in note.pieces
    ]
    return rf"\text{{{''.join(parts)}}}"


# ---- names ---------------------------------------------------------------------------------------
def brackets(shown: str) -> str:
    """In round brackets, as high as what they hold."""
    return rf"\left({shown}\right)" if TALL.search(shown) else f"({shown})"


def escaped(text: str) -> str:
    """Text with LaTeX's own characters escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c) or (f"\\{c}" if c in "#$%&_{}" else c) for c in text)


def identifier(name: str, superscript: str = "", subscript: str = "") -> str:
    """A name: ``W_f`` with a subscript, ``h1`` with the index 1, ``δa`` as an adjoint, primes as primes."""
    primes = name.count(PRIME)
    head, *below = name.replace(PRIME, "").split("_")
    mark = re.fullmatch(r"δ(\d*)(.+)", head)
    prefix = ""
    if mark:
        prefix = r"\delta" + (f"_{{{mark[1]}}}" if mark[1] else "") + " "
        head = mark[2]
    number = re.fullmatch(r"(\D+)(\d+)", head)
    if number:
        head, below = number[1], [number[2], *below]
    low = ", ".join([*(letters(b) for b in below if b), *([subscript] if subscript else [])])
    high = r"\,".join(x for x in (r"\prime" * primes, f"({superscript})" if superscript else "") if x)
    return prefix + letters(head) + (f"_{{{low}}}" if low else "") + (f"^{{{high}}}" if high else "")


def letters(word: str) -> str:
    """A word: one letter in italics, Greek by its name, several letters upright."""
    if word in SPELLED:
        return f"\\{word}"
    if len(word) > 1 and not word.isdigit() and all(c not in GREEK for c in word):
        return rf"\mathrm{{{word}}}"
    return " ".join(rf"\{GREEK[c]}" if c in GREEK else c for c in word) if not word.isdigit() else word

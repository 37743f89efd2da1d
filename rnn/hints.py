"""What is written on paper, or in Python, and not in the language, and how to write it.

Products without a sign or with a dot, superscripts and subscripts, LaTeX: what only paper has is found in a text before
it is parsed. Python's own errors for these ("invalid syntax", "perhaps you forgot a comma") do not say what to write.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable

from ..graph.errors import LanguageError, Position
from ..graph.functions import FUNCTIONS

PRODUCTS = "write * for an elementwise product, @ for one with a matrix, dot(a, b) for that of two vectors"
SIGNS = {
    **dict.fromkeys("·⋅•×∙", PRODUCTS),
    **dict.fromkeys("⊙∘∗", "write * for an elementwise product"),
    "⊗": "write outer(a, b)",
    **dict.fromkeys("−–—", "write -"),
    "÷": "write /",
    "²": "write **2",
    "³": "write **3",
    **dict.fromkeys("ᵀ⊤", "write W.T for the transpose of W"),
    "√": "write sqrt(e)",
    "∑": "write sum(e[t], over=t) for a sum over steps, sum(e) for one over features",
    "∏": "write exp(sum(log(e), over=t))",
    **dict.fromkeys("∂∇", "derivatives are not written: graph.grad(net, loss) finds them"),
    **dict.fromkeys("←≔", "write ="),
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "∞": "write a large number",
    "|": "write abs(e) for |e|, maximum(a, b) for one or the other",
    **dict.fromkeys("ₜₛ", "write h[t], an index in brackets"),
    **dict.fromkeys("₀₁₂₃₄₅₆₇₈₉", "write the number on the line: h1, h_1"),
    **dict.fromkeys("₊₋", "write h[t-1], an index in brackets"),
    "$": "write the equation without $",
    **dict.fromkeys("{}", "write ( and ) around a part of an expression"),
}
"""Signs that the language does not have -> what to write."""

# none of these may take long on a text of a million letters
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|#.*")
_SUBSCRIPT = re.compile(r"\b([^\W_]\w*?)_?_\{([^{}]{0,80})\}?")
_BASE = re.compile(r"(?:\b\w+)?(?:\[[^\[\]]*\])?$")
_POWER = re.compile(r"\{[^{}]*\}?|\([^()]*\)?|\w+|⊤")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_TIME = re.compile(r"[ts]\s*([+-]\s*\d+)?|[TS]|\d+")
_SIDE_BY_SIDE = re.compile(r"(?:\b(?P<word>\w++)\s+|(?P<close>[)\]])\s*)(?P<right>\w++)")
_NUMBER_GOES_ON = r"[eE][+-]?\d|[jJ]\b|_\d|[xXoObB][\da-fA-F]"
_COEFFICIENT = re.compile(rf"(?<![\w.])\d++(?:\.\d*+)?(?P<right>(?!{_NUMBER_GOES_ON})[^\W\d]\w*+)")
_OPERAND = re.compile(r"(?:[\w.]+)?(?:\[[^\[\]]*\])?$")
_INDEXED = re.compile(r"\w+(?:\[[^\[\]]*\])?")
_TARGET = re.compile(r"(?:\[[^\[\]]*\])?\s*=(?!=)")

Place = Callable[[int, int], Position]


def refuse_paper(lines: list[str], place: Place) -> None:
    """Raise LanguageError for the first sign, or pair of names side by side, that only paper has.

    ``place`` gives the position of a line (from 1) and a column (from 0).
    """
    for number, line in enumerate(lines, 1):
        code = _QUOTED.sub(lambda m: " " * len(m[0]), line)
        found = [f for find in FINDERS if (f := find(code))]
        if found:
            column, problem, got, mend = min(found, key=lambda f: f[0])
            raise LanguageError(problem, place(number, column), got=got, mend=mend)


Found = tuple[int, str, str, str]
"""Where, what is wrong, what was written, what to write."""


def _subscript(code: str) -> Found | None:
    """``h_{t-1}``, ``W_{xh}``."""
    found = _SUBSCRIPT.search(code) if "_{" in code else None
    if found is None:
        return None
    name, inside = found[1], found[2].replace(" ", "")
    write = f"{name}[{inside}], an index in brackets" if _TIME.fullmatch(inside) else f"{name}_{_letters(inside)}"
    return found.start(), "braces are not in the language", found[0], f"write {write}"


def _superscript(code: str) -> Found | None:
    """``b^2``, ``W^T``, ``h^{(t)}``."""
    column = code.find("^")
    if column < 0:
        return None
    base = _ending(_BASE, code, column)
    power = _POWER.match(code, column + 1)
    written = power[0] if power else ""
    inside = written.strip("{}() ").replace(" ", "")
    shown = base or "e"
    if inside in ("T", "⊤"):
        write = f"{shown}.T for the transpose"
    elif inside.startswith(("t", "s")) and _TIME.fullmatch(inside):
        write = f"{shown}[{inside}], an index in brackets"
    else:
        write = f"{shown}**{inside if inside.isdigit() else 2} for a power"
    return column, "^ is not in the language", f"{base}^{written}", f"write {write}"


def _command(code: str) -> Found | None:
    r"""``\sigma``, ``\tanh``."""
    found = _COMMAND.search(code)
    if found is None:
        return None
    instead = {"sigma": "sigmoid(…)", "odot": "*", "cdot": "*, @ or dot(a, b)", "times": "*", "top": ".T"}
    write = instead.get(found[1], found[1])
    return found.start(), "commands of LaTeX are not in the language", found[0], f"write {write}"


def _sign(code: str) -> Found | None:
    for column, sign in enumerate(code):
        if sign in SIGNS:
            return column, f"{sign} is not in the language", sign, SIGNS[sign]
    return None


def _stacked(code: str) -> Found | None:
    """``[x[t]; h[t-1]]``."""
    depth = 0
    for column, sign in enumerate(code):
        depth += (sign in "([") - (sign in ")]")
        if sign == ";" and depth > 0:
            mend = "write concat(a, b) for vectors one below the other"
            return column, "; is not in the language within brackets", ";", mend
    return None


def _product(code: str) -> Found | None:
    """``W h[t-1]``, ``2x[t]``, ``tanh W``: what stands side by side."""
    start, places = 0, []
    while found := _SIDE_BY_SIDE.search(code, start):
        start = found.start("right")
        if not keyword.iskeyword(found["word"] or "") and not keyword.iskeyword(found["right"]):
            places.append(start)
            break
    places += [m.start("right") for m in [_COEFFICIENT.search(code)] if m]
    if not places:
        return None
    column = min(places)
    left = _ending(_OPERAND, code, len(code[:column].rstrip())) or "…)"
    right = found[0] if (found := _INDEXED.match(code, column)) else ""
    mend = f"write {left} * {right} for an elementwise product"
    if not left[0].isdigit():
        mend += f", {left} @ {right} for one with a matrix, dot({left}, {right}) for that of two vectors"
    if _TARGET.match(code, column + len(right)):
        mend = "write one equation a line, or ; between them"
    elif left in FUNCTIONS:
        mend = f"write {left}(…), its argument in parentheses"
    return column, "two values side by side are no product", f"{left} {right}", mend


def _ending(pattern: re.Pattern[str], code: str, end: int) -> str:
    """What a pattern finds right before a column, of the last letters."""
    found = pattern.search(code[max(0, end - 80) : end])
    return found[0] if found else ""


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


FINDERS: tuple[Callable[[str], Found | None], ...] = (
    _subscript,
    _superscript,
    _command,
    _sign,
    _stacked,
    _product,
)


# ---- what Python has and the language not ------------------------------------------------------------
def as_equation(node: ast.stmt) -> str:
    """How a statement that is no equation becomes one."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
        name = ast.unparse(node.target.value)[:60]
        return f"write {name}[t] = {name}[t-1] … for the value at the step before"
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, ast.Compare) and isinstance(value.ops[0], ast.Eq):
        return f"write one =: {ast.unparse(value.left)[:60]} = …"
    return "an equation has one = and its name on the left"


def function_of_module(node: ast.expr) -> str | None:
    """``np.tanh(e)`` is written tanh(e)."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute) and function.attr.lower() in FUNCTIONS:
        return f"write {function.attr.lower()}(…): functions stand alone"
    return None

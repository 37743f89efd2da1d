"""What is written on paper and not in the language: the error says what to write, and where."""

from __future__ import annotations

import pytest
from bptt.graph import LanguageError
from bptt.graph.errors import Position
from bptt.rnn import define
from bptt.rnn.cells import CELLS
from bptt.rnn.equations import parse
from bptt.rnn.hints import refuse_paper

# text, line, column, parts of the message
PAPER = {
    "sigma": ("h[t] = σ(W @ h[t-1])", 1, 8, "no function σ", "mend: write sigmoid(…)"),
    "ln": ("h[t] = ln(x[t])", 1, 8, "no function ln", "mend: write log(…)"),
    "capitals": ("h[t] = ReLU(x[t])", 1, 8, "no function ReLU", "mend: write relu(…)"),
    "power": ("a = 1\nh[t] = b[t]^2", 2, 12, "^ is not in the language", "got: b[t]^2", "mend: write b[t]**2"),
    "power of a bracket": ("h[t] = tanh(x[t]) ^ 3", 1, 19, "^ is not", "mend: write e**"),
    "transpose": ("h[t] = W^T @ x[t]", 1, 9, "got: W^T", "mend: write W.T"),
    "raised transpose": ("h[t] = Wᵀ @ x[t]", 1, 9, "mend: write W.T"),
    "time above": ("h^{(t)} = x[t]", 1, 2, "got: h^{(t)}", "mend: write h[t], an index in brackets"),
    "two": ("h[t] = x[t]²", 1, 12, "mend: write **2"),
    "side by side": ("h[t] = tanh(W h[t-1])", 1, 15, "two values side by side", "W @ h[t-1] for one with a matrix"),
    "bracket and name": ("h[t] = (a + b) x[t]", 1, 16, "two values side by side", "write …) * x[t]"),
    "index and name": ("h[t] = f[t]x[t]", 1, 12, "got: f[t] x[t]", "f[t] * x[t] for an elementwise product"),
    "coefficient": ("h[t] = 2x[t]", 1, 9, "mend: write 2 * x[t] for an elementwise product"),
    "coefficient apart": ("h[t] = 0.5 x[t]", 1, 12, "mend: write 0.5 * x[t]"),
    "two brackets": ("h[t] = (a + b)(c + d)", 1, 8, "not in the language", "write the sign of a product, * or @"),
    "no parentheses": ("h[t] = tanh W @ x[t]", 1, 13, "mend: write tanh(…), its argument in parentheses"),
    "two equations": ("a = 1 h[t] = x[t]", 1, 7, "mend: write one equation a line"),
    "index in parentheses": ("h[t] = tanh(W @ h(t-1))", 1, 17, "no function h", "in brackets: h[t-1]. Or define it"),
    "two indices in parentheses": ("z[t] = sum(w(t, s))", 1, 12, "in brackets: w[t, s]"),
    "defined in parentheses": ("h(t) = tanh(x[t])", 1, 3, "an index stands in brackets: h[t] = …"),
    "start in parentheses": ("h[t] = h[t-1]\nh(0) = 1", 2, 3, "an index stands in brackets: h[0] = …"),
    "without an index": ("h[t] = tanh(W @ h)", 1, 17, "h is read without an index", "mend: write h[t], or h[t-1]"),
    "input without an index": ("k[t] = x[t]\nh[t] = U @ x", 2, 12, "x is in two roles", "mend: write x[t]"),
    "time below": ("h[t] = tanh(W @ h_{t-1})", 1, 17, "got: h_{t-1}", "mend: write h[t-1], an index in brackets"),
    "name below": ("h[t] = W_{xh} @ x[t]", 1, 8, "got: W_{xh}", "mend: write W_xh"),
    "small t below": ("hₜ = x[t]", 1, 2, "mend: write h[t]"),
    "middle dot": ("h[t] = W · h[t-1]", 1, 10, "· is not in the language", "@ for one with a matrix"),
    "middle dot within a name": ("h[t] = W·h[t-1]", 1, 9, "· is not in the language", "@ for one with a matrix"),
    "cross": ("h[t] = f[t] × h[t-1]", 1, 13, "× is not in the language", "write * for an elementwise product"),
    "circled dot": ("h[t] = f[t] ⊙ h[t-1]", 1, 13, "⊙ is not in the language", "write * for an elementwise product"),
    "minus": ("h[t] = a − b[t]", 1, 10, "mend: write -"),
    "sum": ("L = ∑ x[t]", 1, 5, "write sum(e[t], over=t)"),
    "LaTeX": ("h[t] = \\tanh(x[t])", 1, 8, "got: \\tanh", "mend: write tanh"),
    "LaTeX's sigma": ("h[t] = \\sigma(x[t])", 1, 8, "mend: write sigmoid(…)"),
    "braces": ("h[t] = tanh{x[t]}", 1, 12, "{ is not in the language", "write ( and )"),
    "stacked": ("h[t] = W @ [x[t]; h[t-1]]", 1, 17, "; is not in the language", "write concat(a, b)"),
    "the first of several": ("h[t] = f[t] ⊙ W h[t-1]^2", 1, 13, "⊙ is not in the language"),
    "indented": ("\n    h[t] = W x[t]", 2, 14, "two values side by side"),
    "after letters of more bytes": ("h[t] = δδ × x[t]", 1, 11, "× is not"),
}


@pytest.mark.parametrize("case", PAPER)
def test_the_error_says_what_to_write_and_where(case: str) -> None:
    text, line, column, *parts = PAPER[case]
    with pytest.raises(LanguageError) as caught:
        define(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["h[t] = tanh(W @ x_t)", "x_t = tanh(W @ h)"])
def test_a_time_that_is_part_of_a_name(text: str) -> None:
    with pytest.raises(LanguageError, match=r"x_t is one name, and x at t is x\[t\]"):
        define(text)()


FINE = [
    "h[t] = 2e-05 * x[t] + 1e9 + 1.5E+3 + 1_000 + 0x1f   # 2x y, W^T · {a}",
    "h[t] = einsum('ij,j->i', W, x[t])",
    'h[t] = einsum("ij,j->i", W, x[t])  # it\'s x² of h_{t-1}',
    "h[t] = tanh(W @ h[t-1] +  # first\n    U @ x[t])",
    "a = 1; h[t] = x[t]",
    "o[t] = \\\n   x[t]",
    "f(a, b) = a * b\nh[t] = f(h[t-1], x[t])",
    "ℎ[t] = tanh(Ж @ h[t-1] + Σ * 数[t] + δʹ + x_1[t])",
]


@pytest.mark.parametrize("text", FINE)
def test_what_is_in_the_language_is_left_alone(text: str) -> None:
    assert parse(text).statements


def test_the_cells_are_left_alone() -> None:
    assert all(parse(recipe.text).statements for recipe in CELLS.values())


# a piece of a line that is long and whether the line is refused; what takes the square of its length does not end
LONG = {
    "h": False, "1": False, "a ": True, ") ": False, "h[": False, "'": False, "\"'": False, "_": False, "x^": True,
    "_{": True, "1.": False, "f(": False, "; ": False, "\\a": True, "(;": True, "²": True,
}  # fmt: skip


@pytest.mark.parametrize("piece", LONG)
def test_long_lines_are_read_in_time_that_grows_with_their_length(piece: str) -> None:
    refused = False
    try:
        refuse_paper([piece * 300_000], Position)
    except LanguageError:
        refused = True
    assert refused == LONG[piece]

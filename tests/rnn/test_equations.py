"""The text form: how it is read, and what of it is kept."""

from __future__ import annotations

import pytest
from bptt.graph import LanguageError
from bptt.rnn import define
from bptt.rnn.equations import parse


def written(text: str) -> list[str]:
    return str(parse(text)).splitlines()


def test_statements_are_read_in_order() -> None:
    text = """
        f(a, b) = tanh(W @ a + b)       # a function
        h[t] = f(h[t-1],
                 x[t])
        k = 3; m[0] = -1
        i[t], j[t] = split(h[t], 2)
        (p[t], q[t]) = split(h[t], 2)
    """
    assert written(text) == [
        "f(a, b) = tanh(W @ a + b)",
        "h[t] = f(h[t-1], x[t])",
        "k = 3",
        "m[0] = -1",
        "i[t], j[t] = split(h[t], 2)",
        "p[t], q[t] = split(h[t], 2)",
    ]


EXPRESSIONS = [
    "a + b - c * d / e % f @ g",
    "a - (b - c)",
    "a / (b * c)",
    "-a**2 + (-a)**2 + a**(-1)",
    "a @ (b @ c) @ d.T",
    "(a + b).T @ c",
    "a[t-1] + a[t+2] + a[T] + a[T-1] + a[0] + a[-1] + a[t, s]",
    "B[:, x[t]] + A[x[t-1], x[t]] + e[y[t]] + B[2]",
    "where(x[t] >= 0, 1.5, 2e-05) + sum(x[t], over=(t, batch)) + sum(x[t], over=-1)",
    "einsum('ij,j->i', a, b)",
    "(a < b) * (a != b)",
    "f(a, g(b), k=3)",
    "δa[t] * h_1[t] + größe",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_written_is_what_was_read(expression: str) -> None:
    assert written(f"h[t] = {expression}") == [f"h[t] = {expression}"]


def test_comments_explain_the_equation() -> None:
    text = """
        # the state,
        # squashed
        h[t] = tanh(x[t])
        # not about anything

        o[t] = h[t]    #: what is read
        i[t], j[t] = split(h[t], 2)   # both parts
        k[t] = (o[t] +    # first
                h[t])     # last
    """
    notes = {s.name: s.note for s in parse(text).statements}
    assert notes["h"] == "the state, squashed"
    assert notes["o"] == ": what is read"
    assert notes["i"] == notes["j"] == "both parts"
    assert notes["k"] == "last"
    net = define("h[t] = x[t]   # copied")(x=2)
    assert net.notes == {"h": "copied"}


def test_positions_are_those_of_the_text_as_it_was_given() -> None:
    statements = parse("\n\n   h[t] = x[t]\n\t o[t] = \\\n      h[t]").statements
    assert [(s.where.line, s.where.column) for s in statements] == [(3, 4), (4, 3)]
    assert (statements[1].value.where.line, statements[1].value.where.column) == (5, 7)


def test_line_ends_of_other_systems() -> None:
    assert written("a = 1\r\nb = 2\rc = 3") == ["a = 1", "b = 2", "c = 3"]


def test_names_may_be_of_any_script_and_look_alikes_are_one() -> None:
    net = define("ℎ[t] = tanh(Ж @ h[t-1] + ü * 数[t])")(h=3)
    assert list(net.eqs) == ["h"]
    assert set(net.params) == {"Ж", "ü"}


def test_function_definitions_are_told_from_calls() -> None:
    equations = parse("f(a) = a\ng( b , c ) = b * c  \nh[t] = f(x[t]) + g(x[t],\n  f(x[t]))")
    assert list(equations.functions) == ["f", "g"]
    assert equations.functions["g"].parameters == ("b", "c")
    for wrong in (
        "f(a=1) = a",
        "f(1) = 2",
        "f(a)(b) = a",
        "f(g(a)) = a",
        "x[t].T = 3",
        "f(*a) = 1",
        "(a) = (b) = c",
    ):
        with pytest.raises(LanguageError):
            define(wrong)


def test_nothing_is_evaluated() -> None:
    for text in (
        "h = __import__('os')",
        "h = (lambda: 1)()",
        "h = [a for a in b]",
        "h = f'{1}'",
        "h = (a := 1)",
        "import os",
        "def f(): pass",
        "h = open('x')",
        "h = a.__class__",
        "h = 1j",
        "h = ...",
        "del h",
    ):
        with pytest.raises(LanguageError):
            define(text)


def test_a_text_is_read_at_once() -> None:
    """Thousands of equations are read in time that grows with their number."""
    text = "\n".join(f"h{i}[t] = tanh(W{i} @ h{i}[t-1] + x[t])  # unit {i}" for i in range(3000))
    assert len(parse(text).statements) == 3000


def test_only_texts_are_read() -> None:
    with pytest.raises(TypeError, match="not int"):
        parse(3)  # type: ignore[arg-type]

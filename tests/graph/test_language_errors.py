"""Everything that is no network says what is wrong, where, what was expected and how to mend it."""

from __future__ import annotations

import pickle
import random
import re

import pytest
from bptt.graph import CircuitError, Equations, LanguageError, evaluate, t, tanh
from bptt.graph.errors import Position
from bptt.rnn import define
from bptt.rnn.cells import CELLS

STATE = "h[t] = tanh(W @ h[t-1] + U @ x[t])\n"


def fails(text: str, sizes: dict[str, object] | None = None, **options: object) -> LanguageError:
    """The error of a text, at its definition or when its sizes are bound."""
    with pytest.raises(LanguageError) as caught:
        define(text, **options)(**(sizes or {}))
    return caught.value


# text, line, column, parts of the message
TEXTS = {
    "syntax": ("h[t] = tanh(W @ h[t-1]", 1, 12, "never closed"),
    "missing operand": ("a = 1\nh[t] = x[t] +", 2, None, "syntax error"),
    "unknown function": ("a = 1\nh[t] = tanhh(x[t])", 2, 8, "no function tanhh", "did you mean tanh?"),
    "out of scope": ("h[t] = conv(x[t], w)", 1, 8, "conv is out of scope", "convolutions"),
    "inverse": ("h[t] = inv(M) @ x[t]", 1, 8, "inv is out of scope", "inverses"),
    "batch norm of no batch": ("h[t] = x[t] + batch_norm(b)", 1, 15, "statistics are those of a batch", "layer_norm"),
    "batch norm over time": ("h[t] = batch_norm(x[t], over=t)", 1, 8, "statistics are those of a batch", "layer_norm"),
    "two steps at once": ("h[t] = W @ x[2*t]", 1, 14, "x[2*t] has a bad index", "t-1"),
    "backwards": ("h[t] = W @ x[T-t]", 1, 14, "bad index"),
    "unknown lag": ("h[t] = W @ h[t-k]", 1, 14, "k is no integer"),
    "half a lag": ("h[t] = W @ h[t-0.5]", 1, 14, "bad index"),
    "shifted expression": ("h[t] = W @ (h*2)[t-1]", 1, 12, "only a name can be read at another time"),
    "shifted call": ("h[t] = tanh(x[t])[t-1]", 1, 8, "only a name", "k[t] = tanh(x[t])"),
    "two shifts": ("w[t, s] = w[t-1, s-1]", 1, 11, "two indices at once"),
    "input and parameter": ("h[t] = W @ x[t] + x", 1, 19, "x is in two roles", "a parameter"),
    "symbol and number": ("h[t] = W @ x[t] + E[x[t]]", 1, 12, "x is in two roles", "onehot(x[t])"),
    "two sequences": ("h[t] = W @ x[t]\ne[s] = W @ x[s]", 2, 12, "x is read with"),
    "an index too many": ("h[t] = x[t]\nk[t, s] = h[t, s]", 2, 11, "h is indexed by t"),
    "signal without index": (STATE + "k = dot(h, h)", 2, 9, "h is read without an index"),
    "value with an index": ("k = 3\nh[t] = k[t] + x[t]", 2, 8, "k has no time index"),
    "wrong index": ("e[s] = x[s]\nh[t] = e[t]", 2, 8, "e is indexed by s"),
    "defined twice": (STATE + "h[t] = x[t]", 2, 1, "h is defined twice", "line 1"),
    "start twice": (STATE + "h[0] = 1\nh[0] = 2", 3, 1, "h[0] is defined twice"),
    "in the middle": (STATE + "h[2] = 1", 2, 1, "h[2] cannot be defined", "h[1]"),
    "at a lag": (STATE + "h[t-1] = 1", 2, 1, "h[t-1] cannot be defined"),
    "start of nothing": (STATE + "k[0] = 1", 2, 1, "k has a value at one step and no equation"),
    "start of an input": (STATE + "x[1] = 1", 2, 1, "x is an input"),
    "no equation": (STATE + "x[t]", 2, 1, "no equation", "an expression"),
    "augmented": ("h[t] += 1", 1, 1, "no equation"),
    "several =": ("h[t] = g[t] = 1", 1, 1, "no equation"),
    "nothing": ("# only a comment", None, None, "no equation"),
    "keyword": ("lambda[t] = x[t]", 1, 1, "lambda is a keyword of Python and cannot be a name"),
    "keyword in": ("h[t] = W @ in[t]", 1, 12, "in is a keyword of Python"),
    "condition": ("h[t] = x[t] if x[t] > 0 else 0", 1, 13, "if is a keyword", "where(condition, a, b)"),
    "and": ("h[t] = where(t > 1 and t < 3, 1, 2)", 1, 20, "and is a keyword", "multiply"),
    "chain": ("h[t] = 0 < x[t] < 1", 1, 8, "not in the language", "(0 < a) * (a < 1)"),
    "method": ("h[t] = x[t].sum()", 1, 8, "not in the language"),
    "attribute": ("h[t] = x[t].shape", 1, 8, "not in the language", ".T"),
    "floor division": ("h[t] = x[t] // 2", 1, 8, "not in the language"),
    "tuple": ("h[t] = (x[t], x[t])", 1, 8, "a tuple cannot stand here", "concat"),
    "string": ("h[t] = 'x'", 1, 8, "a string cannot stand here"),
    "range": ("h[t] = x[t][0:2]", 1, 13, "a range of features", "split"),
    "infinite": ("h[t] = x[t] + 1e999", 1, 15, "too large"),
    "no arguments": ("h[t] = softmax()", 1, 8, "softmax takes other arguments", "softmax(e, over=…)"),
    "many arguments": ("h[t] = tanh(x[t], x[t])", 1, 8, "tanh takes other arguments", "tanh(e)"),
    "unknown option": ("h[t] = softmax(x[t], ovr=s)", 1, 8, "no argument ovr", "did you mean over?"),
    "over what": ("h[t] = sum(x[t], over=k)", 1, 23, "over=k is no set of indices", "over=(t, batch)"),
    "batch alone": ("h[t] = batch + 1", 1, 8, "batch stands only after over="),
    "no probability": ("h[t] = dropout(x[t], 1.5)", 1, 22, "below 1"),
    "probability": ("h[t] = dropout(x[t], p)", 1, 22, "a probability is needed"),
    "exponent": ("h[t] = x[t]**a", 1, 14, "exponent has to be a number", "exp(a * log(x[t]))"),
    "wrong einsum": ("h[t] = einsum('iji,j->i', x[t], a)", 1, 15, "two operands"),
    "split alone": ("i[t] = split(x[t], 2)", 1, 8, "stands alone"),
    "uncut": ("i[t], f[t] = x[t]", 1, 14, "not cut into 2 parts"),
    "cut into others": ("i[t], f[t] = split(x[t], 3)", 1, 14, "not cut into 2 parts"),
    "function calls itself": ("f(a) = f(a)\nh[t] = f(x[t])", 1, 1, "calls itself"),
    "function's arguments": ("f(a) = a\nh[t] = f(x[t], x[t])", 2, 8, "f takes other arguments", "f(a)"),
    "language's function": ("tanh(a) = a\nh[t] = tanh(x[t])", 1, 1, "tanh is a function of the language"),
    "function twice": ("f(a) = a\nf(a) = 2 * a\nh[t] = f(x[t])", 2, 1, "f is defined twice"),
    "function of nothing": ("f() = a\nh[t] = x[t]", 1, 1, "has no argument"),
    "function of t": ("f(t) = t\nh[t] = f(x[t])", 1, 3, "cannot be an argument"),
    "delayed symbol": ("h[t] = E[x[t-1]]", 1, 10, "x[0]", "x[0] = 0"),
    "advanced target": ("L = cross_entropy(o, y[t+1])", 1, 22, "y[T+1]", "y[T+1] = -1"),
    "number as a symbol": ("k[t] = 2 * x[t]\nh[t] = E[k[t]]", 1, 1, "k is used as a symbol"),
    "row as a symbol": ("x[0] = E[0]\nh[t] = E[x[t-1]]", 1, 1, "x is used as a symbol"),
    "time as a symbol": ("x[0] = T\nh[t] = E[x[t-1]]", 1, 1, "x is used as a symbol"),
    "negative symbol": ("k = E[-1]", 1, 7, "at least 0"),
    "varies over t": ("h = x[t]", 1, 1, "h varies over t", "h[t] = …", "over=t"),
    "varies over s": ("h[t] = e[s]", 1, 1, "h varies over s", "over=s"),
    "t t": ("h[t, t] = x[t]", 1, 1, "index t twice"),
    "another index": ("h[i] = tanh(x[i])", 1, 1, "h[i] cannot be defined", "write h[t]"),
    "the next step": ("h[t+1] = x[t]", 1, 1, "got: h[t+1]", "on the right side t-1 for t"),
    "equal to": ("h[t] == x[t]", 1, 1, "no equation", "write one =: h[t] = …"),
    "added to": ("h[t] += x[t]", 1, 1, "an assignment with an operator", "write h[t] = h[t-1] …"),
    "function of a module": ("h[t] = np.tanh(x[t])", 1, 8, "not in the language", "write tanh(…)"),
    "import": ("import numpy\nh[t] = x[t]", 1, 1, "import is a keyword", "nothing is imported"),
    "def": ("def f(a):\n    return a\nh[t] = f(x[t])", 1, 1, "def is a keyword", "f(a) = …"),
    "axis": ("h[t] = softmax(x[t], axis=-1)", 1, 8, "no argument axis", "over=-1 for the last axis"),
    "mse over t": ("L = mse(h[t], y[t], over=t)", 1, 5, "no argument over", "write mean(mse(…), over=t)"),
    "over the last": ("L = sum(x[t], over=T)", 1, 20, "no set of indices", "over=t: T is the last step"),
    "over quoted": ("L = sum(x[t], over='t')", 1, 20, "no set of indices", "without quotes"),
    "dropout": ("h[t] = dropout(x[t])", 1, 8, "takes other arguments", "give p, the probability"),
    "max of two": ("h[t] = max(x[t], 0)", 1, 8, "takes other arguments", "write maximum(x[t], 0)"),
    "function's name": ("h[0] = zeros\nh[t] = h[t-1] + x[t]", 1, 8, "zeros is a function", "or zeros_ for a parameter"),
}  # fmt: skip

SIZES = {
    "no probability": {"x": 3},
    "probability": {"x": 3},
    "exponent": {"x": 3},
    "varies over t": {"x": 3},
    "varies over s": {"e": 3},
    "batch norm of no batch": {"x": 3},
    "batch norm over time": {"x": 3},
}


@pytest.mark.parametrize("case", TEXTS)
def test_the_error_names_the_place_and_the_mend(case: str) -> None:
    text, line, column, *parts = TEXTS[case]
    error = fails(text, SIZES.get(case))
    assert error.line == line
    if column is not None:
        assert error.column == column
    for part in parts:
        assert part in str(error)
    assert error.mend, str(error)


RESERVED = ["lengths", "initial", "start", "seed"]


@pytest.mark.parametrize("name", RESERVED)
def test_run_time_arguments_name_no_signal_and_no_input(name: str) -> None:
    assert f"{name} is reserved" in str(fails(f"{name}[t] = x[t]"))
    assert f"{name} is reserved" in str(fails(f"h[t] = W @ {name}[t]"))
    assert f"{name} is reserved" in str(fails(f"h[t] = W @ {name} + x[t]", inputs=(name,)))


@pytest.mark.parametrize("name", ["t", "T", "S", "batch"])
def test_indices_are_no_signals(name: str) -> None:
    assert f"{name} is reserved" in str(fails(f"{name}[t] = x[t]"))
    assert f"{name} is reserved" in str(fails(f"{name} = 3"))


def test_s_is_a_signal_only_without_a_second_index() -> None:
    assert define("s[t] = tanh(F @ s[t-1])")(s=3).params == {"F": (3, 3)}
    assert "s is in two roles" in str(fails("s[t] = tanh(F @ s[t-1])\nh[t] = sum(e[s], over=s)"))
    assert "s is reserved" in str(fails("s = 3"))


DECLARED = {
    "input that is defined": ("h[t] = x[t]\nv = 2", {"inputs": ("v",)}, "v is in two roles"),
    "constant that is defined": ("h[t] = x[t]\nv = 2", {"constants": ("v",)}, "v is in two roles"),
    "constant with a time": ("h[t] = A[t]", {"constants": ("A",)}, "A is in two roles"),
    "constant and input": ("h[t] = A @ x[t]", {"constants": ("A",), "inputs": ("A",)}, "A is in two roles"),
    "constant as a symbol": ("h[t] = E[k] + x[t]", {"constants": ("k",)}, "k is in two roles"),
    "no such input": ("h[t] = W @ x[t]", {"inputs": ("w",)}, "expected: one of x, W"),
    "no such constant": ("h[t] = W_a @ x[t]", {"constants": ("W_b",)}, "did you mean W_a?"),
    "never called": ("h[t] = x[t]", {"opaque": ("f",)}, "f is declared opaque and never called"),
    "opaque and defined": ("f(a) = a\nh[t] = f(x[t])", {"opaque": ("f",)}, "declared opaque"),
    "no parameter": ("h[t] = W @ x[t]", {"init": {"V": 1.0}}, "init names V"),
}


@pytest.mark.parametrize("case", DECLARED)
def test_declarations_that_contradict_the_text(case: str) -> None:
    text, options, part = DECLARED[case]
    assert part in str(fails(text, **options))


def test_a_long_text_and_a_deep_one_are_refused() -> None:
    assert "1,000,001 characters" in str(fails("h" * 1_000_001))
    for deep in ("(" * 1000 + "x[t]" + ")" * 1000, "-" * 100_000 + "x[t]", " + ".join(["x[t]"] * 5000),
                 "tanh(" * 150 + "x[t]" + ")" * 150, "x" + "[t]" * 500):  # fmt: skip
        assert "nested too deeply" in str(fails(f"h[t] = {deep}"))


def test_functions_that_grow_without_measure_are_refused() -> None:
    grow = "".join(f"f{i + 1}(a) = f{i}(f{i}(a))\n" for i in range(20))
    assert "more than" in str(fails(f"f0(a) = tanh(a)\n{grow}h[t] = f20(x[t])"))
    chain = "".join(f"f{i + 1}(a) = f{i}(a)\n" for i in range(500))
    assert "nested too deeply" in str(fails(f"f0(a) = tanh(a)\n{chain}h[t] = f500(x[t])"))
    deep = "f(a) = " + "tanh(" * 80 + "a" + ")" * 80
    assert "nested too deeply" in str(fails(f"{deep}\nh[t] = f(f(x[t]))"))


def test_garbage_is_refused() -> None:
    for text in (
        "h[t] = x[t] ?",
        "\x00",
        "h[t] = x[t]\n\x00k = 1",
        "h[t = 3",
        "h[t] = 'abc",
        "```",
        "h[t] = \\",
        "}{",
    ):
        assert isinstance(fails(text), ValueError)
    with pytest.raises(TypeError, match="not by int"):
        define(3)  # type: ignore[arg-type]


PIECES = """
    t s T S batch h[t-1] x[t] W E[x[t]] 2 -1 0.5 h[T] h[0] h[1] e[s] w[t,s] x[t+1] h[t,y[t]] k[t] y h
    [ ( ) ] = , : @ * + ** % < .T ; diag(v) split(h[t],2) concat(h[t],x[t]) cross_entropy(h[t],y[t])
    sum(h[t],over=t) argmax(h[t]) einsum('ij,j->i',W,x[t]) where(t==1,x[t],0) onehot(y[t]) f(h[t])
    logmatmul(W,h[t]) max(x[t],over=s) dropout(h[t],0.5,over=s) mean(h[t],over=(t,batch)) identity(3)
    ones(h[t]) softmax(x[t],over=s) mse(h[t],h[t-1]) zoneout(h[t],h[t-1],0.1) B[:,x[t]] stop_gradient(h[t])
"""


def test_texts_that_were_damaged_are_networks_or_errors_that_say_what() -> None:
    """Nothing but a LanguageError comes out of a text, or a CircuitError for a loop, and each can be shown."""
    chance, found, pieces = random.Random(0), 0, PIECES.split()
    for _ in range(3000):
        recipe = chance.choice(list(CELLS.values()))
        tokens = re.findall(r"\w+|\s+|.", recipe.text)
        for _ in range(chance.randint(1, 4)):
            i = chance.randrange(len(tokens))
            piece = chance.choice(pieces)
            tokens[i] = chance.choice(
                ["", piece, f"{tokens[i]} + {piece}", f"{tokens[i]} @ {piece}", chance.choice(tokens)]
            )
        try:
            define("".join(tokens), **recipe.options)(**recipe.sizes)
        except (LanguageError, CircuitError) as error:
            shown = str(error)
            found += bool(shown)
    assert found > 1000


def test_the_message_shows_the_line_and_a_caret() -> None:
    error = fails("a = 1\n    h[t] = a * tanhh(x[t])   # wrong\n")
    assert str(error).splitlines()[:3] == [
        "line 2: there is no function tanhh",
        "    h[t] = a * tanhh(x[t])   # wrong",
        "    " + " " * 11 + "^",
    ]
    assert (error.line, error.column, error.got) == (2, 16, "tanhh")
    assert error.expected is not None
    assert error.mend is not None
    long = fails("h[t] = " + " + ".join(["x[t]"] * 60) + " + tanhh(x[t])")
    shown, caret = str(long).splitlines()[1:3]
    assert len(shown) <= 110
    assert shown[caret.index("^") :].startswith("tanhh")


def test_columns_count_letters_not_bytes() -> None:
    error = fails("äöü[t] = δδδ + tanhh(ß)")
    assert error.column == 16


def test_errors_survive_pickling() -> None:
    error = fails("h[t] = tanhh(x[t])")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert issubclass(CircuitError, ValueError)
    assert str(LanguageError("no place", Position())) == "no place"


def test_a_size_in_other_letters_is_found() -> None:
    assert fails(STATE, {"H": 4, "x": 3}).mend == "did you mean h?"


def test_an_input_without_an_index_is_a_parameter_and_said_where_it_is_given() -> None:
    net = define("h[t] = tanh(W @ h[t-1] + U @ x)")(x=3, h=4)
    with pytest.raises(ValueError, match=r"no input x: read without an index it is a parameter \(an input is x\[t\]"):
        evaluate(net, net.init(), x=1.0)


# ---- the Python form -----------------------------------------------------------------------------
def test_errors_of_the_python_form_know_their_line() -> None:
    equations = Equations()
    h, x = equations.names("h x")
    h[t] = tanh(x[2 * t])
    with pytest.raises(LanguageError, match="bad index") as caught:
        define(equations)
    assert "h[t] = tanh(x[2 * t])" in str(caught.value)
    assert caught.value.line is not None


def test_terms_are_no_python_values() -> None:
    equations = Equations()
    h, x = equations.names("h x")
    for wrong in (lambda: bool(x[t] == 1), lambda: list(x), lambda: 0 < x[t] < 1, lambda: x[t] + "a",
                  lambda: x[t] + None, lambda: x[t] * [1, 2], lambda: equations.names("1a"),
                  lambda: x[t] + True, lambda: t.__setitem__(0, 1)):  # fmt: skip
        with pytest.raises(LanguageError):
            wrong()
    e = x[t]
    for _ in range(5000):
        e = e + x[t]
    h[t] = e
    with pytest.raises(LanguageError, match="nested too deeply"):
        define(equations)

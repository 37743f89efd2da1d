"""How names are listed in messages."""

from __future__ import annotations

import pytest
from bptt import graph, rnn
from bptt.graph.errors import CircuitError, UnknownNameError, listed, unknown


def test_very_many_names_are_cut() -> None:
    assert listed([]) == "nothing"
    assert listed("abc") == "a, b, c"
    assert listed((f"h[{t}]" for t in range(1, 1001)), most=2) == "h[1], h[2] and 998 more"


def test_what_there_is_and_what_is_near() -> None:
    assert unknown("net has no equation hh", "hh", ["h", "o"]) == "net has no equation hh; it has h, o; did you mean h?"
    assert unknown("no b", "b", ["W"], "there is") == "no b; there is W"


def test_the_message_of_an_unknown_name_is_shown_as_it_stands() -> None:
    assert str(UnknownNameError("out has no 'o'\n  mend: …")) == "out has no 'o'\n  mend: …"
    assert str(UnknownNameError()) == ""


def test_names_that_are_not_there_say_which_are() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\nL = sum(h[T])", name="small")(x=2)
    for says, ask in {
        "has no equation oo; it has h, L": lambda: graph.text(net, of="oo"),
        "has no equation hh; it has h, L; did you mean h?": lambda: graph.evaluate(net, {}, returns="hh"),
        "no parameter or input WW that could have a direction; it has W, x; did you": lambda: graph.jvp(net, "WW"),
        "h[-1] is no boundary value that small reads; it reads h[0]; did you": lambda: graph.grad(net, "L", "h[-1]"),
    }.items():
        with pytest.raises(CircuitError) as caught:
            ask()
        assert says in str(caught.value)
    steps = graph.unfold(net, 100)
    with pytest.raises(CircuitError, match=r"it has h\[1\], h\[2\], .* h\[24\] and 77 more; did you mean h\[100\]"):
        graph.evaluate(steps, {}, returns="h[1000]")

"""What a call gives: shown by shapes; what it does not have is refused with what there is, and how to get it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler.output import Output

T, B = 4, 2
NET = rnn.define(
    """
    h[t] = tanh(A @ h[t-1] + E[x[t]] + U @ u[t])
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    name="small",
    constants=("A",),
)(x=6, u=3, h=4, o=5)


def output(**asked: Any) -> Output:
    program = compiler.compile(NET, target="interpret", **asked)
    x, y, u = np.zeros((T, B), int), np.zeros((T, B), int), np.zeros((T, B, 3), np.float32)
    return program(NET.init(), x=x, u=u, **({"y": y} if asked.get("loss", "L") and "returns" not in asked else {}))


@pytest.fixture(scope="module")
def trained() -> Output:
    return output()


@pytest.fixture(scope="module")
def inferred() -> Output:
    return output(returns=("h",))


MISSING = {
    "value": ("value", "o", ["out.value of small has L, and no 'o'", 'mend: compile(…, returns=("o",))']),
    "value that is none": ("value", "oo", ["small has no equation oo; it has h, o, L; did you mean o?"]),
    "gradient": ("grad", "u", ["has V, E, U, and no 'u'", 'mend: compile(…, wrt=("E", "U", "V", "u"))']),
    "gradient of a start": ("grad", "h[0]", ['mend: compile(…, wrt=("E", "U", "V", "h[0]"))']),
    "gradient of a constant": ("grad", "A", ["A is a constant of small; make it a parameter"]),
    "gradient of a symbol": ("grad", "x", ["x is a symbol, by which nothing can be differentiated"]),
    "gradient of nothing": ("grad", "VV", ["no parameter, input or signal VV; it has A, E, U, V, u, h, o, L; did you"]),
    "final": ("final", "o", ["has h, and no 'o': the next window does not need o", 'mend: compile(…, returns=("o",))']),
    "final of nothing": ("final", "zz", ["out.final of small has h, and no 'zz'"]),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_name_that_is_not_there_says_what_there_is(trained: Output, case: str) -> None:
    kind, name, parts = MISSING[case]
    with pytest.raises(KeyError) as caught:
        getattr(trained, kind)[name]
    for part in parts:
        assert part in str(caught.value)


def test_the_mend_goes_on_from_what_was_asked(inferred: Output) -> None:
    with pytest.raises(KeyError) as caught:
        inferred.value["o"]
    assert 'compile(…, returns=("h", "o"))' in str(caught.value)
    with pytest.raises(KeyError) as caught:
        inferred.grad["V"]
    assert 'this program has no loss and so no gradients\n  mend: compile(…, loss="L")' in str(caught.value)
    with pytest.raises(KeyError) as caught:
        output(wrt=("V",)).grad["u"]
    assert 'mend: compile(…, wrt=("V", "u"))' in str(caught.value)


def test_the_mend_works() -> None:
    assert output(returns=("h", "o")).value["o"].shape == (T, B, 5)
    assert output(wrt=("E", "U", "V", "h[0]")).grad["h[0]"].shape == (B, 4)
    net = rnn.elman(x=2, h=2, o=2)
    given = {"x": np.zeros((T, B, 2), np.float32), "y": np.zeros((T, B), int)}
    with pytest.raises(KeyError) as caught:
        compiler.compile(net, target="interpret")(net.init(), **given).grad["x"]
    assert 'mend: compile(…, wrt=(*net.params, "x"))' in str(caught.value)
    program = compiler.compile(net, wrt=(*net.params, "x"), target="interpret")
    assert set(program(net.init(), **given).grad) == {*net.params, "x"}


def test_what_reads_the_future_says_why_it_has_no_final_state() -> None:
    net = rnn.define("h[t] = tanh(W * h[t+1] + x[t])\nL = sum(h[t], over=t)", name="ahead")(x=(), h=())
    out = compiler.compile(net, target="interpret")(net.init(), x=np.zeros((T, B), np.float32))
    assert out.final == {}
    with pytest.raises(KeyError, match=r"ahead cannot be cut into windows: h .*it reads the future, h\[t\+1\]"):
        out.final["h"]


def test_an_output_is_shown_by_its_shapes(trained: Output, inferred: Output) -> None:
    lines = repr(trained).splitlines()
    assert lines[0].startswith("<output: loss 1.")
    assert lines[1:] == ["  value L [2]", "  grad  V [5, 4], E [6, 4], U [4, 3]", "  final h [2, 4]>"]
    assert repr(inferred) == "<output:\n  value h [4, 2, 4]\n  final h [2, 4]>"
    assert repr(trained.value) == "<value: L [2]>"
    assert repr(Output()) == "<output>"


def test_an_output_can_be_copied_and_pickled(trained: Output) -> None:
    for other in (copy.deepcopy(trained), copy.copy(trained), pickle.loads(pickle.dumps(trained))):
        assert other.loss == trained.loss
        assert {n: a.tolist() for n, a in other.grad.items()} == {n: a.tolist() for n, a in trained.grad.items()}
        with pytest.raises(KeyError, match="did you mean o"):
            other.value["oo"]
    assert dict(trained.value) | {"o": 1} == {"L": trained.value["L"], "o": 1}
    assert trained.value.get("o") is None


def test_a_program_is_shown_by_what_was_asked_of_it() -> None:
    def shown(**asked: Any) -> str:
        return repr(compiler.compile(NET, target="interpret", **asked))

    assert shown() == "<program small: loss L, gradients by parameters; float32 on interpret>"
    assert shown(returns="o") == "<program small: returns o; float32 on interpret>"
    assert shown(wrt=("V", "u"), dtype="float64") == "<program small: loss L, gradients by V, u; float64 on interpret>"
    assert shown(wrt=()) == "<program small: loss L; float32 on interpret>"

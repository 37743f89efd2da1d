"""The first page runs as printed, and every public name does what it says."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.program import Output, Program
from bptt.graph.errors import CircuitError, LanguageError


def lstm() -> Any:
    return rnn.lstm(x=3, h=4, o=5)


def data(T: int = 6, B: int = 2, dtype: str = "float64") -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(T, B, 3)).astype(dtype), "y": rng.integers(0, 5, (T, B))}


def interpreted(net: Any, **options: Any) -> Program:
    return compiler.compile(net, **{"target": "interpret", "dtype": "float64", **options})


# ---- the first page ----------------------------------------------------------------------------------
def test_the_first_page() -> None:
    # as printed
    lstm = rnn.define("""
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)     # what to keep
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)     # what to write
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)     # what to read
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)        # the candidate
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    o[t] = V @ h[t] + d
    L    = mean(cross_entropy(o[t], y[t]), over=t)
""", name="lstm")  # fmt: skip

    net = lstm(x=64, h=256, o=96)  # sizes are bound here; the rest is inferred  # fmt: skip
    assert net.params["W_f"] == (256, 256)
    assert net.params["d"] == (96,)
    assert str(net) == str(rnn.lstm(x=64, h=256, o=96))
    assert "<svg" in graph.draw_circuit(net).svg
    assert "<svg" in graph.draw_unrolled(net, steps=4).svg
    assert "δc[t]" in str(graph.grad(net, "L"))
    x = np.random.default_rng(0).normal(size=(3, 2, 64)).astype(np.float32)
    y = np.zeros((3, 2), int)
    out = compiler.compile(net, target="interpret")(net.init(seed=0), x=x, y=y)
    expected = graph.evaluate(net, net.init(seed=0), x=x, y=y)
    assert out.loss == pytest.approx(expected["L"].mean(), rel=1e-5)


# ---- signatures ------------------------------------------------------------------------------------
def parameters(f: Any) -> dict[str, Any]:
    """Name -> default of a function's parameters; without one: empty."""
    return {n: p.default for n, p in inspect.signature(f).parameters.items() if n != "self"}


def test_signatures() -> None:
    asked = parameters(compiler.compile)
    assert list(asked)[1:] == [
        "loss", "wrt", "returns", "target", "dtype", "training", "threads", "checkpoint", "plan",
    ]  # fmt: skip
    assert (asked["loss"], asked["wrt"], asked["target"], asked["dtype"]) == ("L", None, "cpu", "float32")
    assert (asked["training"], asked["threads"], asked["checkpoint"], asked["plan"]) == (True, None, None, None)
    call = parameters(Program.__call__)
    assert {n: call[n] for n in ("lengths", "initial", "start", "seed")} == {
        "lengths": None, "initial": None, "start": 1, "seed": 0,
    }  # fmt: skip
    assert {"name", "inputs", "constants", "opaque", "init"} <= set(parameters(rnn.define))
    assert parameters(graph.grad)["wrt"] is None
    assert parameters(graph.draw_unrolled)["steps"] == 4
    assert parameters(graph.draw_unrolled)["grad"] is False
    assert [f.name for f in dataclasses.fields(Output)] == ["loss", "value", "grad", "final", "stats"]
    assert callable(rnn.fit)
    assert callable(rnn.load)
    for package in (graph, compiler, rnn):
        assert all(getattr(package, name) is not None for name in package.__all__)


# ---- circuits --------------------------------------------------------------------------------------
def test_a_circuit_tells_what_it_takes_and_gives() -> None:
    net = lstm()
    assert isinstance(net, graph.Circuit)
    assert net.params["U_i"] == (4, 3)
    assert net.params["b_f"] == (4,)
    assert net.inputs == {"x": (3,), "y": ()}
    assert net.states == {"h": (4,), "c": (4,)}
    assert net.outputs == {"f": (4,), "i": (4,), "q": (4,), "g": (4,), "c": (4,), "h": (4,), "o": (5,), "L": ()}
    params = net.init(seed=0, dtype="float32")
    assert {n: a.shape for n, a in params.items()} == net.params
    assert {a.dtype for a in params.values()} == {np.dtype("float32")}
    assert (params["b_f"] == 1).all()
    assert all((net.init(seed=0)[n] == a).all() for n, a in params.items())
    assert (net.init(seed=1)["V"] != params["V"]).any()


def test_init_constants_and_static_inputs() -> None:
    text = "h[t] = tanh(A @ h[t-1] + x[t] + v + b)\nL = sum(h[T])"
    cell = rnn.define(text, name="n", inputs=("v",), constants=("A",), init={"b": 0.5})
    net = cell(h=3)
    assert net.inputs["v"] == (3,)
    assert net.constants == {"A"}
    assert (net.init()["b"] == 0.5).all()
    params = net.init(dtype="float64")
    out = interpreted(net)(params, x=np.zeros((4, 2, 3)), v=np.ones((2, 3)))
    assert set(out.grad) == {"b"}


def test_what_is_printed_can_be_parsed_again() -> None:
    net = lstm()
    again = rnn.define(str(net), name="again")(x=3, h=4, o=5)
    assert str(again) == str(net)
    assert r"\sigma" in graph.latex(net)


def test_evaluate_takes_circuits_and_unfolded_graphs() -> None:
    net, params = lstm(), lstm().init(dtype="float64")
    values = graph.evaluate(net, params, **data(), lengths=[6, 4])
    assert values["h"].shape == (6, 2, 4)
    assert not values["h"][4:, 1].any()
    steps = graph.evaluate(graph.unfold(net, 6), params, **data())
    np.testing.assert_allclose(steps["h[3]"], values["h"][2])


def test_the_adjoint_is_a_circuit_whose_size_does_not_depend_on_the_length() -> None:
    net = lstm()
    adjoint = graph.grad(net, "L", wrt=None)
    assert isinstance(adjoint, graph.Circuit)
    assert list(adjoint.grads) == list(net.params)
    some = graph.grad(net, "L", wrt=["W_f", "x", "h", "h[0]"])
    assert list(some.grads) == ["W_f", "x", "h", "h[0]"]
    program = interpreted(net)
    sizes = set()
    for T in (2, 9):
        program(net.init(dtype="float64"), **data(T))
        whole = compiler.compile(graph.unfold(net, T), target="cpu")
        sizes.add((len(adjoint.eqs), len(program.loops), len(whole.loops), len(whole.source)))
    assert len(sizes) == 1


# ---- programs --------------------------------------------------------------------------------------
def test_what_a_call_gives() -> None:
    net = lstm()
    program = interpreted(net, returns=("h",), wrt=("W_f", "x", "h", "c[0]"))
    out = program(net.init(dtype="float64"), **data(), lengths=[6, 4])
    assert isinstance(out.loss, float)
    assert {n: a.shape for n, a in out.value.items()} == {"L": (2,), "h": (6, 2, 4)}
    assert out.loss == pytest.approx(out.value["L"].mean())
    assert {n: a.shape for n, a in out.grad.items()} == {
        "W_f": (4, 4), "x": (6, 2, 3), "h": (6, 2, 4), "c[0]": (2, 4),
    }  # fmt: skip
    assert {n: a.shape for n, a in out.final.items()} == {"h": (2, 4), "c": (2, 4)}
    assert not out.grad["x"][4:, 1].any()
    assert not out.value["h"][4:, 1].any()
    assert program.source
    assert "chunk" in str(program.plan)
    assert "c[t] = f[t] * c[t-1] + i[t] * g[t]" in program.explain()


def test_inference_has_no_loss_and_no_target() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\no[t] = V @ h[t]", name="seer")(h=3, o=2)
    out = interpreted(net, returns=("o",))(net.init(dtype="float64"), x=np.zeros((5, 2, 3)))
    assert out.loss is None
    assert out.grad == {}
    assert out.value["o"].shape == (5, 2, 2)
    scores = interpreted(lstm(), loss=None, returns=("o",))
    assert scores(lstm().init(dtype="float64"), x=data()["x"]).value["o"].shape == (6, 2, 5)


def test_final_holds_all_that_is_carried() -> None:
    """[B, n]; for longer lags [k, B, n], the newest last; delayed inputs too, symbols as symbols."""
    text = """
        x[0] = 2
        h[t] = tanh(W @ h[t-3] + E[x[t-1]] + M @ v[t-2])
        s[t] = s[t-1] + 1
        L = sum(h[T]) + s[T]
    """
    net = rnn.define(text)(h=3, x=4, v=2, s=())
    rng = np.random.default_rng(0)
    x, v = rng.integers(0, 4, (5, 2)), rng.normal(size=(5, 2, 2))
    program = interpreted(net, loss="L", returns=("h",))
    params = net.init(dtype="float64")
    out = program(params, x=x, v=v, lengths=[5, 2])
    assert {n: a.shape for n, a in out.final.items()} == {"h": (3, 2, 3), "x": (2,), "v": (2, 2, 2), "s": (2,)}
    np.testing.assert_array_equal(out.final["h"][:, 0], out.value["h"][2:5, 0])
    np.testing.assert_array_equal(out.final["h"][1:, 1], out.value["h"][:2, 1])
    assert not out.final["h"][0, 1].any()
    np.testing.assert_array_equal(out.final["x"], [x[4, 0], x[1, 1]])
    np.testing.assert_array_equal(out.final["v"][:, 1], v[:2, 1])
    np.testing.assert_array_equal(out.final["s"], [5, 2])
    assert out.final["x"].dtype.kind == "i"
    later = program(params, x=x, v=v, initial=out.final, start=6)
    np.testing.assert_array_equal(later.final["s"], [10, 7])


def test_initial_wins_over_the_circuits_own() -> None:
    net = rnn.define("h[0] = h_0\nh[t] = tanh(h[t-1] + x[t])\nL = sum(h[T])")(h=2)
    params = {"h_0": np.ones(2)}
    program = interpreted(net, wrt=("h_0", "h[0]"))
    x = np.zeros((1, 3, 2))
    own = program(params, x=x)
    assert own.loss == pytest.approx(2 * np.tanh(1))
    assert own.grad["h_0"].any()
    other = program(params, x=x, initial={"h": np.full((3, 2), 0.5)})
    assert other.loss == pytest.approx(2 * np.tanh(0.5))
    assert not other.grad["h_0"].any()
    assert other.grad["h[0]"].any()


def test_what_reads_the_future_hands_nothing_on() -> None:
    net = rnn.define("g[t] = tanh(g[t+1] + x[t])\nL = sum(g[1])")(g=2)
    assert interpreted(net)({}, x=np.zeros((3, 2, 2))).final == {}


def test_arrays_of_another_dtype_are_an_error_that_says_so() -> None:
    with pytest.raises(TypeError, match="the input x: expected an array of float32, got float64"):
        interpreted(lstm(), dtype="float32")(lstm().init(), **data())
    out = interpreted(lstm(), dtype="float32")(lstm().init(), **data(dtype="float32"))
    assert {a.dtype for a in (*out.grad.values(), *out.final.values())} == {np.dtype("float32")}


@pytest.mark.parametrize("name", ["lengths", "initial", "start", "seed"])
def test_arguments_of_a_call_cannot_be_inputs(name: str) -> None:
    with pytest.raises((LanguageError, CircuitError), match=name):
        rnn.define(f"h[t] = tanh(h[t-1] + {name}[t])")(h=2)

"""Reverse mode: the equations that it writes, by what it differentiates, guarded first steps, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.errors import CircuitError
from bptt.graph.expr import Node, input_, param, ref
from bptt.graph.grad import grad
from bptt.graph.jvp import jvp
from bptt.graph.unfold import unfold
from derivatives import numbers

ELMAN = """
    a[t] = b + W @ h[t-1] + U @ x[t]
    h[t] = tanh(a[t])
    o[t] = c + V @ h[t]
    p[t] = softmax(o[t])
    L = sum(nll(p[t], y[t]), over=t)
"""
SIZES = {"x": 3, "h": 4, "o": 5}


def elman() -> Circuit:
    return rnn.define(ELMAN)(**SIZES)


def adjoint_lines(net: Circuit) -> list[str]:
    """The equations of an adjoint, without those of its network."""
    return [line for line in str(net).splitlines() if line.startswith(net.order)]


def data(net: Circuit, T: int = 4, B: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    sizes = {"t": T, "s": 3, "b": B}
    params = {n: numbers(shape, i) for i, (n, shape) in enumerate(net.params.items())}
    inputs: dict[str, Any] = {}
    for i, (n, node) in enumerate(net.input_nodes.items()):
        shape = tuple(sizes[a] for a in node.axes)
        inputs[n] = (
            rng.integers(0, net.symbols[n], shape) if node.dtype == "i" else numbers((*shape, *node.shape), 50 + i)
        )
    return params, inputs


# ---- the equations ---------------------------------------------------------------------------------
def test_the_elman_network_as_the_lectures_print_it() -> None:
    assert adjoint_lines(grad(elman(), "L")) == [
        "δL = 1 / sum(1, over=batch)",
        "δo[t] = (p[t] - onehot(y[t])) * δL",
        "δh[t] = V.T @ δo[t] + W.T @ δa[t+1]",
        "δa[t] = δh[t] * (1 - h[t]**2)",
        "δb = sum(δa[t], over=(t, batch))",
        "δW = sum(outer(δa[t], h[t-1]), over=(t, batch))",
        "δU = sum(outer(δa[t], x[t]), over=(t, batch))",
        "δc = sum(δo[t], over=(t, batch))",
        "δV = sum(outer(δo[t], h[t]), over=(t, batch))",
    ]


def test_the_gates_of_an_lstm() -> None:
    lines = adjoint_lines(grad(rnn.lstm(x=3, h=4, o=5), "L"))
    assert "δcʹ[t] = δc[t] * f[t]" in lines
    assert "δfʹ[t] = δf[t] * (f[t] * (1 - f[t]))" in lines
    assert "δf[t] = δc[t] * c[t-1]" in lines
    assert "δW_f = sum(outer(δfʹ[t], h[t-1]), over=(t, batch))" in lines
    assert any(line.startswith("δc[t] = ") and line.endswith(" + δcʹ[t+1]") for line in lines)


def test_a_shift_passes_linear_operations_and_names_the_rest() -> None:
    net = rnn.define("h[t] = W @ concat(h[t-1], 2 * k[t-1]) - x[t]\nk[t] = tanh(h[t])\nL = sum(h[T])")(x=3, h=3, k=3)
    lines = adjoint_lines(grad(net, "L"))
    assert not [line for line in lines if "ʹ" in line]
    net = rnn.define("h[t] = r[t] * h[t-1] + x[t]\nr[t] = tanh(h[t-1])\nL = sum(h[T])")(x=3, h=3, r=3)
    lines = adjoint_lines(grad(net, "L", wrt="x"))
    assert "δhʹ[t] = δh[t] * r[t]" in lines
    assert "δrʹ[t] = δr[t] * (1 - r[t]**2)" in lines
    assert any(line.endswith(("δrʹ[t+1] + δhʹ[t+1]", "δhʹ[t+1] + δrʹ[t+1]")) for line in lines)


def test_a_constant_is_not_shifted_past_the_end() -> None:
    """The adjoint of h[t-1] in a sum over time is one at t = 2 … T, but zero after."""
    net = rnn.define("h[t] = w * x[t]\nL = sum(sum(h[t-1], over=t))")(x=2)
    adjoint = grad(net, "L", wrt="h")
    found = graph.evaluate(adjoint, {"w": np.ones(2)}, x=np.ones((3, 1, 2)))
    np.testing.assert_array_equal(found["δh"][:, 0, 0], [1, 1, 0])


def test_the_same_text_gives_the_same_equations() -> None:
    first = [str(grad(grad_of_g(elman()), "G")) for _ in range(2)]
    assert first[0] == first[1]


def grad_of(net: Circuit, loss: str, name: str) -> Circuit:
    """The adjoint with an equation ``name``: the sum of the squares of its gradients."""
    adjoint = grad(net, loss)
    terms = [b.dot(ref(n, adjoint.eqs[n]), ref(n, adjoint.eqs[n])) for n in adjoint.grads.values()]
    return adjoint.with_eqs({**adjoint.eqs, name: b.add(*terms)})


def grad_of_g(net: Circuit) -> Circuit:
    return grad_of(net, "L", "G")


# ---- names and orders ------------------------------------------------------------------------------
def test_a_second_derivative_does_not_overwrite_the_first() -> None:
    adjoint = grad_of_g(elman())
    second = grad(adjoint, "G")
    assert second.order == "δ2"
    assert second.grads["W"] == "δ2W"
    assert second.eqs["δW"] is adjoint.eqs["δW"]
    third = grad(second, "L")
    assert third.order == "δ3"
    taken = rnn.define("δh[t] = tanh(w * x[t])\nL = sum(δh[T])")(x=3)
    assert grad(taken, "L").grads == {"w": "δ2w"}


def test_the_third_derivative() -> None:
    """Reverse mode three times over: ∂G/∂θ of G = ‖∇H‖², H = ‖∇L‖² against differences."""
    net = rnn.define("h[0] = a\nh[t] = sin(W @ h[t-1] + x[t])\nL = sum(h[T])")(x=2)
    params, inputs = data(net, 3)
    second = grad_of(grad_of(net, "L", "G"), "G", "H")
    third = grad(second, "H", list(net.params)).check()
    found = graph.evaluate(third, params, **inputs)
    for n, value in params.items():
        for i in np.ndindex(value.shape):
            step = np.zeros(value.shape)
            step[i] = 1e-5
            up, down = (
                graph.evaluate(second, params | {n: value + e}, returns="H", **inputs)["H"] for e in (step, -step)
            )
            np.testing.assert_allclose(found[third.grads[n]][i], (up - down) / 2e-5, rtol=1e-6, atol=1e-7)


def test_factors_of_one_product_have_adjoints_of_their_own() -> None:
    net = rnn.define("k[t] = tanh((U @ x[t] + b) * (W @ k[t-1] + d))\nL = sum(k[T])")(x=3, k=4)
    check_against_unfolded(net)


# ---- with respect to what ----------------------------------------------------------------------------
def check_against_unfolded(net: Circuit, wrt: Any = None, T: int = 4, lengths: Any = None) -> None:
    params, inputs = data(net, T)
    adjoint = grad(net, "L", wrt).check()
    S = 3 if any("s" in n.axes for n in net.input_nodes.values()) else None
    dag = grad(unfold(net, T, S), "L", wrt)
    found = graph.evaluate(unfold(adjoint, T, S), params, returns=list(dag.grads.values()), **inputs)
    expected = graph.evaluate(dag, params, returns=list(dag.grads.values()), **inputs)
    assert found
    for n, value in expected.items():
        np.testing.assert_allclose(found[n], value, rtol=1e-10, atol=1e-12, err_msg=n)


def test_inputs_and_signals() -> None:
    check_against_unfolded(elman(), ["x", "h", "W"])
    check_against_unfolded(elman(), ["p", "o", "V"])
    adjoint = grad(elman(), "L", ("x", "p", "h"))
    assert adjoint.grads == {"x": "δx", "p": "δp", "h": "δh"}


def test_an_unfolded_graph_by_one_step() -> None:
    dag = unfold(elman(), 3)
    assert grad(dag, "L", "x[2]").grads == {"x[2]": "δx[2]"}
    assert list(grad(dag, "L", "h").grads) == ["h[1]", "h[2]", "h[3]"]
    params, inputs = data(elman(), 3)
    one = graph.evaluate(grad(dag, "L", "x[2]"), params, **inputs)["δx[2]"]
    np.testing.assert_allclose(one, graph.evaluate(grad(elman(), "L", "x"), params, **inputs)["δx"][1], rtol=1e-12)


@pytest.mark.parametrize("stated", [False, True])
def test_initial_values(stated: bool) -> None:
    text = ELMAN + ("h[0] = tanh(v)\n" if stated else "")
    net = rnn.define(text, inputs=("v",) if stated else ())(**SIZES)
    adjoint = grad(net, "L", ["h[0]"])
    params, inputs = data(net)
    found = graph.evaluate(adjoint, params, **inputs)["δh[0]"]
    assert found.shape == (2, 4)
    opened = net if stated else graph.grad(net, "L", "h[0]")
    key = "v" if stated else "h[0]"
    for i in range(4):
        step = np.zeros((2, 4))
        step[1, i] = 1e-5
        before = np.arctanh(np.tanh(inputs["v"]) + step) if stated else step
        after = np.arctanh(np.tanh(inputs["v"]) - step) if stated else -step
        up, down = (
            graph.evaluate(opened, params, returns="L", **inputs | {key: v})["L"].mean() for v in (before, after)
        )
        np.testing.assert_allclose(found[1, i], (up - down) / 2e-5, rtol=1e-6, atol=1e-9)


def test_values_after_the_end() -> None:
    net = rnn.define("g[t] = tanh(W @ g[t+1] + x[t])\ng[T+1] = v\nL = sum(g[1])")(x=3)
    check_against_unfolded(net)
    net = rnn.define("g[t] = tanh(W @ g[t+1] + x[t])\nL = sum(g[1])")(x=3)
    assert grad(net, "L", "g[T+1]").grads == {"g[T+1]": "δg[T+1]"}


def test_what_the_loss_does_not_reach_has_a_zero_gradient() -> None:
    net = rnn.define("h[t] = tanh(U @ x[t])\nk[t] = W @ h[t-1]\nL = sum(h[T])")(x=3, h=4, k=2)
    adjoint = grad(net, "L", ["W", "U", "k"])
    params, inputs = data(net)
    found = graph.evaluate(adjoint, params, **inputs)
    assert found["δW"].shape == (2, 4)
    assert not found["δW"].any()
    assert found["δk"].shape == (4, 2, 2)
    assert not found["δk"].any()
    one_step = grad(unfold(rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\nL = sum(h[T])")(x=3), 1), "L")
    assert one_step.grads == {"W": "δW"}


def test_constants_are_not_trained() -> None:
    net = rnn.define("h[t] = tanh(A @ x[t] + b)\nL = sum(h[T])", constants=("A",))(x=3, h=4)
    assert grad(net, "L").grads == {"b": "δb"}
    with pytest.raises(CircuitError, match="A is a constant of net; make it a parameter"):
        grad(net, "L", "A")


def test_a_loss_for_the_batch_is_not_divided_again() -> None:
    whole = rnn.define("L = mean(mse(w * x[t], x[t-1]), over=(t, batch))")(x=3)
    each = rnn.define("L = mean(mse(w * x[t], x[t-1]), over=t)")(x=3)
    params, inputs = data(whole)
    a, c = (graph.evaluate(grad(n, "L"), params, **inputs)["δw"] for n in (whole, each))
    np.testing.assert_allclose(a, c, rtol=1e-12)


# ---- errors ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("loss", "wrt", "says"),
    [
        ("h", None, "h is no loss: it has the shape (4,) and varies over t, batch"),
        ("k", None, "k is no loss: it has the shape (4,)"),
        ("LL", None, "no equation LL to differentiate; it has h, k, L; did you mean L"),
        ("L", "w", "wrt: net has no parameter, input, signal or boundary value w; it has U, E, x, y, h, k, L"),
        ("L", ["U", "xs"], "boundary value xs; it has U, E, x, y, h, k, L; did you mean x?"),
        ("L", "y", "wrt: y is a symbol"),
        ("L", "x[0]", "x[0] is no boundary value that net reads; it reads nothing"),
    ],
)
def test_errors(loss: str, wrt: Any, says: str) -> None:
    net = rnn.define("h[t] = tanh(U @ x[t] + E[y[t]])\nk = h[T]\nL = sum(k)")(x=3, h=4, y=2)
    with pytest.raises(CircuitError) as caught:
        grad(net, loss, wrt)
    assert says in str(caught.value)


# ---- a first step of its own -------------------------------------------------------------------------
GUARDED = {
    "a logarithm of zero": "a[t] = m * log(a[t-1]) + 2\na[1] = p",
    "a product": "a[t] = M @ log(a[t-1]) + 2\na[1] = p",
    "a root of what is negative": "a[t] = tanh(m / sqrt(a[t-1] - 0.1) + M @ (1 / a[t-1]))\na[1] = p + x[1]",
    "two lags": "a[t] = m * log(a[t-1]) * log(1.5 + a[t-2]) + 3\na[1] = p",
    "through another": "c[t] = 1 / a[t-1]\na[t] = m * log(a[t-1]) + 2 + 1 / (1 + c[t-1])\nc[1] = x[1]\na[1] = p",
    "a sum over features": "a[t] = m * log(sum(a[t-1])) + 2 + softmax(log(a[t-1]))\na[1] = p",
    "a table": "a[t] = E[u[t]] * log(a[t-1]) + 2\na[1] = p",
    "the last step": "a[t] = where(t == T, p, m * log(a[t+1]) + 2)",
    "a product before the last step": "a[t] = where(T == t, p + x[T], M @ (1 / a[t+1]) + m * log(sum(a[t+1])) + 2)",
    "both ends": "c[t] = m * log(c[t-1]) + 2\nc[1] = p\na[t] = where(t == T, q, m * c[t] / a[t+1] + 2)",
}


@pytest.mark.parametrize("case", GUARDED)
@pytest.mark.parametrize("ragged", [False, True])
def test_nan_of_a_dead_branch_reaches_nothing(case: str, ragged: bool) -> None:
    """At t = 1 the log of the zero initial value is −∞; in the unfolded graph it does not exist."""
    text = GUARDED[case] + "\nL = sum(sum(a[t] * x[t], over=t))"
    net = rnn.define(text)(x=3, a=3, **({"u": 2} if "u[t]" in text else {})).check()
    params, inputs = data(net)
    params = {n: np.abs(v) for n, v in params.items()}
    inputs = {n: np.abs(v) for n, v in inputs.items()}
    more = {"lengths": np.array([4, 2])} if ragged else {}
    adjoint = grad_of_g(net)
    dag = unfold(net, 4, ragged=ragged)
    for first, second in (
        (grad(net, "L"), grad(dag, "L")),
        (grad(adjoint, "G"), grad(unfold(adjoint, 4, ragged=ragged), "G")),
    ):
        found = graph.evaluate(first, params, returns=first.grads.values(), **inputs, **more)
        expected = graph.evaluate(second, params, returns=second.grads.values(), **inputs, **more)
        for n in net.params:
            assert np.isfinite(found[first.grads[n]]).all(), n
            np.testing.assert_allclose(
                found[first.grads[n]], expected[second.grads[n]], rtol=1e-9, atol=1e-12, err_msg=n
            )
    # a compiled program computes both branches at all steps, then chooses
    whole = evaluated_everywhere(grad(adjoint, "G"), params, inputs)
    for n in net.params:
        assert np.isfinite(whole[f"δ2{n}"]).all(), n


def evaluated_everywhere(net: Circuit, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The values when both branches of every ``first`` are computed at step 1 and one is chosen."""
    from bptt.graph.expr import substitute, time, topological

    chosen: dict[Node, Node] = {}
    for n in topological(net.eqs.values()):
        if n.op == "first":
            args = substitute(n.args, chosen)
            here = b.compare("==", time(n.attr), 1.0)
            chosen[n] = b.where(here, b.expand(args[0], n.axes), args[1])
    roots = substitute(list(net.eqs.values()), chosen)
    plain = net.with_eqs(dict(zip(net.eqs, roots, strict=True)))
    return graph.evaluate(plain, params, returns=net.grads.values(), **inputs)


def test_forward_mode_through_a_first_step() -> None:
    net = rnn.define("a[t] = m * log(a[t-1]) + 2\na[1] = p\nL = sum(a[T])")(a=3, m=3)
    tangent = jvp(net)
    params = {"m": np.ones(3), "p": np.full(3, 2.0)}
    found = graph.evaluate(tangent, params | {"τm": np.ones(3), "τp": np.ones(3)}, lengths={"t": 3})
    assert np.isfinite(found["τL"]).all()


def test_an_unfolded_graph_with_many_steps_is_iterative() -> None:
    x = input_("x", ("t", "b"))
    s = ref("s", x)
    net = Circuit(
        {"s": b.unary("tanh", b.add(b.mul(param("w", ()), b.delay(s, "t", 1, [0.0])), x)), "L": b.at(s, "t", True, 0)}
    )
    dag = grad(unfold(net, 2000), "L")
    found = graph.evaluate(dag, {"w": 0.5}, returns="δw", x=np.ones((2000, 1)))
    assert np.isfinite(found["δw"]).all()

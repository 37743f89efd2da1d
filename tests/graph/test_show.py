"""Printing: what is printed parses again, to the same nodes."""

from __future__ import annotations

from typing import Any

import bptt.graph.printed  # noqa: F401 (its functions join the language)
import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, count, input_, length, param, ref
from bptt.graph.statistics import batch_statistics
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.define import define
from systems import COMPUTED, WITH_LOSS

X = input_("x", ("t", "b"), (3,))
Y = input_("y", ("t", "b"), (), "i")
H = ref("h", input_("h", ("t", "b"), (4,)))
W = param("W", (4, 4))
V = param("V", (4,))
S = ref("k", input_("k", ("t", "b"), ()))


def read_again(net: Circuit, **options: Any) -> Circuit:
    """The circuit that the printed text of ``net`` defines, with the same sizes."""
    sizes: dict[str, Any] = {n: e.shape for n, e in net.eqs.items() if "[" not in n}
    sizes |= {n: p.shape for n, p in net.param_nodes.items()}
    sizes |= {n: net.symbols[n] if x.dtype == "i" else x.shape for n, x in net.input_nodes.items()}
    given = [n for n, x in net.input_nodes.items() if x.axes == ("b",)]
    own = set(batch_statistics(net.eqs))  # batch_norm declares them
    sizes = {n: size for n, size in sizes.items() if n not in own}
    return define(str(net), inputs=given, constants=net.constants - own, **options)(**sizes)


def same(a: Circuit, c: Circuit) -> bool:
    """Whether two circuits have the same equations: nodes are unique, so that ``is`` compares them."""
    return list(a.eqs) == list(c.eqs) and all(a.eqs[n] is c.eqs[n] for n in a.eqs)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_read_again(name: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    again = read_again(net, opaque=CELLS[name].options.get("opaque", ()))
    assert same(again, net)
    assert str(again) == str(net)


SYSTEMS = {
    "signs": (
        """
        h[t] = -h[t-1] * x[t] - (x[t] + 1) / -h[t-1] - -2 * x[t] + (a - (b - c)) - 0.5
        k[t] = (x[t] * (a * x[t])) / (b / c) / (2 * b)
        L = sum(h[t] @ h[t], over=t) - (1 - a) + (-a)**2 - a**2 + (a**2)**0.5 - -(a + b) + 1e-05
        """,
        {"h": 3, "a": (), "b": (), "c": ()},
    ),
    "conditions": (
        "h[t] = where((t > 2) * (x[t] < 1), 1, x[t] % 2)\nL = sum(sum(x[t] >= 0, over=t))",
        {"x": 3},
    ),
    "diagonal": (
        """
        h[t] = tanh(diag(v) @ h[t-1] + b)
        M = diag(w) @ W @ diag(v) + identity(4)
        L = sum(M @ h[T]) - 3 * h[1] @ h[T-2] + sum(outer(h[T], h[1])) - (2 - w @ v) + sum(W.T @ W)
        """,
        {"h": 4},
    ),
    "over": (
        """
        h[t] = tanh(W @ h[t-1] + U @ x[t])
        k = max(h[t], over=t)
        l = logsumexp(h[t], over=t)
        q[t] = softmax(h[t], over=t)
        m = mean(h[t] @ q[t], over=(t, batch))
        L = sum(k) + sum(l) + sum(mean(h[t], over=t)) + m + x[T] @ sum(x[t], over=t)
        """,
        {"x": 3, "h": 4},
    ),
    "semirings": (
        """
        a[t] = logmatmul(A, a[t-1]) + b[:, x[t]]
        m[t] = maxmatmul(m[t-1], A) + b[:, x[t]]
        L = logsumexp(a[T]) + max(m[T]) + mean(log_softmax(U @ a[t])[x[t]], over=t)
        """,
        {"x": 5, "a": 3},
    ),
    "random": (
        """
        h[t] = tanh(W @ dropout(h[t-1], 0.3, over=t) + U @ dropout(x[t], 0.1))
        k[t] = zoneout(h[t], k[t-1], 0.2)
        L = sum(k[t] @ k[t], over=t)
        """,
        {"x": 3, "h": 4},
    ),
    "cut": (
        """
        i[t], f[t] = split(W @ concat(f[t-1], x[t]) + b, 2)
        u[t], v[t], w[t] = split(x[t], 3)
        L = sum(i[t] @ f[t] + sum(u[t] * v[t] + w[t]), over=t)
        """,
        {"x": 3, "f": 4},
    ),
    "first": (
        "h[t] = tanh(W @ h[t-1] + U @ x[t])\nh[1] = tanh(U @ x[1])\nL = sum(mse(h[t], y[t]), over=t)",
        {"x": 3, "h": 4},
    ),
    "both ends": (
        "h[t] = W @ h[t+2] + x[t]\nh[T+1] = a\nh[T+2] = 1\nL = sum(layer_norm(h[1]))",
        {"x": 3, "h": 3},
    ),
    "losses": (
        """
        h[t] = E[x[t]] + h[t-1]
        l[t] = cross_entropy(h[t], y[t])
        L = mean(l[t], over=(t, batch)) + sum(l[t], over=t) / T + 0.5 * mean(sum(h[t]), over=t)
        """,
        {"x": 4, "h": 3},
    ),
    "einsum": (
        'z[t] = einsum("kij,j->ki", K, x[t])\nL = sum(einsum("ki,ki->", z[t], z[t]), over=t)',
        {"K": (2, 3, 4)},
    ),
    "constants": (
        "h[t] = ones(3) * t\nk[t] = where(x[t] > 0, 1, 0) @ h[t] + 0 * T\nL = sum(k[t], over=t)",
        {"x": 3},
    ),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_read_again(name: str) -> None:
    text, sizes = SYSTEMS[name]
    net = define(text)(**sizes)
    assert same(read_again(net), net), str(net)


def test_opaque_functions_are_read_again() -> None:
    net = define("q[t] = R(q[t-1], x[t])\ny[t] = O(q[t])", opaque=("R", "O"))(q=3, x=2, y=3)
    assert str(net) == "q[t] = R(q[t-1], x[t])\ny[t] = O(q[t])"
    assert same(read_again(net, opaque=("R", "O")), net)


def test_comments_are_kept_when_asked() -> None:
    net = define("h[t] = tanh(W @ h[t-1])   # the state\nk[t] = h[t]")(h=2)
    assert graph.text(net) == "h[t] = tanh(W @ h[t-1])\nk[t] = h[t]"
    assert graph.text(net, comments=True) == "h[t] = tanh(W @ h[t-1])    # the state\nk[t] = h[t]"


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        (b.contract(H, W, "i,ij->j"), "h[t] @ W"),
        (b.contract(W, H, "ij,i->j"), "W.T @ h[t]"),
        (b.contract(H, H, "i,i->", ("t", "b")), "sum(dot(h[t], h[t]), over=(t, batch))"),
        (b.contract(H, X, "i,j->ij", ("t", "b")), "sum(outer(h[t], x[t]), over=(t, batch))"),
        (b.contract(H, X, "j,i->ij", ("b",)), "sum(outer(x[t], h[t]), over=batch)"),
        (b.contract(W, W, "ji,jk->ik"), "W.T @ W"),
        (b.contract(W, W, "ij,kj->ki"), "W @ W.T"),
        (b.place(b.at(H, "t", True, 0), "t", True, -1), "where(t == T - 1, h[T], 0)"),
        (b.at(H, "t", True, -1), "h[T-1]"),
        (b.delay(H, "t", -2, [0.0, 0.0]), "h[t+2]"),
        (b.scatter(H, (5,), [Y], ("t", "b")), "scatter(h[t], y[t], over=(t, batch))"),
        (b.minus_onehot(H, Y), "h[t] - onehot(y[t])"),
        (b.put(2.0, Y, 5), "2 * onehot(y[t])"),
        (b.onehot(Y, 5), "onehot(y[t])"),
        (b.pick(H, Y), "h[t][y[t]]"),
        (b.take(b.transpose(W), Y), "W[:, y[t]]"),
        (count(("t", "b")), "sum(1, over=(t, batch))"),
        (b.reduce(b.expand(b.mul(S, 2.0), ("t", "b")), ("t",)), "sum(2 * k[t], over=t)"),
        (length("t"), "T"),
        (b.unslice(X, 0, 2, 6), "concat(zeros(2), x[t], zeros(1))"),
        (b.slice_(H, 0, 2, 4), "slice(h[t], 2, 4)"),
        (b.cumsum(H, reverse=True), "sum(h[t]) - cumsum(h[t]) + h[t]"),
        (b.repeat(V, 1, 3), "outer(V, ones(3))"),
        (b.repeat(V, 0, 3), "outer(ones(3), V)"),
        (b.like(S, ("t", "b"), (4,)), "k[t] * ones(4)"),
        (b.sum_feature(W, 0), "sum(W.T, over=-1)"),
        (b.power(b.neg(H), 2), "(-h[t])**2"),
        (b.neg(b.div(H, b.add(H, 1.0))), "-(h[t] / (h[t] + 1))"),
        (b.first(b.at(H, "t", False, 1), b.neg(H)) * 2.0, "2 * where(t == 1, h[1], -h[t])"),
    ],
)
def test_how_a_node_prints(node: Node, shown: str) -> None:
    assert str(Circuit({"z": node})).partition(" = ")[2] == shown


def test_a_bound_that_is_not_the_names_own_is_chosen_where_it_is_read() -> None:
    net = Circuit({"h": b.mul(b.delay(H, "t", 2, [V, 0.0]), 0.5)})
    assert str(net) == "h[t] = 0.5 * where(t == 2, V, h[t-2])"


def test_long_sums_do_not_nest_deeply() -> None:
    names = [param(f"p{i}", ()) for i in range(1000)]
    net = Circuit({"L": b.add(*names)})
    assert "…" not in str(net)
    assert same(read_again(net), net)


def test_what_grows_without_measure_does_not_hang() -> None:
    x: Node = param("x", ())
    for _ in range(60):
        x = b.mul(x, x)
    assert str(Circuit({"L": x})) == "L = …"


def test_the_adjoint_of_the_elman_network_prints_as_in_the_books() -> None:
    net = define(
        """
        a[t] = b + W @ h[t-1] + U @ x[t]
        h[t] = tanh(a[t])
        o[t] = c + V @ h[t]
        p[t] = softmax(o[t])
        L = sum(nll(p[t], y[t]), over=t)
        """
    )(x=3, h=4, o=5)
    lines = str(graph.grad(net, "L")).split("\n")
    assert "δo[t] = (p[t] - onehot(y[t])) * δL" in lines
    assert "δh[t] = V.T @ δo[t] + W.T @ δa[t+1]" in lines
    assert "δa[t] = δh[t] * (1 - h[t]**2)" in lines
    assert "δW = sum(outer(δa[t], h[t-1]), over=(t, batch))" in lines
    assert "δb = sum(δa[t], over=(t, batch))" in lines


def values(net: Circuit, seed: int = 0) -> dict[str, Any]:
    """All signals of a circuit on random inputs."""
    rng = np.random.default_rng(seed)
    params = {n: rng.standard_normal(p.shape) * 0.5 for n, p in sorted(net.param_nodes.items())}
    steps = {"t": 5, "s": 4}
    inputs = {}
    for n, x in sorted(net.input_nodes.items()):
        axes = [3 if a == "b" else steps[a] for a in x.axes]
        if x.dtype == "i":
            inputs[n] = rng.integers(0, net.symbols[n], axes)
        else:
            inputs[n] = rng.standard_normal((*axes, *x.shape))
    lengths: dict[str, list[int]] = {"t": [5, 3, 1]}
    if any("s" in e.axes for e in net.eqs.values()):
        lengths["s"] = [4, 2, 4]
    return graph.evaluate(net, params, lengths=lengths, **inputs)


@pytest.mark.parametrize("name", WITH_LOSS)
def test_an_adjoint_that_is_read_again_has_the_same_values(name: str) -> None:
    net = graph.grad(cell(name)(**CELLS[name].sizes), "L")
    found, expected = values(read_again(net)), values(net)
    for n, value in expected.items():
        np.testing.assert_allclose(found[n], value, rtol=1e-9, atol=1e-12, err_msg=n)


@pytest.mark.parametrize("name", ["elman", "attention", "best_path", "normalised"])
def test_a_second_derivative_that_is_read_again_has_the_same_values(name: str) -> None:
    first = graph.grad(cell(name)(**CELLS[name].sizes), "L")
    label = next(iter(first.grads.values()))
    gradient = ref(label, first.eqs[label])
    norm = first.with_eqs({**first.eqs, "norm": b.sum_all(b.power(gradient, 2))})
    net = graph.grad(norm, "norm")
    found, expected = values(read_again(net)), values(net)
    for n, value in expected.items():
        np.testing.assert_allclose(found[n], value, rtol=1e-8, atol=1e-11, err_msg=n)


@pytest.mark.parametrize("name", COMPUTED)
def test_unfolded_graphs_and_tangents_print(name: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    steps = {"T": 3, "S": 2} if any("s" in e.axes for e in net.eqs.values()) else {"T": 3}
    for circuit in (graph.unfold(net, **steps), graph.jvp(net, list(net.params)[:1])):
        assert "…" not in str(circuit)
        assert len(str(circuit).split("\n")) >= len(circuit.eqs) // 4


def test_one_step_of_an_unfolded_graph_is_written_out() -> None:
    net = define("s[t] = f(s[t-1], x[t])\ny[t] = g(s[t])\ns[0] = s0", opaque=("f", "g"))(s=3, x=2, y=2)
    dag = graph.unfold(net, 3)
    assert graph.text(dag, of="s[3]") == "s[3] = f(f(f(s[0], x[1]), x[2]), x[3])"
    assert graph.text(dag, of="y[1]") == "y[1] = g(f(s[0], x[1]))"
    with pytest.raises(graph.CircuitError, match="s reads itself"):
        graph.text(net, of="s")
    with pytest.raises(graph.CircuitError, match="no equation z"):
        graph.text(net, of="z")

"""Operations and their gradients against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, input_, param
from bptt.graph.grad import grad
from derivatives import numbers

torch = pytest.importorskip("torch", reason="torch does not install here")
pytestmark = pytest.mark.oracle
F = torch.nn.functional

ONE: dict[str, tuple[Callable[[Node], Node], Callable[[Any], Any], bool]] = {
    "tanh": (lambda x: b.unary("tanh", x), torch.tanh, False),
    "sigmoid": (lambda x: b.unary("sigmoid", x), torch.sigmoid, False),
    "relu": (lambda x: b.unary("relu", x), torch.relu, False),
    "exp": (lambda x: b.unary("exp", x), torch.exp, False),
    "log": (lambda x: b.unary("log", x), torch.log, True),
    "sin": (lambda x: b.unary("sin", x), torch.sin, False),
    "cos": (lambda x: b.unary("cos", x), torch.cos, False),
    "sqrt": (lambda x: b.unary("sqrt", x), torch.sqrt, True),
    "abs": (lambda x: b.unary("abs", x), torch.abs, False),
    "softplus": (lambda x: b.unary("softplus", x), F.softplus, False),
    "power": (lambda x: b.power(x, 2.5), lambda x: x**2.5, True),
    "softmax": (b.softmax, lambda x: torch.softmax(x, -1), False),
    "logsumexp": (b.logsumexp, lambda x: torch.logsumexp(x, -1), False),
    "cumsum": (b.cumsum, lambda x: torch.cumsum(x, -1), False),
    "max": (b.max_last, lambda x: torch.max(x, -1).values, False),
    "slice": (lambda x: b.slice_(x, 1, 1, 3), lambda x: x[:, 1:3], False),
    "transpose": (b.transpose, lambda x: x.T, False),
}
TWO: dict[str, tuple[Callable[[Node, Node], Node], Callable[[Any, Any], Any]]] = {
    "add": (b.add, torch.add),
    "mul": (b.mul, torch.mul),
    "div": (b.div, torch.div),
    "maximum": (b.maximum, torch.maximum),
    "minimum": (b.minimum, torch.minimum),
    "logaddexp": (b.logaddexp, torch.logaddexp),
    "mod": (b.mod, torch.remainder),
    "where": (lambda x, y: b.where(b.compare("<", x, y), x, y), lambda x, y: torch.where(x < y, x, y)),
    "matmul": (lambda x, y: b.matmul(x, b.transpose(y)), lambda x, y: x @ y.T),
    "einsum": (lambda x, y: b.contract(x, y, "ij,kj->kji"), lambda x, y: torch.einsum("ij,kj->kji", x, y)),
    "concat": (b.concat, lambda x, y: torch.cat([x, y])),
}


def compare(make: Callable[..., Node], theirs: Callable[..., Any], arrays: list[Any]) -> None:
    """Value and gradient of a weighted sum."""
    nodes = [param(f"p{i}", a.shape) for i, a in enumerate(arrays)]
    e = make(*nodes)
    w = numbers(e.shape, 99)
    net = grad(Circuit({"e": e, "L": b.dot(param("w", e.shape), e)}), "L", [n.attr for n in nodes])
    found = graph.evaluate(net, {"w": w} | {n.attr: a for n, a in zip(nodes, arrays, strict=True)})
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = theirs(*tensors)
    (value * torch.tensor(w)).sum().backward()
    np.testing.assert_allclose(found["e"], value.detach().numpy(), rtol=1e-12, atol=1e-14)
    for n, x in zip(nodes, tensors, strict=True):
        np.testing.assert_allclose(found[net.grads[n.attr]], x.grad.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ONE)
def test_functions(name: str) -> None:
    make, theirs, positive = ONE[name]
    compare(make, theirs, [2 * numbers((3, 4), 1, positive)])


@pytest.mark.parametrize("name", TWO)
def test_two_operands(name: str) -> None:
    compare(*TWO[name], [numbers((3, 4), 1), numbers((3, 4), 2)])


@pytest.mark.parametrize("name", ["relu", "abs"])
def test_kinks_where_torch_has_the_same_rule(name: str) -> None:
    make, theirs, _ = ONE[name]
    compare(make, theirs, [np.zeros((2, 2))])


@pytest.mark.parametrize("ignored", [False, True])
def test_cross_entropy(ignored: bool) -> None:
    o, y = numbers((6, 5), 1), np.array([0, 4, 2, 2, 1, 3])
    if ignored:
        y[[1, 4]] = -1
    e = b.cross_entropy(b.mul(param("p", (5,)), input_("o", ("b",), (5,))), input_("y", ("b",), (), "i"))
    net = grad(Circuit({"L": e}, symbols={"y": 5}), "L", "p")
    found = graph.evaluate(net, {"p": np.ones(5)}, o=o, y=y)
    p = torch.ones(5, dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(p * torch.tensor(o), torch.tensor(y), ignore_index=-1, reduction="none")
    loss.mean().backward()
    np.testing.assert_allclose(found["L"], loss.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(found["δp"], p.grad.numpy(), rtol=1e-11)


def test_embedding() -> None:
    table, x = numbers((5, 3), 1), np.array([[0, 4], [2, 2], [2, 1]])
    e = b.take(param("E", (5, 3)), input_("x", ("t", "b"), (), "i"))
    net = grad(Circuit({"e": e, "L": b.reduce(b.sum_all(b.power(e, 2)), ["t"])}, symbols={"x": 5}), "L")
    found = graph.evaluate(net, {"E": table}, x=x)
    weight = torch.tensor(table, requires_grad=True)
    (F.embedding(torch.tensor(x), weight) ** 2).sum((0, 2)).mean().backward()
    np.testing.assert_allclose(found["δE"], weight.grad.numpy(), rtol=1e-12)

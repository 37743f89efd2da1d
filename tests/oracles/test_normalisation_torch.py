"""BatchNorm1d of torch: values, gradients, running statistics, training, and values of other data afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.rnn import optim

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle

NET = """
    z[t] = batch_norm(U @ x[t]) * g + b
    h[t] = tanh(W @ h[t-1] + z[t])
    L = mean(mse(h[t], y[t]), over=t)
"""
LENGTHS = np.array([6, 9, 2, 4])


def arrays(seed: int = 0) -> tuple[graph.Circuit, dict[str, Any], dict[str, Any]]:
    net = rnn.define(NET, init={"g": 1.0})(x=3, h=4, y=4)
    rng = np.random.default_rng(seed)
    params = net.init(seed=seed, dtype="float64") | {"g": rng.normal(size=4), "b": rng.normal(size=4)}
    return net, params, {"x": 2.0 + rng.normal(size=(9, 4, 3)), "y": rng.normal(size=(9, 4, 4))}


def twin(params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    norm = torch.nn.BatchNorm1d(4, dtype=torch.float64)
    weights = {n: torch.tensor(params[n], requires_grad=True) for n in ("U", "W")}
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(params["g"]))
        norm.bias.copy_(torch.tensor(params["b"]))
    return norm, weights


def loss(norm: Any, weights: dict[str, Any], given: dict[str, Any], lengths: np.ndarray[Any, Any]) -> Any:
    """The same network in torch: the valid steps alone are normalised, as one batch."""
    x, y = (torch.tensor(given[n]) for n in ("x", "y"))
    valid = torch.arange(len(x))[:, None] < torch.tensor(lengths)
    z = torch.zeros(*x.shape[:2], 4, dtype=torch.float64)
    z[valid] = norm(x[valid] @ weights["U"].T)
    state, errors = torch.zeros(x.shape[1], 4, dtype=torch.float64), []
    for t in range(len(x)):
        state = torch.tanh(state @ weights["W"].T + z[t])
        errors.append(((state - y[t]) ** 2).mean(-1))
    return ((torch.stack(errors) * valid).sum(0) / torch.tensor(lengths)).mean()


@pytest.mark.parametrize("target", ["interpret", "cpu"])
def test_values_gradients_and_running_statistics(target: str) -> None:
    net, params, given = arrays()
    program = compiler.compile(net, target=target, dtype="float64")
    out = program(params, **given, lengths=LENGTHS)
    norm, weights = twin(params)
    expected = loss(norm, weights, given, LENGTHS)
    expected.backward()
    assert out.loss == pytest.approx(expected.item(), abs=1e-13)
    gradients = {"U": weights["U"].grad, "W": weights["W"].grad, "g": norm.weight.grad, "b": norm.bias.grad}
    for name, gradient in gradients.items():
        np.testing.assert_allclose(out.grad[name], gradient.numpy(), atol=1e-13)
    # torch keeps 0.9 of what was there before: 0 and 1
    np.testing.assert_allclose(0.1 * out.stats["mean.z"], norm.running_mean.numpy(), atol=1e-14)
    np.testing.assert_allclose(0.9 + 0.1 * out.stats["variance.z"], norm.running_var.numpy(), atol=1e-14)


def test_training_and_what_comes_after() -> None:
    net, params, given = arrays()
    trainer = rnn.Trainer(
        net, [given | {"lengths": LENGTHS}], weights=params, optimiser=optim.SGD(0.5, fixed=net.constants),
        target="interpret", dtype="float64",
    )  # fmt: skip
    norm, weights = twin(params)
    sgd = torch.optim.SGD([*weights.values(), *norm.parameters()], lr=0.5)
    for _ in range(5):
        expected = loss(norm, weights, given, LENGTHS)
        sgd.zero_grad()
        expected.backward()
        sgd.step()
        assert trainer.step().loss == pytest.approx(expected.item(), abs=1e-12)
    np.testing.assert_allclose(trainer.weights["mean.z"], norm.running_mean.numpy(), atol=1e-12)
    np.testing.assert_allclose(trainer.weights["variance.z"], norm.running_var.numpy(), atol=1e-12)
    norm.eval()
    _, _, other = arrays(seed=1)
    after = compiler.compile(net, target="interpret", dtype="float64", training=False)
    assert after(trainer.weights, **other).loss == pytest.approx(
        loss(norm, weights, other, np.full(4, 9)).item(), abs=1e-12
    )

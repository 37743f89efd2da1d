"""Our optimisers against torch.optim, step by step, with clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt.rnn.optim import SGD, Adam, Optimiser, clip

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (Adam(0.02), "Adam", {"lr": 0.02}),
        (Adam(0.02, (0.8, 0.95), 1e-6), "Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6}),
        (SGD(0.1), "SGD", {"lr": 0.1}),
        (SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    ],
)
def test_each_step_is_torchs(
    ours: Optimiser, theirs: str, settings: dict[str, Any], dtype: str, tolerance: float
) -> None:
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=shape).astype(dtype) for name, shape in (("W", (5, 3)), ("b", (5,)))}
    tensors = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in weights.items()}
    ours.load({"updates": np.array(0)})
    other = getattr(torch.optim, theirs)(tensors.values(), **settings)
    for n in range(20):
        gradients = {name: random.normal(size=w.shape).astype(dtype) * (n + 1) for name, w in weights.items()}
        clip(gradients, 5.0)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name])
        ours.step(weights, gradients)
        other.step()
        for name, tensor in tensors.items():
            np.testing.assert_allclose(weights[name], tensor.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_is_torchs(limit: float) -> None:
    """But for the 1e-6 that torch adds to the norm before it divides by it."""
    random = np.random.default_rng(1)
    gradients = {name: random.normal(size=shape) for name, shape in (("W", (5, 3)), ("b", (5,)), ("a", ()))}
    gradients = {name: np.asarray(g) for name, g in gradients.items()}
    tensors = {
        name: torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for name, g in gradients.items()
    }
    for name, tensor in tensors.items():
        tensor.grad = torch.tensor(gradients[name])
    norm = float(torch.nn.utils.clip_grad_norm_(tensors.values(), limit))
    assert clip(gradients, limit) == pytest.approx(norm, rel=1e-12)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(gradients[name], tensor.grad.numpy(), rtol=1e-5)

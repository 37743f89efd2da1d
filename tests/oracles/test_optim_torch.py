"""Our optimisers, clipping and schedules against torch's, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bptt.rnn.optim import SGD, Adam, AdamW, Optimiser, RMSProp, clip, clip_values, schedules
from bptt.rnn.optim.schedules import Schedule

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle

SHAPES: dict[str, tuple[int, ...]] = {"W": (5, 3), "b": (5,), "a": ()}
UPDATES = 50

#: ours, the name of torch's, its settings; with weight decay on matrices alone, or on all (see ``groups``)
OPTIMISERS: dict[str, tuple[Callable[[], Optimiser], str, dict[str, Any]]] = {
    "descent": (lambda: SGD(0.1), "SGD", {"lr": 0.1}),
    "momentum": (lambda: SGD(0.1, 0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "dampening": (lambda: SGD(0.1, 0.8, dampening=0.3), "SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3}),
    "nesterov": (lambda: SGD(0.1, 0.9, True), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "nesterov, decay": (
        lambda: SGD(0.1, 0.9, True, decay=0.02),
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
    ),
    "descent, all decay": (lambda: SGD(0.1, decay=0.1, undecayed=()), "SGD", {"lr": 0.1, "weight_decay": 0.1}),
    "rmsprop": (lambda: RMSProp(0.02), "RMSprop", {"lr": 0.02}),
    "rmsprop, numbers": (lambda: RMSProp(0.02, 0.9, 1e-5), "RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-5}),
    "rmsprop, centered": (lambda: RMSProp(0.02, centered=True), "RMSprop", {"lr": 0.02, "centered": True}),
    "rmsprop, momentum": (lambda: RMSProp(0.02, momentum=0.9), "RMSprop", {"lr": 0.02, "momentum": 0.9}),
    "rmsprop, everything": (
        lambda: RMSProp(0.02, 0.95, 1e-6, 0.5, True, decay=0.05),
        "RMSprop",
        {"lr": 0.02, "alpha": 0.95, "eps": 1e-6, "momentum": 0.5, "centered": True, "weight_decay": 0.05},
    ),
    "adam": (lambda: Adam(0.02), "Adam", {"lr": 0.02}),
    "adam, numbers": (lambda: Adam(0.02, (0.8, 0.95), 1e-6), "Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6}),
    "adam, decay": (lambda: Adam(0.02, decay=0.1), "Adam", {"lr": 0.02, "weight_decay": 0.1}),
    "adamw": (lambda: AdamW(0.02), "AdamW", {"lr": 0.02, "weight_decay": 0.01}),
    "adamw, all decay": (lambda: AdamW(0.02, decay=0.3, undecayed=()), "AdamW", {"lr": 0.02, "weight_decay": 0.3}),
}


def groups(ours: Optimiser, tensors: dict[str, Any]) -> list[dict[str, Any]]:
    """torch's parameter groups: where ours has exclusions, vectors do not decay."""
    spared = () if ours.undecayed == frozenset() else ("b", "a")
    return [{"params": [t]} | ({"weight_decay": 0.0} if n in spared else {}) for n, t in tensors.items()]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_step_is_torchs(name: str, dtype: str, tolerance: float) -> None:
    """Random gradients, by schedule too: the rate falls on the way."""
    make, theirs, options = OPTIMISERS[name]
    random = np.random.default_rng(0)
    ours, rate = make(), schedules.Cosine(options["lr"], 2 * UPDATES)
    weights = {n: np.asarray(random.normal(size=shape), dtype) for n, shape in SHAPES.items()}
    tensors = {n: torch.nn.Parameter(torch.tensor(w)) for n, w in weights.items()}
    other = getattr(torch.optim, theirs)(groups(ours, tensors), **options)
    for n in range(UPDATES):
        gradients = {k: np.asarray(random.normal(size=w.shape) * (1 + n % 5), dtype) for k, w in weights.items()}
        for group in other.param_groups:
            group["lr"] = rate(n)
        for k, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[k])
        ours.step(weights, gradients, rate(n))
        other.step()
        for k, tensor in tensors.items():
            np.testing.assert_allclose(weights[k], tensor.detach().numpy(), tolerance, tolerance, err_msg=f"{k}, {n}")


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_is_torchs(limit: float) -> None:
    """But for the 1e-6 that torch adds to the norm before it divides by it."""
    random = np.random.default_rng(1)
    gradients = {name: np.asarray(random.normal(size=shape)) for name, shape in SHAPES.items()}
    tensors = {n: torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for n, g in gradients.items()}
    for name, tensor in tensors.items():
        tensor.grad = torch.tensor(gradients[name])
    norm = float(torch.nn.utils.clip_grad_norm_(tensors.values(), limit))
    assert clip(gradients, limit) == pytest.approx(norm, rel=1e-12)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(gradients[name], tensor.grad.numpy(), rtol=1e-5)


def test_clipping_by_value_is_torchs() -> None:
    random = np.random.default_rng(1)
    gradients = {name: np.asarray(random.normal(size=shape)) for name, shape in SHAPES.items()}
    tensors = {n: torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for n, g in gradients.items()}
    for name, tensor in tensors.items():
        tensor.grad = torch.tensor(gradients[name])
    torch.nn.utils.clip_grad_value_(tensors.values(), 0.4)
    assert clip_values(gradients, 0.4) > 5
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(gradients[name], tensor.grad.numpy())


SCHEDULES: dict[str, tuple[Schedule, Callable[[Any], Any]]] = {
    "linear": (
        schedules.Linear(0.1, 30, 0.02),
        lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.2, total_iters=30),
    ),
    "cosine": (
        schedules.Cosine(0.1, 50, 0.02),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=50, eta_min=0.02),
    ),
    "step": (
        schedules.Step(0.1, 7, 0.5),
        lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=7, gamma=0.5),
    ),
    "exponential": (
        schedules.Exponential(0.1, 0.93),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.93),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_torchs(name: str) -> None:
    ours, make = SCHEDULES[name]
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = make(other)
    for n in range(50):
        assert ours(n) == pytest.approx(other.param_groups[0]["lr"], rel=1e-9)
        other.step()
        theirs.step()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("options", [{}, {"cooldown": 3}, {"threshold": 0.2}, {"patience": 0, "end": 0.03}])
def test_plateau_is_torchs(options: dict[str, Any], mode: str) -> None:
    """With measures that fall and rise, some of them not numbers."""
    numbers: dict[str, Any] = {"factor": 0.5, "patience": 2} | options
    ours = schedules.Plateau(0.1, more=mode == "max", **numbers)
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    renamed = {"min_lr": numbers.pop("end", 0.0)} | numbers
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, mode=mode, threshold_mode="rel", eps=0.0, **renamed)
    random = np.random.default_rng(4)
    rates = []
    for n in range(60):
        measure = float("nan") if n % 17 == 16 else float(3.0 / (n + 1) + random.random())
        ours.observe(measure)
        theirs.step(measure)
        assert ours(n) == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        rates.append(ours(n))
    assert rates[-1] < 0.05

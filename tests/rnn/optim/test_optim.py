"""Optimisers step by step against their papers' formulas, weight decay, clipping, saved state, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn import optim
from bptt.rnn.optim import (
    SGD,
    Adam,
    AdamW,
    Arrays,
    Optimiser,
    OptimiserError,
    RMSProp,
    clip,
    clip_values,
    global_norm,
    is_vector,
    tables,
)

KINDS: list[Callable[[], Optimiser]] = [
    lambda: Adam(0.01),
    lambda: AdamW(0.01, decay=0.1),
    lambda: SGD(0.01),
    lambda: SGD(0.01, 0.9, decay=0.1),
    lambda: SGD(0.01, 0.9, nesterov=True),
    lambda: SGD(0.01, 0.9, dampening=0.5),
    lambda: RMSProp(0.01),
    lambda: RMSProp(0.01, momentum=0.5, centered=True),
]
SHAPES: dict[str, tuple[int, ...]] = {"W": (3, 4), "b": (3,), "a": ()}


def numbers(seed: int, dtype: str = "float64") -> Arrays:
    random = np.random.default_rng(seed)
    return {name: np.asarray(random.normal(size=shape), dtype=dtype) for name, shape in SHAPES.items()}


def test_adam_is_algorithm_1_of_its_paper() -> None:
    """Kingma and Ba 2015, algorithm 1, each number on its own in Python's floats."""
    rate, first, second, epsilon = 0.01, 0.9, 0.999, 1e-8
    weights = numbers(0)
    expected = {name: w.reshape(-1).tolist() for name, w in weights.items()}
    mean = {name: [0.0] * w.size for name, w in weights.items()}
    square = {name: [0.0] * w.size for name, w in weights.items()}
    optimiser = Adam(rate, (first, second), epsilon)
    for n in range(1, 8):
        gradients = numbers(n)
        optimiser.step(weights, gradients)
        for name, gradient in gradients.items():
            for k, g in enumerate(gradient.reshape(-1).tolist()):
                mean[name][k] = first * mean[name][k] + (1 - first) * g
                square[name][k] = second * square[name][k] + (1 - second) * g**2
                corrected = mean[name][k] / (1 - first**n), square[name][k] / (1 - second**n)
                expected[name][k] -= rate * corrected[0] / (math.sqrt(corrected[1]) + epsilon)
            np.testing.assert_allclose(weights[name].reshape(-1), expected[name], rtol=1e-12, atol=1e-14)


def test_momentum_sums_gradients_that_fade() -> None:
    weights, optimiser = {"w": np.array([1.0])}, SGD(0.1, momentum=0.5)
    for expected in (1.0 - 0.1, 0.9 - 0.15, 0.75 - 0.175):
        optimiser.step(weights, {"w": np.array([1.0])})
        assert weights["w"][0] == pytest.approx(expected, abs=1e-15)


def test_descent_without_momentum_follows_the_gradient() -> None:
    weights = {"w": np.array([1.0, 2.0])}
    SGD(0.5).step(weights, {"w": np.array([2.0, -2.0])})
    assert weights["w"].tolist() == [0.0, 3.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", KINDS)
def test_weights_change_in_place_and_keep_their_dtype(make: Callable[[], Optimiser], dtype: str) -> None:
    weights, gradients = numbers(0, dtype), numbers(1, dtype)
    same, before = dict(weights), {name: g.copy() for name, g in gradients.items()}
    optimiser = make()
    optimiser.step(weights, gradients)
    for name in weights:
        assert weights[name] is same[name]
        assert weights[name].dtype == dtype
        assert (gradients[name] == before[name]).all()
    assert all(array.dtype == dtype for name, array in optimiser.state().items() if name != "updates")


@pytest.mark.parametrize("make", KINDS)
def test_a_loaded_state_goes_on_with_the_same_bits(make: Callable[[], Optimiser]) -> None:
    through, parted = numbers(0, "float32"), numbers(0, "float32")
    one, two = make(), make()
    for n in range(1, 4):
        one.step(through, numbers(n, "float32"))
        two.step(parted, numbers(n, "float32"))
    state = {name: array.copy() for name, array in two.state().items()}
    two = make()
    two.load(state)
    assert two.updates == 3
    for n in range(4, 7):
        one.step(through, numbers(n, "float32"))
        two.step(parted, numbers(n, "float32"))
    for name in through:
        assert (through[name] == parted[name]).all()


def test_a_rate_given_for_one_update_replaces_the_own_one() -> None:
    weights = {"w": np.array([1.0])}
    SGD(0.5).step(weights, {"w": np.array([1.0])}, rate=0.25)
    assert weights["w"][0] == 0.75


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ({"w": np.zeros(2)}, "weight v has no gradient"),
        (
            {"w": np.zeros(2), "v": np.zeros(3)},
            r"gradient of weight v: expected float64 \(2,\), got .* \(3,\)",
        ),
        (
            {"w": np.zeros(2), "v": np.zeros(2, "float32")},
            "gradient of weight v: expected float64.* got float32",
        ),
    ],
)
def test_gradients_that_do_not_fit_change_nothing(gradients: Arrays, message: str) -> None:
    weights, optimiser = {"w": np.ones(2), "v": np.ones(2)}, Adam()
    with pytest.raises(OptimiserError, match=message):
        optimiser.step(weights, gradients)
    assert all((w == 1.0).all() for w in weights.values())
    assert optimiser.updates == 0


def test_a_state_of_another_kind_is_refused() -> None:
    with pytest.raises(OptimiserError, match=r"Adam keeps m and v, but the state holds 'x\.w'"):
        Adam().load({"updates": np.array(1), "x.w": np.ones(2)})
    with pytest.raises(OptimiserError, match="state of weight w lacks v"):
        Adam().load({"updates": np.array(1), "m.w": np.ones(2)})
    with pytest.raises(OptimiserError, match='number of "updates"'):
        Adam().load({})
    other = Adam()
    other.load({"updates": np.array(1), "m.w": np.ones(3), "v.w": np.ones(3)})
    with pytest.raises(OptimiserError, match=r"m of weight w: expected .*\(2,\), got .*\(3,\)"):
        other.step({"w": np.ones(2)}, {"w": np.ones(2)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(0.0), "learning rate"),
        (lambda: Adam(math.nan), "learning rate"),
        (lambda: Adam(0.1, (0.9, 1.0)), "betas"),
        (lambda: Adam(0.1, eps=0.0), "eps"),
        (lambda: SGD(0.1, 1.0), "momentum"),
        (lambda: clip({}, 0.0), "limit"),
        (lambda: clip_values({}, -1.0), "limit"),
        (lambda: Adam(0.1, 0.9), "betas"),  # type: ignore[arg-type]
        (lambda: Adam("0.1"), "learning rate"),  # type: ignore[arg-type]
        (lambda: Adam(0.1, decay=-1.0), "weight decay"),
        (lambda: SGD(0.1, nesterov=True), "nesterov needs a momentum above 0 and no dampening"),
        (lambda: SGD(0.1, 0.9, True, 0.5), "nesterov needs a momentum above 0 and no dampening"),
        (lambda: RMSProp(0.1, alpha=1.0), "alpha"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptimiserError, match=message):
        make()


def test_clipping_scales_all_gradients_to_the_limit() -> None:
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    assert clip(gradients, 1.0) == 5.0
    assert global_norm(gradients) == pytest.approx(1.0)
    assert gradients["a"].tolist() == pytest.approx([0.6, 0.0])
    assert gradients["b"].tolist() == [[pytest.approx(0.8)]]


def test_short_gradients_are_not_changed() -> None:
    gradients = {"a": np.array([0.3]), "b": np.array([0.4])}
    assert clip(gradients, 1.0) == pytest.approx(0.5)
    assert (gradients["a"][0], gradients["b"][0]) == (0.3, 0.4)


def test_the_norm_of_large_numbers_does_not_overflow_float32() -> None:
    gradients = {"a": np.full(4, 1e30, dtype="float32")}
    assert clip(gradients, 1.0) == pytest.approx(2e30, rel=1e-6)
    assert gradients["a"].tolist() == pytest.approx([0.5] * 4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(bad: float) -> None:
    gradients = {"a": np.array([1.0, bad]), "b": np.array([9.0])}
    assert not math.isfinite(clip(gradients, 1.0))
    assert gradients["b"][0] == 9.0


def test_clipping_by_value_cuts_entries_and_counts_them() -> None:
    gradients = {"a": np.array([3.0, -0.2, -7.0]), "b": np.array([[np.nan, np.inf]])}
    assert clip_values(gradients, 1.0) == 3
    assert gradients["a"].tolist() == [1.0, -0.2, -1.0]
    assert np.isnan(gradients["b"][0, 0])
    assert gradients["b"][0, 1] == 1.0


# ---- weight decay, what is fixed -------------------------------------------------------------------
def decayed(optimiser: Optimiser) -> set[str]:
    """The weights that change where the gradient is zero."""
    weights = {name: np.ones(shape) for name, shape in SHAPES.items()}
    optimiser.step(weights, {name: np.zeros(shape) for name, shape in SHAPES.items()})
    return {name for name, w in weights.items() if (w != 1.0).any()}


@pytest.mark.parametrize("kind", [SGD, RMSProp, Adam, AdamW])
def test_vectors_and_scalars_do_not_decay_unless_it_is_said(kind: Any) -> None:
    assert decayed(kind(0.1, decay=0.1)) == {"W"}
    assert decayed(kind(0.1, decay=0.1, undecayed=())) == {"W", "b", "a"}
    assert decayed(kind(0.1, decay=0.1, undecayed="W")) == {"b", "a"}
    assert decayed(kind(0.1, decay=0.1, undecayed=["W", "a"])) == {"b"}
    assert decayed(kind(0.1, decay=0.1, undecayed=lambda name, w: w.ndim == 1)) == {"W", "a"}
    assert decayed(kind(0.1, decay=0.0)) == set()


def test_decay_is_of_the_gradient_or_apart_from_it() -> None:
    """L2 is a part of what Adam divides by its size; decoupled it is not."""
    for kind, expected in ((SGD, 1 - 0.1 * 0.5), (AdamW, 1 - 0.1 * 0.5), (Adam, 1 - 0.1)):
        weights = {"W": np.ones((1, 1))}
        kind(0.1, decay=0.5).step(weights, {"W": np.zeros((1, 1))})
        assert weights["W"][0, 0] == pytest.approx(expected, abs=1e-7)


def test_tables_are_what_symbols_alone_read() -> None:
    net = rnn.define("""
        e[t] = E[x[t]] + F[x[t]]
        h[t] = tanh(W @ h[t-1] + e[t] + b)
        o[t] = F @ h[t]
        L = mean(cross_entropy(o[t], y[t]), over=t)
    """)(x=4, e=4, h=4)
    assert tables(net) == ("E",)
    names = tables(net)
    optimiser = AdamW(0.1, decay=0.1, undecayed=lambda name, w: is_vector(name, w) or name in names)
    weights = {n: np.ones(shape) for n, shape in net.params.items()}
    optimiser.step(weights, {n: np.zeros(shape) for n, shape in net.params.items()})
    assert {n for n, w in weights.items() if (w != 1.0).any()} == {"F", "W"}


def test_constants_are_fixed_and_need_no_gradient() -> None:
    weights, gradients = numbers(0), numbers(1)
    before = weights["W"].copy()
    with pytest.raises(OptimiserError, match=r"weight W has no gradient; what is never trained.* fixed="):
        SGD(0.1).step(weights, {n: g for n, g in gradients.items() if n != "W"})
    optimiser = SGD(0.1, 0.9, decay=0.1, fixed=frozenset({"W"}))
    optimiser.step(weights, {n: g for n, g in gradients.items() if n != "W"})
    optimiser.step(weights, gradients)
    assert (weights["W"] == before).all()
    assert set(optimiser.state()) == {"updates", "v.b", "v.a"}


@pytest.mark.parametrize("option", ["undecayed", "fixed"])
def test_names_that_are_no_weights_are_refused(option: str) -> None:
    with pytest.raises(OptimiserError, match=f"{option} names WW, which is no weight; did you mean W"):
        SGD(0.1, decay=0.1, **{option: ["WW"]}).step(numbers(0), numbers(1))


def test_the_whole_output_in_place_of_its_gradients_is_refused() -> None:
    out = SimpleNamespace(loss=1.0, grad=numbers(1))
    with pytest.raises(TypeError, match=r"expected gradients, name -> array, got .*; mend: step\(weights, out\.grad\)"):
        Adam().step(numbers(0), out)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"got list$"):
        Adam().step(numbers(0), [1.0])  # type: ignore[arg-type]


# ---- by name ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", optim.OPTIMISERS)
def test_every_name_makes_an_optimiser(name: str) -> None:
    made = optim.make(name, rate=0.25, decay=0.5, fixed=("c",))
    assert (made.rate, made.decay, made.fixed) == (0.25, 0.5, {"c"})
    assert "rate" in optim.numbers_of(name)
    assert "decay" in optim.numbers_of(name)
    made.step({"W": np.ones((1, 1)), "c": np.ones(1)}, {"W": np.ones((1, 1))})


def test_names_stand_for_numbers() -> None:
    plain, fast = optim.make("nesterov", rate=0.1), optim.make("momentum", rate=0.1, momentum=0.5)
    assert isinstance(plain, SGD)
    assert isinstance(fast, SGD)
    assert (plain.momentum, plain.nesterov, fast.momentum, fast.nesterov) == (0.9, True, 0.5, False)
    adam = optim.make("Adam", betas=[0.8, 0.9])
    assert isinstance(adam, Adam)
    assert adam.betas == (0.8, 0.9)


def test_names_and_numbers_that_there_are_not_say_what_there_is() -> None:
    with pytest.raises(OptimiserError, match=r"no optimiser 'adamax'; there are sgd, momentum, .*adamw"):
        optim.make("adamax")
    with pytest.raises(OptimiserError, match="the optimiser adam has no momentum; it has rate, betas, eps, decay"):
        optim.make("adam", momentum=0.9)


def test_a_state_of_other_numbers_is_refused() -> None:
    fast = SGD(0.1, 0.9)
    fast.step(numbers(0), numbers(1))
    with pytest.raises(OptimiserError, match=r"SGD keeps nothing, but the state holds 'v\.W'"):
        SGD(0.1).load(fast.state())

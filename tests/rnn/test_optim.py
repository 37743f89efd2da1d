"""Optimisers step by step against their papers' formulas, clipping, schedules, saved state."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bptt.rnn.optim import SGD, Adam, Arrays, Optimiser, OptimiserError, clip, global_norm, rate_at

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
@pytest.mark.parametrize("optimiser", [Adam(0.01), SGD(0.01, 0.9)])
def test_weights_change_in_place_and_keep_their_dtype(optimiser: Optimiser, dtype: str) -> None:
    weights, gradients = numbers(0, dtype), numbers(1, dtype)
    same, before = dict(weights), {name: g.copy() for name, g in gradients.items()}
    optimiser = type(optimiser)()
    optimiser.step(weights, gradients)
    for name in weights:
        assert weights[name] is same[name]
        assert weights[name].dtype == dtype
        assert (gradients[name] == before[name]).all()
    assert all(array.dtype == dtype for name, array in optimiser.state().items() if name != "updates")


@pytest.mark.parametrize("make", [lambda: Adam(0.01), lambda: SGD(0.01, 0.9)])
def test_a_loaded_state_goes_on_with_the_same_bits(make: type[Adam]) -> None:
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
        (lambda: rate_at(0, 10, 0.1, "steps"), "constant, linear, cosine"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: type[Adam], message: str) -> None:
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


def test_the_rate_falls_to_zero() -> None:
    assert [rate_at(n, 4, 0.1) for n in range(4)] == [0.1] * 4
    assert [rate_at(n, 4, 1.0, "linear") for n in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert [rate_at(n, 4, 1.0, "cosine") for n in (0, 2, 4)] == pytest.approx([1.0, 0.5, 0.0])

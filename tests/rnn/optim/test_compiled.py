"""Updates and norms, compiled, against NumPy; the rules themselves; arrays side by side in one buffer."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from bptt.rnn.optim import (
    SGD,
    Adam,
    AdamW,
    Arrays,
    Optimiser,
    OptimiserError,
    RMSProp,
    compiled,
    global_norm,
)
from bptt.rnn.optim.clipping import Norm
from bptt.rnn.optim.flat import alike, gathered
from bptt.rnn.optim.rule import Rule, of_arrays

KINDS: list[Callable[[], Optimiser]] = [
    lambda: Adam(0.01),
    lambda: AdamW(0.01, decay=0.1),
    lambda: SGD(0.01, decay=0.1),
    lambda: SGD(0.01, 0.9, dampening=0.5, decay=0.1),
    lambda: SGD(0.01, 0.9, nesterov=True),
    lambda: RMSProp(0.01),
    lambda: RMSProp(0.01, momentum=0.5, centered=True),
]
SHAPES: dict[str, tuple[int, ...]] = {"W": (129, 65), "none": (0, 3), "b": (3,), "V": (16, 4), "a": ()}


class SignDescent(Optimiser):
    """A rule of one's own."""

    rule = "w = w - rate * where(g > 0, 1.0, sign(g))"

    def numbers(self, rate: float) -> dict[str, float]:
        return {"rate": rate}


@pytest.fixture
def small_shares() -> Iterator[None]:
    """Three threads, and blocks of so few elements that arrays are cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "BLOCK", 100)
        patch.setattr(compiled, "SHARE", 1)
        patch.setattr(compiled, "available", lambda: 3)
        compiled.blocks_of.cache_clear()
        yield
    compiled.blocks_of.cache_clear()


def numbers(seed: int, dtype: Any) -> Arrays:
    random = np.random.default_rng(seed)
    return {name: np.asarray(random.normal(size=shape), dtype=dtype) for name, shape in SHAPES.items()}


def same_bits(make: Callable[[], Optimiser], dtype: str) -> None:
    one, two = numbers(0, dtype), numbers(0, dtype)
    by_numpy, by_vectors = make(), make()
    for n in range(1, 4):
        by_numpy.step(one, numbers(n, dtype), 0.1 / n, scale=0.3)
        by_vectors.step(two, numbers(n, dtype), 0.1 / n, scale=0.3, target="cpu")
    kept = by_vectors.state()
    for name in one:
        assert (one[name] == two[name]).all(), name
    assert all((array == kept[name]).all() for name, array in by_numpy.state().items())
    assert (one["W"] != numbers(0, dtype)["W"]).any()


@pytest.mark.parametrize("make", [*KINDS, lambda: SignDescent(0.1)])
def test_compiled_updates_have_the_bits_of_numpy(make: Callable[[], Optimiser]) -> None:
    same_bits(make, "float32")


def test_in_float64_and_in_blocks_shared_by_threads_too(small_shares: None) -> None:
    same_bits(KINDS[0], "float64")
    same_bits(KINDS[1], "float32")


def test_arrays_that_no_pass_can_take_are_changed_all_the_same() -> None:
    """Of other types, not in C order, sharing memory; gradients not in C order, or not writeable."""
    random = np.random.default_rng(0)
    square = random.normal(size=(5, 5))
    given = [
        {"w": np.asfortranarray(square), "v": square.astype("float32"), "h": square.astype("float16")},
        {"b": square.astype(np.dtype("float32").newbyteorder()), "v": square[0]},
        {"w": square.copy(), "v": square.copy().reshape(-1)},
    ]
    given[-1]["all"] = given[-1]["w"]
    for weights in given:
        other = copy.deepcopy(weights)
        gradients = {name: np.asfortranarray(np.ones_like(w)) for name, w in weights.items()}
        for g in gradients.values():
            g.flags.writeable = False
        Adam(0.1).step(weights, gradients, target="cpu")
        Adam(0.1).step(other, gradients)
        assert all((weights[name] == other[name]).all() for name in weights)
        assert all((weights[name] != 0).any() for name in weights)


def test_weights_that_cannot_be_written_are_refused() -> None:
    weights = {"w": np.ones(3)}
    weights["w"].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        SGD(0.1).step(weights, {"w": np.ones(3)}, target="cpu")


def test_other_arrays_of_the_same_names_are_those_that_change() -> None:
    optimiser, before = SGD(1.0, 0.5), {"w": np.ones(3)}
    optimiser.step(before, {"w": np.ones(3)}, target="cpu")
    after = {"w": np.ones(3), "new": np.ones(2)}
    optimiser.step(after, {"w": np.ones(3), "new": np.ones(2)}, target="cpu")
    assert before["w"].tolist() == [0.0] * 3
    assert after["w"].tolist() == [-0.5] * 3
    assert after["new"].tolist() == [0.0] * 2
    assert optimiser.state()["v.w"].tolist() == [1.5] * 3


def test_a_copy_of_an_optimiser_goes_on_by_itself() -> None:
    weights, optimiser = {"w": np.ones(3)}, SGD(1.0, 0.5)
    optimiser.step(weights, {"w": np.ones(3)}, target="cpu")
    other, its = copy.deepcopy(optimiser), copy.deepcopy(weights)
    other.step(its, {"w": np.ones(3)}, target="cpu")
    assert (its["w"].tolist(), weights["w"].tolist()) == ([-1.5] * 3, [0.0] * 3)
    assert (other.state()["v.w"].tolist(), optimiser.state()["v.w"].tolist()) == ([1.5] * 3, [1.0] * 3)


def test_a_target_that_there_is_not_is_refused() -> None:
    with pytest.raises(OptimiserError, match="no target 'gpu'; there are cpu, interpret"):
        Adam().step({"w": np.ones(1)}, {"w": np.ones(1)}, target="gpu")


# ---- norms -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_compiled_norm_is_that_of_numpy(dtype: str) -> None:
    gradients = numbers(3, dtype)
    assert Norm("cpu")(gradients) == pytest.approx(global_norm(gradients), rel=1e-14)
    norm = Norm("cpu")
    assert norm(gradients) == norm(dict(gradients)) == pytest.approx(global_norm(gradients), rel=1e-14)
    gradients["b"][1] = math.inf
    assert norm(gradients) == math.inf
    gradients["b"] = np.full(3, math.nan, dtype)
    assert math.isnan(norm(gradients))
    assert Norm("cpu")({"a": np.full(40, 1e30, dtype)}) == pytest.approx(40**0.5 * 1e30, rel=1e-6)
    assert Norm("cpu")({"a": np.zeros((0, 2), dtype)}) == Norm("cpu")({}) == 0.0


def test_a_norm_does_not_depend_on_threads(small_shares: None) -> None:
    gradients = numbers(3, "float32")
    shared = Norm("cpu")(gradients)
    blocks = compiled.blocks_of(tuple(g.size for g in gradients.values()), 4)
    assert (blocks.threads, len(blocks.count)) == (3, 87)
    assert blocks.count.sum() == sum(g.size for g in gradients.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "available", lambda: 1)
        compiled.blocks_of.cache_clear()
        assert Norm("cpu")(gradients) == shared


def test_gradients_that_no_pass_can_take_have_a_norm() -> None:
    gradients = {"a": np.array([3.0]), "b": np.array([4.0], "float32")}
    assert Norm("cpu")(gradients) == 5.0


# ---- rules -----------------------------------------------------------------------------------------
def test_a_rule_is_its_lines() -> None:
    rule = Rule("momentum", "v = momentum * v + g\nw = w - rate * v", ("v",), ("rate", "momentum"))
    w, v = of_arrays(rule)(np.ones(2), np.ones(2), np.full(2, 2.0), 0.5, 0.25)
    assert (w.tolist(), v.tolist()) == ([0.25] * 2, [1.5] * 2)
    text = compiled.update_source(rule, "float32")
    assert text.count("w = w - rate * v\n") == 2  # whole vectors, and what is left
    assert "momentum = numbers_[1]" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w = w - speed * g", "the rule of R reads speed; there are g, rate, v, w"),
        ("w -= g", "expected name = expression, got 'w -= g'"),
        ("rate = 2 * rate", "the rule of R assigns to rate"),
        ("w_ = g", "the rule of R assigns to w_; .* does not end in _"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule("R", text, ("v",), ("rate",))


# ---- one buffer --------------------------------------------------------------------------------------
def test_arrays_lie_side_by_side_aligned() -> None:
    arrays: Arrays = {"a": np.ones((3, 5), "float32"), "b": np.asarray(2.0), "c": np.ones((0, 2)), "d": np.ones(70)}
    found = gathered(arrays)
    places = [a.__array_interface__["data"][0] for a in found.values() if a.size]
    assert [p - places[0] for p in places] == [0, 64, 128]
    assert places[0] % 64 == 0
    for name, array in arrays.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)
        assert (found[name] == array).all()
        assert found[name].flags.carray
    assert all((a == 0).all() for a in alike(arrays).values())


def test_what_an_optimiser_keeps_lies_in_one_buffer() -> None:
    optimiser, weights = Adam(), numbers(0, "float32")
    optimiser.step(weights, numbers(1, "float32"))
    loaded = Adam()
    loaded.load({name: a.copy() for name, a in optimiser.state().items()})
    for one in (optimiser, loaded):
        kept = [a for name, a in one.state().items() if name != "updates" and a.size]
        places = [a.__array_interface__["data"][0] for a in kept]
        assert max(places) - min(places) < sum(a.nbytes + 64 for a in kept)

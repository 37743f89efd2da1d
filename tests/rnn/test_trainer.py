"""Training, one update after the other: carried state, what stops it, what it is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.data import Batch, DataError, Stream
from bptt.rnn.optim import SGD, Adam, Arrays, OptimiserError
from bptt.rnn.optim.schedules import Linear
from bptt.rnn.trainer import Step, Trainer, TrainingError
from bptt.rnn.truncation import Window


class Descent:
    """A stand-in for what computes the gradient: loss w²/2, and it writes down how it was called."""

    counted = None

    def __init__(self, bad: dict[int, tuple[float, float]] | None = None):
        self.calls: list[tuple[Batch, Any]] = []
        self.bad = bad or {}

    def step(self, weights: Arrays, batch: Batch, state: Any = None, seed: int = 0, grad: Any = None) -> Window:
        self.calls.append((batch, state))
        number = len(self.calls)
        loss, gradient = self.bad.get(number) or (0.0, float(weights["w"][0]))
        return Window(loss, {"w": np.array([gradient])}, {"h": np.full((2, 1), float(number))})

    def call(self, batch: Batch, state: Any) -> Any:
        raise ValueError("a stand-in")


NET = rnn.define("h[t] = w * h[t-1] + x[t]\nL = mean(mse(h[t], y[t]), over=t)", name="line")(x=1, y=1, w=1)


def trainer(gradient: Any, **settings: Any) -> Trainer:
    stream = Stream(np.arange(31), batch=2, steps=5)
    made = Trainer(NET, stream, weights={"w": np.array([3.0])}, target="interpret", **settings)
    made.gradient = gradient
    return made


def test_the_state_goes_from_batch_to_batch() -> None:
    program = Descent()
    training = trainer(program)
    for _ in range(3):
        training.step()
    states = [None if state is None else state["h"][0, 0] for _, state in program.calls]
    assert states == [None, 1.0, 2.0]
    assert [batch.start for batch, _ in program.calls] == [1, 6, 11]


def test_an_update_is_one_of_the_optimiser_on_the_clipped_gradient() -> None:
    training = trainer(Descent(), clip=0.5, optimiser=SGD(1.0, momentum=0.5), schedule=Linear(0.1, 10))
    steps = [training.step(), training.step()]
    weights, optimiser = {"w": np.array([3.0])}, SGD(1.0, momentum=0.5)
    for rate in (0.1, 0.09):
        optimiser.step(weights, {"w": np.clip(weights["w"], None, 0.5)}, rate)
    assert training.weights["w"] == weights["w"]
    assert steps[0] == Step(1, 0.0, 3.0, 0.1, 10)
    assert steps[1].rate == pytest.approx(0.09)


def test_values_are_clipped_before_the_norm_which_is_that_before_both() -> None:
    training = trainer(Descent(), clip=2.0, clip_values=1.0, optimiser=SGD(1.0))
    assert training.step().norm == 3.0
    assert training.weights["w"] == 2.0


@pytest.mark.parametrize("limits", [{"clip": -1.0}, {"clip_values": -1.0}, {"clip": math.nan}])
def test_limits_below_zero_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(OptimiserError, match=r"clip.*: expected a number above 0, got"):
        trainer(Descent(), **limits)


def test_compiled_updates_are_those_of_numpy() -> None:
    """Weights, what the optimiser keeps and gradients each in one buffer; kernels of the update count."""
    inputs = {"x": np.ones((4, 2, 1), "float32"), "y": np.full((4, 2, 1), 0.3, "float32")}
    makers = {"optimiser": lambda: Adam(0.1, decay=0.1, undecayed=()), "clip": lambda: 0.01}
    trainers = {
        target: Trainer(NET, inputs, target=target, **{name: make() for name, make in makers.items()})
        for target in ("cpu", "interpret")
    }
    for _ in range(3):
        steps = [one.step() for one in trainers.values()]
        assert steps[0].loss == pytest.approx(steps[1].loss, rel=1e-5)
        assert steps[0].norm == pytest.approx(steps[1].norm, rel=1e-5)
    compiled, plain = trainers.values()
    np.testing.assert_allclose(compiled.weights["w"], plain.weights["w"], rtol=1e-5)
    assert compiled.compilations >= 2
    assert plain.compilations == 0


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_what_is_not_finite_never_reaches_the_weights(bad: tuple[float, float]) -> None:
    training = trainer(Descent({3: bad}), optimiser=Adam())
    training.step()
    training.step()
    before = {name: a.copy() for name, a in training.optimiser.state().items()}
    weight = training.weights["w"].copy()
    with pytest.raises(TrainingError, match=r"update 3: the loss is .* the gradient norm .* smaller rate") as error:
        training.step()
    assert ("not finite: w" in str(error.value)) == (not math.isfinite(bad[1]))
    assert training.weights["w"] == weight
    assert training.state is not None
    assert (training.update, training.state["h"][0, 0]) == (2, 2.0)
    assert all((training.optimiser.state()[name] == before[name]).all() for name in before)


def test_where_it_stopped_being_finite_is_said() -> None:
    """A state that grows by 1e30 a step: its square, in the loss, is the first that float32 does not hold."""
    x = np.zeros((4, 2, 1), dtype="float32")
    x[2, 1] = 1e30
    training = Trainer(NET, [{"x": x, "y": np.zeros_like(x)}], weights={"w": np.ones(1, "float32")}, target="interpret")
    with np.errstate(over="ignore"), pytest.raises(TrainingError) as error:
        training.step()
    said = str(error.value)
    assert "update 1: the loss is inf" in said
    assert "first not finite: L is inf at step 3 of sequence 2 of 2" in said
    assert "computed from y[3] = 0; h[3] = 1e+30" in said


def test_ones_own_loop_with_any_net_and_optimiser() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(6, 5, 1))
    y = np.cumsum(x, axis=0)
    training = Trainer(NET, [{"x": x, "y": y}], optimiser=SGD(0.02), clip=1.0, target="interpret", dtype="float64")
    losses = [training.step().loss for _ in range(80)]
    assert losses[-1] < 0.01 * losses[0]
    assert training.weights["w"][0] == pytest.approx(1.0, abs=0.05)
    with pytest.raises(DataError, match="at least one batch"):
        Trainer(NET, [], target="interpret")


def test_batches_are_taken_as_they_come() -> None:
    """One alone, lists for arrays, whole numbers for real ones: the same update."""
    plain = {name: np.ones((6, 5, 1), "float32") for name in "xy"}
    lists, whole = {name: a.tolist() for name, a in plain.items()}, {name: [[[1]] * 5] * 6 for name in plain}
    first, *others = (Trainer(NET, given, target="interpret").step() for given in ([plain], plain, lists, whole))
    assert all(step == first for step in others)


BATCH = {"x": np.ones((6, 5, 1), "float32"), "y": np.ones((6, 5, 1), "float32")}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"y": BATCH["y"]}], "expected a batch with the inputs x, y of line, x is missing: got y"),
        ([{"x": BATCH["x"]}], "y is missing: got x"),
        ([BATCH["x"]], r"expected a batch as inputs by name, such as \{'x': x, 'y': y\}, got ndarray"),
        ([{**BATCH, "lenghts": [6] * 5}], "the loss of line reads no input lenghts; .*; did you mean lengths"),
        ([{**BATCH, "y": np.ones((5, 6, 1))}], "x has 6 steps of 5 sequences, y has 5 steps of 6: one .* batch first"),
        ([{**BATCH, "lengths": [5] * 6}], "lengths are of 6 sequences, the inputs of 5 with 6 steps: .* batch first"),
        ([{**BATCH, "x": np.ones((6, 5))}], r"the input x: expected an array \[T, B, 1\], got the shape \[6, 5\]"),
        ([{**BATCH, "x": [[1.0], [1.0, 2.0]]}], r"the input x: expected an array \[T, B, 1\], got"),
        (BATCH["x"], "batches: expected a list of batches of inputs by name, got ndarray"),
        (iter([BATCH]), "batches: expected a list of batches .*: make it a list first"),
    ],
)
def test_batches_that_a_network_does_not_take_are_said(given: Any, message: str) -> None:
    with pytest.raises((DataError, TypeError), match=message):
        Trainer(NET, given, target="interpret")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimiser": "adam"}, r"optimiser: expected one such as .*, got 'adam'; .*: optim.make\('adam'"),
        ({"optimiser": 0.1}, "optimiser: expected one such as"),
        ({"schedule": 0.1}, "schedule: expected one such as"),
        ({"weights": {"w": [1.0]}}, "weights: expected name -> array, as net.init"),
    ],
)
def test_what_a_trainer_is_made_of_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Trainer(NET, BATCH, target="interpret", **options)


def test_ragged_rows_are_each_as_long_as_they_are() -> None:
    x = np.ones((6, 2, 1))
    padded = x.copy()
    padded[2:, 1] = np.nan
    batch = {"x": padded, "y": padded, "lengths": [6, 2]}
    ragged = Trainer(NET, [batch], weights={"w": np.ones(1)}, target="interpret", dtype="float64")
    step = ragged.step()
    assert math.isfinite(step.loss)
    assert step.items == 8

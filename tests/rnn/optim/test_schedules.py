"""Learning rates by the number of the update: their formulas, warm-up, and the one that keeps a state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bptt.rnn.optim import schedules
from bptt.rnn.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Plateau,
    Schedule,
    ScheduleError,
    Step,
    Warmup,
)


def rates(schedule: Schedule, *updates: int) -> list[float]:
    return [schedule(n) for n in updates]


def test_formulas() -> None:
    assert rates(Constant(0.1), 0, 7, 1000) == [0.1] * 3
    assert rates(Linear(1.0, 4), 0, 1, 2, 3, 4, 9) == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert rates(Linear(1.0, 4, 0.5), 0, 2, 4) == [1.0, 0.75, 0.5]
    assert rates(Cosine(1.0, 4), 0, 1, 2, 4, 5) == pytest.approx([1.0, 0.5 + math.sqrt(0.125), 0.5, 0.0, 0.0])
    assert rates(Cosine(1.0, 4, 0.5), 0, 2, 4) == pytest.approx([1.0, 0.75, 0.5])
    assert rates(Step(1.0, 3, 0.5), 0, 2, 3, 5, 6) == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert rates(Exponential(1.0, 0.25, 2), 0, 1, 2) == pytest.approx([1.0, 0.5, 0.25])


def test_a_warm_up_rises_to_the_first_rate_and_then_the_other_begins() -> None:
    assert rates(Warmup(Linear(1.0, 4), 4), 0, 1, 2, 3, 4, 5, 8) == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.0]


def test_made_by_name_the_warm_up_is_a_part_of_the_run() -> None:
    made = schedules.make("linear", rate=1.0, updates=10, warmup=2)
    assert rates(made, 0, 1, 2, 6, 10) == [0.5, 1.0, 1.0, 0.5, 0.0]
    assert schedules.make("cosine", rate=1.0, updates=8, end=0.5) == Cosine(1.0, 8, 0.5)
    assert schedules.make("step", rate=1.0, updates=9) == Step(1.0, 3)
    assert schedules.make("step", rate=1.0, updates=9, every=2, factor=0.5) == Step(1.0, 2, 0.5)
    assert schedules.make("exponential", rate=1.0, updates=10)(10) == pytest.approx(0.1)
    assert schedules.make("constant", rate=1.0, updates=10) == Constant(1.0)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_every_name_makes_a_schedule(name: str) -> None:
    made = schedules.make(name, rate=0.5, updates=100, warmup=10)
    assert made(10) == 0.5
    assert all(0 <= made(n) <= 0.5 for n in range(120))
    assert "rate" in schedules.numbers_of(name)


def test_plateau_waits_reduces_and_cools_down() -> None:
    plateau = Plateau(1.0, factor=0.5, patience=1, cooldown=2, end=0.2)
    seen = []
    for measure in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        plateau.observe(measure)
        seen.append(plateau(0))
    # two in a row that are no better; two more are not counted; then again two; never below its end
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]


def test_plateau_of_a_measure_below_zero() -> None:
    """A log likelihood of which more is better: the threshold is a share of its size."""
    plateau = Plateau(1.0, factor=0.5, patience=0, threshold=0.1, more=True)
    for measure, rate in ((-10.0, 1.0), (-8.9, 1.0), (-8.2, 0.5), (-8.0, 0.5), (math.nan, 0.25)):
        plateau.observe(measure)
        assert plateau(0) == rate, measure


def test_a_loaded_plateau_goes_on() -> None:
    """Also behind a warm-up, and with an infinite best: nothing was better yet."""
    random = np.random.default_rng(0)
    measures = random.normal(3.0, 0.1, 40).tolist()
    whole, parted = (Warmup(Plateau(1.0, patience=1, cooldown=1, factor=0.7), 5) for _ in range(2))
    for n, measure in enumerate(measures):
        whole.observe(measure)
        state = {name: array.copy() for name, array in parted.state().items()}
        parted = Warmup(Plateau(1.0, patience=1, cooldown=1, factor=0.7), 5)
        parted.load(state)
        parted.observe(measure)
        assert whole(n) == parted(n)
    assert whole(50) < 0.1


def test_a_state_of_another_schedule_is_refused() -> None:
    state = Plateau(1.0).state()
    with pytest.raises(ScheduleError, match="Constant keeps nothing, but the state holds rate"):
        Constant(1.0).load(state)
    with pytest.raises(ScheduleError, match=r"Plateau holds rate, best, waited, cooling.*; got rate"):
        Plateau(1.0).load({"rate": state["rate"]})
    Constant(1.0).load(Constant(0.5).state())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(0.0), "Constant: rate: expected a finite number above 0, got 0.0"),
        (lambda: Constant(True), "rate"),
        (lambda: Linear(0.1, 0), "Linear: updates: expected a whole number of at least 1, got 0"),
        (lambda: Linear(0.1, 10, -0.1), "end"),
        (lambda: Step(0.1, 2.5), "every"),  # type: ignore[arg-type]
        (lambda: Exponential(0.1, 1.5), "factor"),
        (lambda: Plateau(0.1, patience=-1), "patience"),
        (lambda: Warmup(0.1, 10), "expected a schedule"),  # type: ignore[arg-type]
        (lambda: schedules.make("steps", rate=0.1, updates=10), "no schedule 'steps'; there are constant, linear, "),
        (lambda: schedules.make("cosine", rate=0.1, updates=10, every=2), "cosine has no every; it has rate, updates"),
        (lambda: schedules.make("cosine", rate=0.1, updates=10, warmup=-1), "warmup"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        make()

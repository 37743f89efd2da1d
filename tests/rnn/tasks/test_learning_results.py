"""The scripts of learning results: their measures on small cases, and, in the long run, what they are held against."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from bptt.rnn.data import problems
from bptt.rnn.data.sentences import Labelled

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def script(name: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


learning, tasks = script("learning"), script("tasks")


# ---- measures ------------------------------------------------------------------------------------
def test_a_reber_string_is_right_where_all_legal_symbols_win() -> None:
    texts = ["BTBTXSETE", "BPBPVVEPE"]
    batch = problems.reber_batch(texts)
    scores = np.zeros((8, 2, 7))
    for row, text in enumerate(texts):
        scores[:, row] = problems.reber_legal(text[:-1])
    assert learning.strings_right(batch, scores) == 1.0
    scores[7, 0] = 0.0  # after the last but one
    assert learning.strings_right(batch, scores) == 0.5
    scores[7, 0, problems.REBER.index("E")] = 1e-3
    scores[6, 1, problems.REBER.index("T")] = 1.0  # either T or P: the first was forgotten
    assert learning.strings_right(batch, scores) == 0.5


def test_the_loss_of_copying_without_memory_is_the_one_that_is_printed() -> None:
    batch = problems.copy_memory(500, np.random.default_rng(0), steps=20)
    scores = np.full((40, 500, 9), -100.0)
    scores[:30, :, problems.BLANK] = 0.0
    scores[30:, :, :8] = 0.0
    assert learning.nats(batch, scores) == pytest.approx(problems.copy_chance(20))


def test_the_median_of_runs_that_fail() -> None:
    """Two of three solved: the median is the slower of them; one of three: not solved."""
    adding = learning.PROBLEMS["adding"]
    some = [learning.Result(n, 0.0005, 1.0) for n in (900, 2000)]
    failed = learning.Result(None, 0.16, 1.0)
    row, kept = learning.line(adding, "lstm", [*some, failed])
    assert "64,000 sequences (2 of 3 runs: 28,800 to 64,000)" in row
    assert kept
    row, kept = learning.line(adding, "lstm", [some[0], failed, failed])
    assert "not after 96,000 sequences" in row
    assert not kept
    assert learning.line(adding, "elman", [failed])[1]  # no yardstick


def test_naive_bayes_adds_one_to_each_count() -> None:
    train = [Labelled("good good film", "1"), Labelled("bad film", "0")]
    test = [Labelled("good", "1"), Labelled("bad", "0"), Labelled("film", "0"), Labelled("never seen", "0")]
    # of five words and three different ones: p(good | 1) = 3/6 over 1/5; p(film | 1) = 2/6 under p(film | 0) = 2/5
    assert list(tasks.naive_bayes(train, test)) == [True, True, True, True]


# ---- the long run --------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("which", ["reber lstm", "adding gru", "adding lstm", "order lstm"])
def test_gates_solve_problems_of_long_ranges(which: str) -> None:
    """One seed, within 1.5 times what torch took."""
    problem, name = which.split()
    found = learning.trained(learning.PROBLEMS[problem], name, seed=0)
    assert found.updates is not None
    assert learning.line(learning.PROBLEMS[problem], name, [found])[1]


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "least"), [("adding", 0.1), ("order", None)])
def test_a_network_without_gates_stays_at_chance(problem: str, least: float | None) -> None:
    """Adding: a mean squared error of 1/6; temporal order: one of four right."""
    found = learning.trained(learning.PROBLEMS[problem], "elman", seed=0)
    assert found.updates is None
    assert found.value > least if least else found.value < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tagging", "sentiment", "names", "shakespeare", "sunspots"])
def test_tasks_on_real_data_reach_their_goals(
    name: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "sunspots":
        pytest.importorskip("statsmodels", reason="the series comes with statsmodels")
    monkeypatch.setattr(tasks, "DATA", data_folder)
    assert tasks.TASKS[name](tmp_path)

"""Blocks of steps that are chosen and run natively: symbol for symbol what one step after the other gives."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.compiler.program import Variant
from bptt.graph.circuit import Circuit
from bptt.rnn.data import DataError, Vocabulary
from bptt.rnn.running import ahead
from bptt.rnn.running.search import draw
from bptt.rnn.running.steps import Rows
from bptt.rnn.runs.run import Run
from bptt.rnn.runs.settings import Settings
from bptt.rnn.tasks import LanguageModel, TaskSettings

Array = np.ndarray[Any, Any]
T, B = 90, 3

LAGS = """
    x[0] = 2
    h[t] = tanh(W @ h[t-1] + Z @ h[t-2] + E[x[t]] + F[x[t-1]])
    o[t] = V @ h[t] + Q @ h[t-3] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
VECTORS = """
    h[t] = tanh(W @ h[t-1] + U @ x[t])
    p[t] = softmax(V @ h[t] + d)
    L = mean(nll(p[t], y[t]), over=t)
"""
AFTER = """
    y[0] = 0
    y[-1] = 3
    h[t] = tanh(W @ h[t-1] + E[y[t-1]] + F[y[t-2]] + U @ x[t])
    o[t] = V @ h[t] + d * cos(0.7 * t)
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
CHOSEN_AT_THE_STEP = """
    h[t] = tanh(W @ h[t-1] + E[y[t]])
    o[t] = V @ h[t-1] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
BIGRAM = """
    e[t] = E[x[t]]
    o[t] = V @ e[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
GROWING = """
    h[t] = 4 * h[t-1] + E[x[t]]
    o[t] = V @ h[t]
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
WISHES: list[dict[str, Any]] = [
    {},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 3, "never": [1], "seed": 4},
    {"temperature": 2.5, "stop": 2, "seed": [3, 4, 5]},
    {"stop": 1, "normalise": 0.5, "never": [0]},
]


def weights(net: Circuit, dtype: str = "float32", size: float = 1.0) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {n: rng.normal(0.0, size, shape).astype(dtype) for n, shape in net.params.items()}


def nets(dtype: str) -> dict[str, tuple[Circuit, dict[str, Any]]]:
    rng = np.random.default_rng(5)
    over_t = rng.normal(size=(T, B, 2)).astype(dtype)
    lengths = [T, T - 20, T - 60]
    hot = np.eye(5, dtype=dtype)[rng.integers(0, 5, (2, B))]
    ragged = {"x": rng.integers(0, 5, (6, B)), "prompt_lengths": [2, 6, 4], "length": lengths}
    source = {"x": rng.integers(0, 4, (6, B)), "length": lengths}
    return {
        "lags": (rnn.define(LAGS)(x=5, h=4, o=5), ragged),
        "vectors": (rnn.define(VECTORS)(x=5, h=4, p=5), {"x": hot, "length": T}),
        "after": (rnn.define(AFTER)(x=2, h=4, o=5), {"x": over_t, "length": T}),
        "attention": (rnn.attention(x=4, e=3, d=3, o=5), {**source, "lengths": {"s": [6, 2, 4]}}),
        "seq2seq": (rnn.seq2seq(x=4, e=3, o=5), source),
        "vector_to_sequence": (rnn.vector_to_sequence(v=3, h=4, o=5), {"v": over_t[0, :, [0, 0, 1]].T, "length": T}),
        "teacher_forcing": (rnn.teacher_forcing(x=2, h=4, o=5), {"x": over_t}),
        "nothing is read": (rnn.elman(x=2, h=4, o=5), {"x": over_t}),
        "many rows": (rnn.lstm(x=2, h=256, o=5), {"x": rng.normal(size=(40, 32, 2)).astype(dtype)}),
    }


class Blocks(list[int]):
    """How many symbols each block chose; −1 for one that could not be run."""


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    found, block = Blocks(), Rows.block

    def counted(rows: Rows, *given: Any) -> Any:
        chosen = block(rows, *given)
        found.append(-1 if chosen is None else len(chosen.symbols))
        return chosen

    monkeypatch.setattr(Rows, "block", counted)
    return found


def both(run: rnn.Decoder, monkeypatch: pytest.MonkeyPatch, *given: Any, **named: Any) -> tuple[Any, Any]:
    """In blocks, and step by step."""
    found = run(*given, **named)
    with monkeypatch.context() as patch:
        patch.setattr(ahead, "FEWEST", 10**9)
        return found, run(*given, **named)


def check(found: Any, expected: Any) -> None:
    for some, others in zip(found, expected, strict=True):
        for one, other in zip(some, others, strict=True):
            assert (one.symbols, one.ended) == (other.symbols, other.ended)
            assert one.log_probability == pytest.approx(other.log_probability, rel=1e-12, abs=1e-12)
            assert one.score == pytest.approx(other.score, rel=1e-12, abs=1e-12)


QUICK = [("lags", "float64"), ("vectors", "float32"), ("after", "float32")]
REST = [(name, dtype) for dtype in ("float32", "float64") for name in nets(dtype) if (name, dtype) not in QUICK]


@pytest.mark.parametrize(("name", "dtype"), [*QUICK, *(pytest.param(*c, marks=pytest.mark.slow) for c in REST)])
def test_blocks_choose_what_single_steps_choose(
    name: str, dtype: str, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, given = nets(dtype)[name]
    run, params = rnn.Decoder(net, dtype=dtype), weights(net, dtype)
    for checked, wishes in enumerate(WISHES):
        if name == "many rows" and "seed" in wishes:
            wishes = {**wishes, "seed": 1}
        monkeypatch.setattr(Variant, "poison", bool(checked % 2))
        blocks.clear()
        check(*both(run, monkeypatch, params, **wishes, **given))
        assert blocks
        assert min(blocks) > 0
    monkeypatch.setattr(ahead, "FIRST", 3)
    monkeypatch.setattr(ahead, "MOST", 5)
    blocks.clear()
    check(*both(run, monkeypatch, params, temperature=1.0, **given))
    assert max(blocks) <= 5


def test_what_another_program_computes_is_chosen_step_by_step(blocks: Blocks) -> None:
    net = rnn.define(CHOSEN_AT_THE_STEP)(h=3, o=4)
    found = rnn.decode(net, weights(net), length=40, temperature=1.0, target="interpret")
    assert found.lengths == [40]
    assert not blocks


def test_what_is_not_compiled_runs_step_by_step(blocks: Blocks) -> None:
    net = rnn.define(BIGRAM)(x=4, e=3, o=4)
    given: dict[str, Any] = {"x": np.array([[1, 2]]), "length": 40, "temperature": 1.0}
    found = rnn.decode(net, weights(net), target="interpret", **given)
    assert blocks == [-1]
    assert rnn.decode(net, weights(net), **given).symbols.tolist() == found.symbols.tolist()
    assert blocks[1:] == [40]


def test_numbers_that_are_not_finite_are_said_at_the_step_at_which_they_come(blocks: Blocks) -> None:
    net = rnn.define(GROWING)(x=4, h=3, o=4)
    given: dict[str, Any] = {"x": np.array([[1]]), "length": 200}
    with pytest.raises(DataError, match="weights have diverged"):
        rnn.decode(net, weights(net), **given)
    assert sum(blocks) > 40
    equal = {n: np.zeros(shape, "float32") for n, shape in net.params.items()}
    np.testing.assert_array_equal(rnn.decode(net, equal, never=[0, 2], **given).symbols, 1)


def test_a_text_is_the_same_in_blocks(blocks: Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Vocabulary.of(" \nabcdefg")
    task = LanguageModel(vocabulary, TaskSettings(vector=3, hidden=4))
    net = task.cell()(**task.sizes_for(task.cell()))
    run = Run(Path("run"), {}, replace(Settings(vector=3, hidden=4), target="cpu"), task, net, weights(net), 0)
    drawn = {"temperature": 0.5, "top_k": 2, "prompt": "ab", "seed": 3}
    wishes: list[dict[str, Any]] = [{}, {"temperature": 0.0}, drawn]
    found = [run.generate(200, **wish) for wish in wishes]
    assert len(blocks) >= 6
    monkeypatch.setattr(ahead, "FEWEST", 10**9)
    assert found == [run.generate(200, **wish) for wish in wishes]


class One:
    """A source of one random number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


def test_a_symbol_is_drawn_as_in_python() -> None:
    from bptt.compiler.cpu.choose import ROOM, drawn

    rng = np.random.default_rng(0)
    rows = [rng.normal(0.0, 5.0, n) for n in (1, 2, 7, 8, 9, 65)]
    rows += [np.round(rows[-1]), np.where(rng.random(65) < 0.5, -math.inf, rows[-1]), np.array([800.0, -800.0])]
    rows.append(np.array([0.0, -math.inf, -math.inf]))
    for row in rows:
        for temperature, top_k in ((1.0, 0), (1e-300, 0), (0.3, 1), (2.0, 3), (1e9, 64), (1.0, 99)):
            for number in (0.0, 0.3, 0.7, 1.0 - 2.0**-53):
                logs, odds = np.zeros(len(row) + ROOM), np.zeros(len(row) + ROOM)
                logs[: len(row)] = row
                place = drawn(logs, len(row), temperature, top_k, number, odds)
                assert place == draw(row, temperature, One(number), top_k)  # type: ignore[arg-type]

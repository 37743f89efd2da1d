"""Reading and writing text with a trained network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import graph
from bptt.rnn.checkpoint import Run
from bptt.rnn.data import DataError, Vocabulary
from bptt.rnn.generate import Score, draw, inference, stream_nats
from bptt.rnn.train import language_model

VOCABULARY = Vocabulary.of("\nabc")


@pytest.fixture(scope="module")
def run() -> Run:
    net = language_model(len(VOCABULARY), 3, 4)
    configuration: dict[str, Any] = {"settings": {"target": "interpret"}}
    return Run(Path("run"), configuration, VOCABULARY, net, net.init(seed=3), 0)


def logits(run: Run, text: str) -> np.ndarray[Any, Any]:
    """o [T, n] after each character of the line feed and the text, by the reference."""
    symbols = np.concatenate([[run.vocabulary.start], run.vocabulary.symbols(text)])[:, None]
    signals = graph.evaluate(run.net, run.weights, x=symbols, y=np.zeros_like(symbols), training=False)
    return np.asarray(signals["o"][:, 0])


def test_a_score_is_the_sum_of_the_log_probabilities(run: Run) -> None:
    text = "abcab\nxca"
    o = logits(run, text)
    log_p = o - np.log(np.exp(o).sum(axis=1, keepdims=True))
    expected = -sum(log_p[n, s] for n, s in enumerate(run.vocabulary.symbols(text)))
    score = run.score(text)
    assert score.nats == pytest.approx(expected, rel=1e-5)
    assert (score.characters, score.unseen) == (9, 1)


def test_a_long_text_is_read_in_windows_with_carried_state(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = run.vocabulary.symbols("abcba\nacb" * 5)
    whole = stream_nats(run.program, run.weights, symbols)
    monkeypatch.setattr("bptt.rnn.data.one_row.__defaults__", (7,))
    assert stream_nats(run.program, run.weights, symbols) == pytest.approx(whole, rel=1e-6)


def test_what_follows_from_a_score() -> None:
    score = Score(nats=10 * math.log(2), characters=5, unseen=0)
    assert score.nats_per_character == pytest.approx(2 * math.log(2))
    assert score.bits_per_character == pytest.approx(2.0)
    assert score.perplexity == pytest.approx(4.0)


def test_an_empty_text_has_no_score(run: Run) -> None:
    with pytest.raises(DataError, match="got an empty one"):
        run.score("")


def test_without_temperature_the_most_probable_character_follows(run: Run) -> None:
    text = run.generate(12, temperature=0.0, prompt="ab")
    assert text.startswith("ab")
    assert len(text) == 14
    o = logits(run, text[:-1])[2:, 1:]
    assert [1 + int(k) for k in o.argmax(axis=1)] == run.vocabulary.symbols(text[2:]).tolist()


def test_the_same_seed_writes_the_same(run: Run) -> None:
    texts = [run.generate(60, seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert run.generate(0, prompt="x") == "x"
    assert len(run.generate(7)) == 7


def test_unseen_characters_are_read_and_never_written(run: Run) -> None:
    assert set(run.generate(200, temperature=5.0, prompt="")) <= set("\nabc")
    assert run.generate(3, prompt="zz").startswith("zz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": -1}, "length of a text is a whole number of at least 0, got -1"),
        ({"length": 1.5}, "length of a text"),
        ({"temperature": -0.1}, "temperature is a finite number of at least 0, got -0.1"),
        ({"seed": -1}, "the seed is a whole number of at least 0, got -1"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
    ],
)
def test_bad_wishes_are_refused(run: Run, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run.generate(**settings)


def test_characters_are_drawn_as_often_as_they_are_probable() -> None:
    random = np.random.default_rng(0)
    o = np.array([9.0, math.log(1.0), math.log(2.0), math.log(5.0)])
    counts = np.bincount([draw(o, 1.0, random) for _ in range(8000)], minlength=4)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:] / 8000, np.array([1, 2, 5]) / 8, atol=0.02)
    counts = np.bincount([draw(o, 0.5, random) for _ in range(8000)], minlength=4)
    np.testing.assert_allclose(counts[1:] / 8000, np.array([1, 4, 25]) / 30, atol=0.02)


def test_small_temperatures_do_not_overflow_and_diverged_weights_are_said() -> None:
    random = np.random.default_rng(0)
    assert draw(np.array([0.0, 800.0, -800.0]), 1e-3, random) == 1
    with pytest.raises(DataError, match="weights have diverged"):
        draw(np.array([0.0, math.nan]), 1.0, random)


def test_the_inference_program_needs_no_gradient(run: Run) -> None:
    out = inference(run.net, "interpret")(run.weights, x=np.array([[1]]), y=np.array([[2]]))
    assert out.value["o"].shape == (1, 1, len(VOCABULARY))
    assert not out.grad

"""Reading and writing text with a trained network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.rnn.data import DataError, Vocabulary
from bptt.rnn.running.generate import Score
from bptt.rnn.running.search import draw
from bptt.rnn.runs.run import Run
from bptt.rnn.runs.settings import Settings
from bptt.rnn.tasks import LanguageModel, TaskSettings

SETTINGS = Settings(vector=3, hidden=4, target="interpret")


def made(vocabulary: Vocabulary, **weights: Any) -> Run:
    task = LanguageModel(vocabulary, TaskSettings(vector=3, hidden=4))
    net = task.cell()(**task.sizes_for(task.cell()))
    return Run(Path("run"), {}, SETTINGS, task, net, {**net.init(seed=3), **weights}, 0)


@pytest.fixture(scope="module")
def run() -> Run:
    return made(Vocabulary.of("\nabc"))


def logits(run: Run, text: str) -> np.ndarray[Any, Any]:
    """o [T, n] after each character of the line feed and the text, by the reference."""
    vocabulary: Vocabulary = run.task.vocabulary  # type: ignore[attr-defined]
    symbols = np.concatenate([[vocabulary.start], vocabulary.symbols(text)])[:, None]
    signals = graph.evaluate(run.net, run.weights, x=symbols, y=np.zeros_like(symbols), training=False)
    return np.asarray(signals["o"][:, 0])


def symbols(run: Run, text: str) -> list[int]:
    vocabulary: Vocabulary = run.task.vocabulary  # type: ignore[attr-defined]
    return [int(s) for s in vocabulary.symbols(text)]


def test_a_score_is_the_sum_of_the_log_probabilities(run: Run) -> None:
    text = "abcab\nxca"
    o = logits(run, text)
    log_p = o - np.log(np.exp(o).sum(axis=1, keepdims=True))
    expected = -sum(log_p[n, s] for n, s in enumerate(symbols(run, text)))
    score = run.score(text, unknown="map")
    assert score.nats == -score.log_probability == pytest.approx(expected, rel=1e-5)
    assert (score.items, score.unseen, score.item) == (9, 1, "character")


def test_a_long_text_is_read_in_windows_with_carried_state(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "abcba\nacb" * 5
    whole = run.score(text).nats
    monkeypatch.setattr("bptt.rnn.data.streams.one_row.__defaults__", (7,))
    assert run.score(text).nats == pytest.approx(whole, rel=1e-6)


def test_what_follows_from_a_score() -> None:
    score = Score(nats=10 * math.log(2), items=5, unseen=0)
    assert score.nats_per_item == pytest.approx(2 * math.log(2))
    assert score.bits_per_item == pytest.approx(2.0)
    assert score.perplexity == pytest.approx(4.0)
    assert str(score) == "6.931 nats over 5 characters: 2.0000 bits a character, perplexity 4"


def test_an_empty_text_has_no_score(run: Run) -> None:
    with pytest.raises(DataError, match="got an empty one"):
        run.score("")


def test_without_temperature_the_most_probable_character_follows(run: Run) -> None:
    text = run.generate(12, temperature=0.0, prompt="ab")
    assert text.startswith("ab")
    assert len(text) == 14
    o = logits(run, text[:-1])[2:, 1:]
    assert [1 + int(k) for k in o.argmax(axis=1)] == symbols(run, text[2:])


def test_without_temperature_and_prompt_a_text_does_not_begin_with_white_space() -> None:
    vocabulary = Vocabulary.of(" \nabc")
    d = np.zeros(len(vocabulary), dtype="float32")
    d[vocabulary.symbols(" \n")] = 9.0
    blank = made(vocabulary, d=d)
    assert blank.generate(5, temperature=0.0)[0] in "abc"
    assert blank.generate(5, temperature=0.0, prompt="a")[1].isspace()
    assert blank.generate(1, temperature=1.0, seed=1).isspace()


def test_the_same_seed_writes_the_same(run: Run) -> None:
    texts = [run.generate(60, seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert run.generate(0, prompt="c") == "c"
    assert len(run.generate(7)) == 7


def test_of_the_most_probable_one_is_the_text_without_temperature(run: Run) -> None:
    assert run.generate(20, top_k=1, seed=5, prompt="a") == run.generate(20, temperature=0.0, prompt="a")
    assert run.generate(20, top_k=99, seed=5) == run.generate(20, seed=5)


def test_unseen_characters_are_read_and_never_written(run: Run) -> None:
    assert set(run.generate(200, temperature=5.0, prompt="")) <= set("\nabc")
    assert run.generate(3, prompt="zz", unknown="map").startswith("zz")


def test_words_are_written_with_spaces_and_bytes_as_bytes() -> None:
    words = made(Vocabulary.of("the rain in spain", "word"))
    text = words.generate(6, prompt="the rain", seed=1)
    assert text.startswith("the rain ")
    assert len(text.split(" ")) == 8
    assert set(text.split(" ")) <= {"the", "rain", "in", "spain"}
    assert isinstance(made(Vocabulary.bytes()).generate(6, prompt="é"), str)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": -1}, "length of a text is a whole number of at least 0, got -1"),
        ({"length": 1.5}, "length of a text"),
        ({"temperature": -0.1}, "temperature is a finite number of at least 0, got -0.1"),
        ({"seed": -1}, "the seed is a whole number of at least 0, got -1"),
        ({"top_k": -2}, "top_k is a whole number of at least 0, got -2"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_bad_wishes_are_refused(run: Run, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run.generate(**settings)


def test_a_run_is_loaded_first() -> None:
    with pytest.raises(TypeError, match=r"generate: expected a run, got str; load it first: rnn.load\('runs/a'\)"):
        rnn.generate("runs/a")  # type: ignore[arg-type]


def test_only_language_models_write(run: Run) -> None:
    from bptt.rnn.tasks import Tagger

    other = Run(run.folder, {}, SETTINGS, Tagger(Vocabulary.of("a", "word"), ("N",), TaskSettings()), run.net, {}, 0)
    with pytest.raises(DataError, match="run is a tagger: only a language model can generate; a tagger can predict"):
        other.generate()


def test_symbols_are_drawn_as_often_as_they_are_probable() -> None:
    random = np.random.default_rng(0)
    o = np.array([-math.inf, math.log(1.0), math.log(2.0), math.log(5.0)])
    for temperature, top_k, expected in (
        (1.0, 0, np.array([0, 1, 2, 5]) / 8),
        (0.5, 0, np.array([0, 1, 4, 25]) / 30),
        (1.0, 2, np.array([0, 0, 2, 5]) / 7),
    ):
        counts = np.bincount([draw(o, temperature, random, top_k) for _ in range(8000)], minlength=4)
        assert (counts[expected == 0] == 0).all()
        np.testing.assert_allclose(counts / 8000, expected, atol=0.02)


def test_small_temperatures_do_not_overflow() -> None:
    random = np.random.default_rng(0)
    assert draw(np.array([-math.inf, 800.0, -800.0]), 1e-3, random) == 1


def test_diverged_weights_are_said() -> None:
    diverged = made(Vocabulary.of("ab"), V=np.full((3, 4), np.nan, dtype="float32"))
    with pytest.raises(DataError, match="weights have diverged"):
        diverged.generate(1)


def test_a_run_is_short_to_look_at(run: Run) -> None:
    assert repr(run) == "<run run: language_model, language_model of 168 weights, after update 0 of 800>"

"""The default networks learn their tasks within a few hundred updates, on data that nobody here made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import compiler
from bptt.rnn.optim import Adam, clip
from bptt.rnn.tasks import Bound, Task, TaskSettings
from bptt.rnn.truncation import Truncated

pytestmark = pytest.mark.slow


def learnt(task: Task, updates: int, rate: float) -> tuple[Bound, Any, dict[str, Any], dict[str, float]]:
    """The task's default network after ``updates`` of Adam, its rate falling as a cosine: with the reader, the
    weights and the measures of the validation part."""
    cell = task.cell()
    bound = task.bind(cell(**task.sizes_for(cell)))
    truncated = Truncated(bound.net, task.settings.window if task.carried else None)
    weights, optimiser, state = bound.net.init(seed=0), Adam(rate), None
    for update in range(updates):
        found = truncated.step(weights, bound.training[update], state, seed=update)
        state = found.state
        clip(found.grad, 1.0)
        optimiser.step(weights, found.grad, rate * (0.5 + 0.5 * math.cos(math.pi * update / updates)))
    reader = compiler.compile(bound.net, loss=None, returns=bound.returns, training=False)
    return bound, reader, weights, bound.validate(reader, weights)


def test_parts_of_speech_of_the_atis_treebank(data_folder: Path) -> None:
    """English ATIS treebank (Universal Dependencies): the most frequent tag of each word is right in 96 %."""
    bound, reader, weights, measures = learnt(Task.of(data_folder / "ud_en_atis", TaskSettings(batch=32)), 200, 0.01)
    assert measures["accuracy"] > 0.97
    tags = [tag for _, tag in bound.predict(reader, weights, "show me the cheapest flights to boston")]
    assert tags == ["VERB", "PRON", "DET", "ADJ", "NOUN", "ADP", "PROPN"]


def test_opinions_of_the_sentiment_treebank(data_folder: Path) -> None:
    """Stanford Sentiment Treebank, two classes: half of the sentences would be right by chance."""
    bound, reader, weights, measures = learnt(Task.of(data_folder / "sst", TaskSettings(batch=32)), 400, 0.005)
    assert measures["accuracy"] > 0.74
    assert bound.predict(reader, weights, "a wonderful , moving film").label == "1"
    assert bound.predict(reader, weights, "a dull mess").label == "0"


def test_the_language_of_a_name(data_folder: Path) -> None:
    """18 languages of names; nearly half of them are Russian."""
    bound, reader, weights, measures = learnt(Task.of(data_folder / "names", TaskSettings(batch=32)), 500, 0.01)
    assert measures["accuracy"] > 0.75
    assert bound.predict(reader, weights, "Tanaka").label == "Japanese"


def test_a_noisy_sum_of_sines_is_forecast_better_than_by_persistence(tmp_path: Path) -> None:
    """No forecast can be better than the noise, 0.3; the last value is wrong by more than 1."""
    steps = np.arange(6000)
    clean = 10 + 3 * np.sin(2 * np.pi * steps / 25) + np.sin(2 * np.pi * steps / 7)
    values = clean + np.random.default_rng(0).normal(0, 0.3, len(steps))
    (tmp_path / "a.csv").write_text("value\n" + "\n".join(map(str, values)))
    task = Task.of(tmp_path / "a.csv", TaskSettings(hidden=32))
    bound, reader, weights, measures = learnt(task, 300, 0.01)
    assert 0.28 < measures["rmse"] < 0.4
    assert measures["rmse"] < 0.4 * task.about["persistence_rmse"]
    ahead = 10 + 3 * np.sin(2 * np.pi * (steps[:5] + 6000) / 25) + np.sin(2 * np.pi * (steps[:5] + 6000) / 7)
    assert np.abs(bound.predict(reader, weights, values[-200:], steps=5)[:, 0] - ahead).max() < 0.5


@pytest.mark.parametrize("separator", ["", "\\n\\n"])
def test_a_language_model_learns_from_a_stream_and_from_documents(data_folder: Path, separator: str) -> None:
    """Tiny Shakespeare: single characters have an entropy of 3.3 nats."""
    settings = TaskSettings(batch=32, separator=separator)
    _, _, _, measures = learnt(Task.of(data_folder / "tinyshakespeare" / "input.txt", settings), 200, 0.015)
    assert measures["nats"] < 2.1

"""Pairs of texts as data: read, batched with two lengths a row, learnt, and translated by beam search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.rnn.data import DataError
from bptt.rnn.data.pairs import Pair, PairedSequences, are_pairs, read_pairs
from bptt.rnn.tasks import Task, TaskSettings, Translator

SETTINGS = TaskSettings(hidden=4, batch=3, share=0.7)


def written(folder: Path, text: str, name: str = "pairs.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_are_read_from_two_columns(tmp_path: Path) -> None:
    assert read_pairs(written(tmp_path, "ab\tba\n\nabc\tcba\n")) == [Pair("ab", "ba"), Pair("abc", "cba")]
    assert read_pairs(written(tmp_path, "Source\tTarget\nab\tba\n")) == [Pair("ab", "ba")]
    assert read_pairs(written(tmp_path, "target,source\nba,ab\n", "a.csv")) == [Pair("ab", "ba")]
    with pytest.raises(DataError, match=r"line 1: expected two columns, a source and a target, got 3"):
        read_pairs(written(tmp_path, "a\tb\tc\n"))
    with pytest.raises(DataError, match=r"line 2: expected a source and a target, one of them is empty"):
        read_pairs(written(tmp_path, "a\tb\n \tb\n"))


def test_what_looks_like_pairs(tmp_path: Path) -> None:
    some = [[f"{i} dogs", f"{i} Hunde"] for i in range(10)]
    assert are_pairs(some)
    assert are_pairs([["source", "target"], ["ab", "ba"]])
    assert not are_pairs([["label", "text"], *some])
    assert not are_pairs([["good", "a film"], ["bad", "a book"]] * 6)
    assert not are_pairs([["a", "b", "c"], ["d", "e", "f"]])
    lines = "".join(f"{'ab' * i}c\tc{'ba' * i}\n" for i in range(20))
    assert isinstance(Task.of(written(tmp_path, lines), SETTINGS), Translator)


def test_batches_have_the_lengths_of_both() -> None:
    x, y = [np.array([1, 2]), np.array([3])], [np.array([4]), np.array([5, 6, 7])]
    found = PairedSequences.of(x, y).batch([1, 0])
    assert found.inputs["x"].T.tolist() == [[3, 0], [1, 2]]
    assert found.inputs["y"].T.tolist() == [[5, 6, 7], [4, -1, -1]]
    assert (found.ends["t"].tolist(), found.ends["s"].tolist()) == ([3, 1], [1, 2])
    assert (found.steps, found.rows, found.items) == (3, 2, 4)


def test_a_run_translates(tmp_path: Path, plain: None) -> None:
    letters = np.random.default_rng(0).integers(0, 3, (60, 3))
    lines = "".join(f"{''.join('abc'[i] for i in row)}\t{''.join('ABC'[i] for i in row[::-1])}\n" for row in letters)
    data = written(tmp_path, lines)
    settings = {"task": "translator", "hidden": 16, "updates": 150, "rate": 0.02, "target": "interpret"}
    run = rnn.fit(data, run=tmp_path / "run", quiet=True, validate=150, **settings)
    again = rnn.load(run.folder)
    found = again.predict("abc", most=2)
    assert found[0].text == "CBA"
    assert found[0].log_probability > -0.7 > found[1].log_probability
    x = again.task.source.symbols("abc\n")[:, None]  # type: ignore[attr-defined]
    y = again.task.target.symbols("CBA\n")[:, None]  # type: ignore[attr-defined]
    o = graph.evaluate(again.net, again.weights, x=x, y=y, returns=["o"])["o"][:, 0]
    log_p = o - np.log(np.exp(o).sum(-1, keepdims=True))
    np.testing.assert_allclose(found[0].log_probability, log_p[np.arange(4), y[:, 0]].sum(), rtol=1e-4)
    with pytest.raises(DataError, match="expected a text to translate, got an empty one"):
        again.predict(" ")
    with pytest.raises(DataError, match="most: expected a whole number of at least 1"):
        again.predict("a", most=0)
    with pytest.raises(DataError, match="only a language model can generate"):
        again.generate()

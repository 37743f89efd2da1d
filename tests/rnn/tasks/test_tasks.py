"""Tasks: which one data are for, batches and measures, what a run keeps."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph
from bptt.rnn.data import DataError
from bptt.rnn.tasks import Bound, Classifier, Forecaster, LanguageModel, Task
from small_tasks import FILES, SMALL, bound, conllu, of, reader, sine


# ---- which task --------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", FILES)
def test_data_say_what_they_are_for(kind: str, tmp_path: Path) -> None:
    task = of(kind, tmp_path)
    assert task.name == kind
    assert task.about["source"].endswith(FILES[kind][0])
    assert len(task.about["sha256"]) == 64
    assert of(kind, tmp_path, replace(SMALL, task=kind)).about == task.about


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a", conllu(8), "tagger"),
        ("a.train", "1 good film\n0 bad film\n" * 9, "classifier"),
        ("a.train", "1 good film\n2\n", "language_model"),
        ("a.txt", "1 good film\n" * 9, "language_model"),
        ("a.csv", "1,good\n0,bad\n" * 9, "classifier"),
        ("a.csv", "day,value\n2024-01-01,1\n" * 1 + "2024-01-02,2\n", "forecaster"),
        ("a.csv", "1;2\n3;4\n", "forecaster"),
        ("a.tsv", "value\n1\n2\n3\n", "forecaster"),
        ("a.csv", "text,label\n12,good\n13,bad\n", "classifier"),
        ("a.tsv", "label\ttext\n" + "0\t\n1\t\n" * 9, "classifier"),
        ("a.csv", "line,target\n" + "1,2\n" * 9, "forecaster"),
    ],
)
def test_content_decides(tmp_path: Path, name: str, content: str, kind: str) -> None:
    from bptt.rnn.tasks.kinds import kind_of

    (tmp_path / name).write_text(content)
    assert kind_of(tmp_path / name, SMALL) == kind


def test_a_folder_with_two_parts_is_trained_on_one_and_validated_with_the_other(tmp_path: Path) -> None:
    for part, n in (("train", 12), ("dev", 4), ("test", 3)):
        (tmp_path / f"a-{part}.conllu").write_text(conllu(n))
    about = Task.of(tmp_path, SMALL).about
    assert (about["sentences"], about["validation_sentences"]) == (12, 4)


def test_a_folder_of_names_is_classified_by_their_characters(tmp_path: Path) -> None:
    for label in ("Dutch", "Thai"):
        (tmp_path / f"{label}.txt").write_text("\n".join(f"{label}{i}" for i in range(9)))
    task = Task.of(tmp_path, SMALL)
    assert isinstance(task, Classifier)
    assert task.labels == ("Dutch", "Thai")
    assert task.vocabulary.unit == "character"


def test_without_data_the_prose_of_python_is_read() -> None:
    task = Task.of(None, SMALL)
    assert task.name == "language_model"
    assert task.about["source"] == "pydoc_data.topics"
    with pytest.raises(DataError, match="expected data for a tagger"):
        Task.of(None, replace(SMALL, task="tagger"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "setting batch: expected a whole number of at least 1, got 0"),
        ({"share": 1.0}, "setting share: expected a number between 0 and 1, got 1.0"),
        ({"reach": 3}, "setting reach: expected at least the window, 5 steps, got 3"),
        ({"unit": "syllable"}, "setting unit: expected one of character, word, byte; got 'syllable'"),
        ({"task": "poet"}, "setting task: expected one of language_model, tagger"),
        ({"label": 3}, "setting label: expected a text, got 3"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        of("language_model", tmp_path, replace(SMALL, **changes))


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("tagger", conllu(1), r"1 sentence cannot be split 70% to 30%"),
        ("classifier", "good\tfine\n" * 9, "expected at least two different labels, got good"),
        ("forecaster", "1\n2\n3\n4\n", "1 steps to train on are too few for a batch of 3 and windows of 5"),
        ("language_model", "abcde" * 4, "14 characters to train on are too few for a batch of 3"),
    ],
)
def test_too_little_data(kind: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        of(kind, tmp_path, content=content)
    with pytest.raises(DataError, match="nowhere: expected a file or folder of data, got: No such file"):
        Task.of(tmp_path / "nowhere", SMALL)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "a,b\n", "1 text cannot be split 70% to 30%"),
        ("a.tsv", "label\ttext\n", "expected rows of labels and texts, got the names of columns alone"),
        ("a.tsv", "source\ttarget\n", "expected rows of sources and targets, got the names of columns alone"),
        ("a.tsv", "label\ttext\n0\t\n1\t\n", "line 2: expected a text, got an empty one"),
        ("a.conllu", conllu(1), "1 sentence cannot be split"),
        ("a.txt", "x", "a text of 1 character cannot be split"),
        ("a.csv", "", "expected a table of numbers, of labels and .*, or of two columns of texts, the file is empty"),
        ("a.conllu", "", "expected sentences in CoNLL-U, the file is empty"),
        ("a.conllu", " \n\n", "expected sentences in CoNLL-U, got 3 bytes of white space"),
        ("a.txt", "", "expected a text, the file is empty"),
    ],
)
def test_of_an_empty_file_it_is_said_what_was_expected(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}(: |, ){message}"):
        Task.of(tmp_path / name, SMALL)


# ---- batches and measures ----------------------------------------------------------------------------
@pytest.mark.parametrize("kind", FILES)
def test_the_default_network_learns_from_the_batches(kind: str, tmp_path: Path) -> None:
    """Steps against the gradient, without dropout: the loss of a pass falls, what is watched gets no worse."""
    made = bound(of(kind, tmp_path))
    program = compiler.compile(made.net, target="interpret", dtype="float64", training=False)
    weights = made.net.init(seed=0, dtype="float64")

    def loss(update: int) -> float:
        batch = made.training[update]
        out = program(weights, lengths=batch.lengths, **batch.inputs)
        for name, gradient in out.grad.items():
            weights[name] -= 0.3 * gradient
        return float(out.loss or 0.0)

    one_pass = len(made.training)
    losses = [loss(update) for update in range(max(60, 4 * one_pass))]
    assert np.mean(losses[-one_pass:]) < 0.9 * np.mean(losses[:one_pass])
    before, after = made.net.init(seed=0, dtype="float64"), weights
    read = reader(made)
    first, last = made.validate(read, before), made.validate(read, after)
    main = made.task.main
    assert (last[main.name] <= first[main.name]) if main.less else (last[main.name] >= first[main.name])
    assert made.validate(read, after) == last


@pytest.mark.parametrize("kind", ["language_model", "tagger", "classifier", "forecaster"])
def test_measures_are_those_of_each_sequence_alone(kind: str, tmp_path: Path) -> None:
    """Validation in batches, ragged or carried, against the losses of the unfolded meaning, one sequence at a time."""
    made = bound(of(kind, tmp_path))
    weights = made.net.init(seed=0, dtype="float64")
    found = made.validate(reader(made), weights)
    if made.task.carried:
        batches = list(made.validation)
        whole = {n: np.concatenate([b.inputs[n] for b in batches]) for n in ("x", "y")}
        expected = float(graph.evaluate(made.net, weights, **whole)["L"][0])
        assert found[made.task.main.name] == pytest.approx(expected, rel=1e-9)
        return
    total = items = 0.0
    for batch in made.validation:
        for row in range(batch.rows):
            n = batch.steps if batch.lengths is None else int(batch.lengths[row])
            x, y = batch.inputs["x"][:n, row : row + 1], batch.inputs["y"]
            y = y[row : row + 1] if y.ndim == 1 else y[:n, row : row + 1]
            count = n if kind == "tagger" else 1
            total += count * float(without_dropout(made, weights, x, y))
            items += count
    assert found["nats"] == pytest.approx(total / items, rel=1e-9)
    assert found["bits"] == pytest.approx(found["nats"] / math.log(2))


def without_dropout(made: Bound, weights: dict[str, Any], x: Any, y: Any) -> float:
    out = reader(made)(weights, x=x).value[made.scores.name].reshape(-1, made.scores.size)
    logs = out - np.log(np.exp(out).sum(axis=-1, keepdims=True))
    return float(-np.mean(logs[np.arange(len(logs)), np.asarray(y).reshape(-1)]))


def test_perplexity_accuracy_and_errors_in_units_of_the_data(tmp_path: Path) -> None:
    model = of("language_model", tmp_path)
    assert model.measures({"items": 4.0, "nats": 4 * math.log(8), "correct": 1.0}) == pytest.approx(
        {"nats": math.log(8), "bits": 3.0, "perplexity": 8.0}
    )
    assert of("tagger", tmp_path).measures({"items": 4.0, "nats": 2.0, "correct": 3.0})["accuracy"] == 0.75
    task = of("forecaster", tmp_path, replace(SMALL, columns="up"))
    assert isinstance(task, Forecaster)
    batch = next(iter(task.validation))
    totals = task.totals(batch, batch.inputs["y"] + 0.5, "mse")
    assert task.measures(totals) == pytest.approx(
        {"mse": 0.25, "rmse": 0.5 * task.normalisation.scale[0], "normalised_rmse": 0.5}
    )
    assert task.about["persistence_rmse"] > 0


def test_errors_of_several_columns_are_each_in_their_own_unit(tmp_path: Path) -> None:
    task = of("forecaster", tmp_path)
    assert isinstance(task, Forecaster)
    batch = next(iter(task.validation))
    totals = task.totals(batch, batch.inputs["y"] + [0.5, -1.0], "mse")
    scale = task.normalisation.scale
    assert task.measures(totals) == pytest.approx(
        {"mse": 0.625, "rmse_up": 0.5 * scale[0], "rmse_down": scale[1], "normalised_rmse": math.sqrt(0.625)}
    )
    values = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1)[int(60 * 0.7) :]
    expected = np.sqrt((np.diff(values, axis=0) ** 2).mean(axis=0))
    assert [task.about[f"persistence_rmse_{name}"] for name in ("up", "down")] == pytest.approx(expected.tolist())
    assert task.about["persistence_normalised_rmse"] == pytest.approx(math.sqrt(np.mean((expected / scale) ** 2)))


@pytest.mark.parametrize("size", [1e-290, 1e290])
def test_errors_of_very_small_and_very_large_numbers_are_finite(tmp_path: Path, size: float) -> None:
    usual, task = (
        of("forecaster", tmp_path, content="".join(f"{(i % 7) * unit}\n" for i in range(60))) for unit in (1.0, size)
    )
    assert task.about["persistence_rmse"] / size == pytest.approx(usual.about["persistence_rmse"])
    assert Task.restore(json.loads(json.dumps(task.save()))).save() == task.save()


def test_what_validates_far_from_what_is_trained_on_is_refused_with_its_file(tmp_path: Path) -> None:
    other = tmp_path / "later.csv"
    other.write_text("1\n1e200\n1\n")
    with pytest.raises(DataError, match=r"later\.csv: row 2 of the numbers: expected values like those"):
        of("forecaster", tmp_path, replace(SMALL, validation=str(other)), "1\n2\n3\n" * 20)


def test_columns_of_what_is_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.lines").write_text("1 good film\n0 bad film\n" * 9)
    (tmp_path / "names").mkdir()
    for label in "ab":
        (tmp_path / "names" / f"{label}.txt").write_text("x\ny\n")
    for name, given in (("a.lines", {"label": "1"}), ("names", {"text": "2"})):
        with pytest.raises(DataError, match=r"setting (label|text): it names a column of a table .* is read as"):
            Task.of(tmp_path / name, replace(SMALL, task="classifier", **given))


def test_what_a_classifier_counts_is_named_by_what_it_reads(tmp_path: Path) -> None:
    for unit, item in (("word", "sentence"), ("character", "line")):
        task = of("classifier", tmp_path, replace(SMALL, unit=unit))
        assert task.item == item
        assert task.about[f"{item}s"] + task.about[f"validation_{item}s"] == 20


@pytest.mark.parametrize("kind", ["language_model", "forecaster"])
def test_of_a_long_validation_part_some_steps_are_read(tmp_path: Path, kind: str) -> None:
    whole, some = (of(kind, tmp_path, replace(SMALL, validation_steps=n)) for n in (0, 9))
    assert sum(b.items for b in whole.validation) > 9
    for _ in range(2):
        batches = list(some.validation)
        assert sum(b.rows * b.steps for b in batches) == 9
        first = next(iter(whole.validation)).inputs["x"][0, 0]
        np.testing.assert_array_equal(batches[0].inputs["x"][0, 0], first)
    if kind == "language_model":
        assert some.about["characters_read_in_validation"] == 9
        assert "characters_read_in_validation" not in whole.about
        documents = of(kind, tmp_path, replace(SMALL, separator="\n", validation_steps=30))
        assert 0 < sum(b.items for b in documents.validation) <= 30


def test_documents_begin_anew_and_the_share_ends_with_one(tmp_path: Path) -> None:
    settings = replace(SMALL, separator="\\n")
    text = "".join(f"line {i} is a document\n" for i in range(20))
    task = of("language_model", tmp_path, settings, text)
    assert (task.about["documents"], task.about["validation_documents"]) == (15, 5)  # 70 % is within the 15th
    validation = list(task.validation)
    assert sum(b.items for b in validation) == len("line 15 is a document\n") * 5
    with pytest.raises(DataError, match=r"'§', does not occur in the text"):
        of("language_model", tmp_path, replace(settings, separator="§"), text)
    with pytest.raises(DataError, match=r"2 documents cannot be split 70% to 30%: none is left"):
        of("language_model", tmp_path, replace(settings, separator=";"), text.replace("\n", " ") + "; " + text)
    made = bound(task)
    nats = made.validate(reader(made), made.net.init(seed=0, dtype="float64"))["nats"]
    assert 0 < nats < 10


def test_a_file_for_validation(tmp_path: Path) -> None:
    (tmp_path / "dev").write_text("to be or new")
    task = of("language_model", tmp_path, replace(SMALL, validation=str(tmp_path / "dev")))
    assert isinstance(task, LanguageModel)
    batch = next(iter(task.validation))
    assert batch.items == len("to be or new") - 1
    assert (batch.inputs["y"] == 0).sum() == 1  # w is not in the text to train on
    (tmp_path / "dev.csv").write_text(sine(8))
    series = of("forecaster", tmp_path, replace(SMALL, validation=str(tmp_path / "dev.csv")))
    assert (series.about["steps"], series.about["validation_steps"]) == (60, 8)


def test_the_split_of_sentences_does_not_depend_on_the_seed(tmp_path: Path) -> None:
    tasks = [of("classifier", tmp_path, replace(SMALL, seed=seed)) for seed in (0, 1)]
    validations = [[b.inputs["x"].tolist() for b in task.validation] for task in tasks]
    assert validations[0] == validations[1]
    assert tasks[0].training[0].inputs["x"].tolist() != tasks[1].training[0].inputs["x"].tolist()


# ---- what a run keeps --------------------------------------------------------------------------------
GIVEN = {
    "language_model": "to be",
    "tagger": "the dog",
    "classifier": "the film",
    "forecaster": [[1.0, 2.0], [3.0, 4.0]],
    "translator": "abab",
}


@pytest.mark.parametrize("kind", FILES)
def test_a_restored_task_predicts_the_same(kind: str, tmp_path: Path) -> None:
    made = bound(of(kind, tmp_path))
    again = Task.restore(json.loads(json.dumps(made.task.save())), SMALL)
    assert again.save() == made.task.save()
    restored = again.bind(made.net, "float64")
    weights = made.net.init(seed=0, dtype="float64")
    for one in (made, restored):
        expected = made.predict(reader(made), weights, GIVEN[kind])
        assert np.array_equal(one.predict(reader(one), weights, GIVEN[kind]), expected)
    for part in ("training", "validation"):
        with pytest.raises(DataError, match=f"this {kind} has no data"):
            getattr(again, part)


@pytest.mark.parametrize(
    "kept",
    [
        None, {}, {"task": "poet"}, {"task": "language_model"}, {"task": "tagger", "vocabulary": {"unit": "byte"}},
        {"task": "tagger", "vocabulary": {"unit": "byte"}, "tags": ["A", "A"]},
        {"task": "classifier", "vocabulary": {"unit": "byte"}, "labels": [1, 2]},
        {"task": "forecaster", "columns": ["a"], "target": ["b"], "normalisation": {"mean": [0.0], "scale": [1.0]}},
        {"task": "forecaster", "columns": ["a"], "target": ["a"], "normalisation": {"mean": [], "scale": []}},
    ],
)  # fmt: skip
def test_what_is_no_task_is_not_restored(kept: Any) -> None:
    with pytest.raises(DataError, match="expected"):
        Task.restore(kept)

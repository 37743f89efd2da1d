"""Tasks: which one data are for, batches as a network reads them, measures, prediction, what a run keeps."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.rnn.data import DataError
from bptt.rnn.tasks import Bound, Classifier, Forecaster, LanguageModel, Tagger, Task, TaskSettings
from bptt.rnn.tasks.scores import scores_of

SMALL = TaskSettings(vector=3, hidden=4, batch=3, window=5, share=0.7)
ROW = "\t_\t_\t0\troot\t_\t_"


def conllu(sentences: int) -> str:
    words = [("the", "DET"), ("dog", "NOUN"), ("barks", "VERB"), ("loudly", "ADV")]
    blocks = []
    for i in range(sentences):
        some = words[: 1 + i % 4]
        blocks.append("".join(f"{n}\t{w}\t_\t{tag}{ROW}\n" for n, (w, tag) in enumerate(some, 1)))
    return "\n".join(blocks)


def sine(n: int) -> str:
    return "up,down\n" + "".join(f"{5 + 2 * math.sin(i / 2)},{-i % 7}\n" for i in range(n))


FILES = {
    "language_model": ("a.txt", "to be, or not to be;\nthat is the question:\n" * 5),
    "tagger": ("a.conllu", conllu(20)),
    "classifier": ("a.tsv", "good\tthe film is fine\nbad\tthe film is dull\ngood\tfine\nbad\tso dull\n" * 5),
    "forecaster": ("a.csv", sine(60)),
}


def of(kind: str, folder: Path, settings: TaskSettings = SMALL, content: str | None = None) -> Task:
    name, usual = FILES[kind]
    path = folder / name
    path.write_text(usual if content is None else content, encoding="utf-8")
    return Task.of(path, settings)


def bound(task: Task, dtype: str = "float64") -> Bound:
    cell = task.cell()
    return task.bind(cell(**task.sizes_for(cell)), dtype)


def reader(of_task: Bound) -> Any:
    return compiler.compile(
        of_task.net, loss=None, returns=of_task.returns, target="interpret", dtype=str(of_task.dtype), training=False
    )


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
        ("tagger", conllu(1), "1 sentences cannot be split 70% to 30%"),
        ("classifier", "good\tfine\n" * 9, "expected at least two different labels, got good"),
        ("forecaster", "1\n2\n3\n4\n", "1 steps are too few for a batch of 3 and windows of 5"),
        ("language_model", "abcde" * 4, "14 characters are too few for a batch of 3"),
    ],
)
def test_too_little_data(kind: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        of(kind, tmp_path, content=content)
    with pytest.raises(DataError, match="nowhere: expected a file or folder of data, got: No such file"):
        Task.of(tmp_path / "nowhere", SMALL)


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
    assert task.measures(totals) == pytest.approx({"mse": 0.25, "rmse": 0.5 * task.normalisation.scale[0]})
    assert task.about["persistence_rmse"] > 0


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


# ---- other networks ----------------------------------------------------------------------------------
def test_cells_that_read_vectors_get_one_hot_vectors(tmp_path: Path) -> None:
    task = of("language_model", tmp_path)
    assert isinstance(task, LanguageModel)
    cell = rnn.gru
    made = task.bind(cell(**task.sizes_for(cell)), "float32")
    x = made.training[0].inputs["x"]
    assert x.shape == (5, 3, len(task.vocabulary))
    assert x.dtype == np.float32
    assert (x.sum(axis=-1) == 1).all()
    assert (x.argmax(axis=-1) == task.training[0].inputs["x"]).all()
    program = compiler.compile(made.net, target="interpret")
    assert math.isfinite(program(made.net.init(), **made.training[0].inputs).loss or math.nan)


def test_a_label_is_the_target_of_the_last_step_where_the_network_has_one_at_each(tmp_path: Path) -> None:
    task = of("classifier", tmp_path)
    each = task.bind(rnn.lstm(x=task.reads, h=4, o=task.predicts), "float64")
    last = "h[t] = tanh(W @ h[t-1] + U @ x[t])\no = V @ h[T]\nL = cross_entropy(o, y)"
    batch = each.training[0]
    lengths = np.full(batch.rows, batch.steps) if batch.lengths is None else batch.lengths
    y = batch.inputs["y"]
    assert (y >= 0).sum() == batch.rows
    assert (y[lengths - 1, np.arange(batch.rows)] == task.training[0].inputs["y"]).all()
    found = each.validate(reader(each), each.net.init(seed=0, dtype="float64"))
    assert 0 <= found["accuracy"] <= 1
    words = rnn.define(last)(x=task.reads, h=4, o=2)
    made = task.bind(words, "float64")
    assert made.training[0].inputs["y"].shape == (batch.rows,)
    label = each.predict(reader(each), each.net.init(seed=0, dtype="float64"), "the film")
    assert sum(label.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("loss", "name", "kind"),
    [
        ("mean(cross_entropy(o[t], y[t]), over=t)", "o", "cross_entropy"),
        ("mean(cross_entropy(V @ h[t] + d, y[t]), over=t)", "scores", "cross_entropy"),
        ("mean(nll(softmax(o[t]), y[t]), over=t)", "o", "cross_entropy"),
        ("mean(nll(p[t], y[t]), over=t) + 0.1 * sum(h[T]**2)", "p", "nll"),
        ("mean(l[t], over=t)", "o", "cross_entropy"),
        ("mean(mse(o[t], v[t]), over=t) + mean(cross_entropy(o[t], y[t]) + cross_entropy(h[t], y[t]), over=t)", "o",
         "cross_entropy"),
    ],
)  # fmt: skip
def test_scores_are_what_the_loss_compares_with_the_target(loss: str, name: str, kind: str) -> None:
    text = "h[t] = tanh(W @ h[t-1] + U @ x[t])\no[t] = V @ h[t]\n"
    text += "p[t] = softmax(o[t])\n" if "p[t]" in loss else ""
    text += "l[t] = cross_entropy(o[t], y[t])\n" if "l[t]" in loss else ""
    h = 3 if "(h[t], y" in loss else 4
    net = rnn.define(f"{text}L = {loss}")(x=3, h=h, o=3)
    found = scores_of(net)
    assert (found.name, found.loss, found.size) == (name, kind, 3)
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    program = compiler.compile(found.net, loss=None, returns=(name,), target="interpret", dtype="float64")
    assert program(net.init(dtype="float64"), x=x).value[name].shape == (4, 2, 3)


def test_numbers_are_compared_by_mse_on_either_side() -> None:
    for pair in ("o[t], y[t]", "y[t], o[t]"):
        net = rnn.define(f"h[t] = tanh(W @ h[t-1] + x[t])\no[t] = V @ h[t]\nL = mean(mse({pair}), over=t)")(h=2, o=3)
        assert (scores_of(net).name, scores_of(net).loss) == ("o", "mse")


@pytest.mark.parametrize(
    ("kind", "text", "sizes", "message"),
    [
        ("tagger", "h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = sum(h[T])", {}, "expected the inputs x and y, got x"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]])\nM = mean(cross_entropy(h[t], y[t]), over=t)", {"x": 5, "h": 4},
         "expected a loss L, got the equations h, M"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]])\nL = sum(h[T]) + sum(F[y[t]], over=t)", {"x": 5, "h": 4, "y": 4},
         "expected a loss L with cross_entropy"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]])\nL = mean(cross_entropy(h[t], y[t]), over=t)", {"x": 4, "h": 4},
         "expected x to be symbols of 5 values, the vocabulary, .* got 4 symbols: bind the sizes with x=5"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]])\nL = mean(cross_entropy(h[t], y[t]), over=t)", {"x": 5, "h": 7},
         "expected h to have 4 entries, one for each tag; got 7: bind the sizes with h=4"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]] + z[t])\nL = mean(cross_entropy(h[t], y[t]), over=t)",
         {"x": 5, "h": 4}, "expected no inputs but x and y, got z"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]])\nL = cross_entropy(h[T], y)", {"x": 5, "h": 4},
         r"expected a target at each step, y\[t\], got y"),
        ("forecaster", "h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = mean(cross_entropy(h[t], y[t]), over=t)",
         {"x": 2, "h": 2}, "expected mse in the loss of a forecaster, got cross_entropy"),
        ("forecaster", "h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = mean(mse(h[t], y[t]), over=t)", {"x": 1, "h": 2},
         r"expected x to be 2 numbers a step, the columns of the data; got shape \[1\]"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit(
    kind: str, text: str, sizes: dict[str, int], message: str, tmp_path: Path
) -> None:
    task = of(kind, tmp_path)
    with pytest.raises(DataError, match=message):
        task.bind(rnn.define(text)(**(sizes or {"x": 3, "h": 2})))


# ---- prediction --------------------------------------------------------------------------------------
def test_a_forecast_goes_on_in_units_of_the_data(tmp_path: Path) -> None:
    """A network that says its input again: a forecast is the last value, and so is every one after it."""
    task = of("forecaster", tmp_path)
    assert isinstance(task, Forecaster)
    same = rnn.define("s[t] = 0 * s[t-1] + x[t]\no[t] = A @ s[t]\nL = mean(mse(o[t], y[t]), over=t)")(x=2, s=2, o=2)
    made = task.bind(same, "float64")
    read, weights = reader(made), {"A": np.eye(2)}
    given = np.array([[5.0, 3.0], [6.5, 2.0]])
    np.testing.assert_allclose(made.predict(read, weights, given, steps=3), [[6.5, 2.0]] * 3)
    with pytest.raises(DataError, match=r"expected finite values \[N, 2\] of up, down"):
        made.predict(read, weights, [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="whole number of at least 1, got 0"):
        made.predict(read, weights, given, steps=0)


def test_a_forecast_of_many_steps_is_one_of_one_step_after_the_other(tmp_path: Path) -> None:
    made = bound(of("forecaster", tmp_path))
    read, weights = reader(made), made.net.init(seed=0, dtype="float64")
    given = np.array([[5.0, 3.0], [6.5, 2.0], [4.0, 1.0]])
    once = made.predict(read, weights, given, steps=4)
    for _ in range(4):
        given = np.concatenate([given, made.predict(read, weights, given)])
    np.testing.assert_allclose(once, given[3:])


def test_some_columns_are_forecast_one_step_ahead(tmp_path: Path) -> None:
    task = of("forecaster", tmp_path, replace(SMALL, target="down"))
    made = bound(task)
    assert (made.net.inputs["x"], made.net.inputs["y"]) == ((2,), (1,))
    read, weights = reader(made), made.net.init(seed=0, dtype="float64")
    assert made.predict(read, weights, [[1.0, 2.0]]).shape == (1, 1)
    with pytest.raises(DataError, match=r"only down of up, down are forecast.* ask for one step"):
        made.predict(read, weights, [[1.0, 2.0]], steps=2)
    with pytest.raises(DataError, match="expected the columns to forecast among those read, up, down; got 'left'"):
        of("forecaster", tmp_path, replace(SMALL, target="left"))


def test_a_sentence_is_tagged_word_by_word(tmp_path: Path) -> None:
    made = bound(of("tagger", tmp_path))
    read, weights = reader(made), made.net.init(seed=0, dtype="float64")
    found = made.predict(read, weights, "the dog, unseen")
    assert [word for word, _ in found] == ["the", "dog", ",", "unseen"]
    assert isinstance(made.task, Tagger)
    assert {tag for _, tag in found} <= set(made.task.tags)
    assert made.predict(read, weights, ["the", "dog", ",", "unseen"]) == found
    with pytest.raises(DataError, match="without words"):
        made.predict(read, weights, " ")


def test_what_comes_next(tmp_path: Path) -> None:
    made = bound(of("language_model", tmp_path))
    found = made.predict(reader(made), made.net.init(seed=0, dtype="float64"), "to be", most=100)
    assert len(found) == made.task.reads - 1  # UNSEEN is none
    odds = [one.probability for one in found]
    assert odds == sorted(odds, reverse=True)
    assert 0.5 < sum(odds) < 1


# ---- what a run keeps --------------------------------------------------------------------------------
GIVEN = {
    "language_model": "to be",
    "tagger": "the dog",
    "classifier": "the film",
    "forecaster": [[1.0, 2.0], [3.0, 4.0]],
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

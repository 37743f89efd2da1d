"""Tasks and networks: any that reads x, compares something with y, and so can be measured and predicts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn.data import DataError
from bptt.rnn.define import Cell
from bptt.rnn.tasks import Forecaster, LanguageModel, Tagger
from bptt.rnn.tasks.scores import scores_of
from small_tasks import SMALL, bound, of, reader


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


@pytest.mark.parametrize("kind", ["language_model", "tagger", "classifier"])
@pytest.mark.parametrize(
    "end",
    [
        "scores[t] = V @ h[t] + d\nL = mean(cross_entropy(scores[t], y[t]), over=t)",
        "L = mean(cross_entropy(V @ h[t] + d, y[t]), over=t)",
        "cost(a, b) = nll(a, b)\np[t] = softmax(V @ h[t] + d)\nL = mean(cost(p[t], y[t]), over=t)",
    ],
)
def test_outputs_have_any_name_and_o_may_be_a_gate(kind: str, end: str, tmp_path: Path) -> None:
    task = of(kind, tmp_path)
    cell = rnn.define(f"o[t] = sigmoid(W_o @ h[t-1] + U_o @ x[t])\nh[t] = o[t] * tanh(W @ h[t-1] + U @ x[t])\n{end}")
    net = cell(**task.sizes_for(cell))
    assert (net.outputs["o"], net.outputs["h"]) == ((SMALL.hidden,), (SMALL.hidden,))
    assert task.bind(net).scores.size == task.predicts


@pytest.mark.parametrize(
    ("kind", "cell", "message"),
    [
        ("language_model", rnn.attention, r"attention: expected x\[t\], since a language model reads .*; got x\[s\]"),
        ("tagger", rnn.seq2seq, r"expected x\[t\], since a tagger reads one sequence, step by step; got x\[s\]"),
        ("classifier", rnn.seq2seq, r"expected x\[t\], since a classifier reads"),
        ("translator", rnn.elman, r"elman: expected x\[s\], since a translator reads a source .*; got x\[t\]"),
        ("tagger", rnn.teacher_forcing, r"expected \w+ to be computed from x alone, since a tagger .* reads y"),
    ],
)
def test_a_cell_that_the_task_could_not_predict_with_is_refused(
    kind: str, cell: Cell, message: str, tmp_path: Path
) -> None:
    task = of(kind, tmp_path)
    with pytest.raises(DataError, match=message):
        task.bind(cell(**task.sizes_for(cell)))


def test_a_single_number_that_is_forecast_may_be_a_scalar(tmp_path: Path) -> None:
    task = of("forecaster", tmp_path, replace(SMALL, columns="up"))
    cell = rnn.define("h[t] = tanh(W @ h[t-1] + U @ x[t])\nn[t] = dot(v, h[t])\nL = mean(mse(n[t], y[t]), over=t)")
    assert task.bind(cell(**task.sizes_for(cell))).scores.size == 1


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
        ("tagger", "h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = sum(h[T])", {}, "expected a loss L with cross_entropy"),
        ("tagger", "h[t] = tanh(W @ h[t-1] + E[x[t]])\nM = mean(cross_entropy(h[t], y[t]), over=t)", {"x": 5, "h": 4},
         "expected a loss L, such as L = .*, got the equations of h, M"),
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
    found = made.predict(read, weights, "the dog, unseen", unknown="map")
    assert [word for word, _ in found] == ["the", "dog", ",", "unseen"]
    assert isinstance(made.task, Tagger)
    assert {tag for _, tag in found} <= set(made.task.tags)
    assert made.predict(read, weights, ["the", "dog", ",", "unseen"], unknown="map") == found
    with pytest.raises(DataError, match="without words"):
        made.predict(read, weights, " ")


def test_what_comes_next(tmp_path: Path) -> None:
    made = bound(of("language_model", tmp_path))
    found = made.predict(reader(made), made.net.init(seed=0, dtype="float64"), "to be", most=100)
    assert len(found) == made.task.reads - 1  # UNSEEN is none
    odds = [one.probability for one in found]
    assert odds == sorted(odds, reverse=True)
    assert 0.5 < sum(odds) < 1

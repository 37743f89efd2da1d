"""``bptt predict``: runs of each task, given a text, a file or standard input."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.cli import main
from bptt.rnn.data import DataError, read_series
from bptt.rnn.runs.scoring import Measured, labelled
from bptt.rnn.tasks.classifier import read_labelled
from small_tasks import FILES, conllu

Captured = pytest.CaptureFixture[str]
Predicted = Callable[..., str]
TINY: dict[str, Any] = {
    "vector": 3, "hidden": 4, "batch": 2, "updates": 2, "sample": 2, "share": 0.7, "target": "interpret",
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, rnn.Run]:
    """A run of each task."""
    parent = tmp_path_factory.mktemp("runs")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bptt.rnn.runs.session._pictures", lambda *_: None)
        patch.setattr("bptt.rnn.runs.plots.loss_plot", lambda _: None)
        for task, (name, content) in FILES.items():
            (parent / name).write_text(content)
            window = 5 if task in ("language_model", "forecaster") else None
            made[task] = rnn.fit(parent / name, run=parent / task, quiet=True, window=window, **TINY)
    return made


@pytest.fixture
def predicted(runs: dict[str, rnn.Run], capsys: Captured) -> Predicted:
    """What ``bptt predict`` prints."""

    def of(task: str, *arguments: str) -> str:
        assert main(["predict", str(runs[task].folder), *arguments]) == 0
        return capsys.readouterr().out

    return of


def test_a_tagger_prints_words_and_tags(
    runs: dict[str, rnn.Run], predicted: Predicted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "\n".join(f"{word}\t{tag}" for word, tag in runs["tagger"].predict("the dog barks")) + "\n"
    assert predicted("tagger", "the dog barks") == expected
    path = tmp_path / "sentences.txt"
    path.write_text("the dog barks\n\nthe dog barks\n")
    assert predicted("tagger", str(path)) == expected + "\n" + expected
    monkeypatch.setattr("bptt.rnn.cli.predict.STDIN", path)
    assert predicted("tagger") == predicted("tagger", "-") == expected + "\n" + expected
    treebank = tmp_path / "a.conllu"
    treebank.write_text(conllu(3))
    blocks = predicted("tagger", str(treebank)).split("\n\n")
    assert [[line.split("\t")[0] for line in block.split("\n") if line] for block in blocks] == [
        ["the"], ["the", "dog"], ["the", "dog", "barks"],
    ]  # fmt: skip
    record = json.loads(predicted("tagger", "the dog barks", "--json"))
    assert list(zip(record["words"], record["tags"], strict=True)) == runs["tagger"].predict("the dog barks")


def test_a_classifier_prints_a_label_and_probabilities(runs: dict[str, rnn.Run], predicted: Predicted) -> None:
    found = runs["classifier"].predict("the film")
    odds = sorted(found.probabilities.items(), key=lambda one: -one[1])
    shown = [f"{label} {p:.4f}" for label, p in odds]
    assert predicted("classifier", "the film") == f"{found.label}\t{', '.join(shown)}\n"
    assert predicted("classifier", "the film", "--most", "1") == f"{found.label}\t{shown[0]}\n"
    record = json.loads(predicted("classifier", "the film", "--json"))
    assert record == {"label": found.label, "probabilities": found.probabilities}


def test_a_forecaster_prints_the_next_values_as_csv(
    runs: dict[str, rnn.Run], predicted: Predicted, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("up,down\n5,0\n6,-1\n5.5,-2\n")
    values = runs["forecaster"].predict([[5, 0], [6, -1], [5.5, -2]], steps=3)
    rows = predicted("forecaster", str(path), "--steps", "3").splitlines()
    assert rows[0] == "up,down"
    assert [[float(cell) for cell in row.split(",")] for row in rows[1:]] == [
        pytest.approx(row, rel=1e-6) for row in values.tolist()
    ]
    assert len(predicted("forecaster", str(path)).splitlines()) == 2
    last = json.loads(predicted("forecaster", str(path), "--steps", "3", "--json").splitlines()[-1])
    assert last == {"step": 3, "values": dict(zip(("up", "down"), values[2].tolist(), strict=True))}


def test_a_language_model_prints_the_next_symbols(
    runs: dict[str, rnn.Run], predicted: Predicted, tmp_path: Path, capsys: Captured
) -> None:
    found = runs["language_model"].predict("to b", most=2)
    expected = "".join(f"{json.dumps(s.token)}\t{s.probability:.4f}\n" for s in found)
    assert predicted("language_model", "to b", "--most", "2") == expected
    assert predicted("language_model", "--most", "2", "to b") == expected
    path = tmp_path / "text"
    path.write_text("to b\n")  # the line end of a file's last line is no part of the text
    assert predicted("language_model", str(path), "--most", "2") == expected
    assert main(["predict", str(runs["language_model"].folder), "XY", "--unknown", "map"]) == 0
    said = "bptt: 2 characters of what was given are not in the run's vocabulary: read as the unknown character\n"
    assert capsys.readouterr().err == said


def test_nothing_on_standard_input_is_said_as_such(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").write_text("")
    monkeypatch.setattr("bptt.rnn.cli.predict.STDIN", str(tmp_path / "empty"))
    for task, run in runs.items():
        assert main(["predict", str(run.folder)]) == 2, task
        what, wanted = ("a series (CSV)", "a table of numbers") if task == "forecaster" else ("a text", "a text")
        said = f"standard input: expected {wanted}, it is empty; give {what} there, or name a file"
        assert said in capsys.readouterr().err


def test_on_a_terminal_it_is_said_that_standard_input_is_read(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("up,down\n5,0\n6,-1\n")
    monkeypatch.setattr("bptt.rnn.cli.predict.STDIN", str(tmp_path / "a.csv"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(["predict", str(runs["forecaster"].folder)]) == 0
    said = capsys.readouterr()
    assert said.err == "bptt: reading a series (CSV) from standard input; it ends with Ctrl-D\n"
    assert said.out.startswith("up,down\n")


def test_norms_are_painted_on_as_many_steps_as_there_are(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: Captured
) -> None:
    for task, steps, said in (("translator", "2", r"\d+ steps of s, which"), ("tagger", "9", "3 steps of t, which")):
        assert main(["draw", str(runs[task].folder), "--norms", "--steps", steps, "--out", str(tmp_path)]) == 0
        assert re.search(rf"--norms: the sequences of the run have {said}", capsys.readouterr().err)
        assert (tmp_path / f"{task}-unrolled.svg").exists()


@pytest.mark.parametrize(
    ("name", "content", "targets", "lines"),
    [
        ("a.tsv", "source\ttarget\nabc\tcba\n\nababc\tcbaba\n", True, ["abc", "", "ababc"]),
        ("a.tsv", "target\tsource\ncba\tabc\n", True, ["abc"]),
        ("a.tsv", 'abc\t\n"ababc"\tcbaba\n', True, ["abc", "ababc"]),
        ("a.csv", "abc,cba\n", True, ["abc"]),
        ("a.txt", "abc\tcba\nababc\tcbaba\n", True, ["abc", "ababc"]),
        ("a.txt", "abc\n\n\nababc\n", False, ["abc", "", "", "ababc"]),
        ("a.tsv", "abc\nababc", False, ["abc", "ababc"]),
    ],
)
def test_a_translator_reads_the_sources_of_pairs_and_keeps_the_lines(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: Captured, name: str, content: str, targets: bool, lines: list[str]
) -> None:
    run = runs["translator"]
    (tmp_path / name).write_text(content)
    assert main(["predict", str(run.folder), str(tmp_path / name)]) == 0
    said = capsys.readouterr()
    assert said.out == "".join((run.predict(line)[0].text if line else "") + "\n" for line in lines)
    assert (f"{name} has targets, which are not read; bptt score" in said.err) is targets


@pytest.mark.parametrize("task", ["tagger", "classifier", "forecaster", "translator"])
def test_a_run_is_scored_on_labelled_data(task: str, runs: dict[str, rnn.Run], capsys: Captured) -> None:
    """On all that it was trained and validated with: the validation's sums are part of it."""
    run = runs[task]
    data = run.folder.parent / FILES[task][0]
    assert main(["score", str(run.folder), str(data)]) == 0
    said, found = capsys.readouterr().out, run.score(data)
    assert said == f"{found}\n"
    if task == "forecaster":
        assert isinstance(found, Measured)
        assert found.baseline is not None
        assert found.items == 118
        values = read_series(data).values
        assert found.baseline["rmse_up"] == pytest.approx(np.sqrt(np.mean(np.diff(values[:, 0]) ** 2)), rel=1e-5)
        assert "persistence, each value taken for the next one: mse " in said
        assert f"rmse up {found.rmse_up:.4g}" in said
        return
    assert f"accuracy {found.accuracy:.2%}; over {found.items} {run.task.item}s" in said
    if task == "classifier":
        right = [run.predict(one.text).label == one.label for one in read_labelled(data, run.settings.for_task())]
        assert found.accuracy == pytest.approx(np.mean(right))


def test_labels_that_a_run_does_not_know_are_left_out_and_said(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "new.tsv"
    path.write_text("good\tthe film is fine\nodd\tthe film\n")
    found = runs["classifier"].score(str(path))
    assert (found.items, found.left_out) == (1, 1)
    assert "left out: 1 sentences with a label" in str(found)
    path.write_text("odd\tthe film\n")
    for given, message in ((path, "expected labels that"), (tmp_path / "nowhere.tsv", "there is no such file")):
        assert main(["score", str(runs["classifier"].folder), str(given)]) == 2
        assert message in capsys.readouterr().err


def test_the_texts_of_a_labelled_file_are_read_and_the_labels_said(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: Captured
) -> None:
    path, run = tmp_path / "new.tsv", runs["classifier"]
    path.write_text("good\tthe film\nbad\tso dull\n")
    assert main(["predict", str(run.folder), str(path)]) == 0
    said = capsys.readouterr()
    assert said.err == f"bptt: {path} has labels, which are not read; bptt score {run.folder} {path} measures them\n"
    assert main(["predict", str(run.folder), "the film"]) == 0
    assert said.out.splitlines()[0] == capsys.readouterr().out.strip()
    path = tmp_path / "texts.txt"
    path.write_text("the film\nso dull\n")  # the run was trained on a table
    assert main(["predict", str(run.folder), str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_lines_are_labelled_where_each_begins_with_a_label_of_lines(runs: dict[str, rnn.Run], tmp_path: Path) -> None:
    run = copy.copy(runs["classifier"])
    run.configuration = {"data": {"source": "train.txt"}}
    path = tmp_path / "new.txt"
    for text, expected in (
        ("good the film\nbad dull\n", ["the film", "dull"]), ("good the film\nthe film\n", None), ("good film\n", None),
    ):  # fmt: skip
        path.write_text(text)
        found = labelled(run, str(path))
        assert (found and [one.text for one in found]) == expected


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        ("tagger", ["the", "--steps", "2"], "--steps: expected a run of a forecaster, .* is a tagger"),
        ("tagger", ["the", "--most", "2"], "--most: expected a run of a classifier, .* or a translator, .*tagger"),
        ("classifier", ["the", "--most", "0"], "--most: expected a whole number of at least 1, got 0"),
        ("classifier", [" "], "expected a text, got an empty one"),
        ("classifier", ["nowhere.txt"], "nowhere.txt: expected a text or a file, there is no such file; mend its name"),
        ("forecaster", ["nowhere.csv"], r"nowhere.csv: expected the file of a series \(CSV, TSV, NPY\), there is no"),
        ("forecaster", ["other.csv"], "other.csv: expected the columns up, down, which .* trained on, got up, left"),
        ("forecaster", ["same.csv", "--steps", "0"], "number of steps to forecast is a whole number of at least 1"),
    ],
)
def test_what_cannot_be_predicted_is_said(
    runs: dict[str, rnn.Run],
    task: str,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.csv").write_text("up,left\n1,2\n")
    Path("same.csv").write_text("up,down\n1,2\n")
    assert main(["predict", str(runs[task].folder), *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(message, said.err)


def test_what_is_no_text_is_said_in_python(runs: dict[str, rnn.Run], tmp_path: Path) -> None:
    given: Any
    for task, given in (("language_model", b"a"), ("classifier", ["a"]), ("tagger", [1]), ("tagger", None)):
        with pytest.raises(TypeError, match=r"expected (a text|a sentence, as a text or a list of words), got"):
            runs[task].predict(given)
    model = runs["language_model"]
    with pytest.raises(TypeError, match="expected a text, got int"):
        model.score(3)  # type: ignore[arg-type]
    (tmp_path / "a.txt").write_text("to be")
    assert model.score(tmp_path / "a.txt") == model.score("to be")
    with pytest.raises(TypeError, match="expected the path of labelled data, got list"):
        runs["classifier"].score(["to be"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a prompt, got int"):
        model.generate(3, prompt=3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="number of symbols to show is a whole number of at least 1, got 0"):
        model.predict("to", most=0)
    with pytest.raises(TypeError, match="predict of a language model has no option mots; it has most, unknown; did"):
        model.predict("to", mots=2)
    for given in ("up", [[1.0, 2.0], [3.0]]):
        with pytest.raises(DataError, match="the oldest first, got what is no array of numbers"):
            runs["forecaster"].predict(given)
    with pytest.raises(TypeError, match="expected the path of a run folder, got Run; give its folder, "):
        rnn.resume(model)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected the path of a run folder, got int"):
        rnn.load(3)  # type: ignore[arg-type]

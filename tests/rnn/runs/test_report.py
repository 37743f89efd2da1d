"""What a run shows and draws: lines, the bar, logs, learning curves."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from bptt.rnn.data import DataError
from bptt.rnn.runs import files, folder, logs, plots
from bptt.rnn.runs.report import Report, digits, duration, written
from bptt.rnn.trainer import Step

Captured = pytest.CaptureFixture[str]


def report(place: Path, **changes: object) -> Report:
    given: dict[str, object] = {"updates": 6, "every": 2, "item": "character", "nats": True, **changes}
    return Report(place, **given)  # type: ignore[arg-type]


def steps(first: int, last: int) -> list[Step]:
    return [Step(n, 1.0 / n, 0.5, 0.01, 10) for n in range(first, last + 1)]


def test_small_norms_have_their_digits() -> None:
    assert [digits(x) for x in (12.5, 1.0, 0.5, 0.042, 1.2e-4, 3e-7)] == [
        "12.50", "1.00", "0.50", "0.042", "0.00012", "3.0e-07"]  # fmt: skip


def test_a_line_of_metrics_is_the_mean_loss_since_the_one_before(tmp_path: Path, capsys: Captured) -> None:
    made = report(tmp_path)
    for step in steps(1, 6):
        made.step(step, 0.5)
    metrics = logs.read_metrics(tmp_path)
    assert [m["update"] for m in metrics] == [1, 2, 4, 6]
    assert [m["loss"] for m in metrics] == pytest.approx([1, 1 / 2, (1 / 3 + 1 / 4) / 2, (1 / 5 + 1 / 6) / 2])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("update     1 of 6: 1.000 nats, 1.443 bits a character, gradient norm 0.50, ")
    assert lines[1].startswith("update     2 of 6: 0.500 nats, 0.721 bits a character, gradient norm 0.50, ")
    assert lines[1].endswith(" characters/s, 0 s left")


def test_metrics_are_the_same_after_an_interruption_and_times_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, first, second = (report(tmp_path / name, quiet=True) for name in "abb")
    for step in steps(1, 6):
        whole.step(step)
    for step in steps(1, 3):
        first.step(step)
    second.load(first.state(), 3)
    for step in steps(4, 6):
        second.step(step, None if step.update == 4 else 0.5)
    assert (tmp_path / "a" / folder.METRICS).read_bytes() == (tmp_path / "b" / folder.METRICS).read_bytes()
    assert "second" not in (tmp_path / "a" / folder.METRICS).read_text()
    speed = [json.loads(line) for line in (tmp_path / "b" / folder.SPEED).read_text().splitlines()]
    assert [record["update"] for record in speed] == [1, 2, 4, 6]
    assert [record.get("items_per_second") for record in speed] == [None, None, None, 20]


def test_a_loss_that_is_not_in_nats_has_no_bits(tmp_path: Path, capsys: Captured) -> None:
    made = report(tmp_path, nats=False, item="sentence", updates=1)
    made.step(steps(1, 1)[0])
    assert "bits" not in logs.read_metrics(tmp_path)[0]
    assert "loss 1, gradient norm" in capsys.readouterr().err


def test_on_a_terminal_there_is_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("time.perf_counter", iter(range(10000)).__next__)
    made = report(tmp_path, nats=False, item="word", updates=3)
    made.validation(0, {"nats": 0.5, "accuracy": 0.875})
    for step in steps(1, 2):
        made.step(step, 1.0)
    assert made._bar is not None
    made._bar.refresh()
    made.say("a line")
    made.close()
    shown = terminal.getvalue()
    for part in ("2/3", "loss 0.5, val. accuracy 87.50%, norm 0.50", "words/s, ", " left", "a line\n"):
        assert part in shown, part
    assert "update     1" not in shown


def test_the_speed_is_of_updates_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten items a second, whatever time validations, saves and the compiler take, in the lines and in the bar."""
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    made = report(tmp_path, every=2, updates=8)
    for step in steps(1, 8):
        waits = step.update in (1, 3)
        if waits:
            made.compiling(None)
            clock[0] += 30.0
            made.compiling(2)
        clock[0] += 1.0
        made.step(step, None if waits else 1.0)
        if step.update in (2, 5, 8):
            made.validation(step.update, {"nats": 1.0})
            clock[0] += 50.0  # of validating and saving
        if step.update > 1:
            assert "10 char/s" in made._shown()
    speeds = [json.loads(line) for line in (tmp_path / folder.SPEED).read_text().splitlines()]
    assert [record.get("items_per_second") for record in speeds] == [None, 10, 10, 10, 10]


def test_the_time_left_is_without_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    made = report(tmp_path, every=4, updates=8)
    for step in steps(1, 4):
        clock[0] += 1.0
        if step.update == 3:
            made.compiling(None)
            clock[0] += 30.0
            made.compiling(1)
        made.step(step, 1.0)
    said = capsys.readouterr().err
    assert "compiling…\ncompiled in 30 s (1 kernel)\n" in said
    assert said.endswith("10 characters/s, 4 s left\n")


def test_lines_have_the_accuracy_of_the_last_validation(tmp_path: Path, capsys: Captured) -> None:
    made = report(tmp_path, nats=False, item="word")
    for step in steps(1, 4):
        made.step(step, 1.0)
        if step.update == 3:
            made.validation(3, {"nats": 0.5, "accuracy": 0.875})
    lines = capsys.readouterr().err.splitlines()
    assert "accuracy" not in lines[1]
    assert "loss 0.2917, gradient norm 0.50, validation accuracy 87.50%, " in lines[3]


def test_quiet_says_nothing(tmp_path: Path, capsys: Captured) -> None:
    made = report(tmp_path, quiet=True)
    made.step(steps(1, 1)[0])
    made.validation(1, {"nats": 1.0})
    made.say("x")
    made.event("end", {})
    assert capsys.readouterr() == ("", "")


def test_measures_and_times_in_words() -> None:
    measures = {"nats": 1.83, "bits": 2.640, "perplexity": 6.234}
    assert written(measures, "word") == "1.8300 nats, 2.6400 bits a word, perplexity 6.234"
    assert written({"accuracy": 0.931, "rmse": 0.0123456}, "value") == "accuracy 93.10%, rmse 0.01235"
    assert written({"rmse_up": 2.0, "normalised_rmse": 0.5}, "value") == "rmse up 2, normalised rmse 0.5"
    assert [duration(s) for s in (0.4, 59, 61, 150, 7260)] == ["0 s", "59 s", "61 s", "2 min", "2 h 1 min"]


# -- plots --------------------------------------------------------------------------------------------


def run_with(place: Path, *records: dict[str, float]) -> Path:
    place.mkdir(parents=True)
    tables: dict[str, object] = {name: {} for name in ("network", "sizes", "settings", "data", "checksums", "versions")}
    folder.configure(place, tables)
    for record in records:
        logs.append(place / folder.METRICS, record)
    return place


def test_curves_of_several_runs_in_one_plot(tmp_path: Path) -> None:
    runs = [
        run_with(tmp_path / name, {"update": 1, "loss": 3.0 + i}, {"update": 4, "validation_nats": 2.0 + i})
        for i, name in enumerate(("x/run", "y/run"))
    ]
    for kind, magic in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        out = plots.curves(runs, tmp_path / f"plot.{kind}")
        first = out.read_bytes()
        assert first.startswith(magic)
        plots.curves(runs, out)
        assert out.read_bytes() == first
    svg = (tmp_path / "plot.svg").read_text()
    for label in ("x/run", "y/run", "update", "nats in validation", "thin: training"):
        assert f">{label}<" in svg, label


def test_runs_are_compared_by_what_all_of_them_measure(tmp_path: Path) -> None:
    tagger = run_with(
        tmp_path / "a", {"update": 1, "loss": 3.0}, {"update": 1, "validation_nats": 1.0, "validation_accuracy": 0.5}
    )
    other = run_with(tmp_path / "b", {"update": 1, "loss": 3.0}, {"update": 1, "validation_accuracy": 0.25})
    assert ">accuracy in validation<" in plots.curves([tagger, other], tmp_path / "a.svg").read_text()
    young = run_with(tmp_path / "c", {"update": 1, "loss": 3.0})
    assert ">training loss<" in plots.curves([tagger, young], tmp_path / "b.svg").read_text()
    new = run_with(tmp_path / "d", {"update": 1, "other": 3.0})
    with pytest.raises(DataError, match="some have no metrics in common"):
        plots.curves([tagger, new], tmp_path / "c.svg")


def of_task(place: Path, task: dict[str, object], *records: dict[str, float]) -> Path:
    made = run_with(place, *records)
    content = json.dumps(task)
    (made / folder.TASK).write_text(content)
    tables = {name: {} for name in ("network", "sizes", "settings", "data", "versions")}
    folder.configure(made, {**tables, "checksums": {folder.TASK: files.checksum(content)}})
    return made


def language_model(unit: str) -> dict[str, object]:
    tokens = {} if unit == "byte" else {"tokens": ["\N{REPLACEMENT CHARACTER}", "a"]}
    return {"task": "language_model", "vocabulary": {"unit": unit, **tokens}}


def series(*columns: str) -> dict[str, object]:
    each = [1.0] * len(columns)
    names = list(columns)
    return {"task": "forecaster", "columns": names, "target": names, "normalisation": {"mean": each, "scale": each}}


def test_losses_of_several_units_are_not_drawn_in_one_plot(tmp_path: Path) -> None:
    nats = {"update": 1, "loss": 3.0}, {"update": 1, "validation_nats": 2.0}
    units = {"a": "word", "b": "word", "c": "byte"}
    a, b, c = (of_task(tmp_path / name, language_model(unit), *nats) for name, unit in units.items())
    assert ">nats a word in validation<" in plots.curves([a, b], tmp_path / "a.svg").read_text()
    with pytest.raises(DataError, match=r"of one unit, got nats a word \(a\), a byte \(c\); draw them apart"):
        plots.curves([a, c], tmp_path / "b.svg")


def test_errors_are_compared_in_units_of_the_data_only_where_these_are_the_same(tmp_path: Path) -> None:
    errors = {"update": 1, "validation_rmse": 2.0, "validation_normalised_rmse": 0.5}
    columns = {"a": "price", "b": "price", "c": "rain"}
    price, other, rain = (of_task(tmp_path / name, series(column), errors) for name, column in columns.items())
    assert ">root mean square error in validation<" in plots.curves([price, other], tmp_path / "a.svg").read_text()
    both = plots.curves([price, rain], tmp_path / "b.svg").read_text()
    assert ">root mean square error in standard deviations in validation<" in both


def test_the_plot_of_a_run_has_both_curves(tmp_path: Path) -> None:
    records = {"update": 1, "loss": 3.0, "bits": 4.3}, {"update": 2, "validation_nats": 2.5}
    text = plots.loss_plot(run_with(tmp_path / "a", *records)).read_text()
    for label in ("training loss", "validation", "nats", "bits", "update"):
        assert f">{label}<" in text, label
    other = run_with(tmp_path / "b", {"update": 1, "loss": 3.0}, {"update": 2, "validation_accuracy": 0.5})
    text = plots.loss_plot(other).read_text()
    assert ">accuracy in validation<" in text
    assert ">bits<" not in text


def test_what_a_loss_counts_reads_well(tmp_path: Path) -> None:
    nats = {"update": 1, "loss": 3.0}, {"update": 1, "validation_nats": 2.0}
    words = {"unit": "word", "tokens": ["\N{REPLACEMENT CHARACTER}", "a"]}
    tags = {"task": "tagger", "vocabulary": words, "tags": ["A"]}
    a, b = of_task(tmp_path / "a", language_model("character"), *nats), of_task(tmp_path / "b", tags, *nats)
    with pytest.raises(DataError, match=r"nats a character \(a\), a word's tag \(b\)"):
        plots.curves([a, b], tmp_path / "a.svg")

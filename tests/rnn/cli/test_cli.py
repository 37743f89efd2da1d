"""The command line: what it prints, what it writes, how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.cli import main
from bptt.rnn.runs import train
from bptt.rnn.runs.settings import Settings
from bptt.rnn.trainer import Step, Trainer
from small_tasks import FILES

TINY = [
    "--hidden=4",
    "--vector=3",
    "--batch=2",
    "--window=5",
    "--updates=2",
    "--sample=9",
    "--target=interpret",
]

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "verse.txt"
    path.write_text("the rain in spain\nstays mainly in the plain\n" * 4)
    return path


@pytest.fixture
def run(text: Path, tmp_path: Path) -> Path:
    place = tmp_path / "run"
    assert main(["train", str(text), "--run", str(place), "--quiet", *TINY]) == 0
    return place


@pytest.fixture(autouse=True)
def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without pictures, which take most of the time of a small run."""
    monkeypatch.setattr("bptt.rnn.runs.session._pictures", lambda *_: None)
    monkeypatch.setattr("bptt.rnn.runs.plots.loss_plot", lambda _: None)


def test_train_says_what_it_does_and_where_it_is_kept(text: Path, tmp_path: Path, capsys: Captured) -> None:
    place = tmp_path / "run"
    assert main(["train", str(text), "--run", str(place), *TINY]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    for line in (
        "language model, 176 characters",
        "update     1 of 2: ",
        "bits a character",
        "validation after 2: ",
        "bptt generate",
    ):
        assert line in said.err, line
    assert (place / "weights.safetensors").exists()


def test_generate_prints_a_text_that_its_seed_repeats(run: Path, capsys: Captured) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        assert main(["generate", str(run), "--length", "30", "--seed", seed, "--prompt", "the "]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert printed[0].startswith("the ")
    assert len(printed[0]) == 4 + 30 + 1
    assert main(["generate", str(run), "--length", "1", "--prompt", "XYZ", "--unknown", "map"]) == 0
    assert "3 characters of the prompt are not in the run's vocabulary: read as" in capsys.readouterr().err


def test_score_prints_nats_bits_and_perplexity(run: Path, text: Path, capsys: Captured) -> None:
    text.write_text("the rain\nX")
    assert main(["score", str(run), str(text)]) == 2
    assert "line 2, character 1: expected characters of the vocabulary, got 'X'" in capsys.readouterr().err
    assert main(["score", str(run), str(text), "--unknown", "map"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "log probability   -",
        "nats over 10 characters",
        "bits",
        "perplexity",
        "unseen            1",
    ):
        assert part in printed, part


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nowhere.txt"], "nowhere.txt: expected a file or folder of data, got: No such file"),
        (["train", "--config", "nowhere.toml"], "nowhere.toml: expected a run folder or its run.toml, there is no"),
        (["train", "--optimiser=adan"], "bptt: --optimiser: expected one of sgd, momentum, nesterov, rmsprop, adam"),
        (["train", "--optimiser=sgd", "--eps=0.1"], "bptt: --eps: sgd has none; it has rate, momentum"),
        (["train", "--schedule=constant", "--every=3"], "bptt: --schedule: the schedule constant has no every"),
        (["train", "--reach=3"], "bptt: --reach: expected at least the window, 64 steps, got 3"),
        (["resume", "nowhere"], "nowhere: expected a run folder, there is none"),
        (["plot", "nowhere", "--out=plot.svg"], "nowhere: expected a run folder, there is none"),
        (["plot", "nowhere", "--out=plot.gif"], "plot.gif: expected a file that ends in one of .svg, .png, .pdf, got"),
        (["train", "--hidden=0"], "bptt: --hidden: expected a whole number of at least 1, got 0"),
        (["train", "--rate=nan"], "bptt: --rate: expected a finite number above 0, got nan"),
        (["generate", "nowhere"], "nowhere: expected a run folder, there is none"),
        (["score", "nowhere", "text"], "nowhere: expected a run folder"),
        (["explain", "lstmm"], "did you mean lstm"),
        (["draw", "foo"], "nor a run folder; bptt cells lists those that there are, such as elman, gru and lstm"),
        (["explain", "lstm", "--size", "h=0"], "--size: expected NAME=N with a whole number"),
        (["explain", "lstm", "--size", "h"], "--size: expected NAME=N with a whole number"),
        (["explain", "nowhere.txt"], "nowhere.txt: expected a text file in UTF-8"),
    ],
)
def test_what_can_be_mended_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bptt: ")
    assert message in said.err
    assert "Traceback" not in said.err
    assert not list(tmp_path.iterdir())


def test_settings_that_mean_nothing_to_a_task_are_named_by_their_flags(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tsv").write_text(FILES["classifier"][1])
    assert main(["train", "a.tsv", "--task=classifier", "--window=3"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bptt: --window: it is for a language model or forecaster; this run is a classifier, ")
    assert "(or say with --task what the data are for)" in said
    (tmp_path / "a.txt").write_text("the rain\n" * 20)
    assert main(["train", "a.txt", "--validation-steps=-1"]) == 2
    assert capsys.readouterr().err.startswith("bptt: --validation-steps: expected a whole number of at least 0")


def test_help_says_what_stands_behind_a_flag(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = capsys.readouterr().out
    for part in ("--validation FILE", "--separator TEXT", "--unit NAME"):
        assert part in said, part


def test_a_file_in_the_place_of_a_run_is_said(run: Path, text: Path, capsys: Captured) -> None:
    assert main(["resume", str(text)]) == 2
    assert f"{text}: expected a run folder, got a file; to train on it: bptt train {text}" in capsys.readouterr().err
    assert main(["generate", str(run / "run.toml")]) == 2
    assert f"run.toml: expected a run folder, got a file; did you mean {run}?" in capsys.readouterr().err


def test_an_option_that_there_is_not_gets_the_near_one(capsys: Captured) -> None:
    for given, near in (("--hiden=3", "--hidden"), ("--valdation", "--validation"), ("--optimizer", "--optimiser")):
        with pytest.raises(SystemExit, match="2"):
            main(["train", "text", given])
        assert f"unrecognized arguments: {given}; did you mean {near}" in capsys.readouterr().err


def test_a_cell_without_a_loss_is_said(text: Path, tmp_path: Path, capsys: Captured) -> None:
    cell = tmp_path / "mine.txt"
    cell.write_text("h[t] = tanh(W @ h[t-1] + U[x[t]])\no[t] = V @ h[t]\n")
    assert main(["train", str(text), "--cell", str(cell), "--run", str(tmp_path / "run"), "--size", "o=5", *TINY]) == 2
    assert "mine: expected a loss L, such as L = mean(" in capsys.readouterr().err
    cell.write_text("h[t] = tanh(W h[t-1])\n")
    assert main(["train", str(text), "--cell", str(cell), "--run", str(tmp_path / "run"), *TINY]) == 2
    assert f"{cell}: line 1: two values side by side are no product" in capsys.readouterr().err


def test_score_reads_standard_input_and_says_what_it_cannot_read(
    run: Path, text: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["score", str(run), str(text)]) == 0
    expected = capsys.readouterr().out
    monkeypatch.setattr("bptt.rnn.cli.predict.STDIN", str(text))
    assert main(["score", str(run), "-"]) == 0
    assert capsys.readouterr().out == expected
    assert main(["score", str(run), text.read_text()]) == 0
    assert capsys.readouterr().out == expected
    assert main(["score", str(run), "rain.txt"]) == 2
    assert "rain.txt: expected a text or a file, there is no such file; mend its name" in capsys.readouterr().err
    text.write_text("")
    assert main(["score", str(run), "-"]) == 2
    said = "bptt: standard input: expected a text, it is empty; give a text there, or name a file\n"
    assert capsys.readouterr().err == said


def test_a_traceback_is_shown_on_request(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPTT_DEBUG", "1")
    assert main(["generate", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("bptt: nowhere: expected a run folder")


def test_a_run_is_not_overwritten(run: Path, text: Path, capsys: Captured) -> None:
    before = (run / "weights.safetensors").read_bytes()
    assert main(["train", str(text), "--run", str(run), *TINY]) == 2
    assert "it holds a run, which would be lost" in capsys.readouterr().err
    assert (run / "weights.safetensors").read_bytes() == before


def test_ctrl_c_before_the_first_update_ends_without_a_traceback(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", stopped)
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "bptt: stopped\n"


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_during_updates_ends_with_130_and_an_event(
    text: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """The first saves the update that it came in; with the second there is what was saved before."""
    step = Trainer.step

    def interrupted(self: Trainer) -> Step:
        for _ in range(times if self.update == 1 else 0):
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        place = str(tmp_path / "run")
        assert main(["train", str(text), "--run", place, "--json", *TINY, "--updates=9"]) == 130
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["update"], last["interrupted"]) == ("end", 2 if times == 1 else 0, True)
    assert not (tmp_path / "run" / "sample.txt").exists()
    assert main(["resume", place, "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["update"], last["interrupted"]) == ("end", 9, False)


def test_every_setting_is_a_flag_with_help(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for setting in fields(Settings):
        assert f"--{setting.name.replace('_', '-')} " in printed, setting.name
        assert " ".join(setting.metadata["help"].split()) in printed, setting.name


def test_with_json_each_line_is_an_object(text: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", str(text), "--run", str(tmp_path / "run"), "--json", *TINY]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "step", "step", "validation", "end"]
    assert lines[0]["task"] == "language_model"
    assert lines[2]["loss"] > 0
    assert {"characters_per_second", "seconds_left", "norm", "rate", "bits"} <= lines[2].keys()
    assert lines[3]["validation_nats"] > 0
    assert (lines[4]["run"], lines[4]["update"], lines[4]["best"]) == (str(tmp_path / "run"), 2, 2)


def test_a_cell_from_a_file_its_sizes_and_a_config_that_runs_again(text: Path, tmp_path: Path) -> None:
    cell = tmp_path / "mine.txt"
    cell.write_text(
        "h[t] = tanh(W @ h[t-1] + U[x[t]] + b)\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)"
    )
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    given = ["--cell", str(cell), "--size", "h=7", "--optimiser", "nesterov", "--clip-values", "0.5", "--decay", "0.1"]
    assert main(["train", str(text), "--run", str(first), "--quiet", *TINY, *given]) == 0
    cell.unlink()
    assert main(["train", "--config", str(first / "run.toml"), "--run", str(again), "--quiet"]) == 0
    assert (first / "weights.safetensors").read_bytes() == (again / "weights.safetensors").read_bytes()
    assert main(["train", "--config", str(first), "--run", str(other), "--quiet", "--seed=1", "--size=h=2"]) == 0
    assert train.configured(other)["sizes"] == {"x": 15, "h": 2, "o": 15}
    assert train.configured(other)["settings"]["clip_values"] == 0.5


@pytest.mark.parametrize("network", [[], ["--cell", "lstm"]])
def test_initial_values_are_given_and_kept_in_the_configuration(text: Path, tmp_path: Path, network: list[str]) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    given = [*TINY, *network, "--rate=1e-30"]  # what they start with stays
    assert main(["train", str(text), "--run", str(first), "--quiet", *given, "--init=b_f=3", "--init", "d=ones"]) == 0
    assert train.configured(first)["init"] == {**rnn.load(first).net.init_rules, "b_f": 3.0, "d": "ones"}
    assert main(["train", "--config", str(first), "--run", str(again), "--quiet"]) == 0
    assert main(["train", "--config", str(first), "--run", str(other), "--quiet", "--init=b_f=-1"]) == 0
    for run, forget in ((first, 3.0), (again, 3.0), (other, -1.0)):
        weights = rnn.load(run).weights
        assert np.all(weights["b_f"] == forget)
        assert np.all(weights["d"] == 1.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("bf=1", "init names bf, which is no parameter of lstm"),
        ("b_f", "--init: expected NAME=RULE"),
        ("W_f=orthogonl", "there is no rule 'orthogonl' for W_f"),
    ],
)
def test_initial_values_that_mean_nothing_are_said(
    text: Path, tmp_path: Path, capsys: Captured, given: str, said: str
) -> None:
    assert main(["train", str(text), "--run", str(tmp_path / "a"), "--cell=lstm", *TINY, "--init", given]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_resume_goes_on(run: Path, capsys: Captured) -> None:
    assert main(["resume", str(run)]) == 0
    assert "has made its 2 updates" in capsys.readouterr().err
    assert main(["resume", str(run), "--updates", "3", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "step", "validation", "end"]
    assert lines[-1]["update"] == 3


def test_plot_draws_several_runs(run: Path, text: Path, tmp_path: Path, capsys: Captured) -> None:
    other = tmp_path / "other"
    assert main(["train", str(text), "--run", str(other), "--quiet", *TINY, "--seed=3"]) == 0
    out = tmp_path / "pictures" / "both.svg"  # the folder is made
    assert main(["plot", str(run), str(other), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    picture = out.read_text()
    assert main(["plot", str(run), "--out", str(run / "run.toml" / "a.svg")]) == 2
    assert "a.svg: cannot be written: " in capsys.readouterr().err
    assert ">run<" in picture
    assert ">other<" in picture


def test_score_takes_the_best_or_the_last_weights(run: Path, text: Path, capsys: Captured) -> None:
    printed = []
    for which in (["--best"], ["--last"], []):
        assert main(["score", str(run), str(text), *which]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[1] == printed[2]


def test_cells_lists_each_with_a_line_and_a_source(capsys: Captured) -> None:
    assert main(["cells"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"elman", "lstm", "gru"} <= set(names)
    assert all(len(line.split()) > 3 for line in lines)


def test_explain_prints_equations_adjoint_and_schedule(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(
        "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)  # the state\n"
        "o[t] = V @ h[t]\n"
        "L = mean(cross_entropy(o[t], y[t]), over=t)\n"
    )
    assert main(["explain", str(path), "--size", "x=3", "--size", "h=4", "--size", "o=5"]) == 0
    printed = capsys.readouterr().out
    for part in ("h[t] = tanh(", "δh[t] = ", "loop", "W"):
        assert part in printed, part
    path.write_text("h[t] = tanh(W @ h[t-1] + U @ x[t] + b\n")
    assert main(["explain", str(path)]) == 2
    assert "line 1" in capsys.readouterr().err


def test_draw_writes_two_pictures(tmp_path: Path, capsys: Captured) -> None:
    assert main(["draw", "elman", "--steps", "3", "--out", str(tmp_path)]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == ["elman-circuit.svg", "elman-unrolled.svg"]
    for path in paths:
        assert "<svg" in path.read_text()


def test_the_command_is_installed_and_starts_quickly() -> None:
    """Its help needs neither Numba nor Matplotlib."""
    code = (
        "import sys; from bptt.rnn.cli import _parser; _parser();"
        "print([m for m in ('numba', 'matplotlib', 'tqdm', 'safetensors', 'networkx') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"

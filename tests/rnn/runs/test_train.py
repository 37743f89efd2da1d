"""Training: updates, carried state, what stops it, and the whole run."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.compiler import cache
from bptt.graph.errors import CircuitError
from bptt.rnn.data import Batch, DataError, Stream
from bptt.rnn.optim import SGD, Adam, Arrays, OptimiserError
from bptt.rnn.optim.schedules import Linear
from bptt.rnn.runs import checkpoint, files, folder, logs, train
from bptt.rnn.runs.train import Event, fit
from bptt.rnn.trainer import Step, Trainer, TrainingError
from bptt.rnn.truncation import Window

TINY: dict[str, Any] = {
    "vector": 3,
    "hidden": 4,
    "batch": 2,
    "window": 5,
    "updates": 6,
    "report": 2,
    "validate": 3,
    "sample": 20,
    "target": "interpret",
}
FILES = {
    ".lock",
    "run.toml",
    "equations.txt",
    "task.json",
    "weights.safetensors",
    "previous.safetensors",
    "best.safetensors",
    "metrics.jsonl",
    "speed.jsonl",
    "circuit.svg",
    "unrolled.svg",
    "loss.svg",
    "sample.txt",
}


# -- one update after the other -----------------------------------------------------------------------


class Descent:
    """A stand-in for what computes the gradient: loss w²/2, and it writes down how it was called."""

    counted = None

    def __init__(self, bad: dict[int, tuple[float, float]] | None = None):
        self.calls: list[tuple[Batch, Any]] = []
        self.bad = bad or {}

    def step(self, weights: Arrays, batch: Batch, state: Any = None, seed: int = 0, grad: Any = None) -> Window:
        self.calls.append((batch, state))
        number = len(self.calls)
        loss, gradient = self.bad.get(number) or (0.0, float(weights["w"][0]))
        return Window(loss, {"w": np.array([gradient])}, {"h": np.full((2, 1), float(number))})

    def call(self, batch: Batch, state: Any) -> Any:
        raise ValueError("a stand-in")


NET = rnn.define("h[t] = w * h[t-1] + x[t]\nL = mean(mse(h[t], y[t]), over=t)", name="line")(x=1, y=1, w=1)


def trainer(gradient: Any, **settings: Any) -> Trainer:
    stream = Stream(np.arange(31), batch=2, steps=5)
    made = Trainer(NET, stream, weights={"w": np.array([3.0])}, target="interpret", **settings)
    made.gradient = gradient
    return made


def test_the_state_goes_from_batch_to_batch() -> None:
    program = Descent()
    training = trainer(program)
    for _ in range(3):
        training.step()
    states = [None if state is None else state["h"][0, 0] for _, state in program.calls]
    assert states == [None, 1.0, 2.0]
    assert [batch.start for batch, _ in program.calls] == [1, 6, 11]


def test_an_update_is_one_of_the_optimiser_on_the_clipped_gradient() -> None:
    training = trainer(Descent(), clip=0.5, optimiser=SGD(1.0, momentum=0.5), schedule=Linear(0.1, 10))
    steps = [training.step(), training.step()]
    weights, optimiser = {"w": np.array([3.0])}, SGD(1.0, momentum=0.5)
    for rate in (0.1, 0.09):
        optimiser.step(weights, {"w": np.clip(weights["w"], None, 0.5)}, rate)
    assert training.weights["w"] == weights["w"]
    assert steps[0] == Step(1, 0.0, 3.0, 0.1, 10)
    assert steps[1].rate == pytest.approx(0.09)


def test_values_are_clipped_before_the_norm_which_is_that_before_both() -> None:
    training = trainer(Descent(), clip=2.0, clip_values=1.0, optimiser=SGD(1.0))
    assert training.step().norm == 3.0
    assert training.weights["w"] == 2.0


@pytest.mark.parametrize("limits", [{"clip": -1.0}, {"clip_values": -1.0}, {"clip": math.nan}])
def test_limits_below_zero_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(OptimiserError, match=r"clip.*: expected a number above 0, got"):
        trainer(Descent(), **limits)


def test_compiled_updates_are_those_of_numpy() -> None:
    """Weights, what the optimiser keeps and gradients each in one buffer; kernels of the update count."""
    inputs = {"x": np.ones((4, 2, 1), "float32"), "y": np.full((4, 2, 1), 0.3, "float32")}
    makers = {"optimiser": lambda: Adam(0.1, decay=0.1, undecayed=()), "clip": lambda: 0.01}
    trainers = {
        target: Trainer(NET, inputs, target=target, **{name: make() for name, make in makers.items()})
        for target in ("cpu", "interpret")
    }
    for _ in range(3):
        steps = [one.step() for one in trainers.values()]
        assert steps[0].loss == pytest.approx(steps[1].loss, rel=1e-5)
        assert steps[0].norm == pytest.approx(steps[1].norm, rel=1e-5)
    compiled, plain = trainers.values()
    np.testing.assert_allclose(compiled.weights["w"], plain.weights["w"], rtol=1e-5)
    assert compiled.compilations >= 2
    assert plain.compilations == 0


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_what_is_not_finite_never_reaches_the_weights(bad: tuple[float, float]) -> None:
    training = trainer(Descent({3: bad}), optimiser=Adam())
    training.step()
    training.step()
    before = {name: a.copy() for name, a in training.optimiser.state().items()}
    weight = training.weights["w"].copy()
    with pytest.raises(TrainingError, match=r"update 3: the loss is .* the gradient norm .* smaller rate") as error:
        training.step()
    assert ("not finite: w" in str(error.value)) == (not math.isfinite(bad[1]))
    assert training.weights["w"] == weight
    assert training.state is not None
    assert (training.update, training.state["h"][0, 0]) == (2, 2.0)
    assert all((training.optimiser.state()[name] == before[name]).all() for name in before)


def test_where_it_stopped_being_finite_is_said() -> None:
    """A state that grows by 1e30 a step: its square, in the loss, is the first that float32 does not hold."""
    x = np.zeros((4, 2, 1), dtype="float32")
    x[2, 1] = 1e30
    training = Trainer(NET, [{"x": x, "y": np.zeros_like(x)}], weights={"w": np.ones(1, "float32")}, target="interpret")
    with np.errstate(over="ignore"), pytest.raises(TrainingError) as error:
        training.step()
    said = str(error.value)
    assert "update 1: the loss is inf" in said
    assert "first not finite: L is inf at step 3 of sequence 2 of 2" in said
    assert "computed from y[3] = 0; h[3] = 1e+30" in said


def test_ones_own_loop_with_any_net_and_optimiser() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(6, 5, 1))
    y = np.cumsum(x, axis=0)
    training = Trainer(NET, [{"x": x, "y": y}], optimiser=SGD(0.02), clip=1.0, target="interpret", dtype="float64")
    losses = [training.step().loss for _ in range(80)]
    assert losses[-1] < 0.01 * losses[0]
    assert training.weights["w"][0] == pytest.approx(1.0, abs=0.05)
    with pytest.raises(DataError, match="at least one batch"):
        Trainer(NET, [], target="interpret")


def test_batches_are_taken_as_they_come() -> None:
    """One alone, lists for arrays, whole numbers for real ones: the same update."""
    plain = {name: np.ones((6, 5, 1), "float32") for name in "xy"}
    lists, whole = {name: a.tolist() for name, a in plain.items()}, {name: [[[1]] * 5] * 6 for name in plain}
    first, *others = (Trainer(NET, given, target="interpret").step() for given in ([plain], plain, lists, whole))
    assert all(step == first for step in others)


BATCH = {"x": np.ones((6, 5, 1), "float32"), "y": np.ones((6, 5, 1), "float32")}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"y": BATCH["y"]}], "expected a batch with the inputs x, y of line, x is missing: got y"),
        ([{"x": BATCH["x"]}], "y is missing: got x"),
        ([BATCH["x"]], r"expected a batch as inputs by name, such as \{'x': x, 'y': y\}, got ndarray"),
        ([{**BATCH, "lenghts": [6] * 5}], "the loss of line reads no input lenghts; .*; did you mean lengths"),
        ([{**BATCH, "y": np.ones((5, 6, 1))}], "x has 6 steps of 5 sequences, y has 5 steps of 6: one .* batch first"),
        ([{**BATCH, "lengths": [5] * 6}], "lengths are of 6 sequences, the inputs of 5 with 6 steps: .* batch first"),
        ([{**BATCH, "x": np.ones((6, 5))}], r"the input x: expected an array \[T, B, 1\], got the shape \[6, 5\]"),
        ([{**BATCH, "x": [[1.0], [1.0, 2.0]]}], r"the input x: expected an array \[T, B, 1\], got"),
        (BATCH["x"], "batches: expected a list of batches of inputs by name, got ndarray"),
        (iter([BATCH]), "batches: expected a list of batches .*: make it a list first"),
    ],
)
def test_batches_that_a_network_does_not_take_are_said(given: Any, message: str) -> None:
    with pytest.raises((DataError, TypeError), match=message):
        Trainer(NET, given, target="interpret")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimiser": "adam"}, r"optimiser: expected one such as .*, got 'adam'; .*: optim.make\('adam'"),
        ({"optimiser": 0.1}, "optimiser: expected one such as"),
        ({"schedule": 0.1}, "schedule: expected one such as"),
        ({"weights": {"w": [1.0]}}, "weights: expected name -> array, as net.init"),
    ],
)
def test_what_a_trainer_is_made_of_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Trainer(NET, BATCH, target="interpret", **options)


def test_ragged_rows_are_each_as_long_as_they_are() -> None:
    x = np.ones((6, 2, 1))
    padded = x.copy()
    padded[2:, 1] = np.nan
    batch = {"x": padded, "y": padded, "lengths": [6, 2]}
    ragged = Trainer(NET, [batch], weights={"w": np.ones(1)}, target="interpret", dtype="float64")
    step = ragged.step()
    assert math.isfinite(step.loss)
    assert step.items == 8


# -- whole runs ---------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "verse.txt"
    path.write_text("the rain in spain\nstays mainly in the plain\n" * 8)
    return path


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without pictures, which take most of the time of a small run."""
    monkeypatch.setattr("bptt.rnn.runs.session._pictures", lambda *_: None)
    monkeypatch.setattr("bptt.rnn.runs.plots.loss_plot", lambda _: None)


def test_a_run_leaves_a_folder_that_can_be_loaded(text: Path, tmp_path: Path) -> None:
    run = fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert {path.name for path in run.folder.iterdir()} == FILES
    metrics = logs.read_metrics(run.folder)
    assert [m["update"] for m in metrics] == [1, 2, 3, 4, 6, 6]
    for record in metrics:
        nats = record.get("loss", record.get("validation_nats"))
        assert record.get("bits", record.get("validation_bits")) == pytest.approx(nats / math.log(2))
    again = rnn.load(run.folder)
    assert again.update == 6
    assert list(again.weights) == list(run.weights)
    assert all((again.weights[name] == run.weights[name]).all() for name in run.weights)
    assert again.task.save() == run.task.save()
    sample = (run.folder / "sample.txt").read_text()
    assert again.generate(20, seed=0) + "\n" == sample
    assert checkpoint.load_weights(run.folder).optimiser["updates"] == 6
    assert "# the candidate" in (run.folder / "equations.txt").read_text()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(text: Path, tmp_path: Path, plain: None) -> None:
    one, two, other = (
        fit(text, run=tmp_path / name, quiet=True, **{**TINY, "updates": 2, "seed": seed})
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    weights = [(run.folder / folder.WEIGHTS).read_bytes() for run in (one, two, other)]
    assert weights[0] == weights[1] != weights[2]


def test_a_run_learns(text: Path, tmp_path: Path, plain: None) -> None:
    settings = {**TINY, "hidden": 8, "updates": 120, "validate": 60, "rate": 0.05}
    run = fit(text, run=tmp_path / "run", quiet=True, **settings)
    found = [m["validation_nats"] for m in logs.read_metrics(run.folder) if "validation_nats" in m]
    assert found[-1] < 0.6 * math.log(run.task.reads)


def test_a_config_runs_again(text: Path, tmp_path: Path, plain: None) -> None:
    changes = {**TINY, "updates": 2, "optimiser": "sgd", "momentum": 0.5, "schedule": "step", "every": 1}
    cell = rnn.define(
        "e[t] = E[x[t]]\nh[t] = tanh(W @ h[t-1] + U @ e[t] + b)\no[t] = V @ h[t]\n"
        "L = mean(cross_entropy(o[t], y[t]), over=t)  # nats a symbol",
        name="mine",
        init={"W": "orthogonal", "b": 0.5},
    )
    first = fit(text, cell=cell, run=tmp_path / "a", quiet=True, **changes)
    kept = train.configured(tmp_path / "a" / "run.toml")
    settings = rnn.Settings.of(kept.pop("settings"))
    again = fit(kept.pop("data"), settings=settings, run=tmp_path / "b", quiet=True, **kept)
    assert (again.folder / folder.WEIGHTS).read_bytes() == (first.folder / folder.WEIGHTS).read_bytes()
    assert "# nats a symbol" in (first.folder / folder.EQUATIONS).read_text()


def test_initial_values_from_functions_are_not_kept_in_a_file(text: Path, tmp_path: Path, plain: None) -> None:
    cell = rnn.define(
        "h[t] = tanh(W @ h[t-1] + U[x[t]])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)",
        init={"W": lambda shape, random: np.eye(*shape)},
    )
    run = fit(text, cell=cell, run=tmp_path / "a", quiet=True, **{**TINY, "updates": 1})
    assert rnn.load(run.folder).update == 1
    with pytest.raises(files.RunError, match="initial values of W came from functions, which are not kept"):
        train.configured(run.folder)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_listed_cell_and_each_dtype(text: Path, tmp_path: Path, plain: None, dtype: str) -> None:
    run = fit(text, cell="gru", run=tmp_path / "run", quiet=True, dtype=dtype, **TINY)
    again = rnn.load(run.folder)
    assert again.net.name == "gru"
    assert {w.dtype.name for w in again.weights.values()} == {dtype}
    assert len(again.generate(5)) == 5


def test_reach_and_documents(text: Path, tmp_path: Path, plain: None) -> None:
    changes = {**TINY, "reach": 12, "separator": "\n"}
    run = fit(text, run=tmp_path / "run", quiet=True, **changes)
    assert run.update == 6
    assert rnn.load(run.folder).score("the rain").items == 8


def test_a_network_that_reads_its_targets_is_trained_and_does_not_write(
    text: Path, tmp_path: Path, plain: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit(text, cell="teacher_forcing", run=tmp_path / "run", **TINY)
    assert run.update == 6
    said = capsys.readouterr().err
    assert "no sample: teacher_forcing reads y, the symbol that it is to predict" in said
    assert f"go on with: bptt score {run.folder} FILE\n" in said
    assert not (run.folder / folder.SAMPLE).exists()


def test_what_cannot_be_trained_is_said_before_a_folder_is_made(text: Path, tmp_path: Path) -> None:
    backwards = rnn.define(
        "h[t] = tanh(W @ h[t+1] + U[x[t]])\no[t] = V @ h[t]\nL = mean(cross_entropy(o[t], y[t]), over=t)"
    )
    lossless = rnn.define("h[t] = tanh(W @ h[t-1] + U[x[t]])")
    with pytest.raises(CircuitError, match="cannot be cut into windows: h"):
        fit(text, cell=backwards, run=tmp_path / "run", **TINY)
    with pytest.raises(DataError, match=r"net: expected a loss L, such as L = .*, got the equations of h"):
        fit(text, cell=lossless, run=tmp_path / "run", **TINY)
    with pytest.raises(DataError, match=r"'gruu' is neither a cell that bptt cells lists .*; did you mean"):
        fit(text, cell="gruu", run=tmp_path / "run", **TINY)
    with pytest.raises(TypeError, match="a cell has open sizes: give it without calling it"):
        fit(text, cell=NET, run=tmp_path / "run", **TINY)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="setting undecayed: expected vectors, tables or parameters of language_model"):
        fit(text, run=tmp_path / "run", undecayed="Q", **TINY)
    with pytest.raises(DataError, match=r"rnn.fit has no argument and no setting 'hiden'; .*did you mean hidden"):
        fit(text, run=tmp_path / "run", hiden=3)
    short = tmp_path / "short.txt"
    short.write_text("far too short")
    with pytest.raises(DataError, match="11 characters to train on are too few for a batch of 3 and windows of 5"):
        fit(short, run=tmp_path / "run", **{**TINY, "batch": 3})
    assert not (tmp_path / "run").exists()


def test_what_is_given_wrongly_is_said(text: Path, tmp_path: Path) -> None:
    given: Any
    for given, message in (
        ({"cel": "gru"}, r"rnn.fit has no argument and no setting 'cel'; there are data, cell, .*; did you mean cell"),
        ({"callbak": []}, "did you mean callbacks"),
        ({"upates": 3}, "did you mean updates"),
        ({"settings": {"hidden": 3}}, r"settings: expected rnn.Settings\(…\), got \{'hidden': 3\}; single ones"),
        ({"sizes": "h=3"}, "sizes: expected name -> size, such as {'h': 32}, got 'h=3'"),
        ({"sizes": ["h", 3]}, "sizes: expected name -> size"),
        ({"callbacks": ["tell"]}, r"callbacks: expected functions of an event, such as \[tell\], got 'tell'"),
        ({"run": 3}, "run: expected the path of a new folder, got 3"),
    ):
        with pytest.raises((DataError, TypeError), match=message):
            fit(text, **{"run": tmp_path / "run", **TINY, **given})
    told: list[Event] = []
    fit(text, run=tmp_path / "run", callbacks=told.append, quiet=True, **{**TINY, "updates": 1})
    assert len(told) == 1


def test_windows_of_sentences_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    data = tmp_path / "a.tsv"
    data.write_text("label\ttext\n" + "a\tb c\nb\tc d\n" * 9)
    for changes in ({"window": 5}, {"reach": 100}, {"task": "classifier", "separator": "x"}):
        with pytest.raises(DataError, match=r"setting \w+: it is for a language model.*; this run is a classifier"):
            fit(data, run=tmp_path / "run", target="interpret", **changes)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


# -- callbacks, early stopping, best weights ----------------------------------------------------------


def test_callbacks_are_told_of_each_update_and_may_end_the_run(
    text: Path, tmp_path: Path, plain: None, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, bool]] = []

    def tell(event: Event) -> None:
        told.append((event.update, event.validation is not None))
        assert event.run.weights["V"].shape == (15, 4)
        if event.validation:
            assert event.validation["nats"] > 0
        if event.update == 4:
            event.stop("enough")

    run = fit(text, run=tmp_path / "run", callbacks=[tell], **TINY)
    assert told == [(1, False), (2, False), (3, True), (4, False)]
    assert run.update == checkpoint.load_weights(run.folder).update == 4
    assert "stopped after update 4: enough" in capsys.readouterr().err


def measured(values: list[float]) -> Any:
    """A stand-in for ``Bound.validate``."""

    def validate(*_: Any) -> dict[str, float]:
        return {"nats": values.pop(0)}

    return validate


def test_early_stopping_ends_with_the_best_weights(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([3.0, 2.0, math.nan, 2.5]))
    changes = {**TINY, "updates": 20, "validate": 1, "patience": 2}
    weights: dict[int, Arrays] = {}

    def keep(event: Event) -> None:
        weights[event.update] = {name: w.copy() for name, w in event.run.weights.items()}

    run = fit(text, run=tmp_path / "run", callbacks=[keep], **changes)
    assert list(weights) == [1, 2, 3, 4]
    said = capsys.readouterr().err
    assert "stopped early after update 4 of 20: 2 validations without a better one" in said
    assert "the weights of the best validation, after update 2, are the run's result (best.safetensors)" in said
    assert (run.update, run.best) == (2, True)
    for found, update in ((run, 2), (rnn.load(run.folder), 2), (rnn.load(run.folder, best=False), 4)):
        assert found.update == update
        assert all((found.weights[name] == weights[update][name]).all() for name in found.weights)
    assert "best, of update 2 of 20" in repr(run)
    assert rnn.resume(run.folder, quiet=True).update == 2
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([1.0, 3.0, 3.0]))
    assert rnn.resume(run.folder, updates=30, quiet=True).update == 5


def test_without_patience_the_last_weights_are_the_result(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([2.0, 3.0]))
    run = fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert (run.update, rnn.load(run.folder).update, rnn.load(run.folder, best=True).update) == (6, 6, 3)


def test_a_plateau_lowers_the_rate(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bptt.rnn.tasks.Bound.validate", measured([2.0, 3.0, 3.0, 3.0]))
    changes = {**TINY, "updates": 4, "validate": 1, "report": 1, "schedule": "plateau", "wait": 0, "factor": 0.5}
    run = fit(text, run=tmp_path / "run", quiet=True, **changes)
    rates = [m["rate"] for m in logs.read_metrics(run.folder) if "rate" in m]
    assert rates == [0.015, 0.015, 0.0075, 0.00375]


# -- what stops a run ---------------------------------------------------------------------------------


def test_ctrl_c_finishes_the_update_and_saves(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Trainer, "step", interrupted_at(1))
    before = signal.getsignal(signal.SIGINT)
    run = fit(text, run=tmp_path / "run", **TINY)
    assert signal.getsignal(signal.SIGINT) is before
    assert run.interrupted
    assert run.update == checkpoint.load_weights(run.folder).update == 2
    assert rnn.load(run.folder).generate(5)
    said = capsys.readouterr().err
    assert "finishing this update" in said
    assert f"stopped after update 2 of 6; {run.folder} keeps its weights; go on with: bptt resume {run.folder}" in said


def test_each_compilation_is_said_and_left_out_of_the_speed(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with a reach beyond the window, whose second program is first called by a later update."""
    step, made = Trainer.step, [0]

    def compiling(self: Trainer) -> Any:
        if self.update == 2:
            cache._tell(None)
            os.kill(os.getpid(), signal.SIGINT)
            made[0] = 3
            cache._tell(3)
        return step(self)

    monkeypatch.setattr(Trainer, "step", compiling)
    monkeypatch.setattr(Trainer, "compilations", property(lambda self: made[0]))
    run = fit(text, run=tmp_path / "run", **{**TINY, "report": 1})
    said = capsys.readouterr().err
    assert "compiling…\nCtrl-C: finishing the compilation and this update, then saving" in said
    assert "compiled in 0 s (3 kernels)\n" in said
    speeds = [json.loads(line) for line in (run.folder / folder.SPEED).read_text().splitlines()]
    assert ["items_per_second" in record for record in speeds] == [False, True, False]


def test_ctrl_c_in_the_last_update_leaves_the_sample_to_resume(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted_at(5))
        run = fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert (run.update, run.interrupted) == (6, True)
    assert not (run.folder / folder.SAMPLE).exists()
    assert not rnn.resume(run.folder, quiet=True).interrupted
    assert len((run.folder / folder.SAMPLE).read_text()) == 21


def interrupted_at(update: int) -> Any:
    """``Trainer.step`` with a Ctrl-C when so many updates were made."""
    step = Trainer.step

    def interrupted(self: Trainer) -> Any:
        if self.update == update:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    return interrupted


def test_a_run_without_a_sample_prints_none(
    text: Path, tmp_path: Path, plain: None, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(text, run=tmp_path / "run", **{**TINY, "updates": 1, "sample": 0})
    assert not (tmp_path / "run" / folder.SAMPLE).exists()
    assert all(line.strip() for line in capsys.readouterr().err.splitlines())


def test_a_second_ctrl_c_stops_at_once_and_says_what_is_kept(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Trainer.step

    def interrupted(self: Trainer) -> Any:
        if self.update == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(text, run=tmp_path / "run", **TINY)
    assert "keeps what was saved last, the weights of update 3; go on with: bptt resume" in capsys.readouterr().err
    assert rnn.load(tmp_path / "run").update == 3


def test_a_diverging_run_keeps_its_last_good_weights(
    text: Path, tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def diverging(self: Trainer) -> Any:
        if self.update == 2:
            self.weights["V"][:] = np.inf
        return step(self)

    monkeypatch.setattr(Trainer, "step", diverging)
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match=r"update 3: the loss is nan") as error:
        fit(text, run=tmp_path / "run", quiet=True, **TINY)
    assert "keeps the weights of update 2" in str(error.value)
    assert "the weight V is inf" in str(error.value)


@pytest.mark.parametrize(("pace", "verdict"), [(0.2, "no better"), (math.pi, "better")])
def test_a_forecaster_is_compared_with_persistence(
    pace: float, verdict: str, tmp_path: Path, plain: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a few updates hardly more than the mean is known: worse where values stay near, better where they leap."""
    path = tmp_path / "a.csv"
    path.write_text("value\n" + "".join(f"{math.cos(pace * i)}\n" for i in range(120)))
    run = fit(path, run=tmp_path / "run", **TINY)
    said = capsys.readouterr().err
    same = run.configuration["data"]["persistence_normalised_rmse"]
    assert said.count(f" (persistence: normalised rmse {same:.4g})\n") == 2
    assert f"the forecasts are {verdict} than persistence, each value taken for the next one" in said
    last = [record for record in logs.read_metrics(run.folder) if "validation_mse" in record][-1]
    assert f" is {last['validation_normalised_rmse'] / same:.3g} times its own" in said


def test_a_series_that_stays_as_it_is_leaves_nothing_to_be_better_at(
    tmp_path: Path, plain: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("value\n" + "3\n" * 120)
    fit(path, run=tmp_path / "run", **{**TINY, "updates": 1})
    said = capsys.readouterr().err
    assert "makes no error in validation: nothing can be better" in said
    assert "inf" not in said


def test_validation_events_of_a_forecaster_carry_persistence(
    tmp_path: Path, plain: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("value\n" + "".join(f"{math.cos(i)}\n" for i in range(120)))
    run = fit(path, run=tmp_path / "run", as_json=True, **{**TINY, "updates": 1})
    (found,) = (r for r in map(json.loads, capsys.readouterr().out.splitlines()) if r["event"] == "validation")
    for name in ("mse", "rmse", "normalised_rmse"):
        assert found[f"persistence_{name}"] == run.configuration["data"][f"persistence_{name}"]
        assert f"validation_{name}" in found

"""Runs: a trained network, loaded from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ...graph.errors import unknown
from ..data import DataError
from ..optim import Arrays
from ..tasks import Task
from .checkpoint import Saved, fit_shapes, load_weights, read_checkpoint
from .files import RunError, damaged
from .folder import (
    BEST,
    CONFIGURATION,
    EQUATIONS,
    SYMBOLS,
    TASK,
    WEIGHTS,
    read_configuration,
    read_json,
    read_text,
)
from .network import restored, sized
from .settings import Settings

if TYPE_CHECKING:
    from ...compiler.program import Program
    from ...graph.circuit import Circuit
    from ..running.generate import Score
    from ..running.steps import Running
    from ..tasks import Bound
    from .scoring import Measured


@dataclass(eq=False, repr=False)
class Run:
    """A trained network: what ``rnn.load``, ``rnn.fit`` and ``rnn.resume`` give.

    folder         where it is kept
    configuration  run.toml as a table; settings: those of it
    task           what it learnt, with vocabularies, labels, normalisation
    net            the network
    weights        name -> array, after ``update`` updates
    best           whether these are the weights that were best in validation, not the last ones
    stopped        why training ended before its last update, "" where it did not
    interrupted    whether it was Ctrl-C that ended it, of a run that ``fit`` or ``resume`` gave
    """

    folder: Path
    configuration: dict[str, Any]
    settings: Settings
    task: Task
    net: Circuit
    weights: Arrays
    update: int
    best: bool = False
    stopped: str = ""
    interrupted: bool = False

    def __repr__(self) -> str:
        which = "best, of" if self.best else "after"
        size = sum(w.size for w in self.weights.values())
        return (
            f"<run {self.folder}: {self.task.name}, {self.net.name} of {size:,} weights, {which}"
            f" update {self.update} of {self.settings.updates}>"
        )

    @overload
    def generate(
        self, length: int = ..., *, temperature: float = ..., top_k: int = ..., seed: int = ..., prompt: str = ...,
        unknown: str = ...,
    ) -> str: ...  # fmt: skip
    @overload
    def generate(
        self, length: int = ..., *, temperature: float = ..., top_k: int = ..., seed: int = ..., prompt: bytes,
        unknown: str = ...,
    ) -> bytes: ...  # fmt: skip
    def generate(
        self,
        length: int = 500,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
        prompt: str | bytes = "",
        unknown: str = "",
    ) -> str | bytes:
        """``prompt`` and ``length`` symbols more, bytes after a prompt of bytes: see ``generate.generate``."""
        from ..running.generate import generate

        return generate(self, length, temperature=temperature, top_k=top_k, seed=seed, prompt=prompt, unknown=unknown)

    def score(self, given: str | bytes | Path, unknown: str = "") -> Score | Measured:
        """How well the network does on what has its answers in it.

        given    for a language model a text (bytes, where it learnt bytes), or the Path of a file of one: its ``nats``,
                 ``bits_per_item``, ``perplexity``; for any other run the path of data such as it was trained on: their
                 ``measures`` (accuracy, nats, rmse, …), and for a forecaster those of persistence as ``baseline``
        unknown  see ``predict``; what was found says as ``unseen`` how many symbols were mapped

        Raises DataError for an empty text and for what is no such data, UnknownError for symbols that are refused.
        """
        from .scoring import score

        return score(self, given, unknown)

    def predict(self, given: Any, **options: Any) -> Any:
        """What the network makes of something new, by what it has learnt.

        ==============  =====================================  ======================================================
        a run of        takes                                  gives
        ==============  =====================================  ======================================================
        language model  a text (or bytes, where it learnt      what may come next, the most probable first, each with
                        bytes); ``most`` (5)                   ``token``, ``probability`` and ``symbol``, its number
        tagger          a sentence, as a text or as words      its words, each with its tag: a list of pairs
        classifier      a text                                 ``label``, and ``probabilities`` of all labels
        forecaster      values [N, n] (one column: [N]);       the next values in the data's units, [steps, m]
                        ``steps`` (1)
        translator      a text; ``beam`` (4), ``most`` (1),    what it becomes, the most probable first, each with
                        ``length`` (0)                         ``text`` and ``log_probability``
        ==============  =====================================  ======================================================

        Symbols that the vocabulary lacks are refused by name, or, with ``unknown="map"``, read as the unknown symbol.
        Without it the setting ``unknown`` of the run decides; with ``unknown="refuse"`` they are refused in any case.

        Raises DataError for what the task cannot read: an empty text, values that are none; UnknownError for symbols
        that are refused.
        """
        known = [*signature(self.task.predict).parameters][4:]
        for name in options:
            if name not in known:
                problem = f"predict of a {self.task.name.replace('_', ' ')} has no option {name}"
                raise TypeError(unknown(problem, name, known))
        return self.bound.predict(self.program, self.weights, given, **options)

    @cached_property
    def bound(self) -> Bound:
        """The task as this network reads it."""
        return self.task.bind(self.net, dtype=self.settings.dtype)

    @cached_property
    def program(self) -> Program:
        """The inference program, compiled when it is first used: it returns ``bound.returns``."""
        from ... import compiler

        return compiler.compile(
            self.bound.net,
            loss=None,
            returns=self.bound.returns,
            target=self.settings.target,
            dtype=self.settings.dtype,
            training=False,
        )

    @cached_property
    def running(self) -> Running:
        """The programs by which it runs on what it chose itself, x[t] being what it chose at t-1."""
        from ..running.steps import Running

        return Running(self.bound.scores, "x", self.settings.target, self.settings.dtype)


def load(run: str | Path, best: bool | None = None) -> Run:
    """Read a run folder: ``rnn.load("runs/python-1").generate(100)``. Nothing in it is executed.

    best  the weights that were best in validation (True), or the last ones (False); None: the best where the run was
          trained with ``patience``, which makes them its result, else the last

    Raises RunError where the folder is none of a run, or a file in it is missing, damaged, or of another version of
    bptt; the message names the file, what was expected, what came, and what helps.
    """
    found, saved = read_run(run)
    if best is None:
        best = found.settings.patience > 0 and saved.progress.best > 0
    if best:
        use_best(found, saved)
    return found


def read_run(run: str | Path) -> tuple[Run, Saved]:
    """A run with its last weights, and its checkpoint. Raises RunError as ``load`` does."""
    configuration = read_configuration(run)
    folder = Path(run)
    try:
        settings = Settings.of(configuration["settings"])
    except (DataError, TypeError) as error:
        raise damaged(folder / CONFIGURATION, "settings that make sense", error) from error
    try:
        task = Task.restore(read_json(folder, TASK, configuration), settings.for_task())
    except DataError as error:
        raise damaged(folder / TASK, "a task", error) from error
    cell = restored(folder / CONFIGURATION, configuration, read_text(folder, EQUATIONS, configuration))
    net = sized(folder, configuration, cell)
    saved = load_weights(folder)
    weights = fit_shapes(folder / WEIGHTS, saved.weights, net.params, settings.dtype)
    made = Run(folder, configuration, settings, task, net, weights, saved.update, stopped=saved.progress.stopped)
    try:
        _ = made.bound
    except DataError as error:
        raise damaged(folder / CONFIGURATION, f"a network that fits {TASK}", error) from error
    return made, saved


def use_best(run: Run, saved: Saved) -> None:
    """Give the run the weights of its best validation. Raises RunError where there was none."""
    if not saved.progress.best:
        raise RunError(
            f"{run.folder}: expected the weights of a best validation, there was none yet;"
            f" it comes every {run.settings.validate} updates"
        )
    if saved.progress.best == saved.update:  # best.safetensors is written after weights.safetensors
        weights, update = run.weights, saved.update
    else:
        path = run.folder / BEST
        best = read_checkpoint(path)
        weights = fit_shapes(path, best.weights, run.net.params, run.settings.dtype)
        update = best.update
    run.weights, run.update, run.best = weights, update, True


def same_data(run: Run, mend: str = "begin a new run") -> Task:
    """The task with the data that the run began with, validation data among them.

    Raises DataError where they have changed, are gone or cannot be read; ``mend``: what helps besides restoring them.
    """
    about = run.configuration["data"]
    task = Task.of(about.get("path") or None, run.settings.for_task(), cache=run.folder / SYMBOLS[0])
    own = task.about.get("sha256") == about.get("sha256")
    name, source = ("validation_sha256", run.settings.validation) if own else ("sha256", about.get("source"))
    expected, got = str(about.get(name)), str(task.about.get(name))
    if expected != got or task.save() != run.task.save():
        raise DataError(
            f"{source}: expected the data that {run.folder} began with (sha256 {expected[:12]}…), got others"
            f" ({got[:12]}…); restore them, or {mend}"
        )
    return task

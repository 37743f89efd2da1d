"""Whole training runs: ``fit`` begins one, ``resume`` goes on with one that was interrupted.

A run is a pure function of its data, its network and its settings. What it depends on while it goes on is in its
checkpoint, so that a run that was killed at any moment and resumed ends with the same bytes of weights and metrics.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import checkpoint, folder
from .checkpoint import Saved
from .data import DataError
from .folder import RunError
from .network import Network, Sizes, described, equations_of, find_network, restored
from .optim import Arrays
from .report import Interrupt, Report
from .run import Run, read_run, use_best
from .settings import Settings
from .tasks import Task
from .trainer import Step, Trainer, TrainingError

if TYPE_CHECKING:
    from ..graph.circuit import Circuit
    from .define import Cell
    from .schedules import Schedule
    from .tasks import Bound

__all__ = ["Event", "Settings", "Step", "Trainer", "TrainingError", "fit", "resume"]

PLAIN_LOSS = re.compile(r"L = (mean\()?(cross_entropy|nll)\([\w\[\], ]+\)(, over=[\w(), ]+\))?")
"""A loss that is −log p an item, in nats."""


@dataclass
class Event:
    """What a callback is told after each update: ``rnn.fit(…, callbacks=[tell])`` calls ``tell(event)``.

    run         the run; its weights are those that are trained, to be read and not to be changed
    step        the update: its number, loss, gradient norm, learning rate
    validation  the measures, by name, where the update was followed by a validation; else None
    """

    run: Run
    step: Step
    validation: Mapping[str, float] | None = None
    stopped: str = field(default="", init=False)

    @property
    def update(self) -> int:
        return self.step.update

    def stop(self, why: str = "a callback asked for it") -> None:
        """Ask the run to save and to end after this update."""
        self.stopped = why or "a callback asked for it"


Callback = Callable[[Event], object]


def fit(
    data: str | Path | None = None,
    *,
    cell: str | Path | Cell | None = None,
    sizes: Mapping[str, int | tuple[int, ...]] | None = None,
    run: str | Path | None = None,
    settings: Settings | None = None,
    callbacks: Iterable[Callback] = (),
    quiet: bool = False,
    as_json: bool = False,
    **changes: Any,
) -> Run:
    """Train a network on data and keep it in a run folder.

    data       a file or folder; what is learnt from it is seen by its content, unless the setting ``task`` says it;
               without it, the prose that CPython carries
    cell       a name that ``bptt cells`` lists, a file of equations, or a cell, with inputs x and y and a loss L;
               without it, the task's own network
    sizes      of the cell, by name, where data and settings do not give them
    run        a new or empty folder; without it, runs/NAME-1 or the next free number
    settings   see ``Settings``; single ones may be given by name as ``changes``
    callbacks  functions that are called with an ``Event`` after each update
    quiet      print nothing; as_json: print one JSON object a line on standard output

    Ctrl-C finishes the update, saves, and returns the run so far; a second one stops at once. With ``patience`` the
    weights of the best validation are the result, also of a run that is not stopped early; else the last ones.

    Raises DataError (data, settings, network), LanguageError (equations), RunError (folder), TrainingError (loss or
    gradient not finite; the folder then keeps the last good weights).
    """
    chosen = Settings.of({**asdict(settings or Settings()), **changes})
    path = "" if data is None else os.path.abspath(data)
    if chosen.validation:
        chosen = replace(chosen, validation=os.path.abspath(chosen.validation))
    task = Task.of(path or None, chosen.for_task())
    network = find_network(cell, task)
    net, bound_sizes = network.bound(task, sizes or {})
    bound = _checked(task, net, chosen)
    weights = net.init(seed=chosen.seed, dtype=chosen.dtype)
    place, lock = folder.claim(run, "python" if data is None else Path(path).stem)
    with lock:
        configuration = _begin(place, task, network, bound_sizes, chosen, path, weights)
        made = Run(place, configuration, chosen, task, net, weights, 0)
        made.__dict__["bound"] = bound
        session = _Session(made, Saved(0, weights), list(callbacks), quiet, as_json)
        count = sum(w.size for w in weights.values())
        shown = ", ".join(f"{name}={size}" for name, size in bound_sizes.items())
        session.report.say(f"{_summary(task)}; {net.name}({shown}): {count:,} weights; run {place}")
        return session.go()


def resume(
    run: str | Path,
    updates: int | None = None,
    *,
    callbacks: Iterable[Callback] = (),
    quiet: bool = False,
    as_json: bool = False,
) -> Run:
    """Go on with a run from its last save, to the same bytes as if it had never been interrupted.

    updates  another number of updates than the run was begun with; it also changes what of the learning rate's
             schedule is still to come. A run that has ended, or was stopped early, goes on only if it is given.

    Raises RunError (folder), DataError where the data are not those that the run began with, TrainingError.
    """
    place = Path(run)
    folder.read_configuration(place)
    with folder.locked(place):
        folder.tidy(place)
        found, saved = read_run(place)
        if updates is not None:
            found.settings = _more_updates(found, saved, updates)
            saved.progress.stopped, saved.progress.waited = "", 0
        if not _complete(found, saved):
            found.task = _same_data(found)
            found.__dict__.pop("bound", None)
        if updates is not None:
            found.configuration["settings"] = found.settings.table()
            folder.configure(place, found.configuration)
        return _Session(found, saved, list(callbacks), quiet, as_json).go()


# ---- beginning -----------------------------------------------------------------------------------
def _checked(task: Task, net: Circuit, settings: Settings) -> Bound:
    """The task as the network reads it. What cannot be trained is said before a folder is made."""
    bound = task.bind(net, dtype=settings.dtype)
    if task.carried:
        _ = bound.lags  # raises CircuitError for a network that cannot be cut into windows
    settings.make_optimiser(net)
    return bound


def _begin(
    place: Path, task: Task, network: Network, sizes: Sizes, settings: Settings, path: str, weights: Arrays
) -> dict[str, Any]:
    """Write what does not change, and the first checkpoint; run.toml last, which makes the folder a run."""
    import json

    equations = equations_of(network)
    kept = json.dumps(task.save(), ensure_ascii=False, indent=1) + "\n"
    described_network = described(network)
    configuration = {
        "network": described_network["network"],
        "sizes": dict(sizes),
        "init": described_network["init"],
        "settings": settings.table(),
        "data": {"path": path, **task.about},
        "checksums": {folder.EQUATIONS: folder.checksum(equations), folder.TASK: folder.checksum(kept)},
        "versions": folder.versions(),
    }
    folder.write(place / folder.EQUATIONS, equations)
    folder.write(place / folder.TASK, kept)
    checkpoint.save(place, Saved(0, weights))
    folder.configure(place, configuration)
    return configuration


def configured(path: str | Path) -> dict[str, Any]:
    """The arguments of ``fit`` that run.toml holds: data, cell, sizes, settings.

    Raises RunError where it is damaged or of another version, or its network cannot be made again from a file.
    """
    file = Path(path)
    if file.is_dir():
        file = file / folder.CONFIGURATION
    found = folder.read_configuration_file(file)
    cell: Any = found["network"].get("cell", "")
    from .cells import CELLS

    if cell and cell not in CELLS:
        text = folder.read_text(file.parent, folder.EQUATIONS, found)
        cell = restored(file, found, text, again=True)
    return {
        "data": found["data"].get("path") or None,
        "cell": cell or None,
        "sizes": {name: tuple(n) if isinstance(n, list) else n for name, n in found["sizes"].items()},
        "settings": found["settings"],
    }


def _summary(task: Task) -> str:
    """The data in a line: "pydoc_data.topics: language model, 512,345 characters"."""
    counts = [f"{n:,} {name.replace('_', ' ')}" for name, n in task.about.items() if isinstance(n, int)]
    return f"{task.about.get('source')}: {', '.join([task.name.replace('_', ' '), *counts])}"


# ---- going on ------------------------------------------------------------------------------------
def _more_updates(run: Run, saved: Saved, updates: int) -> Settings:
    settings = Settings.of({**run.settings.table(), "updates": updates})
    if updates < saved.update:
        raise DataError(
            f"updates: {run.folder} has made {saved.update} updates, it cannot go on to {updates};"
            f" give at least {saved.update + 1}"
        )
    return settings


def _complete(run: Run, saved: Saved) -> bool:
    return saved.update >= run.settings.updates or bool(saved.progress.stopped)


def _same_data(run: Run) -> Task:
    """The task with the data that the run began with. Raises DataError where they have changed."""
    about = run.configuration["data"]
    task = Task.of(about.get("path") or None, run.settings.for_task())
    if task.about.get("sha256") != about.get("sha256") or task.save() != run.task.save():
        raise DataError(
            f"{about.get('source')}: expected the data that {run.folder} began with (sha256"
            f" {str(about.get('sha256'))[:12]}…), got others ({str(task.about.get('sha256'))[:12]}…);"
            " restore them, or begin a new run"
        )
    return task


class _Session:
    """A run while this process trains it."""

    def __init__(self, run: Run, saved: Saved, callbacks: list[Callback], quiet: bool, as_json: bool) -> None:
        self.run, self.saved, self.callbacks = run, saved, callbacks
        self.settings, self.progress = run.settings, saved.progress
        nats = run.task.main.name == "nats" and _in_nats(run.net)
        self.report = Report(
            run.folder, self.settings.updates, self.settings.report, run.task.item, nats, quiet, as_json
        )
        self.trainer: Trainer | None = None

    def go(self) -> Run:
        """Train to the end, or until it is stopped; what the run has come to."""
        try:
            return self._go()
        except RunError as error:
            mend = f"{self.run.folder} keeps its last save; when that is mended: bptt resume {self.run.folder}"
            raise RunError(f"{error}\n  {mend}") from error
        except KeyboardInterrupt:
            place, kept = self.run.folder, checkpoint.load_weights(self.run.folder).update
            self.report.say(
                f"stopped at once; {place} keeps what was saved last, the weights of update {kept};"
                f" go on with: bptt resume {place}"
            )
            raise

    def _go(self) -> Run:
        run, settings = self.run, self.settings
        about = {"run": str(run.folder), "task": run.task.name, "update": run.update, "updates": settings.updates}
        self.report.event("begin", about)
        if _complete(run, self.saved):
            self._write_best()
            why = f"was stopped early: {run.stopped}" if run.stopped else f"has made its {run.update} updates"
            self.report.say(f"{run.folder} {why}; to train it on: bptt resume {run.folder} --updates N")
            return self._finish()
        trainer = self.trainer = self._trainer()
        self._restore(trainer)
        self.report.restart(trainer.update)
        try:
            with Interrupt(self.report) as interrupt:
                self._loop(trainer, interrupt)
        finally:
            self.report.close()
        return self._finish()

    def _trainer(self) -> Trainer:
        run, settings = self.run, self.settings
        _pictures(run, self.report.say)
        self.report.say("compiling")
        carried = run.task.carried
        return Trainer(
            run.net,
            run.bound.training,
            weights=run.weights,
            optimiser=settings.make_optimiser(run.net),
            schedule=settings.make_schedule(more=not run.task.main.less),
            clip=settings.clip,
            clip_values=settings.clip_values,
            target=settings.target,
            dtype=settings.dtype,
            seed=settings.seed,
            window=settings.window if carried else None,
            reach=settings.reach or None if carried else None,
        )

    def _restore(self, trainer: Trainer) -> None:
        """Put the trainer, the report and the logs to where the checkpoint was written."""
        place, saved = self.run.folder, self.saved
        folder.cut(place / folder.METRICS, self.progress.metrics)
        folder.cut_last_line(place / folder.SPEED)
        self._write_best()
        if not saved.update:
            return
        try:
            trainer.optimiser.load(saved.optimiser)
            trainer.schedule.load(saved.schedule)
        except ValueError as error:
            raise folder.damaged(place / folder.WEIGHTS, "the state that its settings need", error) from error
        trainer.update, trainer.state = saved.update, saved.carried or None
        self.report.load(saved.report, saved.update)
        if folder.versions() != self.run.configuration["versions"]:
            self.report.say("this run was begun with other versions (see run.toml): its last bits may differ")
        self.report.say(f"going on after update {saved.update} of {self.settings.updates}; run {place}")

    def _loop(self, trainer: Trainer, interrupt: Interrupt) -> None:
        settings = self.settings
        while trainer.update < settings.updates:
            event = Event(self.run, self._step(trainer))
            self.run.update = trainer.update
            self.report.step(event.step)
            due = trainer.update % settings.validate == 0 or trainer.update == settings.updates
            if due:
                event.validation = self._validate(trainer.schedule)
            for callback in self.callbacks:
                callback(event)
            if due or event.stopped or interrupt.asked:
                self._save(trainer)
                self._write_best()
            if event.stopped:
                self.report.say(f"stopped after update {trainer.update}: {event.stopped}")
            if event.stopped or interrupt.asked or self.progress.stopped:
                return

    def _step(self, trainer: Trainer) -> Step:
        """The next update; one that cannot be made leaves what was before it saved."""
        try:
            return trainer.step()
        except TrainingError as error:
            self._save(trainer)
            kept = f"{self.run.folder} keeps the weights of update {trainer.update}"
            raise TrainingError(f"{error}\n  {kept}") from error

    def _validate(self, schedule: Schedule) -> dict[str, float]:
        run, progress = self.run, self.progress
        try:
            measures = run.bound.validate(run.program, run.weights)
        except DataError as error:
            kept = f"{run.folder} keeps the weights of update {self.saved.update}"
            raise TrainingError(f"validation after update {run.update}: {error}\n  {kept}") from error
        self.report.validation(run.update, measures)
        main = run.task.main
        value = measures[main.name]
        schedule.observe(value)
        better = value < progress.value if main.less else value > progress.value
        if math.isfinite(value) and (better or not progress.best):
            progress.best, progress.value, progress.waited = run.update, value, 0
            return measures
        progress.waited += 1
        if self.settings.patience and progress.waited >= self.settings.patience:
            progress.stopped = f"{progress.waited} validations without a better one"
        return measures

    def _save(self, trainer: Trainer) -> None:
        """The checkpoint of this update: the logs first, since it holds their length."""
        self.progress.metrics = folder.length(self.run.folder / folder.METRICS)
        self.saved = Saved(
            trainer.update,
            trainer.weights,
            trainer.optimiser.state(),
            trainer.schedule.state(),
            dict(trainer.state or {}),
            self.report.state(),
            self.progress,
        )
        checkpoint.save(self.run.folder, self.saved)

    def _write_best(self) -> None:
        """best.safetensors, where these weights are the best: after the checkpoint, from which it can be made again."""
        if self.progress.best and self.progress.best == self.saved.update:
            checkpoint.save_best(self.run.folder, self.saved.update, self.saved.weights)

    def _finish(self) -> Run:
        """The plot and a sample; what was kept, and how to go on."""
        run, say, place = self.run, self.report.say, self.run.folder
        run.stopped = self.progress.stopped
        ended = _complete(run, self.saved)
        if (place / folder.METRICS).exists():
            from .plots import loss_plot

            loss_plot(place)
        record = {"run": str(place), "update": run.update, "best": self.progress.best, "stopped": run.stopped}
        self.report.event("end", record)
        if not ended:
            say(
                f"stopped after update {run.update} of {self.settings.updates}; {place} keeps its weights;"
                f" go on with: bptt resume {place}"
            )
            return run
        if run.stopped:
            say(f"stopped early after update {run.update} of {self.settings.updates}: {run.stopped}")
        if self.settings.patience and self.progress.best:
            use_best(run, self.saved)
            say(f"the weights of the best validation, after update {run.update}, are the run's result ({folder.BEST})")
        self._sample()
        return run

    def _sample(self) -> None:
        run, place = self.run, self.run.folder
        if run.task.name != "language_model":
            self.report.say(f"{place} holds the run; in Python: rnn.load({str(place)!r}).predict(…)")
            return
        if self.trainer is None and (place / folder.SAMPLE).exists():
            return
        sample = run.generate(self.settings.sample, seed=self.settings.seed)
        folder.write(place / folder.SAMPLE, sample + "\n")
        self.report.say(f"{sample}\n\n{place} holds the run; go on with: bptt generate {place}")


def _in_nats(net: Circuit) -> bool:
    """Whether the loss is −log p of an item, so that it has bits."""
    from ..graph.show import equations

    return PLAIN_LOSS.fullmatch(equations(net).get("L", "").split("  #")[0].strip()) is not None


def _pictures(run: Run, say: Callable[[str], None]) -> None:
    """Draw circuit.svg and unrolled.svg; where Graphviz is missing, ``say`` so and go on without them."""
    from ..graph import draw_circuit, draw_unrolled

    if (run.folder / folder.UNROLLED).exists():
        return
    try:
        folder.write(run.folder / folder.CIRCUIT, draw_circuit(run.net).svg)
        folder.write(run.folder / folder.UNROLLED, draw_unrolled(run.net, steps=4).svg)
    except RuntimeError as error:
        say(f"no pictures: {error}")

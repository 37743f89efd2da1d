"""A run while it is trained: updates, validations, saves, and what is said of them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...compiler.cache import watched
from ..data import DataError
from ..tasks import Forecaster
from ..trainer import Step, Trainer, TrainingError
from . import checkpoint, files, folder, logs
from .checkpoint import Saved
from .files import RunError
from .report import Interrupt, Report
from .run import Run, use_best

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..optim.schedules import Schedule

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
        """The number of the update, from 1."""
        return self.step.update

    def stop(self, why: str = "a callback asked for it") -> None:
        """Ask the run to save and to end after this update."""
        self.stopped = why or "a callback asked for it"


Callback = Callable[[Event], object]


class Session:
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
            self.run.interrupted = True
            self._tell_end(kept)
            raise

    def _go(self) -> Run:
        run, settings = self.run, self.settings
        about = {"run": str(run.folder), "task": run.task.name, "update": run.update, "updates": settings.updates}
        self.report.event("begin", about)
        if complete(run, self.saved):
            self._write_best()
            why = f"was stopped early: {run.stopped}" if run.stopped else f"has made its {run.update} updates"
            self.report.say(f"{run.folder} {why}; to train it on: bptt resume {run.folder} --updates N")
            return self._finish()
        trainer = self.trainer = self._trainer()
        self._restore(trainer)
        self.report.restart(trainer.update)
        try:
            with watched(self.report.compiling), Interrupt(self.report) as interrupt:
                self._loop(trainer, interrupt)
            run.interrupted = interrupt.asked
        finally:
            self.report.close()
        with watched(self.report.compiling):
            return self._finish()

    def _trainer(self) -> Trainer:
        run, settings = self.run, self.settings
        _pictures(run, self.report.say)
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
            window=run.task.settings.window if carried else None,
            reach=settings.reach or None if carried else None,
        )

    def _restore(self, trainer: Trainer) -> None:
        """Put the trainer, the report and the logs to where the checkpoint was written."""
        place, saved = self.run.folder, self.saved
        logs.cut(place / folder.METRICS, self.progress.metrics)
        logs.cut_last_line(place / folder.SPEED)
        self._write_best()
        if not saved.update:
            return
        try:
            trainer.optimiser.load(saved.optimiser)
            trainer.schedule.load(saved.schedule)
        except ValueError as error:
            raise files.damaged(place / folder.WEIGHTS, "the state that its settings need", error) from error
        trainer.update, trainer.state = saved.update, saved.carried or None
        self.report.load(saved.report, saved.update)
        if folder.versions() != self.run.configuration["versions"]:
            self.report.say("this run was begun with other versions (see run.toml): its last bits may differ")
        self.report.say(f"going on after update {saved.update} of {self.settings.updates}; run {place}")

    def _loop(self, trainer: Trainer, interrupt: Interrupt) -> None:
        settings, first = self.settings, trainer.update
        while trainer.update < settings.updates:
            compilations, since = trainer.compilations, time.perf_counter()
            event = Event(self.run, self._first_step(trainer) if trainer.update == first else self._step(trainer))
            seconds = time.perf_counter() - since
            self.run.update = trainer.update
            waited = trainer.update == first + 1 or trainer.compilations > compilations
            self.report.step(event.step, None if waited else seconds)
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

    def _first_step(self, trainer: Trainer) -> Step:
        """The first update of this process, which waits for the compiler."""
        if self.settings.target == "interpret":
            return self._step(trainer)
        with self.report.first(lambda: trainer.compilations):
            return self._step(trainer)

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
        self.report.validation(run.update, measures, _persistence(run, measures))
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
        self.progress.metrics = logs.length(self.run.folder / folder.METRICS)
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
        if (place / folder.METRICS).exists():
            from .plots import loss_plot

            loss_plot(place)
        if complete(run, self.saved):
            if run.stopped:
                say(f"stopped early after update {run.update} of {self.settings.updates}: {run.stopped}")
            if self.settings.patience and self.progress.best:
                use_best(run, self.saved)
                best = f"the weights of the best validation, after update {run.update},"
                say(f"{best} are the run's result ({folder.BEST})")
            self._compare()
            self._sample()
        else:
            say(
                f"stopped after update {run.update} of {self.settings.updates}; {place} keeps its weights;"
                f" go on with: bptt resume {place}"
            )
        self._tell_end(self.saved.update)
        return run

    def _compare(self) -> None:
        """Whether a forecaster is better than persistence."""
        run, same = self.run, _persistence(self.run, ["mse"]).get("mse")
        found = [m["validation_mse"] for m in logs.read_metrics(run.folder) if "validation_mse" in m]
        if same is None or not found:
            return
        error = self.progress.value if run.best else found[-1]
        if same == 0.0:
            self.report.say(
                "persistence, each value taken for the next one, makes no error in validation: nothing can be better;"
                f" the root mean square error of the forecasts is {math.sqrt(error):.3g} of a standard deviation"
            )
            return
        ratio = math.sqrt(error / same)
        verdict = "better" if ratio < 1 else "no better"
        mend = "" if ratio < 1 else ": it has learnt nothing of use yet; more updates, another rate or other columns"
        self.report.say(
            f"the forecasts are {verdict} than persistence, each value taken for the next one: their root mean square"
            f" error in validation is {ratio:.3g} times its own{mend}"
        )

    def _tell_end(self, update: int) -> None:
        run = self.run
        record = {"run": str(run.folder), "update": update, "best": self.progress.best, "stopped": run.stopped}
        self.report.event("end", {**record, "interrupted": run.interrupted})

    def _sample(self) -> None:
        """What a language model writes when its run has ended, and how to go on."""
        run, place = self.run, self.run.folder
        if run.task.name != "language_model":
            self.report.say(f"{place} holds the run; go on with: bptt predict {place} {_given(run)}")
            return
        if self.trainer is None and (place / folder.SAMPLE).exists():
            return
        sample = "" if run.interrupted or not self.settings.sample else self._written()
        if sample:
            files.write(place / folder.SAMPLE, sample + "\n")
            self.report.say(f"{sample}\n")
        what = f"score {place} FILE" if run.bound.reads_targets else f"generate {place}"
        self.report.say(f"{place} holds the run; go on with: bptt {what}")

    def _written(self) -> str:
        """A sample; "" where this network cannot write."""
        try:
            return self.run.generate(self.settings.sample, seed=self.settings.seed)
        except DataError as error:
            self.report.say(f"no sample: {error}")
            return ""


def complete(run: Run, saved: Saved) -> bool:
    """Whether a run has made all its updates, or was stopped early."""
    return saved.update >= run.settings.updates or bool(saved.progress.stopped)


def _given(run: Run) -> str:
    """What ``bptt predict`` is given."""
    if isinstance(run.task, Forecaster):
        return "SERIES --steps 10" if run.task.target == run.task.columns else "SERIES"
    return "SENTENCE" if run.task.name == "tagger" else "TEXT"


def _persistence(run: Run, measures: Iterable[str]) -> dict[str, float]:
    """What measures are of taking each value for the next one, in the validation part of a series; else {}."""
    data = run.configuration["data"]
    return {name: float(data[f"persistence_{name}"]) for name in measures if f"persistence_{name}" in data}


def _in_nats(net: Circuit) -> bool:
    """Whether the loss is −log p of an item, so that it has bits."""
    from ...graph.show import equations

    return PLAIN_LOSS.fullmatch(equations(net).get("L", "").split("  #")[0].strip()) is not None


def _pictures(run: Run, say: Callable[[str], None]) -> None:
    """Draw circuit.svg and unrolled.svg; where Graphviz is missing, ``say`` so and go on without them."""
    from ...graph import draw_circuit, draw_unrolled

    if (run.folder / folder.UNROLLED).exists():
        return
    try:
        files.write(run.folder / folder.CIRCUIT, draw_circuit(run.net).svg)
        files.write(run.folder / folder.UNROLLED, draw_unrolled(run.net, steps=4).svg)
    except RuntimeError as error:
        say(f"no pictures: {error}")

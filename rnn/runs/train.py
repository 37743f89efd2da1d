"""Whole training runs: ``fit`` begins one, ``resume`` goes on with one that was interrupted.

A run is a pure function of its data, its network and its settings. What it depends on while it goes on is in its
checkpoint, so that a run that was killed at any moment and resumed ends with the same bytes of weights and metrics.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ...graph.errors import unknown
from ..data import DataError
from ..optim import Arrays
from ..tasks import Task
from . import checkpoint, files, folder
from .checkpoint import Saved
from .lock import LOCK, Lock
from .network import Network, Sizes, described, equations_of, find_network, restored
from .run import Run, read_run, same_data
from .session import Callback, Event, Session, complete
from .settings import Settings

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..define import Cell
    from ..tasks import Bound

__all__ = ["Event", "fit", "resume"]


def fit(
    data: str | Path | None = None,
    *,
    cell: str | Path | Cell | None = None,
    sizes: Mapping[str, int | tuple[int, ...]] | None = None,
    init: Mapping[str, Any] | None = None,
    run: str | Path | None = None,
    settings: Settings | None = None,
    callbacks: Iterable[Callback] | Callback = (),
    quiet: bool = False,
    as_json: bool = False,
    **changes: Any,
) -> Run:
    """Train a network on data and keep it in a run folder: what ``bptt train`` does.

    ::

        run = fit("corpus.txt", hidden=256, updates=2000, patience=5, seed=1)
        run = fit("corpus.txt", cell=rnn.gru, sizes={"h": 64}, run="runs/gru")

    data       a file or folder; what is learnt from it is seen by its content, unless the setting ``task`` says it;
               without it, the prose that CPython carries
    cell       a name that ``bptt cells`` lists, a file of equations, or a cell, with inputs x and y and a loss L;
               without it, the task's own network
    sizes      of the cell, by name, where data and settings do not give them
    init       initial values of parameters by name, as ``define`` takes them; they win over the network's own
    run        a new or empty folder; without it, runs/NAME-1 or the next free number
    settings   see ``Settings``; single ones may be given by name as ``changes``
    callbacks  functions that are called with an ``Event`` after each update
    quiet      print nothing; as_json: print one JSON object a line on standard output

    Ctrl-C finishes the update, saves, and returns the run so far (``run.interrupted``); a second one stops at once.
    With ``patience`` the weights of the best validation are the result, also of a run that is not stopped early; else
    the last ones.

    Raises DataError (data, settings, network, its equations), CircuitError (a network that cannot be cut into windows),
    RunError (folder), TrainingError (loss or gradient not finite; the folder then keeps the last good weights).
    """
    chosen, told = _chosen(settings, changes), _callbacks(callbacks)
    _check_types(data, sizes, init, run)
    if chosen.task:
        chosen = chosen.fitted(chosen.task)
    path = "" if data is None else os.path.abspath(data)
    if chosen.validation:
        chosen = replace(chosen, validation=os.path.abspath(chosen.validation))
    with _Beginning(run, "python" if data is None else Path(path).stem, quiet or as_json) as beginning:
        task = Task.of(path or None, chosen.for_task(), cache=beginning.symbols)
        chosen = chosen.fitted(task.name)
        network = find_network(cell, task).starting(init or {})
        net, bound_sizes = network.bound(task, sizes or {})
        bound = _checked(task, net, chosen)
        weights = net.init(seed=chosen.seed, dtype=chosen.dtype)
        place = beginning.claimed[0]
        configuration = _begin(place, task, network, bound_sizes, chosen, path, weights)
        made = Run(place, configuration, chosen, task, net, weights, 0)
        made.__dict__["bound"] = bound
        session = Session(made, Saved(0, weights), told, quiet, as_json)
        count = sum(w.size for w in weights.values())
        shown = ", ".join(f"{name}={size}" for name, size in bound_sizes.items())
        session.report.say(f"{_summary(task)}\n{net.name}({shown}): {count:,} weights; run {place}")
        return session.go()


def resume(
    run: str | Path,
    updates: int | None = None,
    *,
    callbacks: Iterable[Callback] | Callback = (),
    quiet: bool = False,
    as_json: bool = False,
) -> Run:
    """Go on with a run from its last save, to the same bytes as if it had never been interrupted.

    updates  another number of updates than the run was begun with; it also changes what of the learning rate's
             schedule is still to come. A run that has ended, or was stopped early, goes on only if it is given.

    Raises RunError (folder), DataError where the data are not those that the run began with, TrainingError.
    """
    folder.read_configuration(run)
    place, told = Path(run), _callbacks(callbacks)
    with folder.locked(place):
        folder.tidy(place)
        found, saved = read_run(place)
        if updates is not None:
            found.settings = _more_updates(found, saved, updates)
            saved.progress.stopped, saved.progress.waited = "", 0
        if saved.update and not saved.optimiser:
            raise files.RunError(
                f"{place / folder.WEIGHTS}: expected all that training needs, got the weights of update {saved.update}"
                f" alone, as {folder.BEST} holds them: the run can predict with them; to train, begin a new run"
            )
        if not complete(found, saved):
            found.task = same_data(found)
            found.__dict__.pop("bound", None)
        if updates is not None:
            found.configuration["settings"] = found.settings.table()
            folder.configure(place, found.configuration)
        return Session(found, saved, told, quiet, as_json).go()


# ---- what was given ------------------------------------------------------------------------------
def _chosen(settings: Settings | None, changes: Mapping[str, Any]) -> Settings:
    """The settings, with single ones changed. Raises DataError for one that there is not, with the nearest name."""
    if not isinstance(settings, Settings | None):
        raise TypeError(f"settings: expected rnn.Settings(…), got {settings!r}; single ones are given by their names")
    known = [*list(signature(fit).parameters)[:-1], *(f.name for f in fields(Settings))]
    for name in changes:
        if name not in known:
            raise DataError(unknown(f"rnn.fit has no argument and no setting {name!r}", name, known, "there are"))
    return Settings.of({**asdict(settings or Settings()), **changes})


def _check_types(data: Any, sizes: Any, init: Any, run: Any) -> None:
    if not isinstance(data, str | Path | None):
        raise TypeError(
            f"data: expected the path of a file or folder, got {type(data).__name__}; arrays are for rnn.Trainer"
        )
    if data == "":
        raise DataError("data: expected the path of a file or folder, got an empty text; None is the prose of Python")
    if not isinstance(run, str | Path | None):
        raise TypeError(f"run: expected the path of a new folder, got {run!r}")
    if not isinstance(sizes, Mapping | None) or not all(isinstance(name, str) for name in sizes or ()):
        raise TypeError(f"sizes: expected name -> size, such as {{'h': 32}}, got {sizes!r}")
    if not isinstance(init, Mapping | None) or not all(isinstance(name, str) for name in init or ()):
        raise TypeError(f"init: expected parameter -> initial value, such as {{'b_f': 1.0}}, got {init!r}")


def _callbacks(callbacks: Any) -> list[Callback]:
    """The functions that are called after each update. Raises TypeError for what is no list of functions."""
    found = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for one in found:
        if not callable(one):
            raise TypeError(f"callbacks: expected functions of an event, such as [tell], got {one!r}")
    return found


# ---- beginning -----------------------------------------------------------------------------------
class _Beginning:
    """The folder of a new run: claimed when something is to be written into it, which symbols of a large text are
    before it is known whether they can be trained on; where they cannot, it is given back as it was."""

    def __init__(self, run: str | Path | None, stem: str, quiet: bool) -> None:
        self._run, self._stem, self._quiet = run, stem, quiet
        self._new = run is None or not Path(run).exists()

    @cached_property
    def claimed(self) -> tuple[Path, Lock]:
        """The folder and its lock, see ``folder.claim``."""
        return folder.claim(self._run, self._stem)

    def symbols(self) -> Path:
        """Where the symbols of a text larger than memory are kept."""
        path = self.claimed[0] / folder.SYMBOLS[0]
        if not self._quiet:
            print(f"reading a text larger than --memory; its symbols go into {path}", file=sys.stderr, flush=True)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if "claimed" not in self.__dict__:
            return
        place, lock = self.claimed
        if kind is not None and not any((place / name).exists() for name in (*folder.FIRST, folder.CONFIGURATION)):
            with suppress(OSError):
                for name in (*folder.SYMBOLS, LOCK):
                    (place / name).unlink(missing_ok=True)
                if self._new:
                    place.rmdir()
        lock.release()


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
    equations = equations_of(network)
    kept = json.dumps(task.save(), ensure_ascii=False, indent=1) + "\n"
    described_network = described(network)
    configuration = {
        "network": described_network["network"],
        "sizes": dict(sizes),
        "init": described_network["init"],
        "settings": settings.table(),
        "data": {"path": path, **task.about},
        "checksums": {folder.EQUATIONS: files.checksum(equations), folder.TASK: files.checksum(kept)},
        "versions": folder.versions(),
    }
    files.write(place / folder.EQUATIONS, equations)
    files.write(place / folder.TASK, kept)
    checkpoint.save(place, Saved(0, weights))
    folder.configure(place, configuration)
    return configuration


def configured(path: str | Path) -> dict[str, Any]:
    """The arguments of ``fit`` that run.toml holds: data, cell, sizes, init, settings.

    Raises RunError where it is damaged or of another version, or its network cannot be made again from a file.
    """
    file = Path(path)
    if not file.exists():
        raise files.RunError(f"{path}: expected a run folder or its {folder.CONFIGURATION}, there is no such file")
    if file.is_dir():
        file = file / folder.CONFIGURATION
    found = folder.read_configuration_file(file)
    cell: Any = found["network"].get("cell", "")
    from ..cells import CELLS

    if cell and cell not in CELLS:
        text = folder.read_text(file.parent, folder.EQUATIONS, found)
        cell = restored(file, found, text, again=True)
    return {
        "data": found["data"].get("path") or None,
        "cell": cell or None,
        "sizes": {name: tuple(n) if isinstance(n, list) else n for name, n in found["sizes"].items()},
        "init": found.get("init", {}),
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

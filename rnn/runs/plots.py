"""Learning curves: of one run, as its folder keeps them, and of several runs in one plot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import DataError
from ..figures import REPEATABLE, checked_format, image_of, write_image
from ..tasks import Forecaster, Task
from . import files, folder, logs
from .report import BITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#005A9C", "#C8102E", "#007A33", "#B8860B", "#6F2DA8", "#008B8B", "#8B4513", "#555555")
WATCHED = ("validation_nats", "validation_accuracy", "validation_rmse", "validation_normalised_rmse")
"""The measures that can be drawn, the first that all runs have in one unit."""
LABELS = {
    "nats": "nats",
    "accuracy": "accuracy",
    "rmse": "root mean square error",
    "normalised_rmse": "root mean square error in standard deviations",
}


def loss_plot(place: Path) -> Path:
    """Draw loss.svg from the metrics: the loss in training, and the measure of validation, over the updates."""
    metrics = logs.read_metrics(place)
    measure = _measure([metrics])
    own = measure != "validation_nats"  # not in the unit of the loss: an axis of its own
    figure = _figure()
    axes = figure.subplots()
    lines = axes.plot(*_points(metrics, "loss"), label="training loss", color="#777777", linewidth=1.2)
    below: Axes = axes.twinx() if own and measure else axes
    if measure:
        lines += below.plot(
            *_points(metrics, measure), label="validation", color=COLOURS[0], marker="o", markersize=4, linewidth=1.2
        )
    axes.set_xlabel("update")
    axes.set_ylabel("loss" if own else "nats")
    if own and measure:
        below.set_ylabel(_label(measure))
    elif measure and "bits" in metrics[0]:
        axes.secondary_yaxis("right", functions=(_bits, _nats)).set_ylabel("bits")
    axes.grid(alpha=0.3)
    axes.legend(handles=lines, frameon=False)
    files.write(place / folder.LOSS, _image(figure, "svg"))
    return place / folder.LOSS


def curves(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Draw the learning curves of several runs into one file (svg, png or pdf): validation bold, training thin.

    Raises DataError for a file of another kind and runs that measure nothing in common in one unit, RunError for a
    folder that is no run or cannot be written.
    """
    path = Path(out)
    kind = checked_format(path)
    if not runs:
        raise DataError("expected the folders of one or more runs, got none")
    found, counted = {}, {}
    for name, run in zip(_names(runs), runs, strict=True):
        counted[name] = _counted(Path(run), folder.read_configuration(run))
        found[name] = logs.read_metrics(Path(run))
    units = set(filter(None, counted.values()))
    measure = _measure(found.values(), len(units) < 2)
    trained = measure in (None, "validation_nats")  # in the unit of the loss
    if trained and len(units) > 1:
        each = ", ".join(f"a {unit} ({name})" for name, unit in counted.items() if unit)
        raise DataError(f"expected runs whose loss is of one unit, got nats {each}; draw them apart")
    if measure is None and not all(any("loss" in record for record in metrics) for metrics in found.values()):
        raise DataError(f"nothing to draw: of {', '.join(found)} some have no metrics in common yet")
    figure = _figure()
    axes = figure.subplots()
    for i, (name, metrics) in enumerate(found.items()):
        colour = COLOURS[i % len(COLOURS)]
        if trained:
            label = name if measure is None else None
            axes.plot(*_points(metrics, "loss"), color=colour, linewidth=0.8, alpha=0.5, label=label)
        if measure:
            style = "-" if i < len(COLOURS) else "--"
            points = _points(metrics, measure)
            axes.plot(*points, label=name, color=colour, linestyle=style, marker="o", markersize=3.5, linewidth=1.6)
    axes.set_xlabel("update")
    unit = f" a {units.pop()}" if measure == "validation_nats" and units else ""
    axes.set_ylabel(_label(measure, unit) if measure else "training loss")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, title="thin: training" if trained and measure else None)
    return write_image(path, _image(figure, kind))


def _names(runs: Sequence[str | Path]) -> list[str]:
    """Short names of the runs: their folder's, with as many folders above as it takes to tell them apart."""
    parts = [Path(os.path.abspath(run)).parts for run in runs]
    depth = 1
    while len({part[-depth:] for part in parts}) < len(set(parts)):
        depth += 1
    return [str(Path(*part[-depth:])) for part in parts]


def _counted(place: Path, configuration: dict[str, Any]) -> str:
    """What the loss of a run counts: "character", "word's tag", "value of price"; "" where it is not known."""
    if folder.TASK not in configuration["checksums"]:
        return ""
    task = Task.restore(folder.read_json(place, folder.TASK, configuration))
    if isinstance(task, Forecaster):
        return f"{task.item} of {', '.join(task.target)}"
    return task.item if task.predicted == "symbol" else f"{task.item}'s {task.predicted}"


def _measure(runs: Iterable[list[dict[str, Any]]], one_unit: bool = True) -> str | None:
    """The first measure that all runs have; of runs of several units, one that has none, if there is one."""
    kept = [{name for record in metrics for name in record} for metrics in runs]
    common = [name for name in WATCHED if all(name in names for names in kept)]
    without = [name for name in common if name in ("validation_accuracy", "validation_normalised_rmse")]
    return next(iter(common if one_unit else without or common), None)


def _points(metrics: Iterable[dict[str, Any]], key: str) -> tuple[list[int], list[float]]:
    points = [(record["update"], record[key]) for record in metrics if record.get(key) is not None]
    return [update for update, _ in points], [value for _, value in points]


def _label(measure: str, unit: str = "") -> str:
    name = measure.removeprefix("validation_")
    return f"{LABELS.get(name, name)}{unit} in validation"


def _bits(nats: Any) -> Any:
    return nats * BITS


def _nats(bits: Any) -> Any:
    return bits / BITS


def _figure() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 4.0), layout="constrained")


def _image(figure: Figure, kind: str) -> bytes:
    """The picture; the same data give the same bytes."""
    from matplotlib import rc_context

    with rc_context(REPEATABLE):
        return image_of(figure, kind, dpi=160)

"""Forecasters: the next values of a numeric series."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Again, Array, Batch, DataError, Normalisation, Stream, read_series, spread
from ..data.series import Series
from .base import Main, Task, named, names_of
from .bound import Bound
from .measures import Totals, error_totals, square_measures, square_totals
from .networks import FORECASTER
from .settings import TaskSettings


class Forecaster(Task):
    """Predicts the next values of a series from all before them; the loss counts values.

    Columns are read as (value − mean) / scale, fitted to the training part, and forecast in the same way; forecasts
    are in the data's own units, and so is the error of each column, ``rmse`` (of several, ``rmse_COLUMN``), while
    ``mse`` and ``normalised_rmse``, over all columns, are in scales. The first ``share`` is trained on, in ``batch``
    rows side by side; the rest validates, as one row from the initial state (of a long one ``validation_steps``).
    """

    name = "forecaster"
    main = Main("mse")
    carried = True
    symbolic = False
    predicted = "column that is forecast"
    item = "value"

    def __init__(
        self, columns: tuple[str, ...], target: tuple[str, ...], normalisation: Normalisation, settings: TaskSettings
    ):
        super().__init__(settings)
        self.columns, self.target, self.normalisation = columns, target, normalisation
        self._places = [columns.index(name) for name in target]
        self.reads, self.predicts = len(columns), len(target)

    @classmethod
    def read(cls, path: Path, settings: TaskSettings) -> Forecaster:
        """The task of a table of numbers or an NPY file."""
        series = read_series(path, settings.columns)
        target = _target(path, series, settings.target)
        before, after = _parts(path, series, settings)
        task = cls(series.columns, target, Normalisation.of(before), settings)
        with named(settings.validation or f"{path}, the part to validate with"):
            later_x, later_y = task._pair(after)
        with named(str(path)):
            x, y = task._pair(before)
            task._training = Stream(x, settings.batch, settings.window, settings.reach, targets=y, unit="step")
        task._validation = Again(lambda: spread(later_x, settings.validation_steps, targets=later_y))
        persistence = task.measures(task.persistence(later_x, later_y))
        task.about = {
            "source": str(path),
            "steps": len(before),
            "validation_steps": len(after),
            **{f"persistence_{name}": value for name, value in persistence.items()},
            "sha256": _digest(series.values),
        }
        if settings.validation:
            task.about["validation_sha256"] = _digest(after)
        return task

    def _pair(self, values: Array) -> tuple[Array, Array]:
        """What is read at each step, and what comes next."""
        numbers = self.normalisation.apply(values)
        return numbers[:-1], numbers[1:, self._places]

    def persistence(self, x: Array, y: Array) -> Totals:
        """Sums of what is now, x […, n], taken as a forecast of what comes next, y […, m]."""
        errors = y.reshape(-1, self.predicts) - x.reshape(-1, self.reads)[:, self._places]
        return error_totals(errors.astype(np.float64))

    @property
    def equations(self) -> str:
        return FORECASTER

    def totals(self, batch: Batch, scores: Array, loss: str) -> Totals:
        return square_totals(batch, scores)

    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        return square_measures(totals, self.target, self.normalisation.pick(self._places).scale)

    def predict(
        self, bound: Bound, reader: Any, weights: Mapping[str, Array], given: Any, steps: int = 1
    ) -> NDArray[np.float64]:
        """The ``steps`` values after ``given`` [N, n] (one column: [N]), all in the data's own units: [steps, m].

        For more than one step each forecast is read as the step that it forecasts, so every column has to be
        forecast. Raises DataError where it is not, and for values that are none or not finite.
        """
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise DataError(f"the number of steps to forecast is a whole number of at least 1, got {steps!r}")
        if steps > 1 and self.target != self.columns:
            raise DataError(
                f"only {', '.join(self.target)} of {', '.join(self.columns)} are forecast, and what comes after a"
                " forecast needs all of them: ask for one step, or train to forecast every column"
            )
        x = self.normalisation.apply(self._given(given))[:, None]
        units = self.normalisation.pick(self._places)
        found: list[Array] = []
        state, position = None, 1
        while True:
            out = reader(weights, x=bound.fit_x(x), initial=state, start=position)
            found.append(np.asarray(out.value[bound.scores.name][-1, 0], np.float64).reshape(-1))
            if len(found) == steps:
                return units.undo(np.array(found))
            state, position, x = out.final, position + len(x), found[-1][None, None]

    def _given(self, given: Any) -> NDArray[np.float64]:
        try:
            values = np.asarray(given, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"expected values [N, {self.reads}] of {', '.join(self.columns)}, the oldest first, got what is no"
                f" array of numbers: {error}"
            ) from error
        values = values[:, None] if values.ndim == 1 and self.reads == 1 else values
        if values.ndim != 2 or values.shape[1] != self.reads or not len(values) or not np.isfinite(values).all():
            raise DataError(
                f"expected finite values [N, {self.reads}] of {', '.join(self.columns)}, the oldest first, got an"
                f" array {list(np.shape(given))}"
            )
        return values

    def save(self) -> dict[str, Any]:
        return {
            "task": self.name,
            "columns": list(self.columns),
            "target": list(self.target),
            "normalisation": self.normalisation.save(),
        }

    @classmethod
    def restored(cls, kept: Mapping[str, Any], settings: TaskSettings) -> Forecaster:
        """The task that ``save`` described."""
        columns, target = names_of(kept, "columns"), names_of(kept, "target")
        normalisation = Normalisation.restore(kept.get("normalisation"))
        if not set(target) <= set(columns) or len(normalisation.mean) != len(columns):
            raise DataError("expected the columns that are forecast among those that are read, and a mean for each")
        return cls(columns, target, normalisation, settings)


def _target(path: Path, series: Series, asked: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in asked.split(",") if name.strip())
    for name in names:
        if name not in series.columns or names.count(name) > 1:
            known = ", ".join(series.columns)
            raise DataError(
                f"{path}: expected the columns to forecast among those read, {known}; got {asked!r}:"
                " --columns names those that are read"
            )
    return names or series.columns


def _parts(path: Path, series: Series, settings: TaskSettings) -> tuple[Array, Array]:
    if settings.validation:
        other = read_series(settings.validation, settings.columns)
        if other.columns != series.columns:
            raise DataError(
                f"{settings.validation}: expected the columns {', '.join(series.columns)} of {path},"
                f" got {', '.join(other.columns)}"
            )
        return _long_enough(path, series.values, "train on"), _long_enough(Path(settings.validation), other.values)
    cut = int(len(series.values) * settings.share)
    return _long_enough(path, series.values[:cut], "train on"), _long_enough(path, series.values[cut:])


def _long_enough(path: Path, values: Array, what: str = "validate with") -> Array:
    if len(values) < 2:
        raise DataError(f"{path}: expected at least two steps to {what}, got {len(values)}; give more data")
    return values


def _digest(values: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()

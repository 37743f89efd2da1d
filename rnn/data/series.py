"""Numeric series: tables of numbers (CSV, NPY), and the mean and scale by which networks read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batches import Array, DataError
from .sentences import Row, column, table

Numbers = NDArray[np.float64]
LARGEST = 1e300
"""The largest magnitude that is read: differences of such values, and forecasts far beside them, are finite."""
FAR = 1e18
"""So many scales from the mean, at most, lies what a network reads: its square is finite in float32."""


@dataclass(frozen=True, eq=False)
class Series:
    """Values [N, n] over time in the data's own units, the oldest first, and the names of their columns."""

    values: Numbers
    columns: tuple[str, ...]


def read_series(path: str | Path, columns: str = "") -> Series:
    """The numbers of a CSV, TSV or NPY file, all its columns or those that ``columns`` names.

    columns   names of the header, or numbers from 1, separated by commas

    A first row in which a chosen cell is no number is a header. NPY holds [N] or [N, n] whole or real numbers.
    Raises DataError, with the file, the line and the column, for a cell that is no finite number or lies beyond
    ±LARGEST, and for a file without a row of numbers.
    """
    path = Path(path)
    return _read_npy(path, columns) if path.suffix.lower() == ".npy" else _read_table(path, columns)


def _chosen(path: Path, header: Sequence[str] | None, width: int, columns: str) -> list[int]:
    wanted = [name.strip() for name in columns.split(",") if name.strip()]
    found = [column(path, header, width, name, "a column") for name in wanted]
    if len(set(found)) < len(found):
        raise DataError(f"{path}: expected each column once, got {columns!r}")
    return found or list(range(width))


def _read_table(path: Path, columns: str) -> Series:
    rows = table(path, "a table of numbers")
    first = [cell.strip() for cell in rows[0][1]]
    header = first if any(number_of(cell) is None for cell in first) and not _is_row(path, first, columns) else None
    chosen = _chosen(path, header, len(first), columns)
    names = header or [str(i + 1) for i in range(len(first))]
    values = [_numbers(path, row, chosen, names) for row in rows[1 if header else 0 :]]
    if not values:
        raise DataError(f"{path}: expected rows of numbers, got the names of columns alone: {', '.join(names)}")
    return Series(np.array(values, dtype=np.float64).reshape(len(values), len(chosen)), tuple(names[i] for i in chosen))


def _is_row(path: Path, first: list[str], columns: str) -> bool:
    """Whether the chosen cells of a first row are numbers, though others are not."""
    try:
        chosen = _chosen(path, None, len(first), columns)
    except DataError:  # they are named: there is a header
        return False
    return bool(columns) and all(number_of(first[i]) is not None for i in chosen)


def number_of(cell: str) -> float | None:
    """The number in a cell; None where there is none."""
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None


def _numbers(path: Path, row: Row, chosen: Sequence[int], names: Sequence[str]) -> list[float]:
    number, cells = row
    found = []
    for i in chosen:
        value = number_of(cells[i])
        if value is None or not np.isfinite(value):
            others = [names[j] for j in chosen if j != i and number_of(cells[j]) is not None]
            mend = f", or name the columns to read, e.g. --columns {','.join(others)}" if others else ""
            raise DataError(
                f"{path}, line {number}, column {names[i]}: expected a finite number, got {cells[i]!r};"
                f" fill it in, remove the row{mend}"
            )
        if abs(value) > LARGEST:
            place = f"{path}, line {number}, column {names[i]}"
            raise DataError(f"{place}: {_too_large(cells[i])}, remove the row, or scale the column")
        found.append(value)
    return found


def _read_npy(path: Path, columns: str) -> Series:
    try:
        with open(path, "rb") as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: expected an NPY file, got: {error.strerror or error}") from error
    except (ValueError, MemoryError, TokenError, RecursionError) as error:
        # no NPY, cut short, or of Python objects: these would be executed
        raise DataError(
            f"{path}: expected an NPY file of numbers, got: {error};"
            " write it with numpy.save from an array of float64 (arrays of Python objects are never loaded)"
        ) from error
    if array.dtype.kind not in "iufb" or array.ndim not in (1, 2) or not array.size:
        got = f"{array.dtype} {list(array.shape)}"
        raise DataError(f"{path}: expected whole or real numbers [N] or [N, n], got {got}; reshape or convert it")
    values = array.astype(np.float64).reshape(len(array), -1)
    chosen = _chosen(path, None, values.shape[1], columns)
    values = values[:, chosen]
    if not np.isfinite(values).all():
        row, place = np.argwhere(~np.isfinite(values))[0]
        raise DataError(
            f"{path}, row {row + 1}, column {chosen[place] + 1}: expected a finite number, got {values[row, place]};"
            " fill it in, or cut the series"
        )
    if (np.abs(values) > LARGEST).any():
        row, place = np.argwhere(np.abs(values) > LARGEST)[0]
        said = f"{path}, row {row + 1}, column {chosen[place] + 1}"
        raise DataError(f"{said}: {_too_large(values[row, place])}, or scale the series")
    return Series(values, tuple(str(i + 1) for i in chosen))


def _too_large(got: Any) -> str:
    return (
        f"expected a number between {-LARGEST:g} and {LARGEST:g}, got {got}; if it stands for a missing value, fill"
        " that in"
    )


# ---- normalisation -------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Normalisation:
    """Per column the mean and the scale of the training part: what a network reads is (value − mean) / scale.

    The scale is the standard deviation, and 1 for a column that does not vary.
    """

    mean: Numbers
    scale: Numbers

    @classmethod
    def of(cls, values: Numbers) -> Normalisation:
        """Fitted to values [N, n], of magnitudes up to LARGEST."""
        _, exponents = np.frexp(np.abs(values).max(axis=0))
        parts = np.ldexp(values, -exponents)  # whose sums do not overflow, and whose squares do not all underflow
        mean, scale = (np.ldexp(found, exponents) for found in (parts.mean(axis=0), parts.std(axis=0)))
        varies = scale > 1e-12 * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
        return cls(mean, np.where(varies, scale, 1.0))

    def apply(self, values: Array) -> Numbers:
        """Values [N, n] of the data as the network reads them.

        Raises DataError, with the row, for one that is further than FAR scales from the mean.
        """
        with np.errstate(over="ignore"):
            found = np.asarray((values - self.mean) / self.scale)
        if not (np.abs(found) <= FAR).all():
            row, place = np.argwhere(~(np.abs(found) <= FAR))[0]
            raise DataError(
                f"row {row + 1} of the numbers: expected values like those that were trained on (mean"
                f" {self.mean[place]:.4g}, scale {self.scale[place]:.4g}), got {values[row, place]:g}; mend the row"
            )
        return found

    def undo(self, values: Array) -> Numbers:
        """[…, n] of the network in units of the data."""
        return np.asarray(values * self.scale + self.mean)

    def pick(self, chosen: Sequence[int]) -> Normalisation:
        """That of some of the columns."""
        return Normalisation(self.mean[list(chosen)], self.scale[list(chosen)])

    def save(self) -> dict[str, Any]:
        """Plain JSON, exact."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def restore(cls, kept: Any) -> Normalisation:
        """What ``save`` described. Raises DataError where it is nothing of that kind."""
        try:
            mean, scale = (np.array(kept[name], dtype=np.float64) for name in ("mean", "scale"))
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(f"expected a mean and a scale for each column, got {kept!r:.80}") from error
        if mean.ndim != 1 or mean.shape != scale.shape or not np.isfinite([mean, scale]).all() or (scale <= 0).any():
            raise DataError(f"expected a mean and a scale above 0 for each column, got {kept!r:.80}")
        return cls(mean, scale)

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


@dataclass(frozen=True, eq=False)
class Series:
    """Values [N, n] over time in the data's own units, the oldest first, and the names of their columns."""

    values: Numbers
    columns: tuple[str, ...]


def read_series(path: str | Path, columns: str = "") -> Series:
    """The numbers of a CSV, TSV or NPY file, all its columns or those that ``columns`` names.

    columns   names of the header, or numbers from 1, separated by commas

    A first row in which a chosen cell is no number is a header. NPY holds [N] or [N, n] whole or real numbers.
    Raises DataError, with the line and the column, for a cell that is no finite number.
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
    return Series(values, tuple(str(i + 1) for i in chosen))


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
        """Fitted to values [N, n]."""
        mean, scale = values.mean(axis=0), values.std(axis=0)
        varies = scale > 1e-12 * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
        return cls(mean, np.where(varies, scale, 1.0))

    def apply(self, values: Array) -> Numbers:
        """[…, n] in units of the data as the network reads them."""
        return np.asarray((values - self.mean) / self.scale)

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

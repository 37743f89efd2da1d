"""What figures have in common: how they look, and how they are written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .data import DataError

COLOURS = ("#005A9C", "#B5482A", "#3B7A3B", "#7A4FA3", "#8A6D00", "#5B5B5B")
FORMATS = ("svg", "png", "pdf")


@contextmanager
def look() -> Iterator[None]:
    """Within it figures are made: a plain face, text as text, the same bytes for the same figure."""
    from matplotlib import rc_context

    with rc_context(
        {
            "svg.hashsalt": "bptt",
            "svg.fonttype": "none",
            "pdf.fonttype": 42,
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "mathtext.fontset": "cm",
        }
    ):
        yield


def write_figure(figure: Any, path: str | Path) -> Path:
    """Write a figure; the suffix says the format. Raises DataError for one that is none of ``FORMATS``."""
    from .folder import write

    path = Path(path)
    form = checked_format(path)
    image = io.BytesIO()
    about = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[form]
    figure.savefig(image, format=form, metadata=about, dpi=200)
    write(path, image.getvalue())
    return path


def checked_format(path: Path, formats: tuple[str, ...] = FORMATS) -> str:
    """The format that a file's suffix says."""
    form = path.suffix.removeprefix(".").lower()
    if form not in formats:
        kinds = ", ".join(f".{f}" for f in formats)
        raise DataError(f"{path}: expected a file that ends in one of {kinds}, got {path.suffix or 'no suffix'!r}")
    return form

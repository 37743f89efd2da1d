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
REPEATABLE: Any = {"svg.hashsalt": "bptt", "svg.fonttype": "none", "font.family": "sans-serif"}
"""Text as text, and the same bytes for the same figure."""


@contextmanager
def look() -> Iterator[None]:
    """Within it figures are made: a plain face, text as text, the same bytes for the same figure."""
    from matplotlib import rc_context

    with rc_context(
        {
            **REPEATABLE,
            "pdf.fonttype": 42,
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "mathtext.fontset": "cm",
        }
    ):
        yield


def write_figure(figure: Any, path: str | Path) -> Path:
    """Write a figure; the suffix says the format. Raises as ``write_image``, DataError for none of ``FORMATS``."""
    path = Path(path)
    return write_image(path, image_of(figure, checked_format(path)))


def write_image(path: Path, content: bytes) -> Path:
    """Write a picture, as a whole, and the folder for it where there is none. Raises RunError where that fails."""
    from .runs.files import write, writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write(path, content)
    return path


def image_of(figure: Any, form: str, dpi: int = 200) -> bytes:
    """The content of a figure's file, without dates and versions."""
    image = io.BytesIO()
    about = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}[form]
    figure.savefig(image, format=form, metadata=about, dpi=dpi)
    return image.getvalue()


def checked_format(path: Path, formats: tuple[str, ...] = FORMATS) -> str:
    """The format that a file's suffix says. Raises DataError for one that is none of ``formats``."""
    form = path.suffix.removeprefix(".").lower()
    if form not in formats:
        kinds = ", ".join(f".{f}" for f in formats)
        raise DataError(f"{path}: expected a file that ends in one of {kinds}, got {path.suffix or 'no suffix'!r}")
    return form

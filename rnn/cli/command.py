"""What the commands of the command line have in common."""

from __future__ import annotations

import argparse
from typing import Any

from ..data import UNKNOWN, DataError


def command(commands: Any, name: str, run: Any, text: str, **more: Any) -> argparse.ArgumentParser:
    """Add a command that calls ``run`` with what was given."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, **more)
    parser.set_defaults(command=run, parser=parser)
    return parser


def initial(text: str) -> tuple[str, float | str]:
    """How a parameter starts, from the command line, NAME=NUMBER or NAME=RULE. Raises DataError for anything else."""
    name, equals, rule = text.partition("=")
    if not (name.isidentifier() and equals and rule):
        raise DataError(f"--init: expected NAME=RULE, such as b_f=1 or W=orthogonal; got {text!r}")
    try:
        return name, float(rule)
    except ValueError:
        return name, rule


def size(text: str) -> tuple[str, int | tuple[int, ...]]:
    """A size of a cell from the command line, NAME=N or NAME=N,M. Raises DataError for anything else."""
    name, equals, numbers = text.partition("=")
    sizes = [int(n) if n.isdecimal() else 0 for n in numbers.split(",")]
    if not (name.isidentifier() and equals and all(sizes)):
        raise DataError(
            "--size: expected NAME=N with a whole number of at least 1, such as h=32 (or W=3,4 for a matrix);"
            f" got {text!r}"
        )
    return name, sizes[0] if len(sizes) == 1 else tuple(sizes)


def add_unknown(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says what becomes of symbols that the run's vocabulary lacks."""
    parser.add_argument(
        "--unknown",
        default="",
        choices=UNKNOWN,
        help="symbols that the run's vocabulary lacks: refuse them by name, or map them to the unknown symbol (default:"
        " as the run was trained, which refuses them unless it was told otherwise)",
    )

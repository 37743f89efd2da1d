"""Commands on networks: ``bptt draw | explain | cells``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graph.errors import CircuitError, LanguageError, did_you_mean
from ..data import DataError, read_text
from ..runs.folder import CONFIGURATION
from . import inspect
from .command import command, size

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..runs.run import Run

FORMATS = ("svg", "png", "pdf", "dot")


def add(commands: Any) -> None:
    """Add these commands, and those of ``inspect``."""
    _add_draw(commands)
    inspect.add_explain(commands)
    inspect.add_activations(commands)
    command(commands, "cells", cells, "List the cells that come with bptt.")


def add_network(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which network."""
    parser.add_argument("cell", help="a name that bptt cells lists, a text file of equations, or a run folder")
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME=N",
        help="a size, e.g. h=32; may be repeated (by default they are small, a run has its own)",
    )


# ---- which network ---------------------------------------------------------------------------------
def network(name: str, sizes: Sequence[str], units: int = 4) -> tuple[Circuit, Run | None]:
    """The circuit of a cell that comes with bptt, of a text file of equations, or of a run, at sizes like "h=32".

    Capitals do not matter in the name of a cell. Sizes that are not given are small, ``units`` of a signal; of a file
    standard error says which were taken. Raises DataError, which names the file, for equations that mean nothing, for
    a name that is none of these, or for a size that is none; RunError for a damaged run.
    """
    from ..cells import CELLS

    given = dict(map(size, sizes))
    path = Path(name)
    known = name if name in CELLS else name.lower()
    if known in CELLS and not (known != name and path.exists()):
        recipe = CELLS[known]
        cell = recipe.cell(known)
        signals = {n: max(units, s) for n, s in recipe.sizes.items() if n in cell.signals and isinstance(s, int)}
        wished = {**signals, **{n: s for n, s in recipe.sizes.items() if n not in signals}}
        return cell(**cell.small(given, units, wished)), None
    if path.is_dir():
        return _run(path, sizes)
    if not (path.suffix or path.exists()):
        near = did_you_mean(name, _nearby(path)) or did_you_mean(name.lower(), CELLS)
        raise DataError(
            f"{name!r} is neither a cell that bptt cells lists, nor a file of equations, nor a run folder;"
            f" {near or 'bptt cells lists those that there are, such as elman, gru and lstm'}"
        )
    return _of_file(path, given, units), None


def _nearby(path: Path) -> list[str]:
    """The files of equations and run folders that lie where this one would."""
    try:
        beside = sorted(path.parent.iterdir())
    except OSError:
        return []
    return [str(p) for p in beside if p.suffix == ".txt" or (p / CONFIGURATION).exists()]


def _of_file(path: Path, given: dict[str, Any], units: int) -> Circuit:
    """The circuit of a text file of equations."""
    from ..define import define

    try:
        text = read_text(path)
    except DataError as error:  # its mend is that of a text to learn
        raise DataError(f"{str(error).partition('; ')[0]}; give a text file of equations") from error
    if "=" not in text:
        raise DataError(f"{path}: expected equations, such as h[t] = tanh(W @ h[t-1] + x[t]); no line of it has a =")
    try:
        cell = define(text, name=path.stem)
    except LanguageError as error:
        raise DataError(f"{path}: {error}") from error
    try:
        sizes = cell.small(given, units)
        net = cell(**sizes)
    except LanguageError as error:
        hint = "\n  here: a size is given as --size NAME=N, such as --size h=32" if given else ""
        raise DataError(f"{path}: {error}{hint}") from error
    except CircuitError as error:
        raise DataError(f"{path}: {error}") from error
    taken = [f"{n}={_written(s)}" for n, s in sizes.items() if n not in given]
    if taken:
        flags = " ".join(f"--size {one}" for one in taken)
        print(f"bptt: {path}: small sizes are taken, as by {flags}", file=sys.stderr)
    return net


def _written(size: Any) -> str:
    return ",".join(map(str, size)) if isinstance(size, tuple) else str(size)


def _run(folder: Path, sizes: Sequence[str]) -> tuple[Circuit, Run]:
    """The network of a run, at its own sizes."""
    from ..runs.run import load

    if not (folder / CONFIGURATION).exists():
        raise DataError(f"{folder}: expected a run folder, with {CONFIGURATION}, or a file of equations; it is neither")
    if sizes:
        raise DataError(f"--size: {folder} is a run and has its sizes; they cannot be changed")
    run = load(folder)
    return run.net, run


# ---- draw ------------------------------------------------------------------------------------------
def _add_draw(commands: Any) -> None:
    parser = command(commands, "draw", draw, "Draw a network: its circuit, and unrolled over some steps.")
    add_network(parser)
    parser.add_argument("--steps", type=int, default=4, metavar="T", help="steps to unroll (default: %(default)s)")
    parser.add_argument("--all-steps", action="store_true", help="draw all of more than eight steps")
    parser.add_argument("--grad", action="store_true", help="with the backward edges")
    parser.add_argument("--operations", action="store_true", help="every operation, not one node a signal")
    parser.add_argument(
        "--norms",
        action="store_true",
        help="paint how large the gradient is on the edges through time: of a run on its validation data, of a cell"
        " at initial weights on random inputs",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="svg", help="what the files are (default: %(default)s)"
    )
    parser.add_argument(
        "--out", default=".", metavar="FOLDER", help="folder for the files, made if it is not there (default: here)"
    )


def draw(given: argparse.Namespace) -> None:
    """bptt draw"""
    from ...graph import draw_circuit, draw_unrolled

    if given.steps < 1:
        raise DataError(f"--steps: expected a number of at least 1, got {given.steps}")
    net, run = network(given.cell, given.size)
    name = net.name if run is None else Path(os.path.abspath(run.folder)).name  # all runs of a task have one network
    folder = Path(given.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out: expected a folder, or a place for one, at {folder}; got: {error.strerror}") from error
    steps: Mapping[str, int] | int = given.steps
    norms = None
    if given.norms:
        norms, steps = inspect.painted(net, run, given.steps)
    try:
        for kind, drawing in (
            ("circuit", draw_circuit(net, operations=given.operations)),
            (
                "unrolled",
                draw_unrolled(
                    net,
                    steps=steps,
                    grad=given.grad,
                    operations=given.operations,
                    ellipsis=not given.all_steps,
                    norms=norms,
                ),
            ),
        ):
            print(drawing.save(folder / f"{name}-{kind}.{given.format}"))
    except RuntimeError as error:  # no Graphviz: the message has the remedies
        raise DataError(str(error)) from error


# ---- cells -----------------------------------------------------------------------------------------
def cells(_: argparse.Namespace) -> None:
    """bptt cells"""
    from ..cells import CELLS

    width = max(map(len, CELLS))
    for name, recipe in CELLS.items():
        print(f"{name:{width}}  {recipe.about} [{recipe.source}]")

"""Commands on networks: ``bptt draw | explain | cells``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graph.errors import LanguageError, did_you_mean
from ..data import DataError, read_text
from .command import command

if TYPE_CHECKING:
    from ...graph.circuit import Circuit


def add(commands: Any) -> None:
    """Add these commands."""
    for name, run, text in (
        ("draw", draw, "Draw a network: its circuit, and unrolled over some steps, as SVG."),
        ("explain", explain, "Print a network's equations, its adjoint, and how it is scheduled."),
    ):
        parser = command(commands, name, run, text)
        parser.add_argument("cell", help="a name that bptt cells lists, or a text file of equations")
        parser.add_argument(
            "--size",
            action="append",
            default=[],
            metavar="NAME=N",
            help="a size, e.g. h=32; may be repeated (a listed cell has small ones by default)",
        )
        if name == "draw":
            parser.add_argument("--steps", type=int, default=4, help="steps to unroll (default: %(default)s)")
            parser.add_argument("--grad", action="store_true", help="with the backward edges")
            parser.add_argument("--out", default=".", help="folder for the files (default: here)")
    command(commands, "cells", cells, "List the cells that come with bptt.")


def network(name: str, sizes: Sequence[str]) -> Circuit:
    """The circuit of a cell that comes with bptt, or of a text file of equations, at sizes like "h=32".

    Sizes of a listed cell that are not given are small ones. Raises DataError for a name that is neither, or
    for a size that is none; LanguageError for the equations.
    """
    from ..cells import CELLS
    from ..define import define

    given = dict(map(_size, sizes))
    if name in CELLS:
        recipe = CELLS[name]
        return recipe.cell(name)(**{**recipe.sizes, **given})
    path = Path(name)
    if not (path.suffix or path.exists()):
        near = did_you_mean(name, CELLS)
        raise DataError(
            f"{name!r} is neither a cell that bptt cells lists nor a file of equations" + (f"; {near}" if near else "")
        )
    cell = define(read_text(path), name=path.stem)
    try:
        return cell(**given)
    except LanguageError as error:
        raise DataError(f"{error}\n  here: a size is given as --size NAME=N, such as --size h=32") from error


def _size(text: str) -> tuple[str, int | tuple[int, ...]]:
    name, equals, numbers = text.partition("=")
    sizes = [int(n) if n.isdecimal() else 0 for n in numbers.split(",")]
    if not (name.isidentifier() and equals and all(sizes)):
        raise DataError(
            "--size: expected NAME=N with a whole number of at least 1, such as h=32 (or W=3,4 for a matrix);"
            f" got {text!r}"
        )
    return name, sizes[0] if len(sizes) == 1 else tuple(sizes)


def draw(given: argparse.Namespace) -> None:
    """bptt draw"""
    from ...graph import draw_circuit, draw_unrolled
    from ..folder import write

    net = network(given.cell, given.size)
    folder = Path(given.out)
    if not folder.is_dir():
        raise DataError(f"--out: expected a folder, there is none at {given.out}")
    for kind, drawing in (
        ("circuit", draw_circuit(net)),
        ("unrolled", draw_unrolled(net, steps=given.steps, grad=given.grad)),
    ):
        path = folder / f"{net.name}-{kind}.svg"
        try:
            picture = drawing.svg
        except RuntimeError as error:  # no Graphviz: the message has the remedies
            raise DataError(str(error)) from error
        write(path, picture)
        print(path)


def explain(given: argparse.Namespace) -> None:
    """bptt explain"""
    from ... import compiler, graph

    net = network(given.cell, given.size)
    print(net)
    if "L" in net.eqs:
        adjoint = graph.grad(net, "L")
        new = adjoint.with_eqs({n: e for n, e in adjoint.eqs.items() if n not in net.eqs})
        print(f"\n# The adjoint: the gradient of L\n\n{new}")
        program = compiler.compile(net, loss="L")
    else:
        program = compiler.compile(net, loss=None, returns=tuple(net.outputs))
    print(f"\n# The schedule\n\n{program.explain()}")


def cells(_: argparse.Namespace) -> None:
    """bptt cells"""
    from ..cells import CELLS

    width = max(map(len, CELLS))
    for name, recipe in CELLS.items():
        print(f"{name:{width}}  {recipe.about} [{recipe.source}]")

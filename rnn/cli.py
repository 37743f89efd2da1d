"""The command line: ``bptt train | generate | score | draw | explain | cells``.

Standard output carries results, standard error progress and messages. What a user can mend ends with one
message and exit code 2; BPTT_DEBUG=1 shows the traceback as well.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..graph.errors import LanguageError, did_you_mean
from .data import DataError, read_text
from .train import Settings, TrainingError

if TYPE_CHECKING:
    from ..graph.circuit import Circuit

MENDABLE = (ValueError, OSError, ImportError, TrainingError)
"""What a user can mend: bad equations, texts and folders are ValueErrors."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0, 2 for an error that was explained, 130 after Ctrl-C."""
    given = _parser().parse_args(arguments)
    try:
        given.command(given)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: nothing is left to say, and Python must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("bptt: stopped", file=sys.stderr)
        return 130
    except MENDABLE as error:
        if os.environ.get("BPTT_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        print(f"bptt: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bptt", description="Recurrent networks written as equations.")
    parser.add_argument("--version", action="version", version=f"bptt {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_run_commands(commands)
    _add_cell_commands(commands)
    return parser


def _command(commands: Any, name: str, run: Any, text: str, **more: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, **more)
    parser.set_defaults(command=run)
    return parser


# -- training -----------------------------------------------------------------------------------------

TRAIN_HELP = {
    "vector": "size of the vector of a character",
    "hidden": "size of the state",
    "batch": "rows of text read side by side",
    "window": "characters a row in each update",
    "updates": "number of updates",
    "rate": "learning rate of Adam at the start",
    "decay": "how it falls: constant, linear or cosine",
    "clip": "largest global norm of a gradient",
    "seed": "seed of the initial weights",
    "share": "share of the text that is trained on",
    "report": "updates from one line of metrics to the next",
    "validate": "updates from one validation and save to the next",
    "sample": "characters of the sample that the run writes at its end",
    "target": "cpu, or interpret: NumPy without compilation, slow",
}


def _add_train(commands: Any) -> None:
    parser = _command(
        commands,
        "train",
        train,
        "Train a character language model (an LSTM written as equations) and keep it in a run folder.",
        epilog="Ctrl-C finishes the update and saves. A folder that holds anything is never written to.",
    )
    parser.add_argument(
        "text", nargs="?", help="a UTF-8 text file; without it, the prose every CPython carries"
    )
    parser.add_argument("--run", metavar="DIR", help="a new or empty folder (default: runs/NAME-1, -2, …)")
    for setting in fields(Settings):
        parser.add_argument(
            f"--{setting.name}",
            type=type(setting.default),
            default=setting.default,
            metavar=setting.name[0].upper(),
            help=f"{TRAIN_HELP[setting.name]} (default: %(default)s)",
        )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def train(given: argparse.Namespace) -> None:
    """bptt train"""
    from .train import fit

    settings = Settings(**{setting.name: getattr(given, setting.name) for setting in fields(Settings)})
    fit(given.text, run=given.run, settings=settings, quiet=given.quiet)


# -- runs ---------------------------------------------------------------------------------------------


def _add_run_commands(commands: Any) -> None:
    parser = _command(commands, "generate", generate, "Let a trained network write.")
    parser.add_argument("run", help="a run folder")
    parser.add_argument("--length", type=int, default=500, help="characters to write (default: %(default)s)")
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="0 takes the most probable (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed writes the same (default: %(default)s)"
    )
    parser.add_argument("--prompt", default="", help="how the text begins")
    parser = _command(commands, "score", score, "How probable a trained network finds a text.")
    parser.add_argument("run", help="a run folder")
    parser.add_argument("text", help="a UTF-8 text file")


def generate(given: argparse.Namespace) -> None:
    """bptt generate"""
    from .checkpoint import load

    run = load(given.run)
    unseen = run.vocabulary.unseen(given.prompt)
    if unseen:
        print(f"bptt: {unseen} characters of the prompt were not in the run's text", file=sys.stderr)
    print(run.generate(given.length, temperature=given.temperature, seed=given.seed, prompt=given.prompt))


def score(given: argparse.Namespace) -> None:
    """bptt score"""
    from .checkpoint import load

    found = load(given.run).score(read_text(given.text))
    print(f"log probability   {-found.nats:.3f} nats over {found.characters} characters")
    print(f"a character       {found.nats_per_character:.4f} nats, {found.bits_per_character:.4f} bits")
    print(f"perplexity        {found.perplexity:.3f}")
    if found.unseen:
        print(f"unseen            {found.unseen} characters that the run's text does not have")


# -- cells --------------------------------------------------------------------------------------------


def _add_cell_commands(commands: Any) -> None:
    for name, run, text in (
        ("draw", draw, "Draw a network: its circuit, and unrolled over some steps, as SVG."),
        ("explain", explain, "Print a network's equations, its adjoint, and how it is scheduled."),
    ):
        parser = _command(commands, name, run, text)
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
    _command(commands, "cells", cells, "List the cells that come with bptt.")


def network(name: str, sizes: Sequence[str]) -> Circuit:
    """The circuit of a cell that comes with bptt, or of a text file of equations, at sizes like "h=32".

    Sizes of a listed cell that are not given are small ones. Raises DataError for a name that is neither, or
    for a size that is none; LanguageError for the equations.
    """
    from .cells import CELLS
    from .define import define

    given = dict(map(_size, sizes))
    if name in CELLS:
        recipe = CELLS[name]
        return recipe.cell(name)(**{**recipe.sizes, **given})
    path = Path(name)
    if not (path.suffix or path.exists()):
        near = did_you_mean(name, CELLS)
        raise DataError(
            f"{name!r} is neither a cell that bptt cells lists nor a file of equations"
            + (f"; {near}" if near else "")
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
    from ..graph import draw_circuit, draw_unrolled
    from .folder import write

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
    from .. import compiler, graph

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
    from .cells import CELLS

    width = max(map(len, CELLS))
    for name, recipe in CELLS.items():
        print(f"{name:{width}}  {recipe.about} [{recipe.source}]")

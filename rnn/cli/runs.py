"""Commands that make runs and use them: ``bptt train | resume | generate | score | predict | plot``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from ..data import DataError
from ..runs.settings import Settings
from . import predict
from .command import add_unknown, command, initial, size

GROUPS = {
    "data": "the data",
    "network": "the network",
    "updates": "updates",
    "optimiser": "the optimiser",
    "schedule": "the learning rate",
    "output": "what is written when",
}


METAVARS = {"validation": "FILE", "separator": "TEXT", "columns": "NAMES", "forecast": "NAMES", "undecayed": "NAMES"}
"""What stands behind a flag in the help, where it is no name, number or choice."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def add(commands: Any) -> None:
    """Add these commands."""
    _add_train(commands)
    _add_resume(commands)
    _add_generate(commands)
    parser = command(
        commands,
        "score",
        score,
        "How probable a trained language model finds a text; how well any other run does on labelled data.",
    )
    _add_run(parser)
    parser.add_argument(
        "text",
        metavar="TEXT|FILE",
        help="a text, a UTF-8 text file, or data such as the run was trained on; - : standard input",
    )
    add_unknown(parser)
    predict.add(commands, _add_run)
    parser = command(commands, "plot", plot, "Draw the learning curves of several runs in one plot.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--out", required=True, metavar="FILE", help="the plot: a file ending in .svg, .png or .pdf")


# ---- train, resume ---------------------------------------------------------------------------------
def _add_train(commands: Any) -> None:
    parser = command(
        commands,
        "train",
        train,
        "Train a network on data and keep it in a run folder.",
        epilog="Ctrl-C finishes the update and saves; bptt resume RUN goes on. A folder that holds anything is never"
        " written to.",
    )
    parser.add_argument(
        "data",
        nargs="?",
        help="a UTF-8 text, CoNLL-U, labelled sentences (TSV, CSV, lines, a folder), a series (CSV, NPY); without it,"
        " the prose that every CPython carries",
    )
    parser.add_argument("--run", metavar="DIR", help="a new or empty folder (default: runs/NAME-1, -2, …)")
    parser.add_argument("--config", metavar="FILE", help="a run.toml: trains as that run did; flags change it")
    groups = {name: parser.add_argument_group(title) for name, title in GROUPS.items()}
    groups["network"].add_argument("--cell", help="a name that bptt cells lists, or a file of equations: x, y and L")
    groups["network"].add_argument(
        "--size", action="append", default=[], metavar="NAME=N", help="a size of the cell, e.g. h=64; may be repeated"
    )
    groups["network"].add_argument(
        "--init",
        action="append",
        default=[],
        metavar="NAME=RULE",
        help="how a parameter starts: a number or a rule, e.g. b_f=1 or W=orthogonal; may be repeated",
    )
    for setting in fields(Settings):
        _add_setting(groups[setting.metadata["group"]], setting)
    _add_output(parser)


def _add_setting(group: Any, setting: Field[Any]) -> None:
    rule, default = setting.metadata["rule"], setting.default
    choices = f": {', '.join(rule.choices)}" if rule.choices else ""
    shown = "" if default is None or default == "" else f" (default: {default})"
    group.add_argument(
        f"--{setting.name.replace('_', '-')}",
        dest=f"setting_{setting.name}",
        type=rule.kind,
        default=argparse.SUPPRESS,
        metavar=METAVARS.get(setting.name) or {int: "N", float: "X", str: "NAME"}[rule.kind],
        help=f"{setting.metadata['help']}{choices}{shown}".replace("%", "%%"),
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line on standard output instead")


def given_settings(given: argparse.Namespace) -> dict[str, Any]:
    """The settings that stood on the command line."""
    return {n.removeprefix("setting_"): v for n, v in vars(given).items() if n.startswith("setting_")}


def train(given: argparse.Namespace) -> int:
    """bptt train"""
    try:
        return _train(given)
    except DataError as error:
        raise DataError(_by_flags(str(error))) from error


def _by_flags(message: str) -> str:
    """A message with the flags in the place of the settings that it names."""
    names = "|".join(setting.name for setting in fields(Settings))
    return re.sub(rf"\b(?:the )?setting ({names})\b", lambda found: "--" + found[1].replace("_", "-"), message)


def _train(given: argparse.Namespace) -> int:
    from ..runs.train import configured, fit

    kept: Mapping[str, Any] = {"data": None, "cell": None, "sizes": {}, "init": {}, "settings": {}}
    sizes = dict(map(size, given.size))
    if given.config:
        kept = configured(given.config)
        settings = given_settings(given)
        # sizes that follow from the data or from what is given here are found anew
        stale = {"vector": "e", "hidden": "hk"}
        dropped = {"x", "o", *(name for setting, names in stale.items() if setting in settings for name in names)}
        same = given.data is None and given.cell is None
        sizes = {**{n: s for n, s in kept["sizes"].items() if same and n not in dropped}, **sizes}
    run = fit(
        given.data if given.data is not None else kept["data"],
        cell=given.cell if given.cell is not None else kept["cell"],
        sizes=sizes,
        init={**(kept["init"] if given.cell is None else {}), **dict(map(initial, given.init))},
        run=given.run,
        settings=Settings.of({**kept["settings"], **given_settings(given)}),
        quiet=given.quiet,
        as_json=given.json,
    )
    return INTERRUPTED if run.interrupted else 0


def _add_resume(commands: Any) -> None:
    parser = command(
        commands,
        "resume",
        resume,
        "Go on with a run that was interrupted, from its last save.",
        epilog="The result is the same, bit for bit, as without the interruption.",
    )
    parser.add_argument("run", help="a run folder")
    parser.add_argument("--updates", type=int, metavar="N", help="train up to N updates in all, not as many as planned")
    _add_output(parser)


def resume(given: argparse.Namespace) -> int:
    """bptt resume"""
    from ..runs import train

    run = train.resume(given.run, given.updates, quiet=given.quiet, as_json=given.json)
    return INTERRUPTED if run.interrupted else 0


# ---- generate, score, plot -------------------------------------------------------------------------
def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run folder")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--best", action="store_true", help="with the weights that were best in validation")
    which.add_argument("--last", action="store_true", help="with the last ones (default, but for runs with --patience)")


def load_run(given: argparse.Namespace) -> Any:
    """The run that ``_add_run`` asks for."""
    from ..runs.run import load

    return load(given.run, best=True if given.best else False if given.last else None)


def _add_generate(commands: Any) -> None:
    parser = command(commands, "generate", generate, "Let a trained language model write.",
        epilog="A run of bytes writes them as they are, to a terminal with escapes for those that are no text.",
    )  # fmt: skip
    _add_run(parser)
    parser.add_argument("--length", type=int, default=500, metavar="N", help="symbols to write (default: %(default)s)")
    parser.add_argument(
        "--temperature", type=float, default=1.0, metavar="X", help="0 takes the most probable (default: %(default)s)"
    )
    parser.add_argument("--top-k", type=int, default=0, metavar="K", help="draw from the K most probable; 0: from all")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed writes the same (default: %(default)s)"
    )
    parser.add_argument("--prompt", default="", metavar="TEXT", help="how the text begins")
    add_unknown(parser)


def generate(given: argparse.Namespace) -> None:
    """bptt generate"""
    run = load_run(given)
    text = run.generate(
        given.length,
        temperature=given.temperature,
        top_k=given.top_k,
        seed=given.seed,
        prompt=os.fsencode(given.prompt) if run.task.unit == "byte" else given.prompt,
        unknown=given.unknown,
    )
    if isinstance(text, bytes):
        _write(text)
        return
    predict.tell_unseen(run, run.task.unseen(given.prompt), "the prompt")
    print(text)


def _write(content: bytes) -> None:
    """Bytes on standard output: on a terminal as a text, with what it would not show, or would obey, as escapes."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    text = content.decode("utf-8", "backslashreplace")
    print("".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text))


def score(given: argparse.Namespace) -> None:
    """bptt score"""
    run = load_run(given)
    if run.task.name != "language_model":
        with predict.standard_input(given.text, "labelled data") as path:
            print(run.score(path, given.unknown))
        return
    found = run.score(predict.text_of(given.text, run.task.unit), given.unknown)
    item = found.item
    print(f"log probability   {found.log_probability:.3f} nats over {found.items} {item}s")
    print(f"{'a ' + item:<17} {found.nats_per_item:.4f} nats, {found.bits_per_item:.4f} bits")
    print(f"perplexity        {found.perplexity:.3f}")
    if found.unseen:
        print(f"unseen            {found.unseen} {item}s, read as the unknown one")


def plot(given: argparse.Namespace) -> None:
    """bptt plot"""
    from ..runs.plots import curves

    print(curves(given.runs, given.out))

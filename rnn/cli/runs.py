"""Commands that make runs and use them: ``bptt train | generate | score``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import Any

from ..data import read_text
from ..train import Settings
from .command import command


def add(commands: Any) -> None:
    """Add these commands."""
    _add_train(commands)
    _add_run_commands(commands)


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
    parser = command(
        commands,
        "train",
        train,
        "Train a character language model (an LSTM written as equations) and keep it in a run folder.",
        epilog="Ctrl-C finishes the update and saves. A folder that holds anything is never written to.",
    )
    parser.add_argument("text", nargs="?", help="a UTF-8 text file; without it, the prose every CPython carries")
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
    from ..train import fit

    settings = Settings(**{setting.name: getattr(given, setting.name) for setting in fields(Settings)})
    fit(given.text, run=given.run, settings=settings, quiet=given.quiet)


def _add_run_commands(commands: Any) -> None:
    parser = command(commands, "generate", generate, "Let a trained network write.")
    parser.add_argument("run", help="a run folder")
    parser.add_argument("--length", type=int, default=500, help="characters to write (default: %(default)s)")
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="0 takes the most probable (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed writes the same (default: %(default)s)")
    parser.add_argument("--prompt", default="", help="how the text begins")
    parser = command(commands, "score", score, "How probable a trained network finds a text.")
    parser.add_argument("run", help="a run folder")
    parser.add_argument("text", help="a UTF-8 text file")


def generate(given: argparse.Namespace) -> None:
    """bptt generate"""
    from ..checkpoint import load

    run = load(given.run)
    unseen = run.vocabulary.unseen(given.prompt)
    if unseen:
        print(f"bptt: {unseen} characters of the prompt were not in the run's text", file=sys.stderr)
    print(run.generate(given.length, temperature=given.temperature, seed=given.seed, prompt=given.prompt))


def score(given: argparse.Namespace) -> None:
    """bptt score"""
    from ..checkpoint import load

    found = load(given.run).score(read_text(given.text))
    print(f"log probability   {-found.nats:.3f} nats over {found.characters} characters")
    print(f"a character       {found.nats_per_character:.4f} nats, {found.bits_per_character:.4f} bits")
    print(f"perplexity        {found.perplexity:.3f}")
    if found.unseen:
        print(f"unseen            {found.unseen} characters that the run's text does not have")

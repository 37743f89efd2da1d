"""The command line: ``bptt train | resume | generate | score | predict | plot | draw | explain | activations | cells``.

Standard output carries results, standard error progress and messages. What a user can mend ends with one
message and exit code 2; BPTT_DEBUG=1 shows the traceback as well.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from ... import __version__
from ...graph.errors import did_you_mean
from ..data.unknown import MAPPED
from ..trainer import TrainingError
from . import cells, runs

MENDABLE = (ValueError, OSError, ImportError, TrainingError)
"""What a user can mend: bad equations, texts and folders are ValueErrors."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0, 2 for an error that was explained, 130 after Ctrl-C, also of a run that it let
    save."""
    given = _given(_parser(), arguments)
    try:
        code: int | None = given.command(given)
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
        print(f"bptt: {str(error).replace(MAPPED, '--unknown map')}", file=sys.stderr)
        return 2
    return code or 0


def _given(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was given. An optional last argument may stand behind options as well, which argparse alone refuses."""
    given, rest = parser.parse_known_args(arguments)
    late = getattr(given, "late", None)
    if late and getattr(given, late) is None and len(rest) == 1 and (rest == ["-"] or not rest[0].startswith("-")):
        setattr(given, late, rest[0])
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}{_near(given.parser, rest)}")
    return given


def _near(parser: argparse.ArgumentParser, rest: Sequence[str]) -> str:
    """What may have been meant by options that a command does not have."""
    known = [option for action in parser._actions for option in action.option_strings]
    found = (did_you_mean(word.partition("=")[0], known) for word in rest if word.startswith("--"))
    return "".join(f"; {near}" for near in found if near)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bptt", description="Recurrent networks written as equations.")
    parser.add_argument("--version", action="version", version=f"bptt {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    runs.add(commands)
    cells.add(commands)
    return parser

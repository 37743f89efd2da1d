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
from ..trainer import TrainingError
from . import cells, runs

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
    runs.add(commands)
    cells.add(commands)
    return parser

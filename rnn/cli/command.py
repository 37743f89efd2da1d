"""One command of the command line."""

from __future__ import annotations

import argparse
from typing import Any


def command(commands: Any, name: str, run: Any, text: str, **more: Any) -> argparse.ArgumentParser:
    """Add a command that calls ``run`` with what was given."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, **more)
    parser.set_defaults(command=run)
    return parser

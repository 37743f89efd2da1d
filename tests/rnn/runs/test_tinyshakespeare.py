"""The learning result that the project is held against, by the script that shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "tinyshakespeare.py"


def printed(data: Path, *arguments: str) -> list[str]:
    """What the script prints, line by line."""
    found = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env={**os.environ, "BPTT_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout.splitlines()


@pytest.mark.slow
def test_an_lstm_reaches_its_goal_on_tinyshakespeare(data_folder: Path) -> None:
    """At most 1.70 nats a character after 2,000 updates: the script's exit status says so."""
    assert "goal 1.7" in printed(data_folder)[-1]


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bits(data_folder: Path) -> None:
    assert printed(data_folder, "--updates=20")[-1] == printed(data_folder, "--updates=20")[-1]

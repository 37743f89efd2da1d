"""The compiler knows equations only: no cell's name occurs in it, not in a comment either."""

from __future__ import annotations

import re
from pathlib import Path

from bptt import compiler

NAMES = ["lstm", "gru", "elman", "jordan", "sru", "mut3", "irnn", "indrnn", "hmm", "clockwork", "peephole", "seq2seq"]


def test_no_cells_name_is_in_the_compiler() -> None:
    sources = sorted(Path(compiler.__file__).parent.rglob("*.py"))
    assert len(sources) > 20
    named = re.compile("|".join(NAMES), re.IGNORECASE)
    found = [f"{p.name}:{i}" for p in sources for i, line in enumerate(p.read_text().splitlines(), 1)
             if named.search(line)]  # fmt: skip
    assert not found

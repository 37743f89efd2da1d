"""Golden Graphviz text of a handful of networks, each looked at before it was kept.

``BPTT_UPDATE_GOLDEN=1 pytest tests/graph/draw/test_golden.py`` writes it anew: draw and look before committing that.
Neither text depends on the version of Graphviz: a circuit is what dot is asked to place, an unrolled network has
its places already.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bptt import graph
from bptt.graph.draw import style
from bptt.graph.draw.circuits import signal_picture
from bptt.graph.draw.picture import dot_source
from bptt.graph.draw.reading import read
from drawings import net

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("BPTT_UPDATE_GOLDEN", "") not in ("", "0")

TEXTS = {
    "circuit": lambda c: dot_source(signal_picture(read(c))[0], style.PLACING),
    "unrolled": lambda c: graph.draw_unrolled(c, steps=2, grad=True).dot,
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "bidirectional", "attention"])
def test_the_text_is_as_before(name: str, kind: str) -> None:
    text, path = TEXTS[kind](net(name)), GOLDEN / f"{name}.{kind}.dot"
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        "BPTT_UPDATE_GOLDEN=1 writes it anew: look at the picture first"
    )

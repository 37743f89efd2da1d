"""Which systems of the table can be computed, and which have a loss."""

from __future__ import annotations

from bptt.rnn.cells import CELLS, cell

COMPUTED = tuple(n for n, r in CELLS.items() if "opaque" not in r.options)
"""Those whose functions all have a definition."""
WITH_LOSS = tuple(n for n in COMPUTED if "L" in cell(n).signals)
BY_STEPS = tuple(n for n in COMPUTED if "batch_norm" not in CELLS[n].text)
"""Those that give of the parts of a sequence what they give of the whole: a batch has its own statistics."""

"""Python identifiers for the names of a loop program: the user's own, as far as Python allows."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

#: what printed kernels use themselves: sizes, loop variables, helpers
RESERVED = frozenset(
    "T S B t s row rows n lo hi start key number inf nan np math float64 float32 kernel range min max abs bool int "
    "float len original tanh sigmoid relu exp log sin cos sqrt sign step floor softplus maximum minimum logaddexp "
    "mod power random highest argmax softmax logsumexp cumsum cumsum_reversed cross_entropy nll multiply multiply_row "
    "add_product add_product_row add_outer "
    "like total True False None".split()
)
PREFIXES = ("running_", "order_", "lengths_", "count_", "unit", "part", "stage_", "at_")


class Names:
    """One identifier a name, different names never the same."""

    def __init__(self, names: Iterable[str]) -> None:
        self._identifiers: dict[str, str] = {}
        self._taken: set[str] = set(RESERVED)
        for name in names:
            self._identifiers[name] = self.fresh(name)

    def __getitem__(self, name: str) -> str:
        return self._identifiers[name]

    def fresh(self, name: str) -> str:
        """An identifier that nothing else has."""
        # Python reads identifiers in this normal form, so two spellings of one must not be taken for two
        text = unicodedata.normalize("NFKC", name)
        text = re.sub(r"[^\w]+", "_", text).strip("_") or "v"
        if not text.isidentifier() or keyword.iskeyword(text):
            text = "v_" + text if not (text + "_").isidentifier() else text + "_"
        found, k = text, 1
        while found in self._taken or found.startswith(PREFIXES) or "_mod_" in found:
            found, k = f"{text}_{k}" if found in self._taken else f"v_{text}", k + 1
        self._taken.add(found)
        return found

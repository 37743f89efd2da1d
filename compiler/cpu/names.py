"""Python identifiers for the names of a loop program: the user's own, as far as Python allows."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

# fmt: off
#: what kernels read from the table (see layout.py): sizes, and rows of the batch
SIZES = ("T", "S", "B", "start", "seed_low", "seed_high", "threads", "lists", "chunk", "room")
INDICES = ("original", "lengths_t", "lengths_s")
LISTS = ("running_t", "order_t", "running_s", "order_s")
#: what printed kernels call: of functions.py, of vector, of the library of products, and of Python's math
HELPERS = (
    "argmax", "cumsum", "cumsum_reversed", "nll", "random",
)
FUNCTIONS_OF_NUMBERS = (
    "cos", "exp", "floor", "log", "logaddexp", "maximum", "minimum", "mod", "power", "relu", "sigmoid", "sign", "sin",
    "softplus", "sqrt", "step", "tanh",
)
RANDOM = ("random_lanes",)
ROWS = ("cross_entropy_row", "highest_row", "logsumexp_row", "scored_row", "softmax_row", "sum_row")
ARRAYS = ("address", "load", "load_first", "store", "view")
VECTORS = ("splat", "where")
WAITING = ("meet",)
CALLS = ("call_outer", "call_pack", "call_product", "describe", "one_row")
#: what the table has beside sizes and values: functions of the library, and memory of their own
FUNCTIONS = ("outer", "pack", "product", "sets_1", "sets_2", "sets_3", "sets_4")
MEMORY = (
    "barrier", "copies", "flat", "flat_bytes", "flat_tiles", "give_way", "numbers", "panels", "row_lists", "scratch",
    "terms", "terms_bytes", "tiles",
)
MATH = ("inf", "nan")
#: their arguments and variables, and names of Python that they use
LOCAL = (
    "table", "table_address", "who", "thread", "lo", "hi", "t", "s", "n", "row", "rows", "first", "total", "found",
    "sums", "base", "end", "panel", "vectors", "flat_list", "flat_rows", "line", "tile", "tile_rows", "tile_blocks",
    "slot", "number", "int64", "boolean", "entry", "range", "min", "max", "abs",
)
KNOWN = (
    SIZES, INDICES, LISTS, HELPERS, FUNCTIONS_OF_NUMBERS, RANDOM, ROWS, ARRAYS, VECTORS, WAITING, CALLS, FUNCTIONS,
    MEMORY, MATH, LOCAL,
)
# fmt: on
RESERVED = frozenset(name for names in KNOWN for name in names)
PREFIXES = ("running_", "order_", "lengths_", "count_", "unit", "part", "stage_", "list", "symbol", "from_", "to_")


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

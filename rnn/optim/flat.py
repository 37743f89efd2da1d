"""Arrays by name that lie side by side in one buffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ...compiler.memory import ALIGNMENT, aligned

Array = NDArray[Any]
Arrays = dict[str, Array]


def alike(arrays: Mapping[str, Array]) -> Arrays:
    """Zeros of the same names, shapes and dtypes: parts of one buffer, each aligned."""
    begins, size = [], 0
    for array in arrays.values():
        begins.append(size)
        size += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    buffer = aligned(size)
    buffer[:] = 0
    parts = zip(begins, arrays.items(), strict=True)
    return {name: buffer[at : at + a.nbytes].view(a.dtype).reshape(a.shape) for at, (name, a) in parts}


def gathered(arrays: Mapping[str, Array]) -> Arrays:
    """Copies of arrays, parts of one buffer."""
    found = alike(arrays)
    for name, array in arrays.items():
        found[name][...] = array
    return found

"""Arrays by name that lie side by side in one buffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ...compiler.memory import aligned, side_by_side

Array = NDArray[Any]
Arrays = dict[str, Array]


def alike(arrays: Mapping[str, Array]) -> Arrays:
    """Zeros of the same names, shapes and dtypes: parts of one buffer, each aligned."""
    begins, size = side_by_side({name: a.nbytes for name, a in arrays.items()})
    buffer = aligned(size)
    buffer[:] = 0
    return {n: buffer[begins[n] : begins[n] + a.nbytes].view(a.dtype).reshape(a.shape) for n, a in arrays.items()}


def gathered(arrays: Mapping[str, Array]) -> Arrays:
    """Copies of arrays, parts of one buffer."""
    found = alike(arrays)
    for name, array in arrays.items():
        found[name][...] = array
    return found

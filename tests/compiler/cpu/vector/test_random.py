"""Random masks in lanes have the bits of those that are drawn one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt.compiler.cpu.jit import function
from bptt.compiler.cpu.vector.host import HOST
from bptt.compiler.cpu.vector.memory import store
from bptt.compiler.cpu.vector.random import random_lanes
from bptt.compiler.cpu.vector.types import count_lanes, where
from bptt.graph.random import philox

KEYS = [(0, 0), (0xFFFFFFFF, 0x12345678), (7, 0xDEADBEEF)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_have_the_bits_of_numbers(dtype: str) -> None:
    number: Any = np.dtype(dtype).type

    @function
    def draw(k0: int, k1: int, p: float, t: int, s: int, row: int, unit: int, out: Any) -> None:
        for k in range(0, out.shape[0], count_lanes(number)):
            store(out, k, where(random_lanes(k0, k1, p, t, s, row, unit + k, number), 1.0, 0.0))

    n = 4 * HOST.lanes(dtype)
    for k0, k1 in KEYS:
        for t, s, row, unit in ((1, 0, 0, 0), (10_000, 3, 255, 1000), (2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1 - n)):
            counter = tuple(np.asarray(c) for c in (t, s, row, unit + np.arange(n)))
            bits = philox(counter, (k0, k1))[0]  # type: ignore[arg-type]
            exact = [float(bits[5]) * 2.0**-32, (float(bits[5]) + 1) * 2.0**-32]
            for p in (0.0, 0.1, 0.5, 0.9, 1.0, *exact, -1.0, 2.0, 1e30, np.nan):
                out = np.empty(n, dtype)
                draw(k0, k1, p, t, s, row, unit, out)
                np.testing.assert_array_equal(out, bits * 2.0**-32 < p)

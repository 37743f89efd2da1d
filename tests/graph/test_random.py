"""Philox 4x32-10: the published known answers, keys, and numbers that look random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt.graph.random import mask_bits, mask_value, philox, philox_key, uniform

# Random123 1.14, tests/kat_vectors
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_answers(counter: tuple[int, ...], key: tuple[int, int], expected: str) -> None:
    words = philox(tuple(np.asarray(c) for c in counter), key)  # type: ignore[arg-type]
    assert " ".join(f"{int(w):08x}" for w in words) == expected


def test_counters_broadcast() -> None:
    words = philox((np.arange(3)[:, None], np.arange(2), np.asarray(0), np.asarray(7)), (1, 2))
    assert [w.shape for w in words] == [(3, 2)] * 4
    one = philox(tuple(np.asarray(c) for c in (2, 1, 0, 7)), (1, 2))  # type: ignore[arg-type]
    assert words[3][2, 1] == one[3]
    assert words[0].dtype == np.uint32


def test_every_part_of_the_place_matters() -> None:
    place: dict[str, Any] = {"seed": 1, "key": ("h", 1), "t": 2, "s": 3, "rows": 4, "units": 5}
    changes = [{}, {"seed": 2}, {"seed": 1 + 2**32}, {"key": ("h", 2)}, {"key": ("g", 1)}, {"t": 3}, {"s": 2},
               {"rows": 5}, {"units": 4}]  # fmt: skip
    assert len({int(mask_bits(**place | c)) for c in changes}) == len(changes)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_mask_is_one_with_its_probability(p: float) -> None:
    bits = mask_bits(0, ("h", 1), np.arange(100)[:, None, None], 0, np.arange(20)[:, None], np.arange(50))
    mask = mask_value(bits, p)
    assert mask.shape == (100, 20, 50)
    deviation = (p * (1 - p) / mask.size) ** 0.5
    assert abs(mask.mean() - p) <= 4 * deviation
    # neighbours in time, rows and units know nothing of each other
    for axis in range(3):
        pairs = (mask - p) * (np.roll(mask, 1, axis) - p)
        assert abs(pairs.mean()) <= 4 * p * (1 - p) / mask.size**0.5


def test_uniform_numbers() -> None:
    u = uniform(3, "W", (200, 300))
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.001
    np.testing.assert_array_equal(u.ravel()[:6], uniform(3, "W", (2, 3)).ravel())


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "1"])
def test_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed: expected a whole number from 0 to 2\*\*64 - 1"):
        philox_key(seed, "W")

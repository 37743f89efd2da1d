"""Random numbers by counter: Philox 4x32-10 (Salmon et al., Parallel random numbers, 2011).

A number depends on the seed, the mask it belongs to, the step, the row of the batch as the caller gave it,
and the unit, and on nothing else: not on sorting, threads or back end. It can be computed again at any
time.

    key       (low word of the seed, high word of the seed xor crc32 of the mask's name)
    counter   (t, s, row, unit)        t, s from 1 and 0 where there is none, row and unit from 0
    output    the first of the four words
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
WORD = 0xFFFFFFFF


def philox(counter: tuple[Array, Array, Array, Array], key: tuple[int, int]) -> tuple[Array, Array, Array, Array]:
    """Four random words a counter; arrays of uint32 that broadcast."""
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in counter)
    k0, k1 = key
    mask, half = np.uint64(WORD), np.uint64(32)
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    for _ in range(ROUNDS):
        p0, p1 = c0 * m0, c2 * m1
        c0, c1, c2, c3 = (
            (p1 >> half) ^ c1 ^ np.uint64(k0),
            p1 & mask,
            (p0 >> half) ^ c3 ^ np.uint64(k1),
            p0 & mask,
        )
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    words = np.broadcast_arrays(c0, c1, c2, c3)
    return tuple(w.astype(np.uint32) for w in words)  # type: ignore[return-value]


def check_seed(seed: int) -> None:
    """Raises ValueError for a seed that is not within 0 to 2**64 - 1."""
    whole = type(seed) is int or (isinstance(seed, int | np.integer) and not isinstance(seed, bool))
    if not whole or not 0 <= seed < 2**64:
        raise ValueError(f"seed: expected a whole number from 0 to 2**64 - 1, got {seed!r}")


def philox_key(seed: int, name: str) -> tuple[int, int]:
    """The key of what has this name. Raises ValueError for a seed that is not within 0 to 2**64 - 1."""
    check_seed(seed)
    return int(seed) & WORD, (int(seed) >> 32) ^ crc32(name.encode())


def mask_name(key: tuple[str, int]) -> str:
    """The name of a random mask: its equation, and its ordinal there."""
    return f"{key[0]}.{key[1]}"


def mask_bits(
    seed: int, key: tuple[str, int], t: int | Array, s: int | Array, rows: int | Array, units: int | Array
) -> Array:
    """Random words (uint32) of a mask at steps, rows and units, which broadcast."""
    counter = tuple(np.asarray(c) for c in (t, s, rows, units))
    return philox(counter, philox_key(seed, mask_name(key)))[0]  # type: ignore[arg-type]


def mask_value(bits: Array, p: float) -> Array:
    """1.0 with probability ``p``, else 0.0."""
    return (bits * 2.0**-32 < p).astype(np.float64)


def uniform(seed: int, name: str, shape: tuple[int, ...]) -> Array:
    """Numbers in [0, 1) with 53 random bits (float64), for what has this name."""
    n = np.arange(int(np.prod(shape, dtype=np.int64)))
    high, low, _, _ = philox((n & WORD, n >> 32, np.asarray(0), np.asarray(1)), philox_key(seed, name))
    return ((high >> np.uint32(5)) * 2.0**26 + (low >> np.uint32(6))).reshape(shape) * 2.0**-53

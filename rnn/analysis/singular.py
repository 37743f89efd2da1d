"""The largest singular values of many matrices at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 48
"""Rows of a matrix up to which all of its singular values are computed, which is then as fast."""
MOST = 40
"""Steps of the iteration; what has not converged by then is decomposed."""
CLOSE = 1e-6
"""The iteration ends where one step more changes the largest value by less than this share."""


def largest(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest singular value of each of [m, n, n]; zero matrices have 0, what is not finite NaN.

    Small ones are decomposed. Of large ones the symmetric matrix of the Lanczos process on AᵀA, with all its vectors
    kept orthogonal, has the square as its largest eigenvalue after a few steps (Golub and Van Loan 2013, section 10.4).
    """
    count, n = matrices.shape[:2]
    if n <= SMALL or not count:
        return np.asarray(np.linalg.norm(matrices, ord=2, axis=(1, 2)))
    size = np.abs(matrices).max((1, 2))
    odd = ~np.isfinite(size)
    scale = np.where(odd | (size == 0), 1.0, size)
    scaled = np.where(odd[:, None, None], 0.0, matrices) / scale[:, None, None]  # the squares are numbers, too
    begin = np.random.default_rng(0).normal(size=(count, n))
    squares, done = _lanczos(scaled, begin / np.linalg.norm(begin, axis=1, keepdims=True))
    found = np.sqrt(np.maximum(squares, 0.0))
    for i in np.flatnonzero(~done):
        found[i] = np.linalg.norm(scaled[i], ord=2)
    return np.where(odd, np.nan, scale * found)


def _lanczos(matrices: NDArray[np.float64], v: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """The largest eigenvalue of each AᵀA from the start v [m, n], and which of them have converged."""
    count, n = v.shape
    basis = np.zeros((count, MOST, n))
    small = np.zeros((count, MOST, MOST))
    squares, done = np.zeros(count), np.zeros(count, bool)
    left = np.arange(count)  # those that go on
    for k in range(MOST):
        basis[left, k] = v
        w = np.matmul(_times(matrices, left, v)[:, None], matrices[left] if len(left) < count else matrices)[:, 0]
        known = basis[left, : k + 1]
        inner = np.matmul(known, w[..., None])[..., 0]
        small[left, k, k] = inner[:, k]
        for _ in range(2):  # twice is enough (Parlett)
            w = w - np.matmul(np.matmul(known, w[..., None])[..., 0][:, None], known)[:, 0]
        beta = np.linalg.norm(w, axis=1)
        now = np.linalg.eigvalsh(small[left, : k + 1, : k + 1])[:, -1]
        end = (np.abs(now - squares[left]) <= CLOSE * now) if k else now <= 0
        end |= beta <= 1e-14 * np.maximum(now, np.finfo(float).tiny)
        squares[left], done[left[end]] = now, True
        left, w, beta = left[~end], w[~end], beta[~end]
        if not len(left) or k + 1 == MOST:
            break
        small[left, k, k + 1] = small[left, k + 1, k] = beta
        v = w / beta[:, None]
    return squares, done


def _times(matrices: NDArray[np.float64], left: NDArray[np.int64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    chosen = matrices[left] if len(left) < len(matrices) else matrices
    return np.asarray(np.matmul(chosen, v[..., None])[..., 0])

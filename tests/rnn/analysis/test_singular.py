"""The largest singular values of large matrices, against their decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from bptt.rnn.analysis import singular
from bptt.rnn.analysis.singular import SMALL, largest


def matrices(n: int) -> np.ndarray:
    """Dense, diagonal, orthogonal, of rank one, nearly equal values, a long product, tiny, zero."""
    rng = np.random.default_rng(0)
    product = np.linalg.multi_dot([rng.normal(size=(n, n)) / n**0.5 for _ in range(6)])
    dense = rng.normal(size=(n, n))
    return np.array([
        dense, np.diag(rng.random(n)), np.linalg.qr(dense)[0], np.outer(dense[0], dense[1]),
        np.diag(np.linspace(0.99, 1, n)), product, 1e-200 * dense, np.zeros((n, n)),
    ])  # fmt: skip


@pytest.mark.parametrize("n", [SMALL, 100])
def test_they_are_those_of_the_decomposition(n: int) -> None:
    given = matrices(n)
    np.testing.assert_allclose(largest(given), np.linalg.norm(given, ord=2, axis=(1, 2)), rtol=1e-4, atol=0)


def test_what_has_not_converged_is_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singular, "MOST", 2)
    given = matrices(60)
    np.testing.assert_allclose(largest(given), np.linalg.norm(given, ord=2, axis=(1, 2)), rtol=1e-12)


def test_what_is_not_finite_is_no_number() -> None:
    given = matrices(60)
    given[1, 0, 0], given[2, 0, 0] = np.nan, np.inf
    assert np.isnan(largest(given)).tolist() == [False, True, True, *[False] * 5]


def test_none_have_none() -> None:
    assert largest(np.zeros((0, 60, 60))).shape == (0,)

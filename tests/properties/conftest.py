"""Loop programs of these tests are checked after every pass; storage is filled with NaN before every run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _checked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPTT_CHECK", "1")
        yield

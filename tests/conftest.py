"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of compiled kernels: empty at first, kept for one run."""
    folder = tmp_path_factory.mktemp("kernels")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPTT_CACHE", str(folder))
        yield folder


@pytest.fixture
def data_folder(request: pytest.FixtureRequest) -> Path:
    """The folder with data sets that ``BPTT_DATA`` names; without it the test is skipped, by name."""
    name = os.environ.get("BPTT_DATA", "")
    if not name:
        pytest.skip(f"{request.node.name} needs data: set BPTT_DATA to the folder that holds it")
    folder = Path(name)
    if not folder.is_dir():
        pytest.fail(f"BPTT_DATA names {name!r}, which is no folder")
    return folder

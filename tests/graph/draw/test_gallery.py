"""The committed gallery: it shows every cell, and is what its script builds."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from bptt.graph.draw import graphviz_version
from bptt.rnn.cells import CELLS

GALLERY = Path(__file__).parents[3] / "docs" / "gallery"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery_build", GALLERY / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def index() -> str:
    return (GALLERY / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def version(index: str) -> str:
    found = re.search(r"drawn with Graphviz (.*)\.\n", index)
    assert found is not None
    return found[1]


def test_the_index_is_what_the_cells_say(build: ModuleType, index: str, version: str) -> None:
    assert index == build.page(version), "run `python docs/gallery/build.py`"
    for name, recipe in CELLS.items():
        assert f"## {name}\n\n{recipe.about}. {recipe.source}.\n" in index
    assert set(re.findall(r"\(pictures/(.*?)\)", index)) == {p.name for p in (GALLERY / "pictures").iterdir()}


def test_the_gallery_stays_small() -> None:
    assert sum(p.stat().st_size for p in (GALLERY / "pictures").iterdir()) < 10 * 2**20


def test_the_pictures_are_those_that_are_drawn_now(build: ModuleType, version: str, tmp_path: Path) -> None:
    if version != graphviz_version():
        pytest.skip(f"the gallery was drawn with Graphviz {version}, here is {graphviz_version()}")
    for drawn in build.draw(["elman", "lstm"], tmp_path):
        assert drawn.read_bytes() == (GALLERY / "pictures" / drawn.name).read_bytes(), (
            f"{drawn.name}: look at the new pictures, then run `python docs/gallery/build.py`"
        )


def test_every_picture_of_the_gallery_is_an_svg_of_its_cell() -> None:
    for name in CELLS:
        for kind in ("circuit", "operations", "unrolled"):
            text = (GALLERY / "pictures" / f"{name}.{kind}.svg").read_text(encoding="utf-8")
            assert f"<title>{name}</title>" in text


def test_the_pictures_of_cells_of_cells_are_of_the_circuits_that_the_index_shows(build: ModuleType, index: str) -> None:
    for name, (heading, call, made) in build.COMPOSED.items():
        net = made()
        assert f"### {heading}\n\n`{call}`\n\n```\n{net}\n```\n" in index
        for kind in ("circuit", "unrolled"):
            text = (GALLERY / "pictures" / f"composed.{name}.{kind}.svg").read_text(encoding="utf-8")
            assert f"<title>{net.name}</title>" in text

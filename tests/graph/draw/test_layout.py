"""Every cell in every way of drawing: what the layout has to hold, computed from the placed picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest
from bptt import graph
from bptt.rnn.cells import CELLS
from drawings import WAYS, boxes, drawn, net


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_drawn(name: str, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    drawing = drawn(name, way)
    tree = ET.fromstring(re.sub(r"<!DOCTYPE.*?>", "", drawing.svg, flags=re.DOTALL))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert "Warning: node" not in capfd.readouterr().err
    assert {e.tail for e in drawing.picture.edges} <= set(drawing.picture.vertices)
    assert all(e.path for e in drawing.picture.edges if e.kind != "order")
    assert all(e.label_at for e in drawing.picture.edges if e.label)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_no_two_nodes_overlap(name: str, way: str) -> None:
    for a, b in combinations(boxes(drawn(name, way)), 2):
        assert a[1] >= b[3] or b[1] >= a[3] or a[2] >= b[4] or b[2] >= a[4], (a[0], b[0])


@pytest.mark.parametrize("name", CELLS)
def test_an_adjoint_is_drawn_as_any_circuit(name: str) -> None:
    adjoint = graph.grad(net(name), "L")
    for drawing in (graph.draw_circuit(adjoint), graph.draw_unrolled(adjoint, steps=3)):
        assert drawing.svg.startswith("<?xml")

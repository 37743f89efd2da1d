"""Every system in every way of drawing, classifiers that pool, and random networks: the rules of a layout."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from itertools import product

import pytest
from bptt import graph
from bptt.graph.circuit import Circuit
from bptt.graph.draw import Drawing, labels
from bptt.graph.draw.reading import Read, read
from bptt.rnn.cells import CELLS
from drawings import STEPS, WAYS, drawn, net
from drawn_networks import HARD, NETWORKS, POOLED, RANDOM
from hypothesis import HealthCheck, given, settings
from layout_rules import RULES, against_time, missing, panel_names, unread
from properties.random_circuits import Example, examples
from systems import WITH_LOSS

#: The quick run draws all systems and pooled networks in these ways, in the others one of each kind; of the random
#: networks two in every way but the longest, and two that were once drawn wrongly in the way in which they were.
CHEAP_WAYS = ("circuit", "operations", "unrolled")
LONGEST_WAYS = ("long operations", "gradient of operations")
KINDS = (
    "window_lm", "hmm", "autonomous", "elman", "jordan", "lstm", "sru", "acceptor", "vector_to_sequence", "seq2seq",
    "attention", "bidirectional", "stacked", "classifier", "clockwork", "two_lags", "interleaved", "pooled",
    "pooled by attention", "two read by all", "pooled between layers", "given deeply", "long names",
)  # fmt: skip
QUICK_RANDOM, QUICK_HARD = ("random 1", "random 3"), ("random 12", "random 14")


def is_slow(name: str, way: str) -> bool:
    if name in RANDOM:
        return (name not in QUICK_RANDOM or way in LONGEST_WAYS) and (name not in QUICK_HARD or way != HARD[name])
    return name not in KINDS and way not in CHEAP_WAYS


def pictures(names: Iterable[str], ways: Iterable[str]) -> pytest.MarkDecorator:
    cases = [pytest.param(n, w, marks=[pytest.mark.slow] * is_slow(n, w)) for n, w in product(names, ways)]
    return pytest.mark.parametrize(("name", "way"), cases)


def broken(drawing: Drawing, net: Circuit, way: str) -> dict[str, list[object]]:
    """The rules that a drawing breaks, and where."""
    found = {rule: list(breaks(drawing)) for rule, breaks in RULES.items()}
    if way in STEPS:
        found["time runs from left to right"] = list(against_time(drawing))
        found["every signal and delay appears"] = list(missing(drawing, read(net), STEPS[way]))
    if way in ("unrolled", "long", "gradient"):
        found["every read has its edge"] = list(unread(drawing, read(net), STEPS[way]))
    return {rule: where[:5] for rule, where in found.items() if where}


@pictures([*CELLS, *NETWORKS], WAYS)
def test_every_picture_keeps_the_rules(name: str, way: str) -> None:
    assert broken(drawn(name, way), net(name), way) == {}


@pictures(CELLS, [way for way in WAYS if way != "gradient of operations"])
def test_every_system_is_drawn(name: str, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    tree = ET.fromstring(re.sub(r"<!DOCTYPE.*?>", "", drawn(name, way).svg, flags=re.DOTALL))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert "Warning: node" not in capfd.readouterr().err


@pictures([*CELLS, *POOLED], ["circuit", "unrolled", "long"])
def test_every_label_finds_a_place(name: str, way: str) -> None:
    """In dense random networks some do not: they are tooltips then."""
    assert [e for e in drawn(name, way).picture.edges if e.look.get("class") != "norm" and "tooltip" in e.look] == []


ALL_WAYS = [
    *product([False, True], [None]),
    *product([False, True], [(steps, grad) for steps in (1, 3, 20) for grad in (False, True)]),
]


def draw_all_ways(net: Circuit) -> None:
    for operations, unrolled in ALL_WAYS:
        if unrolled is None:
            graph.draw_circuit(net, operations=operations)
        else:
            graph.draw_unrolled(net, steps=unrolled[0], grad=unrolled[1], operations=operations)


@settings(max_examples=3, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(examples())
def test_random_networks_are_drawn(example: Example) -> None:
    for way in ("circuit", "operations", "gradient"):
        WAYS[way](example.net)


@pytest.mark.slow
@settings(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(examples())
def test_many_random_networks_are_drawn_and_keep_the_rules(example: Example) -> None:
    draw_all_ways(example.net)
    for way in WAYS:
        assert broken(WAYS[way](example.net), example.net, way) == {}, (way, example.text)


# ---- what is drawn -------------------------------------------------------------------------------
def delays(name: str) -> set[Read]:
    return {r for r in read(net(name)).reads if r.lag}


@pictures([*CELLS, *NETWORKS], ["circuit", "operations"])
def test_every_signal_and_delay_of_a_circuit_appears(name: str, way: str) -> None:
    picture, reading = drawn(name, way).picture, read(net(name))
    panels = panel_names(picture.vertices)
    for signal, role in reading.roles.items():
        assert signal in picture.vertices or labels.plain(labels.name(signal)) in panels, (signal, role)
    squares = {v.tooltip for v in picture.vertices.values() if v.role in ("delay", "advance")}
    delayed = {f"{r.source}[{r.axis}{-r.lag:+d}]" for r in delays(name)}
    before = {f"{r.source}[{r.axis}{r.position:+d}]" for r in read(net(name)).reads if r.moment == "end"}
    assert delayed <= squares <= delayed | before  # x[T-1] is the delayed x at T


@pictures(CELLS, ["gradient"])
def test_every_signal_gets_its_gradient(name: str, way: str) -> None:
    """From the loss, back over the dashed edges, every state, gate and signal is reached that the loss depends on."""
    edges = drawn(name, way).picture.edges
    back = [(e.tail, e.head) for e in edges if e.kind in ("grad", "gradwire")]
    vertices = drawn(name, way).picture.vertices
    forward = {(e.tail, e.head) for e in edges if e.kind in ("plain", "time", "rail", "skip", "wire", "cutwire")}
    stops = {n for n, v in vertices.items() if v.role in ("input", "cut")}
    joints = [n for n, v in vertices.items() if v.role == "bus"]
    for _ in joints:
        stops |= {n for n in joints if {a for a, b in forward if b == n} <= stops}
    expected = {(b, a) for a, b in forward if a not in stops and vertices[b].role != "cut"}
    assert expected <= set(back)


@pytest.mark.parametrize(
    "name", [n if n in ("elman", "bidirectional") else pytest.param(n, marks=pytest.mark.slow) for n in WITH_LOSS]
)
def test_an_adjoint_is_drawn_as_any_circuit(name: str) -> None:
    adjoint = graph.grad(net(name), "L")
    for drawing in (graph.draw_circuit(adjoint), graph.draw_unrolled(adjoint, steps=3)):
        assert drawing.svg.startswith("<?xml")

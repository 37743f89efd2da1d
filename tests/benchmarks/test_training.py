"""The arithmetic of the comparison with peers: what is counted, what is dropped, and that all compute the same."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph
from bptt.compiler.flops import of_statement
from bptt.compiler.loop import Product, Sum, walk
from training.cells import FUSED, Shape, equations, flops, mirrored, network, random_cell, stacked
from training.expected import slower
from training.names import CELL_NAMES, SHAPE_NAMES
from training.participants import Participant, Task, build, builders, error, reference
from training.rounds import Round, Rounds, busy, sample
from training.studies import padding, work
from training.translate import translate

SHAPE = Shape(3, 5, 4, 6)


class NumpyOps:
    """What a translated step calls, in float64."""

    tanh, sin, mm = np.tanh, np.sin, np.matmul

    @staticmethod
    def sigmoid(a: Any) -> Any:
        return 1 / (1 + np.exp(-a))

    @staticmethod
    def affine(xp: Any, v: Any, W: Any) -> Any:
        return xp + v @ W

    @staticmethod
    def columns(a: Any, n: int) -> Any:
        return np.split(a, n, 1)

    @staticmethod
    def cut(a: Any, first: int, n: int, of: int) -> Any:
        units = a.shape[1] // of
        return a[:, first * units : (first + n) * units]

    @staticmethod
    def shifted(a: Any, e: Any, name: str) -> Any:
        return a


def task_of(cell: str, seed: int = 0) -> Task:
    return Task(cell, equations(cell, seed), SHAPE, threads=1)


CASES = [(cell, 0) for cell in CELL_NAMES] + [("random", seed) for seed in range(1, 8)]


@pytest.mark.parametrize(("cell", "seed"), CASES)
def test_the_step_of_the_peers_computes_the_same_loss(cell: str, seed: int) -> None:
    task = task_of(cell, seed)
    P = {n: a.astype("float64") for n, a in task.step.pack(task.weights).items()}
    zeros = np.zeros((SHAPE.B, SHAPE.units))
    states = tuple(zeros + P[task.step.starts[s]] if s in task.step.starts else zeros for s in task.step.states)
    hs = []
    for x in task.x:
        states, _ = task.step.function(x @ P["Wx"] + P["b"], states, P, NumpyOps(), None)
        hs.append(states[0])
    program = compiler.compile(task.net, wrt=(), target="interpret", dtype="float64")
    doubles = {n: a.astype("float64") for n, a in task.weights.items()}
    out = program(doubles, x=task.x.astype("float64"), y=task.y.astype("float64"))
    assert np.mean((np.stack(hs) - task.y) ** 2) == pytest.approx(out.loss, rel=1e-12)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_packed_weights_come_back_by_name(cell: str) -> None:
    task = task_of(cell)
    back = task.step.unpack(task.step.pack(task.weights))
    assert set(back) == set(task.weights)
    for name, array in task.weights.items():
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_operations_counted_are_those_of_the_loop_program(cell: str) -> None:
    task = task_of(cell)
    loops = compiler.compile(task.net, target="interpret").loops
    statements = [s for rows in loops.rows() if rows.axis for s in walk(rows.body, rows.sums)]
    products = [s for s in statements if isinstance(s, Product) or (isinstance(s, Sum) and s.op == "contract")]
    assert work(task, rows=1) == sum(of_statement(loops, s) for s in products)


def test_operations_of_an_lstm_by_hand() -> None:
    T, B, i, h = 5, 3, 4, 6
    assert work(task_of("lstm")) == 2 * T * B * 4 * h * (3 * h + 2 * i)
    assert flops({"W": (2, 3), "b": (2,)}, set(), rows=1) == 24


@pytest.mark.parametrize("cell", ["lstm", "mut3"])
def test_the_stacked_network_computes_what_its_single_layers_do(cell: str) -> None:
    rng, units = np.random.default_rng(0), SHAPE.units
    net = stacked(equations(cell), SHAPE)
    found = {n: rng.normal(size=s) for n, s in net.params.items()}
    x, y = rng.normal(size=(SHAPE.T, SHAPE.B, SHAPE.inputs)), rng.normal(size=(SHAPE.T, SHAPE.B, 2 * units))

    def layer(text: str, end: str, x: Any) -> Any:
        one = network(text, replace(SHAPE, inputs=x.shape[-1]))
        return graph.evaluate(one, {n: found[n + end] for n in one.params}, x=x, y=y[..., :units])["h"]

    read, passed = x, x @ found["P_1"].T
    for k in (1, 2):
        text = equations(cell)
        sides = [layer(text, f"_fw_{k}", read), layer(mirrored(text), f"_bw_{k}", read)]
        np.testing.assert_allclose(sides[1], layer(text, f"_bw_{k}", read[::-1])[::-1])
        read = passed = passed + np.concatenate(sides, 2)
    assert graph.evaluate(net, found, x=x, y=y)["L"] == pytest.approx(np.mean((passed - y) ** 2))


def test_random_cells_depend_on_the_seed_alone_and_use_every_gate() -> None:
    texts = [random_cell(seed) for seed in range(40)]
    assert texts == [random_cell(seed) for seed in range(40)]
    assert len(set(texts)) > 20
    for text in texts:
        names = [line.split("[")[0].strip() for line in text.splitlines()]
        assert all(text.count(f"{name}[t") > 1 for name in names)
        translate(text)


def test_what_peers_are_not_written_for_is_named() -> None:
    with pytest.raises(ValueError, match=r"h\[t - 2\]"):
        translate("h[t] = tanh(W @ h[t-2] + U @ x[t])")
    with pytest.raises(ValueError, match="one input and one recurrent product"):
        translate("h[t] = tanh(W @ h[t-1] + b)")


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("cell", "name"), [(c, "torch custom") for c in CELL_NAMES] + [(c, "torch fused") for c in FUSED]
)
def test_gradients_of_torch_are_those_of_the_equations(cell: str, name: str) -> None:
    pytest.importorskip("torch")
    _compare(cell, name)


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("name", ["jax naive", "jax hoisted", "jax unrolled", "jax deferred"])
def test_gradients_of_jax_are_those_of_the_equations(cell: str, name: str) -> None:
    pytest.importorskip("jax")
    _compare(cell, name)


def _compare(cell: str, name: str) -> None:
    task = task_of(cell)
    known, _ = builders(cell, threads=1)
    made = build(known[name], task)
    program = compiler.compile(task.net, target="interpret", dtype="float64")
    doubles = {n: a.astype("float64") for n, a in task.weights.items()}
    out = program(doubles, x=task.x.astype("float64"), y=task.y.astype("float64"))
    assert error(made.outcome(made.run()), (out.loss or 0, dict(out.grad.items()))) < 1e-6


def test_the_reference_is_in_float64_also_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    task = task_of("elman")
    loss, gradients = reference(task)
    assert gradients["W"].dtype == np.float64
    assert builders("elman", 1)[0].keys() == {"bptt"}
    assert len(builders("elman", 1)[1]) == 2
    assert loss > 0


def test_errors_are_the_largest_and_never_hidden() -> None:
    true = (1.0, {"a": np.array([3.0, 4.0])})
    assert error((1.0, {"a": np.array([3.0, 4.5])}), true) == pytest.approx(0.1)
    assert error((2.0, {"a": np.array([3.0, 4.0])}), true) == 1.0
    assert error((1.0, {"a": np.array([np.nan, 4.0])}), true) == np.inf
    assert error((1.0, {}), true) == np.inf


def test_time_that_processors_were_busy() -> None:
    hz = os.sysconf("SC_CLK_TCK")
    assert busy("cpu  100 10 50 900 800 5 5 30 7 7\ncpu0 1 1 1 1\n") == 200 / hz  # idle and waiting are not counted


def test_the_first_call_of_a_sample_does_not_count_unless_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    sample(lambda: calls.append(1), seconds=1e-9)
    assert len(calls) == 2
    monkeypatch.setattr("training.rounds.LONG", 0.0)
    sample(lambda: calls.append(1), seconds=1e-9)
    assert len(calls) == 3


def test_disturbed_rounds_are_dropped() -> None:
    rounds = [Round({"bptt": 1.0, "peer": 2.0 + k}, 100.0, others) for k, others in enumerate([0.0, 0.03, 0.5, 0.01])]
    done = Rounds(rounds)
    assert done.clean == 3
    assert done.words() == "3 clean rounds of 4"
    assert done.ratio("peer", "bptt").median == 3.0  # of 2, 3 and 5
    assert done.fraction("bptt", 50e9).median == 0.5
    assert done.seconds("peer").text() == "3.000 (2.200 to 4.600)"
    assert (done.seconds("peer").low, done.seconds("peer").high) == pytest.approx((2.2, 4.6))


def test_where_no_round_is_clean_it_is_said() -> None:
    done = Rounds([Round({"bptt": 1.0}, 100.0, 0.2), Round({"bptt": 3.0}, 100.0, 0.1)])
    assert done.words().startswith("NO clean round of 2: others took 10%")
    assert done.seconds("bptt").median == 2.0
    assert Rounds([Round({"bptt": 1.0}, 100.0, None)]).clean == 1


def test_a_peer_that_is_not_at_its_best_is_named() -> None:
    def step(cell: str, **seconds: float) -> dict[str, Any]:
        summary = {n.replace("_", " "): {"seconds": {"median": v}} for n, v in seconds.items()}
        return {"cell": cell, "shape": "S", "summary": summary | {"best peer": "torch fused", "limit": {"median": 1.0}}}

    lstm = step("lstm", bptt=1.0, torch_fused=2.83, jax_naive=50.0, jax_deferred=5.9)
    assert slower([lstm, step("elman", torch_fused=2.9, jax_hoisted=1.3)]) == []
    assert slower([lstm, step("elman", torch_fused=6.0, jax_hoisted=1.5)]) == [
        "torch fused, elman, shape S: 2.12 times torch's LSTM; 1.04 has been seen",
        "jax, elman, shape S: 0.53 times torch's LSTM; 0.42 has been seen",
    ]
    assert slower([step("elman", jax_hoisted=90.0)]) == []  # nothing to compare with


def test_padding_is_what_whole_vectors_add() -> None:
    assert padding(128) == 0
    assert padding(129) > 0


def test_names_and_shapes() -> None:
    cells = importlib.import_module("training.cells")
    assert tuple(cells.SHAPES) == SHAPE_NAMES
    with pytest.raises(ValueError, match="expected one of elman"):
        equations("lstn")
    assert isinstance(build(lambda task: Participant(lambda: None, lambda r: (0.0, {})), task_of("elman")), Participant)

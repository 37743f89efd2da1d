"""Truncated BPTT: windows that reach the start add up to the full gradient; those that do not are a reference's in
which the state at their start is a constant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph import build, expr
from bptt.graph.carry import states
from bptt.graph.circuit import Circuit, reachable
from bptt.graph.errors import CircuitError
from bptt.graph.expr import Node, ref, substitute, topological
from bptt.rnn import cells
from bptt.rnn.cells import CELLS
from bptt.rnn.data import Batch
from bptt.rnn.truncation import Truncated, Window, windows
from hypothesis import given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import Example, examples
from systems import BY_STEPS

NUMBERS: dict[str, Any] = {"target": "interpret", "dtype": "float64"}
SOME = settings(max_examples=12, deadline=None)
MANY = settings(max_examples=200, deadline=None)
MAIN = re.compile(r"^( *)L += (-?)(mean|sum)\((.*), over=(t|\(t, batch\))\)( / 4)?.*$", re.MULTILINE)
T, B = 7, 3
RAGGED = [7, 4, 6]


def as_sum(text: str) -> str:
    """The text with a sum over the steps for its loss, and no other terms."""
    return MAIN.sub(r"\1L = \2sum(\4, over=\5)", text)


def as_signal(text: str) -> tuple[str, str, bool]:
    """The text with its loss at each step as a signal, ``loss_here``; "mean" or "sum"; whether it is of the batch."""
    found = MAIN.search(text)
    assert found is not None
    indent, sign, kind, body, over, factor = found.groups()
    line = f"{indent}loss_here[t] = {sign}({body}){factor or ''}"
    return MAIN.sub(lambda _: line, text), kind, over != "t"


def can_be_cut(net: Circuit) -> bool:
    try:
        states(reachable(net, ["L"]))
    except CircuitError:
        return False
    return True


@cache
def cut_cells() -> tuple[str, ...]:
    """The systems whose loss is over steps, and that can be cut."""
    return tuple(n for n in BY_STEPS if MAIN.search(CELLS[n].text) and can_be_cut(cells.cell(n)(**CELLS[n].sizes)))


def net_of(name: str, text: str) -> Circuit:
    recipe = CELLS[name]
    return rnn.define(text, name=name, **recipe.options)(**recipe.sizes)


def data(net: Circuit, steps: int = T, rows: int = B) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights, and inputs in which some targets are missing (-1)."""
    rng = np.random.default_rng(3)
    inputs: dict[str, Any] = {}
    delayed = {n.args[0].attr for n in topological(net.eqs.values()) if n.op == "delay"}
    for name, node in net.input_nodes.items():
        shape = tuple({"t": steps, "s": 4, "b": rows}[a] for a in node.axes)
        low = -1 if name == "y" and name not in delayed else 0
        symbols = rng.integers(low, net.symbols.get(name, 3), shape) if node.dtype == "i" else None
        inputs[name] = rng.normal(size=shape + node.shape) if symbols is None else symbols
    return {n: rng.normal(0, 0.6, shape) for n, shape in net.params.items()}, inputs


def run(truncated: Truncated, weights: Any, batches: Sequence[Batch], seed: int = 0) -> list[Window]:
    found, state = [], None
    for batch in batches:
        found.append(truncated.step(weights, batch, state, seed=seed))
        state = found[-1].state
    return found


def added(
    net: Circuit, k1: int, k2: int, weights: Any, inputs: Any, lengths: Any = None
) -> tuple[float, dict[str, Any]]:
    """The windows' losses and gradients; the mean over a window's rows turned into that over all rows."""
    batches = list(windows(net, inputs, k1, k2, lengths))
    found = run(Truncated(net, k1, k2, **NUMBERS), weights, batches, seed=1)
    rows = len(next(iter(inputs.values()))[0])
    each = bool(net.eqs["L"].axes)
    shares = [batch.inputs[next(iter(batch.inputs))].shape[1] / rows if each else 1.0 for batch in batches]
    grad = {n: sum(s * w.grad[n] for s, w in zip(shares, found, strict=True)) for n in found[0].grad}
    return sum(s * w.loss for s, w in zip(shares, found, strict=True)), grad


def agree(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 1e-9) -> None:
    assert set(found) == set(expected)
    for name, g in expected.items():
        np.testing.assert_allclose(found[name], g, tolerance, tolerance, err_msg=name)


# ---- k2 that reaches the start ---------------------------------------------------------------------
@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("name", cut_cells())
def test_windows_that_reach_the_start_add_up_to_the_full_gradient(name: str, lengths: list[int] | None) -> None:
    net = net_of(name, as_sum(CELLS[name].text))
    weights, inputs = data(net)
    whole = compiler.compile(net, **NUMBERS)(weights, lengths=lengths, seed=1, **inputs)
    for k1, k2 in ((3, 9),) if lengths else ((1, 7), (3, 12)):
        loss, grad = added(net, k1, k2, weights, inputs, lengths)
        assert loss == pytest.approx(whole.loss, rel=1e-10)
        agree(grad, whole.grad)


def test_means_add_up_by_the_share_of_steps() -> None:
    """Of one row (or rows of one length) whose targets are all there."""
    net = net_of("lstm", CELLS["lstm"].text)
    weights, inputs = data(net)
    inputs["y"] = np.maximum(inputs["y"], 0)
    whole = compiler.compile(net, **NUMBERS)(weights, **inputs)
    found = run(Truncated(net, 2, 8, **NUMBERS), weights, list(windows(net, inputs, 2, 8)))
    shares = np.array([2, 2, 2, 1]) / T
    assert sum(s * w.loss for s, w in zip(shares, found, strict=True)) == pytest.approx(whole.loss)
    agree({n: sum(s * w.grad[n] for s, w in zip(shares, found, strict=True)) for n in whole.grad}, whole.grad)


def looking_back(example: Example) -> str:
    """The text of a random network with delays for advances and nothing that needs all steps but its loss."""
    text = example.text.replace("[t+", "[t-").replace("[T+1]", "[0]").replace("[T+2]", "[-1]")
    return re.sub(r"^(q_\d+) = .*$", r"\1 = tanh(\1_0)", text, flags=re.MULTILINE)


@pytest.mark.parametrize("some", [SOME, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_circuits_add_up_too(some: settings) -> None:
    some(given(st.data())(adds_up))()


def adds_up(draw: st.DataObject) -> None:
    """A random circuit in windows that reach the start, against the whole."""
    example = draw.draw(examples())
    text = as_sum(looking_back(example))
    sizes = {n: size for n, size in example.sizes.items() if n != "G"}
    note(text)
    example = Example(text, example.features, sizes)
    weights, inputs = example.data(T, 2, seed=draw.draw(st.integers(0, 3)))
    lengths = draw.draw(st.sampled_from([None, [T, 3]]))
    whole = compiler.compile(example.net, wrt=list(weights), **NUMBERS)(weights, lengths=lengths, seed=1, **inputs)
    k1 = draw.draw(st.integers(1, 4))
    k2 = -(-T // k1) * k1 + draw.draw(st.integers(0, 3))
    loss, grad = added(example.net, k1, k2, weights, inputs, lengths)
    assert loss == pytest.approx(whole.loss, rel=1e-9, abs=1e-9)
    agree(grad, {n: whole.grad[n] for n in grad})


# ---- k2 that does not: another road ----------------------------------------------------------------
def stopped(net: Circuit, dag: Circuit, begin: int) -> dict[str, Node]:
    """The equations of an unfolded graph; across the step ``begin`` no derivative passes."""

    def step(name: str) -> int | None:
        base, bracket, index = name.partition("[")
        timed = bracket and base in net.eqs and "t" in net.eqs[base].axes
        return int(re.split(r"[\],]", index)[0]) if timed else None

    eqs = dict(dag.eqs)
    for name, e in dag.eqs.items() if begin else ():
        here = step(name)
        if here is not None and here > begin:
            refs = [(n, step(n.attr)) for n in topological([e]) if n.op == "ref"]
            early = {n: build.stop_gradient(n) for n, there in refs if there is not None and there <= begin}
            eqs[name] = substitute([e], early)[0]
    return eqs


def reference(
    text: str, make: Any, weights: Any, inputs: Any, begin: int, low: int, high: int
) -> tuple[float, dict[str, Any]]:
    """The loss of the steps low+1 … high and its gradient through the steps after ``begin``, from the unfolded graph
    of all steps up to ``high``: no window, no carried state."""
    signal, kind, batch = as_signal(text)
    net = make(signal)
    timed = {n for n, x in net.input_nodes.items() if "t" in x.axes}
    inputs = {n: a[:high] if n in timed else a for n, a in inputs.items() if n in net.input_nodes}
    dag = graph.unfold(net, high, next((len(inputs[n]) for n, x in net.input_nodes.items() if "s" in x.axes), None))
    steps = [dag.eqs[f"loss_here[{i}]"] for i in range(low + 1, high + 1)]
    share = expr.input_("share", ("b",))
    total = build.add(*[ref(f"loss_here[{low + 1 + i}]", e) for i, e in enumerate(steps)])
    eqs = stopped(net, dag, begin) | {"L": build.mul(build.expand(total, ["b"]), share)}
    found = dag.with_eqs(eqs, input_nodes={**dag.input_nodes, "share": share})
    rows = next(a.shape[x.axes.index("b")] for n, a in inputs.items() for x in [net.input_nodes[n]])
    counts = np.full(rows, float(high - low))
    if "cross_entropy(" in text or "nll(" in text:
        counts = (inputs["y"][low:high] >= 0).sum(axis=0).astype(float)
    if batch:
        counts = np.full(rows, counts.sum() / rows if kind == "mean" else 1.0 / rows)
    elif kind == "sum":
        counts = np.ones(rows)
    inputs["share"] = 1.0 / np.where(counts > 0, counts, 1.0)
    adjoint = graph.grad(found, "L", [n for n in weights if n not in net.constants])
    value = graph.evaluate(adjoint, weights, seed=1, returns=["L", *adjoint.grads.values()], **inputs)
    return float(np.mean(value["L"])), {n: value[name] for n, name in adjoint.grads.items()}


def check_windows(text: str, make: Any, k1: int, k2: int, weights: Any, inputs: Any, steps: int) -> None:
    net = make(text)
    batches = list(windows(net, inputs, k1, k2))
    for j, found in enumerate(run(Truncated(net, k1, k2, wrt=list(weights), **NUMBERS), weights, batches, seed=1)):
        low, high = j * k1, min((j + 1) * k1, steps)
        loss, grad = reference(text, make, weights, inputs, max(0, (j + 1) * k1 - k2), low, high)
        assert found.loss == pytest.approx(loss, rel=1e-9, abs=1e-12)
        agree(found.grad, {n: grad[n] for n in found.grad})


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 3), (2, 2), (2, 5)])
@pytest.mark.parametrize(
    "name", ["lstm", "gru", "two_lags", "markov_driven", "window_lm", "jordan", "clockwork", "attention", "autonomous"]
)
def test_a_window_is_the_reference_with_a_state_that_is_constant(name: str, k1: int, k2: int) -> None:
    """Cells with lags, own starts, tables of symbols before, a loss that reads what was delayed, and t itself."""
    text = CELLS[name].text
    net = net_of(name, text)
    weights, inputs = data(net, 6, 2)
    check_windows(text, lambda t: net_of(name, t), k1, k2, weights, inputs, 6)


@pytest.mark.parametrize("some", [SOME, pytest.param(MANY, marks=pytest.mark.slow)])
def test_windows_of_random_circuits(some: settings) -> None:
    some(given(st.data())(is_the_reference))()


def is_the_reference(draw: st.DataObject) -> None:
    """A random circuit in windows, each against the unfolded graph in which the state before it is constant."""
    example = draw.draw(examples())
    text = MAIN.sub(lambda m: m[0].split(" + ")[0] if "over=" in m[0].split(" + ")[0] else m[0], looking_back(example))
    text = MAIN.sub(r"\1L = \2\3(\4, over=\5)\6", text)
    note(text)
    sizes = {n: size for n, size in example.sizes.items() if n != "G"}
    k1 = draw.draw(st.integers(1, 3))
    k2 = draw.draw(st.integers(k1, 5))
    weights, inputs = Example(text, example.features, sizes).data(6, 2, seed=draw.draw(st.integers(0, 3)))
    check_windows(text, lambda t: rnn.define(t)(**sizes).check(), k1, k2, weights, inputs, 6)


def test_the_last_step_and_penalties_are_counted_once_an_update() -> None:
    """L = mean + h[T]² + |W|²: of each window its own last step, and the whole penalty."""
    text = "h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = {}"
    parts = ["mean(mse(h[t], y[t]), over=t)", "dot(h[T], h[T])", "0.1 * sum(W * W)"]
    net = rnn.define(text.format(" + ".join(parts)))(x=2, h=3)
    weights, inputs = data(net)
    found = run(Truncated(net, 2, 4, **NUMBERS), weights, list(windows(net, inputs, 2, 4)))
    main = rnn.define(text.format(parts[0]))(x=2, h=3)
    one = run(Truncated(main, 2, 4, **NUMBERS), weights, list(windows(main, inputs, 2, 4)))
    last = rnn.define(text.format(parts[1]))(x=2, h=3)
    program = compiler.compile(last, **NUMBERS)
    state = None
    for batch, a, b in zip(windows(net, inputs, 2, 4), found, one, strict=True):
        value = program(weights, x=batch.inputs["x"], initial=state, start=batch.start)
        assert a.loss == pytest.approx(b.loss + value.loss + 0.1 * (weights["W"] ** 2).sum())
        np.testing.assert_allclose(a.grad["W"], b.grad["W"] + value.grad["W"] + 0.2 * weights["W"], 1e-10)
        np.testing.assert_allclose(a.grad["U"], b.grad["U"] + value.grad["U"], 1e-10)
        state = a.state


# ---- rows, lengths, states -------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["lstm", "two_lags", "markov_k"])
def test_ragged_rows_are_each_alone(name: str) -> None:
    """Rows that have ended drop out; the others go on from their own state."""
    net = net_of(name, as_sum(CELLS[name].text))
    weights, inputs = data(net)
    loss, grad = added(net, 2, 3, weights, inputs, RAGGED)
    alone = [added(net, 2, 3, weights, {n: a[:k, r : r + 1] for n, a in inputs.items()}) for r, k in enumerate(RAGGED)]
    assert loss == pytest.approx(sum(one for one, _ in alone) / B)
    agree(grad, {n: sum(g[n] for _, g in alone) / B for n in grad})


def test_equal_k1_and_k2_are_plain_windows() -> None:
    """One program; its own final state goes on."""
    net = net_of("lstm", CELLS["lstm"].text)
    weights, inputs = data(net)
    truncated = Truncated(net, 3, **NUMBERS)
    assert (truncated.k2, truncated.advance, truncated.circuit) == (3, None, net)
    program, state = compiler.compile(net, **NUMBERS), None
    batches = list(windows(net, inputs, 3))
    assert [b.start for b in batches] == [1, 4, 7]
    for batch, found in zip(batches, run(truncated, weights, batches), strict=True):
        out = program(weights, initial=state, start=batch.start, **batch.inputs)
        state = out.final
        assert found.loss == out.loss
        assert found.state is not None
        assert all((found.state[n] == state[n]).all() for n in state)
        assert all((found.grad[n] == out.grad[n]).all() for n in out.grad)


def test_the_state_goes_only_as_far_as_the_next_window_begins() -> None:
    net = net_of("elman", CELLS["elman"].text)
    weights, inputs = data(net, 9, 2)
    values = graph.evaluate(net, weights, returns="h", **inputs)["h"]
    batches = list(windows(net, inputs, 2, 5))
    assert [(b.start, len(b.inputs["x"]), b.before) for b in batches] == [
        (1, 2, 0), (1, 4, 2), (2, 5, 3), (4, 5, 3), (6, 4, 3),
    ]  # fmt: skip
    assert [b.kept is None for b in batches] == [True, True, False, False, False]
    found = run(Truncated(net, 2, 5, **NUMBERS), weights, batches)
    assert found[0].state is None
    for window, step in zip(found[1:4], (1, 3, 5), strict=True):
        assert window.state is not None
        np.testing.assert_allclose(window.state["h"], values[step - 1], 1e-12)


def test_rows_are_picked_by_kept() -> None:
    """A state of several lags too, whose rows are its second axis."""
    net = net_of("two_lags", CELLS["two_lags"].text)
    weights, inputs = data(net)
    first, second, _ = windows(net, inputs, 3, 3, [7, 3, 6])
    assert second.kept is not None
    assert second.kept.tolist() == [0, 2]
    truncated = Truncated(net, 3, **NUMBERS)
    state = truncated.step(weights, first).state
    assert state is not None
    found = truncated.step(weights, second, state)
    part = {n: a[:, [0, 2]] for n, a in inputs.items()}
    whole = run(truncated, weights, list(windows(net, part, 3, 3, [7, 6])))
    assert found.loss == pytest.approx(whole[1].loss)


def test_whole_sequences_of_a_network_that_cannot_be_cut() -> None:
    net = net_of("bidirectional", CELLS["bidirectional"].text)
    weights, inputs = data(net)
    truncated = Truncated(net, **NUMBERS)
    found = truncated.step(weights, Batch(inputs))
    out = compiler.compile(net, **NUMBERS)(weights, **inputs)
    assert (found.loss, found.state) == (out.loss, None)
    message = r"bidirectional cannot be cut into windows: g \(line \d+\): it reads the future"
    with pytest.raises(CircuitError, match=message):
        truncated.step(weights, Batch(inputs, start=8, kept=np.arange(B)))
    with pytest.raises(CircuitError, match=message):
        Truncated(net, 3, **NUMBERS)


def test_dropout_keeps_its_masks_in_windows_that_overlap() -> None:
    """With one seed for all windows: masks go by the absolute step."""
    text = "h[t] = tanh(W @ dropout(h[t-1], 0.5) + U @ x[t])\nL = sum(mse(h[t], y[t]), over=t)"
    net = rnn.define(text)(x=3, h=8)
    weights, inputs = data(net)
    whole = compiler.compile(net, **NUMBERS)(weights, seed=1, **inputs)
    loss, grad = added(net, 2, 8, weights, inputs)
    assert loss == pytest.approx(whole.loss)
    agree(grad, whole.grad)


@pytest.mark.parametrize("steps", [(0, None), (2, 1), (None, 3), (True, 3), (1.5, 2)])
def test_steps_that_make_no_sense_are_refused(steps: Any) -> None:
    with pytest.raises(ValueError, match=r"^k[12]="):
        Truncated(net_of("elman", CELLS["elman"].text), *steps, **NUMBERS)


def test_batches_that_do_not_fit_are_refused() -> None:
    net = net_of("elman", CELLS["elman"].text)
    weights, inputs = data(net)
    plain, longer = Truncated(net, 3, **NUMBERS), Truncated(net, 2, 5, **NUMBERS)
    batches = list(windows(net, inputs, 2, 5))
    with pytest.raises(ValueError, match="2 steps before those that count, but the gradient goes back"):
        plain.step(weights, batches[1])
    with pytest.raises(ValueError, match="from step 2 goes on where another ended, whose state is missing"):
        longer.step(weights, batches[2])
    with pytest.raises(ValueError, match=r"counts 7 of 7 steps; expected 1 to k1 = 2 of at most k2 = 5"):
        longer.step(weights, Batch(inputs))


@pytest.mark.slow  # kernels of three programs
def test_compiled_windows_are_the_interpreters() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\nL = mean(mse(h[t], y[t]), over=t)", name="tiny")(x=2, h=2)
    weights, inputs = data(net)
    batches = list(windows(net, inputs, 2, 3, RAGGED))
    expected = run(Truncated(net, 2, 3, **NUMBERS), weights, batches)
    for a, b in zip(run(Truncated(net, 2, 3, dtype="float64"), weights, batches), expected, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-12)
        agree(a.grad, b.grad, 1e-12)

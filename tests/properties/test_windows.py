"""Random circuits: windows that hand their state on are one long run; what cannot be cut says why."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler.program import Program
from bptt.graph.carry import boundary_inputs, states
from bptt.graph.circuit import reachable
from bptt.graph.errors import CircuitError
from bptt.rnn import cells
from hypothesis import given, note, settings
from hypothesis import strategies as st
from properties.compiled import PLANS, agrees, reference, shown
from properties.random_circuits import Example, examples

SOME = settings(max_examples=100, deadline=None)
FEW = settings(max_examples=40, deadline=None)


def compiled(example: Example, **options: Any) -> Program:
    return compiler.compile(example.net, "L", target="interpret", dtype="float64", **options)


def needed(example: Example) -> Example:
    """The network without the equations that its loss does not need: a program does not carry them."""
    found = Example(example.text, example.features, example.sizes)
    found.net = reachable(example.net, ["L"])
    return found


def cut_where_possible(data: st.DataObject) -> tuple[Example, dict[str, int] | CircuitError]:
    """A network, and what its windows hand on, or the error that says why they cannot."""
    example = data.draw(examples())
    note(example.text)
    if data.draw(st.booleans()):
        example = looking_back(example)
    example = needed(example)
    try:
        return example, states(example.net)
    except CircuitError as error:
        return example, error


def looking_back(example: Example) -> Example:
    """The network with every advance turned into a delay, fixed steps into the last one, and without values of
    all steps that single steps read: it can be cut."""
    text = example.text.replace("[t+", "[t-").replace("[T+1]", "[0]").replace("[T+2]", "[-1]")
    text = re.sub(r"s\[1\]\)", "s[T])", text)
    text = re.sub(r"^(q_\d+) = .*$", r"\1 = tanh(\1_0)", text, flags=re.MULTILINE)
    note(f"looking back:\n{text}")
    return Example(text, example.features, example.sizes)


def without_start(example: Example) -> Example:
    """The network without values before the start."""
    lines = [line for line in example.text.splitlines() if not re.match(r"\w+\[(0|-1)\] =", line)]
    return Example(re.sub(r"u\[t-\d\]", "u[t]", "\n".join(lines)), example.features, example.sizes)


def windows(inputs: dict[str, Any], example: Example, ends: list[int]) -> list[dict[str, Any]]:
    """The inputs cut along t at the ends."""
    nodes = example.net.input_nodes
    return [
        {n: a[lo:hi] if "t" in nodes[n].axes else a for n, a in inputs.items()}
        for lo, hi in zip([0, *ends], ends, strict=False)
    ]


@SOME
@given(st.data())
def test_windows_are_one_long_run(data: st.DataObject) -> None:
    """Signals, random masks among them, and final values; a circuit that cannot be cut names its equation."""
    example, carried = cut_where_possible(data)
    T, B = 7, 2
    params, inputs = example.data(T, B, seed=data.draw(st.integers(0, 3)))
    returns = [n for n in shown(example.net) if "t" in example.net.eqs[n].axes][:3]
    program = compiled(example, plan=data.draw(PLANS), wrt=(), returns=returns)
    if isinstance(carried, CircuitError):
        name = str(carried).split(": ")[1].split(" ")[0]
        assert name in example.net.eqs
        with pytest.raises(CircuitError, match=re.escape(str(carried))):
            program(params, initial={}, **inputs)
        assert not program(params, **inputs).final
        return
    whole = program(params, seed=3, **inputs)
    ends = [*sorted(data.draw(st.sets(st.integers(1, T - 1), max_size=3))), T]
    note(f"windows end at {ends}")
    state: dict[str, Any] | None = None
    parts: dict[str, list[Any]] = {n: [] for n in returns}
    start = 1
    for window, end in zip(windows(inputs, example, ends), ends, strict=True):
        out = program(params, initial=state, start=start, seed=3, **window)
        state, start = out.final, end + 1
        for n in returns:
            parts[n].append(out.value[n])
    for n in returns:
        np.testing.assert_allclose(np.concatenate(parts[n]), whole.value[n], 1e-12, 1e-13, err_msg=n)
    assert state is not None
    assert set(state) == set(whole.final) == set(carried)
    for n, array in whole.final.items():
        np.testing.assert_allclose(state[n], array, 1e-12, 1e-13, err_msg=n)


@FEW
@given(st.data())
def test_gradient_of_a_window(data: st.DataObject) -> None:
    """A later window's loss and gradient, by its initial state too, are the reference's for that state."""
    example = needed(looking_back(data.draw(examples())))
    carried = states(example.net)
    params, inputs = example.data(4, 2)
    opened = boundary_inputs(example.net)
    boundaries = {n: x for n, x in opened.input_nodes.items() if "[" in n}
    numbers = [n for n, x in boundaries.items() if x.dtype == "f"]
    first = compiled(example, wrt=())(params, seed=1, **inputs)
    program = compiled(example, plan=data.draw(PLANS), wrt=[*params, *numbers])
    arguments: dict[str, Any] = {"start": 5, "seed": 1, **inputs}
    found = program(params, initial=first.final, **arguments)
    for n, k in carried.items():
        for j in range(k):
            arguments[f"{n}[{-j}]"] = first.final[n][k - 1 - j] if k > 1 else first.final[n]
    wanted = reference(opened, params, arguments, wrt=[*params, *numbers])
    wanted.final = found.final  # of these the test above takes care
    agrees(found, wanted)


@FEW
@given(st.data())
def test_one_window_is_the_full_gradient(data: st.DataObject) -> None:
    """k2 ≥ T: a run from zero state is the run without one, where the circuit says nothing else."""
    example = without_start(looking_back(data.draw(examples())))
    note(example.text)
    params, inputs = example.data(5, 2)
    program = compiled(example, plan=data.draw(PLANS))
    agrees(program(params, initial={}, **inputs), reference(example.net, params, inputs))


DROPPED = """
    h[t] = tanh(W @ dropout(h[t-1], 0.5) + U @ dropout(x[t], 0.4, over=t))
    c[t] = zoneout(tanh(V @ h[t] + c[t-1]), c[t-1], 0.5)
    L = mean(mse(c[t], y[t]), over=t)
"""


def test_masks_go_by_seed_and_step() -> None:
    net = rnn.define(DROPPED, name="dropped")(x=40, h=40, c=40)
    params = net.init(0, "float64")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6, 3, 40))
    program = compiler.compile(net, "L", target="interpret", dtype="float64", returns=("c",))
    one, same, other = (program(params, x=x, y=y, seed=seed) for seed in (1, 1, 2))
    assert one.loss == same.loss != other.loss
    assert all((one.grad[n] == same.grad[n]).all() for n in params)
    assert any((one.grad[n] != other.grad[n]).any() for n in params)
    early = program(params, x=x[:4], y=y[:4], seed=1)
    late = program(params, x=x[4:], y=y[4:], seed=1, initial=early.final, start=5)
    np.testing.assert_array_equal(np.concatenate([early.value["c"], late.value["c"]]), one.value["c"])
    again = program(params, x=x[4:], y=y[4:], seed=1, initial=early.final)  # the masks of steps 1 and 2
    assert (again.value["c"] != late.value["c"]).any()


def test_masks_do_not_go_by_the_place_in_a_sorted_batch() -> None:
    """A row's masks are its own, whatever the lengths of the others."""
    net = rnn.define(DROPPED, name="dropped")(x=40, h=40, c=40)
    params = net.init(0, "float64")
    x, y = np.random.default_rng(0).normal(size=(2, 6, 3, 40))
    program = compiler.compile(net, target="interpret", dtype="float64", returns=("c",), wrt=())
    full = program(params, x=x, y=y).value["c"]
    for lengths in ([2, 6, 4], [1, 3, 6]):
        ragged = program(params, x=x, y=y, lengths=lengths).value["c"]
        for row, n in enumerate(lengths):
            np.testing.assert_allclose(ragged[:n, row], full[:n, row], 1e-9, 1e-12)


def test_what_cannot_be_cut_names_its_equation_and_line() -> None:
    net = cells.cell("bidirectional")(x=3, h=4, g=2, o=5)
    program = compiler.compile(net, target="interpret", dtype="float64")
    params = net.init(0, "float64")
    x, y = np.zeros((3, 2, 3)), np.zeros((3, 2), int)
    with pytest.raises(CircuitError, match=r"cannot be cut.*: g \(line \d+\): it reads the future"):
        program(params, initial={"h": np.zeros((2, 4))}, x=x, y=y)


def test_only_what_is_asked_for_is_carried() -> None:
    """A program computes, takes and hands on what it needs; it leaves alone what another one hands it."""
    text = """
        h[t] = tanh(W @ h[t-1] + U @ x[t])
        k[t] = tanh(V @ k[t-1] + h[t])
        b[t] = b[t+1] + h[t]
        L = mean(mse(k[t], y[t]), over=t)
    """
    net = rnn.define(text)(x=2, h=3, k=3)
    params = net.init(dtype="float64")
    x, y = np.random.default_rng(0).normal(size=(4, 2, 2)), np.zeros((4, 2, 3))
    train = compiler.compile(net, target="interpret", dtype="float64")
    infer = compiler.compile(net, returns=("h",), target="interpret", dtype="float64")
    whole = compiler.compile(net, returns=("b",), target="interpret", dtype="float64")
    out = train(params, x=x, y=y)
    assert set(out.final) == {"h", "k"}
    assert set(infer(params, x=x).final) == {"h"}
    np.testing.assert_array_equal(infer(params, x=x, initial=out.final).final["h"].shape, (2, 3))
    assert whole(params, x=x).final == {}
    with pytest.raises(CircuitError, match=r"b \(line 4\): it reads the future"):
        whole(params, x=x, initial=out.final)

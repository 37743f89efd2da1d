"""Random circuits: the loop program, interpreted, gives what the unfolded graph gives, under any plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph
from bptt.compiler import Plan
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from properties.compiled import PLANS, agrees, alike, of_cell, reference, shown
from properties.random_circuits import Example, examples, lengths_for
from properties.test_ragged import alone, poisoned

QUICK = settings(max_examples=200, deadline=None)
SOME = settings(max_examples=40, deadline=None)
LONG = settings(max_examples=2000, deadline=None)
FEW = settings(max_examples=20, deadline=None)
ALL_PLANS = [
    Plan(chunk, bool(fuse), bool(rings), bool(merge), bool(hoist))
    for chunk in (1, 2, 3)
    for fuse, rings, merge, hoist in ((1, 1, 1, 1), (1, 1, 1, 0), (1, 0, 0, 0), (0, 1, 1, 0), (1, 1, 0, 1))
]


def compiled(example: Example, plan: Plan | None = None, **options: Any) -> compiler.Program:
    return compiler.compile(example.net, "L", target="interpret", dtype="float64", plan=plan, **options)


def case(data: st.DataObject) -> tuple[Example, dict[str, Any], dict[str, Any]]:
    """A network, its parameters, and the arguments of a call: inputs, lengths, start and seed."""
    example = data.draw(examples())
    note(example.text)
    T, S, B = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    params, arguments = example.data(T, B, S, seed=data.draw(st.integers(0, 3)))
    if data.draw(st.booleans()):
        lengths = lengths_for(data.draw, T, S, B, "attention" in example.features)
        arguments = poisoned(example.net, arguments, lengths) | {"lengths": lengths}
    arguments["seed"] = data.draw(st.sampled_from([0, 1, 2**40 + 3]))
    if "[1]" not in example.text:
        arguments["start"] = data.draw(st.sampled_from([1, 1, 4]))
    return example, params, arguments


def check_values(data: st.DataObject) -> None:
    example, params, arguments = case(data)
    returns = data.draw(st.lists(st.sampled_from(shown(example.net)), unique=True, max_size=3))
    program = compiled(example, data.draw(PLANS), returns=returns)
    agrees(program(params, **arguments), reference(example.net, params, arguments, returns=returns))


@QUICK
@given(st.data())
def test_loss_gradients_and_signals(data: st.DataObject) -> None:
    check_values(data)


@pytest.mark.slow
@LONG
@given(st.data())
def test_loss_gradients_and_signals_of_many(data: st.DataObject) -> None:
    check_values(data)


@FEW
@given(st.data())
def test_all_plans_agree(data: st.DataObject) -> None:
    """Chunks, fused stages, rings and merged products change nothing but rounding."""
    example, params, arguments = case(data)
    expected = reference(example.net, params, arguments)
    for plan in ALL_PLANS:
        note(str(plan))
        agrees(compiled(example, plan)(params, **arguments), expected)


@SOME
@given(st.data())
def test_checkpoints(data: st.DataObject) -> None:
    """Every k-th state kept and the others computed again: the same values."""
    example, params, arguments = case(data)
    k = data.draw(st.integers(1, 4))
    program = compiled(example, data.draw(PLANS), checkpoint=k)
    agrees(program(params, **arguments), reference(example.net, params, arguments))


@SOME
@given(st.data())
def test_equations_kept_or_computed_again(data: st.DataObject) -> None:
    example, params, arguments = case(data)
    names = st.sampled_from([n for n in example.net.eqs if "[" not in n])
    place = data.draw(st.dictionaries(names, st.sampled_from(["keep", "recompute"]), max_size=4))
    program = compiled(example, Plan(2, place=place))
    agrees(program(params, **arguments), reference(example.net, params, arguments))


@SOME
@given(st.data())
def test_gradients_of_anything(data: st.DataObject) -> None:
    """By parameters, inputs, signals, values and boundary values."""
    example, params, arguments = case(data)
    net = example.net
    numbers = [n for n, x in net.input_nodes.items() if x.dtype == "f" and "[" not in n]
    equations = [n for n, e in net.eqs.items() if e.dtype == "f"]
    choices = [*params, *numbers, *equations, *_read_boundaries(example)]
    wrt = data.draw(st.lists(st.sampled_from(choices), unique=True, max_size=5))
    note(f"wrt = {wrt}")
    program = compiled(example, data.draw(PLANS), wrt=wrt)
    found = program(params, **arguments)
    expected = reference(net, params, arguments, wrt=wrt)
    agrees(found, expected)


def _read_boundaries(example: Example) -> list[str]:
    """h[0], h[-1], … that are read and have no equation, of signals of numbers."""
    found = []
    for name in ("fs", "gs", "hs", "ks", "ls", "as"):
        for k, place in ((1, "0"), (2, "-1")):
            read = any(f"{name}[t-{j}]" in example.text for j in range(k, 3))
            if read and f"{name}[{place}]" not in example.net.eqs:
                found.append(f"{name}[{place}]")
    return found


@SOME
@given(st.data())
def test_ragged_is_each_alone(data: st.DataObject) -> None:
    """Whatever the padding holds: NaN, and symbols out of range."""
    example = data.draw(examples())
    assume(not example.features & {"dropout", "batch loss"})
    note(example.text)
    T, S, B = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 3)), 3
    params, inputs = example.data(T, B, S)
    lengths = lengths_for(data.draw, T, S, B, "attention" in example.features)
    returns = [n for n in shown(example.net) if example.net.eqs[n].axes == ("t", "b")]
    program = compiled(example, data.draw(PLANS), returns=returns)
    whole = program(params, lengths=lengths, **poisoned(example.net, inputs, lengths))
    ones = [program(params, **alone(example.net, inputs, lengths, row)) for row in range(B)]
    alike(whole.loss, np.mean([o.loss for o in ones]), "loss")
    for n in params:
        alike(whole.grad[n], sum(o.grad[n] for o in ones) / B, n)
    for n in returns:
        for row, one in enumerate(ones):
            steps = lengths["t"][row]
            alike(whole.value[n][:steps, row], one.value[n][:, 0], n)
            assert not whole.value[n][steps:, row].any(), n
    for n, array in whole.final.items():
        lagged = array.ndim == ones[0].final[n].ndim and array.shape[0] != B
        rows = [o.final[n] for o in ones]
        together = np.concatenate(rows, axis=1 if lagged else 0)
        alike(array, together, n)


@SOME
@given(st.data())
def test_without_training(data: st.DataObject) -> None:
    """training=False: dropout is off, whatever the seed."""
    example, params, arguments = case(data)
    assume("dropout" in example.features or data.draw(st.integers(0, 4)) == 0)
    returns = shown(example.net)[:2]
    expected = graph.evaluate(example.net, params, training=False, returns=["L", *returns], **arguments)
    inference = compiled(example, training=False, wrt=(), returns=returns)
    for seed in (0, 1):
        found = inference(params, **arguments | {"seed": seed})
        assert not found.grad
        alike(found.loss, np.mean(expected["L"]), "loss")
        for n in returns:
            alike(found.value[n], expected[n], n)


# ---- gradients by signals that rules would look through --------------------------------------------
@pytest.mark.parametrize(
    ("name", "wrt"),
    [
        ("elman", ["p", "o", "a", "h", "x", "h[0]"]),  # p = softmax(o) would disappear in the loss
        ("lstm_packed", ["e", "f", "W"]),  # of e only slices are read
        ("lstm_peephole", ["h[0]", "c[0]", "h_0", "q"]),
        ("two_lags", ["h[0]", "h[-1]", "k"]),
        ("bidirectional", ["h[0]", "g[T+1]", "g"]),
        ("hmm", ["A", "u", "z", "p"]),
        ("attention", ["w", "e", "d[0]", "e[0]"]),
        ("window_lm", ["e", "E"]),  # a product with concat becomes products with its parts
    ],
)
def test_gradients_by_signals(name: str, wrt: list[str]) -> None:
    example = of_cell(name)
    params, inputs = example.data(4, 3, 2)
    found = compiled(example, wrt=wrt)(params, **inputs)
    agrees(found, reference(example.net, params, inputs, wrt=wrt))
    assert all(found.grad[n].any() for n in wrt)


def test_gradients_by_what_is_zero_or_unread() -> None:
    text = """
        a[t] = 0 * x[t]
        k[t] = tanh(V @ h[t])
        h[0] = 0
        h[t] = tanh(W @ h[t-1] + U @ x[t] + a[t])
        L = mean(mse(h[t], y[t]), over=t)
    """
    example = Example(text, sizes={"x": 3, "h": 3, "k": 2})
    params, inputs = example.data(4, 2)
    found = compiled(example, wrt=["a", "h[0]", "k", "V"])(params, **inputs)
    agrees(found, reference(example.net, params, inputs, wrt=["a", "h[0]", "k", "V"]))
    assert found.grad["a"].any()
    assert found.grad["h[0]"].any()
    assert not found.grad["k"].any()


@pytest.mark.parametrize(
    "text",
    [
        "g[t] = tanh(W @ g[t+1] + x[t])\nL = sum(g[T-1]) + g[T-2] @ g[T] + g[1] @ g[T-1]",  # the loop runs down
        "g[t] = tanh(W @ g[t-1] + x[t])\nL = sum(g[T-1]) + g[T-2] @ g[T] + g[1] @ g[T-1]",
        "g[0] = 2\ng[t] = tanh(W * g[t-1] + x[t])\nL = g[T]",  # a number before the start
    ],
)
@pytest.mark.parametrize("T", [1, 2, 5])
def test_steps_near_the_ends(text: str, T: int) -> None:
    example = Example(text, sizes={"g": () if "2\n" in text else 3})
    params, inputs = example.data(T, 2)
    agrees(compiled(example)(params, **inputs), reference(example.net, params, inputs))

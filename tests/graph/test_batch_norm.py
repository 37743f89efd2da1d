"""Batch normalisation: statistics of the batch in training, running ones afterwards, and derivatives of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.graph.statistics import with_statistics

FREE = """
    z[t] = batch_norm(U @ x[t])
    h[t] = tanh(W @ h[t-1] + g * z[t] + b)
    L = mean(mse(h[t], x[t]), over=t)
"""
INSIDE = """
    h[t] = tanh(batch_norm(W @ h[t-1], over=batch) * g + batch_norm(U @ x[t], over=batch) + b)
    L = mean(mse(h[t], x[t]), over=t)
"""
VALUE = """
    h[t] = tanh(W @ h[t-1] + U @ x[t])
    a = batch_norm(V @ h[T])
    L = mean(a**3)
"""
TEXTS = {"free": FREE, "inside": INSIDE, "value": VALUE}
LENGTHS = [5, 2, 4, 1]


def example(text: str) -> tuple[graph.Circuit, dict[str, Any], dict[str, Any]]:
    """A network, its parameters, and inputs whose padding is not finite."""
    cell = rnn.define(text)
    net = cell(**cell.small({"x": 3, "h": 3}))
    rng = np.random.default_rng(4)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    params |= {n: np.abs(a) + 0.5 for n, a in params.items() if n.startswith("variance")}
    x = rng.normal(size=(5, 4, 3))
    x[np.arange(5)[:, None] >= np.array(LENGTHS)] = np.nan
    return net, params, {"x": x, "lengths": LENGTHS}


def test_statistics_are_those_of_the_valid_steps_of_the_batch() -> None:
    net, params, given = example(FREE)
    z = graph.evaluate(net, params, **given)["z"]
    valid = np.arange(5)[:, None] < np.array(LENGTHS)
    np.testing.assert_allclose(z[valid].mean(0), 0.0, atol=1e-14)
    np.testing.assert_allclose(z[valid].var(0), 1.0, atol=1e-4)
    inside = rnn.define("z[t] = batch_norm(x[t], over=batch)")(x=3)
    z = graph.evaluate(inside, {}, **given)["z"]
    for t in range(5):
        np.testing.assert_allclose(z[t][valid[t]].mean(0), 0.0, atol=1e-14)
        np.testing.assert_allclose(z[t][valid[t]].var(0), float(valid[t].sum() > 1), atol=1e-2)


def test_after_training_running_statistics_stand_for_those_of_the_batch() -> None:
    net, params, given = example(FREE)
    assert net.constants == {"mean.z", "variance.z"}
    assert {n: a.tolist() for n, a in net.init().items() if n in net.constants} == {
        "mean.z": [0.0] * 3,
        "variance.z": [1.0] * 3,
    }
    z = graph.evaluate(net, params, **given, training=False)["z"]
    expected = (given["x"] @ params["U"].T - params["mean.z"]) / np.sqrt(params["variance.z"] + 1e-5)
    np.testing.assert_allclose(z, np.nan_to_num(expected), atol=1e-14)


def test_what_a_batch_adds_is_mean_and_unbiased_variance_of_all_steps() -> None:
    for over in ("", ", over=batch"):
        net, names = with_statistics(rnn.define(f"z[t] = batch_norm(x[t]{over})")(x=3))
        _, _, given = example(FREE)
        found = graph.evaluate(net, {}, **given)
        rows = given["x"][np.isfinite(given["x"]).all(-1)]
        np.testing.assert_allclose(found[names["mean.z"]], rows.mean(0), atol=1e-14)
        np.testing.assert_allclose(found[names["variance.z"]], rows.var(0, ddof=1), atol=1e-14)


def test_of_one_step_there_is_no_spread() -> None:
    net, names = with_statistics(rnn.define("z[t] = batch_norm(x[t])")(x=3))
    found = graph.evaluate(net, {}, x=np.ones((1, 1, 3)))
    assert np.all(found["z"] == 0.0)
    assert np.all(found[names["variance.z"]] == 0.0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_derivatives_to_second_order(text: str, training: bool) -> None:
    """One adjoint is right in both: of what is taken from the batch it is zero after training."""
    net, params, given = example(TEXTS[text])
    adjoint = graph.grad(net, "L")
    direction = {n: np.random.default_rng(1).normal(size=params[n].shape) for n in adjoint.grads}
    along = graph.jvp(net, list(adjoint.grads))
    tangent = {f"τ{n}": d for n, d in direction.items()}

    def at(step: float) -> dict[str, Any]:
        moved = params | {n: params[n] + step * d for n, d in direction.items()}
        found: dict[str, Any] = graph.evaluate(adjoint, moved, **given, training=training)
        return found

    here, plus, minus = at(0.0), at(1e-5), at(-1e-5)
    slope = (plus["L"].mean() - minus["L"].mean()) / 2e-5
    assert slope == pytest.approx(sum(np.sum(here[g] * direction[n]) for n, g in adjoint.grads.items()), rel=1e-6)
    forward = graph.evaluate(along, params | tangent, **given, training=training)["τL"].mean()
    assert slope == pytest.approx(forward, rel=1e-6)
    second = graph.evaluate(
        graph.jvp(adjoint, list(adjoint.grads)), params | tangent, **given, training=training, returns=["τδU"]
    )["τδU"]
    np.testing.assert_allclose(second, (plus["δU"] - minus["δU"]) / 2e-5, atol=1e-6)


@pytest.mark.parametrize("text", TEXTS)
def test_unfolding_and_differentiating_commute(text: str) -> None:
    net, params, given = example(TEXTS[text])
    full = {"x": np.nan_to_num(given["x"])}
    one = graph.evaluate(graph.grad(net, "L"), params, **full)
    dag = graph.grad(graph.unfold(net, 5), "L")
    other = graph.evaluate(dag, params, **full, returns=list(dag.grads.values()))
    for n, name in dag.grads.items():
        np.testing.assert_allclose(other[name], one[f"δ{n}"], atol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_printed_can_be_read_again(text: str) -> None:
    net, params, given = example(TEXTS[text])
    assert "statistic" not in str(net)
    sizes = {n: shape for n, shape in (net.params | net.inputs).items() if n not in net.constants}
    again = rnn.define(str(net))(**sizes)
    assert again.eqs == net.eqs
    assert again.constants == net.constants
    adjoint = graph.grad(net, "L")
    read = rnn.define(str(adjoint))(**sizes)
    for training in (True, False):
        expected = graph.evaluate(adjoint, params, **given, training=training)
        found = graph.evaluate(read, params, **given, training=training)
        for name in adjoint.grads.values():
            np.testing.assert_allclose(found[name], expected[name], atol=1e-12)


def test_an_adjoint_has_equations_for_what_it_reads_of_the_batch() -> None:
    net, _, _ = example(FREE)
    adjoint = graph.grad(net, "L")
    assert str(adjoint).count("'mean.z'") == str(adjoint).count("'variance.z'") == 1
    assert "(U @ x[t] - mean_z)" in graph.text(adjoint.with_eqs({"δU": adjoint.eqs["δU"]}))
    assert "mean_z" not in graph.grad(net, "L", ["W"]).eqs


def test_at_the_first_step_and_twice_in_one_equation() -> None:
    net = rnn.define("h[t] = h[t-1] + batch_norm(x[t]) * batch_norm(k[t]);  h[1] = batch_norm(x[1])")(x=2, k=2)
    names = [f"{kind}.{at}" for at in ("h", "h.2", "h(1)") for kind in ("mean", "variance")]
    assert net.constants == set(names)
    out = compiler.compile(net, returns="h", target="interpret", dtype="float64")(
        {}, x=np.ones((3, 2, 2)), k=np.ones((3, 2, 2))
    )
    assert set(out.stats) == set(names)


def test_statistics_of_all_steps_in_their_own_loop_are_refused_with_the_mend() -> None:
    with pytest.raises(graph.CircuitError, match="over=batch"):
        rnn.define("h[t] = tanh(batch_norm(W @ h[t-1]) + x[t])")(x=2)


def test_windows_take_statistics_of_their_own() -> None:
    net, params, given = example(FREE)
    x = np.nan_to_num(given["x"])
    program = compiler.compile(net, returns="z", wrt=(), target="interpret", dtype="float64")
    first = program(params, x=x[:3])
    second = program(params, x=x[3:], initial=first.final, start=4)
    np.testing.assert_allclose(second.value["z"].mean((0, 1)), 0.0, atol=1e-14)
    inference = compiler.compile(net, returns=("h",), target="interpret", dtype="float64", training=False)
    first = inference(params, x=x[:3])
    second = inference(params, x=x[3:], initial=first.final, start=4)
    np.testing.assert_allclose(second.value["h"], inference(params, x=x).value["h"][3:], atol=1e-14)
    assert not inference(params, x=x).stats


@pytest.mark.parametrize("text", TEXTS)
def test_programs_agree_with_the_reference(text: str) -> None:
    net, params, given = example(TEXTS[text])
    adjoint = graph.grad(net, "L")
    recorded, names = with_statistics(net)
    for training in (True, False):
        program = compiler.compile(net, target="interpret", dtype="float64", training=training)
        weights = {n: a for n, a in params.items() if n not in net.constants} if training else params
        out = program(weights, **given)
        expected = graph.evaluate(adjoint, params, **given, training=training)
        for n, name in adjoint.grads.items():
            np.testing.assert_allclose(out.grad[n], expected[name], atol=1e-11)
        assert set(out.stats) == (set(names) if training else set())
    expected = graph.evaluate(recorded, params, **given)
    out = compiler.compile(net, target="interpret", dtype="float64")(params, **given)
    for n, name in names.items():
        np.testing.assert_allclose(out.stats[n], expected[name], atol=1e-12)
    with pytest.raises(KeyError, match=r"no 'mean\.W'"):
        out.stats["mean.W"]


def test_pictures_show_it_as_one_operation() -> None:
    net, _, _ = example(FREE)
    assert "batch norm" in graph.draw_circuit(net, operations=True).svg
    assert graph.draw_unrolled(net, steps=3).svg
    assert r"\operatorname{batch\_norm}" in graph.latex(net)


def test_of_a_second_sequence_and_of_two_indices() -> None:
    net = rnn.define("""
        e[s] = tanh(W_e @ e[s-1] + batch_norm(X[v[s]]))
        d[t] = tanh(W_d @ d[t-1] + x[t])
        w[t, s] = softmax(batch_norm(dot(d[t], e[s])), over=s)
        z[t] = sum(w[t, s] * e[s], over=s)
        L = mean(mse(z[t], x[t]), over=t)
    """)(v=5, e=3, d=3)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    lengths = {"t": [5, 2, 3], "s": [1, 4, 2]}
    given = {"x": rng.normal(size=(5, 3, 3)), "v": rng.integers(0, 5, (4, 3)), "lengths": lengths}
    out = compiler.compile(net, target="interpret", dtype="float64")(params, **given)
    adjoint = graph.grad(net, "L")
    expected = graph.evaluate(adjoint, params, **given)
    for n, name in adjoint.grads.items():
        np.testing.assert_allclose(out.grad[n], expected[name], atol=1e-12)
    valid = np.arange(4)[:, None] < np.array(lengths["s"])
    rows = params["X"][given["v"]][valid]
    np.testing.assert_allclose(out.stats["mean.e"], rows.mean(0), atol=1e-13)
    np.testing.assert_allclose(out.stats["variance.e"], rows.var(0, ddof=1), atol=1e-13)
    assert out.stats["mean.w"].shape == ()

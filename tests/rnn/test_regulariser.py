"""The norm-preserving regulariser: its value by the paper's equation 9, its derivatives exactly and by equation 10."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.rnn import optim

Array = np.ndarray[Any, Any]
STEPS, BATCH = 6, 3
LENGTHS = [6, 3, 4]

#: the paper's equation 2 (its state is what we call a[t])
PASCANU = rnn.define("""
    a[t] = W @ tanh(a[t-1]) + U @ x[t] + b
    o[t] = V @ a[t] + c
    L = sum(cross_entropy(o[t], y[t]), over=t)
""")


def example(net: graph.Circuit, seed: int = 0) -> tuple[dict[str, Array], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    params = {n: a + 0.1 * rng.normal(size=a.shape) for n, a in net.init(seed=1, dtype="float64").items()}
    x, y = rng.normal(size=(STEPS, BATCH, 3)), rng.integers(0, 5, (STEPS, BATCH))
    return params, {"x": x, "y": y, "lengths": LENGTHS}


def of_the_paper(W: Array, a: Array, back: Array) -> Array:
    """Ω of each sequence by equation 9, from states and ∂E/∂a[t], which are taken as they are."""
    before = np.concatenate([np.zeros_like(a[:1]), a[:-1]])
    through = np.einsum("tbi,ij->tbj", back, W) * (1.0 - np.tanh(before) ** 2)
    norms = np.linalg.norm(back, axis=-1)
    ratio = np.linalg.norm(through, axis=-1) / np.where(norms > 0, norms, 1.0)
    return np.where(norms > 0, (ratio - 1.0) ** 2, 0.0).sum(0)


def test_its_value_is_equation_9() -> None:
    net = PASCANU(x=3, a=4, o=5)
    params, given = example(net)
    found = graph.evaluate(rnn.norm_preserving(net, "a", 0.7), params, **given)
    plain = graph.evaluate(graph.grad(net, "L", ["a"]), params, **given)
    expected = of_the_paper(params["W"], plain["a"], plain["δa"])
    np.testing.assert_allclose(found["Ω"], expected, atol=1e-13)
    np.testing.assert_allclose(found["E"], plain["L"], atol=1e-13)
    np.testing.assert_allclose(found["L"], plain["L"] + 0.7 * expected, atol=1e-13)


def test_the_immediate_derivative_is_equation_10() -> None:
    net = PASCANU(x=3, a=4, o=5)
    params, given = example(net)
    penalised = rnn.norm_preserving(net, "a", 1.0, immediate=True)
    plain = graph.evaluate(graph.grad(net, "L", ["a"]), params, **given)
    adjoint = graph.grad(penalised, "Ω")
    found = graph.evaluate(adjoint, params, **given, returns=list(adjoint.grads.values()))
    expected = np.zeros((4, 4))
    for place in np.ndindex(4, 4):
        shift = np.zeros((4, 4))
        shift[place] = 1e-6
        ends = [of_the_paper(params["W"] + s * shift, plain["a"], plain["δa"]).mean() for s in (1, -1)]
        expected[place] = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(found[adjoint.grads["W"]], expected, atol=1e-8)
    for name in "UbVc":  # ∂a[t]/∂a[t-1] has none of them
        assert not np.any(found[adjoint.grads[name]])


CELLS = {
    "elman": "h", "lstm": "c", "gru": "h", "irnn": "h", "batch_normalised": "h", "two_lags": "h", "bidirectional": "g",
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_the_exact_derivative_against_central_differences(name: str) -> None:
    cell = getattr(rnn.cells, name)
    net = rnn.norm_preserving(cell(**cell.small({"x": 3, "o": 5})), CELLS[name], 0.7)
    params, given = example(net)
    adjoint = graph.grad(net, "L")
    found = graph.evaluate(adjoint, params, **given, returns=list(adjoint.grads.values()))
    rng = np.random.default_rng(2)
    direction = {n: rng.normal(size=params[n].shape) for n in adjoint.grads}

    def at(step: float) -> float:
        moved = params | {n: params[n] + step * d for n, d in direction.items()}
        return float(graph.evaluate(net, moved, **given, returns=["L"])["L"].mean())

    along = sum(float(np.sum(found[g] * direction[n])) for n, g in adjoint.grads.items())
    assert (at(1e-6) - at(-1e-6)) / 2e-6 == pytest.approx(along, rel=1e-6)
    out = compiler.compile(net, target="interpret", dtype="float64")(params, **given)
    for n, g in adjoint.grads.items():
        np.testing.assert_allclose(out.grad[n], found[g], atol=1e-12)


def test_the_immediate_derivative_of_an_lstm_is_that_of_one_step() -> None:
    """∂c[t]/∂c[t-1] is the forget gate: with the state before given, it still depends on its own weights."""
    net = rnn.lstm(x=3, h=4, o=5)
    params, given = example(net)
    penalised = rnn.norm_preserving(net, "c", 1.0, immediate=True)
    adjoint = graph.grad(penalised, "Ω")
    found = graph.evaluate(adjoint, params, **given, returns=list(adjoint.grads.values()))
    plain = graph.evaluate(graph.grad(net, "L", ["c"]), params, **given)
    before = np.concatenate([np.zeros((1, BATCH, 4)), plain["h"][:-1]])
    valid = np.arange(STEPS)[:, None] < np.array(LENGTHS)

    def penalty(W_f: Array) -> float:
        f = 1.0 / (1.0 + np.exp(-(before @ W_f.T + given["x"] @ params["U_f"].T + params["b_f"])))
        norms = np.linalg.norm(np.where(valid[..., None], plain["δc"], 1.0), axis=-1)
        ratio = np.linalg.norm(plain["δc"] * f, axis=-1) / norms
        return float(((ratio - 1.0) ** 2 * valid).sum(0).mean())

    assert graph.evaluate(penalised, params, **given)["Ω"].mean() == pytest.approx(penalty(params["W_f"]), abs=1e-12)
    shift = np.random.default_rng(3).normal(size=(4, 4))
    slope = (penalty(params["W_f"] + 1e-6 * shift) - penalty(params["W_f"] - 1e-6 * shift)) / 2e-6
    assert np.sum(found[adjoint.grads["W_f"]] * shift) == pytest.approx(slope, abs=1e-8)
    for name in ("W_i", "W_g", "V"):
        assert not np.any(found[adjoint.grads[name]])


BATCH_LOSSES = {
    "sum(cross_entropy(o[t], y[t]), over=(t, batch))": 1,
    "mean(cross_entropy(o[t], y[t]), over=(t, batch))": 0,
    "0.5 * sum(cross_entropy(o[t], y[t]), over=(t, batch)) / 3 + 0.1 * sum(V**2)": 1,
    "mean(R, over=batch)": 0,
    "sum(R, over=batch)": 1,
    "A + sum(W**2)": 1,
    "sqrt(A)": 0.5,
}
PARTS = {"R": "t", "A": "(t, batch)"}


@pytest.mark.parametrize("loss", BATCH_LOSSES)
def test_beside_a_loss_of_the_batch_its_weight_does_not_depend_on_the_number_of_sequences(loss: str) -> None:
    parts = [f"{n} = sum(cross_entropy(o[t], y[t]), over={over})" for n, over in PARTS.items() if n in loss]
    text = str(PASCANU).split("L = ")[0] + "\n".join([*parts, f"L = {loss}"])
    net = rnn.define(text)(x=3, a=4, o=5)
    params, given = example(net)
    penalised = rnn.norm_preserving(net, "a", 0.7)
    expected = graph.evaluate(rnn.norm_preserving(PASCANU(x=3, a=4, o=5), "a"), params, **given)["Ω"]
    for k in (1, 3):
        batch = {n: np.concatenate([np.asarray(a)] * k, axis=-1 if n == "lengths" else 1) for n, a in given.items()}
        found = graph.evaluate(penalised, params, **batch)
        np.testing.assert_allclose(found["Ω"], np.tile(expected, k), atol=1e-12)
        added = 0.7 * expected.mean() * (k * BATCH) ** BATCH_LOSSES[loss]
        np.testing.assert_allclose(found["L"] - found["E"], added, atol=1e-12)
        np.testing.assert_allclose(found["E"], graph.evaluate(net, params, **batch)["L"], atol=1e-12)


def test_a_loss_of_the_batch_that_is_neither_sum_nor_mean_is_refused() -> None:
    for loss in ("log(sum(h[T] + 2, over=batch))", "sum(sum(h[T]), over=batch) + mean(sum(h[T]), over=batch)"):
        net = rnn.define(f"h[t] = tanh(W @ h[t-1] + x[t]);  L = sum({loss})")(x=2)
        with pytest.raises(graph.CircuitError, match="L is neither a sum nor a mean over the sequences"):
            rnn.norm_preserving(net, "h")


def test_small_gradients_count_as_large_ones() -> None:
    """In float32 the square of 1e-30 is 0: the direction is scaled before."""
    net = rnn.define("h[t] = tanh(W @ h[t-1] + U @ x[t]);  L = 1e-30 * sum(h[T])")(x=2, h=3)
    params = {n: a.astype("float32") for n, a in net.init(seed=1).items()}
    x = np.random.default_rng(0).normal(size=(4, 2, 2)).astype("float32")
    penalised = rnn.norm_preserving(net, "h")
    found = compiler.compile(penalised, returns=("Ω",), wrt=(), target="interpret")(params, x=x)
    expected = graph.evaluate(penalised, params, x=x)["Ω"]
    assert np.all(expected > 0.1)
    np.testing.assert_allclose(found.value["Ω"], expected, rtol=1e-4)


def test_steps_without_a_gradient_count_nothing() -> None:
    net = PASCANU(x=3, a=4, o=5)
    params, given = example(net)
    given["y"][2:] = -1
    penalised = rnn.norm_preserving(net, "a")
    short = {"x": given["x"][:2], "y": given["y"][:2]}
    whole = graph.evaluate(penalised, params, **given)["Ω"]
    np.testing.assert_allclose(whole, graph.evaluate(penalised, params, **short)["Ω"], atol=1e-14)
    adjoint = graph.grad(penalised, "L")
    found = graph.evaluate(adjoint, params, **given, returns=list(adjoint.grads.values()))
    assert all(np.isfinite(a).all() for a in found.values())


def test_training_brings_the_norm_nearer_to_one() -> None:
    net = PASCANU(x=3, a=4, o=5)
    _, given = example(net)
    trainer = rnn.Trainer(
        rnn.norm_preserving(net, "a", 5.0), [given], optimiser=optim.Adam(0.02), target="interpret", dtype="float64"
    )
    losses = [trainer.step().loss for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_what_is_no_state_is_refused() -> None:
    net = rnn.elman(x=3, h=4, o=5)
    for name, message in (("o", "o is no state"), ("hh", "no signal hh")):
        with pytest.raises(graph.CircuitError, match=message):
            rnn.norm_preserving(net, name)
    with pytest.raises(graph.CircuitError, match="no equation M"):
        rnn.norm_preserving(net, "h", loss="M")
    across = rnn.define("h[t] = tanh(k[t-1]);  k[t] = h[t-1] + x[t];  L = sum(h[T])")(x=2)
    with pytest.raises(graph.CircuitError, match="does not depend on h at the step before"):
        rnn.norm_preserving(across, "h")


def test_it_prints_as_it_can_be_read() -> None:
    net = PASCANU(x=3, a=4, o=5)
    params, given = example(net)
    for immediate in (False, True):
        penalised = rnn.norm_preserving(net, "a", 0.7, immediate=immediate)
        again = rnn.define(str(penalised))(x=3, a=4, o=5)
        found = graph.evaluate(again, params, **given)["L"]
        np.testing.assert_allclose(found, graph.evaluate(penalised, params, **given)["L"], atol=1e-13)
    assert graph.draw_circuit(penalised).svg


def test_printed_it_is_a_cell_that_runs_train(tmp_path: Path) -> None:
    """Of sequences that are read whole; in windows the adjoint would need what comes after."""
    rows = [f"the film was {word}\t{label}" for word, label in (("good", "yes"), ("bad", "no")) for _ in range(20)]
    (tmp_path / "films.tsv").write_text("\n".join(["sentence\tlabel", *rows]))
    plain = rnn.define("h[t] = tanh(W @ h[t-1] + E[x[t]]);  o = V @ h[T] + d;  L = cross_entropy(o, y)", inputs=("y",))
    penalised = rnn.norm_preserving(plain(x=7, h=4, o=2), "h", 0.1)
    cell = rnn.define(str(penalised), name="kept", inputs=("y",))
    run = rnn.fit(
        tmp_path / "films.tsv", cell=cell, sizes={"h": 4}, run=tmp_path / "run", updates=30, batch=8, rate=0.05,
        target="interpret", quiet=True,
    )  # fmt: skip
    assert run.predict("the film was good").label == "yes"
    assert run.predict("the film was bad").label == "no"


@pytest.mark.parametrize("weight", [-5.0, math.nan, math.inf, True, "0.5"])
def test_a_weight_that_is_no_number_of_at_least_0_is_refused(weight: Any) -> None:
    with pytest.raises(ValueError, match="weight: expected a finite number of at least 0"):
        rnn.norm_preserving(rnn.elman(x=2, h=2, o=2), "h", weight)

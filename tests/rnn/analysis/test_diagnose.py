"""What becomes of a gradient on its way back through time: rates that are known, and four networks told apart."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.rnn.analysis.diagnose import Diagnosis, diagnose, fitted
from bptt.rnn.analysis.diagnosis import bars, painted, scientific
from bptt.rnn.analysis.samples import random_inputs
from bptt.rnn.cells import CELLS, cell
from systems import COMPUTED

LINEAR = "h[t] = W @ h[t-1] + x[t]\nL = sum(sum(h[T]))"


def linear(W: Any, T: int = 40) -> Diagnosis:
    W = np.asarray(W, dtype=np.float64)
    net = rnn.define(LINEAR)(h=len(W))
    return diagnose(net, {"W": W}, x=np.random.default_rng(0).normal(size=(T, 2, len(W))))


# ---- rates that are known --------------------------------------------------------------------------
def test_a_diagonal_recurrence_vanishes_at_its_own_rate() -> None:
    found = diagnose(rnn.define("h[t] = a * h[t-1] + x[t]")(x=3, a=()), {"a": 0.8}, x=np.ones((30, 2, 3)))
    assert found.overall.word == "vanishes"
    assert found.overall.rate == pytest.approx(math.log(0.8), rel=1e-9)
    assert found.overall.period == pytest.approx(math.log(2) / -math.log(0.8), rel=1e-9)
    assert str(found.overall) == "vanishes: halves every 3.1 steps"
    assert found.overall.spread == pytest.approx(1.0)
    assert found.overall.left == pytest.approx(0.8**29)
    assert found.loss == {}


def test_growth_doubles_and_a_rotation_keeps() -> None:
    assert str(linear(1.25 * np.eye(2)).overall) == "explodes: doubles every 3.1 steps"
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    kept = linear(rotation).overall
    assert kept.word == "is kept"
    assert kept.rate == pytest.approx(0, abs=1e-9)
    assert "over 39 steps it changes by a factor of 1.0" in str(kept)


def test_the_rate_is_that_of_the_largest_eigenvalue_not_of_the_largest_singular_value() -> None:
    found = linear([[0.7, 3.0], [0.0, 0.7]], T=200)
    assert found.matrices[0].singular > 3
    assert found.overall.word == "vanishes"
    assert found.overall.rate == pytest.approx(math.log(0.7), rel=0.05)


def test_two_lags() -> None:
    net = rnn.define("h[t] = a * h[t-1] + b * h[t-2] + x[t]")(x=1, a=(), b=())
    found = diagnose(net, {"a": 0.5, "b": 0.3}, x=np.zeros((60, 1, 1)))
    root = max(np.roots([1, -0.5, -0.3]))
    assert found.overall.rate == pytest.approx(math.log(root), rel=1e-3)


def test_a_state_that_runs_from_the_right() -> None:
    net = rnn.define("g[t] = a * g[t+1] + x[t]\nL = sum(g[1])")(x=2, a=())
    found = diagnose(net, {"a": 0.5}, x=np.ones((20, 3, 2)), lengths=[20, 20, 5])
    assert str(found.overall) == "vanishes: halves every 1.0 steps"
    assert np.isnan(found.jacobians["g"].logs[-1, 0])
    assert found.loss["g"][0] > found.loss["g"][1] > found.loss["g"][10]


def test_the_gradient_of_the_loss_over_time() -> None:
    found = linear(0.5 * np.eye(3), T=10)
    # L is Σ_i h_i[T], the mean over two sequences: √(3 units · 2 sequences) / 2 at the end
    expected = math.sqrt(6) / 2 * 0.5 ** np.arange(9, -1, -1.0)
    np.testing.assert_allclose(found.loss["h"], expected)


def test_what_is_cut_ends() -> None:
    # of the pairs that are three steps apart more than half have a cut between them
    net = rnn.define("h[t] = where(t % 5 == 0, 0, 1) * h[t-1] + x[t]")(h=1)
    found = diagnose(net, {}, x=np.ones((30, 1, 1)))
    assert str(found.overall) == "ends: nothing is left after 3 steps"
    ends = fitted(np.array([1, 2, 3]), np.array([0.0, -np.inf, -np.inf]))
    assert str(ends) == "ends: nothing is left after 2 steps"


def test_sequences_that_are_over_do_not_end_it() -> None:
    net = rnn.define("h[t] = a * h[t-1] + x[t]")(x=3, a=())
    with pytest.raises(ValueError, match="the longest sequence has one step of t"):
        diagnose(net, {"a": 0.5}, x=np.ones((1, 2, 3)))
    with pytest.raises(ValueError, match="targets: expected steps that others lie before"):
        diagnose(net, {"a": 0.5}, x=np.ones((4, 2, 3)), targets=[1])
    two = diagnose(net, {"a": 0.05}, x=np.ones((2, 2, 3)))
    assert two.overall.rate == pytest.approx(math.log(0.05))
    assert "after 1 step the factor is 0.05" in str(two)
    assert "2 steps, 2 sequences" in str(two)
    ragged = diagnose(net, {"a": 0.5}, x=np.ones((9, 3, 3)), lengths=[1, 2, 9])
    assert str(ragged.overall) == "vanishes: halves every 1.0 steps"
    assert ragged.overall.steps == 8


def test_what_only_the_furthest_steps_lack_does_not_end() -> None:
    logs = np.append(np.zeros(46), [-np.inf] * 3)
    assert str(fitted(np.arange(1, 50), logs)).startswith("is kept: over 46 steps")
    assert str(fitted(np.array([1, 2]), np.array([-np.inf, -np.inf]))) == "ends: nothing is left after 1 step"


def test_what_halves_within_a_few_steps_is_not_kept_however_few_there_are() -> None:
    x = np.arange(1, 6)
    assert str(fitted(x, -0.387 * x)) == "vanishes: halves every 1.8 steps"
    assert str(fitted(x, 0.387 * x)) == "explodes: doubles every 1.8 steps"
    assert fitted(x, -0.02 * x).word == "is kept"


def test_a_sequence_in_which_nothing_is_left_does_not_end_the_others() -> None:
    net = rnn.define("h[t] = a * relu(h[t-1] + x[t])")(x=1, a=())
    x = np.ones((12, 3, 1))
    x[5, 0] = -100
    assert diagnose(net, {"a": 0.5}, x=x).overall.rate == pytest.approx(math.log(0.5))
    x[5, 1] = -100
    assert diagnose(net, {"a": 0.5}, x=x).overall.word == "ends"


def test_a_state_of_two_indices_is_refused_with_its_name() -> None:
    net = rnn.define("w[t, s] = tanh(a * w[t-1, s] + x[t] + v[s])\nL = sum(w[T, s], over=s)")(x=(), v=(), a=())
    with pytest.raises(graph.CircuitError, match=r"w goes on along t and has the index t, s; .* of states with one"):
        diagnose(net)


def test_small_numbers_have_their_digits() -> None:
    assert "W       2×2        0.000123         0.000123" in str(linear(1.23e-4 * np.eye(2)))


def test_a_line_is_fitted_though_some_distances_are_far_off() -> None:
    distances = np.arange(1, 41)
    logs = -0.3 * distances + 0.05 * np.sin(distances)
    logs[[3, 17, 30]] += 5.0
    found = fitted(distances, logs)
    assert found.rate == pytest.approx(-0.3, rel=0.01)
    assert 1.0 < found.spread < 1.2


# ---- the adding problem (Hochreiter and Schmidhuber 1997) ------------------------------------------
HEAD = "o = v @ h[T] + d\nL = mse(o, y)"
VANILLA = "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)\n" + HEAD
LSTM = """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)
    c[t] = f[t] * c[t-1] + i[t] * tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)
    h[t] = q[t] * tanh(c[t])
""" + "".join(f"    {line}\n" for line in HEAD.split("\n"))
GRU = """
    u[t] = sigmoid(W_u @ h[t-1] + U_u @ x[t] + b_u)
    r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
    n[t] = tanh(W_n @ (r[t] * h[t-1]) + U_n @ x[t] + b_n)
    h[t] = (1 - u[t]) * h[t-1] + u[t] * n[t]
""" + "".join(f"    {line}\n" for line in HEAD.split("\n"))


def adding(T: int = 60, B: int = 4) -> dict[str, Any]:
    """Numbers in [0, 1], two of them marked, and their sum."""
    rng = np.random.default_rng(0)
    numbers, marks = rng.random((T, B)), np.zeros((T, B))
    for row in range(B):
        marks[rng.integers(0, T // 2), row] = marks[rng.integers(T // 2, T), row] = 1
    return {"x": np.stack([numbers, marks], -1), "y": (numbers * marks).sum(0)}


def on_adding(text: str, init: dict[str, Any] | None = None, scale: float = 1.0) -> Diagnosis:
    net = rnn.define(text, inputs=("y",), init=init or {})(x=2, h=8, o=())
    params = net.init(seed=1, dtype="float64")
    if "W" in params:
        params["W"] = scale * params["W"] / np.abs(np.linalg.eigvals(params["W"])).max()
    params["v"] = np.random.default_rng(2).normal(size=8)
    return diagnose(net, params, **adding())


@pytest.fixture(scope="module")
def four() -> dict[str, Diagnosis]:
    return {
        "vanilla": on_adding(VANILLA, scale=0.7),
        "lstm": on_adding(LSTM, {"b_f": 3.0}),
        "gru": on_adding(GRU, {"b_u": -2.0}),
        "exploding": on_adding("h[t] = W @ h[t-1] + U @ x[t] + b\n" + HEAD, scale=1.4),
    }


def test_four_networks_are_told_apart(four: dict[str, Diagnosis]) -> None:
    words = {name: found.overall.word for name, found in four.items()}
    assert words == {"vanilla": "vanishes", "lstm": "is kept", "gru": "vanishes", "exploding": "explodes"}
    vanilla, gru = four["vanilla"].overall, four["gru"].overall
    assert gru.period > 2.5 * vanilla.period
    assert four["exploding"].overall.rate == pytest.approx(math.log(1.4), rel=0.1)
    assert four["lstm"].leading == "c"
    assert four["lstm"].overall.left > 0.1 > 0.05 > gru.left > 1e-3 > 1e-12 > vanilla.left


def test_the_gradient_of_the_loss_tells_the_same(four: dict[str, Diagnosis]) -> None:
    change = {}
    for name, found in four.items():
        sizes = found.loss[found.leading]
        change[name] = sizes[0] / sizes[-1]
    assert change["vanilla"] < 1e-8 < change["gru"] < 0.05 < change["lstm"] < 10 < 1e6 < change["exploding"], change


def test_the_report_says_the_verdict_the_matrices_and_the_condition(four: dict[str, Diagnosis]) -> None:
    vanilla, lstm, exploding = (str(four[name]) for name in ("vanilla", "lstm", "exploding"))
    assert "overall   vanishes: halves every" in vanilla
    assert "W       8×8        0.700" in vanilla
    assert "γ = 1 (tanh) times the largest singular value of W is" in vanilla
    assert "is kept: over 59 steps" in lstm
    assert "do not apply: c[t-1] is multiplied by the signal f[t]" in lstm
    assert "explodes: doubles every" in exploding
    assert "the spectral radius of W decides: 1.4, gradients explode" in exploding
    for text in (vanilla, lstm, exploding):
        assert "60 steps, 4 sequences" in text
        assert "1 for the identity" in text
        assert max(map(len, text.split("\n"))) < 200


# ---- pictures --------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_figure_is_written(four: dict[str, Diagnosis], tmp_path: Path, suffix: str) -> None:
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    path = four["lstm"].plot(tmp_path / f"g.{suffix}")
    assert path.read_bytes().startswith(starts[suffix])


def test_a_figure_has_a_line_a_state_a_fit_and_a_heat_map(four: dict[str, Diagnosis], tmp_path: Path) -> None:
    text = four["vanilla"].plot(tmp_path / "g.svg").read_text()
    assert four["vanilla"].plot(tmp_path / "again.svg").read_text() == text
    for part in ("Gradient of the loss", "Jacobian over the distance", "halves every", "observed at", "<image"):
        assert part in text
    with pytest.raises(ValueError, match=r"g\.txt: expected a file that ends in one of \.svg, \.png, \.pdf"):
        four["vanilla"].plot(tmp_path / "g.txt")


def test_what_is_left_of_a_gradient_of_the_last_step_is_painted(
    four: dict[str, Diagnosis], tmp_path: Path
) -> None:
    text = four["vanilla"].draw(tmp_path / "g.dot").read_text()
    into = {t: float(re.search(rf'"h\|{t - 1}" -> "h\|{t}" .*penwidth="?([\d.]+)', text)[1]) for t in (2, 3, 60)}
    sizes = np.exp(four["vanilla"].jacobians["h"].logs[-1])
    values = painted(four["vanilla"]).values["h"]
    np.testing.assert_allclose(values, sizes / sizes.max())
    assert into[60] == pytest.approx(0.6 + 5.4 * values[-1], abs=0.01)
    assert into[2] == into[3] == pytest.approx(0.6, abs=0.01)
    assert "‖∂h[60]/∂h[t]‖" in text


def test_a_loss_at_each_step_hides_no_gradient_that_vanishes() -> None:
    """‖∂L/∂h[t]‖ is about the same at all steps here, as the loss of step t itself goes into it."""
    net = rnn.define("h[t] = 0.5 * h[t-1] + x[t]\nL = mean(sum(h[t]), over=t)")(h=2)
    found = diagnose(net, x=np.zeros((10, 1, 2)))
    assert found.overall.word == "vanishes"
    assert min(found.loss["h"]) > 0.45 * max(found.loss["h"])
    np.testing.assert_allclose(painted(found).values["h"], 0.5 ** np.arange(9, -1, -1), rtol=1e-9)


def test_the_legend_of_what_explodes_says_what_1_stands_for() -> None:
    norms = painted(linear([[1.5]], T=11))
    np.testing.assert_allclose(norms.values["h"], 1.5 ** -np.arange(11.0), rtol=1e-9)
    assert float(norms.unit) == pytest.approx(1.5**10, rel=0.05)


def test_many_states_and_no_loss_make_a_figure_too(tmp_path: Path) -> None:
    net = cell("bidirectional_lstm")(**CELLS["bidirectional_lstm"].sizes)
    found = diagnose(net, loss=None, **random_inputs(net, 8))
    assert found.loss == {}
    assert (found.plot(tmp_path / "g.png")).stat().st_size > 10_000
    assert found.draw(tmp_path / "g.dot").exists()
    assert list(found.verdicts) == ["c", "h", "C", "k"]


def test_bars_and_numbers() -> None:
    assert bars(np.array([1.0, 0.1, 0.01, 0.0])) == "█▅▁ "
    assert bars(np.array([1.0, 1.01])) in ("▄▅", "▅▅", "▄▄")
    assert bars(np.zeros(2)) == "  "
    assert scientific(math.log(2.5)) == "2.5"
    assert scientific(-1000 * math.log(10)) == "1.0e-1000"
    assert scientific(500.25 * math.log(10)) == "1.8e+500"


# ---- every network, and what cannot be diagnosed ---------------------------------------------------
@pytest.mark.parametrize("name", [n for n in COMPUTED if n not in ("markov", "markov_k", "window_lm", "ngram_counts")])
def test_every_network_with_a_state_has_a_diagnosis(name: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    found = diagnose(net, **random_inputs(net, 6, 2))
    assert found.overall.word in ("vanishes", "explodes", "is kept", "ends")
    assert found.net.name in str(found)


def test_random_inputs_and_initial_weights_are_said() -> None:
    net: Circuit = cell("elman")(x=3, h=4, o=5)
    assert "random inputs (seed 0) and initial weights (seed 0)" in str(diagnose(net))
    assert "about this" in str(diagnose(net, about="about this", **random_inputs(net, 5)))


def test_errors() -> None:
    net = cell("elman")(x=3, h=4, o=5)
    with pytest.raises(graph.CircuitError, match="window_lm has no state"):
        diagnose(cell("window_lm")(**CELLS["window_lm"].sizes))
    with pytest.raises(ValueError, match="norm='nuclear': expected one of operator, frobenius"):
        diagnose(net, norm="nuclear")
    with pytest.raises(graph.CircuitError, match="elman has no equation loss"):
        diagnose(net, loss="loss", **random_inputs(net, 5))
    with pytest.raises(ValueError, match="the input y of elman is missing"):
        diagnose(net, x=np.zeros((5, 2, 3)))
    with pytest.raises(ValueError, match="the parameter W of elman is missing"):
        diagnose(net, {"b": np.zeros(4)}, **random_inputs(net, 5))
    with pytest.raises(TypeError, match=r"expected a circuit .* or a run"):
        diagnose(cell("elman"))
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        random_inputs(net, 0)
    with pytest.raises(ValueError, match=r"steps=3: the arrays that are given tell the number .* cut them, x\[:3\]"):
        diagnose(net, steps=3, **random_inputs(net, 5))
    with pytest.raises(ValueError, match="the longest sequence has one step of t"):
        diagnose(net, steps=1)


def test_the_number_of_steps_is_said_where_no_arrays_tell_it() -> None:
    assert diagnose(cell("elman")(x=3, h=4, o=5), steps=6).steps == {"t": 6}
    alone = rnn.cells.dynamics.given("f(s) = tanh(W @ s)")(s=3)
    assert diagnose(alone, steps=6).steps == {"t": 6}
    assert diagnose(alone, lengths={"t": 7}).steps == {"t": 7}

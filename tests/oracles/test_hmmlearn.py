"""Hidden Markov models against hmmlearn: likelihood, posteriors, expected counts, best path, of ragged batches.

hmmlearn computes them by the forward, backward and Viterbi algorithms; here all of them are values and gradients of
the equations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn import optim

hmm = pytest.importorskip("hmmlearn.hmm")

pytestmark = pytest.mark.oracle

STATES, SYMBOLS = 4, 6
LENGTHS = [40, 7, 1]
SIZES = {"x": SYMBOLS, "a": STATES}


def model_of(first: Any, transitions: Any, emissions: Any, **options: Any) -> Any:
    model = hmm.CategoricalHMM(len(first), **options)
    model.startprob_, model.transmat_, model.emissionprob_ = first, transitions, emissions
    model.n_features = emissions.shape[1]
    return model


def example(seed: int) -> tuple[dict[str, Any], Any, Any]:
    """Parameters, observations [T, B], and hmmlearn's model of the same parameters."""
    rng = np.random.default_rng(seed)
    first = rng.dirichlet(np.ones(STATES))
    transitions = rng.dirichlet(np.ones(STATES), STATES)
    emissions = rng.dirichlet(np.ones(SYMBOLS), STATES)
    params = {"p_logits": np.log(first), "A_logits": np.log(transitions), "B_logits": np.log(emissions)}
    return params, rng.integers(0, SYMBOLS, (max(LENGTHS), len(LENGTHS))), model_of(first, transitions, emissions)


def end_to_end(x: Any) -> Any:
    """The sequences one after the other, [N, 1], as hmmlearn takes them."""
    return np.concatenate([x[:n, row] for row, n in enumerate(LENGTHS)])[:, None]


def computed(name: str, wrt: list[str], params: dict[str, Any], x: Any) -> tuple[Any, dict[str, Any]]:
    """−log P of each sequence (or of its best path), and the gradient of the sum of log P over the sequences."""
    net = getattr(rnn, name)(**SIZES)
    program = compiler.compile(net, wrt=wrt, returns=("L",), target="interpret", dtype="float64")
    out = program(params, x=x, lengths=LENGTHS)
    return out.value["L"], {n: -len(LENGTHS) * g for n, g in out.grad.items()}  # L is their mean


def softmax(logits: Any) -> Any:
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def close(found: Any, expected: Any, what: str = "") -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9, err_msg=what)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["hmm", "hmm_log"])
def test_likelihood_and_posteriors(name: str, seed: int) -> None:
    """P(state at t | all symbols) is the derivative of log P by the logarithm of the forward variable."""
    params, x, model = example(seed)
    forward = "u" if name == "hmm" else "a"  # before it is scaled
    loss, grad = computed(name, [forward], params, x)
    found = grad[forward]
    if name == "hmm":
        net = rnn.hmm(**SIZES)
        program = compiler.compile(net, returns=("u",), target="interpret", dtype="float64")
        found = found * program(params, x=x, lengths=LENGTHS).value["u"]  # ∂/∂ log u = u ∂/∂u
    for row, n in enumerate(LENGTHS):
        likelihood, posteriors = model.score_samples(x[:n, row : row + 1])
        assert -loss[row] == pytest.approx(likelihood, abs=1e-9)
        close(found[:n, row], posteriors)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["hmm", "hmm_log"])
def test_expected_counts(name: str, seed: int) -> None:
    """How often each state is the first, follows another, emits a symbol: the derivatives by the log probabilities."""
    params, x, model = example(seed)
    _, counts = computed(name, ["p", "A", "B"], params, x)
    if name == "hmm":  # whose p, A, B are probabilities
        counts = {n: g * np.exp(params[f"{n}_logits"]) for n, g in counts.items()}
    stats, _ = model._do_estep(end_to_end(x), LENGTHS)
    for ours, theirs in (("p", "start"), ("A", "trans"), ("B", "obs")):
        close(counts[ours], stats[theirs], ours)


@pytest.mark.parametrize("seed", range(3))
def test_a_step_of_baum_and_welch(seed: int) -> None:
    """Counts made probabilities are what hmmlearn has after one iteration of its training."""
    params, x, model = example(seed)
    _, counts = computed("hmm_log", ["p", "A", "B"], params, x)
    one = model_of(
        model.startprob_, model.transmat_, model.emissionprob_, n_iter=1, init_params="", implementation="scaling"
    )
    one.fit(end_to_end(x), LENGTHS)
    found = {n: c / c.sum(-1, keepdims=True) for n, c in counts.items()}
    for ours, theirs in (("p", one.startprob_), ("A", one.transmat_), ("B", one.emissionprob_)):
        close(found[ours], theirs, ours)


@pytest.mark.parametrize("seed", range(3))
def test_best_path(seed: int) -> None:
    """The derivative of the best score: 1 at the states of the path, and how often it takes each transition."""
    params, x, model = example(seed)
    loss, grad = computed("best_path", ["a", "A", "B"], params, x)
    transitions, emissions = np.zeros((STATES, STATES)), np.zeros((STATES, SYMBOLS))
    for row, n in enumerate(LENGTHS):
        probability, path = model.decode(x[:n, row : row + 1], algorithm="viterbi")
        assert -loss[row] == pytest.approx(probability, abs=1e-9)
        close(grad["a"][:n, row], np.eye(STATES)[path])
        np.add.at(transitions, (path[:-1], path[1:]), 1)
        np.add.at(emissions, (path, x[:n, row]), 1)
    close(grad["A"], transitions)
    close(grad["B"], emissions)


def test_training_by_gradient_finds_what_baum_and_welch_find() -> None:
    """On what another model generated, from the same start: the same maximum of the likelihood."""
    truth = model_of(
        np.array([0.7, 0.3]), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.8, 0.15, 0.05], [0.05, 0.15, 0.8]])
    )
    steps, rows = 25, 100
    x = np.stack([truth.sample(steps, random_state=k)[0][:, 0] for k in range(rows)], axis=1)
    weights = {
        "p_logits": np.zeros(2),
        "A_logits": np.eye(2),
        "B_logits": np.random.default_rng(4).normal(0, 0.5, (2, 3)),
    }
    fitted = model_of(*(softmax(a) for a in weights.values()), n_iter=300, tol=1e-9, init_params="")
    together, lengths = x.T.reshape(-1, 1), [steps] * rows
    fitted.fit(together, lengths)
    trainer = rnn.Trainer(
        rnn.hmm_log(x=3, a=2),
        {"x": x},
        weights=weights,
        optimiser=optim.Adam(0.1),
        target="interpret",
        dtype="float64",
    )
    for _ in range(200):
        step = trainer.step()
    assert step.loss == pytest.approx(-fitted.score(together, lengths) / rows, abs=1e-6)
    for found, expected in zip(
        weights.values(), (fitted.startprob_, fitted.transmat_, fitted.emissionprob_), strict=True
    ):
        np.testing.assert_allclose(softmax(found), expected, atol=1e-4)

"""Hidden Markov models: likelihood, posteriors and best path, against all paths counted one by one."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.rnn import optim

FIRST = np.array([0.6, 0.3, 0.1])
TRANSITIONS = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
EMISSIONS = np.array([[0.5, 0.25, 0.125, 0.125], [0.1, 0.4, 0.4, 0.1], [0.05, 0.15, 0.3, 0.5]])
OBSERVED = np.array([0, 1, 2, 3, 3, 2, 0, 1])
LOG_LIKELIHOOD = -10.853074337252027
FIRST_POSTERIOR = [0.869379906745, 0.113244144033, 0.017375949222]
PARAMS = {"p_logits": np.log(FIRST), "A_logits": np.log(TRANSITIONS), "B_logits": np.log(EMISSIONS)}
SIZES = {"x": 4, "a": 3}


def paths(observed: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """All sequences of states, and the probability of each together with what was observed."""
    states = np.array(list(product(range(3), repeat=len(observed))))
    p = FIRST[states[:, 0]] * EMISSIONS[states, np.asarray(observed)].prod(1)
    return states, p * TRANSITIONS[states[:, :-1], states[:, 1:]].prod(1)


def posteriors(observed: Any) -> np.ndarray[Any, Any]:
    """[T, 3]: the probability of each state at each step, given all that was observed."""
    states, p = paths(observed)
    return np.array([[p[states[:, t] == i].sum() for i in range(3)] for t in range(len(observed))]) / p.sum()


def compiled(name: str, **options: Any) -> compiler.Program:
    net = getattr(rnn, name)(**SIZES)
    return compiler.compile(net, "L", target="interpret", dtype="float64", **options)


@pytest.mark.parametrize("name", ["hmm", "hmm_log"])
def test_likelihood(name: str) -> None:
    x = OBSERVED[:, None]
    assert compiled(name, wrt=())(PARAMS, x=x).loss == pytest.approx(-LOG_LIKELIHOOD, abs=1e-9)
    reference = graph.evaluate(getattr(rnn, name)(**SIZES), PARAMS, x=x, returns="L")
    assert -float(reference["L"][0]) == pytest.approx(LOG_LIKELIHOOD, abs=1e-9)
    assert np.log(paths(OBSERVED)[1].sum()) == pytest.approx(LOG_LIKELIHOOD, abs=1e-9)


@pytest.mark.parametrize("name", ["hmm", "hmm_log"])
def test_first_posterior_is_a_gradient(name: str) -> None:
    """∂ log P / ∂ log p through the softmax: the posterior less the prior."""
    out = compiled(name)(PARAMS, x=OBSERVED[:, None])
    np.testing.assert_allclose(FIRST - out.grad["p_logits"], FIRST_POSTERIOR, atol=1e-9)


def test_all_posteriors_are_the_adjoint_of_the_forward_variable() -> None:
    """∂ log P / ∂ a[t] with a[t] the logarithm of the forward variable: P(state at t | all symbols)."""
    out = compiled("hmm_log", wrt=["a"])(PARAMS, x=OBSERVED[:, None])
    found = -out.grad["a"][:, 0]
    np.testing.assert_allclose(found, posteriors(OBSERVED), atol=1e-9)
    np.testing.assert_allclose(found[0], FIRST_POSTERIOR, atol=1e-9)


def test_expected_counts_are_gradients() -> None:
    """What Baum and Welch's algorithm counts: how often a state emits each symbol."""
    grad = compiled("hmm")(PARAMS, x=OBSERVED[:, None]).grad["B_logits"]
    counts = np.zeros((3, 4))
    for t, symbol in enumerate(OBSERVED):
        counts[:, symbol] += posteriors(OBSERVED)[t]
    np.testing.assert_allclose(-grad, counts - counts.sum(1, keepdims=True) * EMISSIONS, atol=1e-9)


def test_ragged_observations() -> None:
    lengths = [8, 3, 1, 5]
    x = np.full((8, 4), 99)
    for row, n in enumerate(lengths):
        x[:n, row] = np.roll(OBSERVED, row)[:n]
    for name in ("hmm", "hmm_log"):
        values = compiled(name, wrt=(), returns=("L",))(PARAMS, x=x, lengths=lengths).value["L"]
        expected = [-np.log(paths(x[:n, row])[1].sum()) for row, n in enumerate(lengths)]
        np.testing.assert_allclose(values, expected, atol=1e-9)


def test_best_path() -> None:
    states, p = paths(OBSERVED)
    best = states[p.argmax()]
    out = compiled("best_path", wrt=["a"])(PARAMS, x=OBSERVED[:, None])
    assert out.loss == pytest.approx(-np.log(p.max()), abs=1e-9)
    np.testing.assert_array_equal(-out.grad["a"][:, 0], np.eye(3)[best])


def test_both_forms_have_the_same_gradients() -> None:
    """Of ragged sequences, the longest of which has a likelihood that no number holds without scaling."""
    lengths = [700, 3]
    x = np.random.default_rng(0).integers(0, 4, (700, 2))
    scaled, logs = (compiled(name, returns=("L",))(PARAMS, x=x, lengths=lengths) for name in ("hmm", "hmm_log"))
    assert logs.value["L"][0] > 745  # -log of the smallest number above zero
    np.testing.assert_allclose(scaled.value["L"], logs.value["L"], rtol=1e-12)
    for name, gradient in logs.grad.items():
        np.testing.assert_allclose(scaled.grad[name], gradient, rtol=0, atol=1e-8, err_msg=name)


def test_parameters_come_back_from_what_they_generate() -> None:
    """Up to the order of the states, which have no names."""
    rng = np.random.default_rng(0)
    steps, rows = 20, 400
    transitions = np.array([[0.8, 0.2, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]])
    emissions = np.array([[0.85, 0.05, 0.05, 0.05], [0.05, 0.8, 0.1, 0.05], [0.05, 0.05, 0.1, 0.8]])
    state = rng.choice(3, rows, p=FIRST)
    x = np.empty((steps, rows), int)
    for t in range(steps):
        x[t] = (rng.random(rows)[:, None] > emissions[state].cumsum(-1)[:, :-1]).sum(-1)
        state = (rng.random(rows)[:, None] > transitions[state].cumsum(-1)[:, :-1]).sum(-1)
    net = rnn.hmm(**SIZES)
    trainer = rnn.Trainer(net, {"x": x}, optimiser=optim.Adam(0.2), target="interpret", dtype="float64", seed=0)
    for _ in range(120):
        trainer.step()
    found = {n: np.exp(w) / np.exp(w).sum(-1, keepdims=True) for n, w in trainer.weights.items()}
    order = max(permutations(range(3)), key=lambda p: np.trace(found["B_logits"][list(p)][:, [0, 1, 3]]))
    index = list(order)
    np.testing.assert_allclose(found["B_logits"][index], emissions, atol=0.04)
    np.testing.assert_allclose(found["A_logits"][index][:, index], transitions, atol=0.04)
    np.testing.assert_allclose(found["p_logits"][index], FIRST, atol=0.08)

"""Hidden Markov models against hmmlearn: likelihood, posteriors, best path, of ragged batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn

hmm = pytest.importorskip("hmmlearn.hmm")

pytestmark = pytest.mark.oracle

STATES, SYMBOLS = 4, 6


def example(seed: int) -> tuple[dict[str, Any], Any, list[int], Any]:
    """Parameters, observations [T, B], lengths, and hmmlearn's model of the same parameters."""
    rng = np.random.default_rng(seed)
    first = rng.dirichlet(np.ones(STATES))
    transitions = rng.dirichlet(np.ones(STATES), STATES)
    emissions = rng.dirichlet(np.ones(SYMBOLS), STATES)
    model = hmm.CategoricalHMM(STATES)
    model.startprob_, model.transmat_, model.emissionprob_ = first, transitions, emissions
    model.n_features = SYMBOLS
    params = {"p_logits": np.log(first), "A_logits": np.log(transitions), "B_logits": np.log(emissions)}
    return params, rng.integers(0, SYMBOLS, (40, 3)), [40, 7, 1], model


@pytest.mark.parametrize("seed", range(3))
def test_likelihood_and_posteriors(seed: int) -> None:
    params, x, lengths, model = example(seed)
    for name in ("hmm", "hmm_log"):
        net = getattr(rnn, name)(x=SYMBOLS, a=STATES)
        wrt = ["a"] if name == "hmm_log" else ()
        program = compiler.compile(net, wrt=wrt, returns=("L",), target="interpret", dtype="float64")
        out = program(params, x=x, lengths=lengths)
        for row, n in enumerate(lengths):
            likelihood, posteriors = model.score_samples(x[:n, row : row + 1])
            assert -out.value["L"][row] == pytest.approx(likelihood, abs=1e-9)
            if wrt:
                np.testing.assert_allclose(-3 * out.grad["a"][:n, row], posteriors, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_best_path(seed: int) -> None:
    params, x, lengths, model = example(seed)
    net = rnn.best_path(x=SYMBOLS, a=STATES)
    program = compiler.compile(net, wrt=["a"], returns=("L",), target="interpret", dtype="float64")
    out = program(params, x=x, lengths=lengths)
    for row, n in enumerate(lengths):
        probability, path = model.decode(x[:n, row : row + 1], algorithm="viterbi")
        assert -out.value["L"][row] == pytest.approx(probability, abs=1e-9)
        np.testing.assert_array_equal(out.grad["a"][:n, row].argmin(-1), path)

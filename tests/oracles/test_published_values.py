"""Worked examples that were printed with their numbers: what the equations give, to the digits that are printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn.cells import CELLS

Array = np.ndarray[Any, Any]


def printed(found: Any, expected: Any, digits: int, what: str = "") -> None:
    """Equal to the last digit that is printed, or the next to it: who computes by hand goes on from rounded numbers."""
    np.testing.assert_allclose(np.ravel(found), np.ravel(expected), rtol=0, atol=1.5 * 10.0**-digits, err_msg=what)


# ---- LSTM ----------------------------------------------------------------------------------------
def test_two_steps_of_an_lstm_and_an_update_of_its_weights() -> None:
    """Gomez 2016, "Backpropogating an LSTM: A Numerical Example": two steps, squared errors, a step of descent."""
    equations = CELLS["lstm"].text.split("o[t] =")[0] + "\n    L = sum(0.5 * mse(h[t], y[t]), over=t)"
    net = rnn.define(equations)(x=2, h=1, y=1)
    # our gate, the article's weights U, W, b of x, of the output before, and the bias; and what they become
    weights = {
        "g": ([0.45, 0.25], 0.15, 0.2, [0.45267, 0.25922], 0.15104, 0.20364),
        "i": ([0.95, 0.80], 0.80, 0.65, [0.95022, 0.80067], 0.80006, 0.65028),
        "f": ([0.70, 0.45], 0.10, 0.15, [0.70031, 0.45189], 0.10034, 0.15063),
        "q": ([0.60, 0.40], 0.25, 0.1, [0.60259, 0.41626], 0.25297, 0.10536),
    }
    params: dict[str, Array] = {}
    after: dict[str, Any] = {}
    for gate, (U, W, b, new_U, new_W, new_b) in weights.items():
        params |= {f"U_{gate}": np.array([U]), f"W_{gate}": np.array([[W]]), f"b_{gate}": np.array([b])}
        after |= {f"U_{gate}": new_U, f"W_{gate}": new_W, f"b_{gate}": new_b}
    x, y = np.array([[[1.0, 2.0]], [[0.5, 3.0]]]), np.array([[[0.5]], [[1.25]]])
    program = compiler.compile(
        net, "L", returns=("g", "i", "f", "q", "c", "h"), target="interpret", dtype="float64"
    )
    out = program(params, x=x, y=y)
    values = {
        "g": (0.81775, 0.84980), "i": (0.96083, 0.98118), "f": (0.85195, 0.87030), "q": (0.81757, 0.84993),
        "c": (0.78572, 1.5176), "h": (0.53631, 0.77197),
    }  # fmt: skip
    for name, expected in values.items():
        printed(out.value[name], expected, 4 if name == "c" else 5, name)
    for name, expected in after.items():
        printed(params[name] - 0.1 * out.grad[name], expected, 5, name)


# ---- hidden Markov models ------------------------------------------------------------------------
#: Russell and Norvig, Artificial Intelligence, third edition, figure 15.2: rain or none, umbrella (0) or none (1)
UMBRELLA = {
    "p_logits": np.log([0.5, 0.5]),
    "A_logits": np.log([[0.7, 0.3], [0.3, 0.7]]),
    "B_logits": np.log([[0.9, 0.1], [0.2, 0.8]]),
}


def umbrella(name: str, days: list[int], signal: str) -> tuple[Array, Array]:
    """A signal, and the gradient of log P by it (by its logarithm, of the scaled form)."""
    net = getattr(rnn, name)(x=2, a=2)
    program = compiler.compile(net, wrt=[signal], returns=(signal,), target="interpret", dtype="float64")
    out = program(UMBRELLA, x=np.array(days)[:, None])
    return out.value[signal][:, 0], -out.grad[signal][:, 0]


def test_filtering_and_smoothing_of_the_umbrella_world() -> None:
    """Section 15.2: P(rain on day 1) is 0.818, day 2, 0.883; of day 1, once day 2 is known, 0.883."""
    filtered, _ = umbrella("hmm", [0, 0], "a")
    printed(filtered, [[0.818, 0.182], [0.883, 0.117]], 3)
    _, smoothed = umbrella("hmm_log", [0, 0], "a")
    printed(smoothed, [[0.883, 0.117], [0.883, 0.117]], 3)


def test_the_most_likely_path_of_the_umbrella_world() -> None:
    """Figure 15.5: the messages of umbrella, umbrella, none, umbrella, umbrella, of which the first is normalised."""
    best, path = umbrella("best_path", [0, 0, 1, 0, 0], "a")
    messages = [[0.8182, 0.1818], [0.5155, 0.0491], [0.0361, 0.1237], [0.0334, 0.0173], [0.0210, 0.0024]]
    printed(np.exp(best) / np.exp(best[0]).sum(), messages, 4)
    np.testing.assert_array_equal(path.argmax(1), [0, 0, 1, 0, 0])


# ---- Markov chains -------------------------------------------------------------------------------
def test_vowels_and_consonants_of_eugene_onegin() -> None:
    """Markov 1913: of 20,000 letters 8,638 are vowels; one after a vowel has probability 0.128, else 0.663."""
    pairs = {(0, 0): 1104, (0, 1): 7534, (1, 0): 7535, (1, 1): 3827}
    x, y = (np.concatenate([np.full(n, pair[k]) for pair, n in pairs.items()])[None] for k in (0, 1))
    net = rnn.markov(x=2, o=2)
    program = compiler.compile(net, target="interpret", dtype="float64")
    found = np.zeros((2, 2))
    for _ in range(60):  # descent by the counts of each row
        found -= program({"A": found}, x=x, y=y).grad["A"] * 4 * x.size / np.bincount(x[0])[:, None]
    probabilities = np.exp(found) / np.exp(found).sum(1, keepdims=True)
    printed(probabilities[:, 0], [0.128, 0.663], 3)

    counts = compiler.compile(rnn.ngram_counts(A=(2, 2)), target="interpret", dtype="float64")
    table = counts({"A": np.zeros((2, 2))}, x=np.concatenate([x, y])).grad["A"]
    assert {pair: table[pair] for pair in pairs} == pytest.approx(pairs)

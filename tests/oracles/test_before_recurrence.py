"""Systems before recurrence: their losses and gradients by torch, counted n-grams by scikit-learn; ragged batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn import NGrams

pytestmark = pytest.mark.oracle

STEPS, SYMBOLS = 9, 6
LENGTHS = [9, 4, 1, 6]


def before(x: Any, k: int) -> Any:
    """The symbols k steps before, 0 before the start, [T, B]."""
    return np.concatenate([np.zeros((k, x.shape[1]), int), x])[: len(x)]


def markov(torch: Any, p: dict[str, Any], x: Any) -> Any:
    return torch.nn.functional.embedding(torch.tensor(x), p["A"])


def markov_k(torch: Any, p: dict[str, Any], x: Any) -> Any:
    pairs = torch.tensor(before(x, 1) * SYMBOLS + x)
    return torch.nn.functional.embedding(pairs, p["A"].reshape(SYMBOLS**2, -1))


def window_lm(torch: Any, p: dict[str, Any], x: Any) -> Any:
    rows = [torch.nn.functional.embedding(torch.tensor(before(x, k)), p["E"]) for k in (3, 2, 1, 0)]
    h = torch.tanh(torch.nn.functional.linear(torch.cat(rows, -1), p["W"], p["b_1"]))
    return torch.nn.functional.linear(h, p["U"], p["b_2"])


def markov_driven(torch: Any, p: dict[str, Any], x: Any) -> Any:
    """log p[t]: the negative log likelihood is the cross entropy of these scores."""
    state = torch.softmax(p["k"], -1).expand(x.shape[1], -1)
    found = []
    for now in torch.tensor(x):
        scores = state @ p["A"].T + now @ p["B"].T
        state = torch.softmax(scores, -1)
        found.append(torch.log_softmax(scores, -1))
    return torch.stack(found)


SYSTEMS = {
    "markov": (markov, {"x": SYMBOLS, "o": SYMBOLS}),
    "markov_k": (markov_k, {"x": SYMBOLS, "o": SYMBOLS}),
    "markov_driven": (markov_driven, {"x": 3, "p": SYMBOLS}),
    "window_lm": (window_lm, {"x": SYMBOLS, "e": 12, "h": 5, "o": SYMBOLS}),
}


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_losses_and_gradients(name: str, lengths: list[int] | None) -> None:
    torch = pytest.importorskip("torch")
    scores_of, sizes = SYSTEMS[name]
    net = getattr(rnn, name)(**sizes)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=s) for n, s in net.params.items()}
    symbols = "x" in net.symbols
    x = rng.integers(0, SYMBOLS, (STEPS, 4)) if symbols else rng.normal(size=(STEPS, 4, 3))
    y = rng.integers(0, SYMBOLS, (STEPS, 4))
    out = compiler.compile(net, target="interpret", dtype="float64")(params, x=x, y=y, lengths=lengths)

    theirs = {n: torch.tensor(a, requires_grad=True) for n, a in params.items()}
    scores = scores_of(torch, theirs, x)
    losses = torch.nn.functional.cross_entropy(scores.movedim(-1, 1), torch.tensor(y), reduction="none")
    ends = torch.tensor(lengths or [STEPS] * 4)
    loss = ((losses * (torch.arange(STEPS)[:, None] < ends)).sum(0) / ends).mean()
    loss.backward()
    assert out.loss == pytest.approx(loss.item(), abs=1e-12)
    for n, weight in theirs.items():
        np.testing.assert_allclose(out.grad[n], weight.grad, rtol=0, atol=1e-12, err_msg=n)


def test_counts() -> None:
    """Of all runs of one to five symbols, and of pairs by the gradient that is their table."""
    text = pytest.importorskip("sklearn.feature_extraction.text")
    x = np.random.default_rng(0).integers(0, SYMBOLS, (40, 4))
    lengths = [40, 3, 1, 25]
    counted = NGrams.count(x, 5, SYMBOLS, lengths=lengths)
    documents = [" ".join(map(str, x[:n, row])) for row, n in enumerate(lengths)]
    vectors = text.CountVectorizer(ngram_range=(1, 5), token_pattern=r"\d")
    total = np.asarray(vectors.fit_transform(documents).sum(0))[0]
    theirs = {tuple(map(int, run.split())): int(total[i]) for run, i in vectors.vocabulary_.items()}
    assert counted.entries == tuple(sum(len(run) == n for run in theirs) for n in range(1, 6))
    assert {run: counted.number(run) for run in theirs} == theirs

    net = rnn.ngram_counts(A=(SYMBOLS, SYMBOLS))
    program = compiler.compile(net, target="interpret", dtype="float64")
    table = program(net.init(dtype="float64"), x=x, lengths=lengths).grad["A"]
    assert {run: table[run] for run in np.ndindex(*table.shape) if table[run]} == {
        run: k for run, k in theirs.items() if len(run) == 2
    }

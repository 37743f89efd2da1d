"""Counted n-grams by scikit-learn, of a ragged batch."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn import NGrams

pytestmark = pytest.mark.oracle

SYMBOLS = 6


def test_all_runs_of_one_to_five_symbols_and_pairs_by_the_gradient_that_is_their_table() -> None:
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

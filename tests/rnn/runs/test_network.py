"""The sizes that a run gives its network: those of the data and settings, where nothing else determines them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bptt import rnn
from bptt.rnn.data import DataError
from bptt.rnn.runs.network import Network, find_network
from bptt.rnn.tasks import Task
from small_tasks import SMALL, of

SQUARED = "h[t] = tanh(W @ h[t-1] + E[x[t]]);  k[t] = h[t] * h[t];  o[t] = V @ k[t] + d"
JOINED = "h[t] = tanh(W @ h[t-1] + E[x[t]]);  k[t] = concat(h[t], h[t]);  o[t] = V @ k[t] + d"
ADDED = "e[t] = E[x[t]];  h[t] = tanh(W @ h[t-1] + e[t]);  o[t] = V @ h[t] + d"
LOSS = ";  L = mean(cross_entropy(o[t], y[t]), over=t)"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return of("language_model", tmp_path_factory.mktemp("network"), replace(SMALL, hidden=6, vector=3))


def network(text: str) -> Network:
    return Network(rnn.define(text + LOSS), "cell", {})


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        (SQUARED, {}, {"h": 6, "k": 6}),
        (SQUARED, {"h": 5}, {"h": 5, "k": 5}),
        (SQUARED, {"k": 5}, {"h": 5, "k": 5}),
        (JOINED, {}, {"h": 6, "k": 12}),
        (JOINED, {"k": 8}, {"h": 4, "k": 8}),
        (ADDED, {}, {"h": 6, "e": 6}),
        (ADDED, {"e": 4}, {"h": 4, "e": 4}),
    ],
)
def test_a_size_that_another_determines_is_not_that_of_the_settings(
    task: Task, text: str, given: dict[str, int], expected: dict[str, int]
) -> None:
    net, sizes = network(text).bound(task, given)
    assert {name: net.eqs[name].shape for name in expected} == {name: (n,) for name, n in expected.items()}
    assert sizes["x"] == task.reads


def test_sizes_that_clash_are_said(task: Task) -> None:
    with pytest.raises(DataError, match=r"the sizes 5 and 7 clash(.|\n)*--size NAME=N, or sizes="):
        network(SQUARED).bound(task, {"h": 5, "k": 7})


def test_a_listed_cell_has_the_units_of_the_settings(task: Task) -> None:
    net, sizes = find_network("lstm", task).bound(task, {})
    assert net.eqs["h"].shape == (6,)
    assert sizes == {"x": task.reads, "h": 6, "o": task.predicts}

"""Rows that run step by step: what is asked for in the wrong order."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.data import DataError
from bptt.rnn.running.steps import Running
from bptt.rnn.tasks.scores import scores_of


def test_a_step_before_the_first_scores_is_refused() -> None:
    made = rnn.vector_to_sequence(v=3, h=4, o=5)
    rows = Running(scores_of(made), "y", target="interpret").start(made.init(seed=0), {"v": np.zeros((1, 3))})
    with pytest.raises(DataError, match=r"expected begin\(\) before step\(\)"):
        rows.step(np.zeros(1, int))
    rows.begin()
    assert rows.step(np.zeros(1, int)).shape == (1, 5)

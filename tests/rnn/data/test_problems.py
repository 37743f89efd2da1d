"""Problems of long ranges: what is asked follows from what is given, by rules written here a second time."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.data import DataError, problems
from bptt.rnn.data.order import shuffled

# the grammar as a regular expression, by hand from its figure (Cleeremans, Servan-Schreiber and McClelland 1989)
TAIL = r"(?:XT*VP)*(?:S|XT*VV)"
REBER = rf"B(?:TS*X{TAIL}|PT*V(?:V|P{TAIL}))E"
EMBEDDED = re.compile(rf"BT{REBER}TE|BP{REBER}PE")


def strings(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [problems.reber_string(rng) for _ in range(n)]


def test_strings_of_the_embedded_reber_grammar() -> None:
    found = Counter(strings(2000))
    assert all(EMBEDDED.fullmatch(text) for text in found)
    # B T, a string of three free choices, T E: 1/2 · (1/2)³; the shortest of the lower way: 1/2 · (1/2)³
    for shortest in ("BTBTXSETE", "BPBPVVEPE"):
        assert found[shortest] / 2000 == pytest.approx(1 / 16, abs=0.02)
    assert found["BPBPTTVPXVVEPE"]


def test_what_may_come_in_a_reber_string() -> None:
    """A symbol is legal exactly where some string goes on with it, as far as two thousand of them show."""
    some = strings(2000)
    goes_on: dict[str, Counter[str]] = {}
    for text in some:
        for place in range(1, len(text)):
            goes_on.setdefault(text[:place], Counter())[text[place]] += 1
    for text in some[:100]:
        legal = problems.reber_legal(text)
        for place, row in enumerate(legal[:-1], 1):
            seen = goes_on[text[:place]]
            named = {problems.REBER[i] for i in np.flatnonzero(row)}
            assert named == set(seen) if seen.total() > 20 else named >= set(seen)
        assert not legal[-1].any()
    assert problems.reber_legal("BTBT")[-1].tolist() == [s in "SX" for s in problems.REBER]
    assert problems.reber_legal("BPBPVVE")[-1].tolist() == [s in "P" for s in problems.REBER]
    with pytest.raises(DataError, match="'BTX', symbol 3: expected B, got 'X'"):
        problems.reber_legal("BTX")


def test_reber_batches_are_ragged_and_ask_for_the_next_symbol() -> None:
    batch = problems.reber_batch(["BTBTXSETE", "BPBPTVVEPE"])
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [8, 9]
    read = ["".join(problems.REBER[i] for i in batch.inputs["x"][:n, b].argmax(-1)) for b, n in enumerate((8, 9))]
    asked = ["".join(problems.REBER[i] for i in batch.inputs["y"][:n, b]) for b, n in enumerate((8, 9))]
    assert read == ["BTBTXSET", "BPBPTVVEP"]
    assert asked == ["TBTXSETE", "PBPTVVEPE"]
    assert batch.inputs["y"][8, 0] == -1
    assert batch.items == 17


def test_adding() -> None:
    batch = problems.adding(400, np.random.default_rng(0), steps=21)
    x, y = batch.inputs["x"], batch.inputs["y"]
    assert x.shape == (21, 400, 2)
    assert x.dtype == y.dtype == np.float32
    assert (x[:10, :, 1].sum(0) == 1).all()
    assert (x[10:, :, 1].sum(0) == 1).all()
    for row in range(400):
        assert y[row, 0] == pytest.approx(sum(number for number, mark in x[:, row] if mark))
    assert ((y - 1) ** 2).mean() == pytest.approx(problems.ADDING_CHANCE, rel=0.15)


def test_temporal_order() -> None:
    batch = problems.temporal_order(300, np.random.default_rng(0), steps=100)
    assert batch.lengths is not None
    assert set(batch.lengths) == set(range(100, 111))
    answers = []
    for row, length in enumerate(batch.lengths):
        text = "".join(problems.TEMPORAL[i] for i in batch.inputs["x"][:length, row].argmax(-1))
        found = re.fullmatch(r"(B[a-d]{9,19})([XY])([a-d]+)([XY])[a-d]+E", text)
        assert found
        assert 50 <= found.start(4) <= 60
        answers.append(["XX", "XY", "YX", "YY"].index(found[2] + found[4]))
        y = batch.inputs["y"][:, row]
        assert y[length - 1] == answers[-1]
        assert (np.delete(y, length - 1) == -1).all()
    assert set(answers) == {0, 1, 2, 3}


def test_copy_memory() -> None:
    batch = problems.copy_memory(4, np.random.default_rng(0), steps=30)
    x, y = batch.inputs["x"].argmax(-1), batch.inputs["y"]
    assert x.shape == y.shape == (50, 4)
    assert batch.inputs["x"].shape[-1] == 10
    assert (x[:10] < 8).all()
    assert (x[10:39] == 8).all()
    assert (x[39] == 9).all()
    assert (x[40:] == 8).all()
    assert (y[:40] == 8).all()
    assert (y[40:] == x[:10]).all()
    # blank everywhere but at the end, and there each of eight equally
    p = np.where(np.arange(50)[:, None] < 40, 1.0, 1 / 8)
    assert -np.log(p).mean() == pytest.approx(problems.copy_chance(30))


def test_generated_batches_are_a_function_of_seed_and_update() -> None:
    batches = problems.Generated(problems.adding, 3, seed=5, steps=12)
    x = batches[7].inputs["x"]
    assert (x == problems.adding(3, shuffled(5, 7), steps=12).inputs["x"]).all()
    assert (x == batches[7].inputs["x"]).all()
    assert (x != batches[8].inputs["x"]).any()
    trainer = rnn.Trainer(rnn.lstm(x=7, h=3, o=7), problems.Generated(problems.embedded_reber, 4), target="interpret")
    assert trainer.step().loss == pytest.approx(np.log(7), abs=0.2)


@pytest.mark.parametrize("problem", [problems.adding, problems.temporal_order, problems.copy_memory])
def test_too_few_steps_are_refused(problem: problems.Problem) -> None:
    with pytest.raises(DataError, match="steps: expected at least"):
        problem(2, np.random.default_rng(0), steps=0)
    with pytest.raises(DataError, match="rows: expected at least one"):
        problems.Generated(problem, 0)

"""Streams, documents, buckets: each batch a function of its update, each item read once, rows that go on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.rnn.data import Batch, Buckets, DataError, Documents, Sequences, Stream, document_bounds, one_row, spread
from bptt.rnn.data.buckets import ranges
from bptt.rnn.truncation import Truncated
from hypothesis import given, settings
from hypothesis import strategies as st

# ---- streams -----------------------------------------------------------------------------------------


def test_windows_go_on_where_the_one_before_ended() -> None:
    stream = Stream(np.arange(100), batch=3, steps=5)
    assert len(stream) == 6  # 33 steps a row; three are left over
    first, second = stream[0], stream[1]
    assert first.inputs["x"].shape == first.inputs["y"].shape == (5, 3)
    assert first.inputs["x"][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert first.inputs["x"][0].tolist() == [0, 33, 66]
    assert (second.inputs["x"][0] == first.inputs["y"][-1]).all()
    for window in (first, second):
        assert (window.inputs["y"] == window.inputs["x"] + 1).all()
        assert (window.items, window.before, window.lengths) == (15, 0, None)
    assert (first.fresh, first.start, second.fresh, second.start) == (True, 1, False, 6)
    assert second.kept is not None
    assert second.kept.tolist() == [0, 1, 2]


def test_after_the_last_window_the_rows_begin_again() -> None:
    stream = Stream(np.arange(100), batch=3, steps=5)
    assert stream[6].fresh
    assert (stream[6].inputs["x"] == stream[0].inputs["x"]).all()
    assert stream[5].inputs["y"].max() == 66 + 30


def test_the_last_symbol_is_predicted_where_the_rows_fit() -> None:
    assert Stream(np.arange(31), batch=3, steps=10)[0].inputs["y"][-1].tolist() == [10, 20, 30]


def test_a_text_too_short_for_a_window_says_how_long_it_must_be() -> None:
    Stream(np.arange(2049), batch=32, steps=64)
    with pytest.raises(DataError, match=r"2048 characters to train on are too few .* need at least 2049"):
        Stream(np.arange(2048), batch=32, steps=64)
    with pytest.raises(DataError, match="batch is a whole number of at least 1, got 0"):
        Stream(np.arange(2048), batch=0, steps=64)
    with pytest.raises(DataError, match="the reach of the gradient is at least the window of 64 steps, got 63"):
        Stream(np.arange(2049), batch=32, steps=64, reach=63)


@pytest.mark.parametrize("reach", [4, 5, 8, 12, 99])
def test_with_reach_each_step_is_counted_once_and_a_window_covers_the_steps_of_the_rule(reach: int) -> None:
    symbols, k1 = np.arange(50), 4
    stream = Stream(symbols, batch=2, steps=k1, reach=reach)
    counted: list[int] = []
    for j in range(1, len(stream) + 1):
        batch = stream[j - 1]
        covered = range(max(0, j * k1 - reach), j * k1)  # the steps (j·k1 − k2, j·k1], clipped at 1, counted from 0
        assert batch.inputs["x"][:, 0].tolist() == list(covered)
        assert batch.start == covered[0] + 1
        assert batch.fresh == (batch.start == 1)
        assert batch.items == 2 * k1
        counted += batch.inputs["x"][batch.before :, 0].tolist()
    assert counted == list(range(24))


def test_numbers_are_read_with_their_targets() -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0).reshape(10, 1)
    batch = Stream(x, batch=2, steps=5, targets=y)[0]
    assert batch.inputs["x"].shape == (5, 2, 2)
    assert batch.inputs["x"][0].tolist() == [[0, 1], [10, 11]]
    assert batch.inputs["y"][:, 1, 0].tolist() == [5, 6, 7, 8, 9]
    rows = list(one_row(x, steps=4, targets=y))
    assert [len(b.inputs["x"]) for b in rows] == [4, 4, 2]
    assert np.concatenate([b.inputs["y"] for b in rows])[:, 0, 0].tolist() == list(range(10))


@pytest.mark.parametrize("length", [2, 9, 10, 11, 20, 21, 22])
def test_one_row_reads_and_predicts_every_character_once(length: int) -> None:
    windows = list(one_row(np.arange(length), steps=10))
    assert np.concatenate([w.inputs["x"] for w in windows])[:, 0].tolist() == list(range(length - 1))
    assert np.concatenate([w.inputs["y"] for w in windows])[:, 0].tolist() == list(range(1, length))
    assert [w.fresh for w in windows] == [True] + [False] * (len(windows) - 1)
    assert [w.start for w in windows] == [1 + 10 * k for k in range(len(windows))]


def test_pieces_of_a_long_sequence_are_spread_over_all_of_it() -> None:
    batches = list(spread(np.arange(1001), 640, 4))
    assert [(b.steps, b.rows, b.start, b.fresh, b.items) for b in batches] == [
        (4, 64, 1, True, 256), (4, 64, 5, False, 256), (2, 64, 9, False, 128),
    ]  # fmt: skip
    x = np.concatenate([b.inputs["x"] for b in batches])
    assert (np.diff(x, axis=0) == 1).all()
    assert (x[0, 0], x[-1, -1]) == (0, 999)
    assert (np.diff(x[0]) >= 10).all()
    assert (np.concatenate([b.inputs["y"] for b in batches]) == x + 1).all()
    for most in (0, 1000):
        assert [b.rows for b in spread(np.arange(1001), most)] == [1]
    assert [b.inputs["x"].tolist() for b in spread(np.arange(9), 3)] == [[[0, 3, 7]]]



# ---- every kind of batches ---------------------------------------------------------------------------
def some_sequences(seed: int, n: int = 23, longest: int = 12, static: bool = False) -> Sequences:
    """Sequences of different symbols and lengths: symbol i is the i-th of all."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, n)
    cut = np.split(np.arange(lengths.sum()), np.cumsum(lengths)[:-1])
    return Sequences.of(cut, np.arange(n) if static else [one * 2 for one in cut], static)


def documents(seed: int, **changes: Any) -> Documents:
    sequences = some_sequences(seed)
    return Documents(sequences.x, sequences.bounds, **{"batch": 4, "steps": 3, "start": 999, "seed": 5} | changes)


MAKERS: dict[str, Callable[[int], Any]] = {
    "stream": lambda seed: Stream(np.arange(200) + seed, 3, 5, 8),
    "documents": documents,
    "documents with reach": lambda seed: documents(seed, reach=7),
    "buckets": lambda seed: Buckets(some_sequences(seed), 4, seed=5),
    "buckets of labelled sequences": lambda seed: Buckets(some_sequences(seed, static=True), 4, seed=5),
}


def same(a: Batch, b: Batch) -> bool:
    pairs = [(a.inputs[n], b.inputs[n]) for n in a.inputs] + [(a.lengths, b.lengths), (a.kept, b.kept)]
    numbers = (a.start, a.items, a.before) == (b.start, b.items, b.before)
    return numbers and all((p is None) == (q is None) and (p is None or np.array_equal(p, q)) for p, q in pairs)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_batch_is_a_function_of_its_update(kind: str) -> None:
    """Read in any order, by an object that has read other things before, or by a new one."""
    ones, others = MAKERS[kind](1), MAKERS[kind](1)
    updates = np.random.default_rng(0).permutation(3 * len(ones))
    for update in updates:
        assert same(ones[int(update)], others[int(update)])
        assert same(ones[int(update)], MAKERS[kind](1)[int(update)])


@pytest.mark.parametrize("kind", [k for k in MAKERS if k != "stream"])
def test_passes_have_orders_of_their_own_and_so_have_seeds(kind: str) -> None:
    batches = MAKERS[kind](1)
    passes = [[batches[p * len(batches) + i].inputs["y"].tolist() for i in range(len(batches))] for p in range(3)]
    assert passes[0] != passes[1] != passes[2] != passes[0]
    batches.seed = 6
    assert [batches[100 * len(batches) + i].inputs["y"].tolist() for i in range(len(batches))] != passes[0]


@pytest.mark.parametrize("kind", [k for k in MAKERS if k != "stream"])
@pytest.mark.parametrize("seed", range(3))
def test_in_a_pass_every_item_is_counted_once(kind: str, seed: int) -> None:
    batches, sequences = MAKERS[kind](seed), some_sequences(seed)
    for number in range(2):
        counted: Counter[int] = Counter()
        items = 0
        for place in range(len(batches)):
            batch = batches[number * len(batches) + place]
            y = batch.inputs["y"]
            counted.update((y[batch.before :][y[batch.before :] >= 0] if y.ndim == 2 else y).tolist())
            items += batch.items
        expected = {"documents": sequences.x, "buckets": sequences.x * 2}[kind.split()[0]]
        expected = np.arange(len(sequences)) if "labelled" in kind else expected
        assert counted == Counter(expected.tolist())
        assert items == len(expected)


# ---- buckets -----------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]),
)
def test_no_batch_has_more_padding_than_its_bucket_may_have(lengths: list[int], size: int, share: float) -> None:
    sequences = Sequences.of([np.zeros(n, np.int64) for n in lengths], [np.zeros(n, np.int64) for n in lengths])
    buckets = Buckets(sequences, size, padding=share)
    assert sum(b.sequences for b in buckets.buckets) == len(lengths)
    assert sum(b.batches for b in buckets.buckets) == len(buckets)
    assert all(b.padding <= share + 1e-12 for b in buckets.buckets)
    for update in range(len(buckets)):
        batch = buckets[update]
        assert 1 <= batch.rows <= size
        assert batch.padding <= share + 1e-12


def test_ranges_of_lengths() -> None:
    assert ranges([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20], 0.2) == [
        (1, 1), (2, 2), (3, 3), (4, 5), (6, 7), (8, 10), (20, 20),
    ]  # fmt: skip
    assert ranges([3, 1, 3], 0.0) == [(1, 1), (3, 3)]


def test_a_batch_is_padded_with_zeros_and_targets_that_do_not_count() -> None:
    sequences = Sequences.of([np.array([5, 6, 7]), np.array([8])], [np.array([1, 2, 3]), np.array([4])])
    batch = sequences.batch([1, 0])
    assert batch.inputs["x"].T.tolist() == [[8, 0, 0], [5, 6, 7]]
    assert batch.inputs["y"].T.tolist() == [[4, -1, -1], [1, 2, 3]]
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [1, 3]
    assert batch.items == 4
    assert batch.padding == pytest.approx(1 / 3)
    assert sequences.batch([0]).lengths is None


def test_batches_of_a_bucket_differ_in_size_by_one_at_most() -> None:
    sequences = Sequences.of([np.zeros(3, np.int64)] * 17, [np.zeros(3, np.int64)] * 17)
    sizes = sorted(Buckets(sequences, 8)[i].rows for i in range(3))
    assert sizes == [5, 6, 6]


def test_a_table_of_the_buckets() -> None:
    lines = str(Buckets(some_sequences(0), 4)).split("\n")
    assert lines[0].split() == ["steps", "sequences", "batches", "padding"]
    assert sum(int(line.split()[-3]) for line in lines[1:]) == 23


def test_sequences_that_make_no_sense_are_refused() -> None:
    with pytest.raises(DataError, match="sequence 2: expected at least one step"):
        Sequences.of([np.ones(2, int), np.ones(0, int)], [np.ones(2, int), np.ones(0, int)])
    with pytest.raises(DataError, match="a target for each of 2 steps, got 3"):
        Sequences.of([np.ones(2, int)], [np.ones(3, int)])
    with pytest.raises(DataError, match="a target for each of 1 sequences, got 2"):
        Sequences.of([np.ones(2, int)], np.ones(2, int), static=True)
    with pytest.raises(DataError, match="at least one sequence"):
        Buckets(Sequences.of([], []), 4)


TAGGER = """
e[t] = E[x[t]]
h[t] = tanh(W @ h[t-1] + U @ e[t])
k[t] = tanh(M @ k[t+1] + N @ e[t])
o[t] = V @ concat(h[t], k[t])
"""


@pytest.mark.parametrize("over", ["t", "(t, batch)"])
def test_a_ragged_batch_is_each_of_its_sequences_alone(over: str) -> None:
    net = rnn.define(f"{TAGGER}L = sum(cross_entropy(o[t], y[t]), over={over})")(x=60, e=3, h=4, k=2, o=120)
    compare_with_each_alone(net, Sequences.of, None if over == "t" else 1.0)


def test_a_ragged_batch_of_labelled_sequences_is_each_of_them_alone() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + E[x[t]])\no = V @ h[T]\nL = cross_entropy(o, y)")(x=60, h=4, o=9)
    compare_with_each_alone(net, lambda x, _y: Sequences.of(x, np.arange(len(x)), static=True), None)


def compare_with_each_alone(net: Any, make: Callable[..., Sequences], scale: float | None) -> None:
    """Loss and gradient of a batch against ``scale`` times the sums over its sequences; None: their means."""
    cut = np.split(np.arange(56), [7, 8, 20, 30, 42, 53])
    sequences = make(cut, [one * 2 for one in cut])
    program = compiler.compile(net, target="interpret", dtype="float64")
    params = net.init(seed=1, dtype="float64")
    for update in range(len(buckets := Buckets(sequences, 4, padding=0.9))):
        batch = buckets[update]
        whole = program(params, lengths=batch.lengths, **batch.inputs)
        rows = np.searchsorted(sequences.bounds, batch.inputs["x"][0], side="right") - 1  # symbol i is the i-th of all
        alone = [program(params, **sequences.batch([int(row)]).inputs) for row in rows]
        weight = 1 / len(rows) if scale is None else scale
        assert whole.loss == pytest.approx(weight * sum(out.loss or 0.0 for out in alone), rel=1e-12)
        for name in params:
            np.testing.assert_allclose(
                whole.grad[name], weight * sum(out.grad[name] for out in alone), atol=1e-12, err_msg=name
            )


# ---- documents ---------------------------------------------------------------------------------------
def symbols_of(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("a;b;", ";", ["a;", "b;"]),
        ("a;b", ";", ["a;", "b"]),
        ("a;;;b;", ";", ["a;;;", "b;"]),
        (";;a;b", ";", [";;", "a;", "b"]),
        ("a--b--c", "--", ["a--", "b--", "c"]),
        ("a---b", "--", ["a--", "-b"]),
        ("a-----b", "--", ["a----", "-b"]),
    ],
)
def test_documents_end_with_the_separator(text: str, separator: str, expected: list[str]) -> None:
    bounds = document_bounds(symbols_of(text), symbols_of(separator))
    assert [text[a:b] for a, b in itertools.pairwise(bounds)] == expected


def test_separators_are_found_wherever_pieces_of_a_long_text_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "ab--cde--f--gh------ij--"
    whole = document_bounds(symbols_of(text), symbols_of("--"))
    for size in (1, 2, 3, 5, 7):
        monkeypatch.setattr("bptt.rnn.data.documents.CHUNK", size)
        assert document_bounds(symbols_of(text), symbols_of("--")).tolist() == whole.tolist()


def test_a_separator_that_does_not_occur_is_refused() -> None:
    with pytest.raises(DataError, match=r"';', does not occur in the text.*or none to read the text as a whole"):
        document_bounds(symbols_of("a,b"), symbols_of(";"), ";")


@pytest.mark.parametrize("reach", [0, 3, 5, 100])
def test_each_document_is_read_from_its_beginning_to_its_end(reach: int) -> None:
    sequences = some_sequences(2)
    batches = documents(2, reach=reach)
    read: dict[int, list[int]] = {}  # by the first symbol of the document, what was predicted of it
    first: list[int] = []  # of the rows of the batch before
    for update in range(len(batches)):
        batch = batches[update]
        x, y = batch.inputs["x"], batch.inputs["y"]
        begins = batch.start + batch.before == 1
        assert batch.fresh == (batch.start == 1)
        if not batch.fresh:
            assert batch.kept is not None
        if begins:
            assert (x[0] == 999).all()
            first = y[0].tolist()
        elif batch.kept is not None:
            first = [first[i] for i in batch.kept]
        else:  # reaches back to the beginning
            first = y[0].tolist()
        for row in range(batch.rows):
            n = batch.steps if batch.lengths is None else int(batch.lengths[row])
            assert batch.before < n <= batch.steps
            assert (y[n:, row] == -1).all()
            assert (x[1:n, row] == y[: n - 1, row]).all()
            read.setdefault(first[row], []).extend(y[batch.before : n, row].tolist())
    expected = [sequences.x[a:b].tolist() for a, b in zip(sequences.bounds, sequences.bounds[1:], strict=False)]
    assert sorted(read.values()) == sorted(expected)


COMPUTED = """
h[0] = tanh(2 * r)
h[t] = tanh(W @ h[t-1] + E[x[t]])
o[t] = V @ h[t]
"""
LAGGED = """
x[0] = 3
h[t] = tanh(W @ h[t-2] + E[x[t]] + F[x[t-1]])
o[t] = V @ h[t]
"""


@pytest.mark.parametrize("text", [COMPUTED, LAGGED], ids=["computed initial value", "lags"])
@pytest.mark.parametrize(("steps", "reach"), [(4, 0), (4, 6), (4, 40), (50, 0)])
def test_documents_in_windows_are_each_document_alone(text: str, steps: int, reach: int) -> None:
    """The losses of all windows are those of each document from its own initial state; where the reach covers the
    longest, so is the gradient."""
    net = rnn.define(f"{text}L = sum(cross_entropy(o[t], y[t]), over=t)")(x=30, h=4, o=30)
    params = net.init(seed=0, dtype="float64")
    lengths = [9, 1, 4, 5, 13, 8, 3]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    symbols = np.random.default_rng(0).integers(0, 30, bounds[-1])
    batches = Documents(symbols, bounds, batch=3, steps=steps, reach=reach, start=7, seed=1)
    truncated = Truncated(net, steps, reach or None, target="interpret", dtype="float64")
    loss, grad, state = 0.0, {n: np.zeros_like(a) for n, a in params.items()}, None
    for update in range(len(batches), 2 * len(batches)):
        batch = batches[update]
        found = truncated.step(params, batch, state)
        state = found.state
        loss += found.loss * batch.rows
        for name, value in found.grad.items():
            grad[name] += value * batch.rows
    program = compiler.compile(net, target="interpret", dtype="float64")
    alone = []
    for low, high in itertools.pairwise(bounds):
        y = symbols[low:high, None]
        alone.append(program(params, x=np.concatenate([[[7]], y[:-1]]), y=y))
    assert loss == pytest.approx(sum(out.loss or 0.0 for out in alone), rel=1e-12)
    if (reach or steps) >= max(lengths):
        for name in params:
            np.testing.assert_allclose(grad[name], sum(out.grad[name] for out in alone), atol=1e-12, err_msg=name)

"""Activations over a text: the values of the reference, under the characters that were read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bptt import graph, rnn
from bptt.rnn.analysis.activations import Activations, activations
from bptt.rnn.analysis.samples import run_batch, text_batch
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.data import DataError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> rnn.Run:
    """A language model after two updates."""
    place = tmp_path_factory.mktemp("activations")
    text = place / "verse.txt"
    text.write_text("the rain in spain\nstays mainly in the plain\n" * 4)
    settings = {"hidden": 6, "vector": 3, "batch": 2, "window": 5, "updates": 2, "sample": 0}
    return rnn.fit(text, run=place / "run", target="interpret", quiet=True, **settings)


def test_the_values_are_those_of_the_reference(run: rnn.Run) -> None:
    found = activations(run, "in the rain\n", signals=("f", "c"))
    assert list(found.values) == ["f", "c"]
    assert "".join(found.labels) == "in the rain\n"
    symbols = run.task.vocabulary.symbols("in the rain\n").astype(np.int64)[:, None]
    expected = graph.evaluate(run.net, run.weights, x=symbols, y=symbols, returns=["f", "c"])
    for name in ("f", "c"):
        assert found.values[name].shape == (12, 6)
        np.testing.assert_allclose(found.values[name], expected[name][:, 0], rtol=1e-6)
        np.testing.assert_allclose(found.mean()[name], expected[name][:, 0].mean(1), rtol=1e-6)


def test_gates_are_shown_unless_others_are_asked_for(run: rnn.Run) -> None:
    found = activations(run, "rain")
    assert list(found.values) == ["f", "i", "q"]
    assert set(found.ranges.values()) == {(0.0, 1.0)}
    assert "4 steps" in str(found)
    assert "f: 6 units, mean 0." in str(found)


def test_a_circuit_reads_numbers_or_symbols() -> None:
    net = cell("elman")(**CELLS["elman"].sizes)
    params = net.init(seed=3, dtype="float64")
    x = np.random.default_rng(0).normal(size=(7, 3))
    found = activations(net, params, x)
    assert (list(found.values), found.ranges, found.labels[:2]) == (["h"], {"h": (-1.0, 1.0)}, ("1", "2"))
    expected = graph.evaluate(net, params, x=x[:, None], returns="h")["h"][:, 0]
    np.testing.assert_allclose(found.values["h"], expected)
    chain = cell("markov")(**CELLS["markov"].sizes)
    found = activations(chain, chain.init(dtype="float64"), [2, 0, 1])
    assert (list(found.values), found.labels) == (["o"], ("2", "0", "1"))
    assert found.ranges == {"o": None}


def test_colours_span_what_a_signal_can_be(run: rnn.Run) -> None:
    found = activations(run, "rain", signals=["q", "g", "h", "c"])
    # h is a gate times a tanh; c adds up
    assert found.ranges == {"q": (0.0, 1.0), "g": (-1.0, 1.0), "h": (-1.0, 1.0), "c": None}


def test_errors(run: rnn.Run) -> None:
    with pytest.raises(graph.CircuitError, match=r"has no signal ff\[t\]"):
        activations(run, "rain", signals="ff")
    with pytest.raises(DataError, match="expected a text, got an empty one"):
        activations(run, "")
    with pytest.raises(DataError, match="expected what the network reads"):
        activations(run)
    with pytest.raises(DataError, match="a circuit reads symbols or numbers"):
        activations(run.net, run.weights, "rain")
    with pytest.raises(ValueError, match="units: expected"):
        activations(run, "rain").plot("x.png", units=-1)
    with pytest.raises(DataError, match=r"x\.jpg: expected a file that ends in one of"):
        activations(run, "rain").plot("x.jpg")


# ---- figures ---------------------------------------------------------------------------------------
def some(T: int) -> Activations:
    rng = np.random.default_rng(0)
    values = {"f": rng.random((T, 30)), "c": 7.0 * rng.normal(size=(T, 5))}
    return Activations(values, tuple("ab \n$\t" * T)[:T], {"f": (0.0, 1.0), "c": None})


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("units", [0, 24])
def test_a_figure_is_written(tmp_path: Path, suffix: str, units: int) -> None:
    path = some(30).plot(tmp_path / f"a.{suffix}", units=units)
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<?xm")


def test_the_characters_stand_above_their_columns(tmp_path: Path) -> None:
    text = some(12).plot(tmp_path / "a.svg").read_text()
    for character in ("a", "b", "␣", "↵", "→"):
        assert text.count(f">{character}</text>") == 2, character
    # the units that vary most, in their order
    values = some(12).values["f"]
    chosen = sorted(np.argsort(-values.var(0))[:24])
    assert all(f">{n}</text>" in text for n in chosen)


def test_a_long_text_stands_in_several_lines(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    heights = []
    with pytest.MonkeyPatch.context() as patch:
        wrapped = Figure.savefig

        def saved(self: Figure, *args: object, **options: object) -> None:
            heights.append((self.get_size_inches()[1], len(self.axes)))
            wrapped(self, *args, **options)

        patch.setattr(Figure, "savefig", saved)
        for T in (100, 101):
            some(T).plot(tmp_path / "a.png", units=2)
    (one, panels), (two, more) = heights
    assert two > 1.5 * one
    assert (panels, more) == (4, 8)


@pytest.mark.parametrize("units", [0, 1, 2, 4])
def test_the_numbers_of_the_colour_bars_keep_apart(tmp_path: Path, units: int) -> None:
    from itertools import combinations

    from matplotlib.figure import Figure

    found = []
    with pytest.MonkeyPatch.context() as patch:
        wrapped = Figure.savefig

        def saved(self: Figure, *args: object, **options: object) -> None:
            wrapped(self, *args, **options)
            bars = [axes for axes in self.axes if axes.get_label() == "<colorbar>"]
            texts = [text for bar in bars for text in bar.get_yticklabels() if text.get_text()]
            found.extend(text.get_window_extent() for text in texts)

        patch.setattr(Figure, "savefig", saved)
        some(30).plot(tmp_path / "a.png", units=units)
    assert len(found) >= 4
    assert not any(a.overlaps(b) for a, b in combinations(found, 2))


# ---- what is read ----------------------------------------------------------------------------------
def test_pieces_of_a_text_follow_each_other(run: rnn.Run) -> None:
    batch = text_batch(run, "the rain in spain", steps=4, batch=3)
    vocabulary = run.task.vocabulary
    assert [vocabulary.text(row) for row in batch.inputs["y"].T] == ["the ", "rain", " in "]
    assert [vocabulary.text(row) for row in batch.inputs["x"].T] == ["\nthe", " rai", "n in"]
    assert text_batch(run, "th", steps=9).inputs["x"].shape == (2, 1)


def test_some_of_the_data_that_a_run_is_validated_with(run: rnn.Run) -> None:
    batch = run_batch(run, steps=3)
    assert batch.inputs["x"].shape[0] == 3
    found = rnn.diagnose(run)
    assert "validation data of" in str(found)
    assert found.overall.word == "vanishes"
    source = Path(run.configuration["data"]["path"])
    before = source.read_text()
    source.write_text("other " * 40)
    try:
        with pytest.raises(DataError, match=r"expected the data that .* began with .*; restore them, or give data"):
            run_batch(run)
    finally:
        source.write_text(before)


def test_other_validation_data_are_refused(run: rnn.Run, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("the rain in spain\n" * 9)
    settings = {**run.settings.table(), "validation": str(own), "updates": 1, "sample": 1}
    other = rnn.fit(run.configuration["data"]["path"], run=tmp_path / "run", quiet=True, **settings)
    assert run_batch(other, steps=3).inputs["x"].shape[0] == 3
    own.write_text("the wind in spain\n" * 9)
    with pytest.raises(DataError, match=r"own.txt: expected the data that .*run began with"):
        run_batch(other)

"""What a run is looked at with: its longest sequences, other data of the same kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn.analysis.samples import data_batch, longest, run_batch
from bptt.rnn.cli import main
from bptt.rnn.data import Batch, DataError, UnknownError

pytestmark = pytest.mark.usefixtures("plain")

WORDS = ["the", "cat", "saw", "a", "dog", "and", "then", "the", "dog", "ran"]
SMALL = {"hidden": 3, "vector": 2, "batch": 4, "updates": 1, "target": "interpret", "quiet": True}


def conllu(words: list[str], tag: str = "X") -> str:
    rows = [f"{i}\t{w}\t_\t{tag if i == 1 else 'N'}" + "\t_" * 6 for i, w in enumerate(words, 1)]
    return "\n".join([*rows, "", ""])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, plain: None) -> dict[str, rnn.Run]:
    """A tagger, a classifier and a forecaster after one update; the first validates with a sentence of one word too."""
    place = tmp_path_factory.mktemp("samples")
    (place / "train.conllu").write_text("".join(conllu(WORDS[:n]) for n in (1, 3, 5, 9)))
    (place / "dev.conllu").write_text("".join(conllu(WORDS[:n]) for n in (1, 1, 1, 7, 9, 10)))
    (place / "train.txt").write_text("".join(f"{n % 2} {' '.join(WORDS[:n])}\n" for n in (1, 2, 6, 7)))
    (place / "dev.txt").write_text("".join(f"{n % 2} {' '.join(WORDS[:n])}\n" for n in (1, 9, 10)))
    (place / "series.csv").write_text("v\n" + "\n".join(str(np.sin(i / 3)) for i in range(60)))

    def fit(name: str, data: str, **settings: object) -> rnn.Run:
        return rnn.fit(place / data, run=place / name, **{**SMALL, **settings})

    return {
        "tagger": fit("tagger", "train.conllu", validation=str(place / "dev.conllu")),
        "classifier": fit("classifier", "train.txt", validation=str(place / "dev.txt")),
        "forecaster": fit("forecaster", "series.csv", window=5, share=0.5, batch=2),
    }


def batch(*lengths: int) -> Batch:
    T, rows = max(lengths), len(lengths)
    x = np.arange(T * rows).reshape(T, rows)
    return Batch({"x": x, "y": np.arange(rows)}, np.array(lengths))


def test_the_longest_of_like_length() -> None:
    found = longest([batch(1, 1, 2), batch(7, 5, 8, 6, 4), batch(12)], steps=6, batch=3)
    np.testing.assert_array_equal(found.inputs["y"], [0, 2, 3])
    assert found.inputs["x"].shape == (6, 3)
    assert found.lengths is None
    ragged = longest([batch(1, 1, 2), batch(7, 5, 8, 6, 4)], steps=20, batch=3)
    assert ragged.lengths is not None
    assert ragged.lengths.tolist() == [7, 8, 6]
    assert ragged.inputs["x"].shape == (8, 3)
    with pytest.raises(DataError, match="at least one sequence"):
        longest([], steps=3, batch=3)


def test_a_tagger_and_a_classifier_are_looked_at_on_their_longest_sentences(runs: dict[str, rnn.Run]) -> None:
    for name, lengths in (("tagger", [9, 10]), ("classifier", [9, 10])):
        found = run_batch(runs[name])
        assert found.lengths is not None
        assert found.lengths.tolist() == lengths
        text = str(rnn.diagnose(runs[name]))
        assert "10 steps, 2 sequences" in text
        assert "ends" not in text
    cut = run_batch(runs["tagger"], steps=4)
    assert (cut.inputs["x"].shape, cut.lengths) == ((4, 2), None)
    assert run_batch(runs["forecaster"], steps=5).inputs["x"].shape == (5, 4, 1)


def test_steps_and_data_on_the_command_line(
    runs: dict[str, rnn.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "tagger": conllu(WORDS[:6], tag="UNKNOWN") + conllu(WORDS[:6]),
        "classifier": "1 the cat saw the new dog\n9 the cat saw a dog ran\n",
        "forecaster": "v\n" + "\n".join("123456789"),
    }
    for name, content in files.items():
        file = tmp_path / f"other{'.csv' if name == 'forecaster' else '.txt'}"
        file.write_text(content)
        flags = ["--data", str(file), "--steps", "4", *([] if name == "forecaster" else ["--unknown", "map"])]
        assert main(["explain", "--gradient", str(runs[name].folder), *flags]) == 0
        assert f"4 steps, 2 sequences; {runs[name].folder}, update 1, on {file}" in capsys.readouterr().out
    assert main(["explain", "--gradient", str(runs["tagger"].folder), "--unknown", "map"]) == 2
    assert "--unknown goes with --data" in capsys.readouterr().err
    with pytest.raises(UnknownError, match=r"more\.conllu, line 6: expected words of the vocabulary, got 'and'"):
        data_batch(runs["tagger"], str(_written(tmp_path, files["tagger"])))
    tags = data_batch(runs["tagger"], str(_written(tmp_path, files["tagger"])), unknown="map").inputs["y"]
    assert sorted(tags[0]) == [-1, runs["tagger"].task.save()["tags"].index("X")]
    (tmp_path / "two.csv").write_text("u,v\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"two\.csv: expected the columns v, got u, v"):
        data_batch(runs["forecaster"], str(tmp_path / "two.csv"))


def _written(folder: Path, text: str) -> Path:
    (folder / "more.conllu").write_text(text)
    return folder / "more.conllu"

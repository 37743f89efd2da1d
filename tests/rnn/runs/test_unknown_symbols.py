"""Runs and symbols that their vocabulary lacks: refused unless the call, or the run's setting, says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.cli import main
from bptt.rnn.data import DataError, UnknownError
from small_tasks import FILES

pytestmark = pytest.mark.usefixtures("plain")
TINY: dict[str, Any] = {"vector": 3, "hidden": 4, "batch": 2, "updates": 1, "sample": 0, "share": 0.7, "quiet": True}
ROW = "\t_\t_\t0\troot\t_\t_"
Runs = dict[tuple[str, str], rnn.Run]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, plain: None) -> Runs:
    """A run of each task with a vocabulary, for each setting."""
    place = tmp_path_factory.mktemp("unknown")
    made = {}
    for task in ("language_model", "tagger", "classifier", "translator"):
        name, content = FILES[task]
        (place / name).write_text(content)
        for unknown in ("refuse", "map"):
            window = 5 if task == "language_model" else None
            folder = place / f"{task}-{unknown}"
            settings = {**TINY, "window": window, "unknown": unknown, "target": "interpret"}
            made[task, unknown] = rnn.load(rnn.fit(place / name, run=folder, **settings).folder)
    return made


GIVEN = {
    "language_model": ("to be Zoe", r"the text, character 7: expected characters of the vocabulary, got 'Z'"),
    "tagger": ("the dog miaows", "the sentence, word 3: expected words of the vocabulary, got 'miaows'"),
    "classifier": ("the film is long", "the text, word 4: expected words of the vocabulary, got 'long'"),
    "translator": ("abZ", "the text, character 3: expected characters of the vocabulary, got 'Z'"),
}


@pytest.mark.parametrize("task", GIVEN)
def test_predict_refuses_them_unless_it_was_asked(task: str, runs: Runs) -> None:
    given, message = GIVEN[task]
    strict, lenient = runs[task, "refuse"], runs[task, "map"]
    with pytest.raises(UnknownError, match=message):
        strict.predict(given)
    with pytest.raises(UnknownError, match=message):
        lenient.predict(given, unknown="refuse")
    assert strict.predict(given, unknown="map")
    assert lenient.predict(given) == lenient.predict(given, unknown="map")
    with pytest.raises(DataError, match="unknown: expected refuse or map, got 'mapp'; did you mean map"):
        strict.predict(given, unknown="mapp")


def test_a_text_is_scored_and_a_prompt_read_in_the_same_way(runs: Runs, tmp_path: Path) -> None:
    strict, lenient = runs["language_model", "refuse"], runs["language_model", "map"]
    path = tmp_path / "a.txt"
    path.write_text("to be\nZoe")
    with pytest.raises(UnknownError, match=r"a\.txt, line 2, character 1: expected characters"):
        strict.score(path)
    assert strict.score(path, unknown="map").unseen == lenient.score(path).unseen == 1  # type: ignore[union-attr]
    with pytest.raises(UnknownError, match="the prompt, character 1: expected characters"):
        strict.generate(2, prompt="Z")
    assert strict.generate(2, prompt="Z", unknown="map")[0] == lenient.generate(2, prompt="Z")[0] == "Z"
    with pytest.raises(UnknownError, match="the text, character 1"):
        rnn.activations(strict, "Z")
    assert rnn.activations(strict, "Z", unknown="map").labels


LABELLED = {
    "tagger": (
        "new.conllu",
        f"# new\n1\tthe\t_\tDET{ROW}\n2\tcat\t_\tNOUN{ROW}\n\n1\tcats\t_\tNOUN{ROW}\n",
        r"new\.conllu, line 3: expected words of the vocabulary, got 'cat'; nor has it 'cats' \(.*line 5\)",
        2,
    ),
    "classifier": ("new.tsv", "good\tfine\nbad\ta film\n", r"new\.tsv, line 2, word 1: expected words .* got 'a'", 1),
    "translator": ("new.tsv", "abc\tcba\nabc\tcbZ\n", r"new\.tsv, line 2, target, character 3: expected char", 1),
}


@pytest.mark.parametrize("task", LABELLED)
def test_labelled_data_are_scored_in_the_same_way(
    task: str, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, message, count = LABELLED[task]
    path, run = tmp_path / name, runs[task, "refuse"]
    path.write_text(content)
    with pytest.raises(UnknownError, match=message):
        run.score(path)
    found, unit = run.score(path, unknown="map"), run.task.unit
    assert found.unseen == count  # type: ignore[union-attr]
    assert str(found).endswith(f"read as the unknown {unit}: {count} {unit}s")
    assert main(["score", str(run.folder), str(path), "--unknown", "map"]) == 0
    assert capsys.readouterr().out == f"{found}\n"


def test_the_command_line_says_the_line_and_the_flag(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sentences.txt"
    path.write_text("the dog\n\nthe cat barks\n")
    folder = str(runs["tagger", "refuse"].folder)
    assert main(["predict", folder, str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}, line 3: the sentence, word 2: expected words of the vocabulary, got 'cat'" in said
    assert "; --unknown map reads that word as" in said
    assert "unknown=" not in said  # which is said in Python
    assert main(["predict", folder, str(path), "--unknown", "map"]) == 0
    said = capsys.readouterr().err
    assert said == "bptt: 1 word of what was given is not in the run's vocabulary: read as the unknown word\n"


def test_a_run_that_maps_them_learns_the_unknown_symbol(tmp_path: Path) -> None:
    """What training has once is the unknown symbol there; without it every character has its own."""
    path = tmp_path / "a.txt"
    path.write_text("abab cdcd x " * 8 + "Q" + "ab cd x" * 20 + "Y")
    settings = {**TINY, "window": 5, "target": "interpret"}
    for unknown, has in (("refuse", True), ("map", False)):
        run = rnn.fit(path, run=tmp_path / unknown, unknown=unknown, memory=40, **settings)
        assert ("Q" in run.task.vocabulary.tokens) is has  # type: ignore[attr-defined]
        assert run.configuration["settings"]["unknown"] == unknown
        assert run.configuration["data"]["validation_characters_unknown"] == 1


def test_validation_reads_them_as_the_unknown_symbol_and_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-train.conllu").write_text(FILES["tagger"][1])
    (tmp_path / "a-dev.conllu").write_text(f"1\tthe\t_\tDET{ROW}\n2\tcat\t_\tNOUN{ROW}\n")
    run = rnn.fit(tmp_path, run=tmp_path / "run", target="interpret", **{**TINY, "quiet": False})
    assert run.configuration["data"]["validation_words_unknown"] == 1
    assert "1 validation words unknown" in capsys.readouterr().err


def test_numbers_have_no_unknown_symbols(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(FILES["forecaster"][1])
    with pytest.raises(DataError, match="setting unknown: it is for a language model or"):
        rnn.fit(path, run=tmp_path / "run", unknown="map", window=5, **TINY)
    run = rnn.fit(path, run=tmp_path / "run", target="interpret", window=5, **TINY)
    with pytest.raises(TypeError, match="predict of a forecaster has no option unknown"):
        run.predict([[1.0, 2.0]], unknown="map")
    with pytest.raises(DataError, match="unknown: it is for a run that reads symbols"):
        run.score(path, unknown="map")
    assert main(["predict", str(run.folder), str(path), "--unknown", "map"]) == 2

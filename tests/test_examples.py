"""The examples: each runs by itself, in seconds, and shows what it says.

An example ``examples/NAME.py`` has a ``main`` that returns its figures; ``check_NAME`` here says what they have to be.
Those that take longer than two seconds run with -m slow.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.rnn.cells import CELLS

FOLDER = Path(__file__).parents[1] / "examples"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py"))
QUICK = {"dynamics", "gate_program", "loops", "lstm_peephole", "normalised", "written_out"}
SECONDS = 120
"""How long an example may take: on a machine that does other things too."""
Figures = Mapping[str, float]


# ---- what each shows -------------------------------------------------------------------------------
def check_hmm(found: Figures) -> None:
    assert found["right"] > 0.6
    assert found["away"] < 0.06
    assert abs(found["learnt"] - found["truth"]) < 0.1


def check_markov(found: Figures) -> None:
    assert found["away"] < 1e-3
    assert abs(found["nats"] - found["counted"]) < 1e-4
    assert found["nats_k"] < 0.9 * found["nats"]


def check_markov_driven(found: Figures) -> None:
    assert found["switch, right"] > 0.99
    assert found["parity, right"] < 0.6


def check_window_lm(found: Figures) -> None:
    assert found["window, lag 4"] < 0.4
    assert found["elman, lag 5"] < 0.4
    assert found["window, lag 5"] > 0.69, "what lies outside the window is not seen"


def check_remedies(found: Figures) -> None:
    assert found["none, before"] < -6
    for remedy in ("orthogonal start", "identity and relu", "slower clock", "residual", "gate"):
        assert found[f"{remedy}, before"] > -4, remedy
    assert found["regulariser, after"] > found["none, after"] + 3
    assert found["weight decay, after"] < found["none, after"]


def check_elman(found: Figures) -> None:
    assert abs(found["consonants"] - 1.0986) < 0.08
    assert found["vowels"] < 0.03
    assert found["letters in no word"] <= 3  # the last word may be cut


def check_jordan(found: Figures) -> None:
    assert found["loops"] == 0
    assert found["probabilities"] == found["letters"] == 1.0


def check_teacher_forcing(found: Figures) -> None:
    assert abs(found["greedy"] - 0.2) < 0.04
    assert abs(found["best"] - 0.4) < 0.04
    assert abs(found["drawn"] - 0.4) < 0.08


def check_acceptor(found: Figures) -> None:
    assert found["right up to 40"] > 0.98
    assert found["before"] < 0.1 < 0.9 < found["after"]


def check_vector_to_sequence(found: Figures) -> None:
    assert found["right"] >= 8 / 9


def check_seq2seq(found: Figures) -> None:
    assert min(found[f"length {n}"] for n in (3, 4, 6)) > 0.95
    assert found["length 10"] < 0.3
    assert found["gain"] >= 0.0


def check_attention(found: Figures) -> None:
    for task in ("copy", "reverse"):
        assert min(found[f"{task} {n} by {how}"] for n in (5, 6) for how in ("content", "place")) > 0.97
        assert min(found[f"{task} {n} by place"] for n in (15, 20)) > 0.8
    assert found["copy distance"] > 0.1
    assert found["reverse distance"] < -0.1


def check_dynamics(found: Figures) -> None:
    assert abs(found["exponent"] - math.log(2)) < 0.01
    assert found["away"] == 0


def check_gate_program(found: Figures) -> None:
    assert found == {"Korean": 1, "French": 1}


def check_lstm(found: Figures) -> None:
    for name in ("lstm_peephole", "lstm_packed", "lstm_bakker"):
        assert found[f"{name}, apart"] < 1e-12
        assert found[f"{name}, nats"] < 0.1


def check_loops(found: Figures) -> None:
    products = {"lstm": 1, "gru": 2, "gru_cudnn": 1, "mut3": 3, "diagonal": 0, "sru": 0, "mingru": 0}
    assert found == {f"{name}, {way}": n for name, n in products.items() for way in ("forward", "backward")}


def check_compose(found: Figures) -> None:
    assert found["from the left"] > 0.68
    assert found["from both sides"] < 0.5
    assert found["residual"] < 0.2


def check_tagger(found: Figures) -> None:
    assert found["both sides"] > 0.95
    assert max(found["left"], found["most frequent"]) < 0.9
    assert found["both sides: the old man the boats"] == 1
    assert found["left: the old man the boats"] == 0


def check_classifier(found: Figures) -> None:
    assert found["right"] > 0.7
    assert found["the plot was very clever: clever"] > 1
    assert min(found[f"the cast is not really dull: {w}"] for w in ("not", "dull")) > 1
    assert abs(found["the cast is not really dull: cast"]) < 1


def check_forecaster(found: Figures) -> None:
    assert found["network"] < 0.4 * found["persistence"]
    assert found["free"] < 0.75 * found["mean"]


def check_irnn(found: Figures) -> None:
    assert abs(found["irnn, reach"]) < 0.5
    assert found["vanilla, reach"] < -10
    assert found["irnn, right"] > 0.95
    assert found["vanilla, right"] < 0.85


def check_clockwork(found: Figures) -> None:
    assert found["steps"] == 4
    assert found["clockwork, 28 steps"] > 1e4 * found["elman, 28 steps"]
    assert found["clockwork"] < 0.8 < 1.0 < found["elman"]


def check_gru(found: Figures) -> None:
    assert found["open"] < 1e-12 < 1e-3 < found["half open"]
    for name in ("gru", "gru_cudnn", "mut3"):
        assert found[f"{name}, right"] > 0.9
        assert found[f"{name}, marked"] > found[f"{name}, after"] + 0.1


def check_diagonal(found: Figures) -> None:
    assert abs(found["left at 0.9"] / 0.01 - 0.9**20) < 0.002
    assert found["heard"] > 1
    assert min(found["right after 20"], found["right after 200"]) > 0.95


def check_mingru(found: Figures) -> None:
    assert found["away"] < 1e-12
    assert min(found[f"{name}, keep"] for name in ("mingru", "sru", "gru")) > 0.93
    assert max(found[f"{name}, parity"] for name in ("mingru", "sru")) < 0.85 < 0.95 < found["gru, parity"]


def check_rnn_lm(found: Figures) -> None:
    assert min(found[f"network, {n}"] for n in range(4)) > 0.9
    assert found["counts, 0"] == 1
    assert max(found[f"counts, {n}"] for n in range(1, 5)) < 0.1


def check_no_output(found: Figures) -> None:
    assert found["sum at 0.5"] < found["sum at 0.95"] < 30
    assert found["10 steps back at 0.95"] > found["10 steps back at 0.5"] + 0.2


def check_ngrams(found: Figures) -> None:
    assert found["unseen 1"] <= found["unseen 3"] < found["unseen 5"]
    assert found["perplexity 3"] < found["perplexity 2"] < found["perplexity 1"]
    assert found["same counts"] == 1
    assert 0 <= found["learnt"] - found["counted"] < 0.005


def check_driven(found: Figures) -> None:
    assert abs(found["period"] - 15) < 0.3
    assert abs(found["kept"] - 0.97) < 0.01
    assert found["pushed every 15"] > 3 * max(found[f"pushed every {n}"] for n in (6, 10, 22, 40))


def check_lstm_peephole(found: Figures) -> None:
    assert (found["lstm_peephole, spikes"], found["period"], found["irregular"]) == (4, 5, 0)
    assert found["lstm, spikes"] == 0


def check_written_out(found: Figures) -> None:
    assert set(found) == {"stacked", "bidirectional", "bidirectional_lstm"}
    assert max(found.values()) < 1e-12


def check_lags(found: Figures) -> None:
    assert found["elman, factor"] < 0.8 < min(found["two_lags, factor"], found["interleaved, factor"])
    assert max(found["two_lags, nats"], found["interleaved, nats"]) < found["elman, nats"]


def check_normalised(found: Figures) -> None:
    assert found["normalised, matrices"] < 1e-3 < 0.1 < found["elman, matrices"]
    assert found["batch_normalised, input"] < 1e-3 < 0.1 < found["elman, input"]
    assert found["batch_normalised, alone"] < 1e-12
    assert found["zoneout_lstm, afterwards"] == 0 < found["zoneout_lstm, in training"]


def check_autonomous(found: Figures) -> None:
    assert 0.45 < found["circle, least"] < found["circle, most"] < 0.55
    assert found["spiral, most"] < 0.1


# ---- the examples ----------------------------------------------------------------------------------
def check_of(name: str) -> Any:
    return globals().get(f"check_{name}")


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in what runs longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES if check_of(n)]
)
def test_an_example_shows_what_it_says(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BPTT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with limit(SECONDS):
        found = loaded(name).main()
    assert capsys.readouterr().out.strip()
    check_of(name)(found)


def test_every_example_is_checked() -> None:
    assert [n for n in NAMES if check_of(n) is None] == []
    checks = {n.removeprefix("check_") for n in globals() if n.startswith("check_")} - {"of"}
    assert checks | QUICK <= set(NAMES)


def test_every_system_of_the_table_is_in_an_example() -> None:
    named: set[str] = set()
    for name in NAMES:
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cells":
                named.add(node.attr)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rnn":
                named |= {node.attr} - set(rnn.__all__)  # rnn.bidirectional makes a cell of any other
    assert set(CELLS) - named == set()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_and_explains_itself(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 100
    assert len(ast.get_docstring(tree) or "") > 100, "what one sees, in the docstring"
    assert 'if __name__ == "__main__":\n    main(' in text


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_in_the_list_with_what_it_says_first(name: str) -> None:
    first = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    said = " ".join(first.partition("\n\n")[0].split())
    assert f"| [{name}.py]({name}.py) | {said} |" in (FOLDER / "README.md").read_text(encoding="utf-8")

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

FOLDER = Path(__file__).parents[1] / "examples"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py"))
QUICK = {"dynamics", "gate_program", "loops"}
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

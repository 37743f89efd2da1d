"""What cells are cut into, and composed cells in runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.graph.errors import CircuitError, LanguageError
from bptt.rnn.cells import cell
from bptt.rnn.compose.parts import part_of
from bptt.rnn.define import Cell
from systems import BY_STEPS


# ---- what a cell is made of ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "source", "output"),
    [
        ("elman", "x", "h"), ("lstm", "x", "h"), ("sru", "x", "h"), ("jordan", "x", "h"),
        ("clockwork", "x", "joined"), ("stacked", "x", "h"),
        ("teacher_forcing", "x", "h"), ("acceptor", "x", "h"), ("classifier", "e", "h"), ("rnn_lm", "e", "h"),
        ("no_output", "x", "h"), ("driven", "x", "s"), ("tagger", "e", "joined"), ("bidirectional", "x", "joined"),
    ],
)  # fmt: skip
def test_input_and_output_are_read_off_the_equations(name: str, source: str, output: str) -> None:
    part = part_of(cell(name))
    assert (part.input, part.output) == (source, output)


def test_what_is_open_is_said() -> None:
    two = rnn.define("h[t] = tanh(W @ h[t-1] + U @ x[t] + R @ z[t])", name="two")
    with pytest.raises(LanguageError, match=r'two reads x, z at each step[^$]*input="x"'):
        rnn.stack(two, 2)
    assert "R_2 @ h_1[t]" in str(rnn.stack(two, 2, input="z"))
    loose = rnn.define("h[t] = tanh(W @ h[t-1] + x[t])\nk[t] = tanh(R @ k[t-1] + x[t])", name="loose")
    with pytest.raises(LanguageError, match=r"its hidden output may be h, k"):
        rnn.stack(loose, 2)
    assert "k_2[t] = tanh(R_2 @ k_2[t-1] + k_1[t])" in str(rnn.stack(loose, 2, output="k"))
    with pytest.raises(LanguageError, match=r"no signal z over time[^$]*one of h, k"):
        rnn.stack(loose, 2, output="z")
    with pytest.raises(LanguageError, match="reads no input over time"):
        rnn.stack(rnn.vector_to_sequence, 2)
    with pytest.raises(LanguageError, match="at least one layer"):
        rnn.stack(rnn.lstm, 0)
    for wrong in ((), (rnn.lstm, "2"), ("lstm", 2)):
        with pytest.raises(TypeError, match=r"of cells as rnn.define makes them"):
            rnn.stack(*wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected a cell, as rnn.define makes it, before its sizes are bound"):
        rnn.residual(rnn.lstm(x=3, h=4, o=5))  # type: ignore[arg-type]
    with pytest.raises(LanguageError, match="the targets of the decoder cannot be told"):
        rnn.encoder_decoder(rnn.lstm, rnn.classifier)
    with pytest.raises(LanguageError, match="attention has two indices itself"):
        rnn.encoder_decoder(rnn.lstm, rnn.attention)


@pytest.mark.parametrize("name", BY_STEPS)
def test_any_system_is_composed_or_the_error_says_why(name: str) -> None:
    one = cell(name)
    ways = (lambda: rnn.stack(one, 2), lambda: rnn.bidirectional(one), lambda: rnn.residual(one),
            lambda: rnn.encoder_decoder(one, one))  # fmt: skip
    for way in ways:
        try:
            made = way()
            made(**made.small())
        except (LanguageError, CircuitError) as error:
            said = str(error)
        else:
            said = "mend: none"
        assert "mend: " in said or "expected: " in said


# ---- in runs -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("made", "shapes"),
    [
        (rnn.stack(rnn.rnn_lm, 2), {"E": (15, 24), "U_f_2": (6, 6), "V": (15, 6)}),
        (rnn.stack(rnn.residual(rnn.lstm, project=True), 2), {"P_1": (6, 15), "P_2": (6, 6)}),
        (rnn.lstm_packed, {"W": (24, 6)}),
    ],
    ids=["stack", "residual", "cut vectors"],
)
def test_composed_cells_are_trained_and_loaded(made: Cell, shapes: dict[str, Any], tmp_path: Path) -> None:
    """``hidden`` is the number of units of every layer."""
    text = tmp_path / "verse.txt"
    text.write_text("the rain in spain stays mainly in the plain\n" * 4)
    options = {"hidden": 6, "vector": 24, "batch": 2, "window": 5, "updates": 1, "sample": 0, "quiet": True}
    run = rnn.fit(text, cell=made, run=tmp_path / "run", target="interpret", **options)
    net = run.bound.net
    assert shapes.items() <= net.params.items()
    again = rnn.load(tmp_path / "run").bound.net
    assert (str(again), again.params) == (str(net), net.params)


def test_a_size_of_all_layers_is_given_to_a_run(tmp_path: Path) -> None:
    text = tmp_path / "verse.txt"
    text.write_text("the rain in spain stays mainly in the plain\n" * 4)
    options = {"batch": 2, "window": 5, "updates": 1, "sample": 0, "quiet": True, "sizes": {"h": 3, "h_2": 5}}
    rnn.fit(text, cell=rnn.stack(rnn.gru, 2), run=tmp_path / "run", target="interpret", **options)
    net = rnn.load(tmp_path / "run").bound.net
    assert [net.outputs[f"h_{k}"] for k in (1, 2)] == [(3,), (5,)]
    assert rnn.stack(rnn.bidirectional(rnn.tagger), 2).units == tuple(
        f"{n}_{side}_{k}" for k in (1, 2) for side in ("fw", "bw") for n in ("h", "k")
    )

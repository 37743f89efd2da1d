"""Every system of the literature: a legal circuit, prints as it can be read, is what its source says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler.loop import Product
from bptt.graph import evaluate
from bptt.graph.statistics import batch_statistics
from bptt.rnn import cells, define
from bptt.rnn.cells import CELLS, cell
from systems import COMPUTED, WITH_LOSS

Array = np.ndarray[Any, Any]
STEPS, BATCH = 6, 3


def data(name: str, seed: int = 0) -> tuple[Any, dict[str, Array], dict[str, Array]]:
    """A cell with its small sizes, its parameters and its inputs."""
    net = cell(name)(**CELLS[name].sizes).check()
    rng = np.random.default_rng(seed)
    params = {n: rng.normal(0, 0.7, shape) for n, shape in net.params.items()}
    inputs: dict[str, Array] = {}
    for n, x in net.input_nodes.items():
        lead = tuple({"t": STEPS, "s": STEPS + 1, "b": BATCH}[a] for a in x.axes)
        inputs[n] = (
            rng.integers(0, net.symbols[n], lead) if x.dtype == "i" else rng.normal(size=lead + x.shape)
        )
    return net, params, inputs


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_a_legal_circuit(name: str) -> None:
    net, params, inputs = data(name)
    recipe = CELLS[name]
    assert net.name == name
    assert recipe.about
    assert recipe.source
    assert ("L" in net.eqs) == (name in WITH_LOSS)
    if name in WITH_LOSS:
        assert net.eqs["L"].shape == ()
        assert np.isfinite(evaluate(net, params, returns="L", **inputs)["L"]).all()


@pytest.mark.parametrize("name", CELLS)
def test_the_equations_of_a_cell_are_read_again_with_open_sizes(name: str) -> None:
    one, recipe = cell(name), CELLS[name]
    static = [n for n in one.inputs if not one.system.axes[n]]
    again = define(str(one), name=name, inputs=static, opaque=recipe.options.get("opaque", ()))
    assert str(again(**recipe.sizes)) == str(one(**recipe.sizes))


def test_the_systems_of_the_lectures_are_listed() -> None:
    wanted = """
        markov markov_k markov_driven ngram_counts window_lm hmm dynamics driven elman no_output diagonal jordan
        teacher_forcing acceptor vector_to_sequence seq2seq attention lstm lstm_peephole lstm_bakker gate_program gru
        gru_cudnn irnn clockwork rnn_lm tagger classifier forecaster mut3 sru mingru
    """
    assert set(wanted.split()) <= set(CELLS)
    assert {n for n in CELLS if n not in WITH_LOSS} == {"dynamics", "driven", "abstract", "no_output"}
    assert {n for n in CELLS if n not in COMPUTED} == {"dynamics", "driven", "abstract"}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_prints_as_it_can_be_read(name: str) -> None:
    net, _, _ = data(name)
    static = [n for n, x in net.input_nodes.items() if x.axes == ("b",)]
    shapes = {n: shape for n, shape in net.params.items() if n not in batch_statistics(net.eqs)}
    again = define(str(net), name=name, inputs=static, opaque=CELLS[name].options.get("opaque", ()))
    again = again(**{**shapes, **CELLS[name].sizes})
    assert {n: again.eqs[n] is e for n, e in net.eqs.items()} == dict.fromkeys(net.eqs, True)


def test_cells_are_made_once_when_asked_for() -> None:
    assert rnn.lstm is cells.lstm is cell("lstm")
    assert rnn.lstm(x=3, h=4, o=5).init_rules == {"b_f": 1.0}
    with pytest.raises(AttributeError, match="no cell 'lstmm'"):
        cells.lstmm  # noqa: B018
    with pytest.raises(KeyError):
        cell("lstmm")


def test_importing_the_cells_is_quick_and_light() -> None:
    heavy = ["numba", "matplotlib", "networkx", "graphviz", "pygraphviz"]
    code = (
        f"import bptt.rnn, sys; bptt.rnn.lstm(x=3, h=4, o=5); print([m for m in {heavy} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ---- against plain NumPy -------------------------------------------------------------------------
def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def mean_cross_entropy(o: Array, y: Array) -> Array:
    return -np.log(np.take_along_axis(softmax(o), y[..., None], -1)[..., 0]).mean(0)


def loss_of(name: str) -> tuple[Array, dict[str, Array], dict[str, Array]]:
    net, p, inputs = data(name)
    return evaluate(net, p, returns="L", **inputs)["L"], p, inputs


def test_elman() -> None:
    loss, p, given = loss_of("elman")
    h, o = np.zeros((BATCH, 4)), []
    for x in given["x"]:
        h = np.tanh(h @ p["W"].T + x @ p["U"].T + p["b"])
        o.append(h @ p["V"].T + p["c"])
    np.testing.assert_allclose(loss, mean_cross_entropy(np.stack(o), given["y"]))


def test_lstm_and_its_packed_form() -> None:
    loss, p, given = loss_of("lstm")
    h, c, o = np.zeros((BATCH, 4)), np.zeros((BATCH, 4)), []
    for x in given["x"]:
        pre = {g: h @ p[f"W_{g}"].T + x @ p[f"U_{g}"].T + p[f"b_{g}"] for g in "fiqg"}
        c = sigmoid(pre["f"]) * c + sigmoid(pre["i"]) * np.tanh(pre["g"])
        h = sigmoid(pre["q"]) * np.tanh(c)
        o.append(h @ p["V"].T + p["d"])
    np.testing.assert_allclose(loss, mean_cross_entropy(np.stack(o), given["y"]))
    packed = {k: np.concatenate([p[f"{k}_{g}"] for g in "fiqg"]) for k in "WUb"}
    net = cell("lstm_packed")(**CELLS["lstm_packed"].sizes)
    again = evaluate(net, {**packed, "V": p["V"], "d": p["d"]}, returns="L", **given)["L"]
    np.testing.assert_allclose(loss, again)


@pytest.mark.parametrize("after", [False, True])
def test_gru(after: bool) -> None:
    loss, p, given = loss_of("gru_cudnn" if after else "gru")
    h, o = np.zeros((BATCH, 4)), []
    u = "z" if after else "u"
    for x in given["x"]:
        share, r = (sigmoid(h @ p[f"W_{g}"].T + x @ p[f"U_{g}"].T + p[f"b_{g}"]) for g in (u, "r"))
        inner = r * (h @ p["W_h"].T + p["d_h"]) if after else (r * h) @ p["W_h"].T
        n = np.tanh(inner + x @ p["U_h"].T + p["b_h"])
        h = share * h + (1 - share) * n if after else (1 - share) * h + share * n
        o.append(h @ p["V"].T + p["d"])
    np.testing.assert_allclose(loss, mean_cross_entropy(np.stack(o), given["y"]))


def test_mut3() -> None:
    """Jozefowicz et al. 2015, MUT3."""
    loss, p, given = loss_of("mut3")
    h, o = np.zeros((BATCH, 4)), []
    for x in given["x"]:
        z = sigmoid(x @ p["U_z"].T + np.tanh(h) @ p["W_z"].T + p["b_z"])
        r = sigmoid(x @ p["U_r"].T + h @ p["W_r"].T + p["b_r"])
        h = np.tanh((r * h) @ p["W_h"].T + x @ p["U_h"].T + p["b_h"]) * z + h * (1 - z)
        o.append(h @ p["V"].T + p["d"])
    np.testing.assert_allclose(loss, mean_cross_entropy(np.stack(o), given["y"]))


def test_sru() -> None:
    """Lei et al. 2018, equations 1 to 4."""
    loss, p, given = loss_of("sru")
    c, o = np.zeros((BATCH, 4)), []
    for x in given["x"]:
        f = sigmoid(x @ p["U_f"].T + p["v_f"] * c + p["b_f"])
        r = sigmoid(x @ p["U_r"].T + p["v_r"] * c + p["b_r"])
        c = f * c + (1 - f) * (x @ p["U"].T)
        o.append((r * c + (1 - r) * x) @ p["V"].T + p["d"])
    np.testing.assert_allclose(loss, mean_cross_entropy(np.stack(o), given["y"]))


def test_mingru() -> None:
    """Feng et al. 2024, section 3.1."""
    loss, p, given = loss_of("mingru")
    h, o = np.zeros((BATCH, 4)), []
    for x in given["x"]:
        z = sigmoid(x @ p["U_z"].T + p["b_z"])
        h = (1 - z) * h + z * (x @ p["U_g"].T + p["b_g"])
        o.append(h @ p["V"].T + p["d"])
    np.testing.assert_allclose(loss, mean_cross_entropy(np.stack(o), given["y"]))


@pytest.mark.parametrize(("name", "products"), [("sru", 0), ("mingru", 0), ("lstm", 1), ("gru", 2)])
def test_how_many_matrix_products_are_left_in_the_loops(name: str, products: int) -> None:
    program = compiler.compile(cell(name)(**CELLS[name].sizes), target="interpret").loops
    loops = [rows for rows in program.rows() if rows.axis == "t" and rows.order != "free"]
    assert {rows.order for rows in loops} == {"up", "down"}
    for rows in loops:
        assert sum(isinstance(part, Product) for part in rows.body) == products


def test_the_gate_program_writes_keeps_empties_and_reads() -> None:
    net, p, _ = data("gate_program")
    p |= {n: np.full((5, 4), -1.0) for n in ("A_i", "A_f", "A_q")}
    p["A_i"][1] = p["A_f"][2] = p["A_q"][3] = 1
    x = np.array([1, 4, 3, 0, 2, 3])[:, None]
    found = evaluate(net, p, returns=["c", "h"], x=x)
    held = np.array([0, 1, 1, 1, 1, 0])[:, None, None] * p["E"][4]
    np.testing.assert_array_equal(found["c"], held)
    np.testing.assert_array_equal(found["h"], held * (x == 3)[..., None])


def test_hidden_markov_model_sums_over_all_paths() -> None:
    loss, p, given = loss_of("hmm")
    A, B, start = softmax(p["A_logits"]), softmax(p["B_logits"]), softmax(p["p_logits"])
    x = given["x"]
    scores = np.zeros((3**STEPS, BATCH))
    for i, path in enumerate(np.ndindex(*[3] * STEPS)):
        for b in range(BATCH):
            q = start[path[0]] * B[path[0], x[0, b]]
            for k in range(1, STEPS):
                q *= A[path[k - 1], path[k]] * B[path[k], x[k, b]]
            scores[i, b] = q
    np.testing.assert_allclose(loss, -np.log(scores.sum(0)))
    for name, expected in (("hmm_log", -np.log(scores.sum(0))), ("best_path", -np.log(scores.max(0)))):
        net = cell(name)(**CELLS[name].sizes)
        np.testing.assert_allclose(evaluate(net, p, returns="L", x=x)["L"], expected)


def test_clockwork_units_move_every_fourth_step() -> None:
    net, p, given = data("clockwork")
    found = evaluate(net, p, returns="h2", **given)["h2"]
    moved = np.abs(np.diff(np.concatenate([np.zeros_like(found[:1]), found]), axis=0)).max((1, 2)) > 0
    np.testing.assert_array_equal(moved, [(t % 4) == 0 for t in range(1, STEPS + 1)])


def test_attention_looks_at_all_states() -> None:
    net, p, given = data("attention")
    w = evaluate(net, p, returns="w", **given)["w"]
    assert w.shape == (STEPS, STEPS + 1, BATCH)
    np.testing.assert_allclose(w.sum(1), 1)

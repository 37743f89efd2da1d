"""ONNX's recurrent nodes: the test cases of its own package, and onnxruntime's kernels, by our equations.

The cases of the package have no sequences of several lengths (those called seq_length give none) and no
linear_before_reset; onnxruntime is asked for these, with random weights, in all directions.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from oracles.onnx_packed import run

onnx = pytest.importorskip("onnx")

pytestmark = pytest.mark.oracle

OPS = ("RNN", "LSTM", "GRU")
#: by name, so that one which is not collected is missed
CASES = {
    "test_simple_rnn_defaults test_simple_rnn_with_initial_bias test_rnn_seq_length test_simple_rnn_batchwise"
    " test_simple_rnn_reverse test_simple_rnn_bidirectional": "RNN",
    "test_lstm_defaults test_lstm_with_initial_bias test_lstm_with_peepholes test_lstm_batchwise test_lstm_reverse"
    " test_lstm_bidirectional": "LSTM",
    "test_gru_defaults test_gru_with_initial_bias test_gru_seq_length test_gru_batchwise test_gru_reverse"
    " test_gru_bidirectional": "GRU",
}
NAMES = [name for names in CASES for name in names.split()]
INPUTS = {
    "RNN": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
    "LSTM": ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    "GRU": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
}
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """All test cases of recurrent nodes in the package, by name."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other operators' cases, which are made on the way
        found = collect_testcases("")
    return {c.name: c for c in found if c.kind == "node" and c.model.graph.node[0].op_type in OPS}


def attributes(node: Any) -> dict[str, Any]:
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {n: v.decode() if isinstance(v, bytes) else v for n, v in found.items()}


def check(case: Any, target: str) -> None:
    node = case.model.graph.node[0]
    for inputs, outputs in case.data_sets:
        names = [full for short, full in zip(node.input, INPUTS[node.op_type], strict=False) if short]
        found = run(node.op_type, attributes(node), dict(zip(names, inputs, strict=True)), target)
        wanted = [full for short, full in zip(node.output, ("Y", "Y_h", "Y_c"), strict=False) if short]
        assert wanted
        for name, expected in zip(wanted, outputs, strict=True):
            assert found[name].shape == expected.shape
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=TOLERANCE, err_msg=name)


def test_no_case_is_left_out(cases: dict[str, Any]) -> None:
    assert sorted(cases) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_case_of_the_package(name: str, cases: dict[str, Any]) -> None:
    check(cases[name], "interpret")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_case_of_the_package_in_compiled_kernels(name: str, cases: dict[str, Any]) -> None:
    check(cases[name], "cpu")


# ---- onnxruntime ---------------------------------------------------------------------------------
STEPS, BATCH, INPUT, HIDDEN = 7, 4, 3, 5
LENGTHS = [7, 2, 5, 1]


def model(op: str, settings: dict[str, Any], given: dict[str, Any], outputs: list[str]) -> bytes:
    """A graph of one node whose inputs are all that is given."""
    types = {np.dtype("float32"): onnx.TensorProto.FLOAT, np.dtype("int32"): onnx.TensorProto.INT32}
    names = [n if n in given else "" for n in INPUTS[op]]
    node = onnx.helper.make_node(op, names, outputs, hidden_size=HIDDEN, **settings)
    tensors = [onnx.helper.make_tensor_value_info(n, types[a.dtype], a.shape) for n, a in given.items()]
    results = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in outputs]
    graph = onnx.helper.make_graph([node], op, tensors, results)
    opset = onnx.helper.make_opsetid("", 14)
    made: bytes = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return made


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op", "settings"), [*((op, {}) for op in OPS), ("GRU", {"linear_before_reset": 1})])
def test_ragged_sequences_as_onnxruntime_has_them(op: str, settings: dict[str, Any], direction: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    gates, ways = {"RNN": 1, "LSTM": 4, "GRU": 3}[op], 2 if direction == "bidirectional" else 1
    shapes = {
        "X": (STEPS, BATCH, INPUT),
        "W": (ways, gates * HIDDEN, INPUT),
        "R": (ways, gates * HIDDEN, HIDDEN),
        "B": (ways, 2 * gates * HIDDEN),
        "initial_h": (ways, BATCH, HIDDEN),
        "initial_c": (ways, BATCH, HIDDEN),
        "P": (ways, 3 * HIDDEN),
    }
    given = {n: rng.normal(0, 0.7, s).astype("float32") for n, s in shapes.items() if n in INPUTS[op]}
    given["sequence_lens"] = np.array(LENGTHS, dtype="int32")
    settings = {**settings, "direction": direction}
    outputs = ["Y", "Y_h", "Y_c"] if op == "LSTM" else ["Y", "Y_h"]
    session = runtime.InferenceSession(
        model(op, settings, given, outputs), providers=["CPUExecutionProvider"]
    )
    found = run(op, settings, given)
    for name, expected in zip(outputs, session.run(outputs, given), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=TOLERANCE, err_msg=name)

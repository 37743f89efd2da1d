"""ONNX's recurrent nodes as equations of ours, and where the parts of their packed weights go.

ONNX packs the gates of a direction one upon the other: W [directions, gates·H, I] for the input, R for the state,
B [directions, 2·gates·H] with the biases of both, P [directions, 3·H] the peepholes of an LSTM
(https://onnx.ai/onnx/operators, RNN, LSTM and GRU). The table below is the one place that says which is which here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bptt import compiler
from bptt.rnn import define
from bptt.rnn.cells import CELLS

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Packed:
    """How a node's weights are packed.

    cell       the cell of ours with the same equations
    gates      ONNX's order of gates -> the end of our names (``_f`` of ``W_f``), and a sign: ONNX's GRU has the share
               of the old state where ``gru`` has that of the new one, 1 - sigmoid(a) = sigmoid(-a)
    states     what a node may be given the first value of, in its order: initial_h, initial_c
    peepholes  ONNX's order of P -> the end of our names
    apart      the gate that keeps its two biases apart, b and d; of the others they are added
    """

    cell: str
    gates: Mapping[str, int]
    states: tuple[str, ...] = ("h",)
    peepholes: tuple[str, ...] = ()
    apart: str | None = None

    def weights(self, direction: int, W: Array, R: Array, B: Array | None, P: Array | None) -> dict[str, Array]:
        """The parameters of one direction by our names."""
        n = R.shape[-1]
        both = np.zeros(2 * len(self.gates) * n, W.dtype) if B is None else B[direction]
        found = {}
        for k, (end, sign) in enumerate(self.gates.items()):
            rows = slice(k * n, (k + 1) * n)
            found[f"U{end}"], found[f"W{end}"] = sign * W[direction, rows], sign * R[direction, rows]
            of_input, of_state = (half[rows] for half in np.split(both, 2))
            if end == self.apart:
                found[f"b{end}"], found[f"d{end}"] = of_input, of_state
            else:
                found[f"b{end}"] = sign * (of_input + of_state)
        seen = np.zeros(len(self.peepholes) * n, W.dtype) if P is None else P[direction]
        return found | {f"p{end}": seen[k * n : (k + 1) * n] for k, end in enumerate(self.peepholes)}

    def equations(self, mark: str, backward: bool) -> str:
        """The cell without its output, each name with a mark; read from the end of the sequence or its beginning."""
        lines = [line.partition("#")[0].rstrip() for line in CELLS[self.cell].text.splitlines()]
        kept = [line.strip() for line in lines if re.match(r"\s*[^op]\[t\]", line)]
        text = re.sub(r"\b(?!(?:t|x|tanh|sigmoid)\b)([A-Za-z]\w*)", rf"\1{mark}", "\n".join(kept))
        text = text.replace("[t-1]", "[t+1]") if backward else text
        for state in self.states:
            text += f"\n{state}{mark}[{'T+1' if backward else '0'}] = {state}_0{mark}"
            text += f"\n{state}{mark}_end = {state}{mark}[{'1' if backward else 'T'}]"
        return text


PACKED = {
    "RNN": Packed("elman", {"": 1}),
    "LSTM": Packed("lstm_peephole", {"_i": 1, "_q": 1, "_f": 1, "_g": 1}, ("h", "c"), ("_i", "_q", "_f")),
    "GRU": Packed("gru", {"_u": -1, "_r": 1, "_h": 1}),
    "GRU, linear before reset": Packed("gru_cudnn", {"_z": 1, "_r": 1, "_h": 1}, apart="_h"),
}
DIRECTIONS = {"forward": ("F",), "reverse": ("B",), "bidirectional": ("F", "B")}


def run(
    op: str, attributes: Mapping[str, Any], given: Mapping[str, Array], target: str = "interpret"
) -> dict[str, Array]:
    """What a node computes, Y, Y_h and Y_c, by the equations; ``given`` by ONNX's names of a node's inputs."""
    packed = PACKED[f"{op}, linear before reset" if attributes.get("linear_before_reset") else op]
    swap = (lambda a: a.swapaxes(0, 1)) if attributes.get("layout") else (lambda a: a)
    x, R = swap(given["X"]), given["R"]
    initial = {state: given.get(f"initial_{state}") for state in packed.states}
    weights, inputs, text = {}, {}, []
    marks = DIRECTIONS[attributes.get("direction", "forward")]
    for k, mark in enumerate(marks):
        text.append(packed.equations(mark, mark == "B"))
        of_one = packed.weights(k, given["W"], R, given.get("B"), given.get("P"))
        weights |= {f"{n}{mark}": np.ascontiguousarray(a) for n, a in of_one.items()}
        for state, start in initial.items():
            zeros = np.zeros((x.shape[1], R.shape[-1]), x.dtype)
            inputs[f"{state}_0{mark}"] = zeros if start is None else np.ascontiguousarray(swap(start)[k])
    sizes = {f"h{mark}": R.shape[-1] for mark in marks}
    net = define("\n".join(text), name=op.lower(), inputs=tuple(inputs))(x=x.shape[-1], **sizes)
    returns = [n for mark in marks for n in (f"h{mark}", *(f"{state}{mark}_end" for state in packed.states))]
    program = compiler.compile(net, returns=returns, target=target, dtype=str(x.dtype))
    out = program(weights, x=np.ascontiguousarray(x), lengths=given.get("sequence_lens"), **inputs).value
    ends = {s: np.stack([out[f"{s}{mark}_end"] for mark in marks]) for s in packed.states}
    Y = np.stack([out[f"h{mark}"] for mark in marks], axis=1)  # [T, directions, B, H]
    found = {"Y": Y.transpose(2, 0, 1, 3) if attributes.get("layout") else Y}
    return found | {f"Y_{state}": swap(end) for state, end in ends.items()}

"""The same weights in torch.nn's recurrent modules: the same outputs, final states and gradients, of packed sequences.

float32 runs through Numba, float64 through the interpreter. torch has two biases a gate where one is enough: where
ours has one, torch's second is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.graph.circuit import Circuit

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle

T, B, INPUT, HIDDEN, CLASSES = 9, 4, 5, 6, 7
LENGTHS = [6, 9, 1, 4]
#: (dtype, target, tolerance): 6e-8 and 1e-16 a sum, a few hundred of them one upon the other
PRECISIONS = [("float32", "cpu", 1e-5), ("float64", "interpret", 1e-10)]


@dataclass(frozen=True)
class Twin:
    """A network of ours and torch's module.

    layers    torch's suffix of a layer -> the letters of our gates in torch's order, for W and U
    biases    torch's suffix -> our names of (bias_ih, bias_hh), gate by gate; None: zero
    out       our output layer
    """

    net: Circuit
    module: str
    layers: Mapping[str, list[tuple[str, str]]]
    biases: Mapping[str, list[tuple[str, str | None]]]
    out: tuple[str, str] = ("V", "d")
    settings: Mapping[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = ("h",)


def _gates(letters: str) -> list[tuple[str, str]]:
    return [(f"U_{g}", f"W_{g}") for g in letters]


def _biases(letters: str) -> list[tuple[str, str | None]]:
    return [(f"b_{g}", None) for g in letters]


SIZES = {"x": INPUT, "h": HIDDEN, "o": CLASSES}
TWINS: dict[str, Twin] = {
    "lstm": Twin(rnn.lstm(**SIZES), "LSTM", {"l0": _gates("ifgq")}, {"l0": _biases("ifgq")}, states=("h", "c")),
    "gru": Twin(
        rnn.gru_cudnn(**SIZES),
        "GRU",
        {"l0": _gates("rzh")},
        {"l0": [("b_r", None), ("b_z", None), ("b_h", "d_h")]},
    ),
    "rnn": Twin(rnn.elman(**SIZES), "RNN", {"l0": [("U", "W")]}, {"l0": [("b", None)]}, ("V", "c")),
    "bidirectional lstm": Twin(
        rnn.bidirectional_lstm(k=HIDDEN, **SIZES),
        "LSTM",
        {"l0": _gates("ifcq"), "l0_reverse": _gates("IFCQ")},
        {"l0": _biases("ifcq"), "l0_reverse": _biases("IFCQ")},
        settings={"bidirectional": True},
        states=(),
    ),
}


def stacked(arrays: Mapping[str, Any], names: list[str | None], like: Any) -> Any:
    """The arrays of all gates, one upon the other; None: zeros."""
    return np.concatenate([np.zeros_like(like) if n is None else arrays[n] for n in names])


def torch_weights(twin: Twin, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters, or gradients, of ours under torch's names; zero where ours has none."""
    found = {}
    for suffix, pairs in twin.layers.items():
        for kind, k in (("weight_ih", 0), ("weight_hh", 1)):
            found[f"{kind}_{suffix}"] = stacked(arrays, [p[k] for p in pairs], arrays[pairs[0][k]])
        for kind, k in (("bias_ih", 0), ("bias_hh", 1)):
            names = [p[k] for p in twin.biases[suffix]]
            found[f"{kind}_{suffix}"] = stacked(arrays, names, arrays[twin.biases[suffix][0][0]])
    return found


def module(twin: Twin, params: Mapping[str, Any], dtype: str) -> Any:
    made = getattr(torch.nn, twin.module)(INPUT, HIDDEN, dtype=getattr(torch, dtype), **twin.settings)
    with torch.no_grad():
        for name, array in torch_weights(twin, params).items():
            getattr(made, name).copy_(torch.tensor(array))
    return made


def torch_outputs(made: Any, x: Any, state: Any, lengths: list[int] | None) -> tuple[Any, Any]:
    """[T, B, H] zero beyond the lengths, and the final state."""
    if lengths is None:
        outputs, final = made(x, state)
        return outputs, final
    pack = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    outputs, final = made(pack, state)
    return torch.nn.utils.rnn.pad_packed_sequence(outputs, total_length=len(x))[0], final


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "packed"])
@pytest.mark.parametrize(("dtype", "target", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("name", TWINS)
def test_same_weights_same_numbers(
    name: str, dtype: str, target: str, tolerance: float, lengths: list[int] | None
) -> None:
    twin = TWINS[name]
    rng = np.random.default_rng(0)
    params = {n: rng.normal(0, 0.4, s).astype(dtype) for n, s in twin.net.params.items()}
    x = rng.normal(size=(T, B, INPUT)).astype(dtype)
    y = rng.integers(0, CLASSES, (T, B))
    initial = {n: rng.normal(size=(B, HIDDEN)).astype(dtype) for n in twin.states}

    wrt = [*params, "x", *(f"{n}[0]" for n in initial)]
    program = compiler.compile(twin.net, wrt=wrt, returns=("o",), target=target, dtype=dtype)
    out = program(params, x=x, y=y, lengths=lengths, initial=initial or None)

    made = module(twin, params, dtype)
    inputs = torch.tensor(x, requires_grad=True)
    starts = [torch.tensor(a, requires_grad=True) for a in initial.values()]
    given = tuple(s[None] for s in starts)
    state = None if not starts else given if len(given) > 1 else given[0]
    outputs, final = torch_outputs(made, inputs, state, lengths)
    V, d = (torch.tensor(params[n], requires_grad=True) for n in twin.out)
    scores = outputs @ V.T + d
    losses = torch.nn.functional.cross_entropy(scores.movedim(-1, 1), torch.tensor(y), reduction="none")
    ends = torch.tensor(lengths or [T] * B)
    within = torch.arange(T)[:, None] < ends
    loss = ((losses * within).sum(0) / ends).mean()
    loss.backward()

    def same(found: Any, expected: Any, what: str) -> None:
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=what)

    assert out.loss == pytest.approx(loss.item(), abs=tolerance)
    same(out.value["o"], (scores * within[..., None]).detach(), "outputs")
    same(out.grad["x"], inputs.grad, "x")
    same(out.grad[twin.out[0]], V.grad, "V")
    same(out.grad[twin.out[1]], d.grad, "d")
    for n, start in zip(initial, starts, strict=True):
        same(out.grad[f"{n}[0]"], start.grad, f"{n}[0]")
    finals = final if isinstance(final, tuple) else (final,)
    for n, array in zip(twin.states, finals, strict=False):
        same(out.final[n], array[0].detach(), f"final {n}")
    for n, array in torch_weights(twin, out.grad).items():
        suffix = n.split("_", 2)[2]
        if n.startswith("bias_hh") and all(second is None for _, second in twin.biases[suffix]):
            continue
        theirs = getattr(made, n).grad.numpy()
        if n.startswith("bias_hh"):  # only where ours has a second bias of its own
            own = np.concatenate([np.full(HIDDEN, s is not None) for _, s in twin.biases[suffix]])
            same(array[own], theirs[own], n)
        else:
            same(array, theirs, n)

"""Training by truncated backpropagation through time beside torch's, where the state of each window is detached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bptt import rnn
from bptt.rnn import optim
from bptt.rnn.truncation import windows

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle

STEPS, ROWS, INPUT, HIDDEN, CLASSES = 13, 3, 4, 5, 6
RATE = 0.5


class Twin(torch.nn.Module):  # type: ignore[misc]
    """torch's LSTM and a layer over it, with our weights."""

    def __init__(self, weights: dict[str, Any]) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(INPUT, HIDDEN, dtype=torch.float64)
        self.out = torch.nn.Linear(HIDDEN, CLASSES, dtype=torch.float64)
        with torch.no_grad():
            for name, letter in (("weight_ih_l0", "U"), ("weight_hh_l0", "W"), ("bias_ih_l0", "b")):
                gates = np.concatenate([weights[f"{letter}_{g}"] for g in "ifgq"])
                getattr(self.lstm, name).copy_(torch.tensor(gates))
            self.lstm.bias_hh_l0.zero_()
            self.out.weight.copy_(torch.tensor(weights["V"]))
            self.out.bias.copy_(torch.tensor(weights["d"]))
        self.lstm.bias_hh_l0.requires_grad_(False)  # one bias is enough: two would move twice as fast


def trained(twin: Twin, x: Any, y: Any, k1: int, k2: int) -> list[float]:
    """Update j counts the k1 steps up to j·k1 and goes back k2; Williams and Peng 1990, BPTT(k2; k1)."""
    sgd = torch.optim.SGD([p for p in twin.parameters() if p.requires_grad], lr=RATE)
    state, losses = None, []
    for end in range(k1, STEPS + k1, k1):
        begin, counted, last = max(0, end - k2), end - k1, min(end, STEPS)
        cut = max(begin, end + k1 - k2)  # where the next window begins, with the state that is reached here
        parts, handed = [], state
        if cut > begin:
            outputs, handed = twin.lstm(x[begin : min(cut, last)], state)
            parts.append(outputs)
        if cut < last:
            parts.append(twin.lstm(x[cut:last], handed)[0])
        h = torch.cat(parts)
        loss = torch.nn.functional.cross_entropy(
            twin.out(h[counted - begin :]).flatten(0, 1), y[counted:last].flatten()
        )
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
        state = None if handed is None else tuple(s.detach() for s in handed)
    return losses


@pytest.mark.parametrize(("k1", "k2"), [(4, 4), (4, 8), (3, 7), (5, 13), (1, 6)])
def test_updates_by_windows(k1: int, k2: int) -> None:
    net = rnn.lstm(x=INPUT, h=HIDDEN, o=CLASSES)
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(0, 0.6, shape) for n, shape in net.params.items()}
    x, y = rng.normal(size=(STEPS, ROWS, INPUT)), rng.integers(0, CLASSES, (STEPS, ROWS))
    twin = Twin(weights)
    expected = trained(twin, torch.tensor(x), torch.tensor(y), k1, k2)
    trainer = rnn.Trainer(
        net, list(windows(net, {"x": x, "y": y}, k1, k2)), weights=weights, optimiser=optim.SGD(RATE),
        window=k1, reach=k2, target="interpret", dtype="float64",
    )  # fmt: skip
    found = [trainer.step().loss for _ in expected]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    for name, letter in (("weight_ih_l0", "U"), ("weight_hh_l0", "W"), ("bias_ih_l0", "b")):
        ours = np.concatenate([trainer.weights[f"{letter}_{g}"] for g in "ifgq"])
        np.testing.assert_allclose(ours, getattr(twin.lstm, name).detach(), rtol=0, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(trainer.weights["V"], twin.out.weight.detach(), rtol=0, atol=1e-10)

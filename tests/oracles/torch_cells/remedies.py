"""What keeps the gradient alive, and in bounds; other lags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .case import Arrays, Case, One, Tensor, Weights, cross_entropy, linear, rnn, torch, zeros
from .gated import scored, stacked, tanh


def irnn(w: Weights, one: One) -> dict[str, Tensor]:
    return scored(w, one, rnn(one["x"], w["U"], w["W"], w["b"], one.before("h", zeros(4)), nonlinearity="relu"))


def clockwork(w: Weights, one: One) -> dict[str, Tensor]:
    """A module of period 4 moves at the steps that 4 divides, and else keeps its value (Koutník et al. 2014)."""
    fast = rnn(one["x"], w["U1"], w["W1"], w["b1"], one.before("h1", zeros(4)))
    slow, states = one.before("h2", zeros(3)), []
    for t, h1 in enumerate(fast, one.t):
        if t % 4 == 0:
            slow = tanh(w["W2"] @ slow + w["U2"] @ h1 + w["b2"])
        states.append(slow)
    h2 = torch.stack(states)
    o = linear(torch.cat([fast, h2], 1), torch.cat([w["V1"], w["V2"]], 1), w["d"])
    return {"h1": fast, "h2": h2, "o": o, "L": cross_entropy(o, one["y"])}


def normalised(w: Weights, one: One) -> dict[str, Tensor]:
    """Ba et al. 2016, equations 3 and 4, by torch's layer_norm."""
    h, states = one.before("h", zeros(4)), []
    for x in one["x"]:
        h = tanh(torch.nn.functional.layer_norm(w["W"] @ h + w["U"] @ x, (4,), w["g"], w["b"]))
        states.append(h)
    return scored(w, one, torch.stack(states))


def batch_normalised(w: Weights, sequences: Sequence[One]) -> list[dict[str, Tensor]]:
    """Laurent et al. 2016, by torch's batch_norm over the steps of all sequences."""
    x = torch.cat([linear(one["x"], w["U"]) for one in sequences])
    normed = torch.nn.functional.batch_norm(x, None, None, w["g"], w["b"], training=True)
    parts = normed.split([len(one["x"]) for one in sequences])
    found = []
    for one, z in zip(sequences, parts, strict=True):
        identity = torch.eye(4, dtype=torch.float64)
        found.append(scored(w, one, rnn(z, identity, w["W"], None, one.before("h", zeros(4)))))
    return found


def zoneout_lstm(w: Weights, one: One) -> dict[str, Tensor]:
    """Krueger et al. 2017: h sees the new cell, whether or not the cell keeps its old value."""
    h, c = one.before("h", zeros(4)), one.before("c", zeros(4))
    steps = len(one["x"])
    kept_h, kept_c = one.mask("h", 0.05).expand(steps, 4), one.mask("c", 0.5).expand(steps, 4)
    rows = []
    for x, d_h, d_c in zip(one["x"], kept_h, kept_c, strict=True):
        i, f, g, o = (w[f"W_{n}"] @ h + w[f"U_{n}"] @ x + w[f"b_{n}"] for n in "ifgq")
        new = torch.sigmoid(f) * c + torch.sigmoid(i) * tanh(g)
        h = d_h * h + (1 - d_h) * torch.sigmoid(o) * tanh(new)
        c = d_c * c + (1 - d_c) * new
        rows.append((h, c))
    states, cells = stacked(rows)
    return scored(w, one, states, c=cells)


def masks_of_zoneout(w: Arrays, given: Arrays, values: Arrays, lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """1 where a unit has exactly the value of the step before."""
    found = {}
    for name in ("h", "c"):
        old = np.concatenate([np.zeros_like(values[name][:1]), values[name][:-1]])
        found[name] = (values[name] == old).astype(float)
    return found


def two_lags(w: Weights, one: One) -> dict[str, Tensor]:
    """Both states before as one vector of twice the size."""
    last, older = one.before("h", w["h_0"], tanh(w["k"]))
    states = []
    for x in one["x"]:
        new = tanh(linear(torch.cat([last, older, x]), torch.cat([w["W"], w["R"], w["U"]], 1), w["b"]))
        last, older = new, last
        states.append(new)
    return scored(w, one, torch.stack(states))


def interleaved(w: Weights, one: One) -> dict[str, Tensor]:
    """All values in two lists; at the steps 0, -1, -2 stand those before the first."""
    u, v = list(one.before("u", *[zeros(4)] * 3))[::-1], list(one.before("v", zeros(4), w["k"]))[::-1]
    for x in one["x"]:
        new = tanh(w["W_u"] @ u[-1] + w["R_u"] @ v[-2] + w["U"] @ x)
        v.append(tanh(w["W_v"] @ v[-1] + w["R_v"] @ u[-3] + w["b_v"]) + 0.5 * new)
        u.append(new)
    U, V = torch.stack(u[3:]), torch.stack(v[2:])
    return scored(w, one, U * V, u=U, v=V)


CASES = {
    "irnn": Case(irnn),
    "clockwork": Case(clockwork),
    "normalised": Case(normalised),
    "batch_normalised": Case(batch_normalised, coupled=True),
    "zoneout_lstm": Case(zoneout_lstm, masks=masks_of_zoneout, reads=("h", "c")),
    "two_lags": Case(two_lags),
    "interleaved": Case(interleaved),
}

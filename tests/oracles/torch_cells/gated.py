"""Systems whose gates decide what is kept."""

from __future__ import annotations

from .case import Case, One, Tensor, Weights, cross_entropy, linear, lstm, module, torch, zeros

sigmoid, tanh = torch.sigmoid, torch.tanh


def scored(w: Weights, one: One, h: Tensor, **others: Tensor) -> dict[str, Tensor]:
    """With the output layer and the loss that all of these have."""
    o = linear(h, w["V"], w["d"])
    return {"h": h, "o": o, "L": cross_entropy(o, one["y"]), **others}


def stacked(rows: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(list(signal)) for signal in zip(*rows, strict=True))


def both(one: One) -> tuple[Tensor, Tensor]:
    return one.before("h", zeros(4)), one.before("c", zeros(4))


def of_torch(w: Weights, one: One) -> dict[str, Tensor]:
    return scored(w, one, lstm(w, one["x"], "ifgq", both(one)))


def lstm_peephole(w: Weights, one: One) -> dict[str, Tensor]:
    """Gers and Schmidhuber 2000: s_c is the cell, y its output; the output gate sees the new cell."""
    y, s_c = one.before("h", w["h_0"]), one.before("c", w["c_0"])
    rows = []
    for x in one["x"]:
        net = {j: w[f"W_{j}"] @ y + w[f"U_{j}"] @ x + w[f"b_{j}"] for j in "ifgq"}
        y_in, y_forget = sigmoid(net["i"] + s_c * w["p_i"]), sigmoid(net["f"] + s_c * w["p_f"])
        s_c = y_forget * s_c + y_in * tanh(net["g"])
        y_out = sigmoid(net["q"] + s_c * w["p_q"])
        y = y_out * tanh(s_c)
        rows.append((y, s_c))
    h, c = stacked(rows)
    return scored(w, one, h, c=c)


def lstm_packed(w: Weights, one: One) -> dict[str, Tensor]:
    def in_torchs_order(a: Tensor) -> list[Tensor]:
        forget, enter, leave, new = a.chunk(4)
        return [enter, forget, new, leave]

    U, W, b = (in_torchs_order(w[n]) for n in "UWb")
    return scored(w, one, module("LSTM", one["x"], U, W, b, start=both(one)))


def lstm_bakker(w: Weights, one: One) -> dict[str, Tensor]:
    """Bakker 2001: all units read the activations of the step before, so the input comes a step late."""
    return scored(w, one, lstm(w, one.late("x", 1), "ifcq", both(one), biased=False))


def gate_program(w: Weights, one: One) -> dict[str, Tensor]:
    """The cell as a register, moved by Python's if."""
    register = one.before("c", zeros(4))
    cells, outputs = [], []
    for last, now in zip(one.late("x", 1).tolist(), one["x"].tolist(), strict=True):
        kept = [
            e if write > 0 else torch.zeros_like(e) if clear > 0 else old
            for write, clear, e, old in zip(w["A_i"][last], w["A_f"][last], w["E"][now], register, strict=True)
        ]
        register = torch.stack(kept)
        cells.append(register)
        outputs.append(torch.stack([c if read > 0 else 0 * c for read, c in zip(w["A_q"][now], register, strict=True)]))
    return scored(w, one, torch.stack(outputs), c=torch.stack(cells))


def gru(w: Weights, one: One) -> dict[str, Tensor]:
    """Chung et al. 2014, section 3.2: the update gate z is the share of what is new."""
    h = one.before("h", zeros(4))
    rows = []
    for x in one["x"]:
        z = sigmoid(w["U_u"] @ x + w["W_u"] @ h + w["b_u"])
        r = sigmoid(w["U_r"] @ x + w["W_r"] @ h + w["b_r"])
        candidate = tanh(w["U_h"] @ x + w["W_h"] @ (r * h) + w["b_h"])
        h = torch.lerp(h, candidate, z)
        rows.append((h, z, r, candidate))
    states, u, r, n = stacked(rows)
    return scored(w, one, states, u=u, r=r, n=n)


def gru_cudnn(w: Weights, one: One) -> dict[str, Tensor]:
    U, W, b = ([w[f"{kind}_{gate}"] for gate in "rzh"] for kind in "UWb")
    second = [zeros(4), zeros(4), w["d_h"]]
    return scored(w, one, module("GRU", one["x"], U, W, b, second, one.before("h", zeros(4))))


def mut3(w: Weights, one: One) -> dict[str, Tensor]:
    """Jozefowicz et al. 2015, MUT3."""
    h = one.before("h", zeros(4))
    rows = []
    for x in one["x"]:
        z = sigmoid(w["U_z"] @ x + w["W_z"] @ tanh(h) + w["b_z"])
        r = sigmoid(w["U_r"] @ x + w["W_r"] @ h + w["b_r"])
        h = tanh(w["W_h"] @ (r * h) + w["U_h"] @ x + w["b_h"]) * z + h * (1 - z)
        rows.append((h, z, r))
    states, z, r = stacked(rows)
    return scored(w, one, states, z=z, r=r)


def sru(w: Weights, one: One) -> dict[str, Tensor]:
    """Lei et al. 2018, as its authors compute it: one product for all steps, then a pointwise loop."""
    size = len(w["b_f"])
    x = one["x"]
    new, forget, reset = linear(x, torch.cat([w["U"], w["U_f"], w["U_r"]])).split(size, -1)
    c = one.before("c", zeros(size))
    rows = []
    for k in range(len(x)):
        f = sigmoid(forget[k] + w["v_f"] * c + w["b_f"])
        r = sigmoid(reset[k] + w["v_r"] * c + w["b_r"])
        c = f * c + (1 - f) * new[k]
        rows.append((r * c + (1 - r) * x[k], c))
    h, cells = stacked(rows)
    return scored(w, one, h, c=cells)


def mingru(w: Weights, one: One) -> dict[str, Tensor]:
    """Feng et al. 2024, section 3.1, all steps at once: h_t = Σ_k (Π_{j>k} (1 - z_j)) z_k h̃_k, h̃_0 the start."""
    z = sigmoid(linear(one["x"], w["U_z"], w["b_z"]))
    candidate = linear(one["x"], w["U_g"], w["b_g"])
    values = torch.cat([one.before("h", zeros(4))[None], z * candidate])
    kept = torch.cumsum(torch.cat([zeros(1, 4), torch.log1p(-z)]), 0)  # log of the share that is left
    steps = torch.arange(len(kept))
    reach = torch.where((steps[:, None] >= steps)[..., None], torch.exp(kept[:, None] - kept), zeros(1))
    return scored(w, one, torch.einsum("tkh,kh->th", reach, values)[1:])


CASES = {
    "lstm": Case(of_torch),
    "lstm_peephole": Case(lstm_peephole),
    "lstm_packed": Case(lstm_packed),
    "lstm_bakker": Case(lstm_bakker),
    "gate_program": Case(gate_program),
    "gru": Case(gru),
    "gru_cudnn": Case(gru_cudnn),
    "mut3": Case(mut3),
    "sru": Case(sru),
    "mingru": Case(mingru),
}

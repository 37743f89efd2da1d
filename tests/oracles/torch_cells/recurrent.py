"""Recurrent networks without gates."""

from __future__ import annotations

from .case import Case, One, Tensor, Weights, cross_entropy, linear, rnn, torch, zeros


def elman(w: Weights, one: One) -> dict[str, Tensor]:
    h = rnn(one["x"], w["U"], w["W"], w["b"], one.before("h", zeros(4)))
    o = linear(h, w["V"], w["c"])
    return {"h": h, "o": o, "p": torch.softmax(o, -1), "L": cross_entropy(o, one["y"])}


def no_output(w: Weights, one: One) -> dict[str, Tensor]:
    h = rnn(one["x"], w["U"], w["W"], w["b"], one.before("h", zeros(4)))
    return {"h": h, "L": torch.nn.functional.mse_loss(h, one["y"])}


def jordan(w: Weights, one: One) -> dict[str, Tensor]:
    """Jordan 1986: the activations of the output units are the context of the next step."""
    context = one.before("p", zeros(5))
    states, scores = [], []
    for x in one["x"]:
        states.append(torch.tanh(w["W"] @ context + w["U"] @ x + w["b"]))
        scores.append(linear(states[-1], w["V"], w["c"]))
        context = torch.softmax(scores[-1], -1)
    o = torch.stack(scores)
    return {"h": torch.stack(states), "o": o, "p": torch.softmax(o, -1), "L": cross_entropy(o, one["y"])}


def diagonal(w: Weights, one: One) -> dict[str, Tensor]:
    """Li et al. 2018: h_t = σ(W x_t + u ⊙ h_{t-1} + b), here with tanh: an RNN of a diagonal matrix."""
    h = rnn(one["x"], w["U"], torch.diag(w["w"]), w["b"], one.before("h", zeros(4)))
    o = linear(h, w["V"], w["d"])
    return {"h": h, "o": o, "L": cross_entropy(o, one["y"])}


def teacher_forcing(w: Weights, one: One) -> dict[str, Tensor]:
    """The target before as a vector beside the input: an RNN over both."""
    x = torch.cat([one["x"], torch.nn.functional.one_hot(one.late("y", 1), 5).double()], 1)
    h = rnn(x, torch.cat([w["U"], w["R"].T], 1), w["W"], w["b"], one.before("h", zeros(4)))
    o = linear(h, w["V"], w["d"])
    return {"h": h, "o": o, "L": cross_entropy(o, one["y"])}


CASES = {
    "elman": Case(elman),
    "no_output": Case(no_output, more="L = mean(mse(h[t], y[t]), over=t)"),
    "jordan": Case(jordan),
    "diagonal": Case(diagonal),
    "teacher_forcing": Case(teacher_forcing),
}

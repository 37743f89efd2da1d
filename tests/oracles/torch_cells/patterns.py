"""How recurrent networks are used: ends, vectors, two sequences, both directions, layers, the networks of the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from .case import Arrays, Case, One, Tensor, Weights, cross_entropy, embedding, linear, lstm, rnn, torch, zeros
from .gated import scored, sigmoid, tanh

IDENTITY = torch.eye(4, dtype=torch.float64)


def acceptor(w: Weights, one: One) -> dict[str, Tensor]:
    """Goodfellow et al. 2016, figure 10.5; the table is the matrix of one-hot inputs."""
    x = torch.nn.functional.one_hot(one["x"], 6).double()
    h = rnn(x, w["E"].T, w["W"], w["b"], one.before("h", zeros(4)))
    o = linear(h[-1], w["V"], w["c"])
    return {"h": h, "o": o, "L": cross_entropy(o, one["y"])}


def vector_to_sequence(w: Weights, one: One) -> dict[str, Tensor]:
    """Goodfellow et al. 2016, figure 10.9: the vector at every step, beside the target before; and in the start."""
    given = embedding(one.late("y", 1), w["R"]) + w["Q"] @ one["v"]
    h = rnn(given, IDENTITY, w["W"], None, one.before("h", tanh(w["M"] @ one["v"])))
    return scored(w, one, h)


def encoded(w: Weights, one: One) -> Tensor:
    return rnn(embedding(one["x"], w["X"]), IDENTITY, w["W_e"], w["b_e"], None)


def seq2seq(w: Weights, one: One) -> dict[str, Tensor]:
    """Cho et al. 2014, section 2.2: the summary of the source begins the decoder and is seen at every step."""
    e = encoded(w, one)
    given = torch.cat([embedding(one.late("y", 1), w["Y"]), e[-1].expand(len(one["y"]), -1)], 1)
    d = rnn(given, torch.cat([IDENTITY, w["C"]], 1), w["W_d"], w["b_d"], one.before("d", e[-1]))
    o = linear(d, w["V"], w["c"])
    return {"e": e, "d": d, "o": o, "L": cross_entropy(o, one["y"])}


def attention(w: Weights, one: One) -> dict[str, Tensor]:
    """Bahdanau et al. 2015, section 3.1, with the bilinear score of Luong et al. 2015, by torch's attention."""
    e = encoded(w, one)
    keys = linear(e, w["K"])
    d = one.before("d", tanh(w["M"] @ e[-1]))
    seen, states, looks = [], [], []
    for last in embedding(one.late("y", 1), w["Y"]):
        context = torch.nn.functional.scaled_dot_product_attention(
            d[None, None], keys[None], e[None], scale=1.0
        )[0, 0]
        looks.append(torch.softmax(keys @ d, 0))
        d = tanh(w["W_d"] @ d + last + w["C"] @ context + w["b_d"])
        seen.append(context)
        states.append(d)
    o = linear(torch.stack(states), w["V"], w["c"])
    return {
        "e": e, "w": torch.stack(looks), "z": torch.stack(seen), "d": torch.stack(states), "o": o,
        "L": cross_entropy(o, one["y"]),
    }  # fmt: skip


def bidirectional(w: Weights, one: One) -> dict[str, Tensor]:
    """Schuster and Paliwal 1997: the second network reads the sequence turned round."""
    h = rnn(one["x"], w["U_h"], w["W_h"], w["b_h"], None)
    g = rnn(one["x"].flip(0), w["U_g"], w["W_g"], w["b_g"], None).flip(0)
    o = linear(torch.cat([h, g], 1), w["V"], w["c"])
    return {"h": h, "g": g, "o": o, "L": cross_entropy(o, one["y"])}


def both_lstms(w: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    return lstm(w, x, "ifcq"), lstm(w, x.flip(0), "IFCQ").flip(0)


def bidirectional_lstm(w: Weights, one: One) -> dict[str, Tensor]:
    h, k = both_lstms(w, one["x"])
    return scored(w, one, torch.cat([h, k], 1)) | {"h": h, "k": k}


def stacked(w: Weights, one: One) -> dict[str, Tensor]:
    """Two modules, the second over the first, and He et al. 2016: what comes out is added to what went in."""
    first = rnn(one["x"], w["U1"], w["W1"], w["b1"], one.before("h1", zeros(4)))
    second = rnn(first, w["U2"], w["W2"], w["b2"], one.before("h2", zeros(4)))
    return scored(w, one, first + second, h1=first, h2=second)


# ---- the networks of the tasks -------------------------------------------------------------------
def rnn_lm(w: Weights, one: One) -> dict[str, Tensor]:
    e = embedding(one["x"], w["E"])
    return scored(w, one, lstm(w, e, "ifgq", (one.before("h", zeros(4)), one.before("c", zeros(4)))), e=e)


def tagger(w: Weights, one: One) -> dict[str, Tensor]:
    e = embedding(one["x"], w["E"]) * one.mask("e")
    h, k = both_lstms(w, e)
    o = linear(torch.cat([h, k], 1), w["V"], w["d"])
    losses = torch.nn.functional.cross_entropy(o, one["y"], reduction="none")
    return {"e": e, "h": h, "k": k, "o": o, "L": losses}


def mean_of_steps(losses: Sequence[Tensor]) -> Tensor:
    """Every step of every sequence counts the same."""
    return torch.cat(list(losses)).mean()


def classifier(w: Weights, one: One) -> dict[str, Tensor]:
    e = embedding(one["x"], w["E"]) * one.mask("e")
    h = lstm(w, e, "ifgq", (one.before("h", zeros(4)), one.before("c", zeros(4))))
    o = linear((h * one.mask("h"))[-1], w["V"], w["d"])
    return {"e": e, "h": h, "o": o, "L": cross_entropy(o, one["y"])}


def forecaster(w: Weights, one: One) -> dict[str, Tensor]:
    """Cho et al. 2014, section 2.3, whose z is the share of what was there: 1 - u."""
    h = one.before("h", zeros(4))
    states = []
    for x in one["x"]:
        z = 1 - sigmoid(w["U_u"] @ x + w["W_u"] @ h + w["b_u"])
        r = sigmoid(w["U_r"] @ x + w["W_r"] @ h + w["b_r"])
        h = z * h + (1 - z) * tanh(w["U_h"] @ x + w["W_h"] @ (r * h) + w["b_h"])
        states.append(h)
    o = linear(torch.stack(states), w["V"], w["d"])
    return {"h": torch.stack(states), "o": o, "L": torch.nn.functional.mse_loss(o, one["y"])}


# ---- masks, read off the values of a training step -----------------------------------------------
def mask_of_words(w: Arrays, given: Arrays, values: Arrays, lengths: Sequence[int]) -> dict[str, np.ndarray]:
    return {"e": values["e"] / w["E"][given["x"]]}


def masks_of_classifier(w: Arrays, given: Arrays, values: Arrays, lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """That of the last state, the one of all 2⁴ that gives the scores; of the other states none is needed."""
    chosen = np.zeros_like(values["h"])
    for b, n in enumerate(lengths):
        masks = np.array(list(product((0.0, 2.0), repeat=4)))
        distance = np.abs((masks * values["h"][n - 1, b]) @ w["V"].T + w["d"] - values["o"][b]).max(1)
        assert np.sum(distance < 1e-9) == 1
        chosen[n - 1, b] = masks[np.argmin(distance)]
    return {**mask_of_words(w, given, values, lengths), "h": chosen}


CASES = {
    "acceptor": Case(acceptor),
    "vector_to_sequence": Case(vector_to_sequence),
    "seq2seq": Case(seq2seq),
    "attention": Case(attention),
    "bidirectional": Case(bidirectional, can_start=False),
    "bidirectional_lstm": Case(bidirectional_lstm, can_start=False),
    "stacked": Case(stacked),
    "rnn_lm": Case(rnn_lm),
    "tagger": Case(
        tagger, {"x": 6, "e": 3, "h": 4, "k": 2, "o": 5}, loss=mean_of_steps, can_start=False,
        masks=mask_of_words, reads=("e",),
    ),
    "classifier": Case(classifier, masks=masks_of_classifier, reads=("e", "h", "o")),
    "forecaster": Case(forecaster),
}  # fmt: skip

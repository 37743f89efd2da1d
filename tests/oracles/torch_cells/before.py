"""Systems before recurrence, hidden Markov models, dynamical systems."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Case, One, Tensor, Weights, cross_entropy, embedding, linear, rnn, torch, zeros


def markov(w: Weights, one: One) -> dict[str, Tensor]:
    o = embedding(one["x"], w["A"])
    return {"o": o, "L": cross_entropy(o, one["y"])}


def markov_k(w: Weights, one: One) -> dict[str, Tensor]:
    """Pairs of symbols as symbols of their own."""
    rows, columns, classes = w["A"].shape
    o = embedding(one.late("x", 1) * columns + one["x"], w["A"].reshape(rows * columns, classes))
    return {"o": o, "L": cross_entropy(o, one["y"])}


def markov_driven(w: Weights, one: One) -> dict[str, Tensor]:
    """P(s_t | s_{t-1}, x_t): a layer over the distribution before and the input."""
    p = one.before("p", torch.softmax(w["k"], -1))
    logs = []
    for x in one["x"]:
        logs.append(torch.log_softmax(torch.cat([w["A"], w["B"]], 1) @ torch.cat([p, x]), -1))
        p = logs[-1].exp()
    return {"p": torch.stack(logs).exp(), "L": torch.nn.functional.nll_loss(torch.stack(logs), one["y"])}


def ngram_counts(w: Weights, one: One) -> dict[str, Tensor]:
    last, now = one.late("x", 1, -1), one["x"]
    counts = torch.zeros_like(w["A"])
    counts.index_put_((last[last >= 0], now[last >= 0]), torch.ones((), dtype=counts.dtype), accumulate=True)
    return {"L": (counts * w["A"]).sum()}


def all_of_them(losses: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def window_lm(w: Weights, one: One) -> dict[str, Tensor]:
    """Bengio et al. 2003, section 2, without the direct connections."""
    e = torch.cat([embedding(one.late("x", k), w["E"]) for k in (3, 2, 1)] + [embedding(one["x"], w["E"])], 1)
    h = torch.tanh(linear(e, w["W"], w["b_1"]))
    o = linear(h, w["U"], w["b_2"])
    return {"e": e, "h": h, "o": o, "L": cross_entropy(o, one["y"])}


# ---- hidden Markov models ------------------------------------------------------------------------
def log_forward(w: Weights, one: One, over: str) -> list[Tensor]:
    """log P(symbols up to t, state at t) of every t (of the best path for "max"); Rabiner 1989, 19 to 21."""
    A, B, p = (torch.log_softmax(w[f"{n}_logits"], -1) for n in "ABp")
    found: list[Tensor] = []
    for k, symbol in enumerate(one["x"]):
        if k or one.t > 1:
            paths = (found[-1] if k else one.start["a"][-1])[:, None] + A
            reached = torch.logsumexp(paths, 0) if over == "sum" else paths.max(0).values
        else:
            reached = p
        found.append(reached + B[:, symbol])
    return found


def hmm(w: Weights, one: One) -> dict[str, Tensor]:
    """Scaled: a is the distribution of the state, z the probability of the symbol, after the symbols before."""
    begin = One(one.inputs, {n: a.log() for n, a in one.start.items()}, one.t)
    logs = torch.stack(log_forward(w, begin, "sum"))
    total = torch.logsumexp(logs, 1)
    return {"a": torch.softmax(logs, 1), "z": torch.diff(total, prepend=zeros(1)).exp(), "L": -total[-1]}


def hmm_log(w: Weights, one: One) -> dict[str, Tensor]:
    logs = log_forward(w, one, "sum")
    return {"a": torch.stack(logs), "L": -torch.logsumexp(logs[-1], 0)}


def best_path(w: Weights, one: One) -> dict[str, Tensor]:
    logs = log_forward(w, one, "max")
    return {"a": torch.stack(logs), "L": -logs[-1].max()}


# ---- dynamical systems ---------------------------------------------------------------------------
def error(found: Tensor, wanted: Tensor) -> Tensor:
    return torch.nn.functional.mse_loss(found, wanted)


def dynamics(w: Weights, one: One) -> dict[str, Tensor]:
    """Goodfellow et al. 2016, equation 10.1, with a layer for f."""
    s = rnn(zeros(len(one["y"]), 1), zeros(4, 1), w["W"], w["b"], one.before("s", w["s_0"]))
    return {"s": s, "L": error(s, one["y"])}


def driven(w: Weights, one: One) -> dict[str, Tensor]:
    s = rnn(one["x"], w["U"], w["W"], w["b"], one.before("s", w["s_0"]))
    return {"s": s, "L": error(s, one["y"])}


def abstract(w: Weights, one: One) -> dict[str, Tensor]:
    """Goldberg 2016, section 10.1, with a rectified layer for R and a linear one for O."""
    s = rnn(one["x"], w["U"], w["W"], w["b"], one.before("s", w["s_0"]), nonlinearity="relu")
    y = linear(s, w["V"], w["c"])
    return {"s": s, "y": y, "L": error(y, one["z"])}


def autonomous(w: Weights, one: One) -> dict[str, Tensor]:
    k = rnn(zeros(len(one["y"]), 1), zeros(3, 1), w["F"], w["c"], one.before("k", one["v"]))
    return {"k": k, "L": error(k, one["y"])}


LOSS = "L = mean(mse(s[t], y[t]), over=t)"
CASES = {
    "markov": Case(markov),
    "markov_k": Case(markov_k, {"x": 4, "o": 5}),
    "markov_driven": Case(markov_driven),
    "ngram_counts": Case(ngram_counts, loss=all_of_them),
    "window_lm": Case(window_lm),
    "hmm": Case(hmm),
    "hmm_log": Case(hmm_log),
    "best_path": Case(best_path),
    "dynamics": Case(dynamics, more=f"f(s) = tanh(W @ s + b);  {LOSS}"),
    "driven": Case(driven, more=f"f(s, x) = tanh(W @ s + U @ x + b);  {LOSS}"),
    "abstract": Case(
        abstract,
        {"x": 3, "s": 4, "y": 2},
        "R(s, x) = relu(W @ s + U @ x + b);  O(s) = V @ s + c;  L = mean(mse(y[t], z[t]), over=t)",
    ),
    "autonomous": Case(autonomous),
}

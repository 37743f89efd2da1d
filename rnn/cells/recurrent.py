"""Recurrent networks without gates."""

from __future__ import annotations

from .recipes import OUTPUT, Table

TABLE = Table()
system = TABLE.add

system(
    "elman",
    """
    a[t] = b + W @ h[t-1] + U @ x[t]                # before the nonlinearity
    h[t] = tanh(a[t])                               # the state
    o[t] = c + V @ h[t]
    p[t] = softmax(o[t])
    L = mean(nll(p[t], y[t]), over=t)
    """,
    "Simple recurrent network: the state feeds back",
    "Elman 1990",
)
system(
    "no_output",
    "    h[t] = tanh(b + W @ h[t-1] + U @ x[t])          # the state is all there is",
    "A state and no output",
    "Goodfellow et al. 2016, figure 10.2",
    {"x": 3, "h": 4},
)
system(
    "jordan",
    """
    h[t] = tanh(b + W @ p[t-1] + U @ x[t])
    o[t] = c + V @ h[t]
    p[t] = softmax(o[t])                            # the output feeds back
    L = mean(nll(p[t], y[t]), over=t)
    """,
    "The output, not the state, feeds back",
    "Jordan 1986, whose output units feed back what they put out, here p; in Goodfellow et al. 2016, figure 10.4, the "
    "scores o do",
)
system(
    "diagonal",
    "    h[t] = tanh(U @ x[t] + w * h[t-1] + b)         # one weight a unit" + OUTPUT,
    "Each unit feeds back to itself alone",
    "Mozer 1989; Li et al. 2018 (IndRNN), where the other units are of the layer below, x[t], not of the step before",
)
system(
    "teacher_forcing",
    """
    y[0] = 0
    h[t] = tanh(b + W @ h[t-1] + R[y[t-1]] + U @ x[t])    # the target before
    """.rstrip()
    + OUTPUT,
    "Teacher forcing: the past target is an input",
    "Williams and Zipser 1989, where units without a target read their own past, h[t-1]",
)

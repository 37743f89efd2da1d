"""The default networks of the tasks, as equations.

Forget gates start open (b_f = 1; Jozefowicz, Zaremba and Sutskever 2015), so that the state is kept until the
network has learnt what to forget. The vectors of characters start with entries of unit size: of a row that is
looked up, not multiplied, nothing is summed. Those of words start at a tenth of it: many words are rare, and what
is left of their start is noise to the network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LSTM = """\
e[t] = E[x[t]]                                       # the vector of the symbol
f[t] = sigmoid(W_f @ h[t-1] + U_f @ e[t] + b_f)      # what to keep
i[t] = sigmoid(W_i @ h[t-1] + U_i @ e[t] + b_i)      # what to write
q[t] = sigmoid(W_q @ h[t-1] + U_q @ e[t] + b_q)      # what to read
g[t] = tanh(W_g @ h[t-1] + U_g @ e[t] + b_g)         # the candidate
c[t] = f[t] * c[t-1] + i[t] * g[t]
h[t] = q[t] * tanh(c[t])
"""

LANGUAGE_MODEL = (
    _LSTM
    + """\
o[t] = V @ h[t] + d                                  # a logit for every next symbol
L    = mean(cross_entropy(o[t], y[t]), over=t)
"""
)
DOCUMENTS = LANGUAGE_MODEL.replace("over=t)", "over=(t, batch))")
"""Rows end at steps of their own: the mean is over all symbols, not of one row's mean beside another's."""

TAGGER = """\
e[t] = dropout(E[x[t]], 0.3)                         # the vector of the word
f[t] = sigmoid(W_f @ h[t-1] + U_f @ e[t] + b_f)
i[t] = sigmoid(W_i @ h[t-1] + U_i @ e[t] + b_i)
q[t] = sigmoid(W_q @ h[t-1] + U_q @ e[t] + b_q)
c[t] = f[t] * c[t-1] + i[t] * tanh(W_c @ h[t-1] + U_c @ e[t] + b_c)
h[t] = q[t] * tanh(c[t])                             # from the left
F[t] = sigmoid(W_F @ k[t+1] + U_F @ e[t] + b_F)
I[t] = sigmoid(W_I @ k[t+1] + U_I @ e[t] + b_I)
Q[t] = sigmoid(W_Q @ k[t+1] + U_Q @ e[t] + b_Q)
C[t] = F[t] * C[t+1] + I[t] * tanh(W_C @ k[t+1] + U_C @ e[t] + b_C)
k[t] = Q[t] * tanh(C[t])                             # from the right
o[t] = V @ concat(h[t], k[t]) + d                    # a logit for every tag
L    = mean(cross_entropy(o[t], y[t]), over=(t, batch))
"""

_CLASSIFIER = (
    _LSTM.replace("E[x[t]]               ", "dropout(E[x[t]], 0.5) ")
    + """\
o    = V @ dropout(h[T], 0.5) + d                    # a logit for every label, after the last step
L    = cross_entropy(o, y)
"""
)
CLASSIFIER = {"word": _CLASSIFIER, "character": _CLASSIFIER.replace("0.5)", "0.1)")}
CLASSIFIER["byte"] = CLASSIFIER["character"]
"""By unit: words are many and rare, and a network that sees all of each would learn the sentences by heart."""

FORECASTER = """\
u[t] = sigmoid(W_u @ h[t-1] + U_u @ x[t] + b_u)      # the share of the new content
r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
n[t] = tanh(W_h @ (r[t] * h[t-1]) + U_h @ x[t] + b_h)
h[t] = (1 - u[t]) * h[t-1] + u[t] * n[t]
o[t] = V @ h[t] + d                                  # the values of the next step
L    = mean(mse(o[t], y[t]), over=t)
"""


def unit_normal(shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Entries from the standard normal distribution."""
    return random.normal(size=shape)


def small_normal(shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Entries from a normal distribution with standard deviation 0.1."""
    return random.normal(0.0, 0.1, size=shape)


def vectors(unit: str) -> Any:
    """How the vectors of symbols start."""
    return small_normal if unit == "word" else unit_normal

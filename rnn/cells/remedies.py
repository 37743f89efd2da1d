"""What keeps the gradient alive, and in bounds; other lags."""

from __future__ import annotations

from .recipes import OUTPUT, Table

TABLE = Table()
system = TABLE.add

system(
    "irnn",
    "    h[t] = relu(W @ h[t-1] + U @ x[t] + b)" + OUTPUT,
    "Rectified units whose weights start at the identity",
    "Le et al. 2015",
    init={"W": "identity", "b": 0.0},
)
system(
    "clockwork",
    """
    h1[t] = tanh(W1 @ h1[t-1] + U1 @ x[t] + b1)
    h2[t] = where(t % 4 == 0, tanh(W2 @ h2[t-1] + U2 @ h1[t] + b2), h2[t-1])    # a slower clock
    o[t] = V1 @ h1[t] + V2 @ h2[t] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "A hierarchy of units with slower clocks",
    "El Hihi and Bengio 1996; the clock is that of Koutník et al. 2014",
    {"x": 3, "h1": 4, "h2": 3, "o": 5},
)
system(
    "normalised",
    "    h[t] = tanh(layer_norm(W @ h[t-1] + U @ x[t]) * g + b)" + OUTPUT,
    "Layer normalisation inside the recurrence",
    "Ba et al. 2016",
    init={"g": 1.0},
)
system(
    "batch_normalised",
    "    h[t] = tanh(W @ h[t-1] + g * batch_norm(U @ x[t]) + b)" + OUTPUT,
    "Batch normalisation of what the input gives, over all steps",
    "Laurent et al. 2016",
    init={"g": 1.0},
)
system(
    "zoneout_lstm",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)
    n[t] = f[t] * c[t-1] + i[t] * g[t]              # the new cell, which h sees in any case
    c[t] = zoneout(n[t], c[t-1], 0.5)
    h[t] = zoneout(q[t] * tanh(n[t]), h[t-1], 0.05)
    """.rstrip()
    + OUTPUT,
    "LSTM whose units keep their old value at random",
    "Krueger et al. 2017",
)
system(
    "two_lags",
    """
    h[t] = tanh(W @ h[t-1] + R @ h[t-2] + U @ x[t] + b)
    h[0] = h_0
    h[-1] = tanh(k)
    """.rstrip()
    + OUTPUT,
    "The state of two steps feeds back, with a learned start",
    "Lin et al. 1996 (NARX)",
)
system(
    "interleaved",
    """
    u[t] = tanh(W_u @ u[t-1] + R_u @ v[t-2] + U @ x[t])
    v[t] = tanh(W_v @ v[t-1] + R_v @ u[t-3] + b_v) + 0.5 * u[t]
    h[t] = u[t] * v[t]
    v[-1] = k
    """.rstrip()
    + OUTPUT,
    "Two states that see each other at several lags",
    "Lin et al. 1996",
    {"x": 3, "u": 4, "o": 5},
)

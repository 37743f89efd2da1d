"""Systems whose gates decide what is kept: LSTM, GRU and their kin."""

from __future__ import annotations

from .recipes import OUTPUT, Table

TABLE = Table()
system = TABLE.add

system(
    "lstm",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)     # what to keep
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)     # what to write
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)     # what to read
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)        # the candidate
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    """.rstrip()
    + OUTPUT,
    "Long short-term memory with a forget gate",
    "Hochreiter and Schmidhuber 1997; Gers et al. 2000",
    init={"b_f": 1.0},
)
system(
    "lstm_peephole",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + p_f * c[t-1] + b_f)
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + p_i * c[t-1] + b_i)
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + p_q * c[t] + b_q)    # sees the new cell
    h[t] = q[t] * tanh(c[t])
    h[0] = h_0
    c[0] = c_0
    """.rstrip()
    + OUTPUT,
    "LSTM whose gates see the cell, with a learned start",
    "Gers and Schmidhuber 2000",
    init={"b_f": 1.0},
)
system(
    "lstm_packed",
    """
    e[t] = W @ h[t-1] + U @ x[t] + b
    f[t], i[t], q[t], g[t] = split(e[t], 4)         # the four gates as one product
    c[t] = sigmoid(f[t]) * c[t-1] + sigmoid(i[t]) * tanh(g[t])
    h[t] = sigmoid(q[t]) * tanh(c[t])
    """.rstrip()
    + OUTPUT,
    "LSTM with its matrices packed by hand",
    "Gers et al. 2000",
)
system(
    "lstm_bakker",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t-1])     # everything is one step old
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t-1])
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t-1])
    c[t] = f[t] * c[t-1] + i[t] * tanh(W_c @ h[t-1] + U_c @ x[t-1])
    h[t] = q[t] * tanh(c[t])
    """.rstrip()
    + OUTPUT,
    "LSTM whose units see only earlier activations",
    "Bakker 2001",
)
system(
    "gate_program",
    """
    x[0] = 0
    i[t] = where(A_i[x[t-1]] > 0, 1, 0)             # write? the symbol before says it
    f[t] = where(A_f[x[t-1]] > 0, 1, 0)             # empty the cell?
    q[t] = where(A_q[x[t]] > 0, 1, 0)               # read?
    c[t] = where(i[t] > 0, E[x[t]], where(f[t] > 0, 0, c[t-1]))
    h[t] = q[t] * c[t]
    """.rstrip()
    + OUTPUT,
    "LSTM as a program: gates that are open or shut",
    "Bakker 2001; Hochreiter and Schmidhuber 1997",
    {"x": 5, "h": 4, "o": 5},
)
system(
    "gru",
    """
    u[t] = sigmoid(W_u @ h[t-1] + U_u @ x[t] + b_u)     # the share of the new content
    r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
    n[t] = tanh(W_h @ (r[t] * h[t-1]) + U_h @ x[t] + b_h)    # reset before the product
    h[t] = (1 - u[t]) * h[t-1] + u[t] * n[t]
    """.rstrip()
    + OUTPUT,
    "Gated recurrent unit, reset before the product",
    "Cho et al. 2014; Chung et al. 2014, whose z is u",
)
system(
    "gru_cudnn",
    """
    z[t] = sigmoid(W_z @ h[t-1] + U_z @ x[t] + b_z)     # the share of the old state
    r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
    n[t] = tanh(r[t] * (W_h @ h[t-1] + d_h) + U_h @ x[t] + b_h)    # reset after the product
    h[t] = z[t] * h[t-1] + (1 - z[t]) * n[t]
    """.rstrip()
    + OUTPUT,
    "Gated recurrent unit, reset after the product, as in cuDNN",
    "Cho et al. 2014, version 1 of arXiv:1406.1078; Appleyard et al. 2016 (cuDNN)",
)
system(
    "mut3",
    """
    z[t] = sigmoid(U_z @ x[t] + W_z @ tanh(h[t-1]) + b_z)
    r[t] = sigmoid(U_r @ x[t] + W_r @ h[t-1] + b_r)
    n[t] = tanh(W_h @ (r[t] * h[t-1]) + U_h @ x[t] + b_h)
    h[t] = z[t] * n[t] + (1 - z[t]) * h[t-1]
    """.rstrip()
    + OUTPUT,
    "The third cell that an evolutionary search found",
    "Jozefowicz et al. 2015, MUT3",
)

# ---- no matrix product in the loop ---------------------------------------------------------------
system(
    "sru",
    """
    f[t] = sigmoid(U_f @ x[t] + v_f * c[t-1] + b_f)
    r[t] = sigmoid(U_r @ x[t] + v_r * c[t-1] + b_r)
    c[t] = f[t] * c[t-1] + (1 - f[t]) * (U @ x[t])
    h[t] = r[t] * c[t] + (1 - r[t]) * x[t]          # the input passes by: it has as many units
    """.rstrip()
    + OUTPUT,
    "Simple recurrent unit: the state meets no matrix",
    "Lei et al. 2018, equations 1 to 4",
    {"x": 4, "h": 4, "o": 5},
)
system(
    "mingru",
    """
    z[t] = sigmoid(U_z @ x[t] + b_z)
    g[t] = U_g @ x[t] + b_g
    h[t] = (1 - z[t]) * h[t-1] + z[t] * g[t]            # linear in the state
    """.rstrip()
    + OUTPUT,
    "Minimal gated unit whose gates see only the input",
    "Feng et al. 2024, section 3.1 (minGRU)",
)

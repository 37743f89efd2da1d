"""How recurrent networks are used: one output at the end, a sequence from a vector, two sequences, both directions."""

from __future__ import annotations

from .recipes import OUTPUT, Table

TABLE = Table()
system = TABLE.add

system(
    "acceptor",
    """
    h[t] = tanh(W @ h[t-1] + E[x[t]] + b)
    o = c + V @ h[T]                                # one output, at the end
    L = cross_entropy(o, y)
    """,
    "One class for a whole sequence",
    "Goodfellow et al. 2016, figure 10.5",
    {"x": 6, "h": 4, "o": 3},
    inputs=("y",),
)
system(
    "vector_to_sequence",
    """
    y[0] = 0
    h[0] = tanh(M @ v)
    h[t] = tanh(W @ h[t-1] + R[y[t-1]] + Q @ v)
    """.rstrip()
    + OUTPUT,
    "A sequence from one vector, as a caption from an image",
    "Goodfellow et al. 2016, figure 10.9; compare Vinyals et al. 2015",
    {"v": 3, "h": 4, "o": 5},
    inputs=("v",),
)
system(
    "seq2seq",
    """
    y[0] = 0
    e[s] = tanh(W_e @ e[s-1] + X[x[s]] + b_e)       # the encoder
    d[0] = e[S]
    d[t] = tanh(W_d @ d[t-1] + Y[y[t-1]] + C @ e[S] + b_d)
    o[t] = V @ d[t] + c
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "Encoder and decoder: one sequence to another",
    "Cho et al. 2014; Sutskever et al. 2014",
    {"x": 6, "e": 4, "d": 4, "o": 5},
)
system(
    "attention",
    """
    y[0] = 0
    e[s] = tanh(W_e @ e[s-1] + X[x[s]] + b_e)
    k[s] = K @ e[s]
    d[0] = tanh(M @ e[S])
    w[t, s] = softmax(dot(d[t-1], k[s]), over=s)    # where to look
    z[t] = sum(w[t, s] * e[s], over=s)              # what is seen
    d[t] = tanh(W_d @ d[t-1] + Y[y[t-1]] + C @ z[t] + b_d)
    o[t] = V @ d[t] + c
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "A decoder that looks at all states of the encoder",
    "Bahdanau et al. 2015; Luong et al. 2015",
    {"x": 6, "e": 4, "d": 3, "o": 5},
)
system(
    "bidirectional",
    """
    h[t] = tanh(W_h @ h[t-1] + U_h @ x[t] + b_h)    # from the left
    g[t] = tanh(W_g @ g[t+1] + U_g @ x[t] + b_g)    # from the right
    o[t] = V @ concat(h[t], g[t]) + c
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "One network from each side",
    "Schuster and Paliwal 1997",
    {"x": 3, "h": 4, "g": 2, "o": 5},
)
system(
    "bidirectional_lstm",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)
    c[t] = f[t] * c[t-1] + i[t] * tanh(W_c @ h[t-1] + U_c @ x[t] + b_c)
    h[t] = q[t] * tanh(c[t])                        # from the left
    F[t] = sigmoid(W_F @ k[t+1] + U_F @ x[t] + b_F)
    I[t] = sigmoid(W_I @ k[t+1] + U_I @ x[t] + b_I)
    Q[t] = sigmoid(W_Q @ k[t+1] + U_Q @ x[t] + b_Q)
    C[t] = F[t] * C[t+1] + I[t] * tanh(W_C @ k[t+1] + U_C @ x[t] + b_C)
    k[t] = Q[t] * tanh(C[t])                        # from the right
    o[t] = V @ concat(h[t], k[t]) + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "An LSTM from each side",
    "Graves and Schmidhuber 2005",
    {"x": 3, "h": 4, "k": 2, "o": 5},
    init={"b_f": 1.0, "b_F": 1.0},
)
system(
    "stacked",
    """
    h1[t] = tanh(W1 @ h1[t-1] + U1 @ x[t] + b1)
    h2[t] = tanh(W2 @ h2[t-1] + U2 @ h1[t] + b2)
    h[t] = h2[t] + h1[t]                            # a residual connection
    """.rstrip()
    + OUTPUT,
    "Two layers with a residual connection",
    "Graves 2013; He et al. 2016",
    {"x": 3, "h1": 4, "h2": 4, "o": 5},
)

# ---- the networks of the tasks -------------------------------------------------------------------
system(
    "rnn_lm",
    """
    e[t] = E[x[t]]                                       # the vector of the symbol
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ e[t] + b_f)      # what to keep
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ e[t] + b_i)      # what to write
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ e[t] + b_q)      # what to read
    g[t] = tanh(W_g @ h[t-1] + U_g @ e[t] + b_g)         # the candidate
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    o[t] = V @ h[t] + d                                  # a logit for every next symbol
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "Language model: an LSTM that predicts the next symbol",
    "Mikolov et al. 2010; Sundermeyer et al. 2012",
    {"x": 6, "e": 3, "h": 4, "o": 6},
    init={"b_f": 1.0},
)
system(
    "tagger",
    """
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
    L = mean(cross_entropy(o[t], y[t]), over=(t, batch))
    """,
    "Tagger: a label for every word, an LSTM from each side",
    "Graves and Schmidhuber 2005; Huang et al. 2015",
    {"x": 6, "e": 3, "h": 4, "k": 4, "o": 5},
    init={"b_f": 1.0, "b_F": 1.0},
)
system(
    "classifier",
    """
    e[t] = dropout(E[x[t]], 0.5)                         # the vector of the symbol
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ e[t] + b_f)      # what to keep
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ e[t] + b_i)      # what to write
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ e[t] + b_q)      # what to read
    g[t] = tanh(W_g @ h[t-1] + U_g @ e[t] + b_g)         # the candidate
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    o = V @ dropout(h[T], 0.5) + d                       # a logit for every label, after the last step
    L = cross_entropy(o, y)
    """,
    "Classifier: a label for the sequence, after its last step",
    "Dai and Le 2015",
    {"x": 6, "e": 3, "h": 4, "o": 3},
    init={"b_f": 1.0},
)
system(
    "forecaster",
    """
    u[t] = sigmoid(W_u @ h[t-1] + U_u @ x[t] + b_u)      # the share of the new content
    r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
    n[t] = tanh(W_h @ (r[t] * h[t-1]) + U_h @ x[t] + b_h)
    h[t] = (1 - u[t]) * h[t-1] + u[t] * n[t]
    o[t] = V @ h[t] + d                                  # the values of the next step
    L = mean(mse(o[t], y[t]), over=t)
    """,
    "Forecaster: a GRU that predicts the values of the next step",
    "Cho et al. 2014; Hewamalage et al. 2021",
    {"x": 2, "h": 4, "o": 2},
)

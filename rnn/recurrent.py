"""Systems without gates: chains, hidden Markov models, simple networks, several sequences and lags."""

from __future__ import annotations

from .recipes import OUTPUT, system

# ---- before recurrence ---------------------------------------------------------------------------
system(
    "markov",
    """
    o[t] = A[x[t]]                                  # a row of scores for each symbol
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "Markov chain over symbols, trained by gradient",
    "Markov 1913",
    {"x": 6, "o": 6},
)
system(
    "markov_k2",
    """
    x[0] = 0
    o[t] = A[x[t-1], x[t]]                          # two symbols back: n = 3
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "Markov chain of second order",
    "Shannon 1948",
    {"x": 4, "o": 4},
)
system(
    "markov_driven",
    """
    s_0 = softmax(k)
    p[t] = softmax(A @ p[t-1] + B @ x[t])           # P(state | state before, input)
    p[0] = s_0
    L = mean(nll(p[t], y[t]), over=t)
    """,
    "Distribution over states, driven by an input",
    "Rabiner 1989; Bengio and Frasconi 1995 (input-output HMM)",
    {"x": 3, "p": 4},
)
system(
    "window",
    """
    x[0] = 0
    x[-1] = 0
    x[-2] = 0
    e[t] = concat(E[x[t-3]], E[x[t-2]], E[x[t-1]], E[x[t]])    # the last four symbols
    h[t] = tanh(W @ e[t] + b_1)
    o[t] = U @ h[t] + b_2
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "Window language model: no recurrence at all",
    "Bengio et al. 2003",
    {"x": 6, "e": 8, "h": 4, "o": 6},
)
system(
    "hmm",
    """
    A = softmax(A_logits)                           # transitions, a row for each state
    B = softmax(B_logits)                           # emissions, a row for each state
    p = softmax(p_logits)                           # the first state
    u[1] = p * B[:, x[1]]
    u[t] = (a[t-1] @ A) * B[:, x[t]]
    z[t] = sum(u[t])                                # P(symbol | symbols before)
    a[t] = u[t] / z[t]
    L = -sum(log(z[t]), over=t)                     # the negative log likelihood
    """,
    "Hidden Markov model: the scaled forward algorithm",
    "Rabiner 1989",
    {"x": 5, "a": 3},
)
system(
    "hmm_log",
    """
    A = log_softmax(A_logits)
    B = log_softmax(B_logits)
    p = log_softmax(p_logits)
    a[1] = p + B[:, x[1]]
    a[t] = logmatmul(A.T, a[t-1]) + B[:, x[t]]
    L = -logsumexp(a[T])
    """,
    "Hidden Markov model in the log semiring",
    "Rabiner 1989",
    {"x": 5, "a": 3},
)
system(
    "best_path",
    """
    A = log_softmax(A_logits)
    B = log_softmax(B_logits)
    p = log_softmax(p_logits)
    a[1] = p + B[:, x[1]]
    a[t] = maxmatmul(A.T, a[t-1]) + B[:, x[t]]
    L = -max(a[T])                                  # its gradient with respect to B is the best path
    """,
    "Score of the best path of a hidden Markov model",
    "Viterbi 1967",
    {"x": 5, "a": 3},
)
system(
    "dynamics",
    """
    s_0 = v
    k[t] = tanh(F @ k[t-1] + c)
    k[0] = s_0
    L = mean(mse(k[t], y[t]), over=t)
    """,
    "Dynamical system without an input, from a given start",
    "Goodfellow et al. 2016, section 10.1",
    {"k": 3},
    inputs=("v",),
)

# ---- recurrent networks --------------------------------------------------------------------------
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
    "jordan",
    """
    h[t] = tanh(b + W @ p[t-1] + U @ x[t])
    o[t] = c + V @ h[t]
    p[t] = softmax(o[t])                            # the output feeds back
    L = mean(nll(p[t], y[t]), over=t)
    """,
    "The output, not the state, feeds back",
    "Jordan 1986",
)
system(
    "diagonal",
    "    h[t] = tanh(U @ x[t] + w * h[t-1] + b)         # one weight a unit" + OUTPUT,
    "Each unit feeds back to itself alone",
    "Mozer 1989; Li et al. 2018 (IndRNN)",
)
system(
    "irnn",
    "    h[t] = relu(W @ h[t-1] + U @ x[t] + b)" + OUTPUT,
    "Rectified units whose weights start at the identity",
    "Le et al. 2015",
    init={"W": "identity", "b": 0.0},
)
system(
    "teacher",
    """
    y[0] = 0
    h[t] = tanh(b + W @ h[t-1] + R[y[t-1]] + U @ x[t])    # the target before
    """.rstrip()
    + OUTPUT,
    "Teacher forcing: the past target is an input",
    "Williams and Zipser 1989",
)
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
    "Vinyals et al. 2015",
    {"v": 3, "h": 4, "o": 5},
    inputs=("v",),
)
system(
    "sequence_to_sequence",
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
system(
    "normalised",
    "    h[t] = tanh(layer_norm(W @ h[t-1] + U @ x[t]) * g + b)" + OUTPUT,
    "Layer normalisation inside the recurrence",
    "Ba et al. 2016",
    init={"g": 1.0},
)

# ---- other times ---------------------------------------------------------------------------------
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
    "clocked",
    """
    h1[t] = tanh(W1 @ h1[t-1] + U1 @ x[t] + b1)
    h2[t] = where(t % 4 == 0, tanh(W2 @ h2[t-1] + U2 @ h1[t] + b2), h2[t-1])    # a slower clock
    o[t] = V1 @ h1[t] + V2 @ h2[t] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "A hierarchy of units with slower clocks",
    "El Hihi and Bengio 1996; Koutník et al. 2014",
    {"x": 3, "h1": 4, "h2": 3, "o": 5},
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

"""Systems before recurrence, hidden Markov models and dynamical systems."""

from __future__ import annotations

from .recipes import Table

TABLE = Table()
system = TABLE.add

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
    "markov_k",
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
    "ngram_counts",
    """
    x[0] = -1                                       # no symbol: no pair ends with the first
    L = sum(A[x[t-1], x[t]], over=(t, batch))       # its gradient by A is the table of counts
    """,
    "How often each symbol follows each, by differentiation",
    "Shannon 1948",
    {"A": (4, 4)},
)
system(
    "window_lm",
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
    L = -max(a[T])                                  # its gradient by a is the best path
    """,
    "Score of the best path of a hidden Markov model",
    "Viterbi 1967",
    {"x": 5, "a": 3},
)
system(
    "dynamics",
    """
    s[0] = s_0
    s[t] = f(s[t-1])                                # f is any function: it has no definition here
    """,
    "Dynamical system: the state is a function of the state before",
    "Goodfellow et al. 2016, equation 10.1",
    {"s": 4},
    opaque=("f",),
)
system(
    "driven",
    """
    s[0] = s_0
    s[t] = f(s[t-1], x[t])                          # f is any function: it has no definition here
    """,
    "Dynamical system driven by an input",
    "Goodfellow et al. 2016, equation 10.4",
    {"x": 3, "s": 4},
    opaque=("f",),
)
system(
    "abstract",
    """
    s[0] = s_0
    s[t] = R(s[t-1], x[t])                          # the next state
    y[t] = O(s[t])                                  # what is seen of it
    """,
    "The recurrent network as such: any R and any O",
    "Goldberg 2016, section 10",
    {"x": 3, "s": 4, "y": 4},
    opaque=("R", "O"),
)
system(
    "autonomous",
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

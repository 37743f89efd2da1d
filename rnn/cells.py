"""The systems of the literature, as equations and nothing else.

``CELLS`` maps a name to its text, sizes for a small test and a source; ``cells.lstm`` (or ``rnn.lstm``) is
the cell, made when it is first asked for. Adding a system is one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .define import Cell, define


@dataclass(frozen=True)
class Recipe:
    """A system of equations: one line that says what it is, where it comes from, small sizes for tests."""

    text: str
    about: str
    source: str
    sizes: Mapping[str, int | tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def cell(self, name: str) -> Cell:
        """The cell with its sizes open."""
        return define(self.text, name=name, **self.options)


CELLS: dict[str, Recipe] = {}
_OUTPUT = """
    o[t] = V @ h[t] + d                             # scores
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
_SMALL: dict[str, int | tuple[int, ...]] = {"x": 3, "h": 4, "o": 5}


def _cell(
    name: str,
    text: str,
    about: str,
    source: str,
    sizes: Mapping[str, int | tuple[int, ...]] = _SMALL,
    **options: Any,
) -> None:
    CELLS[name] = Recipe(text.strip("\n"), about, source, sizes, options)


# ---- before recurrence ---------------------------------------------------------------------------
_cell(
    "markov",
    """
    o[t] = A[x[t]]                                  # a row of scores for each symbol
    L = mean(cross_entropy(o[t], y[t]), over=t)
    """,
    "Markov chain over symbols, trained by gradient",
    "Markov 1913",
    {"x": 6, "o": 6},
)
_cell(
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
_cell(
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
_cell(
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
_cell(
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
_cell(
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
_cell(
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
_cell(
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
_cell(
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
_cell(
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
_cell(
    "diagonal",
    "    h[t] = tanh(U @ x[t] + w * h[t-1] + b)         # one weight a unit" + _OUTPUT,
    "Each unit feeds back to itself alone",
    "Mozer 1989; Li et al. 2018 (IndRNN)",
)
_cell(
    "irnn",
    "    h[t] = relu(W @ h[t-1] + U @ x[t] + b)" + _OUTPUT,
    "Rectified units whose weights start at the identity",
    "Le et al. 2015",
    init={"W": "identity", "b": 0.0},
)
_cell(
    "teacher",
    """
    y[0] = 0
    h[t] = tanh(b + W @ h[t-1] + R[y[t-1]] + U @ x[t])    # the target before
    """.rstrip()
    + _OUTPUT,
    "Teacher forcing: the past target is an input",
    "Williams and Zipser 1989",
)
_cell(
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
_cell(
    "vector_to_sequence",
    """
    y[0] = 0
    h[0] = tanh(M @ v)
    h[t] = tanh(W @ h[t-1] + R[y[t-1]] + Q @ v)
    """.rstrip()
    + _OUTPUT,
    "A sequence from one vector, as a caption from an image",
    "Vinyals et al. 2015",
    {"v": 3, "h": 4, "o": 5},
    inputs=("v",),
)
_cell(
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
_cell(
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
_cell(
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
_cell(
    "stacked",
    """
    h1[t] = tanh(W1 @ h1[t-1] + U1 @ x[t] + b1)
    h2[t] = tanh(W2 @ h2[t-1] + U2 @ h1[t] + b2)
    h[t] = h2[t] + h1[t]                            # a residual connection
    """.rstrip()
    + _OUTPUT,
    "Two layers with a residual connection",
    "Graves 2013; He et al. 2016",
    {"x": 3, "h1": 4, "h2": 4, "o": 5},
)
_cell(
    "normalised",
    "    h[t] = tanh(layer_norm(W @ h[t-1] + U @ x[t]) * g + b)" + _OUTPUT,
    "Layer normalisation inside the recurrence",
    "Ba et al. 2016",
    init={"g": 1.0},
)

# ---- LSTM ----------------------------------------------------------------------------------------
_cell(
    "lstm",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)     # what to keep
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)     # what to write
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)     # what to read
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)        # the candidate
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    """.rstrip()
    + _OUTPUT,
    "Long short-term memory with a forget gate",
    "Hochreiter and Schmidhuber 1997; Gers et al. 2000",
    init={"b_f": 1.0},
)
_cell(
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
    + _OUTPUT,
    "LSTM whose gates see the cell, with a learned start",
    "Gers and Schmidhuber 2000",
    init={"b_f": 1.0},
)
_cell(
    "lstm_packed",
    """
    e[t] = W @ h[t-1] + U @ x[t] + b
    f[t], i[t], q[t], g[t] = split(e[t], 4)         # the four gates as one product
    c[t] = sigmoid(f[t]) * c[t-1] + sigmoid(i[t]) * tanh(g[t])
    h[t] = sigmoid(q[t]) * tanh(c[t])
    """.rstrip()
    + _OUTPUT,
    "LSTM with its matrices packed by hand",
    "Gers et al. 2000",
)
_cell(
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
_cell(
    "bakker",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t-1])     # everything is one step old
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t-1])
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t-1])
    c[t] = f[t] * c[t-1] + i[t] * tanh(W_c @ h[t-1] + U_c @ x[t-1])
    h[t] = q[t] * tanh(c[t])
    """.rstrip()
    + _OUTPUT,
    "LSTM whose units see only earlier activations",
    "Bakker 2001",
)
_cell(
    "zoneout_lstm",
    """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)
    c[t] = zoneout(f[t] * c[t-1] + i[t] * g[t], c[t-1], 0.5)
    h[t] = zoneout(q[t] * tanh(c[t]), h[t-1], 0.05)
    """.rstrip()
    + _OUTPUT,
    "LSTM whose units keep their old value at random",
    "Krueger et al. 2017",
)

# ---- GRU -----------------------------------------------------------------------------------------
_cell(
    "gru",
    """
    u[t] = sigmoid(W_u @ h[t-1] + U_u @ x[t] + b_u)     # the share of the new content
    r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
    n[t] = tanh(W_h @ (r[t] * h[t-1]) + U_h @ x[t] + b_h)    # reset before the product
    h[t] = (1 - u[t]) * h[t-1] + u[t] * n[t]
    """.rstrip()
    + _OUTPUT,
    "Gated recurrent unit, reset before the product",
    "Cho et al. 2014",
)
_cell(
    "gru_cudnn",
    """
    z[t] = sigmoid(W_z @ h[t-1] + U_z @ x[t] + b_z)     # the share of the old state
    r[t] = sigmoid(W_r @ h[t-1] + U_r @ x[t] + b_r)
    n[t] = tanh(r[t] * (W_h @ h[t-1] + d_h) + U_h @ x[t] + b_h)    # reset after the product
    h[t] = z[t] * h[t-1] + (1 - z[t]) * n[t]
    """.rstrip()
    + _OUTPUT,
    "Gated recurrent unit, reset after the product, as in cuDNN",
    "Chung et al. 2014; Appleyard et al. 2016",
)
_cell(
    "mingru",
    """
    z[t] = sigmoid(U_z @ x[t] + b_z)
    g[t] = U_g @ x[t] + b_g
    h[t] = (1 - z[t]) * h[t-1] + z[t] * g[t]            # linear in the state
    """.rstrip()
    + _OUTPUT,
    "Gates that see only the input",
    "Feng et al. 2024",
)

# ---- other times ---------------------------------------------------------------------------------
_cell(
    "two_lags",
    """
    h[t] = tanh(W @ h[t-1] + R @ h[t-2] + U @ x[t] + b)
    h[0] = h_0
    h[-1] = tanh(k)
    """.rstrip()
    + _OUTPUT,
    "The state of two steps feeds back, with a learned start",
    "Lin et al. 1996 (NARX)",
)
_cell(
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
_cell(
    "interleaved",
    """
    u[t] = tanh(W_u @ u[t-1] + R_u @ v[t-2] + U @ x[t])
    v[t] = tanh(W_v @ v[t-1] + R_v @ u[t-3] + b_v) + 0.5 * u[t]
    h[t] = u[t] * v[t]
    v[-1] = k
    """.rstrip()
    + _OUTPUT,
    "Two states that see each other at several lags",
    "Lin et al. 1996",
    {"x": 3, "u": 4, "o": 5},
)


def cell(name: str) -> Cell:
    """The cell of this name, the same object each time. Raises KeyError for one that is not in ``CELLS``."""
    found = _made.get(name)
    if found is None:
        found = _made[name] = CELLS[name].cell(name)
    return found


_made: dict[str, Cell] = {}


def __getattr__(name: str) -> Cell:
    if name not in CELLS:
        raise AttributeError(f"there is no cell {name!r}; there are {', '.join(CELLS)}")
    return cell(name)

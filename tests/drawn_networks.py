"""Networks for the tests of pictures that are no system of the table: classifiers that pool, values of all steps that
all steps read, long names, and random networks as ``properties.random_circuits`` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bptt import rnn
from bptt.graph.circuit import Circuit

_RUN = "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)\n"
_HEAD = "o = V @ {} + d\nL = cross_entropy(o, y)"
_SIZES = {"x": 3, "h": 4, "o": 5}
_LSTM = """
f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)
i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)
q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)
g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)
c[t] = f[t] * c[t-1] + i[t] * g[t]
h[t] = q[t] * tanh(c[t])
"""

#: Name -> text, sizes and static inputs.
POOLED: Mapping[str, tuple[str, Mapping[str, Any], tuple[str, ...]]] = {
    "pooled": (_RUN + "m = mean(h[t], over=t)\n" + _HEAD.format("m"), _SIZES, ("y",)),
    "pooled inline": (_RUN + _HEAD.format("mean(h[t], over=t)"), _SIZES, ("y",)),
    "pooled in the loss": (_RUN + "L = cross_entropy(V @ mean(h[t], over=t) + d, y)", {"x": 3, "h": 4, "y": 5}, ("y",)),
    "pooled LSTM": (_LSTM + "m = mean(h[t], over=t)\n" + _HEAD.format("m"), _SIZES, ("y",)),
    "max pooled": (_RUN + "k[t] = maximum(k[t-1], h[t])\n" + _HEAD.format("k[T]"), _SIZES, ("y",)),
    "pooled twice": (
        _RUN + "m = mean(h[t], over=t)\nn = mean(h[t] * h[t], over=t)\n" + _HEAD.format("concat(m, n)"),
        _SIZES,
        ("y",),
    ),
    "pooled, and the last": (_RUN + "m = mean(h[t], over=t)\n" + _HEAD.format("concat(m, h[T])"), _SIZES, ("y",)),
    "pooled by attention": (
        _RUN
        + "a[t] = exp(dot(v, tanh(A @ h[t])))\nz = sum(a[t], over=t)\nm = sum(a[t] * h[t], over=t) / z\n"
        + _HEAD.format("m"),
        _SIZES | {"v": 4},
        ("y",),
    ),
    "given, pooled": (
        "h[t] = tanh(W @ h[t-1] + U @ x[t] + C @ v)\no = V @ mean(h[t], over=t) + D @ v\nL = cross_entropy(o, y)",
        _SIZES | {"v": 2},
        ("y", "v"),
    ),
    "given deeply": (
        "q = tanh(C @ v)\nh[t] = tanh(W @ h[t-1] + U @ x[t] + q)\nL = mean(sum(h[t]), over=t)",
        {"x": 3, "h": 4, "v": 2},
        ("v",),
    ),
    "read by all": (
        "q = tanh(W_7 @ mean(x[t], over=t))\nh[t] = tanh(W @ h[t-1] + x[t] + q)\nL = sum(sum(h[t]), over=t)",
        {"x": 2, "h": 2},
        (),
    ),
    "two read by all": (
        "m = mean(x[t], over=t)\na[t] = tanh(a[t-1] + x[t] + m)\nh[t] = a[t] * a[T]\nL = mean(sum(h[t]), over=t)",
        {"x": 2},
        (),
    ),
    "pooled between layers": (
        (
            "a[t] = tanh(W @ a[t-1] + U @ x[t])\nm = mean(a[t], over=t)\n"
            "c[t] = tanh(B @ c[t-1] + a[t] + m)\nn = mean(c[t], over=t)\no = V @ n\nL = cross_entropy(o, y)"
        ),
        {"x": 3, "a": 4, "c": 4, "o": 5},
        ("y",),
    ),
}


#: Long names, whose circles are large: in rows, both ways through time, in a panel, with several lags, pooled and read
#: by all, with starts that are computed, and of two sequences.
LONG: Mapping[str, tuple[str, Mapping[str, Any], tuple[str, ...]]] = {
    "long names": (
        """
a_very_long_state_name[t] = tanh(Weights_of_recurrence @ a_very_long_state_name[t-1] + another_long_input[t])
L = mean(sum(a_very_long_state_name[t]), over=t)
""",
        {"a_very_long_state_name": 3},
        (),
    ),
    "long names both ways": (
        """
forward_state_name[t] = tanh(W @ forward_state_name[t-1] + U @ another_long_input[t])
backward_state_name[t] = tanh(V @ backward_state_name[t+1] + R @ another_long_input[t])
scores_of_the_classes[t] = A @ forward_state_name[t] + B @ backward_state_name[t]
the_loss = mean(cross_entropy(scores_of_the_classes[t], targets_of_it[t]), over=t)
""",
        {"forward_state_name": 2, "backward_state_name": 2, "scores_of_the_classes": 3, "another_long_input": 2},
        (),
    ),
    "long names in a panel": (
        """
forget_gate_name[t] = sigmoid(W_f @ hidden_state_name[t-1] + U_f @ another_long_input[t])
candidate_name[t] = tanh(W_g @ hidden_state_name[t-1] + U_g @ another_long_input[t])
memory_cell_name[t] = forget_gate_name[t] * memory_cell_name[t-1] + candidate_name[t]
hidden_state_name[t] = tanh(memory_cell_name[t])
scores_of_classes[t] = V @ hidden_state_name[t]
the_loss = mean(cross_entropy(scores_of_classes[t], targets_of_it[t]), over=t)
""",
        {"another_long_input": 2, "hidden_state_name": 2, "scores_of_classes": 3},
        (),
    ),
    "long names, several lags": (
        """
some_state_name[t] = tanh(W @ some_state_name[t-1] + V @ some_state_name[t-3] + a_long_input[t-2])
the_loss = mean(sum(some_state_name[t]), over=t)
""",
        {"some_state_name": 2},
        (),
    ),
    "long names, read by all": (
        """
mean_of_the_inputs = mean(long_input_name[t], over=t)
first_state_name[t] = tanh(first_state_name[t-1] + long_input_name[t] + mean_of_the_inputs)
product_of_states[t] = first_state_name[t] * first_state_name[T]
pooled_value_name = mean(product_of_states[t], over=t)
scores_of_classes = V @ concat(pooled_value_name, first_state_name[T])
the_loss = cross_entropy(scores_of_classes, the_target)
""",
        {"long_input_name": 2, "scores_of_classes": 3},
        ("the_target",),
    ),
    "long names, computed starts": (
        """
a_very_long_state_name[0] = tanh(M @ given_vector_name)
second_cell_name[0] = N @ given_vector_name
f[t] = sigmoid(W @ a_very_long_state_name[t-1] + P @ given_vector_name)
second_cell_name[t] = f[t] * second_cell_name[t-1] + U @ another_long_input[t] + Q @ given_vector_name
a_very_long_state_name[t] = tanh(second_cell_name[t] + R @ given_vector_name)
scores_of_it = V @ a_very_long_state_name[T] + B @ given_vector_name
the_loss = mse(scores_of_it, the_target)
""",
        {"scores_of_it": 2, "second_cell_name": 3, "another_long_input": 2, "given_vector_name": 2},
        ("given_vector_name", "the_target"),
    ),
    "long names, two sequences": (
        """
encoder_state_name[s] = tanh(A @ encoder_state_name[s-1] + B @ source_symbols[s])
keys_of_memory[s] = K @ encoder_state_name[s]
decoder_state_name[0] = encoder_state_name[S]
alignment_weights[t,s] = dot(keys_of_memory[s], decoder_state_name[t-1])
context_vector[t] = sum(alignment_weights[t,s] * encoder_state_name[s], over=s)
decoder_state_name[t] = tanh(C @ decoder_state_name[t-1] + D @ context_vector[t])
scores_of_classes[t] = V @ decoder_state_name[t]
the_loss = mean(cross_entropy(scores_of_classes[t], target_symbols[t]), over=t)
""",
        {"encoder_state_name": 3, "decoder_state_name": 3, "source_symbols": 2, "scores_of_classes": 3},
        (),
    ),
}


def _random() -> tuple[dict[str, tuple[str, dict[str, Any]]], dict[str, str]]:
    """Text and sizes, and the way of drawing in which it is hard, if one is named: of each network a line with the
    names whose size is 3, of a penalised matrix G 3×3, and this way, then its text."""
    blocks = (Path(__file__).parent / "graph/draw/random_networks.txt").read_text(encoding="utf-8").split("\n\n")
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    hard: dict[str, str] = {}
    for number, block in enumerate(blocks, 1):
        heading, _, text = block.strip().removeprefix("# ").partition("\n")
        names, _, way = heading.partition(" | ")
        found[f"random {number}"] = (text, {name: (3, 3) if name == "G" else 3 for name in names.split()})
        if way:
            hard[f"random {number}"] = way
    return found, hard


#: Random networks, and those that were once drawn wrongly -> the way in which they were.
RANDOM, HARD = _random()
NETWORKS = (*POOLED, *LONG, *RANDOM)


@cache
def network(name: str) -> Circuit:
    if name in POOLED or name in LONG:
        text, sizes, inputs = {**POOLED, **LONG}[name]
        return rnn.define(text, name=name, inputs=inputs)(**sizes)
    text, sizes = RANDOM[name]
    return rnn.define(text, name=name)(**sizes)

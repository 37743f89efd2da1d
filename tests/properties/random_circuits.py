"""Random recurrent networks as text of the language, with data for them.

All vectors have three features and all symbols three values, so that anything can be added to anything.
Signals come in groups; within a group all reads of it point one way in time, and a signal reads itself and
later ones only at another step, so that every text is a legal circuit. Earlier groups and inputs are read
at any shift.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from bptt import rnn
from bptt.graph.circuit import Circuit
from hypothesis import strategies as st

SIZE = 3
Draw = Any


@dataclass
class Example:
    """A random network and the features that its text has, such as "attention" or "dropout"."""

    text: str
    features: frozenset[str] = frozenset()
    sizes: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def net(self) -> Circuit:
        """The circuit, checked."""
        return rnn.define(self.text, name="random")(**self.sizes).check()

    def data(self, T: int, B: int, S: int = 3, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters and inputs; some targets are missing (-1)."""
        rng = np.random.default_rng(seed)
        params = {n: rng.normal(0, 0.6, shape) for n, shape in self.net.params.items()}
        sizes = {"t": T, "s": S, "b": B}
        inputs: dict[str, Any] = {}
        for name, node in self.net.input_nodes.items():
            shape = tuple(sizes[a] for a in node.axes)
            low = -1 if name == "y" else 0
            symbols = rng.integers(low, self.net.symbols.get(name, SIZE), shape) if node.dtype == "i" else None
            inputs[name] = rng.normal(size=shape + node.shape) if symbols is None else symbols
        return params, inputs


class _Writer:
    """Writes one text; ``unique`` numbers the parameters."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.features: set[str] = set()
        self.unique = 0

    def chosen(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def parameter(self, kind: str) -> str:
        self.unique += 1
        return f"{kind}_{self.unique}"

    def maybe(self, feature: str, one_in: int = 3) -> bool:
        chosen = self.draw(st.integers(1, one_in)) == 1
        if chosen:
            self.features.add(feature)
        return chosen

    # ---- what a signal reads ----
    def read(self, name: str, shift: int) -> str:
        return f"{name}[t]" if shift == 0 else f"{name}[t{shift:+d}]"

    def term(self, value: str) -> str:
        """A vector from a vector."""
        form = self.chosen("{W} @ {v}", "{W} @ {v}", "{w} * {v}", "{v}", "{W}.T @ {v}", "0.5 * {v}", "-{v}")
        return str(form).format(W=self.parameter("W"), w=self.parameter("w"), v=value)

    def wrapped(self, body: str, spare: str) -> str:
        """A function of a sum; ``spare`` is another vector that may be read."""
        form = self.chosen(
            "tanh({})", "tanh({})", "sigmoid({})", "softmax({})", "relu({})", "tanh({}) * sigmoid({s})",
            "tanh(layer_norm({}))", "where(t % 2 == 0, tanh({}), {s})", "tanh(sqrt(({})**2 + 1) - {s})",
            "maximum(tanh({}), 0.3 * {s})", "tanh({}) / (1 + exp({s}))", "tanh(cumsum({}))", "0.5 * sin({})",
            "where({s} > 0, tanh({}), 0.2)", "tanh({}) * sum({s})", "tanh(abs({}) - t / 4)", "softplus({})",
            "softplus({}) - 1", "tanh(stop_gradient({s}) + {})", "log(1 + sigmoid({}))", "tanh(({}) * max({s}))",
        )  # fmt: skip
        if "stop_gradient" in form:
            self.features.add("stop_gradient")
        return str(form).format(body, s=spare)

    def symbol_term(self) -> str:
        self.features.add("table")
        form = self.chosen("{E}[u[t]]", "{E}[u[t-1]]", "{E}[:, u[t]]", "{E}[u[t-2], u[t]]", "{E} @ onehot(u[t])",
                           "{W} @ {E}[u[t]]", "{E}[:, u[t-1]] @ {W}")  # fmt: skip
        kind = "Q" if ", u[t]]" in form and ":" not in form else "D" if "{W}" in form else "E"
        return str(form).format(E=self.parameter(kind), W=self.parameter("W") if "{W}" in form else "")

    def whole_value(self, others: list[str]) -> str:
        """A value of all steps, of an input or an earlier group."""
        name, source = self.parameter("q"), self.chosen("x", *others)
        value = self.chosen("mean({0}[t], over=t)", "{0}[T]", "{0}[T-1]", "sum(tanh({0}[t]) * x[t], over=t) / T")
        self.lines.append(f"{name} = tanh({self.term(value.format(source))})")
        return name

    # ---- lines ----
    def group(self, names: list[str], others: list[str], way: int) -> None:
        """Signals that read each other at steps before (way = -1) or after (+1), and others at any."""
        for i, name in enumerate(names):
            reads = ["x[t]"] if self.draw(st.booleans()) else [self.read("x", self.chosen(-2, -1, 1))]
            for other in names:
                for k in self.draw(st.lists(st.integers(0, 2), max_size=1 + (other == name))):
                    lag = max(k, 1) if names.index(other) >= i else k
                    reads.append(self.read(other, way * lag))
            for other in others:
                if self.maybe("earlier group", 2):
                    reads.append(self.read(other, self.chosen(-2, -1, 0, 0, 1)))
            terms = [self.term(r) for r in dict.fromkeys(reads)]
            if self.maybe("table"):
                terms.append(self.symbol_term())
            if self.maybe("whole value", 10):
                terms.append(self.whole_value(others))
            terms.append(self.parameter("b"))
            self.equation(name, reads, terms, way)

    def equation(self, name: str, reads: list[str], terms: list[str], way: int) -> None:
        spare = self.draw(st.sampled_from(reads))
        if self.maybe("split", 6):
            packed = self.parameter("z")
            values = ", ".join(f"{packed}{k}[t]" for k in "pq")
            matrix = self.parameter("M")
            self.lines.append(f"{values} = split({matrix} @ concat({spare}, x[t]) + {self.parameter('d')}, 2)")
            terms.append(f"{packed}p[t] * tanh({packed}q[t])")
        body = self.wrapped(" + ".join(terms), spare)
        if self.maybe("dropout", 6):
            body = self.chosen("dropout({}, 0.3)", "dropout({}, 0.25, over=t)").format(body)
        self.lines.append(f"{name}[t] = {body}")
        if self.maybe("first", 8):
            self.lines.append(f"{name}[1] = {self.chosen('tanh({})', '{}').format(self.parameter('i'))} + x[1]")
        outside = ("0", "-1") if way < 0 else ("T+1", "T+2")
        if any(r.startswith(f"{name}[t{'-' if way < 0 else '+'}") for r in reads):
            for place, kind in zip(outside, ("i", "j"), strict=True):
                reached = place in ("0", "T+1") or any(r == f"{name}[t{2 * way:+d}]" for r in reads)
                if reached and self.maybe("boundary", 4):
                    self.lines.append(f"{name}[{place}] = tanh({self.parameter(kind)})")

    def attention(self, name: str) -> None:
        """A second sequence, attended to by a signal that reads itself."""
        self.features.add("attention")
        self.lines += [
            "e[s] = tanh(W_e @ e[s-1] + E_e[v[s]])",
            f"w[t, s] = softmax(dot({name}[t-1], e[s]), over=s)",
            "z[t] = sum(w[t, s] * e[s], over=s)",
            f"{name}[t] = tanh(W_a @ {name}[t-1] + C_a @ z[t] + U_a @ x[t])",
        ]
        if self.draw(st.booleans()):
            self.lines.append(f"{name}[0] = tanh(M_a @ e[S])")

    def loss(self, names: list[str]) -> None:
        last = names[-1]
        whole = self.chosen("t", "t", "(t, batch)")
        if whole != "t":
            self.features.add("batch loss")
        main = self.chosen(
            "mean(cross_entropy(V @ {0}[t] + c, y[t]), over={1})",
            "sum(nll(p[t], y[t]), over=t) / 4",
            "mean(mse({0}[t], x[t]), over={1})",
            "mean(nll(softmax({0}[t]), y[t]), over={1})",
        )
        if "p[t]" in main:
            self.features.discard("batch loss")
            self.lines.append(f"p[t] = softmax(V @ {last}[t] + c)")
        more = [""]
        if self.maybe("last step"):
            more.append(f"0.1 * dot({names[0]}[T], {last}[1])")
        if self.maybe("value"):
            self.lines.append(f"k = mean({last}[t] * {names[0]}[t], over=t)")
            more.append("0.2 * sum(k * k)")
        if self.maybe("penalty"):
            more.append("0.01 * sum(G * G)")
        self.lines.append("L = " + main.format(last, whole) + " + ".join(more))
        for k, place in ((1, "0"), (2, "-1")):
            if any(f"u[t-{max(k, 1)}" in line or "u[t-2" in line for line in self.lines):
                self.lines.append(f"u[{place}] = {self.chosen(0, 2)}")


@st.composite
def examples(draw: Draw) -> Example:
    """A random network with a loss L."""
    w = _Writer(draw)
    earlier: list[str] = []
    if w.maybe("attention", 6):
        w.attention("a")
        earlier.append("a")
    for names in (["f", "g", "h"][: draw(st.integers(1, 3))], ["k", "l"][: draw(st.integers(0, 2))]):
        if names:
            w.group([f"{n}s" for n in names], earlier, w.chosen(-1, -1, 1))
            earlier += [f"{n}s" for n in names]
    w.loss(earlier)
    sizes: dict[str, Any] = dict.fromkeys(_sized(w.lines), SIZE)
    sizes |= dict.fromkeys(re.findall(r"\bD_\d+", "\n".join(w.lines)), (SIZE, SIZE))
    if "penalty" in w.features:
        sizes["G"] = (SIZE, SIZE)
    return Example("\n".join(w.lines), frozenset(w.features), sizes)


def _sized(lines: list[str]) -> list[str]:
    """Names whose size is stated: signals, inputs; parameters follow from them."""
    text = "\n".join(lines)
    found = ["x"] if "x[t" in text else []
    found += [n for n in "uvy" if f"{n}[t" in text or f"{n}[s" in text]
    return found + [line.split("[")[0] for line in lines if line.split(" = ")[0].endswith(("s[t]", "a[t]", "e[s]"))]


def lengths_for(draw: Draw, T: int, S: int, B: int, two: bool) -> dict[str, Any]:
    """Lengths of a ragged batch, the first sequence full."""
    found = {"t": [T, *draw(st.lists(st.integers(1, T), min_size=B - 1, max_size=B - 1))]}
    if two:
        found["s"] = [S, *draw(st.lists(st.integers(1, S), min_size=B - 1, max_size=B - 1))]
    return {a: np.array(v) for a, v in found.items()}

"""LaTeX of circuits: names, precedence, one form for each kind of operation."""

from __future__ import annotations

import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, input_, param, ref
from bptt.graph.latex import identifier
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.define import define
from matplotlib.mathtext import MathTextParser

X = input_("x", ("t", "b"), (4,))
Y = input_("y", ("t", "b"), (), "i")
H = ref("h", input_("h", ("t", "b"), (4,)))
K = ref("k", input_("k", ("t", "b"), ()))
W = param("W_f", (4, 4))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("W_f", r"W_{f}"),
        ("h1", r"h_{1}"),
        ("h1_x", r"h_{1, x}"),
        ("alpha", r"\alpha"),
        ("λ_x", r"\lambda_{x}"),
        ("A_logits", r"A_{\mathrm{logits}}"),
        ("scores", r"\mathrm{scores}"),
        ("δa", r"\delta a"),
        ("δ2W_f", r"\delta_{2} W_{f}"),
        ("δhʹ", r"\delta h^{\prime}"),
    ],
)
def test_names_stay_what_the_user_called_them(name: str, shown: str) -> None:
    assert identifier(name) == shown


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        (b.matmul(W, H), r"W_{f}\, h^{(t)}"),
        (b.matmul(W, b.add(H, X)), r"W_{f}\, \left(h^{(t)} + x^{(t)}\right)"),
        (b.contract(W, H, "ij,i->j"), r"W_{f}^\top\, h^{(t)}"),
        (b.contract(H, X, "i,j->ij"), r"h^{(t)}\, \left(x^{(t)}\right)^\top"),
        (b.dot(H, X), r"\left(h^{(t)}\right)^\top x^{(t)}"),
        (b.mul(H, X), r"h^{(t)} \odot x^{(t)}"),
        (b.mul(2.0, H), r"2\, h^{(t)}"),
        (b.mul(K, H), r"k^{(t)}\, h^{(t)}"),
        (b.div(H, b.add(X, 1.0)), r"\frac{h^{(t)}}{x^{(t)} + 1}"),
        (b.power(b.unary("tanh", H), 2.0), r"\left(\tanh\left(h^{(t)}\right)\right)^{2}"),
        (b.sub(H, b.add(X, 1.0)), r"h^{(t)} - \left(x^{(t)} + 1\right)"),
        (b.mul(1e-05, H), r"1 \cdot 10^{-5}\, h^{(t)}"),
        (b.unary("relu", H), r"\operatorname{relu}\left(h^{(t)}\right)"),
        (b.unary("sqrt", K), r"\sqrt{k^{(t)}}"),
        (b.at(H, "t", True, -1), r"h^{(T-1)}"),
        (b.delay(H, "t", 2, [0.0, 0.0]), r"h^{(t-2)}"),
        (b.place(b.at(H, "t", True, 0), "t", True, 0), r"\mathbb{1}[t = T]\, h^{(T)}"),
        (b.reduce(b.mul(H, X), ("t", "b")), r"\sum_{t, \text{batch}} h^{(t)} \odot x^{(t)}"),
        (b.reduce(b.add(H, X), ("t",)), r"\sum_{t} \left(h^{(t)} + x^{(t)}\right)"),
        (b.take(W, Y), r"W_{f, y^{(t)}}"),
        (b.minus_onehot(H, Y), r"h^{(t)} - \operatorname{onehot}\left(y^{(t)}\right)"),
        (
            b.where(b.compare(">", K, 0.0), K, b.neg(K)),
            r"\begin{cases} k^{(t)} & \text{if } k^{(t)} > 0 \\ -k^{(t)} & \text{else} \end{cases}",
        ),
    ],
)
def test_how_a_node_is_set(node: Node, shown: str) -> None:
    lines = graph.latex(Circuit({"z": node})).split("\n")
    assert lines[0] == r"\begin{aligned}"
    assert lines[1].partition(" &= ")[2] == shown


def test_what_a_sum_takes_is_clear() -> None:
    total = b.reduce(b.mul(H, X), ("t", "b"))
    shown = graph.latex(Circuit({"z": b.mul(b.add(total, 1.0), b.mul(total, total))}))
    product = r"\left(\sum_{t, \text{batch}} h^{(t)} \odot x^{(t)}\right)"
    assert rf"{product} \odot {product}" in shown


def test_the_lstm_as_in_a_paper() -> None:
    net = cell("lstm")(x=3, h=4, o=5)
    lines = graph.latex(net).split(" \\\\\n")
    assert r"c^{(t)} &= f^{(t)} \odot c^{(t-1)} + i^{(t)} \odot g^{(t)}" in lines
    assert (
        r"f^{(t)} &= \sigma\left(W_{f}\, h^{(t-1)} + U_{f}\, x^{(t)} + b_{f}\right)"
        in graph.latex(net).split("\n")[1]
    )


def test_comments_are_text() -> None:
    net = define("h[t] = W @ h[t-1]   # 100 % of W_h & more")(h=2)
    assert graph.latex(net, comments=True).split("\n")[1].endswith(r"&& \text{100 \% of W\_h \& more}")


@pytest.mark.parametrize("name", ["elman", "lstm_packed", "attention", "best_path", "clockwork"])
def test_matplotlib_reads_a_cell_and_its_adjoint(name: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    parser = MathTextParser("path")
    for circuit in (net, graph.grad(net, "L")):
        begin, *lines, end = graph.latex(circuit).split("\n")
        assert (begin, end) == (r"\begin{aligned}", r"\end{aligned}")
        for line in lines:
            if r"\begin{cases}" not in line:  # which it does not know
                line = line.removesuffix(r" \\").replace("&=", "=").replace(r"\bmod", r"\mathrm{mod}")
                parser.parse(f"${line}$")

"""The derivative of the Elman network that the lectures print, line by line, against the one that is derived.

The lecture's lines (∇ is written D here) stand beside the network as equations of the language. The printed adjoint
is read again. Both are brought to one form (marks of the same values written out, shifts at the names, factors
and terms in one order) and have to be the same nodes; and both are computed.
"""

from __future__ import annotations

import numpy as np
import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import Node, ref, substitute, topological
from bptt.graph.ops.table import TABLE
from bptt.rnn.define import define

NETWORK = """
    a[t] = b + W @ h[t-1] + U @ x[t]
    h[t] = tanh(a[t])
    o[t] = c + V @ h[t]
    p[t] = softmax(o[t])
    L = sum(nll(p[t], y[t]), over=(t, batch))
"""
LECTURE = """
    Do[t] = p[t] - onehot(y[t])
    Dh[t] = W.T @ (Dh[t+1] * (1 - h[t+1]**2)) + V.T @ Do[t]
    Dc = sum(Do[t], over=(t, batch))
    DV = sum(outer(Do[t], h[t]), over=(t, batch))
    Db = sum((1 - h[t]**2) * Dh[t], over=(t, batch))
    DW = sum(outer((1 - h[t]**2) * Dh[t], h[t-1]), over=(t, batch))
    DU = sum(outer((1 - h[t]**2) * Dh[t], x[t]), over=(t, batch))
"""
SLIDE = "    Dh[t] = W.T @ Dh[t+1] * (1 - h[t+1]**2) + V.T @ Do[t]\n"
"""The slide writes the factor after the product, where it belongs to another unit."""
SIZES = {"x": 3, "h": 4, "o": 5}
MARKS = {"Do": "δo", "Dh": "δh", "Dc": "δc", "DV": "δV", "Db": "δb", "DW": "δW", "DU": "δU"}


def lecture(lines: str = LECTURE) -> Circuit:
    """The network with the lecture's lines."""
    return define(NETWORK + lines)(**SIZES)


def derived() -> Circuit:
    """The network with its adjoint, printed and read again."""
    adjoint = graph.grad(define(NETWORK)(**SIZES), "L")
    return define(graph.text(adjoint, comments=True))(**SIZES)


# ---- one form for both -----------------------------------------------------------------------------
def one_form(net: Circuit, name: str, inline: tuple[str, ...], rename: dict[str, str]) -> Node:
    """An equation with the marks of ``inline`` written out, shifts at the names, in one order of factors and terms."""
    root = net.eqs[name]
    for other in inline:
        root = _written_out(net, root, other)
    root = _flat(root)
    return substitute([root], {n: ref(rename[n.attr], n) for n in topological([root]) if _renamed(n, rename)})[0]


def _renamed(n: Node, rename: dict[str, str]) -> bool:
    return n.op == "ref" and n.attr in rename


def _written_out(net: Circuit, root: Node, name: str) -> Node:
    """``name`` replaced by what it is, also where it is read at another step."""
    replace: dict[Node, Node] = {}
    for n in topological([root]):
        if n.op == "ref" and n.attr == name:
            replace[n] = net.eqs[name]
        if n.op == "delay" and n.args[0].op == "ref" and n.args[0].attr == name:
            e = net.eqs[name]
            assert all(b.is_constant(bound, 0.0) for bound in n.args[1:])
            assert b.is_constant(_at_zero(e), 0.0), f"{name} is not zero outside"
            replace[n] = _shifted(e, *n.attr)
    return substitute([root], replace)[0]


def _shifted(e: Node, axis: str, k: int) -> Node:
    """e[t-k], which is zero outside as each adjoint in it is: the shift pushed to the names."""
    if e.op in ("ref", "input"):
        return b.delay(e, axis, k, [b.like(0.0, [a for a in e.axes if a != axis], e.shape)] * abs(k))
    if axis not in e.axes or (e.op == "expand" and axis not in e.args[0].axes):
        return e
    assert TABLE[e.op].kind == "pointwise", f"a shift cannot pass {e!r}"
    return b.rebuild(e, [_shifted(a, axis, k) for a in e.args])


def _at_zero(e: Node) -> Node:
    """The value of an expression where every adjoint in it is zero; signals of the network stay."""
    marks = [n for n in topological([e]) if n.op == "ref" and n.attr[0] in "δD"]
    return substitute([e], {n: b.zeros(n) for n in marks})[0]


def _flat(root: Node) -> Node:
    """Factors and terms in one order: that of their printed form."""
    done: dict[Node, Node] = {}
    for n in topological([root]):
        if not n.args:
            done[n] = n
            continue
        args = [done[a] for a in n.args]
        if n.op in ("mul", "add"):
            parts = [p for a in args for p in _parts(a, n.op)]
            parts.sort(key=lambda p: graph.text(Circuit({"z": p})).replace("D", "δ"))
            args = parts
            done[n] = b.add(*parts) if n.op == "add" else _product(parts)
        else:
            done[n] = b.rebuild(n, args)
    return done[root]


def _parts(n: Node, op: str) -> list[Node]:
    return [p for a in n.args for p in _parts(a, op)] if n.op == op else [n]


def _product(factors: list[Node]) -> Node:
    whole = factors[0]
    for factor in factors[1:]:
        whole = b.mul(whole, factor)
    return whole


# ---- the tests -------------------------------------------------------------------------------------
@pytest.mark.parametrize("line", MARKS)
def test_each_line_of_the_lecture_is_the_derived_one(line: str) -> None:
    """Do, Dh, … are assumed to be δo, δh, … where a line reads them: each is then shown to be so itself."""
    ours = one_form(derived(), MARKS[line], ("δa", "δL"), {})
    theirs = one_form(lecture(), line, (), MARKS)
    assert theirs is ours, f"{Circuit({line: theirs})}\n{Circuit({line: ours})}"


def test_the_order_on_the_slide_is_another_equation() -> None:
    slide = lecture(LECTURE.replace(LECTURE.splitlines()[2] + "\n", SLIDE))
    ours = one_form(derived(), "δh", ("δa", "δL"), {})
    assert one_form(slide, "Dh", (), MARKS) is not ours
    assert one_form(lecture(), "Dh", (), MARKS) is ours


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(6, 3, 3)), "y": rng.integers(0, 5, (6, 3))}


def test_the_lines_have_the_same_values() -> None:
    net = lecture(LECTURE + "    end = V.T @ Do[T]\n")
    rng = np.random.default_rng(1)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    for lengths in (None, [6, 2, 4]):
        theirs = graph.evaluate(net, params, lengths=lengths, **data())
        ours = graph.evaluate(derived(), params, lengths=lengths, **data())
        for line, mark in MARKS.items():
            np.testing.assert_allclose(theirs[line], ours[mark], rtol=1e-12, atol=1e-14, err_msg=line)
        last = np.array(lengths or [6, 6, 6]) - 1
        np.testing.assert_allclose(theirs["end"], ours["δh"][last, np.arange(3)], rtol=1e-12)


def test_they_are_the_gradient() -> None:
    """The lecture's ∇W against central differences of the loss."""
    net = lecture()
    rng = np.random.default_rng(2)
    params = {n: rng.normal(size=shape) for n, shape in net.params.items()}
    gradient = graph.evaluate(net, params, returns=["DW", "DU", "DV", "Db", "Dc"], **data())
    for name in ("W", "U", "V", "b", "c"):
        way = rng.normal(size=params[name].shape)
        up, down = ({**params, name: params[name] + s * 1e-6 * way} for s in (1, -1))
        slope = [float(graph.evaluate(net, p, returns="L", **data())["L"]) for p in (up, down)]
        np.testing.assert_allclose((slope[0] - slope[1]) / 2e-6, np.sum(way * gradient["D" + name]), rtol=1e-6)


def test_what_is_printed_are_the_lines_of_the_books() -> None:
    lines = graph.text(derived()).split("\n")
    assert "δo[t] = (p[t] - onehot(y[t])) * δL" in lines
    assert "δh[t] = V.T @ δo[t] + W.T @ δa[t+1]" in lines
    assert "δa[t] = δh[t] * (1 - h[t]**2)" in lines

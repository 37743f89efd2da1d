"""Where the terms of an adjoint come from: said in the comments, and checked against the text of the network."""

from __future__ import annotations

import re

import pytest
from bptt import graph
from bptt.graph import build as b
from bptt.graph.circuit import Circuit
from bptt.graph.expr import ref
from bptt.graph.provenance import Note
from bptt.graph.statistics import batch_statistics
from bptt.rnn.cells import CELLS, cell
from bptt.rnn.define import define
from systems import WITH_LOSS


def comments(text: str) -> dict[str, str]:
    """The adjoint of L of a network, in sizes of 2: what stands on the left of each equation -> its comment."""
    net = define(text)
    found = graph.text(graph.grad(net(**dict.fromkeys(net.inputs, 2), h=2), "L"), comments=True)
    lines = [re.split(r" +# ", line) for line in found.split("\n")]
    return {line[0].split(" = ")[0]: line[-1] for line in lines if line[0].startswith("δ")}


def test_an_adjoint_names_the_readers_in_the_order_of_its_terms() -> None:
    found = comments(
        """
        f[t] = sigmoid(W_f @ h[t-1] + x[t])
        c[t] = f[t] * c[t-1] + x[t]
        h[t] = tanh(c[t])
        L = sum(sum(h[t]), over=t)
        """
    )
    assert found["δL"] == "from the mean of L over the batch"
    assert found["δh[t]"] == "from L and f[t+1], which read h[t]"
    assert found["δc[t]"] == "from h[t] and c[t+1], which read c[t]"
    assert found["δcʹ[t]"] == "from c[t]: what it hands to c[t-1]"
    assert found["δf[t]"] == "from c[t], which reads f[t]"
    assert found["δW_f"] == "from f[t], where W_f stands"


def test_what_is_inside_a_nonlinearity_says_so() -> None:
    found = comments("h[t] = tanh(W @ h[t-1] + U @ x[t])\nL = sum(sum(h[t]), over=(t, batch))")
    assert found["δhʹ[t]"] == "from h[t]: inside its tanh"
    assert found["δL"] == "L by itself"


def test_other_steps_are_said_as_the_reader_sees_them() -> None:
    found = comments(
        """
        h[0] = m
        h[1] = n * x[1]
        h[t] = W @ h[t-2] + x[t]
        h[-1] = k
        g[t] = M @ g[t+1] + h[t]
        g[T+1] = r
        o = g[1] + h[T-1]
        L = sum(o)
        """
    )
    assert found["δh[t]"] == "from o (where t = T-1), g[t] and h[t+2], which read h[t]"
    assert found["δg[t]"] == "from o (where t = 1) and g[t-1], which read g[t]"
    assert found["δr"] == "from g[T+1], where r stands"
    assert found["δh[0]"] == "from o (where T = 1) and h[2], which read h[0]"
    assert found["δn"] == "from h[1], where n stands"
    assert found["δW"] == "from h[t], where W stands"


def test_a_loss_of_probabilities_is_read_through_them() -> None:
    net = cell("elman")(x=3, h=4, o=5)
    assert graph.grad(net, "L").notes["δo"] == "from L, which reads o[t] through p[t]"


def test_what_the_loss_does_not_reach_is_zero() -> None:
    net = define("h[t] = tanh(W @ h[t-1] + x[t])\nk[t] = V @ h[t]\nL = sum(sum(h[t]), over=t)")(h=2, k=2)
    assert graph.grad(net, "L").notes["δV"] == "zero: the loss does not depend on V"


def test_a_second_derivative_says_it_of_its_own_marks() -> None:
    first = graph.grad(define("h[t] = tanh(W @ h[t-1] + x[t])\nL = sum(sum(h[t]), over=(t, batch))")(h=2), "L")
    norm = first.with_eqs({**first.eqs, "N": b.sum_all(b.power(ref("δW", first.eqs["δW"]), 2))})
    second = graph.grad(norm, "N")
    assert second.notes["δ2δW"] == "from N, which reads δW"
    assert second.notes["δ2δhʹ"] == "from δW and δh[t-1], which read δhʹ[t]"
    assert second.notes["δhʹ"] == first.notes["δhʹ"]
    assert "δh[t] = δL + W.T @ δhʹ[t+1]" in str(second), "the first derivative prints as before"


# what a reader of the text finds: the equations in which a name stands, and how many steps on
READ = r"(?<![\w'])%s(?![\w'])(\[[^\[\]]*\])?"


@pytest.mark.parametrize("name", WITH_LOSS)
def test_the_readers_are_those_of_the_text(name: str) -> None:
    net = cell(name)(**CELLS[name].sizes)
    adjoint = graph.grad(net, "L")
    lines = [line.split(" = ", 1) for line in str(net).split("\n")]
    for by in ({n: adjoint.order + n for n in (*net.eqs, *net.params)}).items():
        note = adjoint.notes.get(by[1], "") if by[1] in adjoint.eqs else ""
        if not isinstance(note, Note) or "through" in note or not note.startswith("from"):
            continue
        base, bracket, _ = by[0].partition("[")
        said = {piece.name for piece in note.pieces if not isinstance(piece, str)} - ({base} if bracket else set())
        there = {
            target.partition("[")[0].partition(",")[0]
            for target, value in lines
            for found in re.finditer(READ % re.escape(base), value)
            if "nll(" not in value  # whose gradient passes by the probabilities
            if not bracket or "t-" in (found[1] or "") or "s-" in (found[1] or "")
        }
        assert there <= said | {base}, (by, note)
        assert said - {base} <= {s for t, _ in lines for s in re.split(r"\[[^\]]*\](?:, )?|, ", t) if s}, (by, note)


@pytest.mark.parametrize("name", WITH_LOSS)
def test_a_printed_adjoint_is_read_again_with_its_comments(name: str) -> None:
    adjoint = graph.grad(cell(name)(**CELLS[name].sizes), "L")
    text = graph.text(adjoint, comments=True)
    given = [n for n, x in adjoint.input_nodes.items() if x.axes == ("b",)]
    own = set(batch_statistics(adjoint.eqs))  # batch_norm declares them
    again = define(text, inputs=given, constants=adjoint.constants - own)
    sizes = {n: e.shape for n, e in adjoint.eqs.items() if "[" not in n}
    sizes |= {n: p.shape for n, p in adjoint.param_nodes.items() if n not in own}
    sizes |= {n: adjoint.symbols[n] if x.dtype == "i" else x.shape for n, x in adjoint.input_nodes.items()}
    notes = again(**sizes).notes
    for label in adjoint.eqs:
        if label.startswith(adjoint.order) and adjoint.notes.get(label):
            assert notes[label] == adjoint.notes[label]
            assert adjoint.notes[label] in text


def test_latex_sets_the_names_in_the_comments() -> None:
    net = define("h[t] = tanh(W_f @ h[t-1] + x[t])   # W_f & h\nL = sum(sum(h[t]), over=t)")(h=2)
    shown = graph.latex(graph.grad(net, "L"), comments=True)
    assert r"&& \text{W\_f \& h}" in shown
    assert r"&& \text{from $L$ and $h^{(t+1)}$, which read $h^{(t)}$}" in shown
    assert r"&& \text{from $h^{(t)}$, where $W_{f}$ stands}" in shown


def test_notes_are_texts_that_can_be_copied() -> None:
    import copy
    import pickle

    adjoint = graph.grad(cell("elman")(x=3, h=4, o=5), "L")
    note = adjoint.notes["δh"]
    for other in (copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
        assert (other, other.pieces) == (note, note.pieces)
    assert isinstance(adjoint, Circuit)

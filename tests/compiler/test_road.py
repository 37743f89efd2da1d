"""From equations to a loop program: what leaves the loops, what is merged, and what it does not depend on."""

from __future__ import annotations

import re
import time

import pytest
from bptt import compiler, rnn
from bptt.compiler.flops import of_stage
from bptt.compiler.loop import Chunks, Product, Program, Rows, Sum, walk
from bptt.compiler.plan import Plan
from bptt.compiler.road import Compiled, Request, Road
from bptt.graph import CircuitError, text
from bptt.rnn.cells import CELLS
from systems import COMPUTED

from .alpha import nameless

LSTM = """
    f[t] = sigmoid(W_f @ h[t-1] + U_f @ x[t] + b_f)
    i[t] = sigmoid(W_i @ h[t-1] + U_i @ x[t] + b_i)
    q[t] = sigmoid(W_q @ h[t-1] + U_q @ x[t] + b_q)
    g[t] = tanh(W_g @ h[t-1] + U_g @ x[t] + b_g)
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    o[t] = V @ h[t] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""
PACKED = """
    e[t] = W @ concat(h[t-1], x[t]) + b
    u_f[t], u_i[t], u_q[t], u_g[t] = split(e[t], 4)
    f[t] = sigmoid(u_f[t])
    i[t] = sigmoid(u_i[t])
    q[t] = sigmoid(u_q[t])
    g[t] = tanh(u_g[t])
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = q[t] * tanh(c[t])
    o[t] = V @ h[t] + d
    L = mean(cross_entropy(o[t], y[t]), over=t)
"""


def compiled(source: str, plan: Plan | None = None, wrt: tuple[str, ...] | None = None, **sizes: int) -> Compiled:
    net = rnn.define(source, name="net")(**sizes)
    return Road(net, Request("L", wrt, (), "float32", True), plan or Plan()).own


def loops(program: Program) -> list[Rows]:
    return [rows for rows in program.rows() if rows.order in ("up", "down")]


def matrices(program: Program, rows: Rows) -> list[str]:
    return [
        b.value
        for s in walk(rows.body)
        if isinstance(s, Product)
        for part in s.parts
        for b in program.packs[part.pack].blocks
    ]


def test_only_the_recurrent_products_are_in_the_loops() -> None:
    program = compiled(LSTM, x=3, h=4, o=5).loops
    up, down = loops(program)
    assert (up.order, down.order) == ("up", "down")
    recurrent = {"W_f", "W_i", "W_q", "W_g"}
    assert set(matrices(program, up)) == recurrent == set(matrices(program, down))
    # one panel forward, one product over stacked operands backward
    assert [len(s.dsts) for s in up.body if isinstance(s, Product)] == [4]
    assert [len(s.parts) for s in down.body if isinstance(s, Product)] == [4]


def test_weight_gradients_are_one_sum_each_outside_the_loops() -> None:
    program = compiled(LSTM, x=3, h=4, o=5).loops
    sums = [s for rows in program.rows() for s in rows.sums if isinstance(s, Sum) and s.op == "contract"]
    assert len(sums) == 9
    assert not any(s.op == "contract" for rows in loops(program) for s in rows.sums)


def test_projection_loop_and_output_run_in_chunks() -> None:
    program = compiled(LSTM, x=3, h=4, o=5).loops
    chunks = [s for s in program.stages if isinstance(s, Chunks)]
    assert [c.order for c in chunks] == ["up", "down"]
    plain = compiled(LSTM, Plan(fuse=False), x=3, h=4, o=5).loops
    assert not any(isinstance(s, Chunks) for s in plain.stages)


def _permuted(source: str) -> str:
    return "\n".join(reversed(source.strip().splitlines()))


def _renamed(source: str) -> str:
    names = {"f": "keep", "i": "ins", "q": "read", "g": "cand", "c": "mem", "h": "act", "o": "out", "V": "A",
             "W_f": "Z1", "W_i": "A2", "W_q": "M3", "W_g": "B4", "d": "zz", "b_f": "q1", "U_g": "u"}  # fmt: skip
    pattern = re.compile(r"\b(" + "|".join(names) + r")\b(?!\()")
    return pattern.sub(lambda m: names[m.group(1)], source)


@pytest.mark.parametrize(
    ("source", "sizes"),
    [
        (_permuted(LSTM), {"x": 3, "h": 4, "o": 5}),
        (_renamed(LSTM), {"x": 3, "act": 4, "out": 5}),
        (_renamed(_permuted(LSTM)), {"x": 3, "act": 4, "out": 5}),
        (PACKED, {"x": 3, "h": 4, "o": 5}),
    ],
    ids=["permuted", "renamed", "both", "packed"],
)
def test_the_same_cell_written_otherwise_is_the_same_program(source: str, sizes: dict[str, int]) -> None:
    assert nameless(compiled(source, **sizes).loops) == nameless(compiled(LSTM, x=3, h=4, o=5).loops)


def test_the_same_text_gives_the_same_bytes() -> None:
    assert str(compiled(LSTM, x=3, h=4, o=5).loops) == str(compiled(LSTM, x=3, h=4, o=5).loops)


def test_passes_take_less_than_fifty_milliseconds() -> None:
    compiled(LSTM, x=3, h=4, o=5)  # modules are loaded
    times = []
    for h in range(5, 12):
        start = time.perf_counter()
        compiled(LSTM, x=3, h=h, o=5)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


@pytest.mark.parametrize("name", sorted(COMPUTED))
def test_every_equation_appears_exactly_once(name: str) -> None:
    recipe = CELLS[name]
    net = recipe.cell(name)(**recipe.sizes)
    loss, returns = ("L", ()) if "L" in net.eqs else (None, tuple(net.outputs))
    program = compiler.compile(net, loss=loss, returns=returns, target="interpret")
    scheduled = Road(net, Request(loss, None, returns, "float32", True), Plan()).own.circuit
    wanted = {**net.eqs, **{n: e for n, e in scheduled.eqs.items() if "[T" not in n}}
    lines = [line.strip() for line in program.explain().splitlines()]
    shown = [line.split(" = ")[0] for line in lines if " = " in line]
    for n, e in wanted.items():
        title = text(net.with_eqs({n: e})).split(" = ")[0]
        assert shown.count(title) == 1, title


def test_flops_of_the_lstm_are_those_of_its_products() -> None:
    program = compiled(LSTM, x=30, h=40, o=50).loops
    total = sum(of_stage(program, rows)[0] for rows in program.rows() if rows.axis == "t")
    # forward, adjoint of h, gradient of the matrix; x has no adjoint
    products = 3 * 2 * (4 * 40 * 40 + 50 * 40) + 2 * 2 * 4 * 40 * 30
    assert products < total < 1.05 * products


def test_errors_name_the_equations() -> None:
    net = rnn.define(LSTM)(x=3, h=4, o=5)
    with pytest.raises(CircuitError, match="no equation hh"):
        compiler.compile(net, returns=("hh",))
    with pytest.raises(ValueError, match="keep"):
        Plan(place={"h": "somewhere"})
    with pytest.raises(ValueError, match="chunk"):
        Plan(chunk=0)

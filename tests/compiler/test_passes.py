"""Each pass by itself: what it makes of a small network."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler, graph, rnn
from bptt.compiler.boundaries import one_value_a_slot
from bptt.compiler.chunks import fuse
from bptt.compiler.loop import Chunks, Keep, Product, Program, Rows, walk
from bptt.compiler.merge import regroup_sums
from bptt.compiler.network import Network
from bptt.compiler.parameters import split_parameters
from bptt.compiler.place import place
from bptt.compiler.plan import Plan
from bptt.compiler.schedule import components, is_cycle, schedule
from bptt.graph import CircuitError, build
from bptt.graph.expr import Node, input_, leaf, param, ref

SIGNAL = ("t", "b")


def network(source: str, wanted: str = "L", **sizes: int) -> Network:
    return Network(rnn.define(source)(**sizes).eqs, [wanted])


def interpreted(source: str, plan: Plan | None = None, **sizes: int) -> Program:
    return compiler.compile(rnn.define(source)(**sizes), target="interpret", plan=plan).loops


# ---- network and schedule ------------------------------------------------------------------------
def test_a_network_is_walked_from_what_is_wanted() -> None:
    net = network("h[t] = tanh(W @ h[t-1] + x[t])\nk[t] = 2 * h[t]\nL = sum(sum(h[t]), over=t)", x=3, h=3)
    assert net.real(net.eqs["k"]) not in net.nodes
    assert net.nodes[-1] is net.real(net.eqs["L"])


def test_stages_of_an_elman_network() -> None:
    net = regroup_sums(network("h[t] = tanh(W @ h[t-1] + U @ x[t] + b)\nL = sum(sum(h[t]), over=t)", x=2, h=3))
    stages = [s for s in schedule(net) if s.axis]
    assert [(s.kind, s.order) for s in stages] == [("free", "free"), ("loop", "up"), ("free", "free")]
    assert "h" in stages[1].why
    assert "t-1" in stages[1].why


def test_two_directions_are_two_loops_before_one_free_stage() -> None:
    source = """
        f[t] = tanh(W @ f[t-1] + x[t])
        g[t] = tanh(V @ g[t+1] + x[t])
        L = sum(dot(f[t], g[t]), over=t)
    """
    stages = [(s.kind, s.order) for s in schedule(network(source, x=3)) if s.axis]
    assert stages == [("loop", "up"), ("loop", "down"), ("free", "free")]


def test_independent_states_are_components_of_their_own() -> None:
    net = network("f[t] = tanh(f[t-1] + x[t])\ng[t] = tanh(g[t-1] + f[t])\nL = sum(sum(g[t]), over=t)", x=3)
    cycles = [c for c in components(net) if is_cycle(net, c)]
    assert [{net.equation[n] for n in c if n in net.equation} for c in cycles] == [{"f"}, {"g"}]


def test_the_schedule_refuses_what_is_no_circuit() -> None:
    h = ref("h", input_("h", SIGNAL, (3,)))
    both = {"h": build.unary("tanh", build.delay(h, "t", 1, [0.0]) + build.delay(h, "t", -1, [0.0]))}
    with pytest.raises(CircuitError, match="delays or all advances"):
        schedule(Network(both, ["h"]))
    with pytest.raises(CircuitError, match="without a delay"):
        schedule(Network({"h": build.unary("tanh", h)}, ["h"]))


# ---- merge ---------------------------------------------------------------------------------------
def test_what_stands_outside_a_loop_is_summed_outside() -> None:
    net = regroup_sums(network("h[t] = tanh(W @ h[t-1] + U @ x[t] + b)\nL = sum(sum(h[t]), over=t)", x=2, h=3))
    total = net.real(net.eqs["h"]).args[0]
    assert [a.op for a in total.args] == ["add", "contract"]
    assert {a.op for a in net.args(total)[0].args} == {"contract", "expand"}


def test_products_of_one_vector_are_one_panel_and_sums_of_products_one_product() -> None:
    source = """
        f[t] = sigmoid(W @ h[t-1] + R @ h[t-2])
        h[t] = tanh(V @ h[t-1] + Q @ h[t-2]) * f[t]
        L = sum(sum(h[t]), over=t)
    """
    products = [s for r in interpreted(source, h=3).rows() for s in walk(r.body) if isinstance(s, Product)]
    assert [(len(p.dsts), len(p.parts)) for p in products] == [(2, 2), (1, 4)]
    plain = interpreted(source, Plan(merge=False), h=3)
    assert all((len(s.dsts), len(s.parts)) == (1, 1) for r in plain.rows() for s in r.body if isinstance(s, Product))


# ---- place ---------------------------------------------------------------------------------------
SQUARES = "h[t] = tanh(W @ h[t-1])\nq[t] = h[t] * h[t]\nL = sum(sum(q[t] * mean(q[t], over=t)), over=t)"


def _kept(choices: dict[str, str]) -> set[str]:
    net = network(SQUARES, h=3)
    stages = schedule(net)
    return {net.equation[n] for n in place(net, stages, choices) if n in net.equation}


def test_cheap_values_are_computed_again_unless_the_plan_keeps_them() -> None:
    assert "q" not in _kept({})
    assert "q" in _kept({"q": "keep"})
    assert "h" in _kept({"h": "recompute"})  # a state is kept whatever is asked


def test_plans_change_the_layout_and_not_the_values() -> None:
    net = rnn.lstm(x=3, h=4, o=5)
    params = net.init(seed=1, dtype="float64")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 2, 3)), rng.integers(0, 5, (7, 2))
    expected = compiler.compile(net, target="interpret", dtype="float64")(params, x=x, y=y)
    plans = [Plan(chunk=1), Plan(chunk=3, fuse=False), Plan(rings=False, merge=False),
             Plan(hoist=False), Plan(place={"o": "keep"})]  # fmt: skip
    for plan in plans:
        program = compiler.compile(net, target="interpret", dtype="float64", plan=plan)
        found = program(params, x=x, y=y)
        for name, g in expected.grad.items():
            np.testing.assert_allclose(found.grad[name], g, atol=1e-13)
    assert len({str(compiler.compile(net, target="interpret", plan=p).loops) for p in plans}) == len(plans)


WRONG: list[dict[str, object]] = [
    {"chunk": 0}, {"chunk": True}, {"fuse": "no"}, {"hoist": 1}, {"rows": 0}, {"lines": 2}, {"place": {"h": "lose"}},
]  # fmt: skip


@pytest.mark.parametrize("choice", WRONG)
def test_a_plan_has_no_other_choices(choice: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a plan"):
        Plan(**choice)  # type: ignore[arg-type]


def test_a_plan_names_equations() -> None:
    program = compiler.compile(rnn.elman(x=2, h=3, o=2), target="interpret", plan=Plan(place={"hh": "keep"}))
    with pytest.raises(ValueError, match="places hh, of which elman has no equation"):
        str(program.loops)


# ---- chunks --------------------------------------------------------------------------------------
def test_rings_keep_what_a_loop_looks_back_to() -> None:
    net = rnn.define("h[t] = tanh(W @ h[t-1] + R @ h[t-3])\no[t] = sum(h[t])")(h=3)
    loops = compiler.compile(net, loss=None, returns=("o",), target="interpret", plan=Plan(fuse=False)).loops
    assert loops.values["h"].keep == Keep()  # another stage reads it
    source = "h[t] = tanh(W @ h[t-1] + R @ h[t-3])\no = sum(h[T])"
    loops = compiler.compile(rnn.define(source)(h=3), loss=None, returns=("o",), target="interpret").loops
    assert loops.values["h"].keep == Keep("ring", 4)


def test_a_stage_that_needs_the_whole_loop_stays_outside_its_chunks() -> None:
    source = "h[t] = tanh(W @ h[t-1] + x[t])\nm = mean(h[t], over=t)\nL = sum(dot(h[t], m), over=t)"
    program = interpreted(source, x=3)
    first = next(s for s in program.stages if isinstance(s, Chunks) and s.order == "up")
    assert sum(isinstance(r, Rows) and r.order == "free" for r in first.stages) >= 1
    assert any(isinstance(s, Rows) and s.axis == "t" for s in program.stages)
    assert fuse(program, Plan(fuse=False)) is program


# ---- parts of parameters -------------------------------------------------------------------------
def test_a_parameter_read_in_parts_becomes_its_parts() -> None:
    w = param("W", (4, 6))
    rows = build.slice_(w, 0, 0, 2)
    eqs = {"a": build.slice_(rows, 1, 0, 3), "b": build.unary("tanh", build.slice_(rows, 1, 3, 6))}
    eqs = {n: build.unary("exp", e) for n, e in eqs.items()}
    found, parts = split_parameters(eqs)
    assert parts == {"W[0:2,0:3]": ("W", ((0, 2), (0, 3))), "W[0:2,3:6]": ("W", ((0, 2), (3, 6)))}
    assert found["a"].args[0] is param("W[0:2,0:3]", (2, 3))


def test_a_parameter_read_whole_or_in_overlapping_parts_stays_whole() -> None:
    w = param("W", (4,))
    overlap = {"a": build.unary("exp", build.slice_(w, 0, 0, 3)), "b": build.unary("exp", build.slice_(w, 0, 2, 4))}
    whole = {"a": build.unary("exp", build.slice_(w, 0, 0, 3)), "b": build.unary("exp", w)}
    for eqs in (overlap, whole):
        found, parts = split_parameters(eqs)
        assert (found, parts) == (eqs, {})


# ---- boundary values -----------------------------------------------------------------------------
def test_a_signal_read_with_two_starts_is_copied() -> None:
    h: Node = ref("h", input_("h", SIGNAL, (2,)))
    start = leaf("param", "h0", (), (2,))
    one, zero = build.delay(h, "t", 1, [start]), build.delay(h, "t", 1, [0.0])
    eqs = {"h": build.unary("tanh", one), "k": build.mul(one, zero)}
    found = one_value_a_slot(eqs)
    assert list(found) == ["h", "k", "hʺ"]
    assert found["hʺ"].op == "copy"
    assert {a.args[0].attr for a in found["k"].args} == {"h", "hʺ"}
    assert one_value_a_slot({"h": build.unary("tanh", one)}) == {"h": build.unary("tanh", one)}


def test_an_unfolded_graph_is_compiled_as_the_loop_it_came_from() -> None:
    net = rnn.elman(x=3, h=4, o=5)
    dag = graph.unfold(net, 6)
    assert str(compiler.compile(dag, target="interpret").loops) == str(compiler.compile(net, target="interpret").loops)


# ---- what cannot be compiled, and what a window is given --------------------------------------------
def test_opaque_functions_are_refused_before_anything_runs() -> None:
    net = rnn.define("h[t] = f(h[t-1], x[t])\nk[t] = 2 * x[t]", opaque=("f",))(x=3, h=3)
    with pytest.raises(CircuitError, match="f, which is opaque"):
        compiler.compile(net, loss=None, returns=("h",))
    compiler.compile(net, loss=None, returns=("k",), target="interpret")  # what does not need it is fine


def test_initial_values_are_given_for_every_state_that_states_its_own() -> None:
    net = rnn.define("h[t] = tanh(h[t-1] + x[t])\nh[0] = k\nc[t] = c[t-1] + h[t]\nL = sum(sum(c[t]), over=t)")(x=2, h=2)
    program = compiler.compile(net, target="interpret")
    params, x = net.init(), np.ones((3, 1, 2), "float32")
    params["k"] = np.array([0.5, -0.5], "float32")
    zero = np.zeros((1, 2), "float32")
    own = program(params, x=x)
    assert program(params, x=x, initial={"h": params["k"][None]}).loss == own.loss
    assert program(params, x=x, initial={"h": zero, "c": zero}).loss != own.loss
    with pytest.raises(ValueError, match=r"initial: h is missing, and net states h\[0\]"):
        program(params, x=x, initial={"c": zero})
    with pytest.raises(TypeError, match="initial h: expected float32, got float64"):
        program(params, x=x, initial={"h": np.zeros((1, 2))})
    with pytest.raises(TypeError, match="expected state -> array"):
        program(params, x=x, initial=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="start"):
        program(params, x=x, start=2**70)

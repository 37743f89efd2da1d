"""Random networks that are cut into what is fixed and what is stepped: stepping gives what the whole does."""

from __future__ import annotations

import numpy as np
from bptt import graph
from bptt.graph.circuit import reachable
from bptt.graph.errors import CircuitError
from bptt.graph.expr import topological
from bptt.graph.statistics import after_training
from bptt.graph.stepped import stepped
from hypothesis import given, note, settings
from hypothesis import strategies as st
from properties.random_circuits import examples
from properties.stepping import step_by_step


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_stepping_equals_the_whole(data: st.DataObject) -> None:
    example = data.draw(examples())
    note(example.text)
    net = after_training(example.net)
    signals = [n for n, e in net.eqs.items() if e.axes == ("t", "b") and "[" not in n]
    names = data.draw(st.lists(st.sampled_from(signals), min_size=1, max_size=2, unique=True))
    over_time = [n for n, x in net.input_nodes.items() if "t" in x.axes]
    fed = data.draw(st.sets(st.sampled_from(over_time), max_size=2))
    note(f"{names}, fed {sorted(fed)}")
    try:
        cut = stepped(net, names, fed)
    except CircuitError as error:
        note(f"refused: {error}")
        return
    assert not any(n.op in ("length", "count") and "t" in n.attr for n in topological(cut.stepped.eqs.values()))
    T = data.draw(st.integers(1, 4))
    params, inputs = example.data(T, 2)
    needed = reachable(net, names)
    read = {n.attr for n in topological(needed.eqs.values()) if n.op == "input"}
    if not any("t" in net.input_nodes[n].axes for n in read):
        return  # nothing tells the number of steps
    inputs = {n: a for n, a in inputs.items() if n in read}
    whole = graph.evaluate(needed, params, returns=names, **inputs)
    found = step_by_step(cut, names, params, inputs, T)
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, 1e-11, 1e-11, err_msg=name)

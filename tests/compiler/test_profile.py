"""Profiles: every kernel timed, operations and bytes counted as ``explain`` counts them."""

from __future__ import annotations

import numpy as np
import pytest
from bptt import compiler, rnn
from bptt.compiler.flops import of_stage


def test_a_profile_accounts_for_every_stage() -> None:
    net = rnn.elman(x=3, h=4, o=2)
    params, x, y = net.init(seed=0), np.zeros((5, 3, 3), np.float32), np.zeros((5, 3), int)
    program = compiler.compile(net)
    profile = program.profile(params, x=x, y=y, lengths=[5, 2, 2], repeats=2)
    assert [s.name for s in profile.stages] == [f"stage_{k}" for k in range(1, len(profile.stages) + 1)]
    assert all(s.seconds > 0 for s in profile.stages)
    rows = {(None, False): 1, (None, True): 3, ("t", True): 9}
    operations = sum(of_stage(program.loops, r)[0] * rows[r.axis, r.batch] for r in program.loops.rows())
    assert sum(s.flops for s in profile.stages) == operations > 0
    text = str(profile)
    assert "loop up over t" in text
    assert "limits of 1 thread, measured now" in text
    assert len(text.splitlines()) == len(profile.stages) + 3
    program(params, x=x, y=y)  # it can be called as before


def test_the_interpreter_has_no_profile() -> None:
    net = rnn.elman(x=3, h=4, o=2)
    program = compiler.compile(net, target="interpret")
    with pytest.raises(ValueError, match='compile for "cpu"'):
        program.profile(net.init(seed=0), x=np.zeros((2, 1, 3), np.float32), y=np.zeros((2, 1), int))

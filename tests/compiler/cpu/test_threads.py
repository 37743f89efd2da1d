"""Threads beside the one that calls: they do their parts whether awake or asleep, and go when the process ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
from bptt.compiler.cpu import threads
from bptt.compiler.cpu.threads import BOX, CROWDED, PATIENT, TURN, WORTH, Team
from bptt.compiler.memory import at
from bptt.rnn.optim.compiled import Squares

SIZE = 3 * 4096


def sum_of_squares(team: Team, numbers: np.ndarray, count: int) -> float:
    """On so many threads."""
    found = Squares([numbers])
    team.run(found._kernel, at(found.table), len(found.table), at(found.sums), count)
    return float(found.sums.sum())


def test_all_threads_do_their_parts_awake_or_asleep() -> None:
    team, numbers = Team(), np.ones(SIZE, np.float32)
    for pause in (0.0, 0.0, 0.0, 0.01, 0.01, 0.0):
        time.sleep(pause)
        assert sum_of_squares(team, numbers, 3) == SIZE
    assert sum_of_squares(team, numbers, 2) == SIZE  # one of them has no part
    assert sum_of_squares(team, numbers, 1) == SIZE
    assert [int(w.box[TURN]) for w in team._workers] == [7, 6]
    workers = team._workers
    team._dismiss()
    assert not any(w.thread.is_alive() for w in workers)
    assert sum_of_squares(team, numbers, 2) == SIZE  # by another one
    team._dismiss()


def test_looking_for_work_is_given_up_where_it_is_not_worth_it() -> None:
    team, numbers = Team(), np.ones(SIZE, np.float32)
    sum_of_squares(team, numbers, 2)
    box = team._workers[0].box
    box[PATIENT], box[WORTH] = 10**9, 1  # a second, so that the first job comes soon
    time.sleep(0.005)
    sum_of_squares(team, numbers, 2)
    time.sleep(0.005)
    assert box[WORTH] == 3 or box[WORTH] < 1  # or others wanted the processor
    box[PATIENT] = 0
    for _ in range(25):
        sum_of_squares(team, numbers, 2)
    time.sleep(0.005)
    assert box[WORTH] == CROWDED
    team._dismiss()


def test_threads_that_call_at_the_same_time_take_turns() -> None:
    team, numbers = Team(), np.ones(SIZE, np.float32)
    found: list[float] = []
    calls = [threading.Thread(target=lambda: found.append(sum_of_squares(team, numbers, 2))) for _ in range(4)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert found == [SIZE] * 4
    team._dismiss()


def test_what_the_c_library_keeps_has_room() -> None:
    assert BOX * threads.BYTES - threads.CONDITION * threads.BYTES >= 64
    assert (threads.CONDITION - threads.MUTEX) * threads.BYTES >= 64


ENDS = """
import os
import numpy as np
from bptt.compiler.cpu.threads import team
from test_threads import SIZE, sum_of_squares
numbers = np.ones(SIZE, np.float32)
assert sum_of_squares(team(), numbers, 3) == SIZE
child = os.fork()
assert sum_of_squares(team(), numbers, 3) == SIZE  # the child has no threads of its parent, and makes its own
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_and_its_child_end() -> None:
    folder = str(__file__).rpartition("/")[0]
    done = subprocess.run([sys.executable, "-c", ENDS], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")

"""Logs: lines that are appended, cut back to where they were, and read."""

from __future__ import annotations

from pathlib import Path

import pytest
from bptt.rnn.runs import folder, logs
from bptt.rnn.runs.files import RunError

DEEP = "[" * 5000 + "]" * 5000


def test_metrics_are_read_up_to_a_line_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / folder.METRICS
    for update in range(3):
        logs.append(path, {"update": update, "nats": 1.5, "bits": float("nan")})
    path.write_bytes(path.read_bytes() + b'{"update": 3, "na')
    assert [record["update"] for record in logs.read_metrics(tmp_path)] == [0, 1, 2]
    assert logs.read_metrics(tmp_path)[0]["bits"] is None
    logs.cut_last_line(path)
    assert path.read_bytes().endswith(b"}\n")
    for line in ("nothing", DEEP, '{"loss": 1.0}', '{"update": 1, "loss": "a"}', '{"update": 1, "loss": [1]}'):
        path.write_text('{"update": 0}\n' + line + "\n")
        with pytest.raises(RunError, match=r"metrics.jsonl: damaged: expected a JSON object .*in line 2"):
            logs.read_metrics(tmp_path)


def test_a_log_is_cut_back_to_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / folder.METRICS
    assert logs.length(path) == 0
    logs.cut(path, 0)
    logs.append(path, {"update": 1})
    length = logs.length(path)
    logs.append(path, {"update": 2})
    logs.cut(path, length)
    assert logs.read_metrics(tmp_path) == [{"update": 1}]
    with pytest.raises(RunError, match=r"metrics.jsonl: damaged: expected at least the 99 bytes"):
        logs.cut(path, 99)

"""What the README shows, run as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    assert "δc[t] = δh[t] * q[t] * (1 - tanh(c[t])**2) + δcʹ[t+1]" in printed
    assert {p.name for p in tmp_path.iterdir()} == {"lstm.svg", "lstm_unrolled.svg"}

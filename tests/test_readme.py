"""What the README and the guides show, run as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent
Captured = pytest.CaptureFixture[str]


def run_examples(page: Path) -> int:
    """Run the Python blocks of a page one after the other; how many there are."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)  # noqa: S102
    return len(blocks)


def test_the_examples_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_examples(HOME / "README.md") >= 5
    printed = capsys.readouterr().out
    assert "δc[t] = δh[t] * q[t] * (1 - tanh(c[t])**2) + δcʹ[t+1]" in printed
    assert re.search(r"^δf\[t\] = δc\[t\] \* c\[t-1\] +# from c\[t\], which reads f\[t\]$", printed, re.MULTILINE)
    assert "vanishes: halves every" in printed
    assert {p.name for p in tmp_path.iterdir()} == {"lstm.svg", "lstm_unrolled.svg"}


def test_the_examples_of_the_guide_to_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_examples(HOME / "docs" / "training.md") >= 3
    assert capsys.readouterr().out.startswith("the ")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/training.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (HOME / page).read_text(encoding="utf-8")):
        if "://" not in target:
            assert ((HOME / page).parent / target).exists(), f"{page}: {target}"


def test_flags_in_the_guide_exist() -> None:
    """Every --flag that the guide names is one of a command."""
    from bptt.rnn.cli import _parser

    known = set(re.findall(r"--[a-z][a-z-]*", _help(_parser())))
    named = set(re.findall(r"--[a-z][a-z-]*", (HOME / "docs" / "training.md").read_text(encoding="utf-8")))
    assert not named - known


def _help(parser: object) -> str:
    import argparse

    found = [parser]
    text = ""
    while found:
        one = found.pop()
        if isinstance(one, argparse.ArgumentParser):
            text += one.format_help()
            for action in one._actions:
                if isinstance(action, argparse._SubParsersAction):
                    found += action.choices.values()
    return text

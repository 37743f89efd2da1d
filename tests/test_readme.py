"""What the README and the guides show, run as it is shown; their tables and flags held against the code."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bptt import rnn
from bptt.graph import Circuit, CircuitError, LanguageError, printed
from bptt.graph.functions import FUNCTIONS
from bptt.rnn.cli import _parser

HOME = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "docs/training.md", "docs/language.md"]
Captured = pytest.CaptureFixture[str]

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)
"""An example, and what it prints where the page shows that right below it."""


def run_examples(page: Path) -> int:
    """Run the Python blocks of a page one after the other; how many there are.

    A block of text right below one is what it prints, where … stands for anything.
    """
    names: dict[str, object] = {}
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    for block, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, str(page), "exec"), names)  # noqa: S102
        if shown:
            pattern = ".*".join(map(re.escape, shown.split("…")))
            assert re.fullmatch(pattern, printed.getvalue(), re.DOTALL), f"{block}\nprints\n{printed.getvalue()}"
        print(printed.getvalue(), end="")
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


def test_the_examples_of_the_language() -> None:
    assert run_examples(HOME / "docs" / "language.md") >= 20


# ---- the tables of the language ------------------------------------------------------------------
def rows(first: str) -> list[list[str]]:
    """The cells of the rows of each table of docs/language.md whose head begins with ``first``."""
    found, inside = [], False
    for line in (HOME / "docs" / "language.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        inside = line.startswith("|") and (inside or cells[0] == first)
        if inside and cells[0] != first and not line.startswith("|--"):
            found.append(cells)
    return found


def bound(cell: rnn.Cell, sizes: Mapping[str, Any]) -> Circuit:
    """The circuit of a cell, with those of the sizes that it has."""
    return cell(**{n: size for n, size in sizes.items() if n in (*cell.inputs, *cell.signals, *cell.parameters)})


KINDS = ["pointwise", "over features or indices", "products", "vectors and matrices", "random", "losses"]
WRITTEN = {row[0].strip("`"): row[-1] for kind in KINDS for row in rows(kind)}
"""How each function is called -> its shape."""
PRINTED = {f.name for f in FUNCTIONS.values() if f.nodes.__module__ == printed.__name__}


def test_the_tables_of_functions_have_all_of_them() -> None:
    assert set(WRITTEN) == {f.form for f in FUNCTIONS.values() if f.name not in PRINTED}
    shown = {row[0].strip("`") for row in rows("what derivatives print")}
    assert shown == {FUNCTIONS[name].form for name in PRINTED}


ARGUMENTS = {
    "M": "W", "A": "W", "symbol": "k[t]", "target": "k[t]", "*parts": "x[t], x[t]", "*sizes": "3, 4", "n": "4",
    "form": "'ij,j->i', W", "condition": "x[t] > 0",
}  # fmt: skip
SHAPES = {
    "as e": (4,), "as a and b": (4,), "as new and old": (4,), "a scalar": (), "without the last axis": (),
    "a matrix": (4, 4), "n×n": (4, 4), "by the letters": (3,), "as A @ v": (3,), "the sum of the sizes": (8,),
    "columns × rows": (4, 3), "as stated": (3, 4), "its values": (4,),
}  # fmt: skip
"""What the table says -> the shape where vectors have 4 elements, symbols 4 values, matrices 3 rows and 4 columns."""


@pytest.mark.parametrize("form", [f for f in WRITTEN if not f.startswith("split")])
def test_the_shape_of_a_function_is_that_of_its_table(form: str) -> None:
    function = FUNCTIONS[form.partition("(")[0]]
    arguments = function.arguments[:2] if function.name == "einsum" else function.arguments
    chosen = ARGUMENTS | ({"p": "0.5"} if function.name in ("dropout", "zoneout") else {})
    cell = rnn.define(f"h[t] = {function.name}({', '.join(chosen.get(a, 'x[t]') for a in arguments)})")
    net = bound(cell, {"x": 4, "k": 4, "W": (3, 4)})
    assert net.outputs["h"] == SHAPES[WRITTEN[form]]


@pytest.mark.parametrize("row", rows("wrong"), ids=lambda row: row[0])
def test_errors_are_those_of_their_table(row: list[str]) -> None:
    text, message, _ = row
    with pytest.raises((LanguageError, CircuitError)) as caught:
        bound(rnn.define(text.strip("`")), {"x": 3, "h": 3, "W": (3, 3)})
    assert message in str(caught.value)


# ---- links and flags -----------------------------------------------------------------------------
@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (HOME / page).read_text(encoding="utf-8")):
        if "://" not in target:
            assert ((HOME / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_links_within_a_page_lead_to_a_heading(page: str) -> None:
    content = (HOME / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", content, re.MULTILINE)
    known = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", content)) <= known


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_flags_of_commands_exist(page: str) -> None:
    """Every --flag of ``bptt`` that a page names is one of a command; those of other programs are not looked at."""
    known = set(re.findall(r"--[a-z][a-z0-9-]*", _help(_parser())))
    lines = (HOME / page).read_text(encoding="utf-8").splitlines()
    named = {f for line in lines if "-m pip" not in line for f in re.findall(r"--[a-z][a-z0-9-]*", line)}
    assert not named - known


def _help(parser: argparse.ArgumentParser) -> str:
    text, found = "", [parser]
    while found:
        one = found.pop()
        text += one.format_help()
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                found += action.choices.values()
    return text

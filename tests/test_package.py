"""The packages' public names: imported when used, and typed."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

PACKAGES = ["bptt.graph", "bptt.compiler", "bptt.rnn"]


def typed_names(package: str) -> set[str]:
    """The names that a type checker sees: those imported under ``if TYPE_CHECKING``."""
    tree = ast.parse(inspect.getsource(importlib.import_module(package)))
    imports = [n for block in tree.body if isinstance(block, ast.If) for n in block.body]
    names: set[str] = set()
    for n in imports:
        if isinstance(n, ast.ImportFrom):
            star = n.names[0].name == "*"
            held = vars(importlib.import_module(f"{package}.{n.module}")) if star else {}
            names |= {k for k, v in held.items() if type(v).__module__.startswith(package)}
            names |= {a.asname or a.name for a in n.names if not star}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_typed(package: str) -> None:
    module = importlib.import_module(package)
    assert typed_names(package) == set(module.__all__)
    for name in module.__all__:
        assert not inspect.ismodule(getattr(module, name)), name


def test_a_function_keeps_its_name_when_its_module_is_imported() -> None:
    from bptt import graph

    importlib.import_module("bptt.graph.latex")
    assert callable(graph.latex)


def test_an_unknown_name_is_named() -> None:
    from bptt import graph

    with pytest.raises(AttributeError, match=r"bptt\.graph has no name 'gradient'; it has .*grad"):
        graph.gradient  # noqa: B018


def test_every_cell_is_a_public_name() -> None:
    from bptt import rnn
    from bptt.rnn.cells import CELLS

    functions = set(rnn.__all__)
    assert all(getattr(rnn, name).name == name for name in CELLS if name not in functions)
    assert functions & set(CELLS) == {"bidirectional"}
    code = "from bptt import rnn; print(rnn.cells.bidirectional.name)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "bidirectional"
    with pytest.raises(AttributeError, match="no cell 'lstmm'"):
        rnn.lstmm  # noqa: B018


def test_importing_imports_nothing_heavy() -> None:
    heavy = "{'numba', 'matplotlib', 'networkx', 'graphviz', 'pygraphviz', 'safetensors'}"
    code = f"import sys, bptt.rnn, bptt.compiler, bptt.graph; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"

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
    blocks = [n for n in tree.body if isinstance(n, ast.If)]
    return {a.asname or a.name for block in blocks for n in block.body for a in n.names}


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


def test_importing_imports_nothing_heavy() -> None:
    heavy = "{'numba', 'matplotlib', 'networkx', 'graphviz', 'pygraphviz', 'safetensors'}"
    code = f"import sys, bptt.rnn, bptt.compiler, bptt.graph; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
